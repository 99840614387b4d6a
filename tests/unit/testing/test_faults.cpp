// SPDX-License-Identifier: BSL-1.0
// Tests which calls of a file system are made to fail, and what is left of those that were.
#include <cerrno>
#include <cstdint>
#include <string>
#include <vector>

#include "catch.hpp"
#include "holdfast/file_ops.hpp"
#include "holdfast/testing/faults.hpp"
#include "holdfast/testing/simulated_disk.hpp"
#include "places.hpp"

using namespace hf::testing;  // NOLINT(google-build-using-namespace)

namespace {
using support::code_of;
std::string content(SimulatedFiles const& fs, std::string const& path) {
  return std::string{hf::as_text(hf::detail::read_file(fs, path, 100).value())};
}
struct Machine {
  SimulatedDisk disk{};
  SimulatedProcess process = disk.start();
  SimulatedFiles const& fs = process.files;
  Faults& faults = disk.machine().faults;
};
}  // namespace

TEST_CASE("the n-th call fails, once, with the error that the number stands for", "[faults]") {
  struct Expected {
    int number;
    hf::errc code;
  };
  constexpr Expected all[] = {
      {EIO, hf::errc::io},
      {ENOSPC, hf::errc::no_space},
      {EDQUOT, hf::errc::no_space},
      {EFBIG, hf::errc::too_large},
      {EMFILE, hf::errc::too_many_files},
      {ENFILE, hf::errc::too_many_files},
      {EROFS, hf::errc::read_only},
      {EACCES, hf::errc::denied},
  };
  for (auto const& expected : all) {
    Machine m;
    m.faults.fail({.first = 2, .number = expected.number});
    CHECK(m.fs.make_directory("/a"));
    CHECK(code_of(m.fs.make_directory("/b")) == expected.code);
    CHECK(m.fs.make_directory("/c"));
    CHECK(code_of(m.fs.identity("/b")) == hf::errc::not_found);
    CHECK(m.faults.failed == 1);
    CHECK(m.faults.last_failed == "/b");
  }
}

TEST_CASE("a call may be done and answer an error, a write may be half done", "[faults]") {
  Machine m;
  m.faults.fail({.takes_effect = true});
  CHECK(code_of(m.fs.make_directory("/a")) == hf::errc::io);
  CHECK(m.fs.list("/a"));
  auto file = m.fs.open("/f", hf::Open::create).value();
  m.faults.fail({.call = Call::write, .number = ENOSPC, .half = true});
  CHECK(code_of(m.fs.write_at(file, 0, hf::as_bytes("12345678"))) == hf::errc::no_space);
  CHECK(content(m.fs, "/f") == "1234");
}

TEST_CASE("a full disk ends a write at any byte, and refuses what needs room", "[faults]") {
  for (std::uint64_t room = 0; room <= 6; ++room) {
    Machine m;
    auto file = m.fs.open("/f", hf::Open::create).value();
    m.faults.fail(disk_full_after(room));
    bool const first = m.fs.write_at(file, 0, hf::as_bytes("123")).has_value();
    CHECK(first == (room >= 3));
    CHECK(m.fs.write_at(file, 3, hf::as_bytes("456")).has_value() == (room >= 6));
    CHECK(content(m.fs, "/f") == std::string{"123456"}.substr(0, room));
    CHECK(code_of(m.fs.make_directory("/d")) == hf::errc::no_space);
    CHECK(code_of(m.fs.open("/g", hf::Open::create)) == hf::errc::no_space);
    CHECK(m.fs.sync(file));
    CHECK(m.fs.rename("/f", "/g"));
    CHECK(m.fs.remove("/g"));
    m.faults.heal();
    CHECK(m.fs.make_directory("/d"));
  }
}

TEST_CASE("after a read-only remount everything can be read and nothing changed", "[faults]") {
  Machine m;
  REQUIRE(hf::detail::write_new_file(m.fs, "/f", hf::as_bytes("text")));
  auto file = m.fs.open("/f", hf::Open::write).value();
  m.faults.fail(remounted_read_only(1));
  CHECK(content(m.fs, "/f") == "text");
  CHECK(m.fs.list("/"));
  CHECK(code_of(m.fs.open("/f", hf::Open::write)) == hf::errc::read_only);
  CHECK(code_of(m.fs.write_at(file, 0, hf::as_bytes("x"))) == hf::errc::read_only);
  CHECK(code_of(m.fs.resize(file, 0)) == hf::errc::read_only);
  CHECK(code_of(m.fs.rename("/f", "/g")) == hf::errc::read_only);
  CHECK(code_of(m.fs.remove("/f")) == hf::errc::read_only);
  CHECK(code_of(m.fs.link("/f", "/g")) == hf::errc::read_only);
  CHECK(content(m.fs, "/f") == "text");
}

TEST_CASE("the calls of all processes of a machine are counted together", "[faults]") {
  Machine m;
  auto const other = m.disk.start();
  m.faults.fail({.first = 2});
  CHECK(m.fs.list("/"));
  CHECK(code_of(other.files.list("/")) == hf::errc::io);
}

TEST_CASE("open files are counted until they are closed, also those of a killed process",
          "[faults]") {
  Machine m;
  auto const& open = m.disk.machine().open_files;
  {
    auto const file = m.fs.open("/f", hf::Open::create).value();
    auto moved = m.fs.open("/f", hf::Open::read).value();
    auto const target = std::move(moved);
    CHECK(open == 2);
    m.process.kill();
  }
  CHECK(open == 0);
}

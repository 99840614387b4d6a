// SPDX-License-Identifier: BSL-1.0
// Tests a simulated machine: processes, their death, the locks of their files, their clock.
#include <cstdint>
#include <vector>

#include "catch.hpp"
#include "holdfast/file_ops.hpp"
#include "holdfast/testing/simulated_disk.hpp"
#include "places.hpp"

using hf::Mode;
using hf::Open;
using hf::testing::SimulatedDisk;

namespace {
using support::code_of;
}  // namespace

TEST_CASE("processes read at once what others write", "[simulator]") {
  SimulatedDisk const disk;
  auto const writer = disk.start();
  auto const reader = disk.start();
  REQUIRE(hf::detail::write_new_file(writer.files, "/a", hf::as_bytes("text")));
  CHECK(hf::as_text(hf::detail::read_file(reader.files, "/a", 100).value()) == "text");
}

TEST_CASE("a read gives fewer bytes only at the end, and zeros where nothing was written",
          "[simulator]") {
  SimulatedDisk const disk;
  auto const process = disk.start();
  auto file = process.files.open("/a", Open::create).value();
  REQUIRE(process.files.write_at(file, 5000, hf::as_bytes("x")));
  hf::bytes content(6000, std::byte{1});
  CHECK(process.files.read_at(file, 0, content).value() == 5001);
  CHECK(content[4999] == std::byte{});
  CHECK(content[5000] == std::byte{'x'});
  CHECK(process.files.read_at(file, 5001, content).value() == 0);
}

TEST_CASE("a killed process does nothing more, and is told an error", "[simulator]") {
  SimulatedDisk const disk;
  auto const process = disk.start();
  auto file = process.files.open("/a", Open::create).value();
  process.kill_after(1);
  CHECK(process.files.write_at(file, 0, hf::as_bytes("1")));
  CHECK(process.alive());
  CHECK(code_of(process.files.write_at(file, 1, hf::as_bytes("2"))) == hf::errc::io);
  CHECK_FALSE(process.alive());
  CHECK(code_of(process.files.make_directory("/d")) == hf::errc::io);
  auto const next = disk.start();
  CHECK(next.files.identity("/a"));
  CHECK(code_of(next.files.identity("/d")) == hf::errc::not_found);
  CHECK(hf::as_text(hf::detail::read_file(next.files, "/a", 9).value()) == "1");
}

TEST_CASE("locks of open files exclude other files, of the same process too", "[simulator]") {
  SimulatedDisk const disk;
  auto const process = disk.start();
  auto const& fs = process.files;
  auto first = fs.open("/a", Open::create).value();
  auto second = fs.open("/a", Open::write).value();
  CHECK(fs.try_lock(first, {0, 4}, Mode::exclusive).value());
  CHECK_FALSE(fs.try_lock(second, {3, 1}, Mode::shared).value());
  CHECK(fs.try_lock(second, {4, 1}, Mode::exclusive).value());
  SECTION("a range that is held already is converted") {
    CHECK(fs.try_lock(first, {0, 4}, Mode::shared).value());
    CHECK(fs.try_lock(second, {0, 4}, Mode::shared).value());
    CHECK_FALSE(fs.try_lock(first, {0, 4}, Mode::exclusive).value());
  }
  SECTION("a part of it can be let go") {
    CHECK(fs.unlock(first, {1, 1}));
    CHECK(fs.try_lock(second, {1, 1}, Mode::exclusive).value());
    CHECK_FALSE(fs.try_lock(second, {2, 1}, Mode::exclusive).value());
  }
  SECTION("all are let go when the file is closed") {
    { auto const closed = std::move(first); }
    CHECK(fs.try_lock(second, {0, 4}, Mode::exclusive).value());
  }
  SECTION("all are let go when the process is killed") {
    process.kill();
    auto const next = disk.start();
    auto file = next.files.open("/a", Open::write).value();
    CHECK(next.files.try_lock(file, {0, 0}, Mode::exclusive).value());
  }
}

TEST_CASE("the last component of a path is never followed, those before it are", "[simulator]") {
  SimulatedDisk const disk;
  auto const process = disk.start();
  auto const& fs = process.files;
  REQUIRE(fs.make_directory("/d"));
  REQUIRE(hf::detail::write_new_file(fs, "/d/a", hf::as_bytes("1")));
  REQUIRE(fs.symlink("d", "/s"));
  CHECK(code_of(fs.open("/s", Open::read)) == hf::errc::foreign);
  CHECK(code_of(fs.list("/s")) == hf::errc::invalid);
  CHECK(code_of(fs.sync_directory("/s")) == hf::errc::invalid);
  CHECK(fs.identity("/s/a").value() == fs.identity("/d/a").value());
  CHECK(fs.identity("/d/../s/./a").value() == fs.identity("/d/a").value());
  CHECK(fs.read_link("/s").value() == "d");
}

TEST_CASE("others may run before every call, but not within themselves", "[simulator]") {
  SimulatedDisk const disk;
  auto const process = disk.start();
  auto const other = disk.start();
  int times = 0;
  disk.before_each_call([&] {
    ++times;
    REQUIRE(other.files.list("/"));
  });
  REQUIRE(process.files.make_directory("/d"));
  REQUIRE(process.files.list("/d"));
  CHECK(times == 2);
}

TEST_CASE("time passes only where it is waited for", "[simulator]") {
  SimulatedDisk const disk;
  auto const process = disk.start();
  auto const other = disk.start();
  auto const begun = process.world.steady_ns();
  CHECK(process.world.steady_ns() == begun);
  process.world.wait_until(begun + 5);
  process.world.wait_until(begun + 3);
  CHECK(other.world.steady_ns() == begun + 5);
}

TEST_CASE("processes are told apart, boots too, and equal ones draw equal numbers", "[simulator]") {
  SimulatedDisk const disk{4096, 7};
  auto const first = disk.start();
  auto const second = disk.start();
  CHECK(first.world.self().boot == second.world.self().boot);
  CHECK_FALSE(first.world.self() == second.world.self());
  CHECK(first.world.random64() != second.world.random64());
  SimulatedDisk const rebooted{disk.machine().cache, 2, 7, 1};
  CHECK_FALSE(rebooted.start().world.self().boot == first.world.self().boot);
  SimulatedDisk const same{4096, 7};
  CHECK(same.start().world.random64() == SimulatedDisk(4096, 7).start().world.random64());
}

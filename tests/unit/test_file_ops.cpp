// SPDX-License-Identifier: BSL-1.0
// Tests what takes several calls of a file system: paths, whole files, whole trees.
#include <algorithm>
#include <string>
#include <vector>

#include "catch.hpp"
#include "failing_files.hpp"
#include "holdfast/file_ops.hpp"
#include "places.hpp"

namespace {
using hf::errc;
using support::Call, support::code_of, support::FailingFiles, support::Place;
namespace detail = hf::detail;
}  // namespace

TEST_CASE("paths are joined and parted", "[file_ops]") {
  CHECK(detail::join("a", "b") == "a/b");
  CHECK(detail::join("a/", "b") == "a/b");
  CHECK(detail::join("", "b") == "b");
  CHECK(detail::join("/", "b") == "/b");
  CHECK(detail::parent_of("a/b") == "a");
  CHECK(detail::parent_of("/a/b/c") == "/a/b");
  CHECK(detail::parent_of("/a") == "/");
  CHECK(detail::parent_of("/") == "/");
  CHECK(detail::parent_of("a") == ".");
  CHECK(detail::parent_of("a/b//") == "a");
}

TEST_CASE("a whole file is read up to a limit", "[file_ops]") {
  Place const place;
  support::write_file(place / "f", "12345");
  hf::Posix const fs;
  CHECK(hf::as_text(detail::read_file(fs, place / "f", 5).value()) == "12345");
  CHECK(code_of(detail::read_file(fs, place / "f", 4)) == errc::too_large);
  CHECK(code_of(detail::read_file(fs, place / "g", 4)) == errc::not_found);
}

TEST_CASE("a new file is synced before its making returns, and replaces none", "[file_ops]") {
  Place const place;
  FailingFiles const fs;
  REQUIRE(detail::write_new_file(fs, place / "f", hf::as_bytes("x")));
  CHECK(fs.calls().count(Call::sync) == 1);
  CHECK(code_of(detail::write_new_file(fs, place / "f", hf::as_bytes("y"))) == errc::exists);
  CHECK(support::read_file(place / "f") == "x");
}

TEST_CASE("folders are made with their parents, each name durable before the next", "[file_ops]") {
  Place const place;
  FailingFiles const fs;
  std::vector<std::string> effects;
  fs.calls().spy = [&](Call call, std::string const& path) {
    auto const name = path.starts_with(place.path()) ? path.substr(place.path().size()) : path;
    if (call == Call::make_directory) effects.push_back("make " + name);
    if (call == Call::sync_directory) effects.push_back("sync " + name);
  };
  REQUIRE(detail::make_directories(fs, place / "a/b"));
  auto const at = [&](std::string const& effect) {
    return std::find(effects.rbegin(), effects.rend(), effect).base() - effects.begin();
  };
  CHECK(at("sync ") != 0);
  CHECK(at("sync ") < at("make /a/b"));
  CHECK(at("make /a/b") < at("sync /a"));
  fs.calls().spy = {};
  CHECK(detail::make_directories(fs, place / "a/b"));
  support::write_file(place / "file", "");
  CHECK(!detail::make_directories(fs, place / "file/below"));
}

TEST_CASE("a tree is removed without following what points out of it", "[file_ops]") {
  Place const place;
  hf::Posix const fs;
  support::fs::create_directories(place / "tree/a/b");
  support::write_file(place / "tree/a/b/f", "x");
  support::write_file(place / "outside", "precious");
  support::fs::create_directory(place / "outside-folder");
  support::write_file(place / "outside-folder/f", "precious");
  support::fs::create_symlink(place / "outside", place / "tree/link");
  support::fs::create_symlink(place / "outside-folder", place / "tree/folder-link");
  REQUIRE(detail::remove_tree(fs, place / "tree", hf::Entry::Kind::directory));
  CHECK(!support::fs::exists(place / "tree"));
  CHECK(support::read_file(place / "outside") == "precious");
  CHECK(support::read_file(place / "outside-folder/f") == "precious");
  CHECK(detail::remove_tree(fs, place / "tree", hf::Entry::Kind::directory));
}

TEST_CASE("removing a tree gives the error it met and can be tried again", "[file_ops]") {
  Place const place;
  FailingFiles const fs;
  support::fs::create_directories(place / "tree/a/b");
  support::write_file(place / "tree/a/b/f", "x");
  fs.calls().fail({.call = Call::remove, .first = 2});
  CHECK(code_of(detail::remove_tree(fs, place / "tree", hf::Entry::Kind::directory)) == errc::io);
  fs.calls().heal();
  CHECK(detail::remove_tree(fs, place / "tree", hf::Entry::Kind::directory));
  CHECK(!support::fs::exists(place / "tree"));
}

namespace {
// Notes which bytes were asked to be on their way, and when the sync came.
struct EagerFiles : hf::Posix {
  std::vector<std::uint64_t>* started = nullptr;
  bool* synced = nullptr;
  void start_writeback(file&, hf::Range range) const {
    REQUIRE_FALSE(*synced);
    started->push_back(range.at);
    started->push_back(range.size);
  }
  hf::result<void> sync(file& f) const {
    *synced = true;
    return Posix::sync(f);
  }
};
}  // namespace

TEST_CASE("a large file is on its way to the disk before its sync", "[file_ops]") {
  constexpr std::uint64_t mib = std::uint64_t{1} << 20;
  Place home;
  std::vector<std::uint64_t> started;
  bool synced = false;
  EagerFiles fs;
  fs.started = &started;
  fs.synced = &synced;
  hf::bytes content(18 * mib + 3);
  for (std::size_t i = 0; i < content.size(); i += 4096) {
    content[i] = static_cast<std::byte>(i >> 12);
  }
  auto file = fs.open(home / "large", hf::Open::create);
  REQUIRE(file);
  auto const crc = detail::write_durably(fs, file.value(), content);
  REQUIRE(crc);
  CHECK(crc.value() == hf::crc32c(content));
  CHECK(synced);
  CHECK(started == std::vector<std::uint64_t>{0, 8 * mib, 8 * mib, 8 * mib});
  CHECK(detail::read_file(fs, home / "large", content.size()).value() == content);

  // The real call, and a file system that has none.
  auto again = hf::Posix{}.open(home / "again", hf::Open::create);
  CHECK(detail::write_durably(hf::Posix{}, again.value(), content).value() == crc.value());
  FailingFiles plain;
  auto other = plain.open(home / "other", hf::Open::create);
  CHECK(detail::write_durably(plain, other.value(), content).value() == crc.value());
  CHECK(detail::read_file(plain, home / "other", content.size()).value() == content);
}

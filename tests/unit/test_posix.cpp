// SPDX-License-Identifier: BSL-1.0
// Tests the laws of the file system on the real one: what opens, locks, replaces and follows.
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "catch.hpp"
#include "holdfast/posix.hpp"
#include "places.hpp"
#include "processes.hpp"

namespace {
using hf::errc, hf::Mode, hf::Open, hf::Posix;
using support::code_of, support::Place;

std::string read_all(Posix const& fs, Posix::file& file) {
  hf::bytes into(100);
  auto const got = fs.read_at(file, 0, into);
  return got ? std::string{hf::as_text(hf::bytes_view{into}.first(got.value()))} : "error";
}
}  // namespace

TEST_CASE("files open to read, to write what exists, or to make what does not", "[posix]") {
  Place const place;
  Posix const fs;
  CHECK(code_of(fs.open(place / "a", Open::read)) == errc::not_found);
  CHECK(code_of(fs.open(place / "a", Open::write)) == errc::not_found);
  auto made = fs.open(place / "a", Open::create);
  REQUIRE(made);
  REQUIRE(fs.write_at(made.value(), 2, hf::as_bytes("xyz")));
  CHECK(fs.size(made.value()).value() == 5);
  CHECK(code_of(fs.open(place / "a", Open::create)) == errc::exists);
  auto again = fs.open(place / "a", Open::read);
  REQUIRE(again);
  CHECK(read_all(fs, again.value()) == std::string("\0\0xyz", 5));
  CHECK(!fs.write_at(again.value(), 0, hf::as_bytes("q")));
  auto written = fs.open(place / "a", Open::write);
  REQUIRE(fs.resize(written.value(), 3));
  CHECK(read_all(fs, again.value()) == std::string("\0\0x", 3));
  CHECK(fs.sync(written.value()));
}

TEST_CASE("a read past the end gives what there is", "[posix]") {
  Place const place;
  Posix const fs;
  auto file = fs.open(place / "a", Open::create).value();
  hf::bytes into(10);
  CHECK(fs.read_at(file, 0, into).value() == 0);
  REQUIRE(fs.write_at(file, 0, hf::as_bytes("12345")));
  CHECK(fs.read_at(file, 3, into).value() == 2);
  CHECK(fs.read_at(file, 100, into).value() == 0);
}

TEST_CASE("opening, removing and telling apart never follow a symlink; a folder may be one",
          "[posix]") {
  Place const place;
  Posix const fs;
  support::write_file(place / "real", "precious");
  support::fs::create_directory(place / "folder");
  support::write_file(place / "folder/inside", "x");
  support::fs::create_symlink(place / "real", place / "link");
  support::fs::create_symlink(place / "folder", place / "folder-link");
  for (auto const how : {Open::read, Open::write}) {
    CHECK(code_of(fs.open(place / "link", how)) == errc::foreign);
  }
  CHECK(code_of(fs.open(place / "link", Open::create)) == errc::exists);
  CHECK(fs.list(place / "folder-link").value().size() == 1);
  CHECK(fs.sync_directory(place / "folder-link"));
  CHECK(fs.identity(place / "link").value() != fs.identity(place / "real").value());
  REQUIRE(fs.remove(place / "link"));
  REQUIRE(fs.remove(place / "folder-link"));
  CHECK(support::read_file(place / "real") == "precious");
  CHECK(support::fs::exists(place / "folder/inside"));
}

TEST_CASE("rename replaces, link and symlink don't", "[posix]") {
  Place const place;
  Posix const fs;
  support::write_file(place / "a", "a");
  support::write_file(place / "b", "b");
  CHECK(code_of(fs.link(place / "a", place / "b")) == errc::exists);
  CHECK(code_of(fs.symlink("a", place / "b")) == errc::exists);
  CHECK(support::read_file(place / "b") == "b");
  REQUIRE(fs.link(place / "a", place / "c"));
  CHECK(fs.identity(place / "a").value() == fs.identity(place / "c").value());
  REQUIRE(fs.rename(place / "b", place / "a"));
  CHECK(support::read_file(place / "a") == "b");
  CHECK(support::read_file(place / "c") == "a");
  REQUIRE(fs.symlink("where/it\npoints", place / "s"));
  CHECK(fs.read_link(place / "s").value() == "where/it\npoints");
}

TEST_CASE("locks of other open files can be looked at, without any of one's own", "[posix]") {
  Place const place;
  Posix const fs;
  support::write_file(place / "f", "x");
  auto holder = fs.open(place / "f", hf::Open::write).value();
  auto other = fs.open(place / "f", hf::Open::read).value();
  for (auto const mode : {hf::Mode::shared, hf::Mode::exclusive}) {
    REQUIRE(fs.try_lock(holder, {7, 1}, mode).value());
    CHECK(fs.is_locked(other, {7, 1}).value());
    CHECK(fs.is_locked(other, {0, 0}).value());
    CHECK(!fs.is_locked(other, {8, 1}).value());
    CHECK(!fs.is_locked(holder, {7, 1}).value());
    REQUIRE(fs.unlock(holder, {7, 1}));
    CHECK(!fs.is_locked(other, {0, 0}).value());
  }
}

TEST_CASE("remove takes files and empty folders, and nothing that is full", "[posix]") {
  Place const place;
  Posix const fs;
  REQUIRE(fs.make_directory(place / "d"));
  CHECK(code_of(fs.make_directory(place / "d")) == errc::exists);
  support::write_file(place / "d/f", "x");
  CHECK(code_of(fs.remove(place / "d")) == errc::exists);
  REQUIRE(fs.remove(place / "d/f"));
  REQUIRE(fs.remove(place / "d"));
  CHECK(code_of(fs.remove(place / "d")) == errc::not_found);
  CHECK(code_of(fs.list(place / "d")) == errc::not_found);
}

TEST_CASE("a folder is listed sorted, with names of any bytes and their kinds", "[posix]") {
  Place const place;
  Posix const fs;
  std::string const odd = "\xff\xfe not text\n";
  support::write_file(place / odd, "x");
  support::write_file(place / std::string(255, 'n'), "x");
  support::fs::create_directory(place / "dir");
  support::fs::create_symlink("nowhere", place / "link");
  REQUIRE(::mkfifo((place / "fifo").c_str(), 0600) == 0);
  auto const entries = fs.list(place.path()).value();
  REQUIRE(entries.size() == 5);
  CHECK(std::is_sorted(entries.begin(), entries.end()));
  using Kind = hf::Entry::Kind;
  auto const has = [&](std::string const& name, Kind kind) {
    return std::find(entries.begin(), entries.end(), hf::Entry{name, kind}) != entries.end();
  };
  CHECK(has(odd, Kind::file));
  CHECK(has("dir", Kind::directory));
  CHECK(has("link", Kind::symlink));
  CHECK(has("fifo", Kind::other));
}

TEST_CASE("a lock belongs to the open file: it excludes others of the same process too",
          "[posix]") {
  Place const place;
  Posix const fs;
  auto one = fs.open(place / "a", Open::create).value();
  auto two = std::optional{fs.open(place / "a", Open::write).value()};
  CHECK(fs.try_lock(one, {10, 5}, Mode::exclusive).value());
  CHECK(fs.try_lock(one, {10, 5}, Mode::exclusive).value());
  CHECK(!fs.try_lock(*two, {14, 1}, Mode::shared).value());
  CHECK(fs.try_lock(*two, {15, 1}, Mode::exclusive).value());
  CHECK(fs.try_lock(*two, {9, 1}, Mode::exclusive).value());
  CHECK(fs.try_lock(one, {10, 5}, Mode::shared).value());  // converts what it holds
  CHECK(fs.try_lock(*two, {10, 5}, Mode::shared).value());
  CHECK(!fs.try_lock(one, {10, 5}, Mode::exclusive).value());
  two.reset();  // closing lets go
  CHECK(fs.try_lock(one, {0, 100}, Mode::exclusive).value());
  REQUIRE(fs.unlock(one, {0, 100}));
  CHECK(fs.unlock(one, {0, 100}));
}

TEST_CASE("opening and closing the same file elsewhere keeps a lock", "[posix]") {
  Place const place;
  Posix const fs;
  auto held = fs.open(place / "a", Open::create).value();
  CHECK(fs.try_lock(held, {0, 1}, Mode::exclusive).value());
  { auto const passing = fs.open(place / "a", Open::read); }
  CHECK(support::in_child([&]() -> std::string {
          auto other = fs.open(place / "a", Open::write).value();
          return fs.try_lock(other, {0, 1}, Mode::exclusive).value() ? "got it" : "";
        }) == "");
}

TEST_CASE("a file that is moved from closes nothing, and every file closes itself once",
          "[posix]") {
  Place const place;
  Posix const fs;
  auto const before = support::open_descriptors();
  {
    auto one = fs.open(place / "a", Open::create).value();
    auto two = fs.open(place / "b", Open::create).value();
    auto three = std::move(one);
    one = std::move(two);
    two = Posix::file{};
    CHECK(three.path() == place / "a");
    CHECK(one.path() == place / "b");
    CHECK((::fcntl(one.descriptor(), F_GETFD) & FD_CLOEXEC) != 0);
  }
  CHECK(support::open_descriptors() == before);
}

TEST_CASE("an error names the call, the path and the number of the system", "[posix]") {
  Place const place;
  auto const failed = Posix{}.open(place / "no/such", Open::read);
  REQUIRE(!failed);
  CHECK(failed.error().native() == ENOENT);
  CHECK(failed.error().detail() == place / "no/such");
  CHECK(std::string{failed.error().where()} == "open");
  std::string const long_name(300, 'n');
  CHECK(code_of(Posix{}.open(place / long_name, Open::create)) == errc::invalid);
  support::write_file(place / "file", "");
  CHECK(code_of(Posix{}.open(place / "file/below", Open::read)) == errc::invalid);
}

TEST_CASE("calls that a signal interrupts go on", "[posix][process]") {
  Place const place;
  CHECK(support::in_child([&]() -> std::string {
          struct sigaction action {};
          action.sa_handler = [](int) {};  // without SA_RESTART
          ::sigaction(SIGALRM, &action, nullptr);
          itimerval const often{{0, 100}, {0, 100}};
          ::setitimer(ITIMER_REAL, &often, nullptr);
          Posix const fs;
          hf::bytes const block(std::size_t{1} << 20, std::byte{7});
          hf::bytes back(block.size());
          for (int i = 0; i < 20; ++i) {
            auto const path = place / std::to_string(i);
            auto file = fs.open(path, Open::create);
            if (!file) return file.error().text();
            auto const written = fs.write_at(file.value(), 0, block);
            if (!written) return written.error().text();
            auto const got = fs.read_at(file.value(), 0, back);
            if (!got) return got.error().text();
            if (got.value() != block.size() || back != block) return "other bytes";
          }
          return "";
        }) == "");
}

// SPDX-License-Identifier: BSL-1.0
// Tests what every operation answers when it can't be done: of an object that was moved from, in a
// forked child, over a register that fails or changes all the time.
#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "catch.hpp"
#include "file_home.hpp"
#include "memory_home.hpp"
#include "processes.hpp"

namespace {
using hf::errc, hf::Generation;
using support::Answer, support::answer_next, support::code_of, support::commit_files,
    support::commit_text, support::FileHome, support::MemoryHome, support::StartedHome;
using Folders = hf::DirectoryStore;

// Runs `work` before the load of each number in `when`, counted from 1 by all who share the
// register.
template <class Work>
void before_loads(MemoryHome const& home, std::vector<int> when, Work work) {
  home.reg.script().before_load = [when = std::move(when), work, count = 0,
                                   inside = false]() mutable {
    if (inside) return;  // what `work` itself loads
    ++count;
    if (std::find(when.begin(), when.end(), count) == when.end()) return;
    inside = true;
    work();
    inside = false;
  };
}
void fail_loads(MemoryHome const& home) {
  home.reg.script().on_load = []() -> hf::result<bool> { return hf::failure(errc::io, "load"); };
}
std::vector<int> const every_second{2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30, 32, 34};
}  // namespace

TEST_CASE("every operation of a home that was moved from answers spent", "[staged][spent]") {
  FileHome const home;
  auto db = home.open().value();
  REQUIRE(commit_files(db, "one"));
  auto const other = std::move(db);
  CHECK(code_of(db.stage(hf::only<0>)) == errc::spent);
  CHECK(code_of(db.stage_from_current()) == errc::spent);
  CHECK(code_of(db.hold("why")) == errc::spent);
  CHECK(code_of(db.unhold()) == errc::spent);
  CHECK(code_of(db.verify({1})) == errc::spent);
  CHECK(code_of(db.status()) == errc::spent);
  CHECK(db.state() == hf::State::none);
  CHECK(other.view());
}

TEST_CASE("every operation of a follower that was moved from answers spent", "[staged][spent]") {
  FileHome const home;
  auto db = home.open().value();
  REQUIRE(commit_files(db, "one"));
  auto reader = home.follow().value();
  auto const other = std::move(reader);
  CHECK(code_of(reader.view()) == errc::spent);
  CHECK(code_of(reader.pin()) == errc::spent);
  CHECK(code_of(reader.refresh()) == errc::spent);
  CHECK(code_of(reader.verify({1})) == errc::spent);
  CHECK(code_of(reader.status()) == errc::spent);
  CHECK(other.view());
}

TEST_CASE("a backup of what was moved from, or is not there, answers why", "[staged][spent]") {
  support::Place const place{support::On::memory};
  std::string const home = place / "home";
  auto db = hf::open_staged(home, Folders{"files"}).value();
  CHECK(code_of(db.backup(place / "none", Folders{"files"})) == errc::no_generation);
  auto stage = db.stage().value();
  REQUIRE(stage.writer().put("value", hf::as_bytes("one")));
  REQUIRE(std::move(stage).seal().value().commit());
  auto reader = hf::open_view(home, Folders{"files"}).value();
  {
    auto const other = std::move(db);
    auto const follows = std::move(reader);
    CHECK(code_of(db.backup(place / "copy", Folders{"files"})) == errc::spent);
    CHECK(code_of(reader.backup(place / "copy", Folders{"files"})) == errc::spent);
    CHECK(follows.backup(place / "copy", Folders{"files"}).value() == Generation{1});
    CHECK(code_of(other.backup(place / "copy", Folders{"files"})) == errc::exists);
  }
}

TEST_CASE("a forked child holds, verifies and follows nothing", "[staged][fork]") {
  FileHome const home;
  auto db = home.open().value();
  REQUIRE(commit_files(db, "one"));
  auto reader = home.follow().value();
  auto const before = support::contents(home.path);
  CHECK(support::in_child([&] {
          bool const refused =
              code_of(db.hold("why")) == errc::forked && code_of(db.unhold()) == errc::forked &&
              code_of(db.verify({1})) == errc::forked &&
              code_of(reader.refresh()) == errc::forked && code_of(reader.status()) == errc::forked;
          return std::string{refused ? "" : "not refused"};
        }) == "");
  CHECK(support::contents(home.path) == before);
}

TEST_CASE("a hold beside other writers is tried again, and tells what stands in its way",
          "[staged][hold]") {
  StartedHome made;
  answer_next(made.home, Answer::conflict);
  CHECK(made.db.hold("an audit"));
  CHECK(made.db.status().value().manifest->hold == "an audit");

  answer_next(made.home, Answer::fail);
  CHECK(code_of(made.db.unhold()) == errc::io);
  CHECK(made.db.status().value().manifest->hold == "an audit");

  int asked = 0;
  made.home.reg.script().on_store = [&asked](std::string_view) {
    ++asked;
    return Answer::conflict;
  };
  CHECK(code_of(made.db.unhold()) == errc::conflict);
  CHECK(asked == 17);  // an end, whatever the others do
  made.home.reg.script().on_store = {};

  fail_loads(made.home);
  CHECK(code_of(made.db.unhold()) == errc::io);
  made.home.reg.script().on_load = {};
  CHECK(made.db.unhold());
}

TEST_CASE("a look at a generation that retires meanwhile says so", "[staged][verify]") {
  StartedHome made;
  auto other = made.home.open({.retain = 1}).value();
  before_loads(made.home, {2}, [&] { REQUIRE(commit_text(other, "two")); });
  CHECK(code_of(made.db.verify({1})) == errc::not_retained);

  fail_loads(made.home);
  CHECK(code_of(made.db.verify({2})) == errc::io);
  made.home.reg.script().on_load = {};
  CHECK(made.db.verify({2}));
}

TEST_CASE("what retires faster than it can be held is busy, not waited for", "[staged][verify]") {
  StartedHome made;
  auto other = made.home.open({.retain = 1}).value();
  before_loads(made.home, every_second, [&] { REQUIRE(commit_text(other, "next")); });
  hf::detail::Source source{support::TextStore{made.home.texts}, made.home.reg};
  CHECK(code_of(hf::detail::hold_generation(source, std::nullopt, "backup")) == errc::busy);
}

TEST_CASE("a refresh that is overtaken opens what is current then", "[staged][refresh]") {
  StartedHome made;
  auto other = made.home.open({.retain = 1}).value();
  REQUIRE(commit_text(other, "two"));
  SECTION("once") {
    before_loads(made.home, {2}, [&] { REQUIRE(commit_text(other, "three")); });
    CHECK(made.db.refresh().value());
    CHECK(support::shown(made.db) == "three");
  }
  SECTION("all the time: what was shown stays") {
    before_loads(made.home, every_second, [&] { REQUIRE(commit_text(other, "next")); });
    CHECK(code_of(made.db.refresh()) == errc::busy);
    CHECK(made.db.status().value().trouble->code() == errc::busy);
  }
}

TEST_CASE("a build whose record can't be read at its start or end leaves no trace",
          "[staged][stage]") {
  StartedHome made;
  SECTION("start") {
    fail_loads(made.home);
    CHECK(code_of(made.db.stage()) == errc::io);
  }
  SECTION("other writers at its start") {
    answer_next(made.home, Answer::conflict);
    CHECK(made.db.stage());
  }
  SECTION("other writers at its end") {
    auto stage = made.db.stage().value();
    answer_next(made.home, Answer::conflict);
    stage.discard();
    CHECK(!made.db.status().value().manifest->attempt);
  }
  SECTION("end") {
    auto stage = made.db.stage().value();
    fail_loads(made.home);
    stage.discard();
  }
  made.home.reg.script() = {};
  CHECK(commit_text(made.db, "two"));
  CHECK(made.home.in_store().size() == 2);  // "one" and "two": nothing of the build that ended
}

// SPDX-License-Identifier: BSL-1.0
// Tests that of several who change a home one wins, and the others are told and change nothing.
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "catch.hpp"
#include "memory_home.hpp"
#include "places.hpp"

namespace {
using hf::errc, hf::Generation, hf::State;
using support::Answer, support::answer_commit, support::code_of, support::commit_text,
    support::MemoryHome, support::Op, support::shown;
using Numbers = std::vector<std::uint64_t>;
using Started = support::StartedHome;
}  // namespace

TEST_CASE("a commit after a revert during the build is a conflict, and is discarded",
          "[staged][conflict]") {
  Started s;
  REQUIRE(commit_text(s.db, "two"));
  auto ready = s.db.stage().value().seal().value();
  REQUIRE(s.db.revert({1}));
  CHECK(shown(s.db) == "one");
  CHECK(code_of(std::move(ready).commit()) == errc::conflict);
  CHECK(s.db.state() == State::none);
  CHECK(shown(s.db) == "one");
  CHECK(s.home.in_store() == Numbers{1, 2});
  CHECK(commit_text(s.db, "four"));
}

TEST_CASE("a revert by another object meets a build in the same way", "[staged][conflict]") {
  Started s;
  REQUIRE(commit_text(s.db, "two"));
  auto ready = s.db.stage().value().seal().value();
  auto other = s.home.open().value();
  REQUIRE(other.revert({1}));
  CHECK(code_of(std::move(ready).commit()) == errc::conflict);
  CHECK(shown(s.db) == "two");
  CHECK(s.db.refresh().value());
  CHECK(shown(s.db) == "one");
}

TEST_CASE("a builder whose lock was taken away is fenced out", "[staged][conflict]") {
  Started s;
  auto ready = s.db.stage().value().seal().value().validate([](auto const&) { return true; });
  REQUIRE(ready);
  auto lock = s.home.lock;
  REQUIRE(lock.force(*lock.inspect().value(), {}));
  auto other = s.home.open().value();
  REQUIRE(commit_text(other, "theirs"));
  auto const sequence = other.view().value().sequence();
  CHECK(code_of(std::move(ready).value().commit()) == errc::fenced);
  CHECK(s.db.refresh());
  CHECK(shown(s.db) == "theirs");
  CHECK(s.db.view().value().sequence() == sequence);
  CHECK(s.home.in_store() == Numbers{1, 3});
  CHECK(commit_text(s.db, "again"));
}

TEST_CASE("a builder that was fenced out before it sealed or opened commits nothing",
          "[staged][conflict]") {
  Started s;
  auto lock = s.home.lock;
  auto other = s.home.open().value();
  {
    auto stage = s.db.stage().value();
    REQUIRE(lock.force(*lock.inspect().value(), {}));
    REQUIRE(commit_text(other, "theirs"));
    CHECK(!std::move(stage).seal());
  }
  {
    auto ready = s.db.stage().value().seal().value();
    REQUIRE(lock.force(*lock.inspect().value(), {}));
    REQUIRE(commit_text(other, "theirs again"));
    CHECK(!std::move(ready).commit());
  }
  CHECK(s.db.refresh());
  CHECK(shown(s.db) == "theirs again");
  CHECK(commit_text(s.db, "last"));
  CHECK(shown(s.db) == "last");
}

TEST_CASE("what a builder left is dropped only after it is fenced out", "[staged][conflict]") {
  // The old builder is alive and commits in the very moment in which its generation is dropped.
  Started s;
  auto ready = s.db.stage().value().seal().value().validate([](auto const&) { return true; });
  auto lock = s.home.lock;
  REQUIRE(lock.force(*lock.inspect().value(), {}));
  std::optional<hf::result<hf::Committed>> late;
  s.home.texts->hook = [&](Op op, Generation g) -> hf::result<void> {
    if (op == Op::drop && g.number == 2 && !late) {
      late.emplace(hf::failure(errc::unknown, "under way"));
      late = std::move(ready).value().commit();
    }
    return hf::ok();
  };
  auto other = s.home.open();
  s.home.texts->hook = {};
  REQUIRE(other);
  REQUIRE(late);
  CHECK(code_of(*late) == errc::fenced);
  CHECK(shown(other.value()) == "one");
  CHECK(commit_text(other.value(), "theirs"));
}

TEST_CASE("of two committers one wins", "[staged][conflict]") {
  // Two objects with a lock each: nothing but the register stands between them.
  MemoryHome one_home;
  auto other_home = one_home;
  other_home.lock = hf::Exclusive{};
  auto one = one_home.open().value();
  REQUIRE(commit_text(one, "first"));
  auto other = other_home.open().value();
  auto ready = one.stage().value().seal().value().validate([](auto const&) { return true; });
  auto theirs = other.stage();  // takes the attempt over: its token must be greater
  if (!theirs) {
    CHECK(code_of(theirs) == errc::fenced);
    CHECK(std::move(ready).value().commit());
    return;
  }
  auto const done = std::move(theirs).value().seal().value().commit();
  auto const refused = std::move(ready).value().commit();
  CHECK(done.has_value() != refused.has_value());
}

TEST_CASE("a register that refuses a commit discards it", "[staged][conflict]") {
  for (auto const answer : {Answer::conflict, Answer::fail}) {
    Started s;
    answer_commit(s.home, 2, answer);
    CHECK(!commit_text(s.db, "two"));
    CHECK(shown(s.db) == "one");
    CHECK(s.home.in_store() == Numbers{1});
    CHECK(s.db.state() == State::none);
    CHECK(commit_text(s.db, "three"));
  }
}

// SPDX-License-Identifier: BSL-1.0
// Tests the ways through commit and recovery that only bad luck takes: records that change, vanish
// or can't be read in the midst of an operation, rivals that never stop.
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "catch.hpp"
#include "memory_home.hpp"
#include "processes.hpp"

namespace {
using hf::errc, hf::Outcome;
using support::Answer, support::MemoryHome, support::Op, support::PublishedHome;
using support::StartedHome;

template <class R>
std::optional<errc> code(R const& from) {
  if (from) return {};
  return from.error().code();
}
hf::result<bool> unreadable() {
  return hf::failure(errc::io, "load");
}

// A home with generations 1 and 2, shown by an object that has opened only the second.
struct TwoKept {
  MemoryHome home{};
  MemoryHome::Staged db = start();
  [[nodiscard]] MemoryHome::Staged start() const {
    {
      auto first = home.open({.retain = 3}).value();
      support::commit_text(first, "one").value();
      support::commit_text(first, "two").value();
    }
    return home.open({.retain = 3}).value();
  }
  // The same record at another version, as by a rival.
  void touch() const {
    auto rival = home.reg;
    auto const now = rival.load().value();
    rival.store_if(now->version, now->value).value();
  }
  // Opening generation 1 fails `times` times, each time after `then`.
  template <class Then>
  void open_fails(int times, Then then) const {
    home.texts->hook = [times, then](Op op, hf::Generation g) mutable -> hf::result<void> {
      if (op != Op::open || g.number != 1 || times-- <= 0) return hf::ok();
      then();
      return hf::failure(errc::not_found, "open");
    };
  }
};
}  // namespace

TEST_CASE("a revert whose generation can't be opened looks again while the record changes",
          "[staged][revert]") {
  TwoKept two;
  two.open_fails(3, [&] { two.touch(); });
  CHECK(two.db.revert({1}).value().generation.number == 1);
  CHECK(support::shown(two.db) == "one");
}

TEST_CASE("a revert gives up where nothing changes, or everything always does",
          "[staged][revert]") {
  TwoKept two;
  two.open_fails(1, [] {});
  CHECK(code(two.db.revert({1})) == errc::not_found);
  two.open_fails(100, [&] { two.touch(); });
  CHECK(code(two.db.revert({1})) == errc::not_found);
  two.open_fails(1, [&] { two.home.reg.script().on_load = unreadable; });
  CHECK(code(two.db.revert({1})) == errc::not_found);
  two.home.reg.script().on_load = nullptr;
  two.open_fails(1,
                 [&] { two.home.reg.script().on_load = [] { return hf::result<bool>{false}; }; });
  CHECK(code(two.db.revert({1})) == errc::not_found);
  two.home.reg.script().on_load = nullptr;
  CHECK(support::shown(two.db) == "two");
}

TEST_CASE("a revert that conflicts is tried again, but not for ever", "[staged][revert]") {
  TwoKept two;
  support::answer_next(two.home, Answer::conflict);
  CHECK(two.db.revert({1}).value().sequence == 3);
  two.home.reg.script().on_store = [](std::string_view) { return Answer::conflict; };
  CHECK(code(two.db.revert({2})) == errc::conflict);
  two.home.reg.script().on_store = [](std::string_view) { return Answer::fail; };
  CHECK(code(two.db.revert({2})) == errc::io);
  CHECK(support::shown(two.db) == "one");
}

TEST_CASE("a revert without a record is an error", "[staged][revert]") {
  TwoKept two;
  two.home.reg.script().on_load = [] { return hf::result<bool>{false}; };
  CHECK(code(two.db.revert({1})) == errc::no_generation);
  CHECK(code(two.db.collect()) == std::nullopt);
  two.home.reg.script().on_load = unreadable;
  CHECK(code(two.db.collect()) == errc::io);
  CHECK(code(two.db.refresh()) == errc::io);
  CHECK(code(two.db.status()) == errc::io);
}

TEST_CASE("the status of a home that nobody could write yet has no record", "[staged]") {
  MemoryHome home;
  auto const other = home.lock.try_acquire(home.world.self(), {}).value();
  auto const db = home.open().value();
  auto const status = db.status().value();
  CHECK_FALSE(status.manifest);
  CHECK(status.holder->token == other.token);
}

namespace {
struct UnreadableLock : hf::Exclusive {
  [[nodiscard]] hf::result<std::optional<hf::Holder>> inspect() const {
    return hf::failure(errc::io, "inspect");
  }
};
}  // namespace

TEST_CASE("a status whose lock can't be read is an error", "[staged]") {
  MemoryHome const home;
  auto const db =
      hf::open_staged({}, support::TextStore{home.texts}, home.reg, UnreadableLock{}, home.world)
          .value();
  CHECK(code(db.status()) == errc::io);
}

TEST_CASE("the ticket of another commit can be asked for while one is uncertain",
          "[staged][uncertain]") {
  StartedHome started;
  support::answer_commit(started.home, 2, Answer::lost_and_uncertain);
  auto const lost = support::commit_text(started.db, "two");
  REQUIRE(code(lost) == errc::uncertain);
  CHECK(started.db.resolve({1, 4711, 1}).value() == Outcome::not_committed);
  CHECK(code(started.db.stage()) == errc::uncertain);  // one's own is still open
  CHECK(started.db.resolve(lost.error().ticket()).value() == Outcome::not_committed);
  CHECK(support::commit_text(started.db, "three"));
}

TEST_CASE("resolve needs a record, and a store that does not always conflict",
          "[staged][uncertain]") {
  StartedHome started;
  support::answer_commit(started.home, 2, Answer::lost_and_uncertain);
  auto const lost = support::commit_text(started.db, "two");
  REQUIRE(code(lost) == errc::uncertain);
  auto const ticket = lost.error().ticket();
  auto& script = started.home.reg.script();
  script.on_load = unreadable;
  CHECK(code(started.db.resolve(ticket)) == errc::io);
  script.on_load = nullptr;
  script.on_store = [](std::string_view) { return Answer::conflict; };
  CHECK(code(started.db.resolve(ticket)) == errc::conflict);
  script.on_store = [](std::string_view) { return Answer::fail; };
  CHECK(code(started.db.resolve(ticket)) == errc::io);
  support::answer_next(started.home, Answer::conflict);
  CHECK(started.db.resolve(ticket).value() == Outcome::not_committed);
}

TEST_CASE("a commit of another object that stands is told, also if it can't be shown",
          "[staged][uncertain]") {
  StartedHome started;
  auto other = started.home.open().value();
  support::answer_commit(started.home, 2, Answer::stored_and_uncertain);
  auto const lost = support::commit_text(started.db, "two");
  REQUIRE(code(lost) == errc::uncertain);
  started.home.texts->hook = [](Op op, hf::Generation) -> hf::result<void> {
    if (op == Op::open) return hf::failure(errc::io, "open");
    return hf::ok();
  };
  CHECK(other.resolve(lost.error().ticket()).value() == Outcome::committed);
  CHECK(support::shown(other) == "one");
  started.home.texts->hook = nullptr;
  CHECK(started.db.resolve(lost.error().ticket()).value() == Outcome::committed);
  CHECK(support::shown(started.db) == "two");
}

TEST_CASE("a commit that conflicts says so where the record can't be read", "[staged]") {
  for (bool const absent : {false, true}) {
    StartedHome started;
    auto& script = started.home.reg.script();
    script.on_store = [&](std::string_view value) {
      if (value.find("\ncurrent 2\n") == value.npos) return Answer::store;
      script.on_load = [absent]() -> hf::result<bool> {
        if (absent) return false;
        return unreadable();
      };
      return Answer::conflict;
    };
    CHECK(code(support::commit_text(started.db, "two")) == errc::conflict);
    script.on_load = nullptr;
    script.on_store = nullptr;
    CHECK(support::shown(started.db) == "one");
  }
}

TEST_CASE("a build whose sync failed can't be looked at", "[staged]") {
  StartedHome started;
  auto stage = started.db.stage().value();
  auto ready = std::move(stage).seal().value();
  started.home.texts->hook = [](Op op, hf::Generation) -> hf::result<void> {
    if (op == Op::open) return hf::failure(errc::sync_failed, "open");
    return hf::ok();
  };
  auto const looked =
      std::move(ready).validate([](auto const&) -> hf::result<void> { return hf::ok(); });
  CHECK(code(looked) == errc::sync_failed);
}

TEST_CASE("recovery gives up on a record that changes all the time", "[staged][recover]") {
  StartedHome started;
  support::answer_commit(started.home, 2, Answer::fail);
  started.home.texts->hook = [](Op op, hf::Generation) -> hf::result<void> {
    if (op == Op::drop) return hf::failure(errc::io, "drop");
    return hf::ok();
  };
  REQUIRE(!support::commit_text(started.db, "two"));
  started.home.texts->hook = nullptr;
  started.home.reg.script().on_store = [](std::string_view) { return Answer::conflict; };
  CHECK(code(started.db.recover()) == errc::busy);
  started.home.reg.script().on_store = nullptr;
  CHECK(started.db.recover());
  CHECK(support::commit_text(started.db, "three"));
}

TEST_CASE("a revert publishes under the lock of the build that is under way", "[staged][publish]") {
  PublishedHome home;
  auto db = home.open({.retain = 3, .publish = true, .publish_grace_ms = 0}).value();
  support::commit_text(db, "one").value();
  support::commit_text(db, "two").value();
  auto stage = db.stage().value();
  CHECK(!db.revert({1}).value().housekeeping);
  CHECK(home.texts->published.back().number == 1);
}

TEST_CASE("a revert publishes under the lock of a commit that is uncertain",
          "[staged][publish][uncertain]") {
  PublishedHome home;
  auto db = home.open({.retain = 3, .publish = true, .publish_grace_ms = 0}).value();
  support::commit_text(db, "one").value();
  support::commit_text(db, "two").value();
  home.reg.script().on_store = [](std::string_view value) {
    return value.find("\ncurrent 3\n") == value.npos ? Answer::store : Answer::lost_and_uncertain;
  };
  auto const lost = support::commit_text(db, "three");
  REQUIRE(code(lost) == errc::uncertain);
  CHECK(!db.revert({1}).value().housekeeping);
  CHECK(home.texts->published.back().number == 1);
}

TEST_CASE("a name that is published while another reverts is published again",
          "[staged][publish]") {
  PublishedHome home;
  auto db = home.open({.retain = 3, .publish = true, .publish_grace_ms = 0}).value();
  support::commit_text(db, "one").value();
  auto other = home.open({.retain = 3, .publish_grace_ms = 0}).value();
  home.texts->hook = [&, used = false](Op op, hf::Generation g) mutable -> hf::result<void> {
    if (op == Op::publish && g.number == 2 && !std::exchange(used, true)) {
      other.revert({1}).value();
    }
    return hf::ok();
  };
  CHECK(!support::commit_text(db, "two").value().housekeeping);
  CHECK(home.texts->published.back().number == 1);
}

TEST_CASE("the grace of a published name ends with its time, and where the clock went back",
          "[staged][publish]") {
  for (int const shift_ms : {20'000, -20'000}) {
    PublishedHome home;
    auto db = home.open({.retain = 1, .publish = true, .publish_grace_ms = 10'000}).value();
    support::commit_text(db, "one").value();
    support::commit_text(db, "two").value();
    CHECK(db.collect().value().waiting.size() == 1);
    home.world.shift_wall(shift_ms);
    CHECK(db.collect().value().dropped.size() == 1);
    CHECK(home.texts->numbers() == std::vector<std::uint64_t>{2});
  }
}

TEST_CASE("without a published name nobody is given grace", "[staged][publish]") {
  PublishedHome home;
  auto db = home.open({.retain = 1, .publish = false, .publish_grace_ms = 10'000}).value();
  support::commit_text(db, "one").value();
  support::commit_text(db, "two").value();
  CHECK(home.texts->published.empty());
  CHECK(home.texts->numbers() == std::vector<std::uint64_t>{2});
}

TEST_CASE("a home that ends in a forked child keeps the lock of a commit that is uncertain",
          "[staged][uncertain][fork]") {
  StartedHome started;
  support::answer_commit(started.home, 2, Answer::lost_and_uncertain);
  auto const lost = support::commit_text(started.db, "two");
  REQUIRE(code(lost) == errc::uncertain);
  CHECK(support::in_child([&]() -> std::string {
          { auto const theirs = std::move(started.db); }
          auto const holder = started.home.lock.inspect().value();
          return holder ? "" : "let go";
        }) == "");
  CHECK(started.db.resolve(lost.error().ticket()).value() == Outcome::not_committed);
}

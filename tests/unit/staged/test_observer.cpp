// SPDX-License-Identifier: BSL-1.0
// Tests that an observer is told exactly what happened, by the table of transitions.
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "catch.hpp"
#include "memory_home.hpp"
#include "places.hpp"

namespace {
using hf::errc, hf::Event, hf::Generation, hf::State;
using support::Answer, support::code_of, support::commit_text, support::MemoryHome, support::Op,
    support::PublishedHome;
using Path = std::vector<State>;

Path const whole_run{State::initializing, State::processing, State::ready_to_commit,
                     State::committing,   State::committed,  State::none};

struct Watched {
  MemoryHome home;
  MemoryHome::Staged db = start();
  MemoryHome::Staged start() {
    auto opened = home.open({.retain = 1}).value();
    commit_text(opened, "one").value();
    home.world.forget();
    return opened;
  }
  ~Watched() { CHECK(!home.world.illegal()); }
};
}  // namespace

TEST_CASE("a commit goes through every state and ends in none", "[staged][observer]") {
  Watched w;
  REQUIRE(commit_text(w.db, "two"));
  CHECK(w.home.world.path() == whole_run);
  auto const switched = w.home.world.all(Event::Kind::switched);
  REQUIRE(switched.size() == 1);
  CHECK(switched[0].generation == Generation{2});
  auto const dropped = w.home.world.all(Event::Kind::dropped);
  REQUIRE(dropped.size() == 1);
  CHECK(dropped[0].generation == Generation{1});
  for (auto const& event : w.home.world.all(Event::Kind::transition)) {
    CHECK(event.generation == Generation{2});
    CHECK(!event.cause);
  }
}

TEST_CASE("a discard rolls back from wherever it is", "[staged][observer]") {
  Watched w;
  w.db.stage().value().discard();
  CHECK(w.home.world.path() ==
        Path{State::initializing, State::processing, State::rolling_back, State::none});
  w.home.world.forget();
  static_cast<void>(w.db.stage().value().seal());
  CHECK(w.home.world.path() == Path{State::initializing, State::processing, State::ready_to_commit,
                                    State::rolling_back, State::none});
  w.home.world.forget();
  w.home.texts->hook = [](Op op, Generation) -> hf::result<void> {
    if (op == Op::create) return hf::failure(errc::io, "create");
    return hf::ok();
  };
  CHECK(!w.db.stage());
  CHECK(w.home.world.path() == Path{State::initializing, State::rolling_back, State::none});
}

TEST_CASE("a stage that is refused is no transition", "[staged][observer]") {
  Watched w;
  auto const other = w.home.lock;
  auto lock = other;
  auto grant = lock.try_acquire({}, {});
  REQUIRE(grant);
  CHECK(code_of(w.db.stage()) == errc::busy);
  CHECK(w.home.world.path().empty());
  REQUIRE(lock.release(grant.value()));
}

TEST_CASE("a failed discard ends in failed, with its cause; recover leaves it",
          "[staged][observer]") {
  Watched w;
  w.home.texts->hook = [](Op op, Generation) -> hf::result<void> {
    if (op == Op::drop) return hf::failure(errc::denied, "drop");
    return hf::ok();
  };
  { auto const stage = w.db.stage(); }
  CHECK(w.home.world.path().back() == State::failed);
  auto const last = w.home.world.all(Event::Kind::transition).back();
  REQUIRE(last.cause);
  CHECK(last.cause->code() == errc::denied);
  w.home.texts->hook = {};
  REQUIRE(w.db.recover());
  CHECK(w.home.world.path().back() == State::none);
  CHECK(w.home.world.all(Event::Kind::recovered).size() == 1);
}

TEST_CASE("an uncertain commit stays in committing until it is resolved", "[staged][observer]") {
  for (bool const applied : {false, true}) {
    Watched w;
    w.home.reg.script().on_store = [=, used = false](std::string_view value) mutable {
      if (used || value.find("\ncurrent 2\n") == value.npos) return Answer::store;
      used = true;
      return applied ? Answer::stored_and_uncertain : Answer::lost_and_uncertain;
    };
    auto const refused = commit_text(w.db, "two");
    CHECK(w.home.world.path().back() == State::committing);
    CHECK(w.db.state() == State::committing);
    CHECK(w.home.world.all(Event::Kind::switched).empty());
    REQUIRE(w.db.resolve(refused.error().ticket()));
    auto const path = w.home.world.path();
    CHECK(path.back() == State::none);
    CHECK(path[path.size() - 2] == (applied ? State::committed : State::rolling_back));
    CHECK(w.home.world.all(Event::Kind::switched).size() == (applied ? 1 : 0));
  }
}

TEST_CASE("marks that are too large leave the state where it was", "[staged][observer]") {
  Watched w;
  auto ready = w.db.stage().value().seal().value();
  hf::Marks large;
  for (int i = 0; i < 300; ++i) large["mark " + std::to_string(i)] = 1;
  CHECK(code_of(std::move(ready).commit({.marks = large})) == errc::too_large);
  CHECK(w.db.state() == State::ready_to_commit);
  REQUIRE(std::move(ready).commit());
}

TEST_CASE("a commit refused by the register rolls back with its cause", "[staged][observer]") {
  Watched w;
  auto ready = w.db.stage().value().seal().value();
  w.home.reg.script().on_store = [used = false](std::string_view) mutable {
    return std::exchange(used, true) ? Answer::store : Answer::conflict;
  };
  CHECK(code_of(std::move(ready).commit()) == errc::conflict);
  auto const path = w.home.world.path();
  CHECK(std::vector(path.end() - 3, path.end()) ==
        Path{State::committing, State::rolling_back, State::none});
}

TEST_CASE("publishing is told, also when it fails", "[staged][observer]") {
  PublishedHome const home;
  auto db = home.open().value();
  REQUIRE(commit_text(db, "one"));
  CHECK(home.world.all(Event::Kind::published).back().generation == Generation{1});
  home.texts->hook = [](Op op, Generation) -> hf::result<void> {
    if (op == Op::publish) return hf::failure(errc::denied, "publish");
    return hf::ok();
  };
  REQUIRE(commit_text(db, "two"));
  auto const failed = home.world.all(Event::Kind::publish_failed);
  REQUIRE(failed.size() == 1);
  CHECK(failed[0].generation == Generation{2});
  CHECK(failed[0].cause->code() == errc::denied);
  CHECK(!home.world.illegal());
}

TEST_CASE("a drop that fails or waits is told with its reason", "[staged][observer]") {
  Watched w;
  {
    auto const view = w.db.view();
    REQUIRE(commit_text(w.db, "two"));
    auto const waiting = w.home.world.all(Event::Kind::drop_failed);
    REQUIRE(waiting.size() == 1);
    CHECK(waiting[0].cause->code() == errc::pinned);
  }
  w.home.world.forget();
  w.home.texts->hook = [](Op op, Generation) -> hf::result<void> {
    if (op == Op::drop) return hf::failure(errc::io, "drop");
    return hf::ok();
  };
  REQUIRE(w.db.collect());
  CHECK(w.home.world.all(Event::Kind::drop_failed).at(0).cause->code() == errc::io);
  w.home.texts->hook = {};
  REQUIRE(w.db.collect());
  CHECK(w.home.world.all(Event::Kind::dropped).at(0).generation == Generation{1});
}

TEST_CASE("a revert tells the switch and is no run of its own", "[staged][observer]") {
  MemoryHome const home;
  auto db = home.open().value();
  REQUIRE(commit_text(db, "one"));
  REQUIRE(commit_text(db, "two"));
  home.world.forget();
  REQUIRE(db.revert({1}));
  CHECK(home.world.path().empty());
  CHECK(home.world.all(Event::Kind::switched).at(0).generation == Generation{1});
}

TEST_CASE("what a crash left is told by the one who recovers it", "[staged][observer]") {
  MemoryHome const home;
  auto crashed = home;
  {
    auto db = home.open().value();
    REQUIRE(commit_text(db, "one"));
    auto stage = db.stage();
    auto lock = home.lock;
    // The builder is gone, as far as the lock can tell.
    REQUIRE(lock.force(*lock.inspect().value(), {}));
    auto next = home.open();
    REQUIRE(next);
    auto const recovered = home.world.all(Event::Kind::recovered);
    REQUIRE(recovered.size() == 1);
    CHECK(recovered[0].generation == Generation{2});
    CHECK(recovered[0].token == stage.value().token());
    CHECK(home.in_store() == std::vector<std::uint64_t>{1});
  }
}

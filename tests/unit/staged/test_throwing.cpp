// SPDX-License-Identifier: BSL-1.0
// Tests laws S12 and F21: whichever callback throws, and whenever, the home rolls back and goes on.
#include <new>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "catch.hpp"
#include "memory_home.hpp"
#include "places.hpp"

namespace {
using hf::errc, hf::Generation;
using support::code_of, support::commit_text, support::Op, support::PublishedHome, support::shown;
using Numbers = std::vector<std::uint64_t>;

// A home with "one" and "two", of which the n-th call of the store throws.
struct Throwing {
  PublishedHome home;
  PublishedHome::Staged db = start();
  int calls = 0;
  int throws_at = 0;  // 0: never
  bool thrown = false;

  PublishedHome::Staged start() {
    auto opened = home.open({.retain = 1, .publish_grace_ms = 0}).value();
    commit_text(opened, "one").value();
    commit_text(opened, "two").value();
    return opened;
  }
  void arm(int n) {
    calls = 0;
    throws_at = n;
    thrown = false;
    home.texts->hook = [this](Op, Generation) -> hf::result<void> {
      if (++calls == throws_at) {
        thrown = true;
        throw std::bad_alloc{};
      }
      return hf::ok();
    };
  }
  void disarm() { home.texts->hook = {}; }
};

void check_goes_on(Throwing& t) {
  auto const stage_again = commit_text(t.db, "next");  // without recover()
  CHECK(support::text_of(stage_again) == "");
  CHECK(shown(t.db) == "next");
  REQUIRE(t.db.collect());
  CHECK(t.home.in_store().size() == 1);
  CHECK(t.home.texts->published.back() == t.db.view().value().generation());
  CHECK(t.db.state() == hf::State::none);
  CHECK(!t.db.status().value().holder);
  CHECK(!t.home.world.illegal());
}
}  // namespace

TEST_CASE("each call of the store under a commit throws once", "[staged][throw]") {
  for (int n = 1;; ++n) {
    Throwing t;
    t.arm(n);
    hf::result<hf::Committed> done = hf::failure(errc::unknown, "threw");
    try {
      done = commit_text(t.db, "three");
    } catch (std::bad_alloc const&) {
      // Before the commit point an exception passes on.
    }
    t.disarm();
    INFO("call " << n << ": " << support::text_of(done));
    CHECK(shown(t.db) == (done ? "three" : "two"));
    check_goes_on(t);
    if (t.thrown) continue;
    CHECK(done);
    CHECK(n > 6);
    break;
  }
}

TEST_CASE("each call of the store under a discard throws once", "[staged][throw]") {
  for (int n = 1;; ++n) {
    Throwing t;
    {
      auto const stage = t.db.stage();
      t.arm(n);
    }
    t.disarm();
    INFO("call " << n);
    CHECK(shown(t.db) == "two");
    check_goes_on(t);
    if (!t.thrown) break;
  }
}

TEST_CASE("each call of the store under opening throws once: the next opening succeeds",
          "[staged][throw]") {
  for (int n = 1;; ++n) {
    Throwing t;
    {
      auto lock = t.home.lock;
      auto const stage = t.db.stage();
      REQUIRE(lock.force(*lock.inspect().value(), {}));  // as if its builder were gone
      t.arm(n);
      try {
        static_cast<void>(t.home.open());
      } catch (std::bad_alloc const&) {
      }
      t.disarm();
      auto next = t.home.open();
      INFO("call " << n);
      REQUIRE(next);
      CHECK(shown(next.value()) == "two");
      CHECK(support::text_of(commit_text(next.value(), "three")) == "");
    }
    if (!t.thrown) break;
  }
}

TEST_CASE("each call of the store under a revert throws once: one outcome", "[staged][throw]") {
  for (int n = 1;; ++n) {
    PublishedHome const home;
    auto db = home.open({.retain = 2}).value();
    REQUIRE(commit_text(db, "one"));
    REQUIRE(commit_text(db, "two"));
    int calls = 0;
    home.texts->hook = [&](Op, Generation) -> hf::result<void> {
      if (++calls == n) throw std::bad_alloc{};
      return hf::ok();
    };
    hf::result<hf::Committed> done = hf::failure(errc::unknown, "threw");
    try {
      done = db.revert({1});
    } catch (std::bad_alloc const&) {
    }
    home.texts->hook = {};
    CHECK(shown(db) == (done ? "one" : "two"));
    CHECK(support::text_of(commit_text(db, "three")) == "");
    if (calls < n) break;
  }
}

TEST_CASE("a store whose create and drop both throw ends nothing but the build",
          "[staged][throw]") {
  Throwing t;
  t.home.texts->hook = [](Op op, Generation) -> hf::result<void> {
    if (op == Op::create || op == Op::drop) throw std::bad_alloc{};
    return hf::ok();
  };
  CHECK_THROWS_AS(t.db.stage(), std::bad_alloc);
  t.disarm();
  CHECK(shown(t.db) == "two");
  check_goes_on(t);
}

TEST_CASE("a register that throws at any store leaves one outcome", "[staged][throw]") {
  using support::Answer;
  for (auto const answer : {Answer::lost_and_throw, Answer::stored_and_throw}) {
    for (int n = 1;; ++n) {
      Throwing t;
      int stores = 0;
      t.home.reg.script().on_store = [&](std::string_view) {
        return ++stores == n ? answer : Answer::store;
      };
      auto const done = commit_text(t.db, "three");
      t.home.reg.script().on_store = {};
      INFO("store " << n << ": " << support::text_of(done));
      auto expected = done ? "three" : "two";
      if (code_of(done) == errc::uncertain) {
        auto const outcome = t.db.resolve(done.error().ticket());
        REQUIRE(outcome);
        if (outcome.value() == hf::Outcome::committed) expected = "three";
      }
      CHECK(shown(t.db) == expected);
      check_goes_on(t);
      if (stores < n) break;
    }
  }
}

TEST_CASE("a callback of validation that throws releases the lock for others", "[staged][throw]") {
  Throwing t;
  auto other = t.home.open().value();
  auto ready = t.db.stage().value().seal().value();
  CHECK_THROWS_AS(std::move(ready).validate([](auto const&) -> bool { throw 42; }), int);
  CHECK(commit_text(other, "theirs"));
  CHECK(code_of(std::move(ready).commit()) == errc::spent);
}

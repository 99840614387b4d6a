// SPDX-License-Identifier: BSL-1.0
// Tests that what fails beside a commit never changes its outcome, and is done later.
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "catch.hpp"
#include "memory_home.hpp"
#include "places.hpp"

namespace {
using hf::errc, hf::Generation, hf::State;
using support::Answer, support::answer_next, support::code_of, support::commit_text,
    support::MemoryHome, support::Op, support::PublishedHome, support::shown;
using Numbers = std::vector<std::uint64_t>;
using Started = support::StartedHome;
}  // namespace

TEST_CASE("a store that fails to create leaves no attempt behind", "[staged][housekeeping]") {
  for (bool const throws : {false, true}) {
    Started s;
    s.home.texts->hook = [&](Op op, Generation) -> hf::result<void> {
      if (op != Op::create) return hf::ok();
      if (throws) throw std::runtime_error{"create"};
      return hf::failure(errc::no_space, "create");
    };
    if (throws) {
      CHECK_THROWS_AS(s.db.stage(), std::runtime_error);
    } else {
      CHECK(code_of(s.db.stage()) == errc::no_space);
    }
    CHECK(s.db.state() == State::none);
    CHECK(!s.db.status().value().manifest->attempt);
    CHECK(!s.db.status().value().holder);
    s.home.texts->hook = {};
    CHECK(shown(s.db) == "one");
    CHECK(commit_text(s.db, "three"));
  }
}

TEST_CASE("a store that throws while it seals or opens loses nothing", "[staged][housekeeping]") {
  for (auto const where : {Op::seal, Op::open}) {
    Started s;
    s.home.texts->hook = [&](Op op, Generation g) -> hf::result<void> {
      if (op == where && g.number == 2) throw std::runtime_error{"client"};
      return hf::ok();
    };
    CHECK_THROWS_AS(commit_text(s.db, "two"), std::runtime_error);
    s.home.texts->hook = {};
    CHECK(shown(s.db) == "one");
    CHECK(s.home.in_store() == Numbers{1});
    CHECK(s.db.state() == State::none);
    CHECK(commit_text(s.db, "three"));
  }
}

TEST_CASE("a generation that can't be opened is not switched to", "[staged][housekeeping]") {
  Started s;
  auto ready = s.db.stage().value().seal().value();
  s.home.texts->hook = [](Op op, Generation) -> hf::result<void> {
    if (op == Op::open) return hf::failure(errc::too_many_files, "open");
    return hf::ok();
  };
  CHECK(code_of(std::move(ready).commit()) == errc::too_many_files);
  CHECK(shown(s.db) == "one");
  CHECK(ready.generation() == Generation{2});
  s.home.texts->hook = {};
  CHECK(std::move(ready).commit());
}

TEST_CASE("a drop that throws after the commit point changes nothing of its outcome",
          "[staged][housekeeping]") {
  MemoryHome const home;
  auto db = home.open({.retain = 1}).value();
  REQUIRE(commit_text(db, "one"));
  home.texts->hook = [](Op op, Generation) -> hf::result<void> {
    if (op == Op::drop) throw std::runtime_error{"client"};
    return hf::ok();
  };
  auto ready = db.stage().value().seal().value();
  hf::result<hf::Committed> done = hf::failure(errc::unknown, "not run");
  CHECK_NOTHROW(done = std::move(ready).commit());
  CHECK(done);
  home.texts->hook = {};
  CHECK(db.view().value().generation() == Generation{2});
  CHECK(commit_text(db, "three"));
  REQUIRE(db.collect());
  CHECK(home.in_store() == Numbers{3});
}

TEST_CASE("a failed drop is housekeeping: the commit stands, and the drop is done later",
          "[staged][housekeeping]") {
  MemoryHome const home;
  auto db = home.open({.retain = 1}).value();
  REQUIRE(commit_text(db, "one"));
  home.texts->hook = [](Op op, Generation) -> hf::result<void> {
    if (op == Op::drop) return hf::failure(errc::io, "drop");
    return hf::ok();
  };
  auto const done = commit_text(db, "two");
  REQUIRE(done);
  REQUIRE(done.value().housekeeping);
  CHECK(done.value().housekeeping->code() == errc::io);
  CHECK(shown(db) == "two");
  CHECK(home.in_store() == Numbers{1, 2});
  CHECK(db.collect().value().failure->code() == errc::io);
  home.texts->hook = {};
  CHECK(db.collect().value().dropped == std::vector<Generation>{{1}});
  CHECK(home.in_store() == Numbers{2});
}

TEST_CASE("a failed publish is housekeeping: the next commit or open goes on with it",
          "[staged][housekeeping]") {
  PublishedHome const home;
  {
    auto db = home.open({.publish_grace_ms = 0}).value();
    REQUIRE(commit_text(db, "one"));
    CHECK(home.texts->published.back() == Generation{1});
    home.texts->hook = [](Op op, Generation) -> hf::result<void> {
      if (op == Op::publish) return hf::failure(errc::denied, "publish");
      return hf::ok();
    };
    auto const done = commit_text(db, "two");
    REQUIRE(done);
    CHECK(done.value().housekeeping->code() == errc::denied);
    CHECK(shown(db) == "two");
    CHECK(home.texts->published.back() == Generation{1});
    home.texts->hook = {};
  }
  auto db = home.open().value();
  CHECK(home.texts->published.back() == Generation{2});
  REQUIRE(db.revert({1}));
  CHECK(home.texts->published.back() == Generation{1});
}

TEST_CASE("a publish that throws after the commit point changes nothing of its outcome",
          "[staged][housekeeping]") {
  PublishedHome const home;
  auto db = home.open().value();
  home.texts->hook = [](Op op, Generation) -> hf::result<void> {
    if (op == Op::publish) throw std::runtime_error{"client"};
    return hf::ok();
  };
  auto ready = db.stage().value().seal().value();
  hf::result<hf::Committed> done = hf::failure(errc::unknown, "not run");
  CHECK_NOTHROW(done = std::move(ready).commit());
  CHECK(done);
  home.texts->hook = {};
  CHECK(db.view().value().generation() == Generation{1});
  CHECK(db.state() == State::none);
  CHECK(commit_text(db, "two"));
}

TEST_CASE("a home that does not want outside names gets none", "[staged][housekeeping]") {
  PublishedHome const home;
  auto db = home.open({.publish = false}).value();
  REQUIRE(commit_text(db, "one"));
  CHECK(home.texts->published.empty());
}

TEST_CASE("a discard that can't be done leaves the state failed, which recover leaves",
          "[staged][housekeeping]") {
  Started s;
  {
    auto stage = s.db.stage();
    s.home.texts->hook = [](Op op, Generation) -> hf::result<void> {
      if (op == Op::drop) return hf::failure(errc::io, "drop");
      return hf::ok();
    };
  }
  CHECK(s.db.state() == State::failed);
  CHECK(shown(s.db) == "one");
  CHECK(!s.db.recover());
  CHECK(!s.db.stage());
  s.home.texts->hook = {};
  REQUIRE(s.db.recover());
  CHECK(s.db.state() == State::none);
  CHECK(s.home.in_store() == Numbers{1});
  CHECK(commit_text(s.db, "three"));
}

TEST_CASE("a home whose leftovers can't be dropped yet is read and reverted, not built",
          "[staged][housekeeping]") {
  MemoryHome const home;
  {
    auto db = home.open().value();
    REQUIRE(commit_text(db, "one"));
    REQUIRE(commit_text(db, "two"));
    home.texts->hook = [](Op op, Generation) -> hf::result<void> {
      if (op == Op::drop) return hf::failure(errc::denied, "drop");
      return hf::ok();
    };
    auto const stage = db.stage();
  }
  auto db = home.open();
  REQUIRE(db);
  CHECK(shown(db.value()) == "two");
  REQUIRE(db.value().revert({1}));
  CHECK(shown(db.value()) == "one");
  CHECK(code_of(db.value().stage()) == errc::denied);
  CHECK(code_of(db.value().recover()) == errc::denied);
  CHECK(!db.value().status().value().holder);
  home.texts->hook = {};
  REQUIRE(db.value().recover());
  CHECK(commit_text(db.value(), "four"));
  CHECK(home.in_store() == Numbers{1, 4});
}

TEST_CASE("a build after a failed discard recovers by itself", "[staged][housekeeping]") {
  Started s;
  {
    auto stage = s.db.stage();
    answer_next(s.home, Answer::late_and_uncertain);
  }
  CHECK(s.db.state() == State::failed);
  auto const done = commit_text(s.db, "three");
  CHECK(support::text_of(done) == "");
  CHECK(shown(s.db) == "three");
  CHECK(s.home.in_store() == Numbers{1, 3});
}

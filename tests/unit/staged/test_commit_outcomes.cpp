// SPDX-License-Identifier: BSL-1.0
// Tests that a commit has one outcome whatever the register answers, and that it is told.
#include <functional>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "catch.hpp"
#include "memory_home.hpp"
#include "places.hpp"

namespace {
using hf::errc, hf::Generation, hf::Outcome, hf::State;
using support::Answer, support::code_of, support::commit_text, support::MemoryHome, support::Op,
    support::PublishedHome, support::shown;
using Numbers = std::vector<std::uint64_t>;

// Answers one store of a commit of `number` (not those before it) as told.
void answer_commit(MemoryHome const& home, std::uint64_t number, Answer answer) {
  auto const line = "\ncurrent " + std::to_string(number) + "\n";
  home.reg.script().on_store = [line, answer, used = false](std::string_view value) mutable {
    if (used || value.find(line) == value.npos) return Answer::store;
    used = true;
    return answer;
  };
}
// The next store, whatever it says.
void answer_next(MemoryHome const& home, Answer answer) {
  home.reg.script().on_store = [answer, used = false](std::string_view) mutable {
    return std::exchange(used, true) ? Answer::store : answer;
  };
}

struct Started {
  MemoryHome home;
  MemoryHome::Staged db = start();
  MemoryHome::Staged start() {
    auto opened = home.open().value();
    commit_text(opened, "one").value();
    return opened;
  }
};
}  // namespace

TEST_CASE("an uncertain commit waits for resolve, which settles it either way",
          "[staged][outcome]") {
  struct Case {
    Answer answer;
    bool applied;
  };
  for (auto const& [answer, applied] :
       {Case{Answer::stored_and_uncertain, true}, Case{Answer::late_and_uncertain, true},
        Case{Answer::lost_and_uncertain, false}, Case{Answer::lost_and_throw, false},
        Case{Answer::stored_and_throw, true}}) {
    INFO("answer " << static_cast<int>(answer));
    Started s;
    answer_commit(s.home, 2, answer);
    auto const refused = commit_text(s.db, "two", {{"n", 2}});
    REQUIRE(code_of(refused) == errc::uncertain);
    auto const ticket = refused.error().ticket();
    CHECK(ticket.sequence == 2);
    CHECK(ticket.generation == 2);
    CHECK(shown(s.db) == "one");
    CHECK(s.home.in_store() == Numbers{1, 2});  // neither dropped nor shown until it is known
    auto const busy = s.db.stage();
    CHECK(code_of(busy) == errc::uncertain);
    CHECK(busy.error().ticket() == ticket);
    CHECK(code_of(s.db.recover()) == errc::uncertain);

    auto const outcome = s.db.resolve(ticket);
    REQUIRE(outcome);
    CHECK(outcome.value() == (applied ? Outcome::committed : Outcome::not_committed));
    CHECK(shown(s.db) == (applied ? "two" : "one"));
    if (applied) CHECK(s.db.view().value().marks() == hf::Marks{{"n", 2}});
    CHECK(s.home.in_store() == (applied ? Numbers{1, 2} : Numbers{1}));
    CHECK(s.db.state() == State::none);
    CHECK(s.db.resolve(ticket).value() == outcome.value());
    CHECK(commit_text(s.db, "three"));
    CHECK(s.db.resolve(ticket).value() == outcome.value());
    CHECK(shown(s.db) == "three");
  }
}

TEST_CASE("an uncertain commit is settled by the next to open the home", "[staged][outcome]") {
  for (auto const answer :
       {Answer::stored_and_uncertain, Answer::late_and_uncertain, Answer::lost_and_uncertain}) {
    INFO("answer " << static_cast<int>(answer));
    MemoryHome const home;
    hf::Ticket ticket;
    {
      auto db = home.open().value();
      REQUIRE(commit_text(db, "one"));
      answer_commit(home, 2, answer);
      ticket = commit_text(db, "two").error().ticket();
    }
    auto db = home.open().value();
    auto const outcome = db.resolve(ticket);
    REQUIRE(outcome);
    bool const applied = outcome.value() == Outcome::committed;
    if (answer == Answer::stored_and_uncertain) CHECK(applied);
    if (answer == Answer::lost_and_uncertain) CHECK(!applied);
    CHECK(db.refresh());
    CHECK(shown(db) == (applied ? "two" : "one"));
    auto const next = commit_text(db, "next");
    CHECK(support::text_of(next) == "");
    CHECK(db.resolve(ticket).value() == outcome.value());
    CHECK(shown(db) == "next");
    CHECK(home.in_store().size() == 2);
  }
}

TEST_CASE("while a commit is uncertain its object can't build, and others can't either",
          "[staged][outcome]") {
  Started s;
  answer_commit(s.home, 2, Answer::lost_and_uncertain);
  auto const refused = commit_text(s.db, "two");
  REQUIRE(code_of(refused) == errc::uncertain);
  auto other = s.home.open().value();
  CHECK(shown(other) == "one");
  CHECK(code_of(other.stage()) == errc::busy);
  REQUIRE(s.db.resolve(refused.error().ticket()));
  CHECK(commit_text(other, "other"));
}

TEST_CASE("a resolve that fails can be tried again", "[staged][outcome]") {
  Started s;
  answer_commit(s.home, 2, Answer::late_and_uncertain);
  auto const ticket = commit_text(s.db, "two").error().ticket();
  s.home.reg.script().on_reopen = [] { return hf::failure(errc::io, "reopen"); };
  CHECK(code_of(s.db.resolve(ticket)) == errc::io);
  CHECK(code_of(s.db.stage()) == errc::uncertain);
  CHECK(shown(s.db) == "one");
  s.home.reg.script().on_reopen = {};
  CHECK(s.db.resolve(ticket).value() == Outcome::committed);
  CHECK(shown(s.db) == "two");
}

TEST_CASE("a ticket so old that the record forgot it is unknown, one of nobody was not committed",
          "[staged][outcome]") {
  Started s;
  CHECK(s.db.resolve({1, 42, 1}).value() == Outcome::not_committed);
  for (int i = 0; i < 17; ++i) REQUIRE(commit_text(s.db, "x"));
  CHECK(s.db.resolve({1, 42, 1}).value() == Outcome::unknown);
  CHECK(s.db.resolve({2, 42, 2}).value() == Outcome::unknown);
}

TEST_CASE("resolving a commit that did not come leaves no way for it to come later",
          "[staged][outcome]") {
  // The write of another process may still be under way: it must meet another version.
  Started s;
  auto ready = s.db.stage().value().seal().value();
  std::optional<std::pair<hf::Version, hf::bytes>> under_way;
  s.home.reg.script().on_store = [&](std::string_view value) {
    if (under_way) return Answer::store;
    auto const now = s.home.reg;
    under_way.emplace(hf::Version{}, hf::bytes{});
    auto copy = now;
    under_way->first = copy.load().value()->version;
    auto const from = hf::as_bytes(value);
    under_way->second.assign(from.begin(), from.end());
    return Answer::lost_and_uncertain;
  };
  auto const refused = std::move(ready).commit();
  REQUIRE(code_of(refused) == errc::uncertain);
  REQUIRE(s.db.resolve(refused.error().ticket()).value() == Outcome::not_committed);
  auto reg = s.home.reg;
  CHECK(code_of(reg.store_if(under_way->first, under_way->second)) == errc::conflict);
  CHECK(shown(s.db) == "one");
}

TEST_CASE("a commit that another object resolved as not committed can't come late",
          "[staged][outcome]") {
  Started s;
  answer_commit(s.home, 2, Answer::late_and_uncertain);
  auto const ticket = commit_text(s.db, "two").error().ticket();
  auto other = s.home.open().value();  // its builder still holds the lock
  REQUIRE(other.resolve(ticket).value() == Outcome::not_committed);
  CHECK(s.db.resolve(ticket).value() == Outcome::not_committed);  // the write arrives only here
  CHECK(shown(s.db) == "one");
  CHECK(commit_text(s.db, "three"));
}

TEST_CASE("an uncertain revert has one outcome, too", "[staged][outcome]") {
  for (auto const answer :
       {Answer::stored_and_uncertain, Answer::late_and_uncertain, Answer::lost_and_uncertain}) {
    INFO("answer " << static_cast<int>(answer));
    Started s;
    REQUIRE(commit_text(s.db, "two"));
    answer_next(s.home, answer);
    auto const refused = s.db.revert({1});
    REQUIRE(code_of(refused) == errc::uncertain);
    auto const outcome = s.db.resolve(refused.error().ticket());
    REQUIRE(outcome);
    auto const after = outcome.value() == Outcome::committed ? "one" : "two";
    CHECK(shown(s.db) == after);
    {
      auto fresh = s.home.open().value();
      CHECK(shown(fresh) == after);
    }
    REQUIRE(s.db.recover());
    CHECK(shown(s.db) == after);
    CHECK(s.db.resolve(refused.error().ticket()).value() == outcome.value());
  }
}

TEST_CASE("a commit after a revert during the build is a conflict, and is discarded",
          "[staged][outcome]") {
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

TEST_CASE("a revert by another object meets a build in the same way", "[staged][outcome]") {
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

TEST_CASE("a builder whose lock was taken away is fenced out", "[staged][outcome]") {
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
          "[staged][outcome]") {
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

TEST_CASE("what a builder left is dropped only after it is fenced out", "[staged][outcome]") {
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

TEST_CASE("of two committers one wins", "[staged][outcome]") {
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

TEST_CASE("a register that refuses a commit discards it", "[staged][outcome]") {
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

TEST_CASE("a store that fails to create leaves no attempt behind", "[staged][outcome]") {
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

TEST_CASE("a store that throws while it seals or opens loses nothing", "[staged][outcome]") {
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

TEST_CASE("a generation that can't be opened is not switched to", "[staged][outcome]") {
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
          "[staged][outcome]") {
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
          "[staged][outcome]") {
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
          "[staged][outcome]") {
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
          "[staged][outcome]") {
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

TEST_CASE("a home that does not want outside names gets none", "[staged][outcome]") {
  PublishedHome const home;
  auto db = home.open({.publish = false}).value();
  REQUIRE(commit_text(db, "one"));
  CHECK(home.texts->published.empty());
}

TEST_CASE("a discard that can't be done leaves the state failed, which recover leaves",
          "[staged][outcome]") {
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
          "[staged][outcome]") {
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

TEST_CASE("a build after a failed discard recovers by itself", "[staged][outcome]") {
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

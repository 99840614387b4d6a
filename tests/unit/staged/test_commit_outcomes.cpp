// SPDX-License-Identifier: BSL-1.0
// Tests that an uncertain commit or revert has one outcome, and that it can be learned.
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "catch.hpp"
#include "memory_home.hpp"
#include "places.hpp"

namespace {
using hf::errc, hf::Outcome, hf::State;
using support::Answer, support::answer_commit, support::answer_next, support::code_of,
    support::commit_text, support::MemoryHome, support::shown;
using Numbers = std::vector<std::uint64_t>;
using Started = support::StartedHome;
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

// SPDX-License-Identifier: BSL-1.0
// Tests law S13: whichever call fails, what readers see is the old or the new generation as the
// answer says, and after recover() the next commit succeeds.
#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "catch.hpp"
#include "file_home.hpp"

namespace {
using hf::errc, hf::Generation, hf::Outcome;
using support::Call, support::code_of, support::commit_files, support::Fault, support::FileHome,
    support::shown_files;
using Numbers = std::vector<std::uint64_t>;

// A home with "one" and "two" committed; everything opened anew, so that a run makes every call.
struct Prepared {
  FileHome home;
  std::optional<FileHome::Staged> db;
  Prepared() {
    home.options.retain = 1;
    auto first = home.open().value();
    commit_files(first, "one", {{"n", 1}}).value();
    commit_files(first, "two", {{"n", 2}}).value();
  }
  void open() { db.emplace(home.open().value()); }
};

// What each process sees once the fault is over, and that all of them agree.
std::string seen_by_all(Prepared& p) {
  CHECK(p.db->refresh());
  auto const ours = shown_files(*p.db);
  auto const follower = p.home.follow();
  REQUIRE(follower);
  CHECK(shown_files(follower.value()) == ours);
  auto const view = p.db->view();
  CHECK(view.value().marks().at("n") == (ours == "two" ? 2 : 3));  // S16
  return ours;
}

// S10: what lies in the stores is what the record lists, and nothing temporary is left.
void check_nothing_leaks(Prepared& p) {
  auto const manifest = *p.db->status().value().manifest;
  Numbers listed;
  for (auto const& kept : manifest.retained) listed.push_back(kept.generation.number);
  std::sort(listed.begin(), listed.end());
  CHECK(!manifest.attempt);
  CHECK(p.home.in_store("keys") == listed);
  CHECK(p.home.in_store("stats") == listed);
  CHECK(support::names_in(p.home.path) ==
        std::vector<std::string>{"CURRENT", "CURRENT.hint", "LOCK", "PINS", "keys", "stats"});
  CHECK(support::names_in(p.home / "keys").size() == listed.size() + 1);  // and `current`
}

// After the fault: the home recovers, commits once more and is in order.
void check_goes_on(Prepared& p) {
  auto const recovered = p.db->recover();
  CHECK(support::text_of(recovered) == "");
  auto const number = p.db->status().value().manifest->next;
  auto const done = commit_files(*p.db, "next", {{"n", 9}});
  CHECK(support::text_of(done) == "");
  if (!done) return;
  CHECK(done.value().generation == Generation{number});
  CHECK(!done.value().housekeeping);
  CHECK(shown_files(*p.db) == "next");
  CHECK(p.db->collect());
  check_nothing_leaks(p);
  CHECK(!p.home.world.illegal());
}

// Runs `run` on a prepared home with the n-th call failing, for every n, until none fails. `check`
// judges what it answered.
using Run = std::function<void(Prepared&)>;
void fail_each_call(Fault const& how, Run const& prepare, Run const& run, Run const& check) {
  for (std::uint64_t n = 1;; ++n) {
    auto const descriptors = support::open_descriptors();
    {
      Prepared p;
      prepare(p);
      auto fault = how;
      fault.first = n;
      p.home.files.calls().fail(fault);
      run(p);
      p.home.files.calls().heal();
      if (p.home.files.calls().failed == 0) {
        CHECK(n > 3);
        check(p);
        return;
      }
      INFO("call " << n << " (kind " << static_cast<int>(p.home.files.calls().last_failed_call)
                   << ") on " << p.home.files.calls().last_failed);
      check(p);
    }
    CHECK(support::open_descriptors() == descriptors);
  }
}

void check_commit(Fault const& how) {
  hf::result<hf::Committed> answer = hf::failure(errc::unknown, "not run");
  fail_each_call(
      how, [](Prepared& p) { p.open(); },
      [&](Prepared& p) {
        answer = commit_files(*p.db, "three", {{"n", 3}});
      },
      [&](Prepared& p) {
        INFO(support::text_of(answer));
        auto const before = shown_files(*p.db);
        CHECK(before == (answer ? "three" : "two"));  // whatever failed, readers have one of them
        if (code_of(answer) == errc::uncertain && answer.error().ticket() != hf::Ticket{}) {
          auto const ticket = answer.error().ticket();
          auto const outcome = p.db->resolve(ticket);
          REQUIRE(outcome);
          CHECK(outcome.value() != Outcome::unknown);
          auto const after = seen_by_all(p);
          CHECK(after == (outcome.value() == Outcome::committed ? "three" : "two"));
          CHECK(p.db->resolve(ticket).value() == outcome.value());
        } else {
          REQUIRE(p.db->recover());
          CHECK(seen_by_all(p) == (answer ? "three" : "two"));
        }
        check_goes_on(p);
      });
}
}  // namespace

TEST_CASE("each call of a commit fails once: old or new, and on it goes", "[staged][fault]") {
  check_commit({});
}

TEST_CASE("each call of a commit is done and answers an error", "[staged][fault]") {
  check_commit({.takes_effect = true});
}

TEST_CASE("each write of a commit is cut in half", "[staged][fault]") {
  check_commit({.call = Call::write, .number = ENOSPC, .half = true});
}

TEST_CASE("from each call of a commit on the disk is full: nothing that is seen changes",
          "[staged][fault]") {
  // Removing and reading work on a full disk; creating and writing don't.
  for (auto const call : {Call::create, Call::write, Call::make_directory}) {
    check_commit({.call = call, .times = ~std::uint64_t{0} / 2, .number = ENOSPC});
  }
}

TEST_CASE("from each sync of a commit on no sync succeeds", "[staged][fault]") {
  check_commit({.call = Call::sync, .times = ~std::uint64_t{0} / 2});
}

TEST_CASE("each call of opening fails once: refused or right, and the next opening succeeds",
          "[staged][fault]") {
  // With an attempt and a retiring generation left, so that opening has all of its work to do.
  fail_each_call(
      {},
      [](Prepared& p) {
        auto const copy = p.home.place / "crashed";
        {
          auto db = p.home.open().value();
          auto const view = db.view();
          commit_files(db, "three", {{"n", 3}}).value();
          auto stage = db.stage().value();
          REQUIRE(support::fill(stage, "unseen"));
          support::fs::copy(
              p.home.path, copy,
              support::fs::copy_options::recursive | support::fs::copy_options::copy_symlinks);
        }
        support::fs::remove_all(p.home.path);
        support::fs::rename(copy, p.home.path);
      },
      [](Prepared& p) {
        auto opened = p.home.open();
        if (opened) p.db.emplace(std::move(opened).value());
      },
      [](Prepared& p) {
        if (!p.db) p.open();
        REQUIRE(p.db->recover());
        CHECK(seen_by_all(p) == "three");
        check_goes_on(p);
      });
}

TEST_CASE("each call of a revert fails once: the old or the one reverted to", "[staged][fault]") {
  hf::result<hf::Committed> answer = hf::failure(errc::unknown, "not run");
  fail_each_call(
      {},
      [](Prepared& p) {
        p.home.options.retain = 2;
        p.open();
        commit_files(*p.db, "three", {{"n", 3}}).value();
      },
      [&](Prepared& p) { answer = p.db->revert({2}); },
      [&](Prepared& p) {
        INFO(support::text_of(answer));
        if (code_of(answer) == errc::uncertain) {
          auto const outcome = p.db->resolve(answer.error().ticket());
          REQUIRE(outcome);
          CHECK(seen_by_all(p) == (outcome.value() == Outcome::committed ? "two" : "three"));
          REQUIRE(p.db->recover());
          CHECK(seen_by_all(p) == (outcome.value() == Outcome::committed ? "two" : "three"));
        } else {
          REQUIRE(p.db->recover());
          CHECK(seen_by_all(p) == (answer ? "two" : "three"));
        }
        CHECK(!p.home.world.illegal());
        CHECK(commit_files(*p.db, "next"));
      });
}

TEST_CASE("each call of a discard fails once: views stay, the next build cleans up",
          "[staged][fault]") {
  std::optional<hf::result<FileHome::Staged::stage_type>> stage;
  fail_each_call(
      {},
      [&](Prepared& p) {
        p.open();
        stage.emplace(p.db->stage());
        REQUIRE(*stage);
        REQUIRE(support::fill(stage->value(), "unseen"));
      },
      [&](Prepared&) { stage.reset(); },
      [&](Prepared& p) {
        CHECK(shown_files(*p.db) == "two");
        auto const done = commit_files(*p.db, "next");  // without recover()
        CHECK(support::text_of(done) == "");
        CHECK(p.db->collect());
        check_nothing_leaks(p);
        CHECK(!p.home.world.illegal());
      });
}

TEST_CASE("each call of a follower fails once: an error or the right generation",
          "[staged][fault]") {
  std::string seen;
  fail_each_call(
      {}, [](Prepared& p) { p.open(); },
      [&](Prepared& p) {
        auto follower = p.home.follow();
        seen = follower ? shown_files(follower.value()) : follower.error().text();
        if (follower) static_cast<void>(follower.value().refresh());
      },
      [&](Prepared& p) {
        INFO(seen);
        CHECK(seen != "one");
        CHECK(seen != "mixed");
        CHECK(shown_files(p.home.follow().value()) == "two");
      });
}

TEST_CASE("a generation that is retained survives every fault", "[staged][fault]") {
  // S5 and S7 as bytes on the disk: the folders of what is current never change.
  std::map<std::string, std::string> before;
  fail_each_call(
      {.times = 3},
      [&](Prepared& p) {
        p.open();
        before = support::contents(p.home.folder("keys", 2));
      },
      [](Prepared& p) {
        auto const view = p.db->view();
        static_cast<void>(commit_files(*p.db, "three"));
        static_cast<void>(p.db->recover());
        static_cast<void>(commit_files(*p.db, "four"));
        auto const text = support::text_in(view.value());
        bool const whole = text == "two" || text == "unreadable";
        CHECK(whole);
      },
      [&](Prepared& p) {
        auto const status = p.db->status();
        INFO(support::text_of(status));
        REQUIRE(status);
        if (status.value().manifest->current == Generation{2}) {
          bool const same = support::contents(p.home.folder("keys", 2)) == before;
          CHECK(same);
        }
        CHECK(shown_files(*p.db) != "mixed");
      });
}

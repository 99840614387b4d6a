// SPDX-License-Identifier: BSL-1.0
// Tests the whole life of a staged home: stage, seal, validate, commit, discard, revert.
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "catch.hpp"
#include "memory_home.hpp"
#include "places.hpp"

namespace {
using hf::errc, hf::Generation, hf::State;
using support::code_of, support::commit_text, support::MemoryHome, support::Op, support::shown;
using Numbers = std::vector<std::uint64_t>;
}  // namespace

TEST_CASE("a fresh home has no generation to show", "[staged]") {
  MemoryHome const home;
  auto db = home.open().value();
  CHECK(code_of(db.view()) == errc::no_generation);
  CHECK(code_of(db.pin()) == errc::no_generation);
  CHECK(db.state() == State::none);
  CHECK(db.status().value().manifest->current == Generation{});
  CHECK(code_of(db.revert({1})) == errc::not_retained);
}

TEST_CASE("a commit shows a generation with its marks; until then nobody sees it", "[staged]") {
  MemoryHome const home;
  auto db = home.open().value();
  auto stage = db.stage();
  REQUIRE(stage);
  CHECK(stage.value().generation() == Generation{1});
  CHECK(db.state() == State::processing);
  stage.value().writer().put("one");
  CHECK(code_of(db.view()) == errc::no_generation);
  auto ready = std::move(stage).value().seal();
  REQUIRE(ready);
  CHECK(ready.value().generation() == Generation{1});
  CHECK(db.state() == State::ready_to_commit);
  CHECK(code_of(db.view()) == errc::no_generation);
  auto const done = std::move(ready).value().commit({.marks = {{"offset", 7}}});
  REQUIRE(done);
  CHECK(done.value().generation == Generation{1});
  CHECK(done.value().sequence == 1);
  CHECK(!done.value().housekeeping);
  CHECK(db.state() == State::none);
  auto const view = db.view();
  REQUIRE(view);
  CHECK((*view.value()).text() == "one");
  CHECK(view.value().generation() == Generation{1});
  CHECK(view.value().sequence() == 1);
  CHECK(view.value().marks() == hf::Marks{{"offset", 7}});
}

TEST_CASE("marks belong to their generation, also after a restart", "[staged]") {
  MemoryHome const home;
  {
    auto db = home.open().value();
    REQUIRE(commit_text(db, "one", {{"offset", 1}}));
    REQUIRE(commit_text(db, "two", {{"offset", 2}, {"extra", 0}}));
  }
  auto db = home.open().value();
  CHECK(db.view().value().marks() == hf::Marks{{"offset", 2}, {"extra", 0}});
  REQUIRE(db.revert({1}));
  CHECK(db.view().value().marks() == hf::Marks{{"offset", 1}});
  CHECK(shown(db) == "one");
}

TEST_CASE("an old view stays as it was across commits and is collected after it", "[staged]") {
  MemoryHome const home;
  auto db = home.open({.retain = 1}).value();
  REQUIRE(commit_text(db, "one", {{"n", 1}}));
  {
    auto const old = db.view();
    for (int i = 2; i <= 5; ++i) {
      REQUIRE(commit_text(db, std::to_string(i)));
      CHECK((*old.value()).text() == "one");
      CHECK(old.value().generation() == Generation{1});
      CHECK(old.value().marks() == hf::Marks{{"n", 1}});
      CHECK(shown(db) == std::to_string(i));
    }
    CHECK(home.in_store() == Numbers{1, 5});
    CHECK(db.collect().value().waiting == std::vector<Generation>{{1}});
    CHECK(home.in_store() == Numbers{1, 5});
  }
  auto const collected = db.collect();
  REQUIRE(collected);
  CHECK(collected.value().dropped == std::vector<Generation>{{1}});
  CHECK(home.in_store() == Numbers{5});
}

TEST_CASE("a commit collects what the views before it let go", "[staged]") {
  MemoryHome const home;
  auto db = home.open({.retain = 1}).value();
  for (int i = 1; i <= 6; ++i) REQUIRE(commit_text(db, std::to_string(i)));
  CHECK(home.in_store() == Numbers{6});
}

TEST_CASE("handles used after they were moved from answer spent", "[staged]") {
  MemoryHome const home;
  auto db = home.open().value();
  auto stage = db.stage().value();
  stage.writer().put("x");
  auto moved = std::move(stage);
  CHECK(code_of(std::move(stage).seal()) == errc::spent);
  CHECK(stage.generation() == Generation{});
  stage.discard();
  auto ready = std::move(moved).seal().value();
  CHECK(code_of(std::move(moved).seal()) == errc::spent);
  auto again = std::move(ready);
  CHECK(code_of(std::move(ready).commit()) == errc::spent);
  CHECK(code_of(std::move(ready).validate([](auto const&) { return true; })) == errc::spent);
  REQUIRE(std::move(again).commit());
  CHECK(code_of(std::move(again).commit()) == errc::spent);
  auto other = std::move(db);
  CHECK(code_of(db.view()) == errc::spent);
  CHECK(code_of(db.pin()) == errc::spent);
  CHECK(code_of(db.stage()) == errc::spent);
  CHECK(code_of(db.revert({1})) == errc::spent);
  CHECK(code_of(db.resolve({})) == errc::spent);
  CHECK(code_of(db.recover()) == errc::spent);
  CHECK(code_of(db.refresh()) == errc::spent);
  CHECK(code_of(db.collect()) == errc::spent);
  CHECK(code_of(db.status()) == errc::spent);
  CHECK(db.state() == State::none);
  CHECK(shown(other) == "x");
}

TEST_CASE("handles outlive the object they came from, and may go on", "[staged]") {
  MemoryHome const home;
  auto stage = [&] {
    auto db = home.open().value();
    return db.stage().value();
  }();
  auto& writer = stage.writer();
  writer.put("one");
  auto moved = std::move(stage);
  CHECK(&moved.writer() == &writer);  // the writer stays where it is
  REQUIRE(std::move(moved).seal().value().commit());
  auto db = home.open().value();
  CHECK(shown(db) == "one");
}

TEST_CASE("a dropped handle discards: views and store are as before, the number is not reused",
          "[staged]") {
  MemoryHome const home;
  auto db = home.open().value();
  REQUIRE(commit_text(db, "one"));
  auto const before = home.in_store();
  { auto const stage = db.stage(); }
  CHECK(home.in_store() == before);
  {
    auto stage = db.stage();
    stage.value().writer().put("unseen");
    auto const ready = std::move(stage).value().seal();
    CHECK(ready.value().generation() == Generation{3});
  }
  CHECK(home.in_store() == before);
  auto stage = db.stage();
  stage.value().discard();
  stage.value().discard();
  CHECK(home.in_store() == before);
  CHECK(shown(db) == "one");
  CHECK(db.state() == State::none);
  CHECK(!db.status().value().manifest->attempt);
  CHECK(commit_text(db, "five").value().generation == Generation{5});
}

TEST_CASE("assigning a handle discards what it held before, at the latest when it ends",
          "[staged]") {
  MemoryHome const home;
  auto db = home.open().value();
  {
    auto stage = db.stage().value();
    auto other = std::move(stage);
    stage = std::move(other);
    CHECK(stage.generation() == Generation{1});
  }
  CHECK(home.in_store().empty());
  CHECK(db.stage());
}

TEST_CASE("a second build is refused while one is under way", "[staged]") {
  MemoryHome const home;
  auto db = home.open().value();
  auto stage = db.stage();
  CHECK(code_of(db.stage()) == errc::busy);
  auto ready = std::move(stage).value().seal();
  CHECK(code_of(db.stage()) == errc::busy);
  REQUIRE(std::move(ready).value().commit());
  CHECK(db.stage());
}

TEST_CASE("two objects on one home: one builds, the other is told and goes on reading",
          "[staged]") {
  MemoryHome const home;
  auto one = home.open().value(), other = home.open().value();
  REQUIRE(commit_text(one, "one"));
  auto stage = one.stage();
  CHECK(code_of(other.stage()) == errc::busy);
  REQUIRE(other.status().value().holder);
  CHECK(other.status().value().holder->owner == home.world.self());
  CHECK(other.refresh().value());
  CHECK(shown(other) == "one");
  auto third = home.open();  // opening while another builds: reading works
  REQUIRE(third);
  CHECK(shown(third.value()) == "one");
  CHECK(code_of(third.value().stage()) == errc::busy);
  stage.value().writer().put("two");
  REQUIRE(std::move(stage).value().seal().value().commit());
  CHECK(shown(other) == "one");
  CHECK(other.refresh().value());
  CHECK(!other.refresh().value());
  CHECK(shown(other) == "two");
  CHECK(commit_text(third.value(), "three"));
  CHECK(!one.status().value().holder);
}

TEST_CASE("a failed seal gives the stage back: it can be sealed again", "[staged]") {
  MemoryHome const home;
  auto db = home.open().value();
  auto stage = db.stage().value();
  stage.writer().put("one");
  home.texts->hook = [](Op op, Generation) -> hf::result<void> {
    if (op == Op::seal) return hf::failure(errc::no_space, "seal");
    return hf::ok();
  };
  CHECK(code_of(std::move(stage).seal()) == errc::no_space);
  CHECK(code_of(std::move(stage).seal()) == errc::no_space);
  CHECK(db.state() == State::processing);
  CHECK(stage.generation() == Generation{1});
  home.texts->hook = {};
  stage.writer().put("one, shorter");
  auto ready = std::move(stage).seal();
  REQUIRE(ready);
  REQUIRE(std::move(ready).value().commit());
  CHECK(shown(db) == "one, shorter");
}

TEST_CASE("after a failed sync a stage can only be dropped", "[staged]") {
  MemoryHome const home;
  auto db = home.open().value();
  REQUIRE(commit_text(db, "one"));
  int seals = 0;
  {
    auto stage = db.stage().value();
    home.texts->hook = [&](Op op, Generation) -> hf::result<void> {
      if (op == Op::seal && ++seals == 1) return hf::failure(errc::sync_failed, "seal");
      return hf::ok();
    };
    CHECK(code_of(std::move(stage).seal()) == errc::sync_failed);
    CHECK(code_of(std::move(stage).seal()) == errc::sync_failed);
    CHECK(seals == 1);  // never tried again
  }
  CHECK(home.in_store() == Numbers{1});
  CHECK(shown(db) == "one");
  CHECK(commit_text(db, "three"));
}

TEST_CASE("validation sees the unseen generation and lets it pass", "[staged]") {
  MemoryHome const home;
  auto db = home.open().value();
  auto stage = db.stage().value();
  stage.writer().put("good");
  std::string seen;
  auto ready = std::move(stage).seal().value().validate([&](auto const& reader) {
    seen = reader.text();
    return true;
  });
  REQUIRE(ready);
  CHECK(seen == "good");
  CHECK(code_of(db.view()) == errc::no_generation);
  auto again =
      std::move(ready).value().validate([](auto const&) -> hf::result<void> { return hf::ok(); });
  REQUIRE(again);
  auto third =
      std::move(again).value().validate([](auto const&) -> hf::result<bool> { return true; });
  REQUIRE(std::move(third).value().commit());
  CHECK(shown(db) == "good");
}

TEST_CASE("validation that says no discards, with the reason it gave", "[staged]") {
  MemoryHome const home;
  auto db = home.open().value();
  REQUIRE(commit_text(db, "one"));
  auto const ready = [&] { return db.stage().value(); };
  CHECK(code_of(ready().seal().value().validate([](auto const&) { return false; })) ==
        errc::rejected);
  CHECK(code_of(ready().seal().value().validate(
            [](auto const&) -> hf::result<bool> { return false; })) == errc::rejected);
  CHECK(code_of(ready().seal().value().validate([](auto const&) -> hf::result<void> {
          return hf::failure(errc::damaged, "look");
        })) == errc::damaged);
  CHECK_THROWS_AS(
      ready().seal().value().validate([](auto const&) -> bool { throw std::runtime_error{"no"}; }),
      std::runtime_error);
  CHECK(home.in_store() == Numbers{1});
  CHECK(shown(db) == "one");
  CHECK(db.state() == State::none);
  CHECK(commit_text(db, "six").value().generation == Generation{6});
}

TEST_CASE("marks that are too large leave the handle whole", "[staged]") {
  MemoryHome const home;
  auto db = home.open().value();
  auto ready = db.stage().value().seal().value();
  hf::Marks large;
  for (int i = 0; i < 300; ++i) large["mark " + std::to_string(i)] = 1;
  CHECK(code_of(std::move(ready).commit({.marks = large})) == errc::too_large);
  CHECK(ready.generation() == Generation{1});
  REQUIRE(std::move(ready).commit({.marks = {{"small", 1}}}));
  CHECK(db.view().value().marks() == hf::Marks{{"small", 1}});
}

TEST_CASE("as many generations are kept as were asked for, and reverted to", "[staged]") {
  MemoryHome const home;
  auto db = home.open({.retain = 3}).value();
  for (int i = 1; i <= 5; ++i) REQUIRE(commit_text(db, std::to_string(i)));
  CHECK(home.in_store() == Numbers{3, 4, 5});
  CHECK(code_of(db.revert({2})) == errc::not_retained);
  CHECK(code_of(db.revert({6})) == errc::not_retained);
  auto const back = db.revert({3});
  REQUIRE(back);
  CHECK(back.value().generation == Generation{3});
  CHECK(back.value().sequence == 6);
  CHECK(shown(db) == "3");
  CHECK(db.revert({5}).value().sequence == 7);
  CHECK(shown(db) == "5");
  CHECK(home.in_store() == Numbers{3, 4, 5});
  auto const next = commit_text(db, "6").value();
  CHECK(next.generation == Generation{6});
  CHECK(next.sequence == 8);
  CHECK(home.in_store() == Numbers{3, 5, 6});
}

TEST_CASE("what was reverted to stays after a restart", "[staged]") {
  MemoryHome const home;
  {
    auto db = home.open({.retain = 3}).value();
    for (int i = 1; i <= 3; ++i) REQUIRE(commit_text(db, std::to_string(i)));
    REQUIRE(db.revert({1}));
  }
  auto db = home.open({.retain = 3}).value();
  CHECK(shown(db) == "1");
  CHECK(db.view().value().sequence() == 4);
}

TEST_CASE("retaining none or more than the record can list is refused", "[staged]") {
  MemoryHome const home;
  CHECK(code_of(home.open({.retain = 0})) == errc::invalid);
  CHECK(code_of(home.open({.retain = 49})) == errc::invalid);
  CHECK(home.open({.retain = 48}));
}

TEST_CASE("a home may keep fewer than before: the rest retires", "[staged]") {
  MemoryHome const home;
  {
    auto db = home.open({.retain = 5}).value();
    for (int i = 1; i <= 5; ++i) REQUIRE(commit_text(db, std::to_string(i)));
  }
  auto db = home.open({.retain = 1}).value();
  CHECK(home.in_store() == Numbers{1, 2, 3, 4, 5});
  REQUIRE(commit_text(db, "6"));
  CHECK(home.in_store() == Numbers{6});
}

TEST_CASE("a hundred commits leave a home with what it keeps and no more", "[staged]") {
  MemoryHome const home;
  auto db = home.open().value();
  std::uint64_t sequence = 0;
  for (int i = 1; i <= 100; ++i) {
    auto const done = commit_text(db, std::to_string(i));
    REQUIRE(done);
    CHECK(done.value().sequence > sequence);
    sequence = done.value().sequence;
    CHECK(shown(db) == std::to_string(i));
  }
  CHECK(home.in_store() == Numbers{99, 100});
  CHECK(db.status().value().manifest->retiring.size() <= 1);
}

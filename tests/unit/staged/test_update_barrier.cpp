// SPDX-License-Identifier: BSL-1.0
// Commits, reverts and updates of one home at the same moment: the barrier has one of them first.
#include <optional>
#include <tuple>
#include <utility>

#include "barred_home.hpp"
#include "catch.hpp"
#include "holdfast/staged.hpp"

namespace {
using support::BarredHome, support::build_sums, support::count_event, support::until;
}  // namespace

TEST_CASE("no update comes between the look of a commit at what it carries and its record",
          "[updates]") {
  BarredHome const home;
  auto db = home.open().value();
  REQUIRE(build_sums(db, 5));
  auto updater = home.update().value();
  REQUIRE(count_event(updater, 6));
  auto stage = db.stage(hf::only<0>).value();
  (*std::get<0>(stage.writer()))["n"] = 6;
  auto ready = std::move(stage).seal().value();
  std::optional<hf::errc> met;
  home.record.state().before_store = [&] {
    auto const beside = count_event(updater, 7);
    met = beside ? hf::errc::unknown : beside.error().code();
  };
  REQUIRE(std::move(ready).commit({.marks = until(6)}));
  CHECK(met == hf::errc::timed_out);
  CHECK(count_event(updater, 7).error().code() == hf::errc::conflict);
  REQUIRE(updater.refresh().value());
  REQUIRE(count_event(updater, 7));
  auto const view = updater.view();
  CHECK(std::get<0>(*view.value())->at("n") == 7);
}

TEST_CASE("no update comes between the look of a revert and its record", "[updates]") {
  BarredHome const home;
  auto db = home.open().value();
  REQUIRE(build_sums(db, 5));
  auto stage = db.stage(hf::only<0>).value();
  (*std::get<0>(stage.writer()))["n"] = 5;
  REQUIRE(std::move(stage).seal().value().commit({.marks = until(5)}));
  auto updater = home.update().value();
  std::optional<hf::errc> met;
  home.record.state().before_store = [&] {
    auto const beside = count_event(updater, 6);
    met = beside ? hf::errc::unknown : beside.error().code();
  };
  REQUIRE(db.revert({1}));
  CHECK(met == hf::errc::timed_out);
  CHECK(count_event(updater, 6).error().code() == hf::errc::conflict);
  REQUIRE(updater.refresh().value());
  REQUIRE(count_event(updater, 6));
}

TEST_CASE("a commit that comes while an update waits for the barrier is seen by it", "[updates]") {
  BarredHome const home;
  auto db = home.open().value();
  REQUIRE(build_sums(db, 5));
  auto updater = home.update().value();
  home.record.state().before_update = [&] { REQUIRE(build_sums(db, 5)); };
  auto const late = count_event(updater, 6);
  REQUIRE_FALSE(late);
  CHECK(late.error().code() == hf::errc::conflict);
  REQUIRE(updater.refresh().value());
  REQUIRE(count_event(updater, 6));
  REQUIRE(db.refresh().value());
  CHECK(db.view().value().marks() == until(6));
}

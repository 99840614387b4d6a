// SPDX-License-Identifier: BSL-1.0
// A home of two databases that are updated: restarts, rebuilds, reverts, copies, retention, and a
// record that is made anew.
#include <rocksdb/write_batch.h>

#include <cstdint>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "catch.hpp"
#include "holdfast/backend/rocksdb.hpp"
#include "holdfast/backend/sqlite.hpp"
#include "holdfast/staged.hpp"
#include "places.hpp"

namespace {
using support::code_of;

hf::SqliteStore stats() {
  return hf::SqliteStore{"stats", {.schema = "CREATE TABLE t(n)", .updates = true}};
}
hf::RocksStore keys() {
  hf::RocksOptions options;
  options.updates = true;
  return hf::RocksStore{"keys", std::move(options)};
}
hf::Marks at(std::uint64_t offset) {
  return {{"offset", offset}};
}

struct Home {
  support::Place place{support::On::memory};
  std::string path = place / "home";
  [[nodiscard]] auto open() const {
    return hf::open_staged(path, hf::StagedOptions{.publish_grace_ms = 0}, stats(), keys());
  }
  [[nodiscard]] auto update() const { return hf::open_updater(path, stats(), keys()); }
  [[nodiscard]] auto follow() const { return hf::open_view(path, stats(), keys()); }
};

template <class Staged>
hf::result<hf::Committed> build(Staged& db, std::uint64_t upto) {
  HOLDFAST_TRY(stage, db.stage());
  auto& [sqlite, rocks] = stage.writer();
  for (std::uint64_t i = 1; i <= upto; ++i) {
    HOLDFAST_TRYV(sqlite.exec("INSERT INTO t VALUES(" + std::to_string(i) + ")"));
    HOLDFAST_TRYV(rocks.put(std::to_string(i), "built"));
  }
  HOLDFAST_TRY(ready, std::move(stage).seal());
  return std::move(ready).commit({.marks = at(upto)});
}
template <class Updater>
hf::result<hf::Applied> feed(Updater& updater, std::uint64_t i) {
  rocksdb::WriteBatch batch;
  static_cast<void>(batch.Put(std::to_string(i), "fed"));
  return updater.apply(at(i), "INSERT INTO t VALUES(" + std::to_string(i) + ")", batch);
}
template <class Reads>
std::string shown(Reads const& db) {
  auto const view = db.view();
  if (!view) return std::string{hf::message(view.error().code())};
  auto const& [sqlite, rocks] = *view.value();
  auto const lease = sqlite.connection();
  if (!lease) return lease.error().text();
  auto const rows = hf::detail::ask_sqlite(lease.value().handle(), "SELECT count(*) FROM t");
  int pairs = 0;
  auto const each = rocks.iterator();
  for (each->SeekToFirst(); each->Valid(); each->Next()) ++pairs;
  if (!rows || rows.value() != std::to_string(pairs)) return "mixed";
  return rows.value() + (view.value().marks() == at(std::stoull(rows.value())) ? "" : " at others");
}
}  // namespace

TEST_CASE("a home of two databases is updated, followed, and opened again", "[updates]") {
  Home const home;
  auto db = home.open().value();
  REQUIRE(build(db, 2));
  {
    auto updater = home.update().value();
    auto const other = home.update();
    REQUIRE_FALSE(other);
    CHECK(other.error().code() == hf::errc::busy);
    CHECK(other.error().text().find("held by pid") != std::string::npos);
    CHECK(db.status().value().updated.empty());
    for (std::uint64_t i = 3; i <= 9; ++i) {
      REQUIRE(feed(updater, i));
      CHECK(shown(updater) == std::to_string(i));
    }
    CHECK(shown(db) == "2");
    auto follower = home.follow().value();
    CHECK(shown(follower) == "9");
    CHECK_FALSE(follower.refresh().value());
    REQUIRE(feed(updater, 10));
    CHECK(follower.refresh().value());
    CHECK(shown(follower) == "10");
    auto const status = follower.status().value();
    CHECK(status.updated == std::vector<hf::Generation>{{1}});
    CHECK(status.shown == at(10));
    CHECK(status.manifest->retained.front().marks == at(2));
    auto const disk = db.disk_bytes({1}).value();
    REQUIRE(disk);
    CHECK(*disk > 8192);
  }
  CHECK(db.refresh().value());
  CHECK(shown(db) == "10");
  auto updater = home.update().value();
  CHECK(updater.marks().value() == at(10));
  CHECK(shown(updater) == "10");
  auto const verified = db.verify({1}).value();
  CHECK(verified[0].found.value() == hf::Verified::identity);
  CHECK(verified[1].found.value() == hf::Verified::own_checksums);
}

TEST_CASE("rebuilds and reverts go on from marks of their own, and what retires is dropped",
          "[updates]") {
  Home const home;
  auto db = home.open().value();
  REQUIRE(build(db, 2));
  auto updater = home.update().value();
  REQUIRE(feed(updater, 3));
  REQUIRE(build(db, 5));
  CHECK(code_of(feed(updater, 4)) == hf::errc::conflict);
  CHECK(updater.refresh().value());
  CHECK(updater.marks().value() == at(5));
  REQUIRE(feed(updater, 6));
  REQUIRE(db.revert({1}));
  CHECK(shown(db) == "3");
  CHECK(updater.refresh().value());
  REQUIRE(feed(updater, 4));
  CHECK(shown(updater) == "4");
  REQUIRE(db.revert({2}));
  CHECK(shown(db) == "6");
  REQUIRE(updater.refresh());
  REQUIRE(build(db, 7));
  REQUIRE(build(db, 8));
  REQUIRE(updater.refresh());
  CHECK(shown(updater) == "8");
  REQUIRE(db.collect());
  CHECK(support::names_in(home.path + "/stats") ==
        std::vector<std::string>{"0000000003", "0000000004", "current.sqlite3"});
}

TEST_CASE("a copy of an updated generation has the state that is shown, and its marks",
          "[updates][copy]") {
  Home const home;
  auto db = home.open().value();
  REQUIRE(build(db, 2));
  auto updater = home.update().value();
  for (std::uint64_t i = 3; i <= 6; ++i) REQUIRE(feed(updater, i));
  auto const copy = home.place / "backup";
  REQUIRE(db.backup(copy, stats(), keys()));
  auto stage = db.stage_from_current().value();
  CHECK(stage.marks() == at(6));
  REQUIRE(feed(updater, 7));
  REQUIRE(stage.catch_up([](auto& writer, hf::Pull const& pull) -> hf::result<hf::Pulled> {
    if (pull.after == at(7)) return hf::Pulled{pull.after, 0};
    auto& [sqlite, rocks] = writer;
    HOLDFAST_TRYV(sqlite.exec("INSERT INTO t VALUES(7)"));
    HOLDFAST_TRYV(rocks.put("7", "built"));
    return hf::Pulled{at(7), 1};
  }));
  REQUIRE(std::move(stage).seal().value().commit());
  CHECK(shown(db) == "7");
  REQUIRE(updater.refresh().value());
  REQUIRE(feed(updater, 8));
  CHECK(shown(updater) == "8");
  // The copy is a home of its own, which takes updates from where it is.
  auto follower = hf::open_view(copy, stats(), keys()).value();
  CHECK(shown(follower) == "6");
  auto other = hf::open_updater(copy, stats(), keys()).value();
  CHECK(other.marks().value() == at(6));
  REQUIRE(feed(other, 7));
  CHECK(shown(other) == "7");
  CHECK(shown(updater) == "8");
}

TEST_CASE(
    "files of an updated generation are not copied one by one, and its record can be made anew",
    "[updates]") {
  Home const home;
  {
    auto db = home.open().value();
    REQUIRE(build(db, 2));
    auto updater = home.update().value();
    REQUIRE(feed(updater, 3));
    auto alone = stats();
    alone.place(home.path);
    CHECK(code_of(alone.clone({1}, {9})) == hf::errc::invalid);
    REQUIRE(db.refresh());
  }
  support::fs::remove(home.path + "/CURRENT");
  support::fs::remove(home.path + "/CURRENT.hint");
  auto const plan = hf::plan_rebuild(home.path, stats(), keys()).value();
  REQUIRE(plan.proposal() != nullptr);
  CHECK(plan.proposal()->whole());
  REQUIRE(hf::rebuild_register(home.path, *plan.proposal(), {}, stats(), keys()));
  CHECK(code_of(home.update()) == hf::errc::invalid);  // nobody knows what its commit had
  auto const again = hf::plan_rebuild(home.path, stats(), keys()).value();
  auto const done = hf::rebuild_register(home.path, *again.find({1}),
                                         {.replace_usable = true, .marks = at(2)}, stats(), keys());
  REQUIRE(done);
  CHECK(done.value().marks == at(2));
  auto db = home.open().value();
  CHECK(shown(db) == "3");
  auto updater = home.update().value();
  CHECK(updater.marks().value() == at(3));
  REQUIRE(feed(updater, 4));
  CHECK(shown(updater) == "4");
}

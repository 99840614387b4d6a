// SPDX-License-Identifier: BSL-1.0
// Updates of SQLite databases in place: one transaction with the marks, readers that stay on their
// state, and what is refused.
#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "catch.hpp"
#include "failing_files.hpp"
#include "holdfast/backend/sqlite.hpp"
#include "holdfast/backend/sqlite_adopt.hpp"
#include "places.hpp"

namespace {
hf::SqliteOptions const updatable{.schema = "CREATE TABLE t(n INTEGER PRIMARY KEY)",
                                  .updates = true};

struct Folder {
  support::Place place{support::On::memory};
  [[nodiscard]] hf::SqliteStore store(hf::SqliteOptions options = updatable) const {
    hf::SqliteStore made{"stats", std::move(options)};
    made.place(place / "home");
    return made;
  }
};

hf::result<void> build(hf::SqliteStore& store, hf::Generation g, int upto) {
  HOLDFAST_TRY(writer, store.create(g));
  for (int i = 1; i <= upto; ++i) {
    HOLDFAST_TRYV(writer.exec("INSERT INTO t VALUES(" + std::to_string(i) + ")"));
  }
  return store.seal(writer);
}
hf::result<void> feed(hf::SqliteStore& store, std::uint64_t i, hf::Generation g = {1}) {
  return store.apply(g, "INSERT INTO t VALUES(" + std::to_string(i) + ")", {{"offset", i}});
}
std::string count(hf::SqliteReader const& reader) {
  auto const lease = reader.connection();
  if (!lease) return lease.error().text();
  auto const found = hf::detail::ask_sqlite(lease.value().handle(), "SELECT count(*) FROM t");
  return found ? found.value() : found.error().text();
}
std::string count(hf::result<hf::SqliteReader> const& reader) {
  return reader ? count(reader.value()) : reader.error().text();
}
hf::errc code(auto const& outcome) {
  return outcome ? hf::errc::unknown : outcome.error().code();
}
hf::Marks at(std::uint64_t offset) {
  return {{"offset", offset}};
}
}  // namespace

TEST_CASE("a SQLite generation takes updates, and readers stay on the state they were opened on",
          "[sqlite][updates]") {
  Folder const home;
  auto store = home.store();
  REQUIRE(build(store, {1}, 2));
  CHECK(store.updates({1}).value());
  CHECK(store.marks({1}).value().empty());
  auto const before = store.open({1});
  CHECK(count(before) == "2");
  CHECK(store.marks_of(before.value()).value().empty());
  auto elsewhere = home.store();
  auto const other = elsewhere.open({1});
  CHECK(count(other) == "2");

  for (std::uint64_t i = 3; i <= 6; ++i) REQUIRE(feed(store, i));
  CHECK(count(before) == "2");
  CHECK(count(other) == "2");
  auto const after = store.open({1});
  CHECK(count(after) == "6");
  CHECK(store.marks_of(after.value()).value() == at(6));
  CHECK(store.marks({1}).value() == at(6));
  auto const late = elsewhere.open({1});
  CHECK(count(late) == "6");
  CHECK(elsewhere.marks_of(late.value()).value() == at(6));
  CHECK(store.verify({1}).value() == hf::Verified::identity);
  CHECK(store.publish({1}));

  auto const again = home.store().open({1});
  CHECK(count(again) == "6");
  auto restarted = home.store();
  CHECK(restarted.marks({1}).value() == at(6));
  REQUIRE(feed(restarted, 6));  // it is there already
  REQUIRE(feed(restarted, 7));
  CHECK(count(restarted.open({1})) == "7");
}

TEST_CASE("a reader of an updated SQLite generation gives more connections until the next update",
          "[sqlite][updates]") {
  Folder const home;
  auto store = home.store();
  REQUIRE(build(store, {1}, 2));
  auto const reader = store.open({1}).value();
  std::vector<hf::SqliteLease> leases;
  for (int i = 0; i < 4; ++i) leases.push_back(reader.connection().value());
  REQUIRE(feed(store, 3));
  CHECK(code(reader.connection()) == hf::errc::busy);
  leases.pop_back();
  CHECK(count(reader) == "2");
  // One whose transaction was ended is on no state any more.
  REQUIRE(hf::detail::exec_sqlite(leases.back().handle(), "COMMIT"));
  leases.pop_back();
  CHECK(count(reader) == "2");
  auto const one = reader.connection();
  REQUIRE(one);
  CHECK(code(reader.connection()) == hf::errc::busy);
}

TEST_CASE("what a SQLite batch does is undone unless all of it is committed with its marks",
          "[sqlite][updates]") {
  Folder const home;
  auto store = home.store();
  REQUIRE(build(store, {1}, 2));
  auto const fails = [](sqlite3* db) -> hf::result<void> {
    HOLDFAST_TRYV(hf::detail::exec_sqlite(db, "INSERT INTO t VALUES(3)"));
    return hf::failure(hf::errc::rejected, "batch");
  };
  CHECK(code(store.apply({1}, fails, at(3))) == hf::errc::rejected);
  auto const throws = [](sqlite3* db) -> hf::result<void> {
    HOLDFAST_TRYV(hf::detail::exec_sqlite(db, "INSERT INTO t VALUES(3)"));
    throw std::runtime_error{"batch"};
  };
  CHECK_THROWS_AS(static_cast<void>(store.apply({1}, throws, at(3))), std::runtime_error);
  CHECK(code(store.apply({1}, "INSERT INTO t VALUES(3); COMMIT", at(3))) != hf::errc::unknown);
  CHECK(code(store.apply({1}, "INSERT INTO t VALUES(3); ROLLBACK", at(3))) == hf::errc::invalid);
  CHECK(code(store.apply({1}, "INSERT INTO nowhere VALUES(3)", at(3))) == hf::errc::backend);
  sqlite3_stmt* open = nullptr;
  auto const leaves = [&open](sqlite3* db) -> hf::result<void> {
    ::sqlite3_prepare_v2(db, "SELECT n FROM t", -1, &open, nullptr);
    ::sqlite3_step(open);
    return hf::ok();
  };
  CHECK(code(store.apply({1}, leaves, at(3))) == hf::errc::busy);
  ::sqlite3_finalize(open);
  CHECK(store.marks({1}).value().empty());
  CHECK(count(store.open({1})) == "2");
  REQUIRE(feed(store, 3));
  CHECK(count(store.open({1})) == "3");
  CHECK(store.marks({1}).value() == at(3));
}

TEST_CASE("a second updater of a SQLite generation is fenced", "[sqlite][updates]") {
  Folder const home;
  auto first = home.store();
  REQUIRE(build(first, {1}, 2));
  auto second = home.store();
  REQUIRE(feed(first, 3));
  REQUIRE(feed(second, 4));
  CHECK(code(feed(first, 5)) == hf::errc::fenced);
  REQUIRE(feed(second, 5));
  CHECK(count(second.open({1})) == "5");
}

TEST_CASE("SQLite generations that were sealed without updates take none, and are as they were",
          "[sqlite][updates]") {
  Folder const home;
  auto fixed = home.store({.schema = updatable.schema});
  REQUIRE(build(fixed, {1}, 2));
  auto store = home.store();
  CHECK_FALSE(store.updates({1}).value());
  CHECK(code(feed(store, 3)) == hf::errc::invalid);
  CHECK(store.marks({1}).value().empty());
  CHECK_FALSE(store.marks_of(store.open({1}).value()));
  CHECK_FALSE(support::fs::exists(home.place / "home/stats/0000000001/UPDATED"));
  CHECK(store.verify({1}).value() == hf::Verified::names_and_sizes);
  // A store that makes none that take updates goes by the seal too.
  REQUIRE(build(store, {2}, 2));
  REQUIRE(feed(store, 3, {2}));
  CHECK(count(fixed.open({2})) == "3");
}

TEST_CASE("a SQLite generation is copied whole or not at all", "[sqlite][updates]") {
  Folder const home;
  auto store = home.store();
  REQUIRE(build(store, {1}, 2));
  auto const held = store.open({1});
  {
    auto cloned = store.clone({1}, {2});
    REQUIRE(cloned);
    REQUIRE(cloned.value().exec("INSERT INTO t VALUES(9)"));
    REQUIRE(store.seal(cloned.value()));
  }
  CHECK(count(store.open({2})) == "3");
  REQUIRE(feed(store, 3, {2}));
  hf::SqliteStore backup{"stats", updatable};
  backup.place(home.place / "backup");
  REQUIRE(store.copy({1}, backup));
  CHECK(count(backup.open({1})) == "2");
  REQUIRE(feed(backup, 3));
  CHECK(count(backup.open({1})) == "3");
  REQUIRE(feed(store, 3));
  CHECK(code(store.clone({1}, {4})) == hf::errc::invalid);
  CHECK(code(store.copy({1}, backup)) == hf::errc::invalid);
  CHECK(store.generations().value() == std::vector<hf::Generation>{{1}, {2}});
  CHECK(count(held) == "2");
}

TEST_CASE("the log of a SQLite generation ends although its newest state is always read",
          "[sqlite][updates]") {
  Folder const home;
  auto store = home.store({.schema = "CREATE TABLE t(n INTEGER PRIMARY KEY, v)", .updates = true});
  auto writer = store.create({1}).value();
  REQUIRE(store.seal(writer));
  auto shown = store.open({1});
  std::uintmax_t longest = 0;
  for (std::uint64_t i = 1; i <= 3000; ++i) {
    auto const sql =
        "INSERT OR REPLACE INTO t VALUES(" + std::to_string(i % 50) + ", zeroblob(900))";
    REQUIRE(store.apply({1}, sql, at(i)));
    auto next = store.open({1});
    REQUIRE(next);
    shown = std::move(next);
    auto const log = home.place / "home/stats/0000000001/data.sqlite3-wal";
    longest = std::max(longest, support::fs::file_size(log));
  }
  CHECK(longest < 1200 * 4200);
  CHECK(store.marks({1}).value() == at(3000));
}

TEST_CASE("a SQLite generation that adopted a database takes updates from no marks on",
          "[sqlite][updates]") {
  Folder const home;
  auto store = home.store();
  REQUIRE(build(store, {1}, 2));
  REQUIRE(feed(store, 3));
  {
    auto writer = store.create({2}).value();
    REQUIRE(hf::adopt(writer, home.place / "home/stats/0000000001/data.sqlite3"));
    REQUIRE(store.seal(writer));
  }
  CHECK(count(store.open({2})) == "3");
  CHECK(store.marks_of(store.open({2}).value()).value().empty());
  REQUIRE(feed(store, 4, {2}));
  CHECK(count(store.open({2})) == "4");
  CHECK(store.marks({2}).value() == at(4));
}

TEST_CASE("a dropped SQLite generation is gone with what its updates left", "[sqlite][updates]") {
  Folder const home;
  auto store = home.store();
  REQUIRE(build(store, {1}, 2));
  REQUIRE(feed(store, 3));
  REQUIRE(store.drop({1}));
  CHECK(code(store.open({1})) == hf::errc::not_found);
  CHECK_FALSE(support::fs::exists(home.place / "home/stats/0000000001"));
  REQUIRE(build(store, {2}, 1));
  REQUIRE(feed(store, 2, {2}));
  CHECK(count(store.open({2})) == "2");
}

TEST_CASE("SQLite fills the last sector of each update, so that the next one does not write to it",
          "[sqlite][updates]") {
  Folder const home;
  auto store = home.store();
  REQUIRE(build(store, {1}, 2));
  auto const log = home.place / "home/stats/0000000001/data.sqlite3-wal";
  std::uintmax_t before = 0;
  for (std::uint64_t i = 3; i <= 6; ++i) {
    REQUIRE(store.apply({1}, "SELECT 1", at(i)));
    auto const now = support::fs::file_size(log);
    constexpr std::uintmax_t frame = 24 + 4096;
    // The page of the marks, and the same again to fill the sector up.
    if (before != 0) CHECK(now - before == 2 * frame);
    before = now;
  }
}

TEST_CASE("a failed sync of a log that was found is not tried again", "[sqlite][updates][faults]") {
  Folder const home;
  auto first = home.store();
  REQUIRE(build(first, {1}, 2));
  REQUIRE(feed(first, 3));
  for (bool const reads : {true, false}) {
    support::FailingFiles files;
    hf::BasicSqliteStore<support::FailingFiles> store{"stats", updatable, files};
    store.place(home.place / "home");
    files.calls().fail({.call = support::Call::sync, .path_has = "-wal", .number = EIO});
    CHECK((reads ? code(store.open({1})) : code(store.marks({1}))) == hf::errc::sync_failed);
    CHECK((reads ? code(store.open({1})) : code(store.marks({1}))) == hf::errc::poisoned);
    CHECK(code(store.apply({1}, "SELECT 1", at(4))) == hf::errc::poisoned);
  }
}

// SPDX-License-Identifier: BSL-1.0
// SQLite on any file system model: its files, locks, errors, and clock.
#include <memory>
#include <new>
#include <string>
#include <utility>

#include "../support/failing_files.hpp"
#include "../support/places.hpp"
#include "../unit/backend/fault_sweep.hpp"
#include "catch.hpp"
#include "holdfast/backend/sqlite.hpp"
#include "holdfast/testing/simulated_disk.hpp"
#include "holdfast/testing/sqlite_vfs.hpp"

namespace {
using hf::testing::SimulatedDisk;
using hf::testing::SimulatedFiles;
using hf::testing::SimulatedProcess;
using hf::testing::SimulatedWorld;
using hf::testing::SqliteVfs;
using support::Call;
using Db = hf::detail::SqliteHandle;

constexpr int build = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;

Db open(std::string const& path, std::string const& vfs, int flags = build) {
  auto db = hf::detail::open_sqlite(hf::detail::sqlite_uri(path, {}), flags, vfs);
  INFO(support::text_of(db));
  REQUIRE(db);
  return std::move(db).value();
}
// The extended code of the last statement.
int run(Db const& db, std::string const& sql) {
  auto const done = hf::detail::exec_sqlite(db.get(), sql);
  return done ? SQLITE_OK : ::sqlite3_extended_errcode(db.get());
}
std::string ask(Db const& db, std::string const& sql) {
  auto const answer = hf::detail::ask_sqlite(db.get(), sql);
  INFO(support::text_of(answer));
  REQUIRE(answer);
  return answer.value();
}

// A process of a simulated machine with a VFS over its files.
struct Simulated {
  explicit Simulated(SimulatedProcess const& p) : process{p}, vfs{p.files, p.world, "/"} {}
  explicit Simulated(SimulatedDisk const& disk) : Simulated{disk.start()} {}
  SimulatedProcess process;
  SqliteVfs<SimulatedFiles, SimulatedWorld> vfs;
};
}  // namespace

TEST_CASE("SQLite's own VFS and ours read what the other wrote, and lock each other out",
          "[sqlite][vfs]") {
  support::Place const home;
  SqliteVfs const vfs{hf::Posix{}};
  auto const ours = open(home / "db", vfs.name());
  auto const theirs = open(home / "db", {});
  CHECK(run(ours, "CREATE TABLE t(v); INSERT INTO t VALUES(1)") == SQLITE_OK);
  CHECK(run(theirs, "INSERT INTO t VALUES(2)") == SQLITE_OK);
  CHECK(ask(ours, "SELECT group_concat(v) FROM t") == "1,2");
  CHECK(run(ours, "BEGIN IMMEDIATE") == SQLITE_OK);
  CHECK(run(theirs, "BEGIN IMMEDIATE") == SQLITE_BUSY);
  CHECK(run(ours, "COMMIT") == SQLITE_OK);
  CHECK(run(theirs, "BEGIN IMMEDIATE") == SQLITE_OK);
  CHECK(run(ours, "BEGIN IMMEDIATE") == SQLITE_BUSY);
}

TEST_CASE("a writer waits for readers, and new readers for it", "[sqlite][vfs]") {
  SimulatedDisk const disk;
  Simulated const a{disk};
  Simulated const b{disk};
  Simulated const c{disk};
  auto const reader = open("/db", a.vfs.name());
  CHECK(run(reader, "CREATE TABLE t(v); INSERT INTO t VALUES(1)") == SQLITE_OK);
  auto const writer = open("/db", b.vfs.name());
  CHECK(run(reader, "BEGIN; SELECT * FROM t") == SQLITE_OK);
  CHECK(run(writer, "BEGIN; INSERT INTO t VALUES(2)") == SQLITE_OK);
  CHECK(run(writer, "COMMIT") == SQLITE_BUSY);  // it waits, and holds the pending byte
  auto const late = open("/db", c.vfs.name());
  CHECK(run(late, "SELECT * FROM t") == SQLITE_BUSY);
  CHECK(ask(reader, "SELECT group_concat(v) FROM t") == "1");
  CHECK(run(reader, "COMMIT") == SQLITE_OK);
  CHECK(run(writer, "COMMIT") == SQLITE_OK);
  CHECK(ask(late, "SELECT group_concat(v) FROM t") == "1,2");
  CHECK(run(reader, "INSERT INTO t VALUES(3)") == SQLITE_OK);  // no lock was left behind
}

TEST_CASE("a killed writer's locks lapse, and the next one rolls its journal back",
          "[sqlite][vfs]") {
  SimulatedDisk const disk;
  Simulated const first{disk};
  auto const db = open("/db", first.vfs.name());
  CHECK(run(db, "CREATE TABLE t(v); INSERT INTO t VALUES('kept')") == SQLITE_OK);
  CHECK(run(db, "PRAGMA cache_size=1; BEGIN; UPDATE t SET v = 'lost'") == SQLITE_OK);
  CHECK(run(db,
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 99) "
            "INSERT INTO t SELECT randomblob(999) FROM n") == SQLITE_OK);
  first.process.kill();
  CHECK(run(db, "COMMIT") != SQLITE_OK);
  Simulated const next{disk};
  CHECK(next.process.files.identity("/db-journal"));
  auto const again = open("/db", next.vfs.name());
  CHECK(ask(again, "SELECT group_concat(v) FROM t") == "kept");
  CHECK_FALSE(next.process.files.identity("/db-journal"));
  CHECK(ask(again, "PRAGMA integrity_check") == "ok");
}

TEST_CASE("files that SQLite gives no name lie in the temporary directory, and never stay",
          "[sqlite][vfs]") {
  support::Place const home;
  support::FailingFiles const files;
  SqliteVfs<support::FailingFiles> const vfs{files, {}, home.path()};
  auto const db = open(home / "db", vfs.name());
  CHECK(run(db, "PRAGMA temp_store=FILE; PRAGMA cache_size=1; CREATE TEMP TABLE t(v)") ==
        SQLITE_OK);
  auto const created = files.calls().count(Call::create);
  CHECK(run(db,
            "PRAGMA temp.cache_size=1; BEGIN; WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL "
            "SELECT i + 1 FROM n WHERE i < 2000) INSERT INTO t SELECT randomblob(999) FROM n") ==
        SQLITE_OK);
  CHECK(files.calls().count(Call::create) > created);
  CHECK(ask(db, "SELECT count(*) FROM t") == "2000");
  CHECK(support::names_in(home.path()) == std::vector<std::string>{"db"});
}

TEST_CASE("a symlink leads to its database, whose journal lies beside it", "[sqlite][vfs]") {
  SimulatedDisk const disk;
  Simulated const own{disk};
  auto const& fs = own.process.files;
  REQUIRE(fs.make_directory("/7"));
  REQUIRE(fs.symlink("7/db", "/current"));
  REQUIRE(fs.symlink("current", "/published"));
  auto const db = open("/published", own.vfs.name());
  CHECK(run(db, "CREATE TABLE t(v); BEGIN; INSERT INTO t VALUES(1)") == SQLITE_OK);
  CHECK(fs.identity("/7/db"));
  CHECK(fs.identity("/7/db-journal"));
}

TEST_CASE("what the file system answers, SQLite is told", "[sqlite][vfs]") {
  support::Place const home;
  support::FailingFiles const files;
  SqliteVfs<support::FailingFiles> const vfs{files};
  auto const db = open(home / "db", vfs.name());
  REQUIRE(run(db, "CREATE TABLE t(v); INSERT INTO t VALUES(1)") == SQLITE_OK);
  auto& calls = files.calls();
  auto const insert = [&](support::Fault const& fault) {
    calls.fail(fault);
    int const code = run(db, "INSERT INTO t VALUES(2)");
    calls.heal();
    return code;
  };
  CHECK(insert({.call = Call::write, .number = ENOSPC}) == SQLITE_FULL);
  CHECK(insert({.call = Call::write, .number = EIO}) == SQLITE_IOERR_WRITE);
  CHECK(insert({.call = Call::sync}) == SQLITE_IOERR_FSYNC);
  CHECK(insert({.call = Call::sync_directory}) == SQLITE_IOERR_DIR_FSYNC);
  CHECK(insert({.call = Call::lock}) == SQLITE_IOERR_LOCK);
  CHECK(insert({.call = Call::remove}) == SQLITE_IOERR_DELETE);
  CHECK(insert({.call = Call::create, .number = EMFILE}) == SQLITE_CANTOPEN);
  CHECK(insert({.call = Call::create, .number = ENOMEM}) == SQLITE_NOMEM);
  CHECK(ask(db, "SELECT group_concat(v) FROM t") == "1");
  calls.fail({.call = Call::open, .number = EACCES});  // to write; to read is allowed
  auto const reader = open(home / "db", vfs.name());
  CHECK(calls.failed == 1);
  CHECK(run(reader, "INSERT INTO t VALUES(3)") == SQLITE_READONLY);
}

TEST_CASE(
    "whichever call of SQLite's or of the seal's fails, a database is sealed whole or not at "
    "all",
    "[sqlite][vfs][faults]") {
  auto const way =
      GENERATE(sweep::Way::refused, sweep::Way::half_done, sweep::Way::done_but_failed);
  scratch::Folder home;
  support::FailingFiles files;
  SqliteVfs<support::FailingFiles> const vfs{files, {}, home.path()};
  hf::BasicSqliteStore<support::FailingFiles> store{
      "stats", {.schema = "CREATE TABLE t(v)", .verify_on_open = true, .vfs = vfs.name()}, files};
  store.place(home.path());
  auto const fill = [](auto& writer) { return writer.exec("INSERT INTO t VALUES('kept')"); };
  auto const whole = [](hf::SqliteReader const& reader) {
    auto const lease = reader.connection();
    auto const v = hf::detail::ask_sqlite(lease.value().handle(), "SELECT group_concat(v) FROM t");
    return v && v.value() == "kept";
  };
  sweep::Sweep all{store, files.calls(), fill, whole};
  CHECK(all.run(way, EIO) > 30);
}

TEST_CASE("an exception of the file system does not pass through SQLite", "[sqlite][vfs]") {
  support::Place const home;
  support::FailingFiles const files;
  SqliteVfs<support::FailingFiles> const vfs{files};
  auto const db = open(home / "db", vfs.name());
  auto const throwing = [&](auto what) {
    files.calls().spy = [what](Call call, std::string const&) {
      if (call == Call::write) throw what;
    };
    int const code = run(db, "CREATE TABLE t(v)");
    files.calls().spy = {};
    return code;
  };
  CHECK(throwing(std::bad_alloc{}) == SQLITE_NOMEM);
  CHECK(throwing(7) == SQLITE_IOERR_WRITE);
  CHECK(run(db, "CREATE TABLE t(v)") == SQLITE_OK);
}

TEST_CASE("time and chance come from the world", "[sqlite][vfs]") {
  auto const said = [] {
    SimulatedDisk const disk;
    Simulated const own{disk};
    own.process.world.wait_until(90'000'000'000);
    auto const db = open("/db", own.vfs.name());
    return ask(db, "SELECT strftime('%s', 'now')");
  };
  CHECK(said() == "1000000090");
  SimulatedDisk const disk;
  Simulated const own{disk};
  auto const holder = open("/db", own.vfs.name());
  CHECK(run(holder, "BEGIN EXCLUSIVE") == SQLITE_OK);
  auto const waiter = open("/db", own.vfs.name());
  auto const before = own.process.world.steady_ns();
  ::sqlite3_busy_timeout(waiter.get(), 50);
  CHECK(run(waiter, "BEGIN IMMEDIATE") == SQLITE_BUSY);
  CHECK(own.process.world.steady_ns() - before >= 50'000'000);  // simulated: nobody waited
}

TEST_CASE("a VFS is known by its name until it ends", "[sqlite][vfs]") {
  std::string name;
  {
    SqliteVfs const vfs{hf::Posix{}};
    SqliteVfs const other{hf::Posix{}};
    name = vfs.name();
    CHECK(name != other.name());
    CHECK(::sqlite3_vfs_find(name.c_str()) != nullptr);
  }
  CHECK(::sqlite3_vfs_find(name.c_str()) == nullptr);
}

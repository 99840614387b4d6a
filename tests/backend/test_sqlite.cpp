// SPDX-License-Identifier: BSL-1.0
// The SQLite store: databases built unseen, sealed whole, and read by many threads.
#include <algorithm>
#include <atomic>
#include <cerrno>
#include <filesystem>
#include <thread>

#include "../unit/backend/faulty_files.hpp"
#include "../unit/backend/scratch.hpp"
#include "catch.hpp"
#include "holdfast/backend/sqlite.hpp"

using Catch::Matchers::ContainsSubstring;
using hf::errc;
using scratch::code;
using scratch::said;

namespace {
constexpr auto schema = "CREATE TABLE t(k INTEGER PRIMARY KEY, v TEXT UNIQUE)";

template <class Store = hf::SqliteStore>
Store store_in(std::string const& home, hf::SqliteOptions options = {}) {
  if (options.schema.empty()) options.schema = schema;
  Store store{"stats", std::move(options)};
  store.place(home);
  return store;
}
template <class Store>
void build(Store& store, std::uint64_t g, std::string const& value) {
  auto writer = store.create({g});
  REQUIRE(writer);
  REQUIRE(writer.value().exec("INSERT INTO t(v) VALUES('" + value + "')"));
  auto const sealed = store.seal(writer.value());
  INFO(said(sealed));
  REQUIRE(sealed);
}
std::string ask(hf::SqliteReader const& reader, std::string const& sql) {
  auto const lease = reader.connection();
  REQUIRE(lease);
  auto const answer = hf::detail::ask_sqlite(lease.value().handle(), sql);
  INFO(said(answer));
  REQUIRE(answer);
  return answer.value();
}
std::vector<std::string> files_in(std::string const& folder) {
  std::vector<std::string> names;
  for (auto const& entry : std::filesystem::directory_iterator{folder}) {
    names.push_back(entry.path().filename());
  }
  std::sort(names.begin(), names.end());
  return names;
}
}  // namespace

TEST_CASE("a sealed database is read back", "[sqlite]") {
  scratch::Folder home;
  auto store = store_in(home.path());
  build(store, 1, "one");
  build(store, 2, "two");
  auto const reader = store.open({1});
  INFO(said(reader));
  REQUIRE(reader);
  CHECK(ask(reader.value(), "SELECT v FROM t") == "one");
  CHECK(ask(store.open({2}).value(), "SELECT v FROM t") == "two");
  CHECK(reader.value().path() == home / "stats/0000000001/data.sqlite3");
  CHECK(files_in(home / "stats/0000000001") == std::vector<std::string>{"SEAL", "data.sqlite3"});
  CHECK(store.verify({1}).value() == hf::Verified::names_and_sizes);
  REQUIRE(store.drop({1}));
  CHECK(scratch::numbers(store.generations().value()) == std::vector<std::uint64_t>{2});
}

TEST_CASE("a reader's connections can't write", "[sqlite]") {
  scratch::Folder home;
  auto store = store_in(home.path());
  build(store, 1, "one");
  auto const reader = store.open({1});
  REQUIRE(reader);
  auto const lease = reader.value().connection();
  REQUIRE(lease);
  auto const written = hf::detail::exec_sqlite(lease.value().handle(), "DELETE FROM t");
  CHECK(code(written) == errc::read_only);
  CHECK_THAT(said(written), ContainsSubstring("readonly"));
}

TEST_CASE("an open transaction or statement fails the seal and leaves the writer whole",
          "[sqlite]") {
  scratch::Folder home;
  auto store = store_in(home.path());
  auto writer = store.create({1});
  REQUIRE(writer);
  auto& w = writer.value();
  REQUIRE(w.exec("BEGIN; INSERT INTO t(v) VALUES('kept')"));
  auto const open_transaction = store.seal(w);
  CHECK(code(open_transaction) == errc::invalid);
  CHECK_THAT(said(open_transaction), ContainsSubstring("transaction"));
  REQUIRE(w.exec("COMMIT"));

  sqlite3_stmt* statement = nullptr;
  REQUIRE(sqlite3_prepare_v2(w.handle(), "SELECT v FROM t", -1, &statement, nullptr) == SQLITE_OK);
  auto const open_statement = store.seal(w);
  CHECK(code(open_statement) == errc::busy);
  CHECK_THAT(said(open_statement), ContainsSubstring("SELECT v FROM t"));
  sqlite3_finalize(statement);

  REQUIRE(w.exec("INSERT INTO t(v) VALUES('more')"));
  REQUIRE(store.seal(w));
  REQUIRE(store.seal(w));
  CHECK(w.handle() == nullptr);
  CHECK(code(w.exec("SELECT 1")) == errc::spent);
  CHECK(ask(store.open({1}).value(), "SELECT group_concat(v) FROM t") == "kept,more");
}

TEST_CASE("a statement that fails half way is undone", "[sqlite]") {
  scratch::Folder home;
  auto store = store_in(home.path());
  auto writer = store.create({1});
  REQUIRE(writer);
  auto& w = writer.value();
  // Within a transaction, and with more pages than the cache holds: the two cases in which SQLite
  // needs the journal that an unseen build might seem not to need.
  REQUIRE(w.exec("PRAGMA cache_size=10; BEGIN; INSERT INTO t(v) VALUES('a')"));
  auto const twice = w.exec("INSERT INTO t(v) VALUES('b'), ('c'), ('a')");
  CHECK(code(twice) == errc::backend);
  CHECK_THAT(said(twice), ContainsSubstring("UNIQUE constraint failed: t.v"));
  CHECK(twice.error().native() == SQLITE_CONSTRAINT_UNIQUE);
  REQUIRE(w.exec("COMMIT; BEGIN"));
  REQUIRE(
      w.exec("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000) "
             "INSERT INTO t(v) SELECT 'undone ' || i FROM n"));
  REQUIRE(w.exec("ROLLBACK"));
  REQUIRE(store.seal(w));
  auto const reader = store.open({1});
  REQUIRE(reader);
  CHECK(ask(reader.value(), "PRAGMA integrity_check") == "ok");
  CHECK(ask(reader.value(), "SELECT group_concat(v) FROM t") == "a");
}

TEST_CASE("a build that turned on the write-ahead log is sealed without one", "[sqlite]") {
  auto const* const mode = GENERATE("WAL", "PERSIST", "TRUNCATE", "OFF");
  scratch::Folder home;
  auto store = store_in(home.path());
  auto writer = store.create({1});
  REQUIRE(writer);
  auto& w = writer.value();
  REQUIRE(w.exec("PRAGMA locking_mode=NORMAL; PRAGMA journal_mode=" + std::string{mode}));
  REQUIRE(w.exec("INSERT INTO t(v) VALUES('logged')"));
  auto const sealed = store.seal(w);
  INFO(said(sealed));
  REQUIRE(sealed);
  CHECK(files_in(home / "stats/0000000001") == std::vector<std::string>{"SEAL", "data.sqlite3"});
  auto const reader = store.open({1});
  REQUIRE(reader);
  CHECK(ask(reader.value(), "SELECT v FROM t") == "logged");
  CHECK(ask(reader.value(), "PRAGMA journal_mode") != "wal");
}

TEST_CASE("a second connection that is still at work fails the seal", "[sqlite]") {
  scratch::Folder home;
  auto store = store_in(home.path());
  auto writer = store.create({1});
  REQUIRE(writer);
  auto& w = writer.value();
  REQUIRE(w.exec("PRAGMA locking_mode=NORMAL; PRAGMA journal_mode=WAL"));
  sqlite3* other = nullptr;
  auto const path = home / "stats/0000000001/data.sqlite3";
  REQUIRE(sqlite3_open(path.c_str(), &other) == SQLITE_OK);
  REQUIRE(hf::detail::exec_sqlite(other, "BEGIN; INSERT INTO t(v) VALUES('theirs')"));
  CHECK(code(store.seal(w)) == errc::busy);
  REQUIRE(hf::detail::exec_sqlite(other, "COMMIT"));
  CHECK(sqlite3_close(other) == SQLITE_OK);
  auto const sealed = store.seal(w);
  INFO(said(sealed));
  REQUIRE(sealed);
  CHECK(ask(store.open({1}).value(), "SELECT v FROM t") == "theirs");
}

TEST_CASE("a home of any bytes is a good home for a database", "[sqlite]") {
  scratch::Folder base;
  auto const* const name = GENERATE("a?b=c", "a#b", "a%41", "a b&c", "\xff\xfe", "a\\b:c", "~é'\"");
  auto const home = base / name;
  auto store = store_in(home);
  build(store, 1, "found");
  CHECK(std::filesystem::exists(home + "/stats/0000000001/data.sqlite3"));
  CHECK(ask(store.open({1}).value(), "SELECT v FROM t") == "found");
}

TEST_CASE("a path is spelled as a URI that means the same path", "[sqlite]") {
  CHECK(hf::detail::sqlite_uri("/a/b", "immutable=1") == "file:///a/b?immutable=1");
  CHECK(hf::detail::sqlite_uri("//a", {}) == "file:////a");
  CHECK(hf::detail::sqlite_uri("a?b#c%d\xff", {}) == "file:a%3Fb%23c%25d%FF");
  scratch::Folder home;
  auto store = store_in("/" + home.path());
  build(store, 1, "doubled");
  CHECK(ask(store.open({1}).value(), "SELECT v FROM t") == "doubled");
}

TEST_CASE("a database that can't be opened says why", "[sqlite]") {
  auto const opened = hf::detail::open_sqlite(
      hf::detail::sqlite_uri("/nowhere/at/all/data.sqlite3", {}), SQLITE_OPEN_READONLY, {});
  REQUIRE_FALSE(opened);
  CHECK(opened.error().code() == errc::not_found);
  CHECK(opened.error().native() == ENOENT);
}

TEST_CASE("each kind of damage to a database is refused", "[sqlite]") {
  scratch::Folder home;
  auto store = store_in(home.path());
  build(store, 1, "one");
  auto const file = home / "stats/0000000001/data.sqlite3";
  SECTION("truncated") {
    std::filesystem::resize_file(file, 4096);
  }
  SECTION("a journal beside it") {
    scratch::write(file + "-journal", "hot");
  }
  SECTION("missing") {
    std::filesystem::remove(file);
  }
  SECTION("no database") {
    scratch::write(file, std::string(std::filesystem::file_size(file), 'x'));
  }
  CHECK(code(store.open({1})) == errc::damaged);
}

TEST_CASE("a flipped bit in a database is found if it was sealed with a digest", "[sqlite]") {
  scratch::Folder home;
  auto store = store_in(home.path(), {.verify_on_open = true});
  build(store, 1, "one");
  REQUIRE(store.open({1}));
  CHECK(store.verify({1}).value() == hf::Verified::digests);
  auto const file = home / "stats/0000000001/data.sqlite3";
  scratch::flip_bit(file, std::filesystem::file_size(file) - 3);
  CHECK(code(store.open({1})) == errc::damaged);
  CHECK(code(store.verify({1})) == errc::damaged);

  auto plain = store_in(home.path());
  build(plain, 2, "two");
  auto const refused = store.open({2});
  CHECK(code(refused) == errc::invalid);
  CHECK_THAT(said(refused), ContainsSubstring("without digests"));
}

TEST_CASE("options that can't be are refused, and leave nothing", "[sqlite]") {
  scratch::Folder home;
  SECTION("a schema with an error") {
    auto store = store_in(home.path(), {.schema = "CREATE TABEL t(x)"});
    auto const made = store.create({1});
    CHECK(code(made) == errc::backend);
    CHECK_THAT(said(made), ContainsSubstring("TABEL"));
    CHECK(store.generations().value().empty());
  }
  SECTION("a page size") {
    auto store = store_in(home.path(), {.page_size = 1000});
    CHECK(code(store.create({1})) == errc::invalid);
    CHECK(store.generations().value().empty());
  }
  SECTION("a file elsewhere") {
    for (auto const* file : {"", "../x", "a/b", "SEAL"}) {
      auto store = store_in(home.path(), {.file = file});
      CHECK(code(store.create({1})) == errc::invalid);
    }
  }
  SECTION("a good page size is used") {
    auto store = store_in(home.path(), {.page_size = 16384});
    build(store, 1, "one");
    CHECK(ask(store.open({1}).value(), "PRAGMA page_size") == "16384");
  }
  SECTION("not placed") {
    hf::SqliteStore store{"stats"};
    CHECK(code(store.create({1})) == errc::invalid);
    CHECK(code(store.open({1})) == errc::invalid);
  }
}

TEST_CASE("publish gives the database a name that other programs can open", "[sqlite]") {
  scratch::Folder home;
  auto store = store_in(home.path());
  build(store, 1, "one");
  build(store, 2, "two");
  REQUIRE(store.publish({1}));
  REQUIRE(store.publish({2}));
  auto const link = home / "stats/current.sqlite3";
  CHECK(std::filesystem::read_symlink(link) == "0000000002/data.sqlite3");
  auto db = hf::detail::open_sqlite(hf::detail::sqlite_uri(link, {}), SQLITE_OPEN_READONLY, {});
  REQUIRE(db);
  CHECK(hf::detail::ask_sqlite(db.value().get(), "SELECT v FROM t").value() == "two");

  auto const* const beside = GENERATE("stats/current.sqlite3-wal", "stats/current.sqlite3-journal",
                                      "stats/0000000001/data.sqlite3-wal");
  scratch::write(home / beside, "");
  auto const refused = store.publish({1});
  CHECK(code(refused) == errc::exists);
  CHECK_THAT(said(refused), ContainsSubstring(beside));
  CHECK(std::filesystem::read_symlink(link) == "0000000002/data.sqlite3");
}

TEST_CASE("many threads read one database", "[sqlite][threads]") {
  scratch::Folder home;
  auto store = store_in(home.path());
  build(store, 1, "shared");
  auto const reader = store.open({1});
  REQUIRE(reader);
  std::atomic<int> good = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&good, &r = reader.value()] {
      for (int n = 0; n < 100; ++n) {
        auto const lease = r.connection();
        if (!lease) continue;
        auto const v = hf::detail::ask_sqlite(lease.value().handle(), "SELECT v FROM t");
        good += v && v.value() == "shared";
      }
    });
  }
  for (auto& thread : threads) thread.join();
  CHECK(good == 400);
}

TEST_CASE("a connection given back in the middle of something is not lent again", "[sqlite]") {
  scratch::Folder home;
  auto store = store_in(home.path());
  build(store, 1, "one");
  auto const reader = store.open({1});
  REQUIRE(reader);
  sqlite3* first = nullptr;
  {
    auto const lease = reader.value().connection();
    first = lease.value().handle();
  }
  sqlite3_stmt* left = nullptr;
  {
    auto const lease = reader.value().connection();
    CHECK(lease.value().handle() == first);
    sqlite3_prepare_v2(lease.value().handle(), "SELECT v FROM t", -1, &left, nullptr);
  }
  auto const lease = reader.value().connection();
  CHECK(lease.value().handle() != first);
  sqlite3_finalize(left);
}

TEST_CASE("after a failed sync a database can only be dropped", "[sqlite][faults]") {
  auto const* const failing = GENERATE("sync data.sqlite3", "sync SEAL", "settle 0000000001");
  scratch::Folder home;
  FaultyFiles files;
  hf::BasicSqliteStore<FaultyFiles> store{"stats", {.schema = schema}, files};
  store.place(home.path());
  auto writer = store.create({1});
  REQUIRE(writer);
  files.faults->failing = {failing};
  files.faults->code = errc::sync_failed;
  CHECK(code(store.seal(writer.value())) == errc::sync_failed);
  CHECK(code(store.seal(writer.value())) == errc::sync_failed);
  CHECK(code(writer.value().exec("SELECT 1")) == errc::sync_failed);
  REQUIRE(store.drop({1}));
}

TEST_CASE("a seal of a database that failed may be tried again", "[sqlite][faults]") {
  scratch::Folder home;
  FaultyFiles files;
  hf::BasicSqliteStore<FaultyFiles> store{"stats", {.schema = schema}, files};
  store.place(home.path());
  auto writer = store.create({1});
  REQUIRE(writer);
  files.faults->failing = {"write SEAL"};
  files.faults->code = errc::no_space;
  CHECK(code(store.seal(writer.value())) == errc::no_space);
  CHECK(code(writer.value().exec("SELECT 1")) == errc::spent);
  REQUIRE(store.seal(writer.value()));
  CHECK(ask(store.open({1}).value(), "SELECT count(*) FROM t") == "0");
}

TEST_CASE("a database whose writer was dropped is unsealed", "[sqlite]") {
  scratch::Folder home;
  auto store = store_in(home.path());
  {
    auto writer = store.create({1});
    REQUIRE(writer);
    REQUIRE(writer.value().exec("INSERT INTO t(v) VALUES('lost')"));
    auto moved = std::move(writer).value();
    REQUIRE(moved.exec("INSERT INTO t(v) VALUES('too')"));
  }
  CHECK(code(store.open({1})) == errc::unsealed);
  CHECK(code(store.create({1})) == errc::exists);
  REQUIRE(store.drop({1}));
  REQUIRE(store.create({1}));
}

TEST_CASE("a database may begin as a copy, and be copied sealed into another store", "[sqlite]") {
  scratch::Folder home, elsewhere;
  auto store = store_in(home.path(), {.digest = hf::Digest::read_back});
  build(store, 1, "one");
  auto writer = store.clone({1}, {2});
  INFO(said(writer));
  REQUIRE(writer);
  REQUIRE(writer.value().exec("INSERT INTO t(v) VALUES('two')"));
  REQUIRE(store.seal(writer.value()));
  CHECK(ask(store.open({1}).value(), "SELECT count(*) FROM t") == "1");
  CHECK(ask(store.open({2}).value(), "SELECT group_concat(v) FROM t") == "one,two");
  CHECK(store.verify({2}).value() == hf::Verified::digests);

  auto other = store_in(elsewhere.path(), {.verify_on_open = true});
  REQUIRE(store.copy({2}, other));
  REQUIRE(store.drop({2}));
  CHECK(ask(other.open({2}).value(), "SELECT count(*) FROM t") == "2");
}

TEST_CASE("a damaged database is not copied", "[sqlite]") {
  scratch::Folder home;
  auto store = store_in(home.path(), {.digest = hf::Digest::read_back});
  build(store, 1, "one");
  scratch::flip_bit(home / "stats/0000000001/data.sqlite3", 3000);
  CHECK(code(store.clone({1}, {2})) == errc::damaged);
}

// SPDX-License-Identifier: BSL-1.0
// Adopts what foreign programs own and go on writing: the first generation is the source at one
// instant, and nothing of the source changes.
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <thread>

#include "../unit/backend/scratch.hpp"
#include "catch.hpp"
#include "holdfast/backend/adopt.hpp"
#include "holdfast/backend/rocksdb_adopt.hpp"
#include "holdfast/backend/sqlite_adopt.hpp"
#include "holdfast/staged.hpp"

namespace {
namespace fs = std::filesystem;
using hf::errc;
using scratch::code;
using scratch::said;

std::map<std::string, std::string> contents(std::string const& folder) {
  std::map<std::string, std::string> all;
  for (auto const& entry : fs::recursive_directory_iterator{folder}) {
    if (!entry.is_regular_file()) continue;
    std::ifstream file{entry.path(), std::ios::binary};
    all[entry.path()] = {std::istreambuf_iterator<char>{file}, {}};
  }
  return all;
}

// A process that does `work` until it is told to stop; it has done it once when this is made.
struct Foreign {
  pid_t pid = 0;
  template <class Work>
  explicit Foreign(Work work) {
    int ready[2];
    REQUIRE(::pipe(ready) == 0);
    pid = ::fork();
    if (pid == 0) {
      work(0);
      char const one = 1;
      if (::write(ready[1], &one, 1) != 1) ::_exit(1);
      for (int i = 1;; ++i) work(i);
    }
    char one = 0;
    REQUIRE(::read(ready[0], &one, 1) == 1);
    ::close(ready[0]);
    ::close(ready[1]);
  }
  void stop() {
    if (pid == 0) return;
    ::kill(pid, SIGKILL);
    ::waitpid(pid, nullptr, 0);
    pid = 0;
  }
  ~Foreign() { stop(); }
};

void sql(std::string const& path, std::string const& text) {
  auto const db = hf::detail::open_sqlite(hf::detail::sqlite_uri(path, {}),
                                          SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, {})
                      .value();
  ::sqlite3_busy_timeout(db.get(), 5000);
  auto const done = hf::detail::exec_sqlite(db.get(), text);
  INFO(said(done));
  REQUIRE(done);
}
std::string ask(hf::SqliteReader const& reader, std::string const& text) {
  auto const lease = reader.connection().value();
  return hf::detail::ask_sqlite(lease.handle(), text).value();
}
// Seals and commits.
template <class Stage>
void finish(Stage stage) {
  auto ready = std::move(stage).seal();
  INFO(said(ready));
  REQUIRE(ready);
  auto const done = std::move(ready).value().commit();
  INFO(said(done));
  REQUIRE(done);
}
std::string number(int i) {
  return std::string(8 - std::to_string(i).size(), '0') + std::to_string(i);
}
}  // namespace

TEST_CASE("an SQLite file that others write is adopted at one instant", "[adopt][sqlite]") {
  for (auto const* mode : {"DELETE", "WAL"}) {
    CAPTURE(mode);
    scratch::Folder home, source;
    auto const path = source / "data.sqlite3";
    sql(path, std::string{"PRAGMA journal_mode="} + mode +
                  "; CREATE TABLE a(v INT); CREATE TABLE b(v INT); INSERT INTO a VALUES(0); "
                  "INSERT INTO b VALUES(0)");
    // Both tables say the same at every instant.
    Foreign writer{[&](int i) {
      auto const v = std::to_string(i);
      sql(path, "BEGIN IMMEDIATE; UPDATE a SET v=" + v + "; INSERT INTO a VALUES(" + v +
                    "); UPDATE b SET v=" + v + "; INSERT INTO b VALUES(" + v + "); COMMIT");
    }};
    auto db = hf::open_staged(home.path(), hf::SqliteStore{"stats"}).value();
    auto stage = db.stage().value();
    auto const adopted = adopt(stage.writer(), path);
    INFO(said(adopted));
    REQUIRE(adopted);
    finish(std::move(stage));
    writer.stop();
    auto const view = db.view();
    auto const& reader = *view.value();
    CHECK(ask(reader, "PRAGMA integrity_check") == "ok");
    CHECK(ask(reader, "SELECT count(*) FROM a") == ask(reader, "SELECT count(*) FROM b"));
    CHECK(ask(reader, "SELECT max(v)=min(v) FROM a") == "1");
    CHECK(ask(reader, "SELECT max(v) FROM a") == ask(reader, "SELECT max(v) FROM b"));
  }
}

TEST_CASE("adopting an SQLite file changes no byte of it", "[adopt][sqlite]") {
  scratch::Folder home, source;
  auto const path = source / "data.sqlite3";
  sql(path, "CREATE TABLE t(v TEXT); INSERT INTO t VALUES('x')");
  auto const before = contents(source.path());
  auto db = hf::open_staged(home.path(), hf::SqliteStore{"stats"}).value();
  auto stage = db.stage().value();
  REQUIRE(adopt(stage.writer(), path));
  finish(std::move(stage));
  CHECK(contents(source.path()) == before);
  auto next = db.stage().value();
  CHECK(code(adopt(next.writer(), source / "nothing")) == errc::not_found);
  std::ofstream{source / "text"} << std::string(5000, 'x');
  CHECK(code(adopt(next.writer(), source / "text")) == errc::damaged);
}

TEST_CASE("an SQLite file that is locked all the time is not adopted half", "[adopt][sqlite]") {
  scratch::Folder home, source;
  auto const path = source / "data.sqlite3";
  sql(path, "CREATE TABLE t(v TEXT); INSERT INTO t VALUES('x')");
  auto const owner =
      hf::detail::open_sqlite(hf::detail::sqlite_uri(path, {}), SQLITE_OPEN_READWRITE, {}).value();
  REQUIRE(hf::detail::exec_sqlite(owner.get(), "BEGIN EXCLUSIVE"));
  auto db = hf::open_staged(home.path(), hf::SqliteStore{"stats"}).value();
  auto stage = db.stage().value();
  CHECK(code(adopt(stage.writer(), path, 20)) == errc::busy);
  REQUIRE(hf::detail::exec_sqlite(owner.get(), "COMMIT"));
  CHECK(adopt(stage.writer(), path, 20));
}

TEST_CASE("an open RocksDB is adopted at one instant while it is written", "[adopt][rocksdb]") {
  scratch::Folder home, source;
  rocksdb::Options options;
  options.create_if_missing = true;
  options.write_buffer_size = 64 << 10;
  rocksdb::DB* raw = nullptr;
  REQUIRE(rocksdb::DB::Open(options, source.path(), &raw).ok());
  std::unique_ptr<rocksdb::DB> const live{raw};
  rocksdb::ColumnFamilyHandle* extra = nullptr;
  struct Release {
    rocksdb::DB& db;
    rocksdb::ColumnFamilyHandle*& family;
    ~Release() { db.DestroyColumnFamilyHandle(family); }
  } const release{*live, extra};
  REQUIRE(live->CreateColumnFamily({}, "extra", &extra).ok());
  std::atomic<bool> stop{false};
  std::thread writer{[&] {
    // The two families say the same at every instant.
    for (int i = 0; !stop; ++i) {
      rocksdb::WriteBatch batch;
      static_cast<void>(batch.Put("last", std::to_string(i)));
      static_cast<void>(batch.Put(extra, "last", std::to_string(i)));
      static_cast<void>(batch.Put(number(i % 3000), std::string(200, 'x')));
      live->Write({}, &batch);
    }
  }};
  std::this_thread::sleep_for(std::chrono::milliseconds{100});
  auto db = hf::open_staged(home.path(), hf::RocksStore{"keys"}).value();
  auto stage = db.stage().value();
  auto const adopted = adopt(stage.writer(), *live, {live->DefaultColumnFamily(), extra});
  stop = true;
  writer.join();
  INFO(said(adopted));
  REQUIRE(adopted);
  finish(std::move(stage));
  auto const view = db.view();
  auto const& reader = *view.value();
  auto const other = reader.get(reader.family("extra").value(), "last");
  REQUIRE(other);
  CHECK(reader.get("last").value() == other.value());
  CHECK(reader.db().VerifyChecksum({}).ok());
}

TEST_CASE("a RocksDB of another process is adopted by its log, and nothing of it is written",
          "[adopt][rocksdb]") {
  scratch::Folder home, source;
  {
    Foreign writer{[&, db = std::shared_ptr<rocksdb::DB>{}](int i) mutable {
      rocksdb::Options options;
      options.create_if_missing = true;
      rocksdb::DB* raw = nullptr;
      if (!db && rocksdb::DB::Open(options, source.path(), &raw).ok()) db.reset(raw);
      rocksdb::WriteBatch batch;
      static_cast<void>(batch.Put("a", std::to_string(i)));
      static_cast<void>(batch.Put("b", std::to_string(i)));
      db->Write({}, &batch);
    }};
    auto db = hf::open_staged(home.path(), hf::RocksStore{"keys"}).value();
    auto stage = db.stage().value();
    auto const adopted = adopt(stage.writer(), source.path());
    INFO(said(adopted));
    REQUIRE(adopted);
    finish(std::move(stage));
    auto const view = db.view();
    auto const& reader = *view.value();
    CHECK(reader.get("a").value() == reader.get("b").value());
    CHECK(!fs::exists(home / "keys/0000000001/adopting"));
  }
  auto const before = contents(source.path());
  auto db = hf::open_staged(home.path(), hf::RocksStore{"keys"}).value();
  auto stage = db.stage().value();
  REQUIRE(adopt(stage.writer(), source.path()));
  CHECK(contents(source.path()) == before);
  CHECK(!adopt(stage.writer(), source / "nothing"));
}

TEST_CASE("what an adoption of a RocksDB leaves in its scratch folder is told",
          "[adopt][rocksdb]") {
  scratch::Folder home;
  auto& env = *rocksdb::Env::Default();
  auto const folder = home / "adopting";
  CHECK(hf::detail::remove_scratch(env, folder));  // there is none
  fs::create_directory(folder);
  scratch::write(folder + "/LOG", "text");
  CHECK(hf::detail::remove_scratch(env, folder));
  CHECK(!fs::exists(folder));
  // What can't be removed: not as a file, nor the folder that still has it.
  fs::create_directories(folder + "/not_a_file");
  auto const left = hf::detail::remove_scratch(env, folder);
  CHECK(code(left) == errc::io);
  CHECK(said(left).find("not_a_file") != std::string::npos);
}

TEST_CASE("a directory is adopted whole", "[adopt][directory]") {
  scratch::Folder home, source;
  fs::create_directories(source / "a/b");
  std::ofstream{source / "a/b/c"} << "deep";
  std::ofstream{source / "top"} << std::string(3 << 20, 't');
  fs::create_directory(source / "empty");
  auto const before = contents(source.path());
  auto db = hf::open_staged(home.path(), hf::DirectoryStore{"files"}).value();
  auto stage = db.stage().value();
  auto const adopted = adopt(stage.writer(), source.path());
  INFO(said(adopted));
  REQUIRE(adopted);
  finish(std::move(stage));
  CHECK(contents(source.path()) == before);
  auto const view = db.view();
  auto const& reader = *view.value();
  CHECK(reader.names() == std::vector<std::string>{"a/b/c", "top"});
  CHECK(hf::as_text(reader.get("a/b/c").value()) == "deep");
  CHECK(fs::is_directory(reader.path() + "/empty"));

  fs::create_symlink("top", source / "link");
  auto next = db.stage().value();
  CHECK(code(adopt(next.writer(), source.path())) == errc::foreign);
}

TEST_CASE("finishing an adoption gives the old path to what is current, and keeps what was there",
          "[adopt]") {
  scratch::Folder home, source;
  auto const path = source / "data.sqlite3";
  sql(path, "CREATE TABLE t(v TEXT); INSERT INTO t VALUES('old')");
  auto db = hf::open_staged(home.path(), hf::SqliteStore{"stats"}).value();
  auto stage = db.stage().value();
  REQUIRE(adopt(stage.writer(), path));
  REQUIRE(stage.writer().exec("UPDATE t SET v='new'"));
  finish(std::move(stage));
  auto const target = home / "stats/current.sqlite3";

  std::ofstream{path + "-wal"} << "x";
  CHECK(code(hf::finish_adoption(path, target)) == errc::busy);
  fs::remove(path + "-wal");
  CHECK(code(hf::finish_adoption(source / "nothing", target)) == errc::not_found);
  for (int again = 0; again < 2; ++again) {
    auto const done = hf::finish_adoption(path, target);
    INFO(said(done));
    REQUIRE(done);
    CHECK(fs::read_symlink(path) == target);
    CHECK(fs::is_regular_file(path + ".adopted"));
    CHECK(!fs::exists(fs::symlink_status(path + ".next")));
  }
  auto const reader =
      hf::detail::open_sqlite(hf::detail::sqlite_uri(path, "immutable=1"), SQLITE_OPEN_READONLY, {})
          .value();
  CHECK(hf::detail::ask_sqlite(reader.get(), "SELECT v FROM t").value() == "new");
}

// SPDX-License-Identifier: BSL-1.0
// Times a rebuild through Staged against the bare build of the same fresh database and against
// clearing and refilling in place. `--keys N` sets the number of keys of 16 bytes with values of
// 100 bytes (1,000,000), `--only NAME` one of rocksdb, sqlite and lmdb.
#include <lmdb.h>
#include <rocksdb/db.h>
#include <rocksdb/sst_file_writer.h>
#include <sqlite3.h>

#include <cstring>
#include <memory>

#include "holdfast/backend/lmdb.hpp"
#include "holdfast/backend/rocksdb.hpp"
#include "holdfast/backend/sqlite.hpp"
#include "holdfast/staged.hpp"
#include "support.hpp"

namespace {
std::uint64_t keys = 1'000'000;

void must_be(bool good, char const* what) {
  if (good) return;
  std::fprintf(stderr, "%s failed\n", what);
  std::exit(2);
}

// In order, as a rebuild from a sorted source gives them.
template <class Put>
void each_pair(Put put) {
  char key[32];
  std::string value(100, 'v');
  for (std::uint64_t i = 0; i < keys; ++i) {
    std::snprintf(key, sizeof key, "%016llu", static_cast<unsigned long long>(i));
    std::memcpy(value.data(), &i, sizeof i);
    put(std::string_view{key, 16}, std::string_view{value});
  }
}

void sync_folder(std::string const& path) {
  hf::Posix const files;
  for (auto const& entry : bench::must(files.list(path))) {
    if (entry.kind != hf::Entry::Kind::file) continue;
    auto file = bench::must(files.open(path + "/" + entry.name, hf::Open::write));
    bench::check(files.sync(file));
  }
  bench::check(files.sync_directory(path));
}

// ---- RocksDB

rocksdb::Options rocks_options() {
  rocksdb::Options options;
  options.create_if_missing = true;
  return options;
}
rocksdb::WriteOptions without_log() {
  rocksdb::WriteOptions options;
  options.disableWAL = true;
  return options;
}
std::unique_ptr<rocksdb::DB> open_rocks(std::string const& path) {
  rocksdb::DB* db = nullptr;
  must_be(rocksdb::DB::Open(rocks_options(), path, &db).ok(), path.c_str());
  return std::unique_ptr<rocksdb::DB>{db};
}

void rocks_bare_puts(std::string const& path) {
  auto const db = open_rocks(path);
  each_pair([&](std::string_view k, std::string_view v) {
    must_be(db->Put(without_log(), {k.data(), k.size()}, {v.data(), v.size()}).ok(), "put");
  });
  must_be(db->Flush(rocksdb::FlushOptions{}).ok() && db->Close().ok(), "close");
  sync_folder(path);
}

void rocks_bare_bulk(std::string const& path) {
  auto const db = open_rocks(path);
  rocksdb::SstFileWriter writer{rocksdb::EnvOptions{}, rocks_options(), nullptr, false};
  must_be(writer.Open(path + "/bulk.sst").ok(), "sst");
  each_pair([&](std::string_view k, std::string_view v) {
    must_be(writer.Put({k.data(), k.size()}, {v.data(), v.size()}).ok(), "put");
  });
  rocksdb::IngestExternalFileOptions move;
  move.move_files = true;
  must_be(writer.Finish().ok() && db->IngestExternalFile({path + "/bulk.sst"}, move).ok(),
          "ingest");
  must_be(db->Flush(rocksdb::FlushOptions{}).ok() && db->Close().ok(), "close");
  sync_folder(path);
}

// What a program without generations does: readers see nothing or half of it meanwhile.
void rocks_in_place(rocksdb::DB& db) {
  std::string const end(17, '~');
  must_be(db.DeleteRange(rocksdb::WriteOptions{}, db.DefaultColumnFamily(), "", end).ok(), "clear");
  each_pair([&](std::string_view k, std::string_view v) {
    must_be(db.Put(rocksdb::WriteOptions{}, {k.data(), k.size()}, {v.data(), v.size()}).ok(),
            "put");
  });
  must_be(db.Flush(rocksdb::FlushOptions{}).ok() && db.SyncWAL().ok(), "flush");
}

template <class Db, class Fill>
void staged(Db& db, Fill fill) {
  auto stage = bench::must(db.stage());
  fill(stage.writer());
  auto ready = bench::must(std::move(stage).seal());
  static_cast<void>(bench::must(std::move(ready).commit()));
}

void rows_of_rocks(bench::Report const& report) {
  bench::Scratch const scratch{"rocks"};
  auto db = bench::must(hf::open_staged(scratch.sub("home"),
                                        hf::StagedOptions{.retain = 1, .publish_grace_ms = 0},
                                        hf::RocksStore{"keys"}));
  auto const place = open_rocks(scratch.sub("place"));
  rocks_in_place(*place);
  int round = 0;
  auto const fresh = [&] { return scratch.sub("bare" + std::to_string(++round)); };
  auto const gone = [&] {
    std::filesystem::remove_all(scratch.sub("bare" + std::to_string(round)));
  };
  auto const taken = bench::compare(
      {{"bare puts", [&](std::uint64_t) { rocks_bare_puts(fresh()), gone(); }},
       {"staged puts",
        [&](std::uint64_t) {
          staged(db,
                 [](auto& w) { each_pair([&](auto k, auto v) { bench::check(w.put(k, v)); }); });
        }},
       {"bare bulk", [&](std::uint64_t) { rocks_bare_bulk(fresh()), gone(); }},
       {"staged bulk",
        [&](std::uint64_t) {
          staged(db, [](auto& w) {
            auto* bulk = bench::must(w.sorted_bulk());
            each_pair([&](auto k, auto v) { bench::check(bulk->put(k, v)); });
          });
        }},
       {"in place", [&](std::uint64_t) { rocks_in_place(*place); }}},
      1, 3);
  report.add({"RocksDB, staged puts",
              "s",
              taken[1],
              taken[0],
              {{"in place", taken[4]}},
              1.03,
              0,
              "bare fresh build"});
  report.add(
      {"RocksDB, staged puts vs in place", "s", taken[1], taken[0], {}, 1.0, taken[4], "in place"});
  report.add({"RocksDB, staged bulk",
              "s",
              taken[3],
              taken[2],
              {{"in place", taken[4]}},
              1.03,
              0,
              "bare fresh bulk"});
  report.add({"RocksDB, staged bulk vs in place",
              "s",
              taken[3],
              taken[2],
              {},
              0.35,
              taken[4],
              "in place"});
}

// ---- SQLite

void fill_table(sqlite3* db) {
  must_be(sqlite3_exec(db, "BEGIN", nullptr, nullptr, nullptr) == SQLITE_OK, "begin");
  sqlite3_stmt* insert = nullptr;
  must_be(sqlite3_prepare_v2(db, "INSERT INTO t VALUES(?, ?)", -1, &insert, nullptr) == SQLITE_OK,
          "prepare");
  each_pair([&](std::string_view k, std::string_view v) {
    sqlite3_bind_text(insert, 1, k.data(), static_cast<int>(k.size()), SQLITE_STATIC);
    sqlite3_bind_blob(insert, 2, v.data(), static_cast<int>(v.size()), SQLITE_STATIC);
    must_be(sqlite3_step(insert) == SQLITE_DONE && sqlite3_reset(insert) == SQLITE_OK, "insert");
  });
  sqlite3_finalize(insert);
  must_be(sqlite3_exec(db, "COMMIT", nullptr, nullptr, nullptr) == SQLITE_OK, "commit");
}
char const* const schema = "CREATE TABLE t(k TEXT PRIMARY KEY, v BLOB) WITHOUT ROWID";

void sqlite_bare(std::string const& path) {
  std::filesystem::create_directory(path);
  sqlite3* db = nullptr;
  must_be(sqlite3_open((path + "/db").c_str(), &db) == SQLITE_OK, path.c_str());
  auto const setup =
      std::string{
          "PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; PRAGMA locking_mode=EXCLUSIVE; "} +
      schema;
  must_be(sqlite3_exec(db, setup.c_str(), nullptr, nullptr, nullptr) == SQLITE_OK, "setup");
  fill_table(db);
  must_be(sqlite3_close(db) == SQLITE_OK, "close");
  sync_folder(path);
}

void sqlite_in_place(sqlite3* db) {
  must_be(sqlite3_exec(db, "DELETE FROM t", nullptr, nullptr, nullptr) == SQLITE_OK, "clear");
  fill_table(db);
}

void rows_of_sqlite(bench::Report const& report) {
  bench::Scratch const scratch{"sqlite"};
  auto db = bench::must(hf::open_staged(scratch.sub("home"),
                                        hf::StagedOptions{.retain = 1, .publish_grace_ms = 0},
                                        hf::SqliteStore{"stats"}));
  sqlite3* place = nullptr;
  must_be(sqlite3_open(scratch.sub("place").c_str(), &place) == SQLITE_OK, "open");
  auto const setup = std::string{"PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; "} + schema;
  must_be(sqlite3_exec(place, setup.c_str(), nullptr, nullptr, nullptr) == SQLITE_OK, "setup");
  fill_table(place);
  int round = 0;
  auto const taken = bench::compare({{"bare",
                                      [&](std::uint64_t) {
                                        auto const path =
                                            scratch.sub("bare" + std::to_string(++round));
                                        sqlite_bare(path);
                                        std::filesystem::remove_all(path);
                                      }},
                                     {"staged",
                                      [&](std::uint64_t) {
                                        staged(db, [](auto& w) {
                                          bench::check(w.exec(schema));
                                          fill_table(w.handle());
                                        });
                                      }},
                                     {"in place", [&](std::uint64_t) { sqlite_in_place(place); }}},
                                    1, 3);
  sqlite3_close(place);
  report.add({"SQLite, staged",
              "s",
              taken[1],
              taken[0],
              {{"in place", taken[2]}},
              1.03,
              0,
              "bare fresh build"});
  report.add(
      {"SQLite, staged vs in place", "s", taken[1], taken[0], {}, 1.0, taken[2], "in place"});
}
// ---- LMDB

MDB_env* open_lmdb(std::string const& path, unsigned flags) {
  std::filesystem::create_directory(path);
  MDB_env* env = nullptr;
  must_be(mdb_env_create(&env) == 0, "create");
  must_be(mdb_env_set_mapsize(env, std::size_t{64} << 30) == 0, "map");
  must_be(mdb_env_open(env, path.c_str(), flags, 0666) == 0, path.c_str());
  return env;
}

// `Replace`: drops what is there in the same transaction.
template <bool Replace>
void fill_lmdb(MDB_env* env, unsigned put_flags) {
  MDB_txn* txn = nullptr;
  MDB_dbi dbi = 0;
  must_be(mdb_txn_begin(env, nullptr, 0, &txn) == 0 && mdb_dbi_open(txn, nullptr, 0, &dbi) == 0,
          "begin");
  if constexpr (Replace) must_be(mdb_drop(txn, dbi, 0) == 0, "clear");
  MDB_cursor* cursor = nullptr;
  must_be(mdb_cursor_open(txn, dbi, &cursor) == 0, "cursor");
  each_pair([&](std::string_view k, std::string_view v) {
    MDB_val key{k.size(), const_cast<char*>(k.data())};
    MDB_val value{v.size(), const_cast<char*>(v.data())};
    must_be(mdb_cursor_put(cursor, &key, &value, put_flags) == 0, "put");
  });
  must_be(mdb_txn_commit(txn) == 0, "commit");
}

void lmdb_bare(std::string const& path, unsigned put_flags) {
  auto* const env = open_lmdb(path, MDB_NOLOCK | MDB_NOSYNC);
  fill_lmdb<false>(env, put_flags);
  must_be(mdb_env_sync(env, 1) == 0, "sync");
  mdb_env_close(env);
  sync_folder(path);
}

void rows_of_lmdb(bench::Report const& report) {
  bench::Scratch const scratch{"lmdb"};
  auto db = bench::must(hf::open_staged(scratch.sub("home"),
                                        hf::StagedOptions{.retain = 1, .publish_grace_ms = 0},
                                        hf::LmdbStore{"keys"}));
  auto* const place = open_lmdb(scratch.sub("place"), 0);
  fill_lmdb<true>(place, 0);
  int round = 0;
  auto const bare = [&](unsigned put_flags) {
    auto const path = scratch.sub("bare" + std::to_string(++round));
    lmdb_bare(path, put_flags);
    std::filesystem::remove_all(path);
  };
  auto const taken = bench::compare(
      {{"bare puts", [&](std::uint64_t) { bare(0); }},
       {"staged puts",
        [&](std::uint64_t) {
          staged(db,
                 [](auto& w) { each_pair([&](auto k, auto v) { bench::check(w.put(k, v)); }); });
        }},
       {"bare appends", [&](std::uint64_t) { bare(MDB_APPEND); }},
       {"staged appends",
        [&](std::uint64_t) {
          staged(db,
                 [](auto& w) { each_pair([&](auto k, auto v) { bench::check(w.append(k, v)); }); });
        }},
       {"in place", [&](std::uint64_t) { fill_lmdb<true>(place, 0); }},
       {"in place, appends", [&](std::uint64_t) { fill_lmdb<true>(place, MDB_APPEND); }}},
      1, 3);
  mdb_env_close(place);
  auto const rows = [&](std::string const& how, double ours, double limit, double in_place) {
    report.add({"LMDB, staged " + how,
                "s",
                ours,
                limit,
                {{"in place", in_place}},
                1.03,
                0,
                "bare fresh build"});
    report.add(
        {"LMDB, staged " + how + " vs in place", "s", ours, limit, {}, 1.0, in_place, "in place"});
  };
  rows("puts", taken[1], taken[0], taken[4]);
  rows("appends", taken[3], taken[2], taken[5]);
}
}  // namespace

int main(int argc, char** argv) {
  std::string_view only;
  for (int i = 1; i + 1 < argc; ++i) {
    if (std::string_view{argv[i]} == "--keys") keys = std::strtoull(argv[i + 1], nullptr, 10);
    if (std::string_view{argv[i]} == "--only") only = argv[i + 1];
  }
  bench::Report const report{argc, argv};
  if (only.empty() || only == "rocksdb") rows_of_rocks(report);
  if (only.empty() || only == "sqlite") rows_of_sqlite(report);
  if (only.empty() || only == "lmdb") rows_of_lmdb(report);
}

// SPDX-License-Identifier: BSL-1.0
// Times one durable commit of a small record: the file register against the bare calls and the
// databases' own commits.
#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <string>

#if HOLDFAST_BENCH_HAS_LMDB
#include <lmdb.h>
#endif
#if HOLDFAST_BENCH_HAS_LEVELDB
#include <leveldb/db.h>
#endif
#if HOLDFAST_BENCH_HAS_ROCKSDB
#include <rocksdb/db.h>
#endif
#if HOLDFAST_BENCH_HAS_SQLITE
#include <sqlite3.h>
#endif

#include "holdfast/backend/file_register.hpp"
#include "support.hpp"

namespace {
std::string value(256, 'v');

// SQLite writes nothing for a row that stays the same, so each commit has another value.
void vary(std::uint64_t i) {
  std::memcpy(value.data(), &i, sizeof i);
}

void must_be(bool good, char const* what) {
  if (good) return;
  std::fprintf(stderr, "%s failed\n", what);
  std::exit(2);
}

// The least that makes 4 KiB durable: the blocks are written already, so nothing but the data
// changes.
bench::Contender bare_overwrite(std::string const& path) {
  int const fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
  static std::array<char, 65536> const zeros{};
  must_be(::pwrite(fd, zeros.data(), zeros.size(), 0) == 65536 && ::fsync(fd) == 0, path.c_str());
  return {"pwrite + fdatasync", [fd](std::uint64_t times) {
            for (std::uint64_t i = 0; i < times; ++i) {
              auto const at = static_cast<off_t>(i % 16 * 4096);
              must_be(::pwrite(fd, zeros.data(), 4096, at) == 4096 && ::fdatasync(fd) == 0,
                      "pwrite + fdatasync");
            }
          }};
}

bench::Contender file_register(std::string const& path) {
  auto reg = std::make_shared<hf::FileRegister>(path);
  auto version = std::make_shared<hf::Version>(
      bench::must(reg->store_if(hf::Version::none, hf::as_bytes(value))));
  return {"file register", [=](std::uint64_t times) {
            for (std::uint64_t i = 0; i < times; ++i) {
              vary(i);
              *version = bench::must(reg->store_if(*version, hf::as_bytes(value)));
            }
          }};
}

bench::Contender temp_and_rename(std::string const& directory) {
  std::filesystem::create_directory(directory);
  return {"temp + fsync + rename + fsync", [=](std::uint64_t times) {
            auto const fresh = directory + "/new", target = directory + "/value";
            int const folder = ::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
            for (std::uint64_t i = 0; i < times; ++i) {
              int const fd = ::open(fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
              bool const written =
                  ::write(fd, value.data(), value.size()) == 256 && ::fdatasync(fd) == 0;
              ::close(fd);
              must_be(
                  written && ::rename(fresh.c_str(), target.c_str()) == 0 && ::fsync(folder) == 0,
                  "rename");
            }
            ::close(folder);
          }};
}

#if HOLDFAST_BENCH_HAS_SQLITE
bench::Contender sqlite(std::string const& path,
                        std::string const& name,
                        std::string const& pragmas) {
  sqlite3* db = nullptr;
  must_be(sqlite3_open(path.c_str(), &db) == SQLITE_OK, path.c_str());
  auto const schema =
      pragmas + "CREATE TABLE t(id INTEGER PRIMARY KEY, v TEXT); INSERT INTO t VALUES(1, '');";
  must_be(sqlite3_exec(db, schema.c_str(), nullptr, nullptr, nullptr) == SQLITE_OK, "schema");
  sqlite3_stmt* update = nullptr;
  must_be(
      sqlite3_prepare_v2(db, "UPDATE t SET v = ? WHERE id = 1", -1, &update, nullptr) == SQLITE_OK,
      "prepare");
  return {name, [=](std::uint64_t times) {
            for (std::uint64_t i = 0; i < times; ++i) {
              vary(i);
              sqlite3_bind_text(update, 1, value.data(), static_cast<int>(value.size()),
                                SQLITE_STATIC);
              must_be(sqlite3_step(update) == SQLITE_DONE && sqlite3_reset(update) == SQLITE_OK,
                      "update");
            }
          }};
}
#endif

#if HOLDFAST_BENCH_HAS_ROCKSDB
bench::Contender rocksdb_put(std::string const& path) {
  rocksdb::Options options;
  options.create_if_missing = true;
  rocksdb::DB* db = nullptr;
  must_be(rocksdb::DB::Open(options, path, &db).ok(), path.c_str());
  return {"RocksDB sync put", [db](std::uint64_t times) {
            rocksdb::WriteOptions sync;
            sync.sync = true;
            for (std::uint64_t i = 0; i < times; ++i)
              must_be(db->Put(sync, "key", value).ok(), "put");
          }};
}
#endif

#if HOLDFAST_BENCH_HAS_LEVELDB
bench::Contender leveldb_put(std::string const& path) {
  leveldb::Options options;
  options.create_if_missing = true;
  leveldb::DB* db = nullptr;
  must_be(leveldb::DB::Open(options, path, &db).ok(), path.c_str());
  return {"LevelDB sync put", [db](std::uint64_t times) {
            leveldb::WriteOptions sync;
            sync.sync = true;
            for (std::uint64_t i = 0; i < times; ++i)
              must_be(db->Put(sync, "key", value).ok(), "put");
          }};
}
#endif

#if HOLDFAST_BENCH_HAS_LMDB
bench::Contender lmdb_put(std::string const& path) {
  std::filesystem::create_directory(path);
  MDB_env* env = nullptr;
  must_be(mdb_env_create(&env) == 0 && mdb_env_open(env, path.c_str(), 0, 0666) == 0, path.c_str());
  return {"LMDB put", [env](std::uint64_t times) {
            for (std::uint64_t i = 0; i < times; ++i) {
              MDB_txn* txn = nullptr;
              MDB_dbi dbi = 0;
              must_be(mdb_txn_begin(env, nullptr, 0, &txn) == 0 &&
                          mdb_dbi_open(txn, nullptr, 0, &dbi) == 0,
                      "begin");
              MDB_val key{3, const_cast<char*>("key")};
              MDB_val data{value.size(), const_cast<char*>(value.data())};
              must_be(mdb_put(txn, dbi, &key, &data, 0) == 0 && mdb_txn_commit(txn) == 0, "commit");
            }
          }};
}
#endif
}  // namespace

int main(int argc, char** argv) {
  bench::Report const report{argc, argv};
  bench::Scratch const scratch{"commit"};
  std::vector<bench::Contender> all{bare_overwrite(scratch.sub("bare")),
                                    file_register(scratch.sub("CURRENT")),
                                    temp_and_rename(scratch.sub("rename"))};
#if HOLDFAST_BENCH_HAS_ROCKSDB
  all.push_back(rocksdb_put(scratch.sub("rocksdb")));
#endif
#if HOLDFAST_BENCH_HAS_LEVELDB
  all.push_back(leveldb_put(scratch.sub("leveldb")));
#endif
#if HOLDFAST_BENCH_HAS_SQLITE
  all.push_back(sqlite(scratch.sub("wal"), "SQLite WAL, FULL",
                       "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"));
  all.push_back(sqlite(scratch.sub("delete"), "SQLite DELETE, EXTRA",
                       "PRAGMA journal_mode=DELETE; PRAGMA synchronous=EXTRA;"));
#endif
#if HOLDFAST_BENCH_HAS_LMDB
  all.push_back(lmdb_put(scratch.sub("lmdb")));
#endif
  auto const taken = bench::compare(all, 200, 11);
  bench::Row row{"durable commit",    "us", taken[1] * 1e6, taken[0] * 1e6, {}, 1.05, 0,
                 "pwrite + fdatasync"};
  for (std::size_t i = 2; i < all.size(); ++i) row.peers.emplace_back(all[i].name, taken[i] * 1e6);
  report.add(row);
}

// SPDX-License-Identifier: BSL-1.0
// Plain RocksDB and SQLite: opening, and filling in batches.
#include "naive.hpp"

#include <rocksdb/options.h>
#include <rocksdb/write_batch.h>
#include <sys/stat.h>

#include <cerrno>

#include "../fill.hpp"
#include "../sql.hpp"
#include "../walk.hpp"

namespace recon::naive {
namespace {
hf::result<Stats> open_sqlite(std::string const& path, int flags) {
  sqlite3* raw = nullptr;
  int const code = ::sqlite3_open_v2(path.c_str(), &raw, flags, nullptr);
  Stats stats{raw};
  if (code != SQLITE_OK) return sql_failure(raw, "open SQLite");
  ::sqlite3_busy_timeout(raw, 5000);
  return stats;
}
}  // namespace

hf::result<void> check(rocksdb::Status const& status, char const* where) {
  if (status.ok()) return hf::ok();
  return hf::failure(hf::errc::backend, where, status.ToString(), status.code());
}

hf::result<Keys> open_keys(std::string const& path) {
  rocksdb::Options options;
  options.create_if_missing = true;
  rocksdb::DB* raw = nullptr;
  HOLDFAST_TRYV(check(rocksdb::DB::Open(options, path, &raw), "open RocksDB"));
  return Keys{raw};
}

hf::result<Keys> open_keys_to_read(std::string const& path) {
  rocksdb::DB* raw = nullptr;
  HOLDFAST_TRYV(check(rocksdb::DB::OpenForReadOnly({}, path, &raw), "open RocksDB"));
  return Keys{raw};
}

hf::result<Stats> open_stats(std::string const& path) {
  HOLDFAST_TRY(stats, open_sqlite(path, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE));
  HOLDFAST_TRYV(execute(stats.get(), stats_schema));
  return std::move(stats);
}

hf::result<Stats> open_stats_to_read(std::string const& path) {
  return open_sqlite(path, SQLITE_OPEN_READONLY);
}

hf::result<void> make_folder(std::string const& path) {
  if (::mkdir(path.c_str(), 0777) == 0 || errno == EEXIST) return hf::ok();
  return hf::failure(hf::errc::io, "make the home", path, errno);
}

bool exists(std::string const& path) {
  struct stat seen {};
  return ::stat(path.c_str(), &seen) == 0;
}

std::uint64_t next_run(sqlite3* stats) {
  auto const last = origin_of_stats({nullptr, stats});
  return last ? last.assume_value().run + 1 : 1;
}

hf::result<Rebuilt> build(rocksdb::DB& keys,
                          sqlite3* stats,
                          std::uint64_t run,
                          std::string const& home,
                          RebuildOptions const& what,
                          Progress& progress) {
  HOLDFAST_TRY(tree, walk(what.root, {what.max_files, what.slow_us, home,
                                      [&](auto n) { progress.step("reading", n); }}));
  progress.line("read " + describe(tree));
  rocksdb::WriteBatch batch;
  auto const write = [&]() -> hf::result<void> {
    HOLDFAST_TRYV(check(keys.Write({}, &batch), "write a batch"));
    batch.Clear();
    return hf::ok();
  };
  HOLDFAST_TRYV(fill_keys(tree, run, [&](auto key, auto value) -> hf::result<void> {
    HOLDFAST_TRYV(check(batch.Put({key.data(), key.size()}, {value.data(), value.size()}), "put"));
    return batch.Count() < 1000 ? hf::result<void>{hf::ok()} : write();
  }));
  HOLDFAST_TRYV(write());
  HOLDFAST_TRYV(check(keys.FlushWAL(true), "sync"));
  HOLDFAST_TRYV(fill_stats(tree, run, stats));
  Rebuilt rebuilt{.generation = run, .sequence = run};
  rebuilt.counts = tree.directories.front().total;
  rebuilt.containers = tree.files.empty() ? 0 : container_of(tree.files.size() - 1);
  rebuilt.skipped = std::move(tree.skipped);
  rebuilt.cut = tree.cut;
  return rebuilt;
}

}  // namespace recon::naive

// SPDX-License-Identifier: BSL-1.0
// Fills a RocksDB that nobody else sees, by puts and sorted bulks.
#ifndef HOLDFAST_BACKEND_ROCKSDB_WRITER_HPP
#define HOLDFAST_BACKEND_ROCKSDB_WRITER_HPP

#include <rocksdb/db.h>
#include <rocksdb/options.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "holdfast/backend/building.hpp"
#include "holdfast/backend/rocksdb_bulk.hpp"
#include "holdfast/backend/rocksdb_database.hpp"
#include "holdfast/config.hpp"
#include "holdfast/file_ops.hpp"
#include "holdfast/file_system.hpp"
#include "holdfast/ids.hpp"
#include "holdfast/result.hpp"

HOLDFAST_BEGIN

namespace detail {
// Stays where it is while the writer moves. Bulks go before the database they write for.
struct RocksBuild {
  RocksDatabase database;
  std::vector<std::unique_ptr<RocksBulk>> bulks;
  std::uint64_t limit = 0;
  std::atomic<std::uint64_t> unlooked{0};  // bytes put since the limit was looked at
};
}  // namespace detail

/// Builds a database that nobody else sees.
template <file_system Fs>
class RocksWriter {
 public:
  /// The database, until it is sealed; a closed one ends the program. It has no log to recover
  /// from: write with `disableWAL`. Release snapshots, iterators and handles of your own families
  /// before seal.
  [[nodiscard]] rocksdb::DB& db() const noexcept { return *build_->database.get(); }
  /// The handle of a family by its name; the database's own is "default".
  [[nodiscard]] result<rocksdb::ColumnFamilyHandle*> family(std::string_view name) const {
    return build_->database.family(name);
  }

  [[nodiscard]] result<void> put(std::string_view key, std::string_view value) {
    if (build_->database.get() == nullptr) return usable();
    return put(db().DefaultColumnFamily(), key, value);
  }
  [[nodiscard]] result<void> put(rocksdb::ColumnFamilyHandle* family,
                                 std::string_view key,
                                 std::string_view value) {
    if (build_->database.get() == nullptr || building_.broken) return usable();
    auto const status = db().Put(unlogged_, family, detail::slice(key), detail::slice(value));
    if (!status.ok()) return detail::rocks_error(status, "put");
    return build_->limit == 0 ? ok() : look_at_limit(key.size() + value.size());
  }
  /// `put` looks at it now and then; a bulk and writes of the caller's own are counted by `taken`.
  [[nodiscard]] result<void> limit(std::uint64_t most) noexcept {
    build_->limit = most;
    return ok();
  }
  /// Tables, what is still in memory, and bulks; 0 once it is closed.
  [[nodiscard]] result<std::uint64_t> taken() const {
    if (build_->database.get() == nullptr) return std::uint64_t{0};
    std::uint64_t all = 0;
    for (auto const& property : {rocksdb::DB::Properties::kTotalSstFilesSize,
                                 rocksdb::DB::Properties::kCurSizeAllMemTables}) {
      std::uint64_t size = 0;
      if (db().GetAggregatedIntProperty(property, &size)) all += size;
    }
    for (auto const& bulk : build_->bulks) all += bulk->taken();
    return all;
  }

  /// For keys that come in order: several times faster than `put`. The bulk belongs to the writer.
  [[nodiscard]] result<RocksBulk*> sorted_bulk(
      std::string_view family = rocksdb::kDefaultColumnFamilyName) {
    HOLDFAST_TRYV(usable());
    HOLDFAST_TRY(handle, build_->database.family(family));
    auto prefix =
        detail::join(building_.path, "bulk-" + std::to_string(build_->bulks.size()) + "-");
    build_->bulks.push_back(std::make_unique<RocksBulk>(db(), *handle, std::move(prefix)));
    return build_->bulks.back().get();
  }
  [[nodiscard]] Generation generation() const noexcept { return building_.generation; }

 private:
  template <file_system>
  friend class BasicRocksStore;
  explicit RocksWriter(Building building)
      : building_{std::move(building)}, build_{std::make_unique<detail::RocksBuild>()} {
    unlogged_.disableWAL = true;
  }
  [[nodiscard]] result<void> look_at_limit(std::uint64_t more) {
    auto& [database, bulks, limit, unlooked] = *build_;
    if (unlooked.fetch_add(more, std::memory_order_relaxed) + more < limit / 16) return ok();
    unlooked.store(0, std::memory_order_relaxed);
    HOLDFAST_TRY(now, taken());
    if (now <= limit) return ok();
    return failure(errc::no_space, "put: the build has a limit", building_.path);
  }
  [[nodiscard]] result<void> usable() const {
    HOLDFAST_TRYV(building_.writable());
    if (build_->database.get() == nullptr) return failure(errc::spent, "write", building_.path);
    return ok();
  }

  Building building_;
  std::unique_ptr<detail::RocksBuild> build_;
  rocksdb::WriteOptions unlogged_;
};

HOLDFAST_END

#endif

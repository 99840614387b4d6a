// SPDX-License-Identifier: BSL-1.0
// Fills a RocksDB that nobody else sees, by puts and sorted bulks.
#ifndef HOLDFAST_BACKEND_ROCKSDB_WRITER_HPP
#define HOLDFAST_BACKEND_ROCKSDB_WRITER_HPP

#include <rocksdb/db.h>
#include <rocksdb/options.h>

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
    return ok();
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

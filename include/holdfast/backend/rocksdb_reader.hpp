// SPDX-License-Identifier: BSL-1.0
// Reads a sealed RocksDB, or one state of one that takes updates.
#ifndef HOLDFAST_BACKEND_ROCKSDB_READER_HPP
#define HOLDFAST_BACKEND_ROCKSDB_READER_HPP

#include <rocksdb/db.h>
#include <rocksdb/iterator.h>
#include <rocksdb/options.h>

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "holdfast/backend/rocksdb_database.hpp"
#include "holdfast/backend/rocksdb_updates.hpp"
#include "holdfast/config.hpp"
#include "holdfast/file_system.hpp"
#include "holdfast/ids.hpp"
#include "holdfast/result.hpp"

HOLDFAST_BEGIN

/// Reads a sealed database; safe from many threads. One that takes updates is read with
/// `read_options()`, always: what the process that updates it opens is one state of a database that
/// goes on.
class RocksReader {
 public:
  /// With the snapshot that this reader shows, if it needs one.
  [[nodiscard]] rocksdb::ReadOptions read_options() const { return state_.options(); }
  [[nodiscard]] rocksdb::DB& db() const noexcept { return *database_->get(); }
  /// The handle of a family by its name; every family of the database is open.
  [[nodiscard]] result<rocksdb::ColumnFamilyHandle*> family(std::string_view name) const {
    return database_->family(name);
  }
  [[nodiscard]] std::vector<std::string> families() const { return database_->families(); }

  /// The value of a key in the default family, or `not_found`.
  [[nodiscard]] result<std::string> get(std::string_view key) const {
    return get(db().DefaultColumnFamily(), key);
  }
  [[nodiscard]] result<std::string> get(rocksdb::ColumnFamilyHandle* family,
                                        std::string_view key) const {
    std::string value;
    auto const status = db().Get(read_options(), family, detail::slice(key), &value);
    if (status.IsNotFound()) return failure(errc::not_found, "get", key);
    if (!status.ok()) return detail::rocks_error(status, "get");
    return value;
  }
  /// Over the default family, in key order; must not outlive the reader.
  [[nodiscard]] std::unique_ptr<rocksdb::Iterator> iterator() const {
    return iterator(db().DefaultColumnFamily());
  }
  [[nodiscard]] std::unique_ptr<rocksdb::Iterator> iterator(
      rocksdb::ColumnFamilyHandle* family) const {
    return std::unique_ptr<rocksdb::Iterator>{db().NewIterator(read_options(), family)};
  }

 private:
  template <file_system>
  friend class BasicRocksStore;
  RocksReader() : database_{std::make_shared<detail::RocksDatabase>()} {}
  std::shared_ptr<detail::RocksDatabase> database_;
  detail::RocksState state_{};
  std::optional<Marks> marks_{};
};

HOLDFAST_END

#endif

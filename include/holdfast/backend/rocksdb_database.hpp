// SPDX-License-Identifier: BSL-1.0
// An open RocksDB with its column families, closed in the right order; and what its statuses mean.
#ifndef HOLDFAST_BACKEND_ROCKSDB_DATABASE_HPP
#define HOLDFAST_BACKEND_ROCKSDB_DATABASE_HPP

#include <rocksdb/db.h>
#include <rocksdb/env.h>
#include <rocksdb/options.h>
#include <rocksdb/status.h>

#include <cstdarg>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "holdfast/config.hpp"
#include "holdfast/result.hpp"

HOLDFAST_BEGIN

namespace detail {
[[nodiscard]] inline errc errc_of_rocks(rocksdb::Status const& status) noexcept {
  using Code = rocksdb::Status::Code;
  if (status.IsNoSpace()) return errc::no_space;
  switch (status.code()) {
    case Code::kNotFound:
      return errc::not_found;
    case Code::kCorruption:
      return errc::damaged;
    case Code::kInvalidArgument:
      return errc::invalid;
    case Code::kIOError:
      return status.IsPathNotFound() ? errc::not_found : errc::io;
    case Code::kBusy:
    case Code::kTryAgain:
      return errc::busy;
    default:
      return status.IsMemoryLimit() ? errc::no_memory : errc::backend;
  }
}

/// The native code is RocksDB's Status::Code; the detail is what it says.
[[nodiscard]] inline auto rocks_error(rocksdb::Status const& status, char const* where) {
  return failure(errc_of_rocks(status), where, status.ToString(), status.code());
}

[[nodiscard]] inline rocksdb::Slice slice(std::string_view text) noexcept {
  return {text.data(), text.size()};
}

// Without a logger RocksDB would write LOG files among the data.
class QuietLogger : public rocksdb::Logger {
 public:
  QuietLogger() : rocksdb::Logger{rocksdb::InfoLogLevel::HEADER_LEVEL} {}
  using rocksdb::Logger::Logv;
  void Logv(char const*, std::va_list) override {}
};

/// A database and the handles of its families. Stays where it is, since bulks refer to it.
class RocksDatabase {
 public:
  using Families = std::vector<rocksdb::ColumnFamilyDescriptor>;

  RocksDatabase() = default;
  RocksDatabase(RocksDatabase const&) = delete;
  ~RocksDatabase() { destroy_handles(); }

  [[nodiscard]] result<void> open(rocksdb::Options const& options,
                                  std::string const& path,
                                  Families const& families,
                                  bool read_only) {
    rocksdb::DB* raw = nullptr;
    std::vector<rocksdb::ColumnFamilyHandle*> handles;
    auto const status = read_only
                            ? rocksdb::DB::OpenForReadOnly(options, path, families, &handles, &raw)
                            : rocksdb::DB::Open(options, path, families, &handles, &raw);
    if (!status.ok()) return rocks_error(status, "open RocksDB");
    db_.reset(raw);
    for (std::size_t i = 0; i < handles.size(); ++i) handles_[families[i].name] = handles[i];
    return ok();
  }

  /// Null before open and after close.
  [[nodiscard]] rocksdb::DB* get() const noexcept { return db_.get(); }

  [[nodiscard]] result<rocksdb::ColumnFamilyHandle*> family(std::string_view name) const {
    auto const found = handles_.find(name);
    if (found != handles_.end()) return found->second;
    return failure(errc::not_found, "find column family", name);
  }
  [[nodiscard]] std::vector<std::string> families() const {
    std::vector<std::string> names;
    for (auto const& [name, handle] : handles_) names.push_back(name);
    return names;
  }

  /// Flushes every family, also those that the caller made through the database itself.
  [[nodiscard]] result<void> flush() const {
    std::vector<std::string> files;
    std::uint64_t manifest_size = 0;
    auto const status = db_->GetLiveFiles(files, &manifest_size, true);
    if (!status.ok()) return rocks_error(status, "flush");
    return ok();
  }

  /// `busy` while a snapshot is held, which is then as it was. Otherwise the handles are gone.
  [[nodiscard]] result<void> close() {
    std::uint64_t snapshots = 0;
    db_->GetIntProperty(rocksdb::DB::Properties::kNumSnapshots, &snapshots);
    if (snapshots != 0) {
      return failure(errc::busy, "close RocksDB: a snapshot is not released", db_->GetName());
    }
    destroy_handles();
    auto const status = db_->Close();
    if (!status.ok()) return rocks_error(status, "close RocksDB");
    db_.reset();
    return ok();
  }

 private:
  // RocksDB wants them gone before the database.
  void destroy_handles() noexcept {
    for (auto const& [name, handle] : handles_) db_->DestroyColumnFamilyHandle(handle);
    handles_.clear();
  }
  std::unique_ptr<rocksdb::DB> db_;
  std::map<std::string, rocksdb::ColumnFamilyHandle*, std::less<>> handles_;
};
}  // namespace detail

HOLDFAST_END

#endif

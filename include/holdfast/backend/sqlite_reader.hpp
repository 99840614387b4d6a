// SPDX-License-Identifier: BSL-1.0
// Reads a sealed SQLite database, with a connection for each thread.
#ifndef HOLDFAST_BACKEND_SQLITE_READER_HPP
#define HOLDFAST_BACKEND_SQLITE_READER_HPP

#include <sqlite3.h>

#include <memory>
#include <string>
#include <utility>

#include "holdfast/backend/sqlite_connection.hpp"
#include "holdfast/backend/sqlite_pool.hpp"
#include "holdfast/config.hpp"
#include "holdfast/file_system.hpp"
#include "holdfast/result.hpp"

HOLDFAST_BEGIN

/// A connection on loan from a reader, for one thread at a time; back in the pool when destroyed.
/// Finalise its statements before.
class SqliteLease {
 public:
  SqliteLease(SqliteLease&&) noexcept = default;
  SqliteLease& operator=(SqliteLease&& other) noexcept {
    std::swap(pool_, other.pool_);
    std::swap(db_, other.db_);
    return *this;
  }
  ~SqliteLease() {
    if (db_) pool_->give_back(std::move(db_));
  }
  [[nodiscard]] sqlite3* handle() const noexcept { return db_.get(); }

 private:
  friend class SqliteReader;
  SqliteLease(std::shared_ptr<detail::SqlitePool> pool, detail::SqliteHandle db)
      : pool_{std::move(pool)}, db_{std::move(db)} {}
  std::shared_ptr<detail::SqlitePool> pool_;
  detail::SqliteHandle db_;
};

/// Reads a sealed database; safe from many threads, each with a connection of its own.
class SqliteReader {
 public:
  /// A read-only connection, idle or new; keep it for many statements. Of a generation that takes
  /// updates it is in a transaction, which must not be ended, and `busy` if all that are on this
  /// reader's state are on loan and an update has come since.
  [[nodiscard]] result<SqliteLease> connection() const {
    HOLDFAST_TRY(db, pool_->take());
    return SqliteLease{pool_, std::move(db)};
  }
  /// The file, for other programs; open it read-only, and immutable unless it takes updates.
  [[nodiscard]] std::string const& path() const noexcept { return path_; }

 private:
  template <file_system>
  friend class BasicSqliteStore;
  SqliteReader(std::string path, std::shared_ptr<detail::SqlitePool> pool)
      : path_{std::move(path)}, pool_{std::move(pool)} {}
  std::string path_;
  std::shared_ptr<detail::SqlitePool> pool_;
};

HOLDFAST_END

#endif

// SPDX-License-Identifier: BSL-1.0
// Fills a SQLite database that nobody else sees.
#ifndef HOLDFAST_BACKEND_SQLITE_WRITER_HPP
#define HOLDFAST_BACKEND_SQLITE_WRITER_HPP

#include <sqlite3.h>

#include <optional>
#include <string>
#include <utility>

#include "holdfast/backend/building.hpp"
#include "holdfast/backend/sqlite_connection.hpp"
#include "holdfast/config.hpp"
#include "holdfast/file_system.hpp"
#include "holdfast/ids.hpp"
#include "holdfast/result.hpp"

HOLDFAST_BEGIN

/// Builds a database that nobody else sees. For one thread at a time.
template <file_system Fs>
class SqliteWriter {
 public:
  /// Null once it is sealed. Transactions, journal mode and PRAGMAs are the caller's; statements
  /// are to be finalised before seal. Never close it.
  [[nodiscard]] sqlite3* handle() const noexcept { return db_.get(); }

  /// Runs statements for their effect; the error has SQLite's message and extended code.
  [[nodiscard]] result<void> exec(std::string const& sql) {
    HOLDFAST_TRYV(building_.writable());
    if (!db_) return failure(errc::spent, "execute SQL", building_.path);
    return detail::exec_sqlite(db_.get(), sql);
  }
  [[nodiscard]] Generation generation() const noexcept { return building_.generation; }

 private:
  template <file_system>
  friend class BasicSqliteStore;
  SqliteWriter(Building building, typename Fs::file file)
      : building_{std::move(building)}, file_{std::move(file)} {}

  Building building_;
  // Open from before the first write, so that its sync tells of every write that failed; declared
  // before the connection, since closing it drops the locks that SQLite has on the file.
  std::optional<typename Fs::file> file_;
  detail::SqliteHandle db_;
};

HOLDFAST_END

#endif

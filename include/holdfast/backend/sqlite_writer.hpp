// SPDX-License-Identifier: BSL-1.0
// Fills a SQLite database that nobody else sees.
#ifndef HOLDFAST_BACKEND_SQLITE_WRITER_HPP
#define HOLDFAST_BACKEND_SQLITE_WRITER_HPP

#include <sqlite3.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
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
  /// SQLite refuses pages beyond it; a journal on disk is not counted.
  [[nodiscard]] result<void> limit(std::uint64_t most) {
    HOLDFAST_TRY(size, number("PRAGMA page_size"));
    if (size == 0) return ok();
    auto const pages = std::min<std::uint64_t>(most / size, 0xfffffffe);
    // A copy may be larger already: `taken` tells.
    HOLDFAST_TRYV(number("PRAGMA max_page_count=" + std::to_string(pages)));
    return ok();
  }
  [[nodiscard]] result<std::uint64_t> taken() const {
    HOLDFAST_TRY(size, number("PRAGMA page_size"));
    HOLDFAST_TRY(pages, number("PRAGMA page_count"));
    return size * pages;
  }
  [[nodiscard]] Generation generation() const noexcept { return building_.generation; }

 private:
  template <file_system>
  friend class BasicSqliteStore;
  SqliteWriter(Building building, typename Fs::file file)
      : building_{std::move(building)}, file_{std::move(file)} {}

  // 0 once the connection is closed.
  [[nodiscard]] result<std::uint64_t> number(std::string const& sql) const {
    if (!db_) return std::uint64_t{0};
    HOLDFAST_TRY(told, detail::ask_sqlite(db_.get(), sql));
    return std::strtoull(told.c_str(), nullptr, 10);
  }

  Building building_;
  // Open from before the first write, so that its sync tells of every write that failed; declared
  // before the connection, since closing it drops the locks that SQLite has on the file.
  std::optional<typename Fs::file> file_;
  detail::SqliteHandle db_;
};

HOLDFAST_END

#endif

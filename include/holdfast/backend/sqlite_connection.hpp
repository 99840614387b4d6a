// SPDX-License-Identifier: BSL-1.0
// Opens and closes connections to SQLite, and turns what SQLite says into errors.
#ifndef HOLDFAST_BACKEND_SQLITE_CONNECTION_HPP
#define HOLDFAST_BACKEND_SQLITE_CONNECTION_HPP

#include <sqlite3.h>

#include <memory>
#include <string>
#include <string_view>

#include "holdfast/config.hpp"
#include "holdfast/posix.hpp"
#include "holdfast/result.hpp"

HOLDFAST_BEGIN

namespace detail {
// With statements left over it closes once they are finalised.
struct CloseSqlite {
  void operator()(sqlite3* db) const noexcept { ::sqlite3_close_v2(db); }
};
using SqliteHandle = std::unique_ptr<sqlite3, CloseSqlite>;

[[nodiscard]] constexpr errc errc_of_sqlite(int code) noexcept {
  switch (code & 0xff) {
    case SQLITE_FULL:
      return errc::no_space;
    case SQLITE_NOMEM:
      return errc::no_memory;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return errc::busy;
    case SQLITE_PERM:
    case SQLITE_AUTH:
      return errc::denied;
    case SQLITE_READONLY:
      return errc::read_only;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return errc::damaged;
    case SQLITE_TOOBIG:
      return errc::too_large;
    case SQLITE_IOERR:
      return code == SQLITE_IOERR_FSYNC || code == SQLITE_IOERR_DIR_FSYNC ? errc::sync_failed
                                                                          : errc::io;
    case SQLITE_CANTOPEN:
      return errc::io;
    default:
      return errc::backend;
  }
}

/// What `db` said last; the native code is SQLite's extended one.
[[nodiscard]] inline auto sqlite_error(sqlite3* db, char const* where) noexcept {
  int const code = db == nullptr ? SQLITE_NOMEM : ::sqlite3_extended_errcode(db);
  std::string_view const text = db == nullptr ? "no connection" : ::sqlite3_errmsg(db);
  return failure(errc_of_sqlite(code), where, text, code);
}

/// A file: URI of any path, whatever bytes it has; `query` follows its '?'.
[[nodiscard]] inline std::string sqlite_uri(std::string_view path, std::string_view query) {
  constexpr std::string_view digits = "0123456789ABCDEF";
  constexpr std::string_view plain =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~/";
  // The empty host keeps a path that begins with "//" from being taken for one.
  std::string uri = path.starts_with('/') ? "file://" : "file:";
  for (char const c : path) {
    auto const byte = static_cast<unsigned char>(c);
    if (plain.find(c) != std::string_view::npos) {
      uri += c;
    } else {
      uri.append({'%', digits[byte >> 4], digits[byte & 15]});
    }
  }
  if (!query.empty()) uri.append("?").append(query);
  return uri;
}

/// `vfs` empty: SQLite's default. The connection is for one thread at a time.
[[nodiscard]] inline result<SqliteHandle> open_sqlite(std::string const& uri,
                                                      int flags,
                                                      std::string const& vfs) {
  sqlite3* raw = nullptr;
  int const code =
      ::sqlite3_open_v2(uri.c_str(), &raw, flags | SQLITE_OPEN_URI | SQLITE_OPEN_NOMUTEX,
                        vfs.empty() ? nullptr : vfs.c_str());
  SqliteHandle db{raw};
  if (code != SQLITE_OK) {
    // "Unable to open" alone gives no reason; the system's error does.
    int const reason = raw != nullptr ? ::sqlite3_system_errno(raw) : 0;
    if ((code & 0xff) == SQLITE_CANTOPEN && reason != 0) {
      return failure(errc_of(reason), "open SQLite", ::sqlite3_errmsg(raw), reason);
    }
    return sqlite_error(raw, "open SQLite");
  }
  ::sqlite3_extended_result_codes(raw, 1);
  return db;
}

/// Runs statements for their effect.
[[nodiscard]] inline result<void> exec_sqlite(sqlite3* db, std::string const& sql) {
  if (::sqlite3_exec(db, sql.c_str(), nullptr, nullptr, nullptr) == SQLITE_OK) return ok();
  return sqlite_error(db, "execute SQL");
}

/// All that `from` sees, as it is in the transaction that it is in.
[[nodiscard]] inline result<void> copy_sqlite(sqlite3* from, sqlite3* to) {
  auto* const copy = ::sqlite3_backup_init(to, "main", from, "main");
  if (copy == nullptr) return sqlite_error(to, "copy");
  static_cast<void>(::sqlite3_backup_step(copy, -1));  // finish tells how it went
  if (::sqlite3_backup_finish(copy) != SQLITE_OK) return sqlite_error(to, "copy");
  return ok();
}

struct FinalizeSqlite {
  void operator()(sqlite3_stmt* statement) const noexcept { ::sqlite3_finalize(statement); }
};
using SqliteStatement = std::unique_ptr<sqlite3_stmt, FinalizeSqlite>;
[[nodiscard]] inline result<SqliteStatement> prepare_sqlite(sqlite3* db, std::string const& sql) {
  sqlite3_stmt* raw = nullptr;
  if (::sqlite3_prepare_v2(db, sql.c_str(), -1, &raw, nullptr) != SQLITE_OK) {
    return sqlite_error(db, "prepare SQL");
  }
  return SqliteStatement{raw};
}

/// The first column of the first row, as text; empty if there is no row.
[[nodiscard]] inline result<std::string> ask_sqlite(sqlite3* db, std::string const& sql) {
  HOLDFAST_TRY(statement, prepare_sqlite(db, sql));
  int const code = ::sqlite3_step(statement.get());
  if (code == SQLITE_DONE) return std::string{};
  if (code != SQLITE_ROW) return sqlite_error(db, "execute SQL");
  auto const* const text = reinterpret_cast<char const*>(::sqlite3_column_text(statement.get(), 0));
  return std::string{text == nullptr ? "" : text};
}

}  // namespace detail

HOLDFAST_END

#endif

// SPDX-License-Identifier: BSL-1.0
// Opens and closes connections to SQLite, and turns what SQLite says into errors.
#ifndef HOLDFAST_BACKEND_SQLITE_CONNECTION_HPP
#define HOLDFAST_BACKEND_SQLITE_CONNECTION_HPP

#include <sqlite3.h>

#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

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

/// The first column of the first row, as text; empty if there is no row.
[[nodiscard]] inline result<std::string> ask_sqlite(sqlite3* db, std::string const& sql) {
  sqlite3_stmt* raw = nullptr;
  if (::sqlite3_prepare_v2(db, sql.c_str(), -1, &raw, nullptr) != SQLITE_OK) {
    return sqlite_error(db, "prepare SQL");
  }
  struct Finalize {
    void operator()(sqlite3_stmt* statement) const noexcept { ::sqlite3_finalize(statement); }
  };
  std::unique_ptr<sqlite3_stmt, Finalize> const statement{raw};
  int const code = ::sqlite3_step(raw);
  if (code == SQLITE_DONE) return std::string{};
  if (code != SQLITE_ROW) return sqlite_error(db, "execute SQL");
  auto const* const text = reinterpret_cast<char const*>(::sqlite3_column_text(raw, 0));
  return std::string{text == nullptr ? "" : text};
}

/// Idle connections to one immutable file. Shared by its leases, so that none outlives it.
class SqlitePool {
 public:
  /// `setup` is SQL for each new connection.
  SqlitePool(std::string uri, std::string vfs, std::string setup)
      : uri_{std::move(uri)}, vfs_{std::move(vfs)}, setup_{std::move(setup)} {}

  [[nodiscard]] result<SqliteHandle> take() {
    {
      std::scoped_lock const lock{mutex_};
      if (!idle_.empty()) {
        auto db = std::move(idle_.back());
        idle_.pop_back();
        return db;
      }
    }
    HOLDFAST_TRY(db, open_sqlite(uri_, SQLITE_OPEN_READONLY, vfs_));
    HOLDFAST_TRYV(exec_sqlite(db.get(), setup_));
    return std::move(db);
  }
  // A connection in the middle of something is closed, not handed to the next.
  void give_back(SqliteHandle db) noexcept {
    bool const clean = ::sqlite3_next_stmt(db.get(), nullptr) == nullptr &&
                       ::sqlite3_get_autocommit(db.get()) != 0;
    if (!clean) return;
    HOLDFAST_MAY_THROW {
      std::scoped_lock const lock{mutex_};
      idle_.push_back(std::move(db));
    }
    HOLDFAST_CAUGHT {  // no memory to keep it: closing it is as good
    }
  }

 private:
  std::string uri_;
  std::string vfs_;
  std::string setup_;
  std::mutex mutex_;
  std::vector<SqliteHandle> idle_;
};
}  // namespace detail

HOLDFAST_END

#endif

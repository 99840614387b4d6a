// SPDX-License-Identifier: BSL-1.0
// Ends the build of a SQLite database, and keeps in it how far it is.
#ifndef HOLDFAST_BACKEND_SQLITE_SEAL_HPP
#define HOLDFAST_BACKEND_SQLITE_SEAL_HPP

#include <sqlite3.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "holdfast/backend/building.hpp"
#include "holdfast/backend/sqlite_connection.hpp"
#include "holdfast/bytes.hpp"
#include "holdfast/config.hpp"
#include "holdfast/file_ops.hpp"
#include "holdfast/file_system.hpp"
#include "holdfast/result.hpp"

HOLDFAST_BEGIN

namespace detail {
/// From here on the file is all there is: no journal, no connection, unless this fails.
[[nodiscard]] inline result<void> close_sqlite_build(sqlite3* db, Building const& building) {
  if (auto* const statement = ::sqlite3_next_stmt(db, nullptr)) {
    return failure(errc::busy, "seal: a statement is not finalised", ::sqlite3_sql(statement));
  }
  if (::sqlite3_get_autocommit(db) == 0) {
    return failure(errc::invalid, "seal: a transaction is open", building.path);
  }
  if (building.noted) {
    HOLDFAST_TRYV(exec_sqlite(db, "DROP TABLE IF EXISTS holdfast_note"));
  }
  if (building.updates) {
    // Last, whatever the build has taken over; a copy of one that took updates has marks in it.
    HOLDFAST_TRYV(
        exec_sqlite(db,
                    "DROP TABLE IF EXISTS holdfast_marks;"
                    "CREATE TABLE holdfast_marks(name PRIMARY KEY, value) WITHOUT ROWID"));
  }
  HOLDFAST_TRY(mode, ask_sqlite(db, "PRAGMA journal_mode"));
  if (mode == "wal") {
    int const code =
        ::sqlite3_wal_checkpoint_v2(db, nullptr, SQLITE_CHECKPOINT_TRUNCATE, nullptr, nullptr);
    if (code != SQLITE_OK) return sqlite_error(db, "seal: checkpoint");
  }
  HOLDFAST_TRY(now, ask_sqlite(db, "PRAGMA journal_mode=DELETE"));
  if (now != "delete") return failure(errc::busy, "seal: journal_mode stays", now);
  if (building.updates) {
    // It is in the file: readers that come before the first update go by the log already.
    HOLDFAST_TRY(log, ask_sqlite(db, "PRAGMA journal_mode=WAL"));
    if (log != "wal") return failure(errc::backend, "seal: no log for updates", log);
  }
  if (::sqlite3_close(db) != SQLITE_OK) return sqlite_error(db, "seal: close");
  return ok();
}

/// A connection of the caller's own may still be at work on the file.
template <file_system Fs>
[[nodiscard]] result<void> check_sqlite_companions(Fs const& fs, std::string const& folder) {
  HOLDFAST_TRY(entries, fs.list(folder));
  for (auto const& entry : entries) {
    for (auto const* suffix : {"-wal", "-journal", "-shm"}) {
      if (!entry.name.ends_with(suffix)) continue;
      return failure(errc::busy, "seal: a journal is left", join(folder, entry.name));
    }
  }
  return ok();
}

/// Ends the transaction that is open, or one of its own, with these words in it: what it changed
/// and they are durable together.
[[nodiscard]] inline result<void> note_in_sqlite(sqlite3* db, bytes_view words) {
  if (::sqlite3_get_autocommit(db) != 0) {
    HOLDFAST_TRYV(exec_sqlite(db, "BEGIN IMMEDIATE"));
  }
  HOLDFAST_TRYV(
      exec_sqlite(db, "CREATE TABLE IF NOT EXISTS holdfast_note(one PRIMARY KEY, words)"));
  {
    HOLDFAST_TRY(put, prepare_sqlite(db, "INSERT OR REPLACE INTO holdfast_note VALUES(1, ?)"));
    auto const* const from = words.empty() ? "" : static_cast<void const*>(words.data());
    ::sqlite3_bind_blob64(put.get(), 1, from, words.size(), SQLITE_STATIC);
    if (::sqlite3_step(put.get()) != SQLITE_DONE) return sqlite_error(db, "note");
  }
  return exec_sqlite(db, "COMMIT");
}
/// Nothing where none was ever made.
[[nodiscard]] inline result<std::optional<bytes>> note_of_sqlite(sqlite3* db) {
  HOLDFAST_TRY(known,
               ask_sqlite(db, "SELECT count(*) FROM sqlite_master WHERE name='holdfast_note'"));
  if (known != "1") return std::optional<bytes>{};
  HOLDFAST_TRY(select, prepare_sqlite(db, "SELECT words FROM holdfast_note"));
  int const code = ::sqlite3_step(select.get());
  if (code == SQLITE_DONE) return std::optional<bytes>{};
  if (code != SQLITE_ROW) return sqlite_error(db, "read the note");
  auto const* const from = static_cast<std::byte const*>(::sqlite3_column_blob(select.get(), 0));
  auto const size = static_cast<std::size_t>(::sqlite3_column_bytes(select.get(), 0));
  bytes words;
  if (size != 0) words.assign(from, from + size);
  return std::optional{std::move(words)};
}

// What the builder of a database wrote may lie in the page cache alone, also what a sync that
// failed has forgotten: its log is written once more, so that the next sync speaks for it. Before
// SQLite opens it.
template <file_system Fs>
[[nodiscard]] result<void> rewrite_sqlite_log(Fs const& fs, std::string const& database) {
  auto log = fs.open(database + "-wal", Open::write);
  if (!log && log.error().code() == errc::not_found) return ok();
  HOLDFAST_TRYV(std::move(log));
  auto& file = log.assume_value();
  HOLDFAST_TRY(size, fs.size(file));
  bytes piece(std::size_t{64} << 10);
  for (std::uint64_t at = 0; at < size;) {
    HOLDFAST_TRY(got, fs.read_at(file, at, piece));
    if (got == 0) break;
    HOLDFAST_TRYV(fs.write_at(file, at, bytes_view{piece}.first(got)));
    at += got;
  }
  HOLDFAST_TRYV(fs.sync(file));
  return fs.sync_directory(parent_of(database));
}
}  // namespace detail

HOLDFAST_END

#endif

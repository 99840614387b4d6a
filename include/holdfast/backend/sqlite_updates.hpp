// SPDX-License-Identifier: BSL-1.0
// Updates a SQLite database in place: each batch and its marks are one transaction of a log that is
// synced at every commit.
#ifndef HOLDFAST_BACKEND_SQLITE_UPDATES_HPP
#define HOLDFAST_BACKEND_SQLITE_UPDATES_HPP

#include <sqlite3.h>

#include <functional>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>

#include "holdfast/backend/sqlite_connection.hpp"
#include "holdfast/backend/sqlite_pool.hpp"
#include "holdfast/config.hpp"
#include "holdfast/detail/update_marks.hpp"
#include "holdfast/ids.hpp"
#include "holdfast/result.hpp"

HOLDFAST_BEGIN

/// One update of a `SqliteStore`: SQL, or a function that is given the connection within the
/// transaction, which it must not end. Its statements are to be finalised when it returns; an
/// error or an exception undoes all it did.
class SqliteBatch {
 public:
  SqliteBatch(std::string sql)  // NOLINT(google-explicit-constructor): it is a text to be run
      : run_{[sql = std::move(sql)](sqlite3* db) { return detail::exec_sqlite(db, sql); }} {}
  SqliteBatch(char const* sql)  // NOLINT(google-explicit-constructor)
      : SqliteBatch{std::string{sql}} {}
  template <class Run>
  requires std::is_invocable_r_v<result<void>, Run const&, sqlite3*> SqliteBatch(
      Run run)  // NOLINT(google-explicit-constructor): it is a function
      : run_{std::move(run)} {}

  [[nodiscard]] result<void> run(sqlite3* db) const { return run_(db); }

 private:
  std::function<result<void>(sqlite3*)> run_;
};

namespace detail {
/// The one connection that writes to a database, and those of its readers. Stays where it is.
class SqliteUpdates {
 public:
  explicit SqliteUpdates(std::shared_ptr<SqlitePool> readers) : readers_{std::move(readers)} {}
  SqliteUpdates(SqliteUpdates const&) = delete;
  SqliteUpdates& operator=(SqliteUpdates const&) = delete;

  [[nodiscard]] result<void> open(std::string const& path, std::string const& vfs) {
    // SQLite trusts the disks of its own VFS not to harm a sector's other bytes in a torn write.
    // This does not: without psow=0 there it would leave last sectors unfilled (see `begin_log`).
    HOLDFAST_TRY(db, open_sqlite(sqlite_uri(path, "psow=0"), SQLITE_OPEN_READWRITE, vfs));
    ::sqlite3_busy_timeout(db.get(), sqlite_patience_ms);  // others may be recovering the log
    HOLDFAST_TRYV(exec_sqlite(db.get(), "PRAGMA synchronous=FULL"));
    HOLDFAST_TRY(mode, ask_sqlite(db.get(), "PRAGMA journal_mode"));
    if (mode != "wal") return failure(errc::foreign, "update: the journal was changed", mode);
    ::sqlite3_busy_timeout(db.get(), 0);
    HOLDFAST_TRYV(begin_log(db.get()));
    ::sqlite3_busy_timeout(db.get(), sqlite_patience_ms);
    HOLDFAST_TRY(marks, read_sqlite_marks(db.get()));
    marks_ = std::move(marks);
    db_ = std::move(db);
    ::sqlite3_commit_hook(
        db_.get(), [](void* ours) { return *static_cast<bool const*>(ours) ? 0 : 1; }, &commits_);
    ::sqlite3_wal_hook(
        db_.get(),
        [](void* ours, sqlite3*, char const*, int pages) {
          *static_cast<int*>(ours) = pages;
          return SQLITE_OK;
        },
        &log_pages_);
    return ok();
  }

  [[nodiscard]] Marks const& marks() const noexcept { return marks_; }
  /// Connections on what is committed now.
  [[nodiscard]] result<std::shared_ptr<SqlitePool>> state(std::size_t connections) {
    HOLDFAST_TRY(opened, SqlitePool::on_state(readers_, connections));
    newest_ = opened;
    return std::move(opened);
  }
  /// What a commit came to is not known: it has to be read again, through another connection.
  [[nodiscard]] bool is_lost() const noexcept { return lost_; }

  [[nodiscard]] result<void> apply(SqliteBatch const& batch, Marks const& update) {
    if (log_pages_ >= shorten_at_) {
      HOLDFAST_TRYV(shorten_log());
    }
    HOLDFAST_TRYV(exec_sqlite(db_.get(), "BEGIN IMMEDIATE"));
    Transaction const transaction{db_.get()};
    auto next = merged(marks_, update);
    HOLDFAST_TRYV(change(batch, update));
    commits_ = true;
    auto committed = exec_sqlite(db_.get(), "COMMIT");
    commits_ = false;
    lost_ = !committed;
    if (committed) marks_ = std::move(next);
    return committed;
  }

 private:
  // Whatever is not committed at its end is undone.
  struct Transaction {
    sqlite3* db;
    explicit Transaction(sqlite3* on) noexcept : db{on} {}
    Transaction(Transaction const&) = delete;
    Transaction& operator=(Transaction const&) = delete;
    ~Transaction() {
      if (::sqlite3_get_autocommit(db) == 0)
        static_cast<void>(::sqlite3_exec(db, "ROLLBACK", nullptr, nullptr, nullptr));
    }
  };

  // SQLite fills up the last sector of each commit, so that the next one writes to no sector that
  // holds what was acknowledged. Whoever was killed before has left his unfilled: the log begins
  // anew, if nobody reads from it. Nobody is waited for.
  [[nodiscard]] static result<void> begin_log(sqlite3* db) {
    int const code =
        ::sqlite3_wal_checkpoint_v2(db, nullptr, SQLITE_CHECKPOINT_TRUNCATE, nullptr, nullptr);
    if (code == SQLITE_OK || code == SQLITE_BUSY || code == SQLITE_LOCKED) return ok();
    return sqlite_error(db, "begin the log");
  }

  // Left to itself the log would never end: the newest state is always being read, and of what is
  // read nothing is written over. So its readers leave the log once all of it is in the database;
  // the next commit begins the log anew, unless somebody else reads from it still.
  [[nodiscard]] result<void> shorten_log() {
    int pages = 0;
    int done = 0;
    int const code =
        ::sqlite3_wal_checkpoint_v2(db_.get(), nullptr, SQLITE_CHECKPOINT_PASSIVE, &pages, &done);
    if (code != SQLITE_OK && code != SQLITE_BUSY) return sqlite_error(db_.get(), "checkpoint");
    auto const newest = newest_.lock();
    shorten_at_ = log_pages_ + log_step;
    if (code != SQLITE_OK || done != pages) return ok();
    shorten_at_ = log_step;
    if (newest) {
      HOLDFAST_TRYV(newest->renew());
    }
    return ok();
  }

  [[nodiscard]] result<void> change(SqliteBatch const& batch, Marks const& update) {
    auto* const db = db_.get();
    HOLDFAST_TRY(now, read_sqlite_marks(db));
    if (now != marks_) return failure(errc::fenced, "apply: someone else updates it");
    HOLDFAST_TRYV(batch.run(db));
    if (::sqlite3_get_autocommit(db) != 0) {
      // What it meant to commit was refused by the hook: nothing of it is there.
      return failure(errc::invalid, "apply: the batch ended the transaction");
    }
    if (auto* const statement = ::sqlite3_next_stmt(db, nullptr)) {
      return failure(errc::busy, "apply: a statement is not finalised", ::sqlite3_sql(statement));
    }
    HOLDFAST_TRY(put, prepare_sqlite(db, "INSERT OR REPLACE INTO holdfast_marks VALUES(?, ?)"));
    for (auto const& [name, value] : update) {
      ::sqlite3_bind_text(put.get(), 1, name.data(), static_cast<int>(name.size()), SQLITE_STATIC);
      ::sqlite3_bind_int64(put.get(), 2, static_cast<sqlite3_int64>(value));
      if (::sqlite3_step(put.get()) != SQLITE_DONE) return sqlite_error(db, "write marks");
      ::sqlite3_reset(put.get());
    }
    return ok();
  }

  static constexpr int log_step = 1000;  // pages, as SQLite itself has it

  std::shared_ptr<SqlitePool> readers_;
  std::weak_ptr<SqlitePool> newest_;  // those of them that read the newest state
  int log_pages_ = 0;                 // at the last commit; before the connection, as below
  int shorten_at_ = log_step;
  Marks marks_;           // of the last commit that this connection made or found
  bool commits_ = false;  // before the connection, whose hook looks at it
  bool lost_ = false;
  SqliteHandle db_;
};
}  // namespace detail

HOLDFAST_END

#endif

// SPDX-License-Identifier: BSL-1.0
// Lends connections of readers: to a file that never changes, or to one state of one that takes
// updates.
#ifndef HOLDFAST_BACKEND_SQLITE_POOL_HPP
#define HOLDFAST_BACKEND_SQLITE_POOL_HPP

#include <sqlite3.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "holdfast/backend/sqlite_connection.hpp"
#include "holdfast/config.hpp"
#include "holdfast/ids.hpp"
#include "holdfast/result.hpp"

HOLDFAST_BEGIN

namespace detail {
/// How long a connection waits for another that recovers or restarts the log.
inline constexpr int sqlite_patience_ms = 5000;

/// The marks of the state that a connection sees. SQLite's integers are signed: the bits are kept.
[[nodiscard]] inline result<Marks> read_sqlite_marks(sqlite3* db) {
  HOLDFAST_TRY(select, prepare_sqlite(db, "SELECT name, value FROM holdfast_marks"));
  Marks marks;
  int code = ::sqlite3_step(select.get());
  for (; code == SQLITE_ROW; code = ::sqlite3_step(select.get())) {
    auto const* const name = reinterpret_cast<char const*>(::sqlite3_column_text(select.get(), 0));
    auto const size = static_cast<std::size_t>(::sqlite3_column_bytes(select.get(), 0));
    auto const value = static_cast<std::uint64_t>(::sqlite3_column_int64(select.get(), 1));
    marks.insert_or_assign(std::string{name == nullptr ? "" : name, size}, value);
  }
  if (code != SQLITE_DONE) return sqlite_error(db, "read marks");
  return marks;
}

/// Idle connections to one file. Shared by its leases, so that none outlives it.
class SqlitePool {
 public:
  /// `setup` is SQL for each new connection.
  SqlitePool(std::string uri, std::string vfs, std::string setup)
      : uri_{std::move(uri)}, vfs_{std::move(vfs)}, setup_{std::move(setup)} {}
  SqlitePool(SqlitePool const&) = delete;
  SqlitePool& operator=(SqlitePool const&) = delete;
  ~SqlitePool() {
    for (auto& db : idle_) end(std::move(db));
  }

  /// Connections of `from`, each in a read transaction on the one state that is committed now:
  /// SQLite as it is usually built has no way to join a state later. Their log can't begin anew
  /// before they end. To be called while nobody commits.
  [[nodiscard]] static result<std::shared_ptr<SqlitePool>> on_state(
      std::shared_ptr<SqlitePool> from, std::size_t connections) {
    for (int attempt = 0;; ++attempt) {
      auto state = std::make_shared<SqlitePool>(std::string{}, std::string{}, std::string{});
      state->from_ = from;
      result<void> filled = ok();
      for (std::size_t i = 0; filled && (i < connections || i == 0); ++i) filled = state->add();
      if (filled) return state;
      // Somebody commits all the same: then one that all of them are on is found a little later.
      if (filled.error().code() != errc::busy || attempt == 16) return failed(filled);
    }
  }

  /// Begins anew on the same state, with what is not on loan: once all of the log is in the
  /// database it can begin anew too, unless a reader that began before is still on it. To be called
  /// while nobody commits.
  [[nodiscard]] result<void> renew() {
    std::vector<SqliteHandle> before;
    {
      std::scoped_lock const lock{mutex_};
      before.swap(idle_);
    }
    auto const count = before.size();
    for (auto& db : before) end(std::move(db));
    for (std::size_t i = 0; i < count; ++i) {
      HOLDFAST_TRYV(add());
    }
    return ok();
  }

  [[nodiscard]] result<SqliteHandle> take() {
    {
      std::scoped_lock const lock{mutex_};
      if (!idle_.empty()) {
        auto db = std::move(idle_.back());
        idle_.pop_back();
        return db;
      }
    }
    if (from_) return begin();
    HOLDFAST_TRY(db, open_sqlite(uri_, SQLITE_OPEN_READONLY, vfs_));
    ::sqlite3_busy_timeout(db.get(), sqlite_patience_ms);
    HOLDFAST_TRYV(exec_sqlite(db.get(), setup_));
    return std::move(db);
  }
  // A connection in the middle of something is closed, not handed to the next.
  void give_back(SqliteHandle db) noexcept {
    bool const finished = ::sqlite3_next_stmt(db.get(), nullptr) == nullptr;
    bool const reading = ::sqlite3_get_autocommit(db.get()) == 0;
    if (!finished) return;
    HOLDFAST_MAY_THROW {
      if (from_ && !is_on_state(db.get())) return end(std::move(db));
      if (!from_ && reading) return;
      std::scoped_lock const lock{mutex_};
      idle_.push_back(std::move(db));
    }
    HOLDFAST_CAUGHT {  // no memory to keep it: closing it is as good
    }
  }

  /// Of the state; nothing for a file that never changes.
  [[nodiscard]] std::optional<Marks> const& marks() const noexcept { return marks_; }

 private:
  [[nodiscard]] result<void> add() {
    HOLDFAST_TRY(db, begin());
    std::scoped_lock const lock{mutex_};
    idle_.push_back(std::move(db));
    return ok();
  }
  // A state has marks of its own: commits in between are seen by them.
  [[nodiscard]] result<SqliteHandle> begin() {
    HOLDFAST_TRY(db, from_->take());
    HOLDFAST_TRYV(exec_sqlite(db.get(), "BEGIN"));
    HOLDFAST_TRY(marks, read_sqlite_marks(db.get()));  // and with it the transaction has begun
    if (!marks_) marks_ = marks;
    if (*marks_ == marks) return std::move(db);
    end(std::move(db));
    return failure(errc::busy, "connect",
                   "all connections of this state are on loan; SqliteOptions::connections");
  }
  // The borrower may have ended the transaction, and begun another.
  [[nodiscard]] bool is_on_state(sqlite3* db) const {
    if (::sqlite3_get_autocommit(db) != 0) return false;
    auto const now = read_sqlite_marks(db);
    return now && now.assume_value() == *marks_;
  }
  void end(SqliteHandle db) const noexcept {
    if (!from_) return;
    if (::sqlite3_get_autocommit(db.get()) == 0 && !exec_sqlite(db.get(), "ROLLBACK")) return;
    from_->give_back(std::move(db));
  }

  std::string uri_;
  std::string vfs_;
  std::string setup_;
  std::shared_ptr<SqlitePool> from_;  // null: to the file as it is
  std::optional<Marks> marks_;
  std::mutex mutex_;
  std::vector<SqliteHandle> idle_;
};
}  // namespace detail

HOLDFAST_END

#endif

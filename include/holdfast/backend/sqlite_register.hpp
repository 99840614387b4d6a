// SPDX-License-Identifier: BSL-1.0
// An atomic register in a row of a SQLite database: for programs that have one already, and for
// locks between the processes of one machine.
//
// Invariants:
// - A store is one transaction that takes the write lock before it compares the version.
// - A row is shown once it is confirmed: a writer that was killed may have left it in the page
// cache
//   alone. Whoever finds one that is not writes it once more. Before that can be seen a journal
//   with the row lies on the disk, so that a power cut takes back the confirmation at most.
// - For that the journal is one that is rolled back, with synchronous=EXTRA: a log (WAL) shows what
//   no sync has reached, and whatever is written behind a lost frame is lost with it.
#ifndef HOLDFAST_BACKEND_SQLITE_REGISTER_HPP
#define HOLDFAST_BACKEND_SQLITE_REGISTER_HPP

#include <sqlite3.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

#include "holdfast/backend/sqlite_connection.hpp"
#include "holdfast/bytes.hpp"
#include "holdfast/checksum.hpp"
#include "holdfast/concepts.hpp"
#include "holdfast/config.hpp"
#include "holdfast/detail/fork.hpp"
#include "holdfast/file_ops.hpp"
#include "holdfast/file_system.hpp"
#include "holdfast/guarantees.hpp"
#include "holdfast/ids.hpp"
#include "holdfast/posix.hpp"
#include "holdfast/result.hpp"
#include "holdfast/world.hpp"

HOLDFAST_BEGIN

struct SqliteRegisterOptions {
  std::string name = "holdfast";  ///< which register of the database; each is a row of its own
  int busy_timeout_ms = 5'000;    ///< how long it waits while another process writes
  std::string vfs{};              ///< a registered sqlite3_vfs; empty: SQLite's default
};

/// The row `name` of the table `holdfast_registers` in the database `path`; both are made when they
/// are missing (a crash meanwhile may leave a file `path.new-*`, which nobody uses). A database
/// with a log (WAL) is refused (`invalid`). Every process needs permission to write to it; one that
/// is stopped in the midst of a call holds up the others until it goes on or dies. Thread-safe;
/// after fork() only the parent may use it (`forked`).
template <file_system Fs, world W>
class BasicSqliteRegister {
 public:
  static constexpr Guarantees guarantees{.durable = true,
                                         .fenced = false,
                                         .detects_damage = false,
                                         .lifetime = Lifetime::disk,
                                         .reach = Reach::host};

  explicit BasicSqliteRegister(std::string path,
                               SqliteRegisterOptions options = {},
                               Fs fs = {},
                               W world = {})
      : core_{std::make_unique<Core>(
            std::move(path), std::move(options), std::move(fs), std::move(world))} {}

  /// Nothing if no store has succeeded yet. `damaged` if the row fails its check, `busy` while
  /// others write for too long.
  [[nodiscard]] result<std::optional<Versioned>> load() {
    HOLDFAST_TRYV(born_here("load"));
    std::lock_guard const guard{core_->mutex};
    HOLDFAST_TRYV(usable("load"));
    HOLDFAST_TRY(seen, read());
    if (!seen || seen->confirmed || seen->version == core_->own) return shown(std::move(seen));
    HOLDFAST_TRY(again, confirm());
    return shown(std::move(again));
  }

  /// `conflict` if another store came first; `uncertain` if the commit itself failed.
  [[nodiscard]] result<Version> store_if(Version expected, bytes_view value) {
    HOLDFAST_TRYV(born_here("store"));
    std::lock_guard const guard{core_->mutex};
    HOLDFAST_TRYV(usable("store"));
    if (value.size() > max_size()) return failure(errc::too_large, "store", core_->options.name);
    HOLDFAST_TRYV(begin());
    auto written = compare_and_write(expected, value);
    if (!written) {
      roll_back();
      return written;
    }
    if (auto const committed = commit(); !committed) {
      if (!core_->unknown) return detail::failed(committed);
      return failure(errc::uncertain, "store", committed.error().text());
    }
    core_->own = written.assume_value();
    return written;
  }

  /// Begins anew with another connection, and makes what is there durable.
  [[nodiscard]] result<void> reopen() {
    HOLDFAST_TRYV(born_here("reopen"));
    std::lock_guard const guard{core_->mutex};
    close();
    HOLDFAST_TRYV(open());
    HOLDFAST_TRYV(confirm());
    return ok();
  }

  [[nodiscard]] std::size_t max_size() const noexcept { return std::size_t{1} << 20; }

 private:
  struct Core {
    Core(std::string where, SqliteRegisterOptions o, Fs files, W around)
        : path{std::move(where)},
          options{std::move(o)},
          fs{std::move(files)},
          world{std::move(around)} {}
    ~Core() {
      // A child may not even close what its parent has opened: that would let go of its locks.
      if (born.left()) {
        static_cast<void>(select.release());
        static_cast<void>(db.release());
      }
    }
    std::string path;
    SqliteRegisterOptions options;
    Fs fs;
    W world;
    std::mutex mutex{};
    detail::SqliteHandle db{};
    detail::SqliteStatement select{};  // before the connection it ends
    std::optional<Version> own{};      // stored by this object, and so durable
    bool unknown = false;              // a commit has failed: reopen
    detail::Birthplace born{};
  };
  struct Row {
    Version version{};
    bool confirmed = false;
    bytes value{};
  };

  // Asked before the mutex: in a child a thread of the parent may have it for ever.
  [[nodiscard]] result<void> born_here(char const* where) const {
    return core_->born.left() ? failure(errc::forked, where, core_->path) : result<void>{ok()};
  }
  [[nodiscard]] result<void> usable(char const* where) {
    auto& c = *core_;
    if (c.unknown) return failure(errc::poisoned, where, c.path);
    return c.db ? result<void>{ok()} : open();
  }
  void close() noexcept {
    core_->select.reset();
    core_->db.reset();
    core_->own.reset();
    core_->unknown = false;
  }

  [[nodiscard]] result<void> open() {
    auto opened = try_open();
    if (!opened) close();
    return opened;
  }
  [[nodiscard]] result<void> try_open() {
    auto& c = *core_;
    auto const there = c.fs.identity(c.path);
    if (!there && there.error().code() != errc::not_found) return detail::failed(there);
    if (!there) {
      HOLDFAST_TRYV(make());
    }
    HOLDFAST_TRY(db, connect(c.path, SQLITE_OPEN_READWRITE));
    c.db = std::move(db);
    HOLDFAST_TRYV(exec(table));
    HOLDFAST_TRY(select, prepare("SELECT sequence, nonce, confirmed, value, checksum FROM "
                                 "holdfast_registers WHERE name = ?1"));
    c.select = std::move(select);
    return ok();
  }
  static constexpr char const* table =
      "CREATE TABLE IF NOT EXISTS holdfast_registers (name TEXT PRIMARY KEY, sequence INTEGER NOT "
      "NULL, nonce INTEGER NOT NULL, confirmed INTEGER NOT NULL, value BLOB NOT NULL, checksum "
      "INTEGER NOT NULL) WITHOUT ROWID";

  [[nodiscard]] result<detail::SqliteHandle> connect(std::string const& path, int flags) const {
    auto const& options = core_->options;
    HOLDFAST_TRY(db, detail::open_sqlite(detail::sqlite_uri(path, ""), flags, options.vfs));
    ::sqlite3_busy_timeout(db.get(), options.busy_timeout_ms);
    HOLDFAST_TRYV(detail::exec_sqlite(db.get(), "PRAGMA synchronous=EXTRA"));
    HOLDFAST_TRYV(check_journal(db.get(), path));
    return db;
  }
  [[nodiscard]] static result<void> check_journal(sqlite3* db, std::string const& path) {
    HOLDFAST_TRY(mode, detail::ask_sqlite(db, "PRAGMA journal_mode"));
    if (mode == "delete") return ok();
    return failure(errc::invalid, "register", path + " has the journal mode " + mode);
  }

  // Aside, and whole before it has the name. In place three crashes are too many for SQLite: it
  // deletes the journal of a database that it finds empty, however far it was rolled back.
  [[nodiscard]] result<void> make() {
    auto& c = *core_;
    auto const aside = c.path + ".new-" + std::to_string(c.world.random64());
    auto const made = make_from(aside);
    if (!made && made.error().code() != errc::exists) {
      // Nobody uses them; what went wrong first says more than what goes wrong here.
      static_cast<void>(c.fs.remove(aside + "-journal"));
      static_cast<void>(c.fs.remove(aside));
      return made;
    }
    HOLDFAST_TRYV(c.fs.remove(aside));
    return c.fs.sync_directory(detail::parent_of(c.path));
  }
  [[nodiscard]] result<void> make_from(std::string const& aside) {
    auto& c = *core_;
    {
      HOLDFAST_TRY(db, connect(aside, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE));
      HOLDFAST_TRYV(detail::exec_sqlite(db.get(), table));
    }
    {
      HOLDFAST_TRY(file, c.fs.open(aside, Open::write));
      HOLDFAST_TRYV(c.fs.sync(file));
    }
    return c.fs.link(aside, c.path);
  }
  // With the write lock nobody can change the journal's mode; until then another program may have.
  [[nodiscard]] result<void> begin() {
    HOLDFAST_TRYV(exec("BEGIN IMMEDIATE"));
    auto const checked = check_journal(core_->db.get(), core_->path);
    if (!checked) roll_back();
    return checked;
  }
  [[nodiscard]] result<void> exec(char const* sql) {
    return detail::exec_sqlite(core_->db.get(), sql);
  }
  [[nodiscard]] result<detail::SqliteStatement> prepare(char const* sql) {
    HOLDFAST_TRY(statement, detail::prepare_sqlite(core_->db.get(), sql));
    auto const& name = core_->options.name;
    ::sqlite3_bind_text(statement.get(), 1, name.data(), static_cast<int>(name.size()),
                        SQLITE_STATIC);
    return statement;
  }

  [[nodiscard]] static std::uint32_t checksum(Version version, bytes_view value) noexcept {
    std::array<std::byte, 16> numbers{};
    put_le(numbers, 0, version.sequence);
    put_le(numbers, 8, version.nonce);
    return crc32c(value, crc32c(numbers));
  }
  [[nodiscard]] result<std::optional<Row>> read() {
    auto* const row = core_->select.get();
    int const code = ::sqlite3_step(row);
    auto found =
        code == SQLITE_ROW ? row_of(row) : result<std::optional<Row>>{std::optional<Row>{}};
    if (code != SQLITE_ROW && code != SQLITE_DONE) found = failed("load");
    ::sqlite3_reset(row);
    return found;
  }
  [[nodiscard]] result<std::optional<Row>> row_of(sqlite3_stmt* row) const {
    auto const number = [row](int column) {
      return static_cast<std::uint64_t>(::sqlite3_column_int64(row, column));
    };
    auto const* const data = static_cast<std::byte const*>(::sqlite3_column_blob(row, 3));
    auto const size = static_cast<std::size_t>(::sqlite3_column_bytes(row, 3));
    Row found{{number(0), number(1)}, number(2) != 0, bytes(data, data + size)};
    if (checksum(found.version, found.value) != number(4)) {
      return failure(errc::damaged, "load", core_->path);
    }
    return std::optional{std::move(found)};
  }
  [[nodiscard]] static result<std::optional<Versioned>> shown(std::optional<Row> row) {
    if (!row) return std::optional<Versioned>{};
    return std::optional{Versioned{row->version, std::move(row->value)}};
  }

  // Under the write lock, in a transaction.
  [[nodiscard]] result<Version> compare_and_write(Version expected, bytes_view value) {
    HOLDFAST_TRY(seen, read());
    if ((seen ? seen->version : Version::none) != expected) {
      return failure(errc::conflict, "store", core_->path);
    }
    Version const next{expected.sequence + 1, core_->world.random64()};
    HOLDFAST_TRYV(write(next, value, false));
    return next;
  }
  [[nodiscard]] result<void> write(Version version, bytes_view value, bool confirmed) {
    HOLDFAST_TRY(put, prepare("REPLACE INTO holdfast_registers (name, sequence, nonce, confirmed, "
                              "value, checksum) VALUES (?1, ?2, ?3, ?4, ?5, ?6)"));
    ::sqlite3_bind_int64(put.get(), 2, static_cast<std::int64_t>(version.sequence));
    ::sqlite3_bind_int64(put.get(), 3, static_cast<std::int64_t>(version.nonce));
    ::sqlite3_bind_int(put.get(), 4, confirmed ? 1 : 0);
    // A null pointer would be NULL, not an empty blob.
    void const* const data = value.empty() ? static_cast<void const*>("") : value.data();
    ::sqlite3_bind_blob64(put.get(), 5, data, value.size(), SQLITE_STATIC);
    ::sqlite3_bind_int64(put.get(), 6, checksum(version, value));
    if (::sqlite3_step(put.get()) != SQLITE_DONE) return failed("store");
    return ok();
  }

  // Writes what is there once more: what a killed writer left of it is durable before this can be
  // seen.
  [[nodiscard]] result<std::optional<Row>> confirm() {
    HOLDFAST_TRYV(begin());
    auto seen = read();
    auto written = seen && seen.assume_value()
                       ? write(seen.assume_value()->version, seen.assume_value()->value, true)
                       : result<void>{ok()};
    if (!seen || !written) {
      roll_back();
      if (!seen) return seen;
      return detail::failed(written);
    }
    HOLDFAST_TRYV(commit());
    return seen;
  }

  [[nodiscard]] result<void> commit() {
    auto& c = *core_;
    auto committed = exec("COMMIT");
    if (committed) return ok();
    if (committed.error().code() == errc::busy) {  // readers have not gone: nothing was written
      roll_back();
      return committed;
    }
    // It may have been rolled back, or be rolled back by whoever opens the database next, or not.
    close();
    c.unknown = true;
    return committed;
  }
  // Where that fails the connection ends, and its journal is rolled back by the next one.
  void roll_back() {
    if (::sqlite3_get_autocommit(core_->db.get()) == 0 && !exec("ROLLBACK")) close();
  }
  [[nodiscard]] auto failed(char const* where) const noexcept {
    return detail::sqlite_error(core_->db.get(), where);
  }

  std::unique_ptr<Core> core_;
};

/// On the real file system.
using SqliteRegister = BasicSqliteRegister<Posix, Native>;
static_assert(atomic_register<SqliteRegister>);

HOLDFAST_END

#endif

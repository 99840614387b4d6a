// SPDX-License-Identifier: BSL-1.0
// A store of SQLite databases: each generation is one file, built without a journal's cost, then
// read as immutable by any number of threads.
#ifndef HOLDFAST_BACKEND_SQLITE_HPP
#define HOLDFAST_BACKEND_SQLITE_HPP

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "holdfast/backend/sealed_directory.hpp"
#include "holdfast/backend/sqlite_connection.hpp"
#include "holdfast/concepts.hpp"
#include "holdfast/config.hpp"
#include "holdfast/file_ops.hpp"
#include "holdfast/file_system.hpp"
#include "holdfast/guarantees.hpp"
#include "holdfast/ids.hpp"
#include "holdfast/posix.hpp"
#include "holdfast/result.hpp"

HOLDFAST_BEGIN

/// How a `SqliteStore` makes and opens its databases.
struct SqliteOptions {
  std::string file = "data.sqlite3";  ///< the name of each generation's database
  std::string schema{};               ///< SQL for each new database
  std::string reader_setup{};    ///< SQL for each new connection of a reader (PRAGMA mmap_size ...)
  int page_size = 0;             ///< bytes; 0: SQLite's default
  bool verify_on_open = false;   ///< read the file against its digest, before the first view
  Digest digest = Digest::none;  ///< whether seal takes one; verify_on_open implies it
  std::string vfs{};             ///< a registered sqlite3_vfs; empty: SQLite's default
};

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
  /// A read-only connection, idle or new; keep it for many statements.
  [[nodiscard]] result<SqliteLease> connection() const {
    HOLDFAST_TRY(db, pool_->take());
    return SqliteLease{pool_, std::move(db)};
  }
  /// The file, for other programs; open it read-only and immutable.
  [[nodiscard]] std::string const& path() const noexcept { return path_; }

 private:
  template <file_system>
  friend class BasicSqliteStore;
  SqliteReader(std::string path, std::shared_ptr<detail::SqlitePool> pool)
      : path_{std::move(path)}, pool_{std::move(pool)} {}
  std::string path_;
  std::shared_ptr<detail::SqlitePool> pool_;
};

/// Databases `home/name/0000000007/data.sqlite3`. SQLite has no checksums: a flipped bit reads back
/// unless `verify_on_open` is asked for.
template <file_system Fs>
class BasicSqliteStore {
 public:
  using writer = SqliteWriter<Fs>;
  using reader = SqliteReader;
  static constexpr Guarantees guarantees{.durable = true,
                                         .fenced = false,
                                         .detects_damage = false,
                                         .lifetime = Lifetime::disk,
                                         .reach = Reach::host};

  explicit BasicSqliteStore(std::string name, SqliteOptions options = {}, Fs fs = {})
      : folders_{std::move(name), std::move(fs)}, options_{std::move(options)} {}

  void place(std::string const& home) { folders_.place(home); }
  [[nodiscard]] std::string const& name() const noexcept { return folders_.name(); }

  [[nodiscard]] result<writer> create(Generation g) {
    HOLDFAST_TRYV(usable());
    HOLDFAST_TRY(building, folders_.create(g));
    auto made = start(std::move(building), Open::create);
    // Why it failed is what counts; what a failed drop leaves, the record of the attempt lists.
    if (!made) static_cast<void>(folders_.drop(g));
    return made;
  }

  /// A new generation that begins as a copy of `from`; the schema is not run again.
  [[nodiscard]] result<writer> clone(Generation from, Generation g) {
    HOLDFAST_TRYV(usable());
    HOLDFAST_TRY(building, folders_.copy(folders_, from, g));
    return start(std::move(building), Open::write);
  }
  /// Makes the same generation, sealed, in another store.
  [[nodiscard]] result<void> copy(Generation g, BasicSqliteStore& to) const {
    HOLDFAST_TRY(building, to.folders_.copy(folders_, g, g));
    return to.folders_.seal(building, to.digest());
  }

  /// `invalid` while a transaction is open, `busy` while a statement is not finalised: the writer
  /// is as it was. Once the connection is closed it can only be sealed again or dropped.
  [[nodiscard]] result<void> seal(writer& w) {
    if (w.building_.sealed) return ok();
    HOLDFAST_TRYV(w.building_.writable());
    HOLDFAST_TRYV(close(w));
    HOLDFAST_TRYV(check_companions(w.building_.path));
    HOLDFAST_TRYV(w.building_.note(settle(w)));
    HOLDFAST_TRYV(folders_.seal(w.building_, digest()));
    w.file_.reset();
    return ok();
  }

  [[nodiscard]] result<reader> open(Generation g) const {
    HOLDFAST_TRYV(usable());
    HOLDFAST_TRYV(folders_.open(g, options_.verify_on_open));
    auto const path = path_of(g);
    // Immutable: no locks, no look for a journal; true, since nothing changes what is sealed.
    auto pool = std::make_shared<detail::SqlitePool>(detail::sqlite_uri(path, "immutable=1"),
                                                     options_.vfs, options_.reader_setup);
    SqliteReader opened{path, std::move(pool)};
    // The first connection is made now, so that what is no database is no reader either.
    HOLDFAST_TRY(lease, opened.connection());
    HOLDFAST_TRYV(detail::ask_sqlite(lease.handle(), "PRAGMA schema_version"));
    return opened;
  }
  [[nodiscard]] result<void> drop(Generation g) { return folders_.drop(g); }
  [[nodiscard]] result<std::vector<Generation>> generations() const {
    return folders_.generations();
  }
  /// What the outside name gives, if there is one.
  [[nodiscard]] result<std::optional<Generation>> published() const { return folders_.published(); }

  /// Points the symlink `home/name/current.sqlite3` (with the file's extension) at the database of
  /// g. `exists` while a journal beside either name would be taken for a part of it.
  [[nodiscard]] result<void> publish(Generation g) {
    auto const dot = options_.file.rfind('.');
    auto const extension = dot == std::string::npos ? std::string{} : options_.file.substr(dot);
    return folders_.publish(g, {.link = "current" + extension,
                                .inner = options_.file,
                                .beside = {"-wal", "-journal", "-shm"}});
  }
  [[nodiscard]] result<Space> space(Generation g) const { return folders_.space(g); }
  /// Says `names_and_sizes` if g was sealed without a digest.
  [[nodiscard]] result<Verified> verify(Generation g) const { return folders_.verify(g); }

 private:
  [[nodiscard]] Digest digest() const noexcept {
    return options_.verify_on_open ? Digest::read_back : options_.digest;
  }
  [[nodiscard]] std::string path_of(Generation g) const {
    return detail::join(folders_.path_of(g), options_.file);
  }
  [[nodiscard]] result<void> usable() const {
    HOLDFAST_TRYV(folders_.usable("use SQLite store"));
    auto const& file = options_.file;
    bool const plain = detail::is_relative_name(file) && file.find('/') == std::string::npos;
    if (plain && file != folders_.seal_name) return ok();
    return failure(errc::invalid, "SqliteOptions::file", file);
  }

  [[nodiscard]] result<writer> start(Building building, Open how) const {
    auto const path = detail::join(building.path, options_.file);
    // Made by us and empty, which is a valid database: SQLite creates no file on its own here.
    HOLDFAST_TRY(file, folders_.files().open(path, how));
    writer made{std::move(building), std::move(file)};
    HOLDFAST_TRY(
        db, detail::open_sqlite(detail::sqlite_uri(path, {}), SQLITE_OPEN_READWRITE, options_.vfs));
    made.db_ = std::move(db);
    auto* const handle = made.handle();
    if (options_.page_size != 0 && how == Open::create) {
      auto const wanted = std::to_string(options_.page_size);
      HOLDFAST_TRYV(detail::exec_sqlite(handle, "PRAGMA page_size=" + wanted));
      HOLDFAST_TRY(size, detail::ask_sqlite(handle, "PRAGMA page_size"));
      if (size != wanted) return failure(errc::invalid, "SqliteOptions::page_size", wanted);
    }
    // Seal syncs once, and a crash before it drops the whole file: nothing has to be synced on the
    // way. The journal stays in memory rather than off: without one, a statement that fails half
    // way, or a ROLLBACK, leaves a database that is silently corrupt.
    HOLDFAST_TRYV(detail::exec_sqlite(
        handle,
        "PRAGMA locking_mode=EXCLUSIVE; PRAGMA journal_mode=MEMORY; PRAGMA synchronous=OFF"));
    if (how == Open::create) {
      HOLDFAST_TRYV(detail::exec_sqlite(handle, options_.schema));
    }
    return made;
  }

  // From here on the file is all there is: no journal, no connection.
  [[nodiscard]] static result<void> close(writer& w) {
    auto* const db = w.handle();
    if (db == nullptr) return ok();  // closed by a seal that failed later
    if (auto* const statement = ::sqlite3_next_stmt(db, nullptr)) {
      return failure(errc::busy, "seal: a statement is not finalised", ::sqlite3_sql(statement));
    }
    if (::sqlite3_get_autocommit(db) == 0) {
      return failure(errc::invalid, "seal: a transaction is open", w.building_.path);
    }
    HOLDFAST_TRY(mode, detail::ask_sqlite(db, "PRAGMA journal_mode"));
    if (mode == "wal") {
      int const code =
          ::sqlite3_wal_checkpoint_v2(db, nullptr, SQLITE_CHECKPOINT_TRUNCATE, nullptr, nullptr);
      if (code != SQLITE_OK) return detail::sqlite_error(db, "seal: checkpoint");
    }
    HOLDFAST_TRY(now, detail::ask_sqlite(db, "PRAGMA journal_mode=DELETE"));
    if (now != "delete") return failure(errc::busy, "seal: journal_mode stays", now);
    if (::sqlite3_close(db) != SQLITE_OK) return detail::sqlite_error(db, "seal: close");
    static_cast<void>(w.db_.release());
    return ok();
  }

  // A connection of the caller's own may still be at work on the file.
  [[nodiscard]] result<void> check_companions(std::string const& folder) const {
    HOLDFAST_TRY(entries, folders_.files().list(folder));
    for (auto const& entry : entries) {
      for (auto const* suffix : {"-wal", "-journal", "-shm"}) {
        if (!entry.name.ends_with(suffix)) continue;
        return failure(errc::busy, "seal: a journal is left", detail::join(folder, entry.name));
      }
    }
    return ok();
  }

  // Syncs through the descriptor that saw every write, if the name still means that file.
  [[nodiscard]] result<void> settle(writer& w) const {
    auto const& fs = folders_.files();
    auto const path = detail::join(w.building_.path, options_.file);
    if (w.building_.known.contains(options_.file)) return ok();
    HOLDFAST_TRY(ours, fs.identity(*w.file_));
    HOLDFAST_TRY(named, fs.identity(path));
    if (ours != named) return failure(errc::foreign, "seal: the database was replaced", path);
    HOLDFAST_TRYV(fs.sync(*w.file_));
    HOLDFAST_TRY(size, fs.size(*w.file_));
    SealedFile sealed{options_.file, size, std::nullopt};
    if (digest() == Digest::read_back) {
      HOLDFAST_TRY(crc, detail::digest_file(fs, *w.file_, size, path));
      sealed.digest = crc;
    }
    w.building_.known.insert_or_assign(options_.file, sealed);
    return ok();
  }

  SealedDirectory<Fs> folders_;
  SqliteOptions options_;
};

/// On the real file system.
using SqliteStore = BasicSqliteStore<Posix>;
static_assert(publishing_store<SqliteStore> && placed_store<SqliteStore>);

HOLDFAST_END

#endif

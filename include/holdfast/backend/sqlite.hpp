// SPDX-License-Identifier: BSL-1.0
// A store of SQLite databases: each generation is one file, built without a journal's cost, then
// read as immutable by any number of threads, or updated in place through a log.
#ifndef HOLDFAST_BACKEND_SQLITE_HPP
#define HOLDFAST_BACKEND_SQLITE_HPP

#include <algorithm>
#include <cstddef>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "holdfast/backend/sealed_directory.hpp"
#include "holdfast/backend/sqlite_connection.hpp"
#include "holdfast/backend/sqlite_pool.hpp"
#include "holdfast/backend/sqlite_reader.hpp"
#include "holdfast/backend/sqlite_seal.hpp"
#include "holdfast/backend/sqlite_updates.hpp"
#include "holdfast/backend/sqlite_writer.hpp"
#include "holdfast/concepts.hpp"
#include "holdfast/config.hpp"
#include "holdfast/file_ops.hpp"
#include "holdfast/file_system.hpp"
#include "holdfast/guarantees.hpp"
#include "holdfast/ids.hpp"
#include "holdfast/posix.hpp"
#include "holdfast/result.hpp"
#include "holdfast/resume_concepts.hpp"
#include "holdfast/update_concepts.hpp"

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
  /// Whether what is sealed takes updates, through a log (WAL) that is synced at each. Then readers
  /// need permission to write to the folder of the generation: SQLite keeps files beside the log.
  bool updates = false;
  /// Whether a build can be noted and resumed. Then it goes through a log that is synced at each
  /// transaction: write large ones.
  bool resumable = false;
  /// How many connections a reader of what takes updates has from the start, all on one state;
  /// later ones are had only until the next update.
  std::size_t connections = 2;
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

  using batch_type = SqliteBatch;

  explicit BasicSqliteStore(std::string name, SqliteOptions options = {}, Fs fs = {})
      : folders_{std::move(name), std::move(fs), nullptr, is_log},
        options_{std::move(options)},
        updating_{std::make_unique<Updating>()} {}

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

  /// A new generation that begins as a copy of `from`; the schema is not run again. `invalid` once
  /// `from` has taken an update: `begin_as` copies one state of it.
  [[nodiscard]] result<writer> clone(Generation from, Generation g) {
    HOLDFAST_TRYV(usable());
    HOLDFAST_TRY(updates, folders_.updates(from));
    if (updates) return copy_state(from, *this, g);
    HOLDFAST_TRY(building, folders_.copy(folders_, from, g));
    return start(std::move(building), Open::write);
  }
  /// A new generation that begins as what this reader, of whatever store, shows.
  [[nodiscard]] result<writer> begin_as(reader const& shown, Generation g) {
    HOLDFAST_TRYV(usable());
    HOLDFAST_TRY(lease, shown.connection());
    HOLDFAST_TRY(building, folders_.create(g));
    return start(std::move(building), Open::create, lease.handle());
  }
  /// Makes the same generation, sealed, in another store. `invalid` once it has taken an update.
  [[nodiscard]] result<void> copy(Generation g, BasicSqliteStore& to) const {
    HOLDFAST_TRY(updates, folders_.updates(g));
    if (updates) {
      HOLDFAST_TRY(made, copy_state(g, to, g));
      made.building_.updates = true;
      return to.seal(made);
    }
    HOLDFAST_TRY(building, to.folders_.copy(folders_, g, g));
    return to.folders_.seal(building, to.digest());
  }

  /// `invalid` while a transaction is open, `busy` while a statement is not finalised: the writer
  /// is as it was. Once the connection is closed it can only be sealed again or dropped.
  [[nodiscard]] result<void> seal(writer& w) {
    if (w.building_.sealed) return ok();
    HOLDFAST_TRYV(w.building_.writable());
    HOLDFAST_TRYV(close(w));
    HOLDFAST_TRYV(detail::check_sqlite_companions(folders_.files(), w.building_.path));
    HOLDFAST_TRYV(w.building_.note(settle(w)));
    HOLDFAST_TRYV(folders_.seal(w.building_, digest()));
    w.file_.reset();
    return ok();
  }

  /// Ends the transaction that is open: its changes and the words are one. What is committed
  /// without a note may be there when the build is resumed.
  [[nodiscard]] result<void> note(writer& w, bytes_view words) {
    HOLDFAST_TRYV(w.building_.writable());
    if (!options_.resumable) return failure(errc::invalid, "note: SqliteOptions::resumable");
    if (w.handle() == nullptr) return failure(errc::spent, "note: a seal was begun", name());
    if (words.size() > detail::note_limit) return failure(errc::too_large, "note", name());
    HOLDFAST_TRYV(w.building_.note(detail::note_in_sqlite(w.handle(), words)));
    w.building_.noted.emplace(words.begin(), words.end());
    HOLDFAST_TRYV(w.building_.note(folders_.files().sync_directory(w.building_.path)));
    auto const root = detail::parent_of(w.building_.path);
    return w.building_.note(folders_.files().sync_directory(root));
  }
  [[nodiscard]] result<writer> resume(Generation g) {
    HOLDFAST_TRYV(usable());
    auto const folder = folders_.path_of(g);
    HOLDFAST_TRY(sealed, detail::is_there(folders_.files(), detail::join(folder, "SEAL")));
    if (sealed) return failure(errc::not_found, "resume: it was sealed", folder);
    HOLDFAST_TRYV(detail::rewrite_sqlite_log(folders_.files(), path_of(g)));
    HOLDFAST_TRY(made, start(Building{.generation = g, .path = folder}, Open::write));
    HOLDFAST_TRY(words, detail::note_of_sqlite(made.handle()));
    if (!words) return failure(errc::not_found, "resume: nothing was noted", folder);
    made.building_.noted = std::move(words);
    return made;
  }
  [[nodiscard]] std::vector<bytes> notes(writer const& w) const {
    return {w.building_.noted.value_or(bytes{})};
  }

  [[nodiscard]] result<reader> open(Generation g) const {
    HOLDFAST_TRYV(usable());
    HOLDFAST_TRY(seal, folders_.open(g, options_.verify_on_open));
    if (seal.updates) return open_state(g);
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
  [[nodiscard]] result<void> drop(Generation g) {
    {
      std::scoped_lock const lock{updating_->mutex};
      if (updating_->generation == g) updating_->now.reset();
    }
    return folders_.drop(g);
  }
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
  /// Says `names_and_sizes` if g was sealed without a digest, `identity` if it takes updates.
  [[nodiscard]] result<Verified> verify(Generation g) const { return folders_.verify(g); }

  /// Of the disk, sealed or not, with what updates added.
  [[nodiscard]] result<std::optional<std::uint64_t>> disk_bytes(Generation g) const {
    return detail::tree_size(folders_.files(), folders_.path_of(g));
  }
  [[nodiscard]] result<bool> updates(Generation g) const { return folders_.updates(g); }
  /// Has g taken an update?
  [[nodiscard]] result<bool> updated(Generation g) const { return folders_.updated(g); }
  /// `fenced` if another connection has written since; `poisoned` after a failed sync, until the
  /// store is opened again.
  [[nodiscard]] result<void> apply(Generation g, batch_type const& batch, Marks const& marks) {
    std::scoped_lock const lock{updating_->mutex};
    HOLDFAST_TRY(updates, begin(g));
    HOLDFAST_TRY(fresh, detail::is_fresh(updates->marks(), marks, name()));
    if (!fresh) return ok();
    auto applied = updates->apply(batch, marks);
    if (!applied && applied.error().code() == errc::sync_failed) updating_->poisoned = true;
    if (updates->is_lost()) updating_->now.reset();
    return applied;
  }
  [[nodiscard]] result<Marks> marks(Generation g) {
    std::scoped_lock const lock{updating_->mutex};
    HOLDFAST_TRY(updated, folders_.updated(g));
    if (updated) {
      HOLDFAST_TRY(updates, begin(g));
      return updates->marks();
    }
    if (updating_->generation != g) updating_->now.reset();  // it was about another
    return Marks{};
  }
  [[nodiscard]] std::optional<Marks> marks_of(reader const& from) const {
    return from.pool_->marks();
  }

 private:
  // What an object that updates keeps open: one generation at a time.
  struct Updating {
    std::mutex mutex;
    Generation generation;
    std::shared_ptr<detail::SqliteUpdates> now;
    bool poisoned = false;
  };
  [[nodiscard]] static bool is_log(std::string_view name) {
    return name.ends_with("-wal") || name.ends_with("-shm");
  }

  [[nodiscard]] std::shared_ptr<detail::SqlitePool> pool(std::string const& path) const {
    return std::make_shared<detail::SqlitePool>(detail::sqlite_uri(path, {}), options_.vfs,
                                                options_.reader_setup);
  }

  // The connection that updates g; UPDATED is durable before it can change anything.
  [[nodiscard]] result<std::shared_ptr<detail::SqliteUpdates>> begin(Generation g) {
    HOLDFAST_TRYV(usable());
    if (updating_->poisoned) return failure(errc::poisoned, "update", path_of(g));
    if (updating_->now && updating_->generation == g) return updating_->now;
    updating_->now.reset();
    HOLDFAST_TRYV(folders_.begin_updates(g));
    auto updates = std::make_shared<detail::SqliteUpdates>(pool(path_of(g)));
    HOLDFAST_TRYV(updates->open(path_of(g), options_.vfs));
    HOLDFAST_TRYV(noted(sync_log(g)));
    updating_->generation = g;
    updating_->now = updates;
    return updates;
  }

  // A sync that is tried again after it failed may pass with nothing written. The mutex is held.
  [[nodiscard]] result<void> noted(result<void> synced) const {
    if (!synced && synced.error().code() == errc::sync_failed) updating_->poisoned = true;
    return synced;
  }

  // What a process that was killed has committed may not be on the disk yet, and must not be told
  // before it is. The log is opened beside SQLite: it has no locks to lose.
  [[nodiscard]] result<void> sync_log(Generation g) const {
    auto const& fs = folders_.files();
    auto log = fs.open(path_of(g) + "-wal", Open::read);
    if (!log && log.error().code() == errc::not_found) return ok();
    HOLDFAST_TRYV(std::move(log));
    HOLDFAST_TRYV(fs.sync(log.assume_value()));
    return fs.sync_directory(folders_.path_of(g));
  }

  [[nodiscard]] result<reader> open_state(Generation g) const {
    auto const path = path_of(g);
    {
      std::scoped_lock const lock{updating_->mutex};
      if (updating_->now && updating_->generation == g) {
        HOLDFAST_TRY(own, updating_->now->state(options_.connections));
        return SqliteReader{path, std::move(own)};
      }
      if (updating_->poisoned) return failure(errc::poisoned, "open", path);
    }
    HOLDFAST_TRY(state, detail::SqlitePool::on_state(pool(path), options_.connections));
    auto const synced = sync_log(g);
    std::scoped_lock const lock{updating_->mutex};
    HOLDFAST_TRYV(noted(synced));
    return SqliteReader{path, std::move(state)};
  }

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

  // Through SQLite, which has the file open and would lose its locks if it were read beside it.
  [[nodiscard]] result<writer> copy_state(Generation from,
                                          BasicSqliteStore& to,
                                          Generation g) const {
    HOLDFAST_TRY(source, open(from));
    HOLDFAST_TRY(lease, source.connection());
    HOLDFAST_TRY(changed, folders_.updated(from));
    if (changed) return failure(errc::invalid, "copy: it has taken updates", path_of(from));
    HOLDFAST_TRY(building, to.folders_.create(g));
    HOLDFAST_TRY(made, to.start(std::move(building), Open::create, lease.handle()));
    return std::move(made);
  }
  [[nodiscard]] result<writer> start(Building building, Open how, sqlite3* from = nullptr) const {
    building.updates = options_.updates;
    auto const path = detail::join(building.path, options_.file);
    // Made by us and empty, which is a valid database: SQLite creates no file on its own here.
    HOLDFAST_TRY(file, folders_.files().open(path, how));
    writer made{std::move(building), std::move(file)};
    HOLDFAST_TRY(db,
                 detail::open_sqlite(detail::sqlite_uri(path, options_.resumable ? "psow=0" : ""),
                                     SQLITE_OPEN_READWRITE, options_.vfs));
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
    // One that can be resumed goes through a log whose every commit fills its last sector up.
    HOLDFAST_TRYV(detail::exec_sqlite(
        handle, options_.resumable ? "PRAGMA locking_mode=EXCLUSIVE; PRAGMA journal_mode=WAL; "
                                     "PRAGMA synchronous=FULL"
                                   : "PRAGMA locking_mode=EXCLUSIVE; PRAGMA journal_mode=MEMORY; "
                                     "PRAGMA synchronous=OFF"));
    if (from != nullptr) {
      HOLDFAST_TRYV(detail::copy_sqlite(from, handle));
      return made;
    }
    if (how == Open::create) {
      HOLDFAST_TRYV(detail::exec_sqlite(handle, options_.schema));
    }
    return made;
  }

  // From here on the file is all there is: no journal, no connection.
  [[nodiscard]] static result<void> close(writer& w) {
    auto* const db = w.handle();
    if (db == nullptr) return ok();  // closed by a seal that failed later
    HOLDFAST_TRYV(detail::close_sqlite_build(db, w.building_));
    static_cast<void>(w.db_.release());
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
  std::unique_ptr<Updating> updating_;
};

/// On the real file system.
using SqliteStore = BasicSqliteStore<Posix>;
static_assert(publishing_store<SqliteStore> && placed_store<SqliteStore> &&
              updatable_store<SqliteStore> && resuming_store<SqliteStore>);

HOLDFAST_END

#endif

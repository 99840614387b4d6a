// SPDX-License-Identifier: BSL-1.0
// A store of LMDB environments: each generation is one data file, built without syncs, then mapped
// by any number of threads.
#ifndef HOLDFAST_BACKEND_LMDB_HPP
#define HOLDFAST_BACKEND_LMDB_HPP

#include <lmdb.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "holdfast/backend/lmdb_build.hpp"
#include "holdfast/backend/lmdb_environment.hpp"
#include "holdfast/backend/sealed_directory.hpp"
#include "holdfast/concepts.hpp"
#include "holdfast/config.hpp"
#include "holdfast/file_ops.hpp"
#include "holdfast/file_system.hpp"
#include "holdfast/guarantees.hpp"
#include "holdfast/ids.hpp"
#include "holdfast/posix.hpp"
#include "holdfast/result.hpp"

HOLDFAST_BEGIN

/// How an `LmdbStore` makes and opens its environments.
struct LmdbOptions {
  unsigned max_dbs = 0;         ///< named databases that may be open at once
  unsigned database_flags = 0;  ///< of the database that has no name: MDB_INTEGERKEY ...
  /// Bytes that a build's own transactions may add; what `put` and `append` need comes on its own.
  std::size_t room = std::size_t{1} << 30;
  std::size_t batch = std::size_t{16} << 20;  ///< bytes of keys and values a transaction
  bool read_ahead = true;                     ///< false: MDB_NORDAHEAD, for data beyond the RAM
  bool verify_on_open = false;   ///< read the file against its digest, before the first view
  Digest digest = Digest::none;  ///< whether seal takes one; verify_on_open implies it
};

/// Builds an environment that nobody else sees. For one thread at a time.
template <file_system Fs>
class LmdbWriter {
 public:
  /// Replaces what the key had. An error other than of the arguments loses what was put before it:
  /// the build can then only be dropped.
  [[nodiscard]] result<void> put(std::string_view key, std::string_view value) {
    return write(key, value, 0);
  }
  /// For keys that come in strictly ascending order, after all that are there: several times faster
  /// than `put`. `invalid`, naming the key, for another one; it is then not written.
  [[nodiscard]] result<void> append(std::string_view key, std::string_view value) {
    return write(key, value, MDB_APPEND);
  }

  /// For transactions of the caller's own, one at a time; end each before the next call here. What
  /// was put before is committed. `LmdbOptions::room` is what they may add.
  [[nodiscard]] result<MDB_env*> environment() {
    HOLDFAST_TRYV(usable());
    HOLDFAST_TRYV(note(build_.rest()));
    start_writeback();
    return build_.environment();
  }
  /// The database that has no name.
  [[nodiscard]] MDB_dbi database() const noexcept { return build_.database(); }
  [[nodiscard]] Generation generation() const noexcept { return building_.generation; }

 private:
  template <file_system>
  friend class BasicLmdbStore;
  LmdbWriter(Fs fs, Building building, typename Fs::file file, detail::LmdbBuild build)
      : fs_{std::move(fs)},
        building_{std::move(building)},
        file_{std::move(file)},
        build_{std::move(build)} {}

  [[nodiscard]] result<void> usable() const {
    HOLDFAST_TRYV(building_.writable());
    if (build_.environment() == nullptr) return failure(errc::spent, "write", building_.path);
    return ok();
  }
  [[nodiscard]] result<void> write(std::string_view key, std::string_view value, unsigned flags) {
    if (building_.broken || build_.environment() == nullptr) return usable();
    auto const written = build_.write(key, value, flags);
    if (!written) return note(detail::failed(written));
    if (written.assume_value()) start_writeback();
    return ok();
  }
  // LMDB undoes a whole transaction, so whoever put what was in it must not seal the rest.
  [[nodiscard]] result<void> note(result<void> outcome) {
    if (!outcome && build_.lost()) building_.broken = outcome.error();
    return outcome;
  }
  // All that was committed so far: of a file that grows, the pages before are clean by now.
  void start_writeback() noexcept { detail::start_writeback(fs_, *file_, {0, 0}); }

  Fs fs_;
  Building building_;
  // Open from before the first write, so that its sync tells of every write that failed.
  std::optional<typename Fs::file> file_;
  detail::LmdbBuild build_;
};

/// Walks through a sealed database in the order of its keys. For one thread; must not outlive the
/// reader, which keeps what `key` and `value` show.
class LmdbCursor {
 public:
  LmdbCursor(LmdbCursor&& other) noexcept
      : transaction_{std::move(other.transaction_)},
        cursor_{std::exchange(other.cursor_, nullptr)},
        key_{other.key_},
        value_{other.value_} {}
  LmdbCursor& operator=(LmdbCursor&& other) noexcept {
    std::swap(transaction_, other.transaction_);
    std::swap(cursor_, other.cursor_);
    std::swap(key_, other.key_);
    std::swap(value_, other.value_);
    return *this;
  }
  ~LmdbCursor() {
    if (cursor_ != nullptr) ::mdb_cursor_close(cursor_);
  }

  /// Each answers whether there is one; `key` and `value` are then its own.
  [[nodiscard]] result<bool> first() { return move(MDB_FIRST); }
  [[nodiscard]] result<bool> last() { return move(MDB_LAST); }
  [[nodiscard]] result<bool> next() { return move(MDB_NEXT); }
  [[nodiscard]] result<bool> previous() { return move(MDB_PREV); }
  /// The first that is not before `key`.
  [[nodiscard]] result<bool> seek(std::string_view key) {
    key_ = detail::lmdb_value(key);
    return move(MDB_SET_RANGE);
  }
  [[nodiscard]] std::string_view key() const noexcept { return detail::lmdb_text(key_); }
  [[nodiscard]] std::string_view value() const noexcept { return detail::lmdb_text(value_); }

 private:
  friend class LmdbReader;
  explicit LmdbCursor(detail::LmdbTransactionHandle transaction)
      : transaction_{std::move(transaction)} {}
  [[nodiscard]] result<bool> move(MDB_cursor_op how) {
    int const code = ::mdb_cursor_get(cursor_, &key_, &value_, how);
    if (code == MDB_SUCCESS) return true;
    key_ = value_ = {};
    if (code == MDB_NOTFOUND) return false;
    return detail::lmdb_error(code, "move LMDB cursor");
  }

  detail::LmdbTransactionHandle transaction_;
  MDB_cursor* cursor_ = nullptr;
  MDB_val key_{};
  MDB_val value_{};
};

/// Reads a sealed environment; safe from many threads. It has no locks and no table of readers:
/// those keep a writer from pages in use, and nobody writes what is sealed. So one process may also
/// open it several times.
class LmdbReader {
 public:
  /// The value of a key, or `not_found`. Not copied: it is valid as long as this reader.
  [[nodiscard]] result<std::string_view> get(std::string_view key) const {
    HOLDFAST_TRY(transaction, detail::begin_lmdb(environment(), MDB_RDONLY));
    auto wanted = detail::lmdb_value(key);
    MDB_val value{};
    int const code = ::mdb_get(transaction.get(), database_, &wanted, &value);
    if (code == MDB_NOTFOUND) return failure(errc::not_found, "get", key, code);
    if (code != MDB_SUCCESS) return detail::lmdb_error(code, "get");
    return detail::lmdb_text(value);
  }
  /// A cursor at no key yet.
  [[nodiscard]] result<LmdbCursor> cursor() const {
    HOLDFAST_TRY(transaction, detail::begin_lmdb(environment(), MDB_RDONLY));
    LmdbCursor made{std::move(transaction)};
    auto* const raw = made.transaction_.get();
    HOLDFAST_TRYV(
        detail::lmdb_result(::mdb_cursor_open(raw, database_, &made.cursor_), "open LMDB cursor"));
    return made;
  }
  /// For read-only transactions of the caller's own. LMDB wants `mdb_dbi_open` from one thread at a
  /// time.
  [[nodiscard]] MDB_env* environment() const noexcept { return env_.get(); }
  /// The database that has no name.
  [[nodiscard]] MDB_dbi database() const noexcept { return database_; }

 private:
  template <file_system>
  friend class BasicLmdbStore;
  LmdbReader(detail::LmdbHandle env, MDB_dbi database)
      : env_{std::move(env)}, database_{database} {}
  detail::LmdbHandle env_;
  MDB_dbi database_;
};

/// Environments `home/name/0000000007/data.mdb`. LMDB has no checksums: a flipped bit reads back,
/// or ends the program, unless `verify_on_open` is asked for.
template <file_system Fs>
class BasicLmdbStore {
 public:
  using writer = LmdbWriter<Fs>;
  using reader = LmdbReader;
  static constexpr Guarantees guarantees{.durable = true,
                                         .fenced = false,
                                         .detects_damage = false,
                                         .lifetime = Lifetime::disk,
                                         .reach = Reach::host};

  explicit BasicLmdbStore(std::string name, LmdbOptions options = {}, Fs fs = {})
      : folders_{std::move(name), std::move(fs), is_lock}, options_{options} {}

  void place(std::string const& home) { folders_.place(home); }
  [[nodiscard]] std::string const& name() const noexcept { return folders_.name(); }

  [[nodiscard]] result<writer> create(Generation g) {
    HOLDFAST_TRY(building, folders_.create(g));
    auto made = start(std::move(building), Open::create);
    // Why it failed is what counts; what a failed drop leaves, the record of the attempt lists.
    if (!made) static_cast<void>(folders_.drop(g));
    return made;
  }

  /// A new generation that begins as a copy of `from`.
  [[nodiscard]] result<writer> clone(Generation from, Generation g) {
    HOLDFAST_TRY(building, folders_.copy(folders_, from, g));
    return start(std::move(building), Open::write);
  }
  /// Makes the same generation, sealed, in another store.
  [[nodiscard]] result<void> copy(Generation g, BasicLmdbStore& to) const {
    HOLDFAST_TRY(building, to.folders_.copy(folders_, g, g));
    return to.folders_.seal(building, to.digest());
  }

  /// `busy` while a transaction of the caller's is open: the writer is as it was. Once the
  /// environment is closed it can only be sealed again or dropped.
  [[nodiscard]] result<void> seal(writer& w) {
    if (w.building_.sealed) return ok();
    HOLDFAST_TRYV(w.building_.writable());
    if (w.build_.environment() != nullptr) {
      HOLDFAST_TRYV(w.note(w.build_.close()));
    }
    HOLDFAST_TRYV(w.building_.note(settle(w)));
    HOLDFAST_TRYV(folders_.seal(w.building_, digest()));
    w.file_.reset();
    return ok();
  }

  [[nodiscard]] result<reader> open(Generation g) const {
    HOLDFAST_TRYV(folders_.open(g, options_.verify_on_open));
    HOLDFAST_TRY(size, mappable_size(g));
    unsigned const flags = MDB_RDONLY | MDB_NOLOCK | MDB_NOTLS;
    HOLDFAST_TRY(env, detail::open_lmdb(folders_.path_of(g),
                                        options_.read_ahead ? flags : flags | MDB_NORDAHEAD,
                                        options_.max_dbs, size));
    HOLDFAST_TRY(transaction, detail::begin_lmdb(env.get(), MDB_RDONLY));
    HOLDFAST_TRY(database, detail::open_lmdb_main(transaction.get(), 0));
    // Committed, so that the handle stays.
    HOLDFAST_TRYV(detail::lmdb_result(::mdb_txn_commit(transaction.release()), "open LMDB"));
    return reader{std::move(env), database};
  }
  [[nodiscard]] result<void> drop(Generation g) { return folders_.drop(g); }
  [[nodiscard]] result<std::vector<Generation>> generations() const {
    return folders_.generations();
  }
  /// Points the symlink `home/name/current` at the folder of g. Others must open it read-only.
  [[nodiscard]] result<void> publish(Generation g) { return folders_.publish(g, {}); }
  [[nodiscard]] result<Space> space(Generation g) const { return folders_.space(g); }
  /// Says `names_and_sizes` if g was sealed without a digest.
  [[nodiscard]] result<Verified> verify(Generation g) const { return folders_.verify(g); }

 private:
  static constexpr char const* data_name = "data.mdb";

  // What other programs make while they read what was published is no data.
  [[nodiscard]] static bool is_lock(std::string_view name) { return name == "lock.mdb"; }

  [[nodiscard]] Digest digest() const noexcept {
    return options_.verify_on_open ? Digest::read_back : options_.digest;
  }

  [[nodiscard]] result<writer> start(Building building, Open how) const {
    // Made by us and empty, which LMDB takes for a new one.
    HOLDFAST_TRY(file, folders_.files().open(detail::join(building.path, data_name), how));
    HOLDFAST_TRY(build,
                 detail::LmdbBuild::open(building.path, options_.max_dbs, options_.database_flags,
                                         options_.room, options_.batch));
    return writer{folders_.files(), std::move(building), std::move(file), std::move(build)};
  }

  // The size to map is the file's own, so that no page number, however damaged, lies behind its
  // end.
  [[nodiscard]] result<std::size_t> mappable_size(Generation g) const {
    auto const& fs = folders_.files();
    auto const path = detail::join(folders_.path_of(g), data_name);
    HOLDFAST_TRY(file, fs.open(path, Open::read));
    HOLDFAST_TRY(extent, detail::measure_lmdb(fs, file, path));
    HOLDFAST_TRY(size, fs.size(file));
    if (size < extent.bytes) return failure(errc::damaged, "LMDB: shorter than it says", path);
    return static_cast<std::size_t>(size);
  }

  // Syncs through the descriptor that saw every write, if the name still means that file.
  [[nodiscard]] result<void> settle(writer& w) const {
    auto const& fs = folders_.files();
    auto const path = detail::join(w.building_.path, data_name);
    if (w.building_.known.contains(data_name)) return ok();
    HOLDFAST_TRY(ours, fs.identity(*w.file_));
    HOLDFAST_TRY(named, fs.identity(path));
    if (ours != named) return failure(errc::foreign, "seal: the data was replaced", path);
    // Pages that were given up at the end of a transaction are counted but never written.
    HOLDFAST_TRY(extent, detail::measure_lmdb(fs, *w.file_, path));
    HOLDFAST_TRY(written, fs.size(*w.file_));
    if (written < extent.bytes) {
      HOLDFAST_TRYV(fs.resize(*w.file_, extent.bytes));
    }
    HOLDFAST_TRYV(fs.sync(*w.file_));
    HOLDFAST_TRY(size, fs.size(*w.file_));
    SealedFile sealed{data_name, size, std::nullopt};
    if (digest() == Digest::read_back) {
      HOLDFAST_TRY(crc, detail::digest_file(fs, *w.file_, size, path));
      sealed.digest = crc;
    }
    w.building_.known.insert_or_assign(data_name, sealed);
    return ok();
  }

  SealedDirectory<Fs> folders_;
  LmdbOptions options_;
};

/// On the real file system.
using LmdbStore = BasicLmdbStore<Posix>;
static_assert(publishing_store<LmdbStore> && placed_store<LmdbStore>);

HOLDFAST_END

#endif

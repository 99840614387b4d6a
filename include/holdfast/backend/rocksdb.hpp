// SPDX-License-Identifier: BSL-1.0
// A store of RocksDB databases: each generation is one, built without a log, then read by any
// number of threads without a write to its folder, or updated in place.
#ifndef HOLDFAST_BACKEND_ROCKSDB_HPP
#define HOLDFAST_BACKEND_ROCKSDB_HPP

#include <rocksdb/db.h>
#include <rocksdb/iterator.h>
#include <rocksdb/options.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "holdfast/backend/rocksdb_copy.hpp"
#include "holdfast/backend/rocksdb_database.hpp"
#include "holdfast/backend/rocksdb_reader.hpp"
#include "holdfast/backend/rocksdb_updates.hpp"
#include "holdfast/backend/rocksdb_writer.hpp"
#include "holdfast/backend/sealed_directory.hpp"
#include "holdfast/concepts.hpp"
#include "holdfast/config.hpp"
#include "holdfast/file_ops.hpp"
#include "holdfast/file_system.hpp"
#include "holdfast/guarantees.hpp"
#include "holdfast/ids.hpp"
#include "holdfast/posix.hpp"
#include "holdfast/result.hpp"
#include "holdfast/update_concepts.hpp"

HOLDFAST_BEGIN

/// How a `RocksStore` makes and opens its databases.
struct RocksOptions {
  /// For the database and its default family. Comparators, merge operators, caches, environment and
  /// logger are used as they are; places outside the generation's folder are refused.
  rocksdb::Options options{};
  std::vector<rocksdb::ColumnFamilyDescriptor> families{};  ///< beside the default one
  /// Check every byte before the first view: by the digests of whole files, which it makes seal
  /// take; where a generation was sealed without, by the checksum of every block.
  bool verify_on_open = false;
  Digest digest = Digest::none;  ///< of whole files, at seal; RocksDB has its own checksums anyway
  /// Whether what is sealed takes updates: it has a family "holdfast.marks" then. Who updates it
  /// has it open for writing; other processes open the state that they find, read-only.
  bool updates = false;
};

/// Databases `home/name/0000000007/`.
template <file_system Fs>
class BasicRocksStore {
 public:
  using writer = RocksWriter<Fs>;
  using reader = RocksReader;
  using batch_type = rocksdb::WriteBatch;
  static constexpr Guarantees guarantees{.durable = true,
                                         .fenced = false,
                                         .detects_damage = true,
                                         .lifetime = Lifetime::disk,
                                         .reach = Reach::host};

  explicit BasicRocksStore(std::string name, RocksOptions options = {}, Fs fs = {})
      : folders_{std::move(name), std::move(fs), is_log},
        options_{std::move(options)},
        updating_{std::make_unique<detail::RocksUpdating>()} {
    auto& all = options_.options;
    if (!all.info_log && all.db_log_dir.empty()) {
      all.info_log = std::make_shared<detail::QuietLogger>();
    }
  }

  void place(std::string const& home) { folders_.place(home); }
  [[nodiscard]] std::string const& name() const noexcept { return folders_.name(); }

  [[nodiscard]] result<writer> create(Generation g) {
    HOLDFAST_TRYV(check_places());
    HOLDFAST_TRY(building, folders_.create(g));
    auto made = start(std::move(building), true);
    // Why it failed is what counts; what a failed drop leaves, the record of the attempt lists.
    if (!made) static_cast<void>(folders_.drop(g));
    return made;
  }

  /// A new generation that begins as a copy of `from`. Tables are never written twice, so they are
  /// shared until one of the two is dropped. `invalid` once `from` has taken an update.
  [[nodiscard]] result<writer> clone(Generation from, Generation g) {
    HOLDFAST_TRYV(check_places());
    HOLDFAST_TRY(building, folders_.copy(folders_, from, g, is_table));
    return start(std::move(building), false);
  }
  /// A new generation that begins as what this reader, of whatever store, shows.
  [[nodiscard]] result<writer> begin_as(reader const& shown, Generation g) {
    HOLDFAST_TRY(made, create(g));
    HOLDFAST_TRYV(detail::copy_rocks_state(made, shown));
    return std::move(made);
  }
  /// Makes the same generation, sealed, in another store. `invalid` once it has taken an update.
  [[nodiscard]] result<void> copy(Generation g, BasicRocksStore& to) const {
    HOLDFAST_TRY(building, to.folders_.copy(folders_, g, g));
    HOLDFAST_TRY(updates, folders_.updates(g));
    building.updates = updates;
    return to.folders_.seal(building, to.digest());
  }

  /// `busy` while a snapshot is held: the writer is as it was. Once the database is closed it can
  /// only be sealed again or dropped.
  [[nodiscard]] result<void> seal(writer& w) {
    if (w.building_.sealed) return ok();
    HOLDFAST_TRYV(w.building_.writable());
    if (w.build_->database.get() != nullptr) {
      HOLDFAST_TRYV(finish(w));
    }
    return folders_.seal(w.building_, digest());
  }

  [[nodiscard]] result<reader> open(Generation g) const {
    if (auto own = updating_->of(g)) return state_of(std::move(own));
    if (!options_.verify_on_open) {
      HOLDFAST_TRYV(folders_.open(g, false));
      return open_now(g);
    }
    // Before RocksDB looks: it believes a damaged footer that says there are no checksums, and may
    // end the program over what it then finds.
    HOLDFAST_TRY(updates, folders_.updates(g));
    // What takes updates is opened again at each refresh, while the updater waits: once is enough.
    if (updates && updating_->is_verified(g)) return open_now(g);
    HOLDFAST_TRY(verified, folders_.verify(g));
    HOLDFAST_TRY(opened, open_now(g));
    if (verified != Verified::digests) {
      HOLDFAST_TRYV(verify_checksums(opened));
    }
    if (updates) updating_->note_verified(g);
    return std::move(opened);
  }
  [[nodiscard]] result<void> drop(Generation g) {
    updating_->end(g);
    return folders_.drop(g);
  }
  [[nodiscard]] result<std::vector<Generation>> generations() const {
    return folders_.generations();
  }
  /// What the outside name gives, if there is one.
  [[nodiscard]] result<std::optional<Generation>> published() const { return folders_.published(); }
  /// Points the symlink `home/name/current` at the folder of g. Others must open it read-only.
  [[nodiscard]] result<void> publish(Generation g) { return folders_.publish(g, {}); }
  [[nodiscard]] result<Space> space(Generation g) const { return folders_.space(g); }
  /// By the digests of the SEAL if there are any, else by the checksums of every block.
  [[nodiscard]] result<Verified> verify(Generation g) const {
    HOLDFAST_TRY(verified, folders_.verify(g));
    if (verified == Verified::digests) return Verified::digests;
    HOLDFAST_TRY(opened, open_now(g));
    HOLDFAST_TRYV(verify_checksums(opened));
    return Verified::own_checksums;
  }

  /// Of the disk, sealed or not, with what updates added.
  [[nodiscard]] result<std::optional<std::uint64_t>> disk_bytes(Generation g) const {
    return detail::tree_size(folders_.files(), folders_.path_of(g));
  }
  [[nodiscard]] result<bool> updates(Generation g) const { return folders_.updates(g); }
  [[nodiscard]] result<bool> updated(Generation g) const { return folders_.updated(g); }
  /// A batch may name families by the handles of any reader of g. RocksDB tells a failed sync of
  /// its log as `io`; after a failed write it may refuse others until the store is opened again.
  [[nodiscard]] result<void> apply(Generation g, batch_type const& batch, Marks const& marks) {
    std::scoped_lock const lock{updating_->mutex};
    HOLDFAST_TRY(updates, begin(g));
    HOLDFAST_TRY(fresh, detail::is_fresh(updates->marks, marks, name()));
    if (!fresh) return ok();
    return updates->apply(batch, marks);
  }
  [[nodiscard]] result<Marks> marks(Generation g) {
    std::scoped_lock const lock{updating_->mutex};
    HOLDFAST_TRY(updated, folders_.updated(g));
    if (updated) {
      HOLDFAST_TRY(updates, begin(g));
      return updates->marks;
    }
    if (updating_->generation != g) updating_->now.reset();  // it was about another
    return Marks{};
  }
  [[nodiscard]] std::optional<Marks> marks_of(reader const& from) const { return from.marks_; }

 private:
  // The handle that updates g; UPDATED is durable before it can change anything. What a process
  // that was killed has written is made durable by opening it: the log goes into a table.
  [[nodiscard]] result<std::shared_ptr<detail::RocksUpdates>> begin(Generation g) {
    if (updating_->now && updating_->generation == g) return updating_->now;
    updating_->now.reset();
    HOLDFAST_TRYV(check_blobs());
    HOLDFAST_TRYV(folders_.begin_updates(g));
    auto updates = std::make_shared<detail::RocksUpdates>();
    updates->database = std::make_shared<detail::RocksDatabase>();
    HOLDFAST_TRYV(open_every(*updates->database, g, false));
    HOLDFAST_TRY(marks, detail::read_rocks_marks(*updates->database, {}));
    updates->marks = std::move(marks);
    updating_->generation = g;
    updating_->now = updates;
    return updates;
  }

  [[nodiscard]] static result<reader> state_of(std::shared_ptr<detail::RocksUpdates> own) {
    reader opened;
    opened.database_ = own->database;
    opened.state_ = detail::RocksState{own->database};
    HOLDFAST_TRY(marks, detail::read_rocks_marks(*own->database, opened.read_options()));
    opened.marks_ = std::move(marks);
    return opened;
  }

  // As it is now. Whoever updates it may take files away while they are being opened: then it is
  // opened again.
  [[nodiscard]] result<reader> open_now(Generation g) const {
    HOLDFAST_TRY(updates, folders_.updates(g));
    for (int attempt = 0;; ++attempt) {
      auto opened = open_checked(g);
      if (!updates) return opened;
      if (opened) {
        auto& found = opened.assume_value();
        HOLDFAST_TRY(marks, detail::read_rocks_marks(*found.database_, {}));
        HOLDFAST_TRYV(sync_logs(g));
        found.marks_ = std::move(marks);
        return opened;
      }
      HOLDFAST_TRY(updated, folders_.updated(g));
      if (!updated || attempt == 16) return opened;
    }
  }

  // What a process that was killed has written may not be on the disk yet, and must not be told
  // before it is.
  [[nodiscard]] result<void> sync_logs(Generation g) const {
    std::scoped_lock const lock{updating_->mutex};
    // A sync that is tried again after it failed may pass with nothing written.
    if (updating_->poisoned) return failure(errc::poisoned, "open", folders_.path_of(g));
    auto synced = sync_each_log(g);
    if (!synced && synced.error().code() == errc::sync_failed) updating_->poisoned = true;
    return synced;
  }
  [[nodiscard]] result<void> sync_each_log(Generation g) const {
    auto const& fs = folders_.files();
    HOLDFAST_TRY(entries, fs.list(folders_.path_of(g)));
    bool any = false;
    for (auto const& entry : entries) {
      if (!entry.name.ends_with(".log")) continue;
      auto log = fs.open(detail::join(folders_.path_of(g), entry.name), Open::read);
      if (!log && log.error().code() == errc::not_found) continue;  // it is in a table by now
      HOLDFAST_TRYV(std::move(log));
      HOLDFAST_TRYV(fs.sync(log.assume_value()));
      any = true;
    }
    return any ? fs.sync_directory(folders_.path_of(g)) : result<void>{ok()};
  }

  // What other programs log while they read what was published is no data.
  [[nodiscard]] static bool is_log(std::string_view name) {
    return name == "LOG" || name.starts_with("LOG.old.");
  }

  [[nodiscard]] Digest digest() const noexcept {
    return options_.verify_on_open ? Digest::read_back : options_.digest;
  }
  [[nodiscard]] static bool is_table(std::string_view name) { return name.ends_with(".sst"); }

  [[nodiscard]] result<void> check_places() const {
    auto const& all = options_.options;
    auto const& families = options_.families;
    bool const elsewhere = !all.db_paths.empty() || !all.cf_paths.empty() || !all.wal_dir.empty() ||
                           std::any_of(families.begin(), families.end(), [](auto const& family) {
                             return !family.options.cf_paths.empty();
                           });
    if (elsewhere) {
      return failure(errc::invalid, "RocksOptions: a path outside the generation", name());
    }
    return options_.updates ? check_blobs() : result<void>{ok()};
  }
  // RocksDB opens them at their first use: a reader would miss one that the updater took away.
  [[nodiscard]] result<void> check_blobs() const {
    auto const& families = options_.families;
    bool const blobs = options_.options.enable_blob_files ||
                       std::any_of(families.begin(), families.end(), [](auto const& family) {
                         return family.options.enable_blob_files;
                       });
    if (!blobs) return ok();
    return failure(errc::invalid, "RocksOptions: blob files of what takes updates", name());
  }

  // Whatever the caller's options: its keys are ordered by their bytes, and are never merged.
  [[nodiscard]] static rocksdb::ColumnFamilyDescriptor marks_family() {
    return {detail::rocks_marks_family, rocksdb::ColumnFamilyOptions{}};
  }

  [[nodiscard]] result<writer> start(Building building, bool fresh) const {
    building.updates = options_.updates;
    auto options = options_.options;
    options.create_if_missing = fresh;
    options.create_missing_column_families = true;
    options.error_if_exists = fresh;
    options.avoid_flush_during_shutdown = true;  // seal flushes; what is discarded needs no flush
    std::vector<std::string> names;
    if (!fresh) {
      auto const status = rocksdb::DB::ListColumnFamilies(options, building.path, &names);
      if (!status.ok()) return detail::rocks_error(status, "list column families");
    }
    // Table files are on their way to the disk while they are written: less to wait for in seal.
    if (options.bytes_per_sync == 0) options.bytes_per_sync = std::uint64_t{8} << 20;
    detail::RocksDatabase::Families families{{rocksdb::kDefaultColumnFamilyName, options}};
    for (auto const& family : options_.families) {
      std::erase(names, family.name);
      if (family.name == rocksdb::kDefaultColumnFamilyName) {
        families.front() = family;
      } else {
        families.push_back(family);
      }
    }
    std::erase(names, rocksdb::kDefaultColumnFamilyName);
    if (std::erase(names, detail::rocks_marks_family) != 0 || options_.updates) {
      families.push_back(marks_family());
    }
    for (auto const& family : names) families.emplace_back(family, options);
    writer made{std::move(building)};
    HOLDFAST_TRYV(made.build_->database.open(options, made.building_.path, families, false));
    return made;
  }

  // From here on the folder is all there is: nothing in memory, no bulk beside, no lock.
  [[nodiscard]] static result<void> finish(writer& w) {
    auto& database = w.build_->database;
    auto& bulks = w.build_->bulks;
    if (w.building_.updates) {
      HOLDFAST_TRYV(detail::clear_rocks_marks(database));
    }
    HOLDFAST_TRYV(database.flush());
    for (auto const& bulk : bulks) {
      HOLDFAST_TRYV(bulk->ingest());
    }
    auto const closed = database.close();
    if (!closed && closed.error().code() != errc::busy) w.building_.broken = closed.error();
    if (!closed) return detail::failed(closed);
    for (auto const& bulk : bulks) bulk->end();
    return ok();
  }

  // Every family that is there, each with the options it is known by.
  [[nodiscard]] result<reader> open_checked(Generation g) const {
    reader opened;
    HOLDFAST_TRYV(open_every(*opened.database_, g, true));
    return opened;
  }
  [[nodiscard]] result<void> open_every(detail::RocksDatabase& database,
                                        Generation g,
                                        bool read_only) const {
    auto options = options_.options;
    // Every file is held open from the start: one dropped underneath can still be read.
    if (read_only) options.max_open_files = -1;
    // What a log holds is durable only once it is in a table: its marks are told after this.
    if (!read_only) options.avoid_flush_during_recovery = false;
    auto const path = folders_.path_of(g);
    std::vector<std::string> names;
    auto const status = rocksdb::DB::ListColumnFamilies(options, path, &names);
    if (!status.ok()) return detail::rocks_error(status, "list column families");
    detail::RocksDatabase::Families families;
    for (auto const& family : names) {
      if (family == detail::rocks_marks_family) {
        families.push_back(marks_family());
        continue;
      }
      auto const known =
          std::find_if(options_.families.begin(), options_.families.end(),
                       [&](auto const& descriptor) { return descriptor.name == family; });
      families.push_back(known != options_.families.end()
                             ? *known
                             : rocksdb::ColumnFamilyDescriptor{family, options});
    }
    return database.open(options, path, families, read_only);
  }

  [[nodiscard]] static result<void> verify_checksums(reader const& opened) {
    auto const status = opened.db().VerifyChecksum({});
    if (!status.ok()) return detail::rocks_error(status, "verify checksums");
    return ok();
  }

  SealedDirectory<Fs> folders_;
  RocksOptions options_;
  std::unique_ptr<detail::RocksUpdating> updating_;
};

/// On the real file system.
using RocksStore = BasicRocksStore<Posix>;
static_assert(publishing_store<RocksStore> && placed_store<RocksStore> &&
              updatable_store<RocksStore>);

HOLDFAST_END

#endif

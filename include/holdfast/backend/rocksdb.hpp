// SPDX-License-Identifier: BSL-1.0
// A store of RocksDB databases: each generation is one, built without a log, then read by any
// number of threads without a write to its folder.
#ifndef HOLDFAST_BACKEND_ROCKSDB_HPP
#define HOLDFAST_BACKEND_ROCKSDB_HPP

#include <rocksdb/db.h>
#include <rocksdb/iterator.h>
#include <rocksdb/options.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "holdfast/backend/rocksdb_bulk.hpp"
#include "holdfast/backend/rocksdb_database.hpp"
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
};

namespace detail {
// Stays where it is while the writer moves. Bulks go before the database they write for.
struct RocksBuild {
  RocksDatabase database;
  std::vector<std::unique_ptr<RocksBulk>> bulks;
};
}  // namespace detail

/// Builds a database that nobody else sees.
template <file_system Fs>
class RocksWriter {
 public:
  /// The database, until it is sealed; a closed one ends the program. It has no log to recover
  /// from: write with `disableWAL`. Release snapshots, iterators and handles of your own families
  /// before seal.
  [[nodiscard]] rocksdb::DB& db() const noexcept { return *build_->database.get(); }
  /// The handle of a family by its name; the database's own is "default".
  [[nodiscard]] result<rocksdb::ColumnFamilyHandle*> family(std::string_view name) const {
    return build_->database.family(name);
  }

  [[nodiscard]] result<void> put(std::string_view key, std::string_view value) {
    if (build_->database.get() == nullptr) return usable();
    return put(db().DefaultColumnFamily(), key, value);
  }
  [[nodiscard]] result<void> put(rocksdb::ColumnFamilyHandle* family,
                                 std::string_view key,
                                 std::string_view value) {
    if (build_->database.get() == nullptr || building_.broken) return usable();
    auto const status = db().Put(unlogged_, family, detail::slice(key), detail::slice(value));
    if (!status.ok()) return detail::rocks_error(status, "put");
    return ok();
  }

  /// For keys that come in order: several times faster than `put`. The bulk belongs to the writer.
  [[nodiscard]] result<RocksBulk*> sorted_bulk(
      std::string_view family = rocksdb::kDefaultColumnFamilyName) {
    HOLDFAST_TRYV(usable());
    HOLDFAST_TRY(handle, build_->database.family(family));
    auto prefix =
        detail::join(building_.path, "bulk-" + std::to_string(build_->bulks.size()) + "-");
    build_->bulks.push_back(std::make_unique<RocksBulk>(db(), *handle, std::move(prefix)));
    return build_->bulks.back().get();
  }
  [[nodiscard]] Generation generation() const noexcept { return building_.generation; }

 private:
  template <file_system>
  friend class BasicRocksStore;
  explicit RocksWriter(Building building)
      : building_{std::move(building)}, build_{std::make_unique<detail::RocksBuild>()} {
    unlogged_.disableWAL = true;
  }
  [[nodiscard]] result<void> usable() const {
    HOLDFAST_TRYV(building_.writable());
    if (build_->database.get() == nullptr) return failure(errc::spent, "write", building_.path);
    return ok();
  }

  Building building_;
  std::unique_ptr<detail::RocksBuild> build_;
  rocksdb::WriteOptions unlogged_;
};

/// Reads a sealed database; safe from many threads.
class RocksReader {
 public:
  [[nodiscard]] rocksdb::DB& db() const noexcept { return *database_->get(); }
  /// The handle of a family by its name; every family of the database is open.
  [[nodiscard]] result<rocksdb::ColumnFamilyHandle*> family(std::string_view name) const {
    return database_->family(name);
  }
  [[nodiscard]] std::vector<std::string> families() const { return database_->families(); }

  /// The value of a key in the default family, or `not_found`.
  [[nodiscard]] result<std::string> get(std::string_view key) const {
    return get(db().DefaultColumnFamily(), key);
  }
  [[nodiscard]] result<std::string> get(rocksdb::ColumnFamilyHandle* family,
                                        std::string_view key) const {
    std::string value;
    auto const status = db().Get({}, family, detail::slice(key), &value);
    if (status.IsNotFound()) return failure(errc::not_found, "get", key);
    if (!status.ok()) return detail::rocks_error(status, "get");
    return value;
  }
  /// Over the default family, in key order; must not outlive the reader.
  [[nodiscard]] std::unique_ptr<rocksdb::Iterator> iterator() const {
    return iterator(db().DefaultColumnFamily());
  }
  [[nodiscard]] std::unique_ptr<rocksdb::Iterator> iterator(
      rocksdb::ColumnFamilyHandle* family) const {
    return std::unique_ptr<rocksdb::Iterator>{db().NewIterator({}, family)};
  }

 private:
  template <file_system>
  friend class BasicRocksStore;
  RocksReader() : database_{std::make_unique<detail::RocksDatabase>()} {}
  std::unique_ptr<detail::RocksDatabase> database_;
};

/// Databases `home/name/0000000007/`.
template <file_system Fs>
class BasicRocksStore {
 public:
  using writer = RocksWriter<Fs>;
  using reader = RocksReader;
  static constexpr Guarantees guarantees{.durable = true,
                                         .fenced = false,
                                         .detects_damage = true,
                                         .lifetime = Lifetime::disk,
                                         .reach = Reach::host};

  explicit BasicRocksStore(std::string name, RocksOptions options = {}, Fs fs = {})
      : folders_{std::move(name), std::move(fs), is_log}, options_{std::move(options)} {
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
  /// shared until one of the two is dropped.
  [[nodiscard]] result<writer> clone(Generation from, Generation g) {
    HOLDFAST_TRYV(check_places());
    HOLDFAST_TRY(building, folders_.copy(folders_, from, g, is_table));
    return start(std::move(building), false);
  }
  /// Makes the same generation, sealed, in another store.
  [[nodiscard]] result<void> copy(Generation g, BasicRocksStore& to) const {
    HOLDFAST_TRY(building, to.folders_.copy(folders_, g, g));
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
    if (!options_.verify_on_open) {
      HOLDFAST_TRYV(folders_.open(g, false));
      return open_checked(g);
    }
    // Before RocksDB looks: it believes a damaged footer that says there are no checksums, and may
    // end the program over what it then finds.
    HOLDFAST_TRY(verified, folders_.verify(g));
    HOLDFAST_TRY(opened, open_checked(g));
    if (verified != Verified::digests) {
      HOLDFAST_TRYV(verify_checksums(opened));
    }
    return std::move(opened);
  }
  [[nodiscard]] result<void> drop(Generation g) { return folders_.drop(g); }
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
    HOLDFAST_TRY(opened, open_checked(g));
    HOLDFAST_TRYV(verify_checksums(opened));
    return Verified::own_checksums;
  }

 private:
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
    if (!elsewhere) return ok();
    return failure(errc::invalid, "RocksOptions: a path outside the generation", name());
  }

  [[nodiscard]] result<writer> start(Building building, bool fresh) const {
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
    for (auto const& family : names) families.emplace_back(family, options);
    writer made{std::move(building)};
    HOLDFAST_TRYV(made.build_->database.open(options, made.building_.path, families, false));
    return made;
  }

  // From here on the folder is all there is: nothing in memory, no bulk beside, no lock.
  [[nodiscard]] static result<void> finish(writer& w) {
    auto& [database, bulks] = *w.build_;
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
    auto options = options_.options;
    // Every file is held open from the start: one dropped underneath can still be read.
    options.max_open_files = -1;
    auto const path = folders_.path_of(g);
    std::vector<std::string> names;
    auto const status = rocksdb::DB::ListColumnFamilies(options, path, &names);
    if (!status.ok()) return detail::rocks_error(status, "list column families");
    detail::RocksDatabase::Families families;
    for (auto const& family : names) {
      auto const known =
          std::find_if(options_.families.begin(), options_.families.end(),
                       [&](auto const& descriptor) { return descriptor.name == family; });
      families.push_back(known != options_.families.end()
                             ? *known
                             : rocksdb::ColumnFamilyDescriptor{family, options});
    }
    reader opened;
    HOLDFAST_TRYV(opened.database_->open(options, path, families, true));
    return opened;
  }

  [[nodiscard]] static result<void> verify_checksums(reader const& opened) {
    auto const status = opened.db().VerifyChecksum({});
    if (!status.ok()) return detail::rocks_error(status, "verify checksums");
    return ok();
  }

  SealedDirectory<Fs> folders_;
  RocksOptions options_;
};

/// On the real file system.
using RocksStore = BasicRocksStore<Posix>;
static_assert(publishing_store<RocksStore> && placed_store<RocksStore>);

HOLDFAST_END

#endif

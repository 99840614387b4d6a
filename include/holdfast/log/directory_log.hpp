// SPDX-License-Identifier: BSL-1.0
// A store of logs: each generation is a whole log, so that `Staged` can switch a compacted one in.
//
// home/name/0000000007/00000000000000000000.seg  ... the segments, with their indexes
// home/name/0000000007/SEAL                      their names, sizes and digests
//
// A generation is written like any log and sealed like any directory. What only an open log needs
// (its lock, its points) is gone before the SEAL is made. Readers recover nothing: what is sealed
// is whole, or it is damaged.
#ifndef HOLDFAST_LOG_DIRECTORY_LOG_HPP
#define HOLDFAST_LOG_DIRECTORY_LOG_HPP

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "holdfast/backend/building.hpp"
#include "holdfast/backend/seal_format.hpp"
#include "holdfast/backend/sealed_directory.hpp"
#include "holdfast/bytes.hpp"
#include "holdfast/concepts.hpp"
#include "holdfast/config.hpp"
#include "holdfast/file_ops.hpp"
#include "holdfast/file_system.hpp"
#include "holdfast/guarantees.hpp"
#include "holdfast/ids.hpp"
#include "holdfast/log/index.hpp"
#include "holdfast/log/options.hpp"
#include "holdfast/log/records.hpp"
#include "holdfast/log/state.hpp"
#include "holdfast/log/survey.hpp"
#include "holdfast/posix.hpp"
#include "holdfast/recoverable.hpp"
#include "holdfast/result.hpp"
#include "holdfast/world.hpp"

HOLDFAST_BEGIN

struct DirectoryLogOptions {
  std::uint64_t segment_size = std::uint64_t{64} << 20;  ///< bytes after which a segment is sealed
  std::uint64_t first_sequence = 0;  ///< of a new generation: the number of its first record
  std::uint32_t index_every = 0;     ///< `seal` makes indexes, one entry for so many records
  bool verify_on_open = false;       ///< read every file against its digest, before the first view
};

/// Appends to a generation that nobody sees yet. One thread at a time. `spent` once it is sealed.
template <file_system Fs, world W>
class DirectoryLogWriter {
 public:
  using State = detail::LogState<Fs, Recovery::cut, W>;
  DirectoryLogWriter(Building building, std::unique_ptr<State> log)
      : building_{std::move(building)}, fs_{log->fs}, log_{std::move(log)} {}

  /// One record, with the next number. Durable with the seal.
  [[nodiscard]] result<Record> append(bytes_view payload) {
    HOLDFAST_TRYV(writable());
    HOLDFAST_TRYV(building_.note(log_->roll_if_full()));
    return building_.note(log_->active->append(payload));
  }
  /// Seals the segment that is written, and begins the next one.
  [[nodiscard]] result<void> roll() {
    HOLDFAST_TRYV(writable());
    return building_.note(log_->roll());
  }
  /// The number that the next record gets.
  [[nodiscard]] std::uint64_t next_sequence() const {
    return log_ && log_->active ? log_->active->tail().next_sequence : 0;
  }
  [[nodiscard]] Generation generation() const noexcept { return building_.generation; }
  [[nodiscard]] Building& building() noexcept { return building_; }

  /// Makes it durable and lets go of its files; again is a success. For `seal`.
  [[nodiscard]] result<void> close(std::uint32_t index_every) {
    if (log_) {
      HOLDFAST_TRYV(building_.writable());
      HOLDFAST_TRYV(log_->check());
      HOLDFAST_TRYV(building_.note(log_->active->close()));
      if (index_every != 0) {
        HOLDFAST_TRYV(building_.note(log_->index({.every = index_every})));
      }
      log_.reset();
    }
    return remove_what_only_an_open_log_needs();
  }

 private:
  // Also where a seal failed after the log was let go of.
  [[nodiscard]] result<void> writable() const {
    HOLDFAST_TRYV(building_.writable());
    if (!log_) return failure(errc::spent, "append to log", building_.path);
    return log_->check();
  }
  // Again if it failed half-way: what is left of it would be sealed with the rest.
  [[nodiscard]] result<void> remove_what_only_an_open_log_needs() {
    HOLDFAST_TRY(entries, fs_.list(building_.path));
    for (auto const& entry : entries) {
      if (entry.name != "LOCK" && !entry.name.ends_with(".point")) continue;
      HOLDFAST_TRYV(detail::remove_if_there(fs_, detail::join(building_.path, entry.name)));
    }
    return ok();
  }

  Building building_;
  Fs fs_;
  std::unique_ptr<State> log_;
};

/// Reads a sealed generation; safe from many threads.
template <file_system Fs>
class DirectoryLogReader {
 public:
  DirectoryLogReader(Fs fs, std::string path, Seal const& seal)
      : fs_{std::move(fs)}, path_{std::move(path)}, generation_{seal.generation} {
    for (auto const& file : seal.files) {
      auto const base = detail::base_of(file.name);
      if (!base) continue;
      bool const indexed =
          seal.find(detail::index::path_of(file.name, IndexKind::sequence)) != nullptr;
      parts_.push_back({.base = *base, .end = file.size, .indexed = indexed});
    }
  }

  /// The records, each checked again: damage is the last element.
  [[nodiscard]] LogRecords<Fs> records(From const& first = {}) const {
    return {fs_, path_, parts_, first};
  }
  [[nodiscard]] std::size_t segments() const noexcept { return parts_.size(); }
  [[nodiscard]] std::string const& path() const noexcept { return path_; }
  [[nodiscard]] Generation generation() const noexcept { return generation_; }

 private:
  Fs fs_;
  std::string path_;
  Generation generation_;
  std::vector<detail::LogPart> parts_{};  // ascending, as the names in a SEAL are
};

/// Logs, `home/name/0000000007/...`. A writer appends records, a reader gives them back, checked.
template <file_system Fs, world W = Native>
class BasicDirectoryLog {
 public:
  using writer = DirectoryLogWriter<Fs, W>;
  using reader = DirectoryLogReader<Fs>;
  static constexpr Guarantees guarantees{.durable = true,
                                         .fenced = false,
                                         .detects_damage = true,
                                         .lifetime = Lifetime::disk,
                                         .reach = Reach::host};

  explicit BasicDirectoryLog(std::string name,
                             DirectoryLogOptions options = {},
                             Fs fs = {},
                             W w = {})
      : folders_{std::move(name), std::move(fs)}, options_{options}, world_{std::move(w)} {}

  void place(std::string const& home) { folders_.place(home); }
  [[nodiscard]] std::string const& name() const noexcept { return folders_.name(); }

  [[nodiscard]] result<writer> create(Generation g) {
    HOLDFAST_TRY(building, folders_.create(g));
    return write(std::move(building));
  }
  /// A new generation that begins as a copy of `from`: what is appended follows its last record.
  [[nodiscard]] result<writer> clone(Generation from, Generation g) {
    HOLDFAST_TRY(building, folders_.copy(folders_, from, g));
    return write(std::move(building));
  }
  /// Makes the same generation, sealed, in another store.
  [[nodiscard]] result<void> copy(Generation g, BasicDirectoryLog& to) const {
    HOLDFAST_TRY(building, to.folders_.copy(folders_, g, g));
    return to.folders_.seal(building, Digest::read_back);
  }
  [[nodiscard]] result<void> seal(writer& w) {
    if (w.building().sealed) return ok();
    HOLDFAST_TRYV(w.close(options_.index_every));
    return folders_.seal(w.building(), Digest::read_back);
  }
  [[nodiscard]] result<reader> open(Generation g) const {
    HOLDFAST_TRY(seal, folders_.open(g, options_.verify_on_open));
    return reader{folders_.files(), folders_.path_of(g), seal};
  }
  [[nodiscard]] result<void> drop(Generation g) { return folders_.drop(g); }
  [[nodiscard]] result<std::vector<Generation>> generations() const {
    return folders_.generations();
  }
  [[nodiscard]] result<std::optional<Generation>> published() const { return folders_.published(); }
  /// Points the symlink `home/name/current` at the folder of g.
  [[nodiscard]] result<void> publish(Generation g) { return folders_.publish(g, {}); }
  [[nodiscard]] result<Space> space(Generation g) const { return folders_.space(g); }
  [[nodiscard]] result<Verified> verify(Generation g) const { return folders_.verify(g); }

 private:
  [[nodiscard]] result<writer> write(Building building) {
    LogOptions const options{.segment_size = options_.segment_size,
                             .first_sequence = options_.first_sequence};
    auto log =
        std::make_unique<typename writer::State>(building.path, options, folders_.files(), world_);
    HOLDFAST_TRYV(log->open());
    return writer{std::move(building), std::move(log)};
  }

  SealedDirectory<Fs> folders_;
  DirectoryLogOptions options_;
  W world_;
};

/// On the real file system.
using DirectoryLog = BasicDirectoryLog<Posix>;
static_assert(publishing_store<DirectoryLog> && placed_store<DirectoryLog>);
static_assert(cloning_store<DirectoryLog> && copying_store<DirectoryLog>);

HOLDFAST_END

#endif

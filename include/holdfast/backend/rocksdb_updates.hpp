// SPDX-License-Identifier: BSL-1.0
// Updates a RocksDB in place: each batch and its marks are one synced write; readers have
// snapshots.
#ifndef HOLDFAST_BACKEND_ROCKSDB_UPDATES_HPP
#define HOLDFAST_BACKEND_ROCKSDB_UPDATES_HPP

#include <rocksdb/db.h>
#include <rocksdb/iterator.h>
#include <rocksdb/options.h>
#include <rocksdb/snapshot.h>
#include <rocksdb/write_batch.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "holdfast/backend/rocksdb_database.hpp"
#include "holdfast/bytes.hpp"
#include "holdfast/config.hpp"
#include "holdfast/detail/update_marks.hpp"
#include "holdfast/ids.hpp"
#include "holdfast/result.hpp"

HOLDFAST_BEGIN

namespace detail {
/// The family of holdfast's own, in databases that take updates: a mark each, its eight bytes in
/// little-endian order.
inline constexpr char const* rocks_marks_family = "holdfast.marks";

/// A state of a database that goes on to be written. Null: it can't be written, and is the state.
class RocksState {
 public:
  RocksState() = default;
  explicit RocksState(std::shared_ptr<RocksDatabase> database)
      : database_{std::move(database)}, snapshot_{database_->get()->GetSnapshot()} {}
  RocksState(RocksState&& other) noexcept
      : database_{std::move(other.database_)}, snapshot_{std::exchange(other.snapshot_, nullptr)} {}
  RocksState& operator=(RocksState&& other) noexcept {
    std::swap(database_, other.database_);
    std::swap(snapshot_, other.snapshot_);
    return *this;
  }
  ~RocksState() {
    if (snapshot_ != nullptr) database_->get()->ReleaseSnapshot(snapshot_);
  }

  [[nodiscard]] rocksdb::ReadOptions options() const {
    rocksdb::ReadOptions options;
    options.snapshot = snapshot_;
    return options;
  }

 private:
  std::shared_ptr<RocksDatabase> database_;  // closed after its last snapshot
  rocksdb::Snapshot const* snapshot_ = nullptr;
};

[[nodiscard]] inline result<Marks> read_rocks_marks(RocksDatabase const& database,
                                                    rocksdb::ReadOptions const& options) {
  Marks marks;
  HOLDFAST_TRY(family, database.family(rocks_marks_family));
  std::unique_ptr<rocksdb::Iterator> const at{database.get()->NewIterator(options, family)};
  for (at->SeekToFirst(); at->Valid(); at->Next()) {
    auto const value = at->value();
    if (value.size() != sizeof(std::uint64_t)) {
      return failure(errc::damaged, "read marks", at->key().ToStringView());
    }
    marks.insert_or_assign(at->key().ToString(),
                           get_le<std::uint64_t>(as_bytes(value.ToStringView()), 0));
  }
  if (!at->status().ok()) return rocks_error(at->status(), "read marks");
  return marks;
}

/// A build that took over a database with marks in it has none of its own.
[[nodiscard]] inline result<void> clear_rocks_marks(RocksDatabase const& database) {
  HOLDFAST_TRY(found, read_rocks_marks(database, {}));
  HOLDFAST_TRY(family, database.family(rocks_marks_family));
  rocksdb::WriteOptions unlogged;
  unlogged.disableWAL = true;
  for (auto const& [name, value] : found) {
    auto const gone = database.get()->Delete(unlogged, family, slice(name));
    if (!gone.ok()) return rocks_error(gone, "clear marks");
  }
  return ok();
}

/// The one handle that writes to a database; readers of this process have snapshots of it.
struct RocksUpdates {
  std::shared_ptr<RocksDatabase> database;
  Marks marks{};

  [[nodiscard]] result<void> apply(rocksdb::WriteBatch const& batch, Marks const& update) {
    HOLDFAST_TRY(family, database->family(rocks_marks_family));
    rocksdb::WriteBatch whole{batch};
    for (auto const& [name, value] : update) {
      std::byte raw[sizeof value];
      put_le(bytes_span{raw}, 0, value);
      auto const put = whole.Put(family, slice(name), slice(as_text(bytes_view{raw})));
      if (!put.ok()) return rocks_error(put, "apply");
    }
    rocksdb::WriteOptions synced;
    synced.sync = true;
    auto next = merged(marks, update);
    auto const written = database->get()->Write(synced, &whole);
    if (written.ok()) {
      marks = std::move(next);
      return ok();
    }
    // What a write that failed half way left is known to the database alone.
    HOLDFAST_TRY(found, read_rocks_marks(*database, {}));
    marks = std::move(found);
    return rocks_error(written, "apply");
  }
};

/// What an object that updates keeps open: one generation at a time.
struct RocksUpdating {
  std::mutex mutex;
  Generation generation;
  std::shared_ptr<RocksUpdates> now;
  std::vector<Generation> verified;  // each once by this object, of those that take updates
  bool poisoned = false;             // a sync of a log failed

  [[nodiscard]] bool is_verified(Generation g) {
    std::scoped_lock const lock{mutex};
    return std::find(verified.begin(), verified.end(), g) != verified.end();
  }
  void note_verified(Generation g) {
    std::scoped_lock const lock{mutex};
    verified.push_back(g);
  }
  [[nodiscard]] std::shared_ptr<RocksUpdates> of(Generation g) {
    std::scoped_lock const lock{mutex};
    return generation == g ? now : nullptr;
  }
  void end(Generation g) {
    std::scoped_lock const lock{mutex};
    if (generation == g) now.reset();
    std::erase(verified, g);
  }
};
}  // namespace detail

HOLDFAST_END

#endif

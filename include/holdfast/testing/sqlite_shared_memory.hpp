// SPDX-License-Identifier: BSL-1.0
// The memory that the connections to one database share for its log: within one process, which is
// lost with it. SQLite builds it anew from the log then.
#ifndef HOLDFAST_TESTING_SQLITE_SHARED_MEMORY_HPP
#define HOLDFAST_TESTING_SQLITE_SHARED_MEMORY_HPP

#include <sqlite3.h>

#include <array>
#include <atomic>
#include <cstddef>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "holdfast/config.hpp"

HOLDFAST_BEGIN

namespace testing::sqlite {
/// Of one database.
class SharedMemory {
 public:
  /// One connection's hold on its eight locks.
  struct Holds {
    std::array<bool, SQLITE_SHM_NLOCK> shared{};
    std::array<bool, SQLITE_SHM_NLOCK> exclusive{};
  };

  void volatile* map(int region, int size, bool extend) {
    std::scoped_lock const lock{mutex_};
    auto const index = static_cast<std::size_t>(region);
    if (index >= regions_.size() && !extend) return nullptr;
    while (regions_.size() <= index) {
      regions_.push_back(std::make_unique<std::vector<char>>(static_cast<std::size_t>(size)));
    }
    return regions_[index]->data();
  }

  int lock(Holds& ours, int first, int count, int flags) {
    std::scoped_lock const lock{mutex_};
    auto const from = static_cast<std::size_t>(first);
    auto const to = from + static_cast<std::size_t>(count);
    bool const wants_all = (flags & SQLITE_SHM_EXCLUSIVE) != 0;
    if ((flags & SQLITE_SHM_UNLOCK) != 0) {
      for (auto i = from; i < to; ++i) give_up(ours, i);
      return SQLITE_OK;
    }
    for (auto i = from; i < to; ++i) {
      if (ours.exclusive[i] || (ours.shared[i] && !wants_all)) continue;
      int const others = shared_[i] - (ours.shared[i] ? 1 : 0);
      if (exclusive_[i] || (wants_all && others > 0)) return SQLITE_BUSY;
    }
    for (auto i = from; i < to; ++i) {
      auto& own = wants_all ? ours.exclusive[i] : ours.shared[i];
      if (own) continue;
      own = true;
      if (wants_all) exclusive_[i] = true;
      if (!wants_all) ++shared_[i];
    }
    return SQLITE_OK;
  }
  void give_up_all(Holds& ours) {
    std::scoped_lock const lock{mutex_};
    for (std::size_t i = 0; i < SQLITE_SHM_NLOCK; ++i) give_up(ours, i);
  }

 private:
  void give_up(Holds& ours, std::size_t i) {
    if (std::exchange(ours.exclusive[i], false)) exclusive_[i] = false;
    if (std::exchange(ours.shared[i], false)) --shared_[i];
  }

  std::mutex mutex_;
  std::vector<std::unique_ptr<std::vector<char>>> regions_;  // each stays where it is
  std::array<int, SQLITE_SHM_NLOCK> shared_{};
  std::array<bool, SQLITE_SHM_NLOCK> exclusive_{};
};

/// Those of one process, by the path of the database.
class SharedMemories {
 public:
  [[nodiscard]] std::shared_ptr<SharedMemory> of(std::string const& path) {
    std::scoped_lock const lock{mutex_};
    auto& known = all_[path];
    auto found = known.lock();
    if (!found) known = found = std::make_shared<SharedMemory>();
    return found;
  }

 private:
  std::mutex mutex_;
  std::map<std::string, std::weak_ptr<SharedMemory>> all_;
};
}  // namespace testing::sqlite

HOLDFAST_END

#endif

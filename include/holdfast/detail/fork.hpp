// SPDX-License-Identifier: BSL-1.0
// Notices fork(): what a parent opened must not be used by its child, which shares the locks of
// every open file.
#ifndef HOLDFAST_DETAIL_FORK_HPP
#define HOLDFAST_DETAIL_FORK_HPP

#include <pthread.h>

#include <atomic>
#include <cstdint>

#include "holdfast/config.hpp"

HOLDFAST_BEGIN

namespace detail {
inline std::atomic<std::uint64_t> fork_count{0};
// Registered once for each program or library that holds this variable.
inline bool const fork_watched = [] {
  return ::pthread_atfork(nullptr, nullptr, [] { fork_count.fetch_add(1); }) == 0;
}();

/// Remembers the process that made it.
class Birthplace {
 public:
  [[nodiscard]] bool left() const noexcept {
    return count_ != fork_count.load(std::memory_order_relaxed);
  }

 private:
  std::uint64_t count_ = fork_count.load(std::memory_order_relaxed);
};
}  // namespace detail

HOLDFAST_END

#endif

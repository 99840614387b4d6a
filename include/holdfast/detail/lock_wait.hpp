// SPDX-License-Identifier: BSL-1.0
// Waits for a lock of an open file that others hold only for moments.
#ifndef HOLDFAST_DETAIL_LOCK_WAIT_HPP
#define HOLDFAST_DETAIL_LOCK_WAIT_HPP

#include <cstdint>

#include "holdfast/config.hpp"
#include "holdfast/file_system.hpp"
#include "holdfast/result.hpp"
#include "holdfast/world.hpp"

HOLDFAST_BEGIN

namespace detail {
/// False if the lock was still taken after five seconds: whoever has it is stopped or hangs.
template <file_system Fs, world W>
[[nodiscard]] result<bool> lock_patiently(
    Fs const& fs, W const& world, typename Fs::file& file, Range range, Mode mode) {
  constexpr std::int64_t patience_ns = 5'000'000'000;
  constexpr std::int64_t pause_ns = 200'000;
  auto const deadline = world.steady_ns() + patience_ns;
  for (;;) {
    HOLDFAST_TRY(locked, fs.try_lock(file, range, mode));
    auto const now = world.steady_ns();
    if (locked || now >= deadline) return locked;
    world.wait_until(now + pause_ns);
  }
}
}  // namespace detail

HOLDFAST_END

#endif

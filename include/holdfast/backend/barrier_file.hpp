// SPDX-License-Identifier: BSL-1.0
// Keeps two kinds of work apart between processes, many at a time of the one or one of the other,
// and neither starves.
//
// Two bytes of a file: the turn and the barrier. Whoever wants in takes the turn first, then the
// barrier, and gives the turn back. One that waits for the barrier has the turn, so that whoever
// left the barrier can't come round again before it: an updater at full speed has to let readers
// in, and readers that keep coming have to let an updater in.
#ifndef HOLDFAST_BACKEND_BARRIER_FILE_HPP
#define HOLDFAST_BACKEND_BARRIER_FILE_HPP

#include <cstdint>
#include <string>
#include <utility>

#include "holdfast/config.hpp"
#include "holdfast/detail/fork.hpp"
#include "holdfast/detail/lock_wait.hpp"
#include "holdfast/file_system.hpp"
#include "holdfast/guarantees.hpp"
#include "holdfast/result.hpp"
#include "holdfast/world.hpp"

HOLDFAST_BEGIN

namespace detail {
// Far above every generation: a byte that pins one is never one of these.
inline constexpr Range barrier_turn{std::uint64_t{1} << 62, 1};
inline constexpr Range barrier_itself{(std::uint64_t{1} << 62) + 1, 1};
}  // namespace detail

/// Inside the barrier until it ends.
template <file_system Fs>
class BarrierHold {
 public:
  BarrierHold(Fs fs, typename Fs::file file) : fs_{std::move(fs)}, file_{std::move(file)} {}
  BarrierHold(BarrierHold&& other) noexcept
      : fs_{std::move(other.fs_)},
        file_{std::move(other.file_)},
        held_{std::exchange(other.held_, false)},
        born_{other.born_} {}
  BarrierHold& operator=(BarrierHold&&) = delete;
  ~BarrierHold() {
    // Not by closing alone: a child that was forked meanwhile has the same open file.
    if (held_ && !born_.left()) static_cast<void>(fs_.unlock(file_, detail::barrier_itself));
  }

 private:
  Fs fs_;
  typename Fs::file file_;
  bool held_ = true;
  detail::Birthplace born_{};
};

namespace detail {
/// `timed_out` after five seconds' wait for the turn, or five more for the barrier: whoever is
/// inside is stopped or hangs. A shared hold needs only permission to read.
template <file_system Fs, world W>
[[nodiscard]] result<BarrierHold<Fs>> enter_barrier(Fs const& fs,
                                                    W const& world,
                                                    std::string const& path,
                                                    Mode mode) {
  for (int round = 0; round < 16; ++round) {
    HOLDFAST_TRY(file, fs.open(path, mode == Mode::exclusive ? Open::write : Open::read));
    HOLDFAST_TRY(turn, lock_patiently(fs, world, file, barrier_turn, mode));
    if (!turn) return failure(errc::timed_out, "wait for the turn", path);
    HOLDFAST_TRY(inside, lock_patiently(fs, world, file, barrier_itself, mode));
    if (!inside) {
      // Whoever asks again at once would have the turn again before the others look: they share.
      constexpr std::int64_t pause_ns = 2'000'000;
      HOLDFAST_TRYV(fs.unlock(file, barrier_turn));
      world.wait_until(world.steady_ns() + pause_ns);
      return failure(errc::timed_out, "wait for the barrier", path);
    }
    HOLDFAST_TRYV(fs.unlock(file, barrier_turn));
    HOLDFAST_TRY(ours, fs.identity(file));
    auto const named = fs.identity(path);
    if (named && named.assume_value() == ours) return BarrierHold<Fs>{fs, std::move(file)};
    if (!named && named.error().code() != errc::not_found) return failed(named);
    // Replaced meanwhile: others lock another file.
  }
  return failure(errc::busy, "enter the barrier: its file changes all the time", path);
}
}  // namespace detail

HOLDFAST_END

#endif

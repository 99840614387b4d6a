// SPDX-License-Identifier: BSL-1.0
// Renews a lock that lapses for as long as it is wanted, and tells when it is lost.
#ifndef HOLDFAST_KEEP_ALIVE_HPP
#define HOLDFAST_KEEP_ALIVE_HPP

#include <algorithm>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <utility>

#include "holdfast/config.hpp"
#include "holdfast/detail/fork.hpp"
#include "holdfast/lock.hpp"
#include "holdfast/lock_concepts.hpp"
#include "holdfast/policy/retry.hpp"
#include "holdfast/reprocess/executor.hpp"
#include "holdfast/result.hpp"
#include "holdfast/world.hpp"

HOLDFAST_BEGIN

/// What a `KeepAlive` tells; called from the thread that renews. What it throws is swallowed.
struct KeepAliveHooks {
  /// Once it is known that the lock is another's or that its time is over; whoever works under it
  /// must have stopped when this returns. A renewal that hangs holds it up: where this must be told
  /// before another can have the lock, the policy must give up within its margin (over a register:
  /// the patience of that, such as `busy_timeout_ms`).
  std::function<void(error const&)> lost{};
  std::function<void(error const&)> failed{};  ///< a renewal failed that is tried again
};

/// Its end ends the renewing, and waits for a renewal that is under way. The lock stays held for
/// the rest of its time.
class KeepAlive {
 public:
  KeepAlive(KeepAlive&&) noexcept = default;
  KeepAlive& operator=(KeepAlive&& other) noexcept {
    stop();
    state_ = std::move(other.state_);
    return *this;
  }
  ~KeepAlive() { stop(); }

  /// Use `keep_alive`.
  template <renewable Policy, executor Executor, world W>
  requires lapsing<Policy>
  [[nodiscard]] static result<KeepAlive> start(Held<Policy, W>& held,
                                               Executor& on,
                                               KeepAliveHooks hooks,
                                               W w) {
    auto state = std::make_shared<State>();
    state->is_over = [&held] { return *held.remaining_ns() == 0; };
    HOLDFAST_TRYV(on.post([&held, state, told = std::move(hooks), around = std::move(w)] {
      if (state->begin()) state->end(renew_on(held, told, *state, around));
    }));
    return KeepAlive{std::move(state)};
  }

  /// It is renewed no more; idempotent. Not from a hook. In a forked child it does nothing.
  void stop() noexcept {
    if (!state_ || state_->born.left()) return;  // its thread, or who has the mutex, is not here
    std::unique_lock lock{state_->mutex};
    state_->stopped = true;
    // What has not begun never will: its executor may have no thread left for it.
    state_->changed.wait(lock, [this] { return state_->ended || !state_->begun; });
    if (auto const is_over = std::exchange(state_->is_over, nullptr)) {
      state_->lost = state_->lost || is_over();
    }
  }
  /// No renewal can bring it back, or its time was over when it was stopped. Told for sure only
  /// after `stop`. A forked child has lost it.
  [[nodiscard]] bool lost() const {
    if (state_->born.left()) return true;
    std::lock_guard const guard{state_->mutex};
    return state_->lost;
  }

 private:
  struct State {
    std::mutex mutex{};
    std::condition_variable changed{};
    std::function<bool()> is_over{};  // asked once, when it is stopped
    detail::Birthplace born{};
    bool begun = false;
    bool stopped = false;
    bool ended = false;
    bool lost = false;
    [[nodiscard]] bool is_stopped() {
      std::lock_guard const guard{mutex};
      return stopped;
    }
    // False: the lock may be gone.
    [[nodiscard]] bool begin() {
      std::lock_guard const guard{mutex};
      begun = !stopped;
      return begun;
    }
    void end(bool by_loss) {
      std::lock_guard const guard{mutex};
      lost = by_loss;
      ended = true;
      changed.notify_all();
    }
  };
  explicit KeepAlive(std::shared_ptr<State> state) noexcept : state_{std::move(state)} {}

  static void tell(std::function<void(error const&)> const& hook, error const& what) noexcept {
    static_cast<void>(detail::guarded("keep alive", [&]() -> result<void> {
      if (hook) hook(what);
      return ok();
    }));
  }

  // What no other try can change; anything else may pass as long as there is time.
  [[nodiscard]] static constexpr bool is_final(errc code) noexcept {
    return code == errc::fenced || code == errc::spent || code == errc::forked ||
           code == errc::invalid;
  }
  // Renews after a third of its time, and more often while that fails. True: lost.
  template <class Lapsing, class W>
  [[nodiscard]] static bool renew_on(Lapsing& held,
                                     KeepAliveHooks const& hooks,
                                     State& state,
                                     W const& w) {
    constexpr std::int64_t shortest_ns = 5'000'000;  // or a short lease would keep a core busy
    std::function<bool()> const stopped = [&state] { return state.is_stopped(); };
    auto whole = *held.remaining_ns();
    auto left = whole;
    for (auto pause = whole / 3; left > 0;) {
      pause = std::min(left, std::max(pause, shortest_ns));
      if (!detail::wait_or_cancel(w, w.steady_ns() + pause, stopped)) return false;
      auto const renewed = detail::guarded("keep alive", [&] { return held.renew(); });
      left = *held.remaining_ns();
      if (renewed) {
        whole = left;
        pause = whole / 3;
        continue;
      }
      auto const& cause = renewed.error();
      if (is_final(cause.code())) {
        tell(hooks.lost, cause);
        return true;
      }
      if (left > 0) tell(hooks.failed, cause);
      left = *held.remaining_ns();  // the hook may have taken time
      if (left == 0) {
        tell(hooks.lost, error{errc::timed_out, "keep alive", cause.text()});
        return true;
      }
      pause = whole / 10;
    }
    tell(hooks.lost, error{errc::timed_out, "keep alive", "no time is left"});
    return true;
  }

  std::shared_ptr<State> state_;
};

/// Renews `held`, on a thread of the executor that it keeps for itself, until the answer ends. Both
/// must outlive the answer. A lock that has no time left when that thread begins is told as lost at
/// once.
template <renewable Policy, executor Executor, world W>
requires lapsing<Policy>
[[nodiscard]] result<KeepAlive> keep_alive(Held<Policy, W>& held,
                                           Executor& on,
                                           KeepAliveHooks hooks = {},
                                           W w = {}) {
  return KeepAlive::start(held, on, std::move(hooks), std::move(w));
}

HOLDFAST_END

#endif

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
#include "holdfast/lock.hpp"
#include "holdfast/lock_concepts.hpp"
#include "holdfast/policy/retry.hpp"
#include "holdfast/reprocess/executor.hpp"
#include "holdfast/result.hpp"
#include "holdfast/world.hpp"

HOLDFAST_BEGIN

/// What a `KeepAlive` tells; called from the thread that renews. What it throws is swallowed.
struct KeepAliveHooks {
  /// At once when it is known that the lock is another's, at the latest when its time is over:
  /// whoever works under it must have stopped when this returns.
  std::function<void(error const&)> lost{};
  std::function<void(error const&)> failed{};  ///< a renewal failed that is tried again
};

/// Ends the renewing, and waits for a renewal that is under way. The lock stays held for the rest
/// of its time.
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
  [[nodiscard]] static result<KeepAlive> start(Held<Policy, W>& held,
                                               Executor& on,
                                               KeepAliveHooks hooks,
                                               W w) {
    auto state = std::make_shared<State>();
    HOLDFAST_TRYV(on.post([&held, state, told = std::move(hooks), around = std::move(w)] {
      state->end(renew_on(held, told, *state, around));
    }));
    return KeepAlive{std::move(state)};
  }

  /// It is renewed no more; idempotent. Not from a hook.
  void stop() noexcept {
    if (!state_) return;
    std::unique_lock lock{state_->mutex};
    state_->stopped = true;
    state_->changed.wait(lock, [this] { return state_->ended; });
  }
  /// No renewal can bring it back. Told for sure only after `stop`.
  [[nodiscard]] bool lost() const {
    std::lock_guard const guard{state_->mutex};
    return state_->lost;
  }

 private:
  struct State {
    std::mutex mutex{};
    std::condition_variable changed{};
    bool stopped = false;
    bool ended = false;
    bool lost = false;
    [[nodiscard]] bool is_stopped() {
      std::lock_guard const guard{mutex};
      return stopped;
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

  // Renews after a third of its time, and more often while that fails. True: lost.
  template <class Lapsing, class W>
  [[nodiscard]] static bool renew_on(Lapsing& held,
                                     KeepAliveHooks const& hooks,
                                     State& state,
                                     W const& w) {
    std::function<bool()> const stopped = [&state] { return state.is_stopped(); };
    auto const whole = *held.remaining_ns();
    for (auto pause = whole / 3;;) {
      if (!detail::wait_or_cancel(w, w.steady_ns() + pause, stopped)) return false;
      auto const renewed = held.renew();
      if (renewed) {
        pause = *held.remaining_ns() / 3;
        continue;
      }
      auto const& cause = renewed.error();
      if (!can_pass(cause.code()) && cause.code() != errc::uncertain) {
        tell(hooks.lost, cause);
        return true;
      }
      auto const left = *held.remaining_ns();
      if (left == 0) {
        tell(hooks.lost, error{errc::timed_out, "keep alive", cause.text()});
        return true;
      }
      tell(hooks.failed, cause);
      pause = std::min(whole / 10, left);
    }
  }

  std::shared_ptr<State> state_;
};

/// Renews `held`, on a thread of the executor that it keeps for itself, until the answer ends. Both
/// must outlive the answer. A lock that has no time left is told as lost at once.
template <renewable Policy, executor Executor, world W>
[[nodiscard]] result<KeepAlive> keep_alive(Held<Policy, W>& held,
                                           Executor& on,
                                           KeepAliveHooks hooks = {},
                                           W w = {}) {
  return KeepAlive::start(held, on, std::move(hooks), std::move(w));
}

HOLDFAST_END

#endif

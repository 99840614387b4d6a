// SPDX-License-Identifier: BSL-1.0
// Takes a lock under any policy, waits for it, and holds it until it is let go.
#ifndef HOLDFAST_LOCK_HPP
#define HOLDFAST_LOCK_HPP

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>

#include "holdfast/config.hpp"
#include "holdfast/detail/fork.hpp"
#include "holdfast/ids.hpp"
#include "holdfast/lock_concepts.hpp"
#include "holdfast/result.hpp"
#include "holdfast/world.hpp"

HOLDFAST_BEGIN

/// How `Lock::acquire` waits.
struct Acquire {
  /// 0: looks once; negative: waits for ever. The lease of a holder that died is had only by who
  /// waits for longer than its time and margin.
  std::int64_t timeout_ms = 30'000;
  std::int64_t poll_ms = 10;          ///< between two looks, at first; doubles
  std::int64_t max_poll_ms = 1'000;   ///< up to this; a holder that ends is noticed so late
  std::function<bool()> cancelled{};  ///< asked before each look; what it throws ends the wait
};

namespace detail {
template <lock_policy Policy, world W>
struct LockState {
  LockState(Policy p, W around) : policy{std::move(p)}, world{std::move(around)} {}
  Policy policy;
  W world;
};
}  // namespace detail

/// A lock that is held; lets go of it at its end. Movable; any thread may use it, also while
/// another renews it.
///
/// Whoever writes to something that others may guard too hands it the token, and that refuses
/// whoever comes with a smaller one: a holder may be stopped for longer than its lock lasts, and
/// knows nothing of it.
template <lock_policy Policy, world W>
class Held {
  using Traits = lock_traits<Policy>;
  using State = detail::LockState<Policy, W>;

 public:
  Held(std::shared_ptr<State> state, grant_of<Policy> grant, Owner const& owner)
      : own_{std::make_unique<Own>(std::move(state), std::move(grant), owner)} {}
  Held(Held&&) noexcept = default;
  Held& operator=(Held&& other) noexcept {
    Held gone{std::move(*this)};
    own_ = std::move(other.own_);
    return *this;
  }
  // One that can't be let go lapses with its process or its time; there is nobody to tell here.
  ~Held() {
    if (own_) static_cast<void>(release());
  }

  [[nodiscard]] FencingToken token() const noexcept { return own_->token; }
  [[nodiscard]] Owner const& owner() const noexcept { return own_->owner; }

  /// How long it still holds, in nanoseconds, by this process's clock: at 0 its holder must have
  /// stopped. Nothing where it holds until it is let go. Never waits.
  [[nodiscard]] std::optional<std::int64_t> remaining_ns() const noexcept {
    if constexpr (lapsing<Policy>) {
      if (!own_ || own_->released.load(std::memory_order_acquire) || own_->born.left()) return 0;
      auto const until = own_->until_ns.load(std::memory_order_acquire);
      return std::max<std::int64_t>(0, until - own_->state->world.steady_ns());
    } else {
      return std::nullopt;
    }
  }
  /// Holds it for another whole time from now on. `fenced` once it is another's; after any other
  /// error it holds for as long as it did before.
  [[nodiscard]] result<void> renew() requires renewable<Policy> {
    if (!own_) return failure(errc::spent, "renew");
    if (own_->born.left()) return failure(errc::forked, "renew");  // the mutex may be a thread's
    std::lock_guard const guard{own_->mutex};
    auto renewed = Traits::renew(own_->state->policy, own_->grant);
    own_->look();
    return renewed;
  }
  /// Idempotent. After an error it lapses with its process or its time.
  [[nodiscard]] result<void> release() {
    if (!own_) return ok();
    if (own_->born.left()) return failure(errc::forked, "release");
    // At once, as the call may take time; for good, as a renewal may be under way.
    own_->released.store(true, std::memory_order_release);
    std::lock_guard const guard{own_->mutex};
    return Traits::release(own_->state->policy, own_->grant);
  }

 private:
  struct Own {
    Own(std::shared_ptr<State> s, grant_of<Policy> g, Owner const& o)
        : state{std::move(s)}, grant{std::move(g)}, token{grant.token}, owner{o} {
      look();
    }
    // Until when it holds, for those who must not wait for a call.
    void look() noexcept {
      if constexpr (lapsing<Policy>) {
        // The clock first: a pause in between makes it shorter, never longer.
        auto const now = state->world.steady_ns();
        auto const left = Traits::remaining_ns(state->policy, grant);
        until_ns.store(now + left, std::memory_order_release);
      }
    }
    std::shared_ptr<State> state;
    std::mutex mutex{};
    grant_of<Policy> grant;
    FencingToken token;
    Owner owner;
    std::atomic<std::int64_t> until_ns{0};
    std::atomic<bool> released{false};
    detail::Birthplace born{};
  };
  std::unique_ptr<Own> own_;
};

/// A lock under a policy. Movable; any thread may use it, and what it gave stays held without it.
template <lock_policy Policy, world W = Native>
class Lock {
  using Traits = lock_traits<Policy>;
  using State = detail::LockState<Policy, W>;

 public:
  using held_type = Held<Policy, W>;

  explicit Lock(Policy policy, W world = {})
      : state_{std::make_shared<State>(std::move(policy), std::move(world))} {}

  /// `busy`, naming the holder, while it is held elsewhere. The token exceeds `above` and every
  /// token before it.
  [[nodiscard]] result<held_type> try_acquire(FencingToken above = {}) {
    auto const owner = state_->world.self();
    HOLDFAST_TRY(grant, Traits::try_acquire(state_->policy, owner, above));
    return held_type{state_, std::move(grant), owner};
  }

  /// Waits until it is let go or lapses, also where the policy itself says `timed_out`.
  /// `timed_out`, naming the holder, or `cancelled`; any other error ends the wait.
  [[nodiscard]] result<held_type> acquire(Acquire const& how = {}, FencingToken above = {}) {
    HOLDFAST_TRYV(check(how));
    auto const& w = state_->world;
    auto const begun = w.steady_ns();
    auto poll_ns = how.poll_ms * ms;
    for (;;) {
      if (how.cancelled && how.cancelled()) return failure(errc::cancelled, "acquire");
      auto held = try_acquire(above);
      if (held || how.timeout_ms == 0 || !may_pass(held.error().code())) return held;
      auto const now = w.steady_ns();
      auto const left = how.timeout_ms < 0 ? poll_ns : how.timeout_ms * ms - (now - begun);
      if (left <= 0) return failure(errc::timed_out, "acquire", held.error().detail());
      // No two that wait look at the same time for ever.
      auto const share =
          poll_ns / 2 + static_cast<std::int64_t>(w.random64() % 1024) * (poll_ns / 2048);
      w.wait_until(now + std::min(left, share));
      poll_ns = std::min(2 * poll_ns, how.max_poll_ms * ms);
    }
  }

  /// Who holds it; nothing if nobody does. What a policy can't tell it shows: see there.
  [[nodiscard]] result<std::optional<Holder>> inspect() { return Traits::inspect(state_->policy); }

  /// Takes it away from the holder that was seen (`conflict` if it is another by now); the token
  /// exceeds its. The old holder is not stopped: what it writes to must refuse its token first.
  [[nodiscard]] result<FencingToken> force_unlock(Holder const& seen, FencingToken above = {}) {
    return Traits::force(state_->policy, seen, above);
  }

 private:
  static constexpr std::int64_t ms = 1'000'000;
  [[nodiscard]] static constexpr bool may_pass(errc code) noexcept {
    return code == errc::busy || code == errc::timed_out;
  }
  [[nodiscard]] static result<void> check(Acquire const& how) {
    constexpr std::int64_t century_ms = std::int64_t{100} * 366 * 24 * 3600 * 1000;
    if (how.timeout_ms > century_ms) return failure(errc::invalid, "Acquire", "timeout_ms");
    if (how.poll_ms < 1 || how.poll_ms > how.max_poll_ms || how.max_poll_ms > century_ms) {
      return failure(errc::invalid, "Acquire", "1 <= poll_ms <= max_poll_ms must hold");
    }
    return ok();
  }

  std::shared_ptr<State> state_;
};

HOLDFAST_END

#endif

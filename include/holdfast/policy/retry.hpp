// SPDX-License-Identifier: BSL-1.0
// Tries again what failed for a reason that can pass: how often, after which delays, and until when.
//
// Invariants:
// - What is tried again is decided by the class of the error, never by its text.
// - A try never starts after `cancelled` said true, nor a delay that would end after the deadline.
// - All time and chance come from the world, so that a test needs neither to wait nor to be lucky.
#ifndef HOLDFAST_POLICY_RETRY_HPP
#define HOLDFAST_POLICY_RETRY_HPP

#include <algorithm>
#include <cstdint>
#include <functional>
#include <optional>
#include <type_traits>

#include "holdfast/concepts.hpp"
#include "holdfast/config.hpp"
#include "holdfast/result.hpp"
#include "holdfast/world.hpp"

HOLDFAST_BEGIN

/// How often and how soon what failed is tried again.
struct Retry {
  bool auto_retry_enabled = true;
  int max_retry_attempts = 3;               ///< tries after the first one
  std::int64_t base_retry_delay_ms = 1000;  ///< before the second try
  std::int64_t max_retry_delay_ms = 30'000;
  double backoff_multiplier = 2;  ///< of each delay by the one before; 1: all are the same
  double jitter = 0.5;            ///< the share of each delay that is drawn at random, 0 to 1
  std::int64_t timeout_ms = 0;    ///< of all tries and delays together; 0: none
};

/// Can this pass by itself, so that the same may succeed later?
[[nodiscard]] constexpr bool can_pass(errc code) noexcept {
  switch (code) {
    case errc::busy:
    case errc::pinned:
    case errc::conflict:
    case errc::full:
    case errc::no_space:
    case errc::too_many_files:
    case errc::no_memory:
    case errc::io:
    case errc::timed_out:
      return true;
    default:
      return false;
  }
}

/// One try.
struct Try {
  int number = 1;
  std::int64_t started_ns = 0;             ///< steady clock
  std::int64_t deadline_ns = INT64_MAX;    ///< steady clock; of all tries together
};

/// A try that failed. Lives for the call of the hook only.
struct FailedTry {
  Try attempt;
  error const& cause;
  std::optional<std::int64_t> delay_ns;  ///< until the next try; nothing: there is none
};

/// What a caller of `retry` decides and hears. What a hook throws ends the retrying.
struct RetryHooks {
  std::function<bool(error const&)> retryable{};  ///< none: `can_pass` of its code
  std::function<bool()> cancelled{};              ///< asked before each try and while waiting
  std::function<void(FailedTry const&)> failed{};
};

namespace detail {
[[nodiscard]] inline result<void> check(Retry const& policy) {
  auto const share = [](double x) { return x >= 0 && x <= 1; };
  if (policy.max_retry_attempts < 0) return failure(errc::invalid, "Retry", "max_retry_attempts");
  if (policy.base_retry_delay_ms < 0) return failure(errc::invalid, "Retry", "base_retry_delay_ms");
  if (policy.max_retry_delay_ms < 0) return failure(errc::invalid, "Retry", "max_retry_delay_ms");
  if (!(policy.backoff_multiplier >= 1)) {
    return failure(errc::invalid, "Retry", "backoff_multiplier");
  }
  if (!share(policy.jitter)) return failure(errc::invalid, "Retry", "jitter");
  if (policy.timeout_ms < 0) return failure(errc::invalid, "Retry", "timeout_ms");
  return ok();
}

// Nanoseconds from now, without running over; nothing is waited for longer than a century.
[[nodiscard]] constexpr std::int64_t ns_of_ms(std::int64_t ms) noexcept {
  constexpr std::int64_t century = std::int64_t{100} * 366 * 24 * 3600 * 1000;
  return std::min(ms, century) * 1'000'000;
}

// The delay after try `number`: grows by the multiplier up to the maximum; of it, the share
// `jitter` is multiplied by `chance` (0 to 1).
[[nodiscard]] inline std::int64_t delay_ns(Retry const& policy, int number, double chance) noexcept {
  auto const most = static_cast<double>(ns_of_ms(policy.max_retry_delay_ms));
  auto delay = static_cast<double>(ns_of_ms(policy.base_retry_delay_ms));
  for (int i = 1; i < number && delay < most; ++i) delay *= policy.backoff_multiplier;
  delay = std::min(delay, most);
  return static_cast<std::int64_t>(delay * (1 - policy.jitter + policy.jitter * chance));
}

// Waits, in slices where someone may cancel. False: cancelled.
template <world W>
[[nodiscard]] bool wait_or_cancel(W const& w,
                                  std::int64_t until_ns,
                                  std::function<bool()> const& cancelled) {
  constexpr std::int64_t slice_ns = 50'000'000;
  if (!cancelled) {
    w.wait_until(until_ns);
    return true;
  }
  for (auto now = w.steady_ns(); now < until_ns; now = w.steady_ns()) {
    if (cancelled()) return false;
    w.wait_until(std::min(until_ns, now + slice_ns));
  }
  return !cancelled();
}
}  // namespace detail

/// Calls `work(Try)`, which answers a result, until it succeeds or may not be tried again: the last
/// answer. `cancelled`, with the last cause as detail, if that ended it.
template <world W, class Work>
requires some_result<std::invoke_result_t<Work&, Try const&>>
[[nodiscard]] auto retry(Retry const& policy, W const& w, Work work, RetryHooks const& hooks = {})
    -> std::invoke_result_t<Work&, Try const&> {
  HOLDFAST_TRYV(detail::check(policy));
  if (hooks.cancelled && hooks.cancelled()) return failure(errc::cancelled, "retry");
  auto const begun = w.steady_ns();
  auto const deadline = policy.timeout_ms == 0 ? INT64_MAX : begun + detail::ns_of_ms(policy.timeout_ms);
  for (int number = 1;; ++number) {
    Try const attempt{number, w.steady_ns(), deadline};
    auto answer = work(attempt);
    if (answer) return answer;
    auto const cause = answer.error();
    auto const chance = static_cast<double>(w.random64() >> 11) * 0x1p-53;
    auto const delay = detail::delay_ns(policy, number, chance);
    auto const now = w.steady_ns();
    bool const again = policy.auto_retry_enabled && number <= policy.max_retry_attempts &&
                       delay < deadline - now &&
                       (hooks.retryable ? hooks.retryable(cause) : can_pass(cause.code()));
    if (hooks.failed) {
      hooks.failed({attempt, cause, again ? std::optional{delay} : std::nullopt});
    }
    if (!again) return answer;
    if (!detail::wait_or_cancel(w, now + delay, hooks.cancelled)) {
      return failure(errc::cancelled, "retry", cause.text());
    }
  }
}

HOLDFAST_END

#endif

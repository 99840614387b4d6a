// SPDX-License-Identifier: BSL-1.0
// Lets a function hear every event of a world: the one place where logging and metrics come in.
#ifndef HOLDFAST_REPORT_OBSERVER_HPP
#define HOLDFAST_REPORT_OBSERVER_HPP

#include <concepts>
#include <cstdint>
#include <utility>

#include "holdfast/config.hpp"
#include "holdfast/event.hpp"
#include "holdfast/ids.hpp"
#include "holdfast/world.hpp"

HOLDFAST_BEGIN

/// A world that tells `Hear` every event, and is `W` in all else. `Hear` must not throw, nor call
/// back into what tells it (which holds its lock): take what is needed from the event, which lives
/// for the call only. Any thread may call it.
template <world W, class Hear>
class Observed {
 public:
  Observed(W inner, Hear hear) : inner_{std::move(inner)}, hear_{std::move(hear)} {}

  [[nodiscard]] std::int64_t wall_ns() const noexcept { return inner_.wall_ns(); }
  [[nodiscard]] std::int64_t steady_ns() const noexcept { return inner_.steady_ns(); }
  void wait_until(std::int64_t steady_ns) const noexcept { inner_.wait_until(steady_ns); }
  [[nodiscard]] std::uint64_t random64() const noexcept { return inner_.random64(); }
  [[nodiscard]] Owner self() const noexcept { return inner_.self(); }
  void on(Event const& event) const noexcept {
    inner_.on(event);
    hear_(event);
  }

 private:
  W inner_;
  Hear hear_;
};

/// `observed(hear)` is the real world with an observer: pass it as the world of `open_staged`.
template <std::invocable<Event const&> Hear, world W = Native>
[[nodiscard]] Observed<W, Hear> observed(Hear hear, W inner = {}) {
  return {std::move(inner), std::move(hear)};
}

HOLDFAST_END

#endif

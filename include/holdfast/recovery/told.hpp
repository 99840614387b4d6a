// SPDX-License-Identifier: BSL-1.0
// Tells the observer what recovery has done to a segment.
#ifndef HOLDFAST_RECOVERY_TOLD_HPP
#define HOLDFAST_RECOVERY_TOLD_HPP

#include <cstdint>

#include "holdfast/config.hpp"
#include "holdfast/event.hpp"
#include "holdfast/recovery/plan.hpp"
#include "holdfast/world.hpp"

HOLDFAST_BEGIN

namespace detail {
template <world W>
void tell_step(W const& w, SegmentStep const& step, error const* cause = nullptr) noexcept {
  tell(w, Event{.kind = Event::Kind::segment, .cause = cause, .segment = step});
}

// In the order in which it was done.
template <world W>
void tell_recovered(W const& w, std::uint64_t base, Recovered const& done) noexcept {
  auto const verdict = name(done.found.verdict);
  if (done.cut_bytes != 0) {
    tell_step(w, {SegmentStep::Kind::set_aside, base, done.cut_bytes, verdict});
    tell_step(w, {SegmentStep::Kind::cut, base, done.cut_bytes, verdict});
  }
  if (done.skipped_bytes != 0) {
    tell_step(w, {SegmentStep::Kind::skipped, base, done.skipped_bytes, verdict});
  }
}
}  // namespace detail

HOLDFAST_END

#endif

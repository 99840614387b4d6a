// SPDX-License-Identifier: BSL-1.0
// Does to a segment what its plan says, as far as it is allowed to.
//
// The order is the protocol: a durable copy of what will be cut, the cut, what may have been lost
// by a failed sync written again, a sync; only then may anything be appended. A crash anywhere
// leaves either what was found or what will be, and the copy.
#ifndef HOLDFAST_RECOVERY_APPLY_HPP
#define HOLDFAST_RECOVERY_APPLY_HPP

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "holdfast/bytes.hpp"
#include "holdfast/config.hpp"
#include "holdfast/recovery/plan.hpp"
#include "holdfast/recovery/point.hpp"
#include "holdfast/result.hpp"
#include "holdfast/segment.hpp"

HOLDFAST_BEGIN

/// Would `recovery` open what was found?
[[nodiscard]] constexpr bool may_open(Verdict verdict, Recovery recovery) noexcept {
  switch (verdict) {
    case Verdict::clean:
      return true;
    case Verdict::torn_tail:
      return recovery != Recovery::refuse;
    case Verdict::damage:
    case Verdict::sealed_damage:
      return recovery == Recovery::quarantine || recovery == Recovery::salvage;
    case Verdict::hole:
    case Verdict::foreign:
    case Verdict::newer_format:
      return false;
  }
  return false;
}

namespace detail {
/// Writes the same bytes once more: their pages are dirty again, so the next sync speaks for them.
template <segment Segment>
[[nodiscard]] result<void> rewrite(Segment& into, std::uint64_t begin, std::uint64_t end) {
  constexpr std::uint64_t most = std::uint64_t{256} << 10;
  bytes buffer(static_cast<std::size_t>(std::min(most, end - begin)));
  for (auto at = begin; at < end;) {
    auto const piece = bytes_span{buffer}.first(static_cast<std::size_t>(std::min(most, end - at)));
    HOLDFAST_TRY(got, into.read_at(at, piece));
    if (got != piece.size()) return failure(error{errc::conflict, "recover"}.at(at));
    HOLDFAST_TRYV(into.rewrite(at, piece));
    at += piece.size();
  }
  return ok();
}

// What is cut now is not to be missed by the next one who opens it.
template <segment Segment>
[[nodiscard]] result<void> lower_point([[maybe_unused]] Segment& beside, std::uint64_t durable_to) {
  HOLDFAST_TRYV(keep_point(beside, durable_to));
  if constexpr (pointed_segment<Segment>) return beside.settle_point();
  return ok();
}

/// Gives what was done; the segment ends where it may be appended to, and all of it is durable.
template <segment Segment>
[[nodiscard]] result<Recovered> apply(Segment& to,
                                      Plan const& plan,
                                      Recovery recovery,
                                      bool keeps_points) {
  if (!may_open(plan.verdict, recovery)) {
    return failure(error{errc_of(plan.verdict), "recover"}.at(plan.kept));
  }
  Recovered done{.found = plan};
  bool const worse = plan.verdict == Verdict::damage || plan.verdict == Verdict::sealed_damage;
  bool const salvages = worse && recovery == Recovery::salvage && plan.salvaged_end > plan.kept;
  auto const end = salvages ? plan.salvaged_end : plan.kept;
  if (end < plan.size) {
    HOLDFAST_TRYV(to.set_aside(end, plan.size));
  }
  // Also where nothing is cut: what is missing was cut already.
  if (worse && keeps_points) {
    HOLDFAST_TRYV(lower_point(to, plan.kept));
  }
  if (end < plan.size) {
    HOLDFAST_TRYV(to.truncate(end));
  }
  if (plan.unconfirmed < plan.kept) {
    HOLDFAST_TRYV(rewrite(to, plan.unconfirmed, plan.kept));
  }
  // Also where nothing was changed: the name of the file may not be durable yet.
  HOLDFAST_TRYV(to.sync());
  done.cut_bytes = plan.size - std::max(end, plan.kept);
  done.skipped_bytes = end - plan.kept;
  return done;
}
}  // namespace detail

HOLDFAST_END

#endif

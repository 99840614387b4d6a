// SPDX-License-Identifier: BSL-1.0
// Says which bytes of a damaged segment can be taken from another copy of it; touches nothing.
//
// Both are walked frame by frame, side by side. Whatever holds here must be the same there, and
// something must: else it is no copy of this segment. A gap is filled only with frames that hold
// there, from the frame where it begins here to the one with which this segment goes on.
#ifndef HOLDFAST_RECOVERY_COMPARE_HPP
#define HOLDFAST_RECOVERY_COMPARE_HPP

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

#include "holdfast/config.hpp"
#include "holdfast/recovery/frames.hpp"
#include "holdfast/result.hpp"
#include "holdfast/segment.hpp"

HOLDFAST_BEGIN

/// The bytes [begin, end) of a segment.
struct ByteRange {
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
  friend bool operator==(ByteRange const&, ByteRange const&) = default;
};

/// What a segment lacks that another copy of it has.
struct Missing {
  std::vector<ByteRange> ranges{};  ///< to be taken from there, ascending
  std::uint64_t end = 0;            ///< of the segment with them: what lies behind it goes
};

/// How much of a segment has to be there.
struct Needed {
  std::uint64_t durable_to = 0;  ///< bytes that are known to have been durable
  bool to_the_end = false;       ///< it is sealed: all that the other copy has
};

namespace detail {
template <segment Own, segment Other, segment_format Format>
class Comparison {
 public:
  Comparison(Frames<Own, Format> own, Frames<Other, Format> other, Needed const& needed)
      : own_{std::move(own)}, other_{std::move(other)}, needed_{needed} {}

  [[nodiscard]] result<Missing> run() {
    for (bool goes_on = true; goes_on;) {
      HOLDFAST_TRY(here, own_.next());
      bool const holds = here != nullptr && own_.is_whole(here->kind);
      HOLDFAST_TRY(more, holds ? agree(*here) : fill_gap());
      goes_on = more;
    }
    // Another log, or another segment of this one, has nothing in common with it.
    if (agreed_ == 0) return failure(errc::foreign, "compare with replica");
    return std::move(out_);
  }

 private:
  // Where a segment may end. What does not belong there is padding, or wants its next fragment.
  [[nodiscard]] static bool ends_segment(Step const& step) noexcept {
    return step.kind == Step::Kind::record || step.kind == Step::Kind::mark;
  }
  [[nodiscard]] static result<void> fail_at(std::uint64_t at) {
    return failure(error{errc::damaged, "take from replica"}.at(at));
  }
  // A frame of the other one, gone by; nothing where it ends or does not hold.
  [[nodiscard]] result<Step const*> other_next() {
    HOLDFAST_TRY(step, other_.next());
    return step != nullptr && other_.is_whole(step->kind) ? step : nullptr;
  }

  // The frame that holds here must be there. False: the other one ends before.
  [[nodiscard]] result<bool> agree(Step const& here) {
    if (ends_segment(here)) out_.end = own_.at();
    HOLDFAST_TRY(there, other_next());
    if (!there) {
      HOLDFAST_TRYV(go_alone());
      return false;
    }
    bool const same = here.kind == there->kind && here.used == there->used &&
                      here.sequence == there->sequence && here.check == there->check &&
                      std::equal(here.payload.begin(), here.payload.end(), there->payload.begin(),
                                 there->payload.end());
    if (!same || own_.at() != other_.at()) {
      return failure(error{errc::foreign, "compare with replica"}.at(own_.at()));
    }
    if (here.kind != Step::Kind::padding) ++agreed_;
    return true;
  }
  // What the other one can't show must hold here.
  [[nodiscard]] result<void> go_alone() {
    for (;;) {
      HOLDFAST_TRY(here, own_.next());
      if (!here) break;
      if (!own_.is_whole(here->kind)) {
        HOLDFAST_TRYV(look_behind(here->kind == Step::Kind::bad && here->valid));
        break;
      }
      if (ends_segment(*here)) out_.end = own_.at();
    }
    return out_.end < needed_.durable_to ? fail_at(out_.end) : result<void>{ok()};
  }
  // The other one can't fill what does not hold here. What is cut then must be no more than a crash
  // may take: no frame behind it tells of more that was synced, and none lies where none may.
  [[nodiscard]] result<void> look_behind(bool misplaced) {
    if (misplaced) return fail_at(out_.end);
    for (auto at = own_.at() + 1;;) {
      HOLDFAST_TRY(found, own_.search(at));
      if (!found) return ok();
      if (found->synced_to > out_.end) return fail_at(out_.end);
      at = found->at + 1;
    }
  }

  // Goes on there until the frame with which this segment goes on. False: it does not.
  [[nodiscard]] result<bool> fill_gap() {
    ByteRange gap{own_.at(), own_.at()};
    if (gap.begin == 0) {
      HOLDFAST_TRYV(pass(gap));
      // Only under the same header do the frames here hold.
      own_.cursor() = other_.cursor();
      own_.stand(gap.end);
    }
    HOLDFAST_TRY(found, own_.go_on());
    if (!found) return fill_tail(gap);
    while (other_.at() < own_.at()) {
      HOLDFAST_TRYV(pass(gap));
    }
    if (other_.at() != own_.at()) {
      return failure(error{errc::foreign, "compare with replica"}.at(own_.at()));
    }
    take(gap);
    return true;
  }
  // No further than is needed: what lies behind that may be of another time.
  [[nodiscard]] result<bool> fill_tail(ByteRange gap) {
    while (needed_.to_the_end || gap.end < needed_.durable_to) {
      HOLDFAST_TRY(step, other_next());
      if (!step) break;
      if (ends_segment(*step)) gap.end = other_.at();
    }
    if (gap.end < needed_.durable_to) {
      HOLDFAST_TRYV(fail_at(gap.end));
    }
    take(gap);
    return false;
  }
  [[nodiscard]] result<void> pass(ByteRange& gap) {
    HOLDFAST_TRY(step, other_next());
    if (!step) return fail_at(other_.at());
    gap.end = other_.at();
    return ok();
  }
  void take(ByteRange const& gap) {
    if (gap.begin == gap.end) return;
    out_.end = gap.end;
    if (!out_.ranges.empty() && out_.ranges.back().end == gap.begin) {
      out_.ranges.back().end = gap.end;
    } else {
      out_.ranges.push_back(gap);
    }
  }

  Frames<Own, Format> own_;
  Frames<Other, Format> other_;
  Needed needed_;
  std::uint64_t agreed_ = 0;  // frames that are the same in both
  Missing out_{};
};
}  // namespace detail

/// Compares a damaged segment with another copy of it. Errors: `foreign` where that is no copy of
/// it, `damaged` where what is missing here does not hold there either, those of reading.
template <segment Own, segment Other, segment_format Format>
[[nodiscard]] result<Missing> compare_with(Own const& own,
                                           Other const& other,
                                           Format const& format,
                                           Needed const& needed) {
  HOLDFAST_TRY(own_size, own.size());
  HOLDFAST_TRY(other_size, other.size());
  return detail::Comparison<Own, Other, Format>{
      {own, format, own_size}, {other, format, other_size}, needed}
      .run();
}

HOLDFAST_END

#endif

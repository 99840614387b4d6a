// SPDX-License-Identifier: BSL-1.0
// Looks at a segment and says what is the matter with it; touches nothing.
//
// What fails its check is a torn tail, unless something shows that it was durable once: a valid
// frame behind it that says so, a point that the caller has kept, or that the segment is sealed.
#ifndef HOLDFAST_RECOVERY_EXAMINE_HPP
#define HOLDFAST_RECOVERY_EXAMINE_HPP

#include <algorithm>
#include <cstdint>
#include <optional>
#include <utility>

#include "holdfast/bytes.hpp"
#include "holdfast/checksum.hpp"
#include "holdfast/config.hpp"
#include "holdfast/recovery/frames.hpp"
#include "holdfast/recovery/plan.hpp"
#include "holdfast/result.hpp"
#include "holdfast/segment.hpp"

HOLDFAST_BEGIN

/// What is known from elsewhere.
struct Known {
  std::uint64_t durable_to = 0;  ///< bytes that were durable
  bool sealed = false;           ///< it has a successor, so nothing of it may be torn
  std::uint32_t boot = 0;        ///< this boot, as frames name it; 0 = not known
};

namespace detail {
/// One look at one segment.
template <segment Segment, segment_format Format>
class Examination {
 public:
  Examination(Segment const& from, Format const& format, std::uint64_t size, Known const& known)
      : frames_{from, format, size}, known_{known} {
    plan_.size = size;
    plan_.sealed = known.sealed;
  }

  template <class Visit>
  [[nodiscard]] result<Plan> run(Visit& visit) {
    for (;;) {
      auto const at = frames_.at();
      HOLDFAST_TRY(step, frames_.next());
      if (!step && within_) {  // it ends between two fragments of a record
        HOLDFAST_TRYV(judge(Step::Kind::need, false));
        break;
      }
      if (!step) {
        if (ends_with_zeros()) break;  // what is appended goes before them
        plan_.kept = plan_.size;       // padding up to the end is no tail
        plan_.digest = digest_;
        break;
      }
      if (!frames_.is_whole(step->kind)) {
        HOLDFAST_TRYV(judge(step->kind, step->valid));
        break;
      }
      note(at, *step);
      if (step->kind == Step::Kind::record) visit(*step, frames_.at());
    }
    if (awaits_first_) plan_.unconfirmed = plan_.kept;
    if (plan_.verdict == Verdict::clean && plan_.kept < known_.durable_to) {
      plan_.verdict = Verdict::damage;  // cut at a frame's end, and cut all the same
    }
    if (plan_.verdict == Verdict::clean && known_.sealed && lacks_footer()) {
      plan_.verdict = Verdict::sealed_damage;
    }
    plan_.durable_to = std::max(plan_.durable_to, known_.durable_to);
    return plan_;
  }

 private:
  void note(std::uint64_t at, Step const& step) {
    // Its length too: the next one, or the end of the prefix, says where it ended.
    digest_ = Plan::mixed(digest_, at ^ std::uint64_t{step.check} << 32);
    if (step.kind != Step::Kind::padding) within_ = step.kind == Step::Kind::fragment;
    if (step.kind == Step::Kind::padding || step.kind == Step::Kind::fragment) return;
    plan_.kept = frames_.at();
    plan_.digest = digest_;
    confirm(at, step);
    plan_.next_sequence = step.sequence;
    if (step.kind != Step::Kind::record) return;
    if (plan_.records++ == 0) plan_.first_time_ns = step.time_ns;
    plan_.last_time_ns = step.time_ns;
    plan_.next_sequence = step.sequence + 1;
  }

  // A frame tells what was synced before it. One of another boot was read from the disk itself.
  // What this boot has written, or what does not tell who has, may have been lost by a sync that
  // failed, and read back all the same.
  void confirm(std::uint64_t at, Step const& step) {
    bool const proves = step.synced_to > plan_.durable_to;
    if (proves) plan_.durable_to = step.synced_to;
    if (proves || awaits_first_) {
      plan_.unconfirmed = step.kind == Step::Kind::record ? step.begin : at;
    }
    bool const of_another_boot = step.boot != 0 && known_.boot != 0 && step.boot != known_.boot;
    awaits_first_ = of_another_boot || frames_.at() <= known_.durable_to;
    if (of_another_boot) plan_.durable_to = frames_.at();
  }

  [[nodiscard]] result<void> judge(Step::Kind stopped, bool valid) {
    if (stopped == Step::Kind::newer) {
      plan_.verdict = Verdict::newer_format;
      return ok();
    }
    // The header of another log was synced as ours are: that one has begun.
    bool const of_another = stopped == Step::Kind::foreign && valid;
    if (never_begun() && !of_another) {
      plan_.kept = 0;
      plan_.verdict = Verdict::torn_tail;
    } else if (stopped == Step::Kind::foreign) {
      plan_.verdict = Verdict::foreign;
      return ok();
    }
    return look_behind(frames_.at(), stopped == Step::Kind::bad && valid);
  }
  // The header of a new segment is synced before anything follows it.
  [[nodiscard]] bool never_begun() const noexcept {
    if constexpr (requires { Format::header_size; }) {
      return plan_.size <= Format::header_size && known_.durable_to == 0 && !known_.sealed;
    } else {
      return false;
    }
  }

  // A valid frame that does not belong where it lies was put there by no crash.
  [[nodiscard]] result<void> look_behind(std::uint64_t stopped_at, bool misplaced) {
    HOLDFAST_TRYV(frames_.each_piece(
        plan_.kept, [this](bytes_view piece) { plan_.tail_crc = crc32c(piece, plan_.tail_crc); }));
    bool worse = known_.sealed || plan_.kept < known_.durable_to || has_no_header();
    if (misplaced && !worse) plan_.witness = stopped_at;
    worse = worse || misplaced;
    for (auto at = stopped_at + 1; !worse;) {
      HOLDFAST_TRY(found, frames_.search(at));
      if (!found) break;
      worse = found->synced_to > plan_.kept;
      if (worse) plan_.witness = found->at;
      at = found->at + 1;
    }
    plan_.verdict = !worse          ? Verdict::torn_tail
                    : known_.sealed ? Verdict::sealed_damage
                                    : Verdict::damage;
    return worse ? count_behind(stopped_at) : result<void>{ok()};
  }
  [[nodiscard]] bool ends_with_zeros() noexcept {
    if constexpr (requires(typename Format::cursor const& c) { c.zeros; }) {
      return frames_.cursor().zeros;
    } else {
      return false;
    }
  }
  [[nodiscard]] bool lacks_footer() noexcept {
    if constexpr (requires(typename Format::cursor const& c) { c.sealed; }) {
      return !frames_.cursor().sealed;
    } else {
      return false;
    }
  }
  // A header was durable before the first frame, so one that fails its check was damaged.
  [[nodiscard]] bool has_no_header() const noexcept {
    if constexpr (requires { Format::header_size; }) {
      return plan_.kept == 0 && plan_.size > Format::header_size;
    } else {
      return false;
    }
  }

  [[nodiscard]] result<void> count_behind(std::uint64_t from) {
    plan_.salvaged_end = plan_.kept;
    frames_.stand(from);
    for (;;) {
      HOLDFAST_TRY(found, frames_.go_on());
      if (!found) return ok();
      for (;;) {
        HOLDFAST_TRY(step, frames_.next());
        if (!step) return ok();
        if (!frames_.is_whole(step->kind)) break;
        if (step->kind == Step::Kind::padding || step->kind == Step::Kind::fragment) continue;
        plan_.salvaged_end = frames_.at();
        plan_.salvageable += step->kind == Step::Kind::record ? 1 : 0;
      }
    }
  }

  Frames<Segment, Format> frames_;
  Known known_;
  Plan plan_;
  std::uint64_t digest_ = 0;  // of all frames so far, also of those that may not be kept
  bool within_ = false;       // a record whose last fragment has not come
  bool awaits_first_ = true;  // of the frames that no sync is known of
};
struct VisitNothing {
  void operator()(Step const&, std::uint64_t) const noexcept {}
};
}  // namespace detail

/// What a crash, or worse, has left of a segment, and how much of it holds. Reads every byte once,
/// in memory bounded by the longest frame; `visit(step, end)` is told each record of the valid
/// prefix. Bytes that are appended meanwhile are not looked at. Errors: those of reading, and
/// `conflict` if the segment gets shorter meanwhile.
template <segment Segment, segment_format Format, class Visit = detail::VisitNothing>
[[nodiscard]] result<Plan> examine(Segment const& from,
                                   Format const& format,
                                   Known const& known = {},
                                   Visit visit = {}) {
  HOLDFAST_TRY(size, from.size());
  return detail::Examination<Segment, Format>{from, format, size, known}.run(visit);
}

HOLDFAST_END

#endif

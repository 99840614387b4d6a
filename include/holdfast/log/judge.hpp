// SPDX-License-Identifier: BSL-1.0
// Decides from what was found of each segment what becomes of the log; does no I/O.
#ifndef HOLDFAST_LOG_JUDGE_HPP
#define HOLDFAST_LOG_JUDGE_HPP

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "holdfast/config.hpp"
#include "holdfast/file_ops.hpp"
#include "holdfast/log/look.hpp"
#include "holdfast/log/survey.hpp"
#include "holdfast/recovery/apply.hpp"
#include "holdfast/recovery/plan.hpp"
#include "holdfast/result.hpp"

HOLDFAST_BEGIN

namespace detail {
/// What is to be done with a log.
struct Judgement {
  LogReport report{};
  std::size_t whole = 0;                 ///< segments up to the first break; the others go
  std::uint64_t next = 0;                ///< the number of the next record
  std::optional<error> refused{};        ///< the first reason why it may not be opened
  std::optional<std::uint64_t> where{};  ///< the segment of which that speaks
};

/// Goes over the segments in their order, with what was found of each.
class LogJudge {
 public:
  LogJudge(std::string const& directory, Recovery how) : directory_{directory}, how_{how} {}

  [[nodiscard]] Judgement operator()(Survey const& found, std::vector<Plan> const& plans) {
    out_.report.foreign = found.foreign;
    out_.report.fingerprint = fingerprint(found.bases, plans);
    for (auto& i = out_.whole; i < found.bases.size(); ++i) {
      if (!passes_gap(found.bases[i])) break;
      bool const last = i + 1 == found.bases.size();
      take(found.bases[i], plans[i]);
      // What lacks no more than its footer is no break: the next one follows all the same.
      bool const goes_on = !last && plans[i].next_sequence == found.bases[i + 1];
      if (how_ != Recovery::quarantine || plans[i].verdict == Verdict::clean || last || goes_on) {
        continue;
      }
      ++i;
      break;
    }
    out_.next = expected_.value_or(0);
    return std::move(out_);
  }

 private:
  [[nodiscard]] std::string path_of(std::uint64_t base) const {
    return join(directory_, segment_name(base));
  }
  void refuse(error const& why, std::uint64_t base) {
    if (out_.refused) return;
    out_.refused = why;
    out_.where = base;
  }
  void note(Verdict verdict) noexcept {
    if (out_.report.verdict == Verdict::clean) out_.report.verdict = verdict;
  }

  // False: nothing from here on is of the log.
  [[nodiscard]] bool passes_gap(std::uint64_t base) {
    if (!expected_ || base == *expected_) return true;
    // One that begins before the one before it ends is a copy, or was put there by mistake.
    if (base < *expected_) {
      note(Verdict::foreign);
      refuse(error{errc::foreign, "open log", path_of(base)}, base);
      return true;
    }
    note(Verdict::hole);
    out_.report.missing_records += base - *expected_;
    if (how_ == Recovery::refuse || how_ == Recovery::cut) {
      refuse(error{errc::hole, "open log", path_of(*expected_)}, base);
    }
    return how_ != Recovery::quarantine;
  }
  void take(std::uint64_t base, Plan const& plan) {
    out_.report.segments.push_back({base, {.found = plan}});
    note(plan.verdict);
    if (!may_open(plan.verdict, how_)) {
      refuse(error{errc_of(plan.verdict), "open log", path_of(base)}.at(plan.kept), base);
    }
    expected_ = plan.kept == 0 ? base : plan.next_sequence;
    if (how_ == Recovery::salvage) *expected_ += plan.salvageable;
  }

  std::string const& directory_;
  Recovery how_;
  Judgement out_{};
  std::optional<std::uint64_t> expected_{};  // the number with which the next one must begin
};
}  // namespace detail

HOLDFAST_END

#endif

// SPDX-License-Identifier: BSL-1.0
// Keeps what one run came to, so that no failure after its commit hides the commit.
#ifndef HOLDFAST_REPROCESS_FLIGHT_HPP
#define HOLDFAST_REPROCESS_FLIGHT_HPP

#include <stop_token>

#include "holdfast/config.hpp"
#include "holdfast/reprocess/executor.hpp"
#include "holdfast/reprocess/report.hpp"
#include "holdfast/result.hpp"
#include "holdfast/staged/housekeeping.hpp"

HOLDFAST_BEGIN

namespace detail {
/// One run: its own thread's until it ended, but for `phase`; from then on nobody changes it.
template <class Tasks>
struct Flight {
  Tasks tasks{};
  std::stop_source cancel{};
  char const* phase = "none";  // guarded by the mutex of the object that runs it
  ReprocessReport report{};
  /// Of the last attempt, then of the run.
  result<Committed> outcome = failure(errc::no_memory, "reprocess", "the run did not begin");

  /// The run ended so. What a commit answered stands, also where its answer was lost: who only
  /// heard of what failed next would think that nothing had happened.
  void end(result<Committed> const& answer) noexcept {
    bool const open = !outcome && outcome.error().code() == errc::uncertain;
    if (answer || (!outcome && !open)) {
      outcome = answer;
    } else if (outcome || !(answer.assume_error() == outcome.assume_error())) {
      report.incomplete = answer.assume_error();
    }
    if (outcome) report.committed = outcome.assume_value();
  }
  /// Without the memory for the whole report: the commit alone.
  [[nodiscard]] result<ReprocessReport> answer() const noexcept {
    if (!outcome) return failure(outcome.error());
    auto whole = guarded("reprocess", [&]() -> result<ReprocessReport> { return report; });
    if (whole) return whole;
    ReprocessReport least;
    least.committed = report.committed;
    least.incomplete = whole.error();
    return least;
  }
};
}  // namespace detail

HOLDFAST_END

#endif

// SPDX-License-Identifier: BSL-1.0
// Looks at a whole log, as anyone may who can read it; touches nothing and takes no lock.
#ifndef HOLDFAST_LOG_EXAMINE_HPP
#define HOLDFAST_LOG_EXAMINE_HPP

#include <cstdint>
#include <string>
#include <utility>

#include "holdfast/config.hpp"
#include "holdfast/event.hpp"
#include "holdfast/file_system.hpp"
#include "holdfast/log/judge.hpp"
#include "holdfast/log/look.hpp"
#include "holdfast/log/options.hpp"
#include "holdfast/log/survey.hpp"
#include "holdfast/posix.hpp"
#include "holdfast/recovery/plan.hpp"
#include "holdfast/recovery/told.hpp"
#include "holdfast/result.hpp"
#include "holdfast/world.hpp"

HOLDFAST_BEGIN

/// What opening the log would find, segment by segment, up to the newest; nothing was done. Its
/// `fingerprint` is what `LogOptions::plan` takes. The observer is told each segment. A log that
/// grows meanwhile is looked at as far as it was when its segments were. Errors: those of reading.
template <file_system Fs = Posix, world W = Native>
[[nodiscard]] result<LogReport> examine_log(std::string const& directory,
                                            LogOptions const& options = {},
                                            Fs const& fs = {},
                                            W const& w = {}) {
  detail::Ending const ending{options.progress.get()};
  HOLDFAST_TRY(found, detail::survey(fs, directory));
  auto const told = [&w](std::uint64_t base, Plan const& plan) {
    detail::tell_step(w, {SegmentStep::Kind::examined, base, plan.kept, name(plan.verdict)});
  };
  HOLDFAST_TRY(plans, detail::look_at_segments(fs, directory, found.bases, options, 0,
                                               options.progress.get(), told));
  // As salvage goes: over everything that there is.
  auto report = detail::LogJudge{directory, Recovery::salvage}(found, plans).report;
  for (auto const& one : report.segments) report.records += one.recovered.found.records;
  return report;
}

HOLDFAST_END

#endif

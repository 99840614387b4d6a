// SPDX-License-Identifier: BSL-1.0
// Looks at a whole log, as anyone may who can read it; touches nothing and takes no lock.
#ifndef HOLDFAST_LOG_EXAMINE_HPP
#define HOLDFAST_LOG_EXAMINE_HPP

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "holdfast/backend/file_segment.hpp"
#include "holdfast/config.hpp"
#include "holdfast/file_ops.hpp"
#include "holdfast/file_system.hpp"
#include "holdfast/format/framed.hpp"
#include "holdfast/log/survey.hpp"
#include "holdfast/posix.hpp"
#include "holdfast/recovery/examine.hpp"
#include "holdfast/recovery/plan.hpp"
#include "holdfast/recovery/point.hpp"
#include "holdfast/result.hpp"

HOLDFAST_BEGIN

/// What opening the log would find, segment by segment, up to the newest; nothing was done.
/// `visit(done, all)` is told how many segments have been looked at. Errors: those of reading.
template <file_system Fs = Posix, class Visit>
[[nodiscard]] result<LogReport> examine_log(std::string const& directory,
                                            Visit visit,
                                            Fs const& fs = {}) {
  LogReport report;
  HOLDFAST_TRY(found, detail::survey(fs, directory));
  report.foreign = std::move(found.foreign);
  std::optional<std::uint64_t> expected;
  auto const note = [&report](Verdict verdict) {
    if (report.verdict == Verdict::clean) report.verdict = verdict;
  };
  for (std::size_t i = 0; i < found.bases.size(); ++i) {
    auto const base = found.bases[i];
    visit(i, found.bases.size());
    auto path = detail::join(directory, detail::segment_name(base));
    HOLDFAST_TRY(file, BasicFileSegment<Fs>::open_to_read(std::move(path), fs));
    Framed const format{{.base = base}};
    HOLDFAST_TRY(point, detail::durable_point(file, format));
    HOLDFAST_TRY(plan, examine(file, format,
                               Known{.durable_to = point, .sealed = i + 1 < found.bases.size()}));
    if (expected && base > *expected) {
      note(Verdict::hole);
      report.missing_records += base - *expected;
    }
    if (expected && base < *expected)
      note(Verdict::foreign);  // a copy, or one put there by mistake
    note(plan.verdict);
    report.segments.push_back({base, {.found = plan}});
    report.records += plan.records;
    expected = plan.kept == 0 ? base : plan.next_sequence + plan.salvageable;
  }
  return report;
}
template <file_system Fs = Posix>
[[nodiscard]] result<LogReport> examine_log(std::string const& directory, Fs const& fs = {}) {
  return examine_log(
      directory, [](std::size_t, std::size_t) {}, fs);
}

/// Of all that was found: equal where the bytes and the names are.
[[nodiscard]] inline std::uint64_t fingerprint(LogReport const& report) noexcept {
  std::uint64_t all = report.segments.size();
  for (auto const& one : report.segments) {
    all = Plan::mixed(all, one.base);
    all = Plan::mixed(all, one.recovered.found.fingerprint());
  }
  return all;
}

HOLDFAST_END

#endif

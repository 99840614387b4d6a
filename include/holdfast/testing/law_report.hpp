// SPDX-License-Identifier: BSL-1.0
// What became of each law of one subject, as text, as JSON and as JUnit XML.
#ifndef HOLDFAST_TESTING_LAW_REPORT_HPP
#define HOLDFAST_TESTING_LAW_REPORT_HPP

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "holdfast/config.hpp"
#include "holdfast/testing/escape.hpp"
#include "holdfast/testing/laws.hpp"

HOLDFAST_BEGIN

namespace testing {
enum class LawOutcome : std::uint8_t {
  held,
  partly,     ///< held as far as it could be checked; `note` says what could not
  unreached,  ///< could not be checked; `note` says what that needs
  unchecked,  ///< a law that it rests on is broken
  broken,
};
[[nodiscard]] constexpr std::string_view name(LawOutcome outcome) noexcept {
  constexpr std::string_view names[] = {"held", "partly", "unreached", "unchecked", "broken"};
  return names[static_cast<std::size_t>(outcome)];
}

struct LawResult {
  Law law;
  LawOutcome outcome = LawOutcome::held;
  std::string note{};      ///< why it is not simply held or broken
  std::string expected{};  ///< of a broken one, as is all that follows
  std::string seen{};
  std::string report{};    ///< the run and the crash that broke it, for a person
  std::uint64_t seed = 0;  ///< with which one variant breaks it again
};

struct LawReport {
  std::string subject;
  std::uint64_t seed = 1;
  std::size_t variants = 0;
  std::size_t states = 0;  ///< distinct crash states that were judged
  double seconds = 0;
  std::vector<LawResult> laws;

  [[nodiscard]] std::size_t count(LawOutcome outcome) const {
    return static_cast<std::size_t>(std::count_if(
        laws.begin(), laws.end(), [&](LawResult const& r) { return r.outcome == outcome; }));
  }
  [[nodiscard]] bool ok() const { return count(LawOutcome::broken) == 0; }
};

/// What broke a law, and how to see it again; empty for one that is not broken.
[[nodiscard]] inline std::string text(LawResult const& result) {
  if (result.outcome != LawOutcome::broken) return {};
  auto out = result.report;  // of a run with crashes; it ends in the same two lines
  if (out.empty()) out = "  expected: " + result.expected + "\n  seen: " + result.seen + "\n";
  return out + "  again: {.seed = " + std::to_string(result.seed) + ", .variants = 1}\n";
}

namespace kit {
/// Each note once, under the ids of the laws that it is about.
[[nodiscard]] inline std::string notes(LawReport const& report) {
  std::string out;
  for (auto r = report.laws.begin(); r != report.laws.end(); ++r) {
    auto const same = [&](LawResult const& other) { return other.note == r->note; };
    if (r->note.empty() || std::any_of(report.laws.begin(), r, same)) continue;
    std::string ids;
    for (auto other = r; other != report.laws.end(); ++other) {
      if (same(*other)) ids += (ids.empty() ? "" : ", ") + std::string{other->law.id};
    }
    out += "\n" + ids + ":\n  " + r->note + "\n";
  }
  return out;
}
}  // namespace kit

/// One line a law, then what is to be said of those that did not hold. The same for equal runs.
[[nodiscard]] inline std::string text(LawReport const& report) {
  std::string out = report.subject + ", seed " + std::to_string(report.seed) + "\n";
  for (auto const& result : report.laws) {
    auto line = std::string{name(result.outcome)};
    line.resize(std::max<std::size_t>(line.size(), 10), ' ');
    out += line + std::string{result.law.id} + "  " + std::string{result.law.sentence} + "\n";
  }
  for (auto const& result : report.laws) {
    if (result.outcome == LawOutcome::broken)
      out += "\n" + std::string{result.law.id} + ":\n" + text(result);
  }
  out += kit::notes(report) + "\n";
  for (auto const outcome : {LawOutcome::held, LawOutcome::partly, LawOutcome::unreached,
                             LawOutcome::unchecked, LawOutcome::broken}) {
    auto const n = report.count(outcome);
    if (n != 0 || outcome == LawOutcome::broken) {
      out += std::to_string(n) + " " + std::string{name(outcome)} + ", ";
    }
  }
  return out + std::to_string(report.states) + " crash states\n";
}

/// One object: subject, seed, counts, and the laws with all that is known of each.
[[nodiscard]] inline std::string json(LawReport const& report) {
  std::string out = "{\"subject\": " + json_string(report.subject) +
                    ", \"seed\": " + std::to_string(report.seed) +
                    ", \"variants\": " + std::to_string(report.variants) +
                    ", \"states\": " + std::to_string(report.states) + ", \"laws\": [";
  char const* separator = "\n  ";
  for (auto const& r : report.laws) {
    out += separator;
    separator = ",\n  ";
    out += "{\"id\": " + json_string(r.law.id) + ", \"name\": " + json_string(r.law.name) +
           ", \"sentence\": " + json_string(r.law.sentence) +
           ", \"outcome\": " + json_string(name(r.outcome));
    if (!r.note.empty()) out += ", \"note\": " + json_string(r.note);
    if (r.outcome == LawOutcome::broken) {
      out += ", \"seed\": " + std::to_string(r.seed) +
             ", \"expected\": " + json_string(r.expected) + ", \"seen\": " + json_string(r.seen) +
             ", \"report\": " + json_string(r.report);
    }
    out += "}";
  }
  return out + "\n]}\n";
}

namespace kit {
[[nodiscard]] inline std::string junit_case(LawReport const& report, LawResult const& r) {
  std::string out = "    <testcase classname=\"" + xml_text(report.subject) + "\" name=\"" +
                    xml_text(r.law.id) + " " + xml_text(r.law.sentence) + "\" time=\"0\"";
  if (r.outcome == LawOutcome::held) return out + "/>\n";
  out += ">\n";
  if (r.outcome == LawOutcome::broken) {
    out += "      <failure type=\"" + xml_text(r.law.id) + "\" message=\"" + xml_text(r.expected) +
           "; seen: " + xml_text(r.seen) + "\">" + xml_text(text(r)) + "</failure>\n";
  } else {
    out += "      <skipped message=\"" + xml_text(name(r.outcome)) + ": " + xml_text(r.note) +
           "\"/>\n";
  }
  return out + "    </testcase>\n";
}
}  // namespace kit

/// A test suite of the subject's name with a case for each law. What was not checked, or not in
/// full, is skipped and says why.
[[nodiscard]] inline std::string junit(LawReport const& report) {
  auto const failures = report.count(LawOutcome::broken);
  auto const skipped = report.laws.size() - failures - report.count(LawOutcome::held);
  auto const time = std::to_string(report.seconds);
  auto const counts = " tests=\"" + std::to_string(report.laws.size()) + "\" failures=\"" +
                      std::to_string(failures) + "\" errors=\"0\" skipped=\"" +
                      std::to_string(skipped) + "\" time=\"" + time + "\">\n";
  std::string out = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"holdfast\"" +
                    counts + "  <testsuite name=\"" + xml_text(report.subject) + "\"" + counts;
  out += "    <properties><property name=\"seed\" value=\"" + std::to_string(report.seed) +
         "\"/><property name=\"crash_states\" value=\"" + std::to_string(report.states) +
         "\"/></properties>\n";
  for (auto const& result : report.laws) out += kit::junit_case(report, result);
  return out + "  </testsuite>\n</testsuites>\n";
}
}  // namespace testing

HOLDFAST_END

#endif

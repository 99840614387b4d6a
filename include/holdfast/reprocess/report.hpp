// SPDX-License-Identifier: BSL-1.0
// Keeps what became of a run: every attempt, every task, every error; as values, text and JSON.
#ifndef HOLDFAST_REPROCESS_REPORT_HPP
#define HOLDFAST_REPROCESS_REPORT_HPP

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "holdfast/config.hpp"
#include "holdfast/ids.hpp"
#include "holdfast/report/json.hpp"
#include "holdfast/report/json_status.hpp"
#include "holdfast/report/progress.hpp"
#include "holdfast/report/text.hpp"
#include "holdfast/result.hpp"
#include "holdfast/staged/housekeeping.hpp"

HOLDFAST_BEGIN

/// What became of one task in one attempt.
struct TaskReport {
  TaskProgress progress;               ///< its name, state and figures at its end
  std::optional<error> cause{};        ///< why it failed, or was stopped
  std::vector<error> hook_failures{};  ///< of its own hooks; they change nothing
};

/// What became of one attempt.
struct AttemptReport {
  int number = 1;
  Generation generation{};
  std::string phase{};  ///< the last that it came to
  std::int64_t took_ns = 0;
  std::optional<error> cause{};  ///< nothing: it was committed
  std::string task{};            ///< whose error it is; empty: no task's
  std::vector<TaskReport> tasks{};
};

/// What became of a run.
struct ReprocessReport {
  std::optional<Committed> committed{};  ///< nothing: readers see what they saw before
  Marks marks{};                         ///< as committed
  std::vector<AttemptReport> attempts{};
  std::vector<error> hook_failures{};  ///< of the hooks of the whole run
  std::optional<error> incomplete{};   ///< why something is missing here; what is said stands
  std::int64_t took_ns = 0;
};

namespace detail {
inline void add_line(std::string& to, std::string const& indent, std::string const& text) {
  to.append(indent).append(text).append("\n");
}
inline void add_hooks(std::string& to, std::string const& indent, std::vector<error> const& all) {
  for (auto const& why : all) add_line(to, indent, "a hook failed: " + printable(why.text()));
}
}  // namespace detail

/// For a person: a line for the run, one for each attempt, one for each task, each with its errors.
[[nodiscard]] inline std::string to_text(ReprocessReport const& report) {
  std::string out;
  detail::add_line(
      out, "",
      (report.committed
           ? "generation " + std::to_string(report.committed->generation.number) + " is current"
           : std::string{"nothing was committed"}) +
          ", after " + std::to_string(report.attempts.size()) +
          (report.attempts.size() == 1 ? " attempt in " : " attempts in ") +
          human_time(report.took_ns));
  if (report.committed && report.committed->housekeeping) {
    detail::add_line(out, "  ",
                     "left for later: " + printable(report.committed->housekeeping->text()));
  }
  for (auto const& attempt : report.attempts) {
    detail::add_line(out, "  ",
                     "attempt " + std::to_string(attempt.number) + ", generation " +
                         std::to_string(attempt.generation.number) + ": " +
                         (attempt.cause ? "failed in " + attempt.phase : std::string{"committed"}) +
                         " after " + human_time(attempt.took_ns));
    if (attempt.cause) detail::add_line(out, "    ", printable(attempt.cause->text()));
    for (auto const& task : attempt.tasks) {
      detail::add_line(out, "    ", line(task.progress));
      if (task.cause) detail::add_line(out, "      ", printable(task.cause->text()));
      detail::add_hooks(out, "      ", task.hook_failures);
    }
  }
  detail::add_hooks(out, "  ", report.hook_failures);
  if (report.incomplete) {
    detail::add_line(out, "  ",
                     "this report is incomplete: " + printable(report.incomplete->text()));
  }
  return out;
}

namespace detail {
inline void put_errors(Json& json, std::string_view name, std::vector<error> const& all) {
  json.key(name).array([&] {
    for (auto const& why : all) put(json, why);
  });
}
inline void put_cause(Json& json, std::optional<error> const& why) {
  json.key("error");
  why ? put(json, *why) : put_null(json);
}
inline void put(Json& json, AttemptReport const& attempt) {
  json.object([&] {
    json.field("number", attempt.number)
        .field("generation", attempt.generation.number)
        .field("phase", attempt.phase)
        .field("seconds", seconds(attempt.took_ns))
        .field("task", attempt.task);
    put_cause(json, attempt.cause);
    json.key("tasks").array([&] {
      for (auto const& task : attempt.tasks) {
        json.object([&] {
          put_fields(json, task.progress);
          put_cause(json, task.cause);
          put_errors(json, "hook_failures", task.hook_failures);
        });
      }
    });
  });
}
}  // namespace detail

/// The whole report as one JSON object.
[[nodiscard]] inline std::string to_json(ReprocessReport const& report) {
  Json json;
  json.object([&] {
    json.field("committed", report.committed.has_value());
    if (report.committed) {
      json.field("generation", report.committed->generation.number)
          .field("sequence", report.committed->sequence);
      json.key("housekeeping");
      auto const& left = report.committed->housekeeping;
      left ? detail::put(json, *left) : detail::put_null(json);
    }
    detail::put(json, "marks", report.marks);
    json.field("seconds", detail::seconds(report.took_ns));
    json.key("attempts").array([&] {
      for (auto const& attempt : report.attempts) detail::put(json, attempt);
    });
    detail::put_errors(json, "hook_failures", report.hook_failures);
    json.key("incomplete");
    report.incomplete ? detail::put(json, *report.incomplete) : detail::put_null(json);
  });
  return json.text();
}

HOLDFAST_END

#endif

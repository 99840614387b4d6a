// SPDX-License-Identifier: BSL-1.0
// Tests how the report of a run reads, as text and as JSON, with everything that it can hold.
#include <string>

#include "catch.hpp"
#include "holdfast/reprocess/report.hpp"

namespace {
using Catch::Matchers::ContainsSubstring;
using hf::errc, hf::error;

hf::ReprocessReport full_report() {
  hf::ReprocessReport report;
  report.committed.emplace();
  report.committed->generation = {7};
  report.committed->sequence = 9;
  report.committed->housekeeping = error{errc::pinned, "collect", "generation 3"};
  report.marks["feed"] = 12;
  report.hook_failures.push_back(error{errc::backend, "on_start", "the hook of the run"});
  report.incomplete = error{errc::no_memory, "report"};
  hf::TaskReport task;
  task.progress.name = "keys";
  task.cause = error{errc::invalid, "run", "no such key"};
  task.hook_failures.push_back(error{errc::backend, "on_completion", "the hook of a task"});
  hf::AttemptReport failed{.number = 1, .generation = {6}, .phase = "build"};
  failed.cause = task.cause;
  failed.task = "keys";
  failed.tasks.push_back(task);
  report.attempts.push_back(failed);
  report.attempts.push_back({.number = 2, .generation = {7}, .phase = "commit"});
  return report;
}
}  // namespace

TEST_CASE("the text of a run names every attempt, task and error", "[reprocess][report]") {
  auto const text = hf::to_text(full_report());
  for (auto const* part :
       {"generation 7 is current, after 2 attempts", "left for later: ", "generation 3",
        "attempt 1, generation 6: failed in build", "no such key", "the hook of a task",
        "attempt 2, generation 7: committed", "a hook failed: ", "the hook of the run",
        "this report is incomplete: "}) {
    CHECK_THAT(text, ContainsSubstring(part));
  }
}

TEST_CASE("the JSON of a run holds the same", "[reprocess][report]") {
  auto const json = hf::to_json(full_report());
  for (auto const* part :
       {R"("committed": true)", R"("generation": 7)", R"("sequence": 9)", R"("feed": 12)",
        R"("task": "keys")", "no such key", "the hook of a task", "the hook of the run"}) {
    CHECK_THAT(json, ContainsSubstring(part));
  }
  CHECK(json.find(R"("housekeeping": null)") == json.npos);
  CHECK(json.find(R"("incomplete": null)") == json.npos);
}

TEST_CASE("a run without a commit says so, and has nothing else to tell", "[reprocess][report]") {
  hf::ReprocessReport report;
  report.attempts.push_back({.number = 1});
  auto const text = hf::to_text(report);
  CHECK_THAT(text, ContainsSubstring("nothing was committed, after 1 attempt in "));
  CHECK(text.find("incomplete") == text.npos);
  auto const json = hf::to_json(report);
  CHECK_THAT(json, ContainsSubstring(R"("committed": false)"));
  CHECK_THAT(json, ContainsSubstring(R"("incomplete": null)"));
}

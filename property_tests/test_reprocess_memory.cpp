// SPDX-License-Identifier: BSL-1.0
// Fails each allocation of a run in turn: what it answers is what readers see, also where memory
// ends after the commit.
#include <cstddef>
#include <cstdint>
#include <new>
#include <optional>
#include <string>

#include "catch.hpp"
#include "holdfast/backend/memory_register.hpp"
#include "holdfast/backend/memory_store.hpp"
#include "holdfast/policy/exclusive.hpp"
#include "holdfast/reprocess.hpp"
#include "holdfast/staged.hpp"
#include "holdfast/testing/faults_memory.hpp"

namespace {
using hf::testing::allocations;
using Part = hf::MemoryStore<std::string>;

// A home whose first generation has "old", and a run on this thread that makes it "new".
struct Home {
  using Db = hf::Staged<Part, hf::MemoryRegister, hf::Exclusive, hf::Native>;
  using Job = hf::Reprocess<Db, hf::Inline>;
  Db db = hf::open_staged({}, Part{"keys"}, hf::MemoryRegister{}, hf::Exclusive{}).value();
  Job job{db, hf::Inline{}, {.retry = {.auto_retry_enabled = false}}};

  Home() {
    auto stage = db.stage().value();
    *stage.writer() = "old";
    std::move(stage).seal().value().commit().value();
    Job::task_type task{.name = "keys", .run = [](auto& writer, hf::TaskRun& run) {
                          *writer = "new";
                          run.mark("a mark that is too long for a short string", 7);
                          return run.step();
                        }};
    task.validate = [](auto const& reader) -> hf::result<bool> { return *reader == "new"; };
    task.on_complete = [](auto const&, auto const&) -> hf::result<void> {
      return hf::failure(hf::errc::io, "a hook");  // which the report keeps
    };
    job.add(std::move(task));
  }
  [[nodiscard]] std::string served() const {
    auto const view = db.view();
    return **view.value();
  }
};

// What became of a run in which the n-th allocation failed; nothing if it threw.
std::optional<hf::result<hf::ReprocessReport>> run_failing(Home& home, std::uint64_t n) {
  std::optional<hf::result<hf::ReprocessReport>> answer;
  allocations = {.fail_at = n};
  try {
    answer.emplace(home.job.run());
  } catch (std::bad_alloc const&) {
  }
  return answer;
}
}  // namespace

TEST_CASE("a run whose memory ends answers what readers see", "[reprocess][faults]") {
  std::size_t committed = 0;
  std::size_t failed = 0;
  std::size_t incomplete = 0;
  bool struck = true;
  for (std::uint64_t n = 1; struck; ++n) {
    CAPTURE(n);
    Home home;
    auto const answer = run_failing(home, n);
    struck = allocations.failed();
    allocations = {};
    bool const done = answer && answer->has_value();
    REQUIRE(home.served() == (done ? "new" : "old"));
    auto const report = home.job.report();
    // A run that threw did not begin.
    REQUIRE(report.has_value() == answer.has_value());
    if (answer) CHECK(report->committed.has_value() == done);
    if (!struck) continue;
    (done ? committed : failed) += 1;
    if (done) {
      auto const& told = answer->value();
      REQUIRE(told.committed);
      CHECK(told.committed->generation == hf::Generation{2});
      incomplete += told.incomplete.has_value();
    }
    // Nothing of it stands in the way of the next.
    auto const next = home.job.run();
    REQUIRE(next);
    CHECK(!next.value().incomplete);
    CHECK(home.served() == "new");
  }
  CHECK(failed > 20);
  CHECK(committed > 5);
  CHECK(incomplete > 2);
}

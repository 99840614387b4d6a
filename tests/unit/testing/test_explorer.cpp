// SPDX-License-Identifier: BSL-1.0
// Tests the explorer on protocols of one call: what it finds, what it counts, what it reports.
#include <cstddef>
#include <string>
#include <vector>

#include "catch.hpp"
#include "holdfast/file_ops.hpp"
#include "holdfast/testing/explorer.hpp"
#include "holdfast/testing/laws.hpp"

using namespace hf::testing;  // NOLINT(google-build-using-namespace)

namespace {
constexpr Law promise{"T1", "A file that was acknowledged is there."};

Note const saved{Note::Kind::acked, 1, 0, 0};

Verdict save(Run& run, bool synced) {
  auto const process = run.start();
  auto file = process.files.open("/a", hf::Open::create);
  if (!file) return promise.refused("open", file.error());
  if (synced && !process.files.sync_directory("/")) return promise.broken("a sync", "none");
  run.note(saved);
  return {};
}
Recovered look(Run& run) {
  Recovered out;
  auto const process = run.start();
  bool const there = process.files.identity("/a").has_value();
  bool const promised = !run.history().empty();
  out.seen = out.left = there ? "there" : "gone";
  if (promised && !there) out.broken = promise.broken("there", "gone");
  return out;
}
Scenario saving(bool synced) {
  return {"saving", 4096, [synced](Run& run) { return save(run, synced); }, look};
}
}  // namespace

TEST_CASE("the explorer judges each disk and history once", "[simulator]") {
  auto const found = explore(saving(true), {.mode = CrashMode::any});
  CHECK_FALSE(found.violation);
  CHECK(found.states == 3);  // nothing; the file; the file, acknowledged
}

TEST_CASE("a violation names the law, the mode, the crash and what was lost", "[simulator]") {
  auto const found = explore(saving(false), {.mode = CrashMode::any, .seed = 5});
  REQUIRE(found.violation);
  CHECK(found.violation->law == "T1");
  for (auto const* part :
       {"law T1 violated by saving, mode any, seed 5", "power cut after note: acked 1",
        "lost #1 (process 1) create /a: name", "seen: gone"}) {
    CHECK_THAT(found.report, Catch::Matchers::ContainsSubstring(part));
  }
}

TEST_CASE("a violation without any crash is reported as such", "[simulator]") {
  Scenario scenario = saving(true);
  scenario.work = [](Run&) { return promise.broken("this", "that"); };
  auto const found = explore(scenario, {});
  CHECK_THAT(found.report, Catch::Matchers::ContainsSubstring("without a crash"));
}

TEST_CASE("a recovery that does not repeat itself is found", "[simulator]") {
  Scenario scenario = saving(true);
  // Removes what it finds, so that the recovery after it, or after its crash, finds another thing.
  scenario.recover = [](Run& run) {
    Recovered out;
    auto const removed = run.start().files.remove("/a");
    out.seen = out.left = removed ? "there" : "gone";
    return out;
  };
  auto const found = explore(scenario, {.mode = CrashMode::process});
  REQUIRE(found.violation);
  CHECK(found.violation->law == "S4");
}

TEST_CASE("a recovery that is wrong only when it is crashed is found", "[simulator]") {
  Scenario scenario = saving(true);
  // Copies and removes in an order that loses both to a crash in between.
  scenario.recover = [](Run& run) {
    auto const fs = run.start().files;
    Recovered out;
    bool there = fs.identity("/a").has_value();
    if (there && !run.again) {
      static_cast<void>(fs.remove("/a"));
      there = fs.open("/a", hf::Open::create).has_value();
    }
    out.seen = out.left = there ? "there" : "gone";
    if (!run.history().empty() && !there) out.broken = promise.broken("there", "gone");
    return out;
  };
  CHECK_FALSE(explore(scenario, {.mode = CrashMode::process, .depth = 0}).violation);
  auto const found = explore(scenario, {.mode = CrashMode::process, .depth = 1});
  REQUIRE(found.violation);
  CHECK_THAT(found.report,
             Catch::Matchers::ContainsSubstring("SIGKILL after #2 (process 2) remove"));
}

TEST_CASE("the explorer stops when its budget is spent", "[simulator]") {
  CHECK(explore(saving(true), {.mode = CrashMode::any, .max_states = 2}).states == 2);
}

TEST_CASE("beyond the budget of a crash point its subsets are sampled, legal ones only",
          "[simulator]") {
  Scenario scenario = saving(true);
  scenario.work = [](Run& run) -> Verdict {
    auto const process = run.start();
    for (int i = 0; i < 30; ++i) {
      static_cast<void>(process.files.make_directory("/" + std::to_string(i)));
    }
    return {};
  };
  // In a journal only prefixes are legal.
  scenario.recover = [](Run& run) {
    auto const entries = run.start().files.list("/");
    auto const count = entries.assume_value().size();
    Recovered out;
    for (std::size_t i = 0; i < count; ++i) {
      auto const name = std::to_string(i);
      if (!run.disk.machine().cache.at(disk::root).find(name))
        out.broken = promise.broken(name, "gone");
    }
    return out;
  };
  auto const on_ext4 = explore(scenario, {.mode = CrashMode::ext4, .depth = 0, .subsets = 16});
  CHECK_FALSE(on_ext4.violation);
  CHECK(on_ext4.states == 31);
  CHECK(explore(scenario, {.mode = CrashMode::any, .depth = 0, .subsets = 16}).violation);
}

namespace {
// Makes directories 1 .. n and says that all are there, without a sync.
Scenario unsynced(int n, bool whole) {
  Scenario scenario{"unsynced", 4096, {}, {}};
  scenario.work = [n, whole](Run& run) -> Verdict {
    auto const process = run.start();
    for (int i = 1; i <= n; ++i) {
      static_cast<void>(process.files.make_directory("/" + std::to_string(i)));
    }
    if (whole && !process.files.sync_directory("/")) return promise.broken("a sync", "none");
    run.note(saved);
    return {};
  };
  scenario.recover = [n](Run& run) {
    Recovered out;
    auto const count = run.start().files.list("/").assume_value().size();
    out.seen = out.left = std::to_string(count);
    bool const promised = !run.history().empty();
    if (promised && count != static_cast<std::size_t>(n))
      out.broken = promise.broken("all", out.seen);
    return out;
  };
  scenario.code = "unsynced(" + std::to_string(n) + ", false)";
  if (n > 1) {
    scenario.smaller = [n, whole] {
      return std::vector{unsynced(n / 2, whole), unsynced(n - 1, whole)};
    };
  }
  return scenario;
}
}  // namespace

TEST_CASE("what was lost is told only as far as it matters", "[simulator]") {
  auto const found = explore(unsynced(4, false), {.mode = CrashMode::any, .subsets = 4});
  REQUIRE(found.violation);
  std::size_t lost = 0;
  for (auto at = found.report.find("lost "); at != std::string::npos;
       at = found.report.find("lost ", at + 1)) {
    ++lost;
  }
  CHECK(lost == 1);
}

TEST_CASE("a failure is looked for again in smaller scenarios, and told as a test to paste",
          "[simulator]") {
  auto const found = explore_and_shrink(unsynced(9, false), {.mode = CrashMode::any, .seed = 3});
  REQUIRE(found.violation);
  CHECK_THAT(found.report, Catch::Matchers::ContainsSubstring("(process 1) make directory /1:"));
  CHECK_THAT(found.report, !Catch::Matchers::ContainsSubstring("make directory /2"));
  CHECK_THAT(found.report, Catch::Matchers::ContainsSubstring("scenario = unsynced(1, false);"));
  CHECK_THAT(found.report,
             Catch::Matchers::ContainsSubstring(".mode = hf::testing::CrashMode::any"));
  CHECK_THAT(found.report, Catch::Matchers::ContainsSubstring(".seed = 3"));
  CHECK(explore_and_shrink(unsynced(9, true), {.mode = CrashMode::any}).report == "");
}

TEST_CASE("a budget is for all crash points, and says how many it misses", "[simulator]") {
  auto const all =
      explore(unsynced(40, true), {.mode = CrashMode::any, .depth = 0, .max_states = 400});
  CHECK(all.points == 41);
  CHECK(all.missed == 0);
  CHECK(all.states <= 400);
  CHECK(all.states > 100);
  auto const few = explore(unsynced(40, true), {.mode = CrashMode::process, .max_states = 10});
  CHECK(few.points == 41);
  CHECK(few.missed > 25);
}

TEST_CASE("no crash is explored before the step that a run names", "[simulator]") {
  Scenario scenario = unsynced(6, true);
  auto const work = scenario.work;
  scenario.work = [work](Run& run) {
    auto broken = work(run);
    run.disk.machine().crashes_from = run.disk.machine().log.steps.size() - 1;
    return broken;
  };
  auto const found = explore(scenario, {.mode = CrashMode::any, .depth = 0});
  CHECK(found.points == 1);
  CHECK(found.states == 1);
}

// SPDX-License-Identifier: BSL-1.0
// Tests the explorer on protocols of one call: what it finds, what it counts, what it reports.
#include <string>

#include "catch.hpp"
#include "holdfast/file_ops.hpp"
#include "holdfast/testing/explorer.hpp"
#include "holdfast/testing/laws.hpp"

using namespace hf::testing;  // NOLINT(google-build-using-namespace)

namespace {
constexpr Law law{"T1", "A file that was acknowledged is there."};

Note const acked{Note::Kind::acked, 1, 0, 0};

Verdict save(Run& run, bool synced) {
  auto const process = run.start();
  auto file = process.files.open("/a", hf::Open::create);
  if (!file) return law.refused("open", file.error());
  if (synced && !process.files.sync_directory("/")) return law.broken("a sync", "none");
  run.note(acked);
  return {};
}
Recovered look(Run& run) {
  Recovered out;
  auto const process = run.start();
  bool const there = process.files.identity("/a").has_value();
  bool const promised = !run.history().empty();
  out.seen = out.left = there ? "there" : "gone";
  if (promised && !there) out.broken = law.broken("there", "gone");
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
  scenario.work = [](Run&) { return law.broken("this", "that"); };
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
    if (!run.history().empty() && !there) out.broken = law.broken("there", "gone");
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
        out.broken = law.broken(name, "gone");
    }
    return out;
  };
  auto const journaled = explore(scenario, {.mode = CrashMode::ext4, .depth = 0, .subsets = 16});
  CHECK_FALSE(journaled.violation);
  CHECK(journaled.states == 31);
  CHECK(explore(scenario, {.mode = CrashMode::any, .depth = 0, .subsets = 16}).violation);
}

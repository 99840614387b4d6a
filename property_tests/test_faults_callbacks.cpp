// SPDX-License-Identifier: BSL-1.0
// Puts a staged home through every throw of every callback of its user: the operations of a store,
// and the validation of a build. Then through the crashes of those runs.
#include <optional>
#include <string>
#include <utility>

#include "catch.hpp"
#include "holdfast/testing/faults_staged.hpp"
#include "holdfast/testing/throwing_store.hpp"
#include "homes.hpp"

namespace {
using namespace hf::testing;  // NOLINT(google-build-using-namespace)
using Throwing = ThrowingStore<hf::BasicDirectoryStore<SimulatedFiles>, hf::DirectoryOptions>;
using ThrowingHome = crash::TwoDirectories<SimulatedFiles, Throwing>;
using Home = crash::TwoDirectories<SimulatedFiles>;

ExploreOptions crashes(std::size_t states) {
  return {.mode = CrashMode::any, .depth = 1, .max_states = states, .thin = 4};
}

// A build whose validation throws, or else says no.
hf::result<hf::Committed> commit_invalid(Home const& home, SimulatedProcess const& process) {
  HOLDFAST_TRY(db, home.open(process));
  HOLDFAST_TRY(stage, db.stage());
  auto const g = stage.generation().number;
  for (std::size_t part = 0; part < Home::parts; ++part) {
    HOLDFAST_TRYV(home.put(process, stage.writer(), part, files_of(g, part)));
  }
  HOLDFAST_TRY(ready, std::move(stage).seal());
  auto const& faults = process.files;
  HOLDFAST_TRY(valid, std::move(ready).validate([&](auto const& reader) {
    faults.calls().callback();
    auto const whole = home.get(reader, 0);
    faults.calls().callback();
    return whole && whole.assume_value() != files_of(g, 0);
  }));
  return std::move(valid).commit();
}

Verdict suffer_validation(Home const& home, Run& run, Trouble const& trouble) {
  forget_reader_slots();
  Traffic traffic;
  StagedActor<Home> actor{run, home, run.start(), traffic};
  if (auto broken = actor.open()) return broken;
  if (auto broken = actor.commit()) return broken;
  trouble.begin(run);
  auto broken = under(trouble, run, [&]() -> Verdict {
    auto const done = commit_invalid(home, run.start());
    if (!done && done.error().code() == hf::errc::rejected) return {};
    return laws::s13.broken("rejected", done ? "committed" : done.error().text());
  });
  trouble.end(run);
  if (broken) return broken;
  if (auto other = actor.look(true)) return other;  // S7: nothing was started, so nothing may show
  if (auto other = actor.commit()) return other;
  return actor.nothing_leaks();
}
}  // namespace

TEST_CASE("each operation of a store throws, before and after it is done: S12, F21", "[faults]") {
  ThrowingHome home;
  home.options.retain = 1;
  std::size_t runs = 0;
  for (auto const act : staged_acts) {
    FaultLoop found;
    throw_from_each_callback(staged_ordeal("throwing", home, {}, act), crashes(40), found);
    INFO(name(act) << "\n" << found.report);
    CHECK(found.report.empty());
    runs += found.runs;
  }
  CHECK(runs > 50);
}

TEST_CASE("a validation that throws or says no leaves everything as it was: S12, S7", "[faults]") {
  Home const home;
  Ordeal const ordeal{
      "validation", 512,
      [home](Run& run, Trouble const& trouble) { return suffer_validation(home, run, trouble); },
      [home](Run& run) {
        return StagedWork<Home>{home, {}}.recover(run);
      }};
  FaultLoop found;
  throw_from_each_callback(ordeal, crashes(100), found);
  INFO(found.report);
  CHECK(found.report.empty());
  CHECK(found.runs == 2);
}

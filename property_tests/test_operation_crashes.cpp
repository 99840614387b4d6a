// SPDX-License-Identifier: BSL-1.0
// Crashes what an operator does to a home, at every call: backups, rebuilt registers, paths that
// are handed over, holds, and builds that begin as a copy.
#include <cstdint>
#include <string>

#include "catch.hpp"
#include "crash/operation_variants.hpp"
#include "explored.hpp"
#include "forgetful_files.hpp"

namespace {
using namespace hf::testing;  // NOLINT(google-build-using-namespace)

template <class Variant>
std::string breaks(Variant variant, std::uint64_t last, CrashMode mode, std::size_t states) {
  auto report = crash::first_broken(variant, last, mode, states);
  UNSCOPED_INFO(report);
  return report;
}
template <class Variant>
void keeps_its_laws(Variant variant, std::uint64_t last, std::size_t states) {
  for (auto const mode : crash_modes) {
    CAPTURE(name(mode));
    CHECK(breaks(variant, last, mode, states).empty());
  }
}

// Builds that begin as a copy, while commits are put on hold and let go.
Scenario held_and_copied(std::string name, std::uint64_t number) {
  disk::Dice dice{number};
  StagedPlan plan{.seed = number, .steps = 4 + dice.below(3), .copies = true, .holds = true};
  plan.reader_at_every_call = dice.below(3) == 0;
  plan.rival_at = dice.below(2) == 0 ? 1 + dice.below(600) : 0;
  plan.kill_step = 2 + dice.below(plan.steps - 1);
  plan.kill_after = crash::some_calls(dice, 60);
  plan.then = StagedPlan::Then::commit;
  return crash::staged_of<SimulatedFiles>(
      name, plan, {.retain = 1, .retain_for_ms = 3'600'000, .publish_grace_ms = 0}, false);
}
}  // namespace

TEST_CASE("a backup is whole or no home in every crash state", "[operations]") {
  keeps_its_laws(crash::backup_variant<SimulatedFiles>, 6, 300);
}

TEST_CASE("a register is rebuilt whole, or can be rebuilt again, in every crash state",
          "[operations]") {
  keeps_its_laws(crash::rebuild_variant<SimulatedFiles>, 10, 300);
}

TEST_CASE("a path is handed over in one step in every crash state", "[operations]") {
  keeps_its_laws(crash::adopt_variant<SimulatedFiles>, 6, 300);
}

TEST_CASE("a hold stays, and a copy is a generation like any other, in every crash state",
          "[operations]") {
  keeps_its_laws(held_and_copied, 6, 400);
}

TEST_CASE("operations without file syncs are found where power is cut", "[operations][mutant]") {
  for (auto const mode : {CrashMode::ext4, CrashMode::any}) {
    CAPTURE(name(mode));
    CHECK_FALSE(breaks(crash::backup_variant<crash::ForgetsFileSync>, 6, mode, 300).empty());
  }
}

TEST_CASE("operations without directory syncs are found where power is cut",
          "[operations][mutant]") {
  for (auto const mode : {CrashMode::ext4, CrashMode::any}) {
    CAPTURE(name(mode));
    CHECK_FALSE(breaks(crash::backup_variant<crash::ForgetsDirectorySync>, 6, mode, 300).empty());
    CHECK_FALSE(breaks(crash::adopt_variant<crash::ForgetsDirectorySync>, 6, mode, 300).empty());
  }
  CHECK_FALSE(
      breaks(crash::rebuild_variant<crash::ForgetsDirectorySync>, 10, CrashMode::any, 300).empty());
}

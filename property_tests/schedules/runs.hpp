// SPDX-License-Identifier: BSL-1.0
// Runs many schedules of registers and locks, right ones and mutants, by name.
#ifndef HOLDFAST_PROPERTY_TESTS_SCHEDULES_RUNS_HPP
#define HOLDFAST_PROPERTY_TESTS_SCHEDULES_RUNS_HPP

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "mutants.hpp"

namespace schedules {
/// What a range of seeds showed.
struct Tally {
  std::uint64_t runs = 0;
  std::uint64_t steps = 0;
  std::uint64_t broken_seed = 0;  ///< the first that broke a law
  std::string report{};           ///< of it; empty if all laws held
};

/// Runs seeds [first, first + count) until one breaks a law.
template <class Schedules>
[[nodiscard]] Tally run_seeds(Schedules schedules, std::uint64_t first, std::uint64_t count) {
  Tally tally;
  for (auto seed = first; seed < first + count; ++seed) {
    auto const result = schedules.run(seed);
    ++tally.runs;
    tally.steps += result.steps;
    if (!result.broken) continue;
    tally.broken_seed = seed;
    tally.report = "law " + result.broken->law + " is broken, seed " + std::to_string(seed) +
                   "\n  " + result.broken->expected + "\n  seen: " + result.broken->seen + "\n";
    break;
  }
  return tally;
}

template <class Make>
[[nodiscard]] Tally run_register(std::uint64_t first, std::uint64_t count) {
  return run_seeds(hf::testing::RegisterSchedules{Make{}}, first, count);
}
template <class Make>
[[nodiscard]] Tally run_lock(std::uint64_t first, std::uint64_t count) {
  return run_seeds(hf::testing::LockSchedules{Make{}}, first, count);
}
template <class Make>
[[nodiscard]] Tally run_lease(std::uint64_t first, std::uint64_t count) {
  return run_seeds(hf::testing::LeaseSchedules{Make{}}, first, count);
}

/// A protocol with one rule broken.
struct Mutant {
  std::string_view name;
  Tally (*run)(std::uint64_t first, std::uint64_t count);
};
inline constexpr Mutant mutants[] = {
    {"register: version compared outside the ring's lock",
     run_register<MakeRegister<LocksNothing>>},
    {"register: version not compared", run_register<MakeWrapped<ComparesNothing>>},
    {"register: acts on an unconfirmed record",
     run_register<MakeRegister<ScheduledFiles, TrustsEveryRecord>>},
    {"register: hint written outside the ring's lock", run_register<MakeRegister<HintsLate>>},
    {"register: no hint", run_register<MakeRegister<HintsNever>>},
    {"register: no file sync", run_register<MakeRegister<SyncsNothing>>},
    {"register: an unknown outcome guessed", run_register<MakeWrapped<GuessesOutcomes>>},
    {"lock: record changed outside the guard byte", run_lock<MakeLock<GuardsNothing>>},
    {"lock: shared instead of exclusive", run_lock<MakeLock<SharesTheEpoch>>},
    {"lock: name of the file not looked at", run_lock<MakeLock<NeverLooksAtTheName>>},
    {"lock: epoch not synced", run_lock<MakeLock<SyncsNothing>>},
    {"lease: version not compared", run_lease<MakeLease<MakeWrapped<ComparesNothing>>>},
    {"lease: a clock that hurries", run_lease<MakeLease<MakeRegister<>, Hurries>>},
    {"lease: a clock that dawdles", run_lease<MakeLease<MakeRegister<>, Dawdles>>},
    {"lease: nothing synced", run_lease<MakeLease<MakeRegister<SyncsNothing>>>},
};
}  // namespace schedules

#endif

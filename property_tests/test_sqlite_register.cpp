// SPDX-License-Identifier: BSL-1.0
// Crashes a register in a SQLite database, and a lease over one, at every call.
#include <cstdint>
#include <string>
#include <utility>

#include "catch.hpp"
#include "crash/variants.hpp"
#include "explored.hpp"
#include "forgetful_files.hpp"
#include "holdfast/policy/lease.hpp"
#include "holdfast/testing/lock_scenario.hpp"
#include "sqlite_register_place.hpp"

namespace {
using namespace hf::testing;  // NOLINT(google-build-using-namespace)

// Others wait while one writes, so nobody looks within a call; they look after a kill.
template <class Fs>
Scenario variant(std::string name, std::uint64_t number) {
  disk::Dice dice{number};
  RegisterPlan const plan{.seed = number,
                          .stores = 2 + dice.below(4),
                          .value_size = std::size_t{16} << dice.below(7),
                          .sector_size = dice.below(2) == 0 ? std::size_t{512} : 4096,
                          .kill_store = 1 + dice.below(4),
                          .kill_after = dice.below(40),
                          .store_after = dice.below(2) == 0};
  return register_scenario(std::move(name), crash::SqliteRegisters<Fs>{}, plan);
}
template <class Fs>
std::string breaks(CrashMode mode, std::uint64_t variants, std::size_t states) {
  auto report = crash::first_broken(variant<Fs>, variants, mode, states);
  UNSCOPED_INFO(report);
  return report;
}
}  // namespace

TEST_CASE("a SQLite register keeps its laws in every crash state", "[register][sqlite]") {
  for (auto const mode : crash_modes) {
    CAPTURE(name(mode));
    CHECK(breaks<SimulatedFiles>(mode, 4, 400).empty());
  }
}

// Its journal is gone, and no sync has told of it: whoever comes next must not show its row before
// that is durable.
TEST_CASE("what a killed writer has left is shown only once it is durable", "[register][sqlite]") {
  for (std::uint64_t calls = 0; calls < 40; ++calls) {
    CAPTURE(calls);
    RegisterPlan const plan{.stores = 3, .kill_store = 2, .kill_after = calls};
    auto const scenario =
        register_scenario("killed", crash::SqliteRegisters<SimulatedFiles>{}, plan);
    CHECK(crash::broken(scenario, {.mode = CrashMode::any, .subsets = 8, .max_states = 150}) == "");
  }
}

TEST_CASE("a SQLite register without syncs is found where power is cut",
          "[register][sqlite][mutant]") {
  CHECK_FALSE(breaks<crash::ForgetsFileSync>(CrashMode::any, 4, 400).empty());
  CHECK_FALSE(breaks<crash::ForgetsDirectorySync>(CrashMode::any, 8, 400).empty());
}

TEST_CASE("a lease over a SQLite register keeps the laws of locks in every crash state",
          "[lease][sqlite]") {
  auto const make = [](SimulatedProcess const& p) {
    return hf::Lease{crash::SqliteRegisters<SimulatedFiles>{}(p), {}, p.world};
  };
  for (auto const mode : crash_modes) {
    CAPTURE(name(mode));
    LockPlan const plan{.grants = 2, .kill_grant = 2, .kill_after = 20};
    CHECK(crash::broken(lock_scenario("lease", make, plan), {.mode = mode, .max_states = 300}) ==
          "");
  }
}

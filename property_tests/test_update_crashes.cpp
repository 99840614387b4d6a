// SPDX-License-Identifier: BSL-1.0
// Crashes updates of SQLite and RocksDB generations at every call: any crash followed by a replay
// equals a run that never crashed, and a missing sync is found.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "catch.hpp"
#include "explored.hpp"
#include "forgetful_files.hpp"
#include "holdfast/testing/serial_files.hpp"
#include "holdfast/testing/update_scenario.hpp"
#include "update_places.hpp"

namespace {
using namespace hf::testing;  // NOLINT(google-build-using-namespace)

template <class Place>
std::string breaks(CrashMode mode, std::uint64_t variants, std::size_t states) {
  for (std::uint64_t number = 1; number <= variants; ++number) {
    auto const scenario = update_scenario("updates", Place{}, update_plan(number));
    auto report = crash::broken(scenario, {.mode = mode,
                                           .seed = number,
                                           .subsets = 12,
                                           .max_states = states,
                                           .thin = 16,
                                           .trash = Place::pads_its_log});
    UNSCOPED_INFO(report);
    if (!report.empty()) return report;
  }
  return {};
}

bool is_log(std::string_view path) {
  return path.ends_with("-wal") || path.ends_with(".log");
}
using ForgetsLogSync = crash::ForgetsSyncOf<is_log>;
}  // namespace

TEST_CASE("updates of a SQLite generation keep their laws in every crash state",
          "[sqlite][updates]") {
  for (auto const mode : crash_modes) {
    CAPTURE(name(mode));
    CHECK(breaks<crash::UpdatedSqlite<SimulatedFiles>>(mode, 6, 400).empty());
  }
}

// RocksDB itself appends to sectors that hold what was acknowledged, and renames CURRENT to a name
// before it syncs the directory that has the other: it goes by file systems that keep the order.
TEST_CASE("updates of a RocksDB generation keep their laws in every crash state it is made for",
          "[rocksdb][updates]") {
  for (auto const mode : {CrashMode::process, CrashMode::ext4, CrashMode::ext4_auto_da}) {
    CAPTURE(name(mode));
    CHECK(breaks<crash::UpdatedRocks<SerialFiles<>>>(mode, 3, 120).empty());
  }
}

TEST_CASE("updates whose log is not synced are found where power is cut", "[updates][mutant]") {
  CHECK_FALSE(breaks<crash::UpdatedSqlite<ForgetsLogSync>>(CrashMode::ext4, 4, 400).empty());
  CHECK_FALSE(breaks<crash::UpdatedSqlite<ForgetsLogSync>>(CrashMode::any, 4, 400).empty());
  CHECK_FALSE(
      breaks<crash::UpdatedRocks<SerialFiles<ForgetsLogSync>>>(CrashMode::ext4, 3, 200).empty());
}

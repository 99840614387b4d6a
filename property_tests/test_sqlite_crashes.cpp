// SPDX-License-Identifier: BSL-1.0
// Crashes SQLite stores at every call, through SQLite's own calls of the file system: the laws B1
// to B5 and S1 to S7 hold, and a missing sync is found.
#include <cstdint>
#include <string>
#include <string_view>

#include "catch.hpp"
#include "crash/database_variants.hpp"
#include "explored_databases.hpp"
#include "forgetful_files.hpp"

namespace {
using namespace hf::testing;  // NOLINT(google-build-using-namespace)

template <class Fs>
std::string breaks(CrashMode mode, crash::Effort const& effort = {}) {
  auto report = crash::first_broken_database(crash::sqlite_variant<Fs>, mode, effort);
  UNSCOPED_INFO(report);
  return report;
}

// "synchronous=OFF", and no sync before the seal either.
bool is_database(std::string_view path) {
  return path.ends_with(".sqlite3");
}
using ForgetsDatabaseSync = crash::ForgetsSyncOf<is_database>;
}  // namespace

TEST_CASE("a SQLite store keeps its laws in every crash state", "[sqlite]") {
  for (auto const mode : crash_modes) {
    CAPTURE(name(mode));
    CHECK(breaks<SimulatedFiles>(mode, {.variants = 8, .subsets = 12, .states = 600}).empty());
  }
}

TEST_CASE("a SQLite store that seals a database without syncing it is found where power is cut",
          "[sqlite][mutant]") {
  for (auto const mode : {CrashMode::ext4, CrashMode::ext4_auto_da, CrashMode::any}) {
    CAPTURE(name(mode));
    CHECK_FALSE(breaks<ForgetsDatabaseSync>(mode).empty());
  }
  CHECK(breaks<ForgetsDatabaseSync>(CrashMode::process).empty());
}

TEST_CASE("a SQLite store without directory syncs is found where power is cut",
          "[sqlite][mutant]") {
  for (auto const mode : {CrashMode::ext4, CrashMode::ext4_auto_da, CrashMode::any}) {
    CAPTURE(name(mode));
    CHECK_FALSE(breaks<crash::ForgetsDirectorySync>(mode).empty());
  }
  CHECK(breaks<crash::ForgetsDirectorySync>(CrashMode::process).empty());
}

TEST_CASE("the same seed explores the same states of SQLite", "[sqlite][simulator]") {
  for (std::uint64_t const number : {4u, 7u}) {
    ExploreOptions const options{
        .mode = CrashMode::any, .seed = number, .subsets = 8, .max_states = 800, .thin = 16};
    auto const first = explore(crash::sqlite_variant<SimulatedFiles>("sqlite", number), options);
    auto const second = explore(crash::sqlite_variant<SimulatedFiles>("sqlite", number), options);
    CHECK(first.states == second.states);
    CHECK(first.subsets == second.subsets);
  }
}

// SPDX-License-Identifier: BSL-1.0
// Crashes a directory store at every call: the laws B1 to B5 hold, and a missing sync is found.
#include <cstdint>
#include <string>

#include "catch.hpp"
#include "crash/variants.hpp"
#include "explored.hpp"
#include "forgetful_files.hpp"

namespace {
using namespace hf::testing;  // NOLINT(google-build-using-namespace)

template <class Fs>
std::string breaks(CrashMode mode) {
  auto report = crash::first_broken(crash::directory_variant<Fs>, 12, mode, 1000);
  UNSCOPED_INFO(report);
  return report;
}
}  // namespace

TEST_CASE("a directory store keeps its laws in every crash state", "[directory]") {
  for (auto const mode : crash_modes) {
    CAPTURE(name(mode));
    CHECK(breaks<SimulatedFiles>(mode).empty());
  }
}

TEST_CASE("a directory store without file syncs is found where power is cut",
          "[directory][mutant]") {
  for (auto const mode : {CrashMode::ext4, CrashMode::ext4_auto_da, CrashMode::any}) {
    CAPTURE(name(mode));
    CHECK_FALSE(breaks<crash::ForgetsFileSync>(mode).empty());
  }
  CHECK(breaks<crash::ForgetsFileSync>(CrashMode::process).empty());
}

TEST_CASE("a directory store without directory syncs is found where power is cut",
          "[directory][mutant]") {
  for (auto const mode : {CrashMode::ext4, CrashMode::ext4_auto_da, CrashMode::any}) {
    CAPTURE(name(mode));
    CHECK_FALSE(breaks<crash::ForgetsDirectorySync>(mode).empty());
  }
  CHECK(breaks<crash::ForgetsDirectorySync>(CrashMode::process).empty());
}

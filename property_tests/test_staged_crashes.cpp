// SPDX-License-Identifier: BSL-1.0
// Crashes a staged home of two directory stores at every call: the laws S1 to S7 hold, and each of
// its protections is missed when it is gone.
#include <cstdint>
#include <string>

#include "broken_parts.hpp"
#include "catch.hpp"
#include "crash/variants.hpp"
#include "explored.hpp"
#include "forgetful_files.hpp"
#include "holdfast/testing/staged_subject.hpp"

namespace {
using namespace hf::testing;  // NOLINT(google-build-using-namespace)

template <class Fs>
std::string breaks(CrashMode mode, std::uint64_t variants, std::size_t states) {
  auto report = crash::first_broken(crash::staged_variant<Fs>, variants, mode, states);
  UNSCOPED_INFO(report);
  return report;
}

template <class Home>
std::string home_breaks(std::uint64_t variants = 24) {
  auto report = crash::first_broken(crash::home_variant<Home>, variants, CrashMode::process, 100);
  UNSCOPED_INFO(report);
  return report;
}
}  // namespace

TEST_CASE("a staged home keeps its laws in every crash state", "[staged]") {
  for (auto const mode : crash_modes) {
    CAPTURE(name(mode));
    CHECK(breaks<SimulatedFiles>(mode, 6, 500).empty());
  }
}

TEST_CASE("a staged home without file syncs is found where power is cut", "[staged][mutant]") {
  for (auto const mode : {CrashMode::ext4, CrashMode::ext4_auto_da, CrashMode::any}) {
    CAPTURE(name(mode));
    CHECK_FALSE(breaks<crash::ForgetsFileSync>(mode, 6, 500).empty());
  }
  CHECK(breaks<crash::ForgetsFileSync>(CrashMode::process, 6, 200).empty());
}

TEST_CASE("a staged home without directory syncs is found where power is cut", "[staged][mutant]") {
  for (auto const mode : {CrashMode::ext4, CrashMode::ext4_auto_da, CrashMode::any}) {
    CAPTURE(name(mode));
    CHECK_FALSE(breaks<crash::ForgetsDirectorySync>(mode, 6, 500).empty());
  }
  CHECK(breaks<crash::ForgetsDirectorySync>(CrashMode::process, 6, 200).empty());
}

TEST_CASE("a part that opens another generation than the record names is found",
          "[staged][mutant]") {
  using Home = crash::TwoDirectories<SimulatedFiles, crash::OpensNewest>;
  CHECK_THAT(home_breaks<Home>(), Catch::Matchers::ContainsSubstring("law HF-STAGED-001 "));
}

TEST_CASE("a part that drops more than it is told is found", "[staged][mutant]") {
  using Home = crash::TwoDirectories<SimulatedFiles, crash::DropsTooMuch>;
  CHECK_FALSE(home_breaks<Home>().empty());
}

TEST_CASE("a part that never drops is found", "[staged][mutant]") {
  using Home = crash::TwoDirectories<SimulatedFiles, crash::DropsNothing>;
  CHECK_THAT(home_breaks<Home>(), Catch::Matchers::ContainsSubstring("law HF-STAGED-010 "));
}

TEST_CASE("a register without pins lets go what another process reads", "[staged][mutant]") {
  using Home = crash::TwoDirectories<SimulatedFiles, crash::SimulatedStore, crash::Unpinned>;
  auto const subject = staged_subject("a home without pins", Home{});
  auto const report = check_law(subject, laws::s9.id, {.variants = 4});
  CHECK_FALSE(report.ok());
}

TEST_CASE("the same seed explores the same states", "[simulator]") {
  ExploreOptions const options{.mode = CrashMode::any, .seed = 3, .max_states = 400, .thin = 16};
  auto const first = explore(crash::staged_variant<SimulatedFiles>("staged", 3), options);
  auto const second = explore(crash::staged_variant<SimulatedFiles>("staged", 3), options);
  CHECK(first.states == second.states);
  CHECK(first.subsets == second.subsets);
}

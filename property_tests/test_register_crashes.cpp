// SPDX-License-Identifier: BSL-1.0
// Crashes registers at every call: the file register keeps its laws, and each of its protections
// is missed when it is gone.
#include <cstdint>
#include <string>

#include "catch.hpp"
#include "crash/variants.hpp"
#include "explored.hpp"
#include "forgetful_files.hpp"
#include "slot_register.hpp"

namespace {
using namespace hf::testing;  // NOLINT(google-build-using-namespace)

template <class Fs>
std::string breaks(CrashMode mode, std::uint64_t variants, std::size_t states) {
  auto report = crash::first_broken(crash::register_variant<Fs>, variants, mode, states);
  UNSCOPED_INFO(report);
  return report;
}

// Builders are killed, and the next process opens what they left.
template <std::size_t N>
std::string slots_break(CrashMode mode) {
  RegisterPlan const plan{
      .seed = 2, .stores = 3, .value_size = 700, .sector_size = 512, .store_after = false};
  auto const make = [](SimulatedProcess const& p) {
    return crash::SlotRegister<N, SimulatedFiles>{"/db/SLOTS", p.files};
  };
  auto report =
      crash::broken(register_scenario(std::to_string(N) + " slots", make, plan), {.mode = mode});
  UNSCOPED_INFO(report);
  return report;
}
}  // namespace

TEST_CASE("the file register keeps its laws in every crash state", "[register]") {
  for (auto const mode : crash_modes) {
    CAPTURE(name(mode));
    CHECK(breaks<SimulatedFiles>(mode, 8, 1500).empty());
  }
}

TEST_CASE("a file register without file syncs is found where power is cut", "[register][mutant]") {
  for (auto const mode : {CrashMode::ext4, CrashMode::ext4_auto_da, CrashMode::any}) {
    CAPTURE(name(mode));
    CHECK_FALSE(breaks<crash::ForgetsFileSync>(mode, 8, 1500).empty());
  }
  CHECK(breaks<crash::ForgetsFileSync>(CrashMode::process, 8, 1500).empty());
}

TEST_CASE("a file register without directory syncs is found where power is cut",
          "[register][mutant]") {
  for (auto const mode : {CrashMode::ext4, CrashMode::ext4_auto_da, CrashMode::any}) {
    CAPTURE(name(mode));
    CHECK_FALSE(breaks<crash::ForgetsDirectorySync>(mode, 8, 1500).empty());
  }
  CHECK(breaks<crash::ForgetsDirectorySync>(CrashMode::process, 8, 1500).empty());
}

TEST_CASE("two slots that heal in place are found, by a power cut after a killed process",
          "[register][mutant]") {
  for (auto const mode : {CrashMode::ext4, CrashMode::ext4_auto_da, CrashMode::any}) {
    CAPTURE(name(mode));
    CHECK_THAT(slots_break<2>(mode), Catch::Matchers::ContainsSubstring("SIGKILL after"));
  }
  CHECK(slots_break<2>(CrashMode::process).empty());
}

TEST_CASE("showing what no sync has confirmed is found, by a reader and a power cut",
          "[register][mutant]") {
  RegisterPlan const plan{.seed = 2, .stores = 3, .reader_at_every_call = true};
  auto const make = [](SimulatedProcess const& p) {
    return crash::SlotRegister<16, SimulatedFiles>{"/db/SLOTS", p.files};
  };
  auto const scenario = register_scenario("dirty reads", make, plan);
  for (auto const mode : {CrashMode::ext4, CrashMode::ext4_auto_da, CrashMode::any}) {
    CHECK_THAT(crash::broken(scenario, {.mode = mode}),
               Catch::Matchers::ContainsSubstring("law HF-REGISTER-003 "));
  }
}

TEST_CASE("sixteen slots that heal the same way keep the laws", "[register][mutant]") {
  for (auto const mode : crash_modes) {
    CAPTURE(name(mode));
    CHECK(slots_break<16>(mode).empty());
  }
}

// SPDX-License-Identifier: BSL-1.0
// Crashes the register, the file lock and a staged home while processes can't be told apart by what
// usually tells them apart: pids and start times that are used again, hosts. F15.
#include <cstdint>
#include <functional>
#include <string>
#include <utility>

#include "catch.hpp"
#include "crash/variants.hpp"
#include "explored.hpp"

namespace {
using namespace hf::testing;  // NOLINT(google-build-using-namespace)
using Disguise = std::function<void(hf::Owner&)>;

Scenario in_disguise(Scenario scenario, Disguise const& disguise) {
  scenario.work = [work = std::move(scenario.work), disguise](Run& run) {
    run.disk.machine().disguise = disguise;
    return work(run);
  };
  scenario.recover = [recover = std::move(scenario.recover), disguise](Run& run) {
    run.disk.machine().disguise = disguise;
    return recover(run);
  };
  return scenario;
}

void same_pid(hf::Owner& owner) {
  owner.pid = 1;
}
void same_pid_and_start(hf::Owner& owner) {
  owner.pid = 1;
  owner.start_time = 7;
}
void other_hosts(hf::Owner& owner) {
  owner.host.fill('\0');
  owner.host[0] = static_cast<char>('a' + owner.pid % 2);
  same_pid_and_start(owner);
}

template <class Variant>
void check_in_disguise(Variant variant, std::size_t states) {
  for (auto const& disguise : {same_pid, same_pid_and_start, other_hosts}) {
    for (auto const mode : crash_modes) {
      for (std::uint64_t number = 1; number <= 8; ++number) {
        CAPTURE(number, name(mode));
        auto const scenario = in_disguise(variant("in disguise", number), disguise);
        CHECK(crash::broken(scenario, crash::options_of(number, mode, states)) == "");
      }
    }
  }
}
}  // namespace

TEST_CASE("a register tells no processes apart by pid, start time or host: F15", "[faults]") {
  check_in_disguise(crash::register_variant<SimulatedFiles>, 300);
}
TEST_CASE("a file lock excludes whatever its holders are called: F15, L1, L2", "[faults]") {
  check_in_disguise(crash::lock_variant<SimulatedFiles>, 200);
}
TEST_CASE("a staged home is recovered whoever its builders were taken for: F15", "[faults]") {
  check_in_disguise(crash::staged_variant<SimulatedFiles>, 100);
}

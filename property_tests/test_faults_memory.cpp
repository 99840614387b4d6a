// SPDX-License-Identifier: BSL-1.0
// Puts the register, the directory store, the file lock and a staged home of two directory stores
// through every failed allocation: S13, F22.
#include <cstddef>
#include <string>

#include "catch.hpp"
#include "holdfast/testing/faults_lock.hpp"
#include "holdfast/testing/faults_memory.hpp"
#include "holdfast/testing/faults_register.hpp"
#include "holdfast/testing/faults_staged.hpp"
#include "holdfast/testing/faults_store.hpp"
#include "homes.hpp"

namespace {
using namespace hf::testing;  // NOLINT(google-build-using-namespace)

std::size_t endure_all(Ordeal const& ordeal) {
  FaultLoop found;
  fail_each_allocation(ordeal, {.depth = 0, .max_states = 3}, found);
  INFO(ordeal.name << ": " << found.runs << " runs, " << found.states << " crash states\n"
                   << found.report);
  CHECK(found.report.empty());
  return found.runs;
}
}  // namespace

TEST_CASE("each allocation of a register, a store or a lock fails: F22", "[faults]") {
  CHECK(endure_all(register_ordeal("register", crash::OneRegister<SimulatedFiles>{}, {}, false)) >
        10);
  CHECK(endure_all(register_ordeal("absent register", crash::OneRegister<SimulatedFiles>{}, {},
                                   true)) > 10);
  CHECK(endure_all(store_ordeal("directory", crash::OneDirectory<SimulatedFiles>{}, {})) > 100);
  CHECK(endure_all(lock_ordeal("lock", crash::OneLock<SimulatedFiles>{}, 4096)) > 1);
}

TEST_CASE("each allocation under an operation of a staged home fails: F22", "[faults]") {
  crash::TwoDirectories<SimulatedFiles> home;
  home.options.retain = 2;
  std::size_t runs = 0;
  for (auto const act : staged_acts) runs += endure_all(staged_ordeal("staged", home, {}, act));
  CHECK(runs > 1000);
}

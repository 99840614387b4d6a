// SPDX-License-Identifier: BSL-1.0
// Mutants for the laws of file systems.
#include "flaws.hpp"
#include "holdfast/testing/file_laws.hpp"
#include "holdfast/testing/file_subject.hpp"
#include "mutant.hpp"

namespace mutants {
namespace {
struct Files {
  Flaw flaw = Flaw::none;
  [[nodiscard]] FlawedFiles operator()(hf::testing::SimulatedProcess const& p) const {
    return FlawedFiles{p.files, flaw};
  }
};
Mutant one(hf::testing::Law const& law, char const* name, Flaw flaw) {
  return {law.id, name, hf::testing::file_subject("mutant", Files{flaw}),
          hf::testing::file_subject("the simulated file system", Files{})};
}
}  // namespace

Mutants of_files() {
  using namespace hf::testing::laws;  // NOLINT(google-build-using-namespace)
  return {one(file_reads, "a write forgets its last byte", Flaw::forgets_the_end_of_writes),
          one(file_durable, "no file sync", Flaw::no_file_sync),
          one(file_durable, "no directory sync", Flaw::no_directory_sync),
          one(file_rename, "two-step rename", Flaw::renames_in_two_steps),
          one(file_refuses, "link replaces what exists", Flaw::links_over_what_exists),
          one(file_locks, "every lock is granted", Flaw::grants_every_lock)};
}
}  // namespace mutants

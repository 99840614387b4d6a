// SPDX-License-Identifier: BSL-1.0
// Mutants for the laws of locks.
#include <string>

#include "flawed_lease.hpp"
#include "flawed_lock.hpp"
#include "flaws.hpp"
#include "holdfast/testing/lock_subject.hpp"
#include "mutant.hpp"

namespace mutants {
namespace {
using hf::testing::Law, hf::testing::lock_subject;
using Simulated = FlawedLock<hf::testing::SimulatedFiles, hf::testing::SimulatedWorld>;
using Real = FlawedLock<hf::Posix, hf::Native>;
static_assert(hf::lock_policy<Simulated> && hf::lock_policy<Real>);

struct Locks {
  Flaw flaw = Flaw::none;
  [[nodiscard]] Simulated operator()(hf::testing::SimulatedProcess const& p) const {
    return {"/db/LOCK", p.files, p.world, flaw};
  }
  [[nodiscard]] Real operator()(std::string const& folder) const {
    return {folder + "/LOCK", {}, {}, flaw};
  }
};
Mutant one(Law const& law, char const* name, Flaw flaw) {
  return {law.id, name, lock_subject("mutant", Locks{flaw}),
          lock_subject("the file lock", Locks{})};
}

struct Leases {
  Flaw flaw = Flaw::none;
  [[nodiscard]] FlawedLease operator()(hf::testing::SimulatedProcess const& p) const {
    return {p, flaw};
  }
};
Mutant lease(Law const& law, char const* name, Flaw flaw) {
  return {law.id, name, lock_subject("mutant", Leases{flaw}), lock_subject("the lease", Leases{})};
}
}  // namespace

Mutants of_locks() {
  using namespace hf::testing::laws;  // NOLINT(google-build-using-namespace)
  return {one(l1, "every lock is granted", Flaw::grants_every_lock),
          one(l2, "no file sync of the epoch", Flaw::no_file_sync),
          one(l2, "token not raised at open", Flaw::repeats_tokens),
          one(l5, "a file that a crash leaves keeps the lock", Flaw::is_held_by_a_file),
          lease(l6, "a live lease is stolen", Flaw::steals_live_leases),
          one(l7, "any grant lets go of the lock", Flaw::releases_by_any_grant),
          lease(l8, "a holder is never replaced", Flaw::never_replaces),
          one(l9, "force takes from whoever holds", Flaw::forces_whoever_holds),
          one(l11, "the dead are shown", Flaw::remembers_the_dead),
          one(l11, "a file that the dead left keeps the lock", Flaw::is_held_by_a_file),
          lease(l12, "a renewal says that it did", Flaw::renews_what_is_lost),
          one(l13, "metadata is read unchecked", Flaw::reads_metadata_unchecked),
          one(l14, "a child's release says that it did", Flaw::releases_in_a_child)};
}
}  // namespace mutants

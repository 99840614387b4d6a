// SPDX-License-Identifier: BSL-1.0
// Makes of a factory of locks the subject that the laws of locks are checked on.
#ifndef HOLDFAST_TESTING_LOCK_SUBJECT_HPP
#define HOLDFAST_TESTING_LOCK_SUBJECT_HPP

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "holdfast/config.hpp"
#include "holdfast/guarantees.hpp"
#include "holdfast/lock_concepts.hpp"
#include "holdfast/testing/bench.hpp"
#include "holdfast/testing/disk/hash.hpp"
#include "holdfast/testing/lapse_probes.hpp"
#include "holdfast/testing/lock_probes.hpp"
#include "holdfast/testing/lock_scenario.hpp"
#include "holdfast/testing/subject.hpp"

HOLDFAST_BEGIN

namespace testing {
namespace kit {
inline constexpr std::string_view lock_needs_simulator =
    "kills and crash states need the simulator: template the lock over hf::file_system and let "
    "make(SimulatedProcess const&) make it over process.files and process.world";
inline constexpr std::string_view lock_needs_clock =
    "what lapses needs a clock that the law can move: let make(SimulatedProcess const&) make it "
    "over "
    "process.world";
inline constexpr std::string_view lock_needs_folder =
    "a child needs a real process: let make(std::string const& folder) make the lock in a real "
    "folder too";

[[nodiscard]] inline LockPlan lock_plan(std::uint64_t number) {
  disk::Dice dice{number};
  LockPlan plan;
  plan.grants = 2 + dice.below(4);
  plan.sector_size = dice.below(2) == 0 ? 512 : 4096;
  plan.rival_at_every_call = dice.below(2) == 0;
  plan.kill_grant = dice.below(2) == 0 ? 1 + dice.below(plan.grants) : 0;
  plan.kill_after = dice.below(24);
  return plan;
}
template <class Make>
[[nodiscard]] Trial lock_trial(std::string const& name, Make const& make) {
  using namespace laws;  // NOLINT(google-build-using-namespace)
  return {{l1.id, l2.id, l5.id}, {}, [name, make](std::uint64_t number) {
            return lock_scenario(name, make, lock_plan(number));
          }};
}
}  // namespace kit

/// `make` makes locks as bench.hpp says.
template <class Make>
[[nodiscard]] Subject lock_subject(std::string name, Make make) {
  using namespace laws;  // NOLINT(google-build-using-namespace)
  constexpr auto guarantees = guarantees_of<MadeBy<Make>>();
  Subject subject{.name = name, .laws = {l1, l2, l5, l7, l9}};
  auto const probe = [&subject](Law const& law, auto run) {
    subject.probes.push_back({law.id, std::move(run)});
  };
  probe(l1, [make](std::uint64_t seed) { return one_holds(make, seed, l1); });
  probe(l2, [make](std::uint64_t seed) { return tokens_grow(make, seed); });
  probe(l5, [make](std::uint64_t seed) { return one_holds(make, seed, l5); });
  probe(l7, [make](std::uint64_t seed) { return release_lets_go_of_its_own(make, seed); });
  probe(l9, [make](std::uint64_t seed) { return force_takes_from_whom_it_saw(make, seed); });
  if constexpr (lapsing<MadeBy<Make>>) {
    subject.laws.push_back(l8);
    if constexpr (makes_simulated<Make>) {
      probe(l8, [make](std::uint64_t seed) { return a_silent_one_is_replaced(make, seed); });
    } else {
      subject.missing.emplace(l8.id, kit::lock_needs_clock);
    }
  }
  // Those of renewals.
  if constexpr (lapsing<MadeBy<Make>> && renewable<MadeBy<Make>>) {
    subject.laws.insert(subject.laws.end(), {l6, l12});
    if constexpr (makes_simulated<Make>) {
      probe(l6, [make](std::uint64_t seed) { return a_live_one_is_kept(make, seed); });
      probe(l12, [make](std::uint64_t seed) { return a_late_renewal_takes_nothing(make, seed); });
    } else {
      for (auto const& law : {l6, l12}) subject.missing.emplace(law.id, kit::lock_needs_clock);
    }
  }
  if constexpr (guarantees.lifetime == Lifetime::disk) {
    // The dead hold a lapsing one for their time.
    if constexpr (!lapsing<MadeBy<Make>>) subject.laws.push_back(l11);
    subject.laws.insert(subject.laws.end(), {l13, l14});
    probe(l13, [make](std::uint64_t seed) { return damage_names_nobody_else(make, seed); });
    if constexpr (makes_in_folder<Make>) {
      probe(l14, [make](std::uint64_t seed) { return a_child_holds_nothing(make, seed); });
    } else {
      subject.missing.emplace(l14.id, kit::lock_needs_folder);
    }
    if constexpr (makes_simulated<Make>) {
      if constexpr (!lapsing<MadeBy<Make>>) {
        probe(l11, [make](std::uint64_t seed) { return the_dead_hold_nothing(make, seed); });
      }
      subject.trials.push_back(kit::lock_trial(name, make));
    } else {
      for (auto const& law : {l1, l2, l5, l11})
        subject.missing.emplace(law.id, kit::lock_needs_simulator);
    }
  }
  return subject;
}
}  // namespace testing

HOLDFAST_END

#endif

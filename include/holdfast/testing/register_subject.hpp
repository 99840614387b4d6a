// SPDX-License-Identifier: BSL-1.0
// Makes of a factory of registers the subject that the laws of registers are checked on.
#ifndef HOLDFAST_TESTING_REGISTER_SUBJECT_HPP
#define HOLDFAST_TESTING_REGISTER_SUBJECT_HPP

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "holdfast/concepts.hpp"
#include "holdfast/config.hpp"
#include "holdfast/guarantees.hpp"
#include "holdfast/testing/bench.hpp"
#include "holdfast/testing/disk/hash.hpp"
#include "holdfast/testing/register_probes.hpp"
#include "holdfast/testing/register_scenario.hpp"
#include "holdfast/testing/subject.hpp"

HOLDFAST_BEGIN

namespace testing {
namespace kit {
inline constexpr std::string_view register_needs_simulator =
    "crash states need the simulator: template the register over hf::file_system and let "
    "make(SimulatedProcess const&) make it over process.files and process.world";

[[nodiscard]] inline RegisterPlan register_plan(std::uint64_t number) {
  disk::Dice dice{number};
  RegisterPlan plan;
  plan.seed = number;
  plan.stores = 2 + dice.below(4);
  plan.value_size = std::size_t{16} << dice.below(6);
  plan.sector_size = dice.below(2) == 0 ? 512 : 4096;
  plan.reader_at_every_call = dice.below(2) == 0;
  plan.rival_at = dice.below(2) == 0 ? 1 + dice.below(60) : 0;
  plan.kill_store = dice.below(2) == 0 ? 1 + dice.below(plan.stores) : 0;
  plan.kill_after = dice.below(16);
  plan.store_after = dice.below(3) == 0;
  return plan;
}

template <class Make>
[[nodiscard]] Trial register_trial(std::string const& name, Make const& make) {
  using namespace laws;  // NOLINT(google-build-using-namespace)
  return {{register_linear.id, register_one_outcome.id, register_no_dirty_read.id,
           register_version_grows.id, register_recovers.id, register_again.id},
          register_again.id,
          [name, make](std::uint64_t number) {
            auto plan = register_plan(number);
            SimulatedBench const bench{number};
            plan.value_size = std::min<std::size_t>(
                plan.value_size, register_traits<MadeBy<Make>>::max_size(bench.made_by(make)));
            return register_scenario(name, make, plan);
          }};
}
}  // namespace kit

/// `make` makes registers as bench.hpp says.
template <class Make>
[[nodiscard]] Subject register_subject(std::string name, Make make) {
  using namespace laws;  // NOLINT(google-build-using-namespace)
  Subject subject{.name = name, .laws = {register_linear, register_compares}};
  auto const probe = [&subject](Law const& law, auto run) {
    subject.probes.push_back({law.id, std::move(run)});
  };
  probe(register_linear, [make](std::uint64_t seed) { return loads_what_was_stored(make, seed); });
  probe(register_compares,
        [make](std::uint64_t seed) { return other_versions_conflict(make, seed); });
  probe(register_version_grows, [make](std::uint64_t seed) { return versions_grow(make, seed); });
  subject.laws.push_back(register_version_grows);
  if constexpr (pinning_register<MadeBy<Make>>) {
    subject.laws.push_back(register_pins);
    probe(register_pins, [make](std::uint64_t seed) { return pins_exclude(make, seed); });
  }
  if constexpr (guarantees_of<MadeBy<Make>>().durable) {
    for (auto const& law :
         {register_one_outcome, register_no_dirty_read, register_recovers, register_again}) {
      subject.laws.push_back(law);
    }
    if constexpr (makes_simulated<Make>) {
      subject.trials.push_back(kit::register_trial(name, make));
    } else {
      for (auto const& law : {register_linear, register_one_outcome, register_no_dirty_read,
                              register_version_grows, register_recovers, register_again}) {
        subject.missing.emplace(law.id, kit::register_needs_simulator);
      }
    }
  }
  return subject;
}
}  // namespace testing

HOLDFAST_END

#endif

// SPDX-License-Identifier: BSL-1.0
// Makes of a number a scenario: what is done, by how many processes, and who is killed when.
#ifndef HOLDFAST_PROPERTY_TESTS_CRASH_VARIANTS_HPP
#define HOLDFAST_PROPERTY_TESTS_CRASH_VARIANTS_HPP

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "../support/homes.hpp"
#include "holdfast/testing/crash_chain.hpp"
#include "holdfast/testing/disk/hash.hpp"
#include "holdfast/testing/lock_scenario.hpp"
#include "holdfast/testing/register_scenario.hpp"
#include "holdfast/testing/simulated_disk.hpp"
#include "holdfast/testing/staged_scenario.hpp"
#include "holdfast/testing/store_scenario.hpp"
#include "plans.hpp"

namespace crash {
// Most of what is delicate is done in the first calls of an operation.
inline std::uint64_t some_calls(hf::testing::disk::Dice& dice, std::uint64_t most) {
  return dice.below(dice.below(2) == 0 ? most / 6 + 1 : most);
}
inline std::size_t sector_size(hf::testing::disk::Dice& dice) {
  constexpr std::size_t units[] = {1, 512, 4096};
  return units[dice.below(3)];
}
/// How the variant of that number is explored.
[[nodiscard]] inline hf::testing::ExploreOptions options_of(std::uint64_t number,
                                                            hf::testing::CrashMode mode,
                                                            std::size_t max_states) {
  return {.mode = mode,
          .seed = number,
          .max_states = max_states,
          .thin = 16,
          .fill = static_cast<std::uint8_t>(number / 2 % 2 == 0 ? 0 : 0xa5)};
}

// `remake(plan)` makes the same scenario of a smaller plan; `code` is how a test would.
template <class Plan, class Remake>
hf::testing::Scenario with_smaller(hf::testing::Scenario scenario,
                                   Plan const& plan,
                                   std::string code,
                                   Remake remake) {
  scenario.code = std::move(code);
  scenario.smaller = [plan, remake] {
    std::vector<hf::testing::Scenario> all;
    for (auto const& next : smaller(plan)) all.push_back(remake(next));
    return all;
  };
  return scenario;
}
inline std::string call(char const* function, std::string const& name, std::string const& rest) {
  return std::string{"crash::"} + function + "<hf::testing::SimulatedFiles>(\"" + name + "\", " +
         rest + ")";
}

template <class Fs>
[[nodiscard]] hf::testing::Scenario register_of(std::string const& name,
                                                hf::testing::RegisterPlan const& plan) {
  return with_smaller(hf::testing::register_scenario(name, OneRegister<Fs>{}, plan), plan,
                      call("register_of", name, code_of(plan)),
                      [name](auto const& next) { return register_of<Fs>(name, next); });
}
template <class Fs>
[[nodiscard]] hf::testing::Scenario register_variant(std::string name, std::uint64_t number) {
  hf::testing::disk::Dice dice{number};
  hf::testing::RegisterPlan plan;
  plan.seed = number;
  plan.stores = 2 + dice.below(6);
  plan.value_size = std::size_t{16} << dice.below(7);
  plan.sector_size = sector_size(dice);
  plan.reader_at_every_call = dice.below(2) == 0;
  plan.rival_at = dice.below(2) == 0 ? 1 + dice.below(100) : 0;
  plan.kill_store = dice.below(2) == 0 ? 1 + dice.below(plan.stores) : 0;
  plan.kill_after = some_calls(dice, 16);
  plan.store_after = dice.below(3) == 0;
  return register_of<Fs>(name, plan);
}

template <class Fs>
[[nodiscard]] hf::testing::Scenario lock_of(std::string const& name,
                                            hf::testing::LockPlan const& plan) {
  return with_smaller(hf::testing::lock_scenario(name, OneLock<Fs>{}, plan), plan,
                      call("lock_of", name, code_of(plan)),
                      [name](auto const& next) { return lock_of<Fs>(name, next); });
}
template <class Fs>
[[nodiscard]] hf::testing::Scenario lock_variant(std::string name, std::uint64_t number) {
  hf::testing::disk::Dice dice{number};
  hf::testing::LockPlan plan;
  plan.grants = 1 + dice.below(6);
  plan.sector_size = sector_size(dice);
  plan.rival_at_every_call = dice.below(2) == 0;
  plan.kill_grant = dice.below(2) == 0 ? 1 + dice.below(plan.grants) : 0;
  plan.kill_after = some_calls(dice, 24);
  return lock_of<Fs>(name, plan);
}

template <class Fs>
[[nodiscard]] hf::testing::Scenario directory_of(std::string const& name,
                                                 hf::testing::StorePlan const& plan,
                                                 bool raw) {
  return with_smaller(hf::testing::store_scenario(name, OneDirectory<Fs>{.raw = raw}, plan), plan,
                      call("directory_of", name, code_of(plan) + (raw ? ", true" : ", false")),
                      [name, raw](auto const& next) { return directory_of<Fs>(name, next, raw); });
}
template <class Fs>
[[nodiscard]] hf::testing::Scenario directory_variant(std::string name, std::uint64_t number) {
  hf::testing::disk::Dice dice{number};
  hf::testing::StorePlan plan;
  plan.seed = number;
  plan.generations = 1 + dice.below(8);
  plan.sector_size = sector_size(dice);
  plan.kill_generation = dice.below(2) == 0 ? 1 + dice.below(plan.generations) : 0;
  plan.kill_after = some_calls(dice, 60);
  plan.drop_unsealed = dice.below(2) == 0;
  return directory_of<Fs>(name, plan, dice.below(2) == 0);
}

template <class Home>
[[nodiscard]] hf::testing::Scenario home_of(std::string const& name,
                                            hf::testing::StagedPlan const& plan,
                                            Home const& home) {
  return with_smaller(
      hf::testing::staged_scenario(name, home, plan), plan,
      call("staged_of", name,
           code_of(plan) + ", " + code_of(home.options) + (home.raw ? ", true" : ", false")),
      [name, home](auto const& next) { return home_of<Home>(name, next, home); });
}
template <class Home>
[[nodiscard]] hf::testing::Scenario home_variant(std::string name, std::uint64_t number) {
  using Then = hf::testing::StagedPlan::Then;
  hf::testing::disk::Dice dice{number};
  hf::testing::StagedPlan plan;
  plan.seed = number;
  plan.steps = 1 + dice.below(5);
  plan.sector_size = sector_size(dice);
  plan.reader_at_every_call = dice.below(3) == 0;
  plan.pinned_reader = dice.below(3) == 0;
  plan.rival_at = dice.below(3) == 0 ? 1 + dice.below(800) : 0;
  plan.kill_step = dice.below(2) == 0 ? 1 + dice.below(plan.steps) : 0;
  plan.kill_after = some_calls(dice, 160);
  plan.reader_before_recovery = dice.below(2) == 0;
  constexpr Then then[] = {Then::nothing, Then::nothing, Then::discard, Then::commit, Then::revert};
  plan.then = then[dice.below(5)];
  Home home;
  home.options.retain = 1 + dice.below(3);
  home.options.publish = dice.below(2) == 0;
  home.options.publish_grace_ms = dice.below(4) == 0 ? 1000 : 0;
  home.raw = dice.below(3) == 0;
  plan.parts = dice.below(4) == 0;
  plan.copies = dice.below(4) == 0;
  plan.holds = dice.below(4) == 0;
  home.options.retain_for_ms = dice.below(4) == 0 ? 3'600'000 : 0;
  return home_of(name, plan, home);
}
template <class Fs>
[[nodiscard]] hf::testing::Scenario staged_of(std::string const& name,
                                              hf::testing::StagedPlan const& plan,
                                              hf::StagedOptions const& options,
                                              bool raw) {
  TwoDirectories<Fs> home;
  home.options = options;
  home.raw = raw;
  return home_of(name, plan, home);
}
template <class Fs>
[[nodiscard]] hf::testing::Scenario staged_variant(std::string name, std::uint64_t number) {
  return home_variant<TwoDirectories<Fs>>(std::move(name), number);
}
}  // namespace crash

#endif

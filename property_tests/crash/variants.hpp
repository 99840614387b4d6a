// SPDX-License-Identifier: BSL-1.0
// Makes of a number a scenario: what is done, by how many processes, and who is killed when.
#ifndef HOLDFAST_PROPERTY_TESTS_CRASH_VARIANTS_HPP
#define HOLDFAST_PROPERTY_TESTS_CRASH_VARIANTS_HPP

#include <cstdint>
#include <string>
#include <string_view>

#include "../support/homes.hpp"
#include "holdfast/testing/disk/hash.hpp"
#include "holdfast/testing/lock_scenario.hpp"
#include "holdfast/testing/register_scenario.hpp"
#include "holdfast/testing/simulated_disk.hpp"
#include "holdfast/testing/staged_scenario.hpp"
#include "holdfast/testing/store_scenario.hpp"

namespace crash {
// Most of what is delicate is done in the first calls of an operation.
inline std::uint64_t some_calls(hf::testing::disk::Dice& dice, std::uint64_t most) {
  return dice.below(dice.below(2) == 0 ? most / 6 + 1 : most);
}
inline std::size_t sector_size(hf::testing::disk::Dice& dice) {
  return dice.below(2) == 0 ? 512 : 4096;
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
  return hf::testing::register_scenario(std::move(name), OneRegister<Fs>{}, plan);
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
  return hf::testing::lock_scenario(std::move(name), OneLock<Fs>{}, plan);
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
  OneDirectory<Fs> const place{.raw = dice.below(2) == 0};
  return hf::testing::store_scenario(std::move(name), place, plan);
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
  return hf::testing::staged_scenario(std::move(name), home, plan);
}
template <class Fs>
[[nodiscard]] hf::testing::Scenario staged_variant(std::string name, std::uint64_t number) {
  return home_variant<TwoDirectories<Fs>>(std::move(name), number);
}
}  // namespace crash

#endif

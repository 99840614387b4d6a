// SPDX-License-Identifier: BSL-1.0
// Makes of a number a scenario of an operator's work: a backup, a rebuilt register, a path that is
// handed over.
#ifndef HOLDFAST_PROPERTY_TESTS_CRASH_OPERATION_VARIANTS_HPP
#define HOLDFAST_PROPERTY_TESTS_CRASH_OPERATION_VARIANTS_HPP

#include <concepts>
#include <cstdint>
#include <string>
#include <utility>

#include "adoptions.hpp"
#include "backups.hpp"
#include "rebuilds.hpp"
#include "variants.hpp"

namespace crash {
inline void each_field(std::same_as<OperationPlan> auto& p, auto field) {
  field("seed", p.seed, p.seed);
  field("generations", p.generations, 1);
  field("sector_size", p.sector_size, p.sector_size);
  field("way", p.way, p.way);
  field("rival_at", p.rival_at, 0);
  field("kill_after", p.kill_after, 0);
}

template <class Work, class Home>
[[nodiscard]] hf::testing::Scenario operation_of(std::string const& name,
                                                 OperationPlan const& plan,
                                                 Home const& home) {
  Work const work{home, plan};
  return with_smaller(
      {name, plan.sector_size, [work](hf::testing::Run& run) { return work.work(run); },
       [work](hf::testing::Run& run) { return work.recover(run); }},
      plan, std::string{},
      [name, home](auto const& next) { return operation_of<Work>(name, next, home); });
}

template <class Work, class Home>
[[nodiscard]] hf::testing::Scenario operation_variant(std::string const& name,
                                                      std::uint64_t number,
                                                      std::uint64_t ways,
                                                      std::uint64_t calls) {
  hf::testing::disk::Dice dice{number};
  OperationPlan plan;
  plan.seed = number;
  plan.generations = 1 + dice.below(3);
  plan.sector_size = sector_size(dice);
  plan.way = dice.below(ways);
  plan.rival_at = dice.below(3) == 0 ? 1 + dice.below(calls) : 0;
  plan.kill_after = dice.below(2) == 0 ? 1 + some_calls(dice, calls) : 0;
  Home home;
  home.options.retain = 1 + dice.below(3);
  home.raw = dice.below(3) == 0;
  return operation_of<Work>(name, plan, home);
}

template <class Fs>
[[nodiscard]] hf::testing::Scenario backup_variant(std::string name, std::uint64_t number) {
  using Home = TwoDirectories<Fs>;
  return operation_variant<BackupWork<Home>, Home>(name, number, 1, 120);
}
template <class Fs>
[[nodiscard]] hf::testing::Scenario rebuild_variant(std::string name, std::uint64_t number) {
  using Home = TwoDirectories<Fs>;
  using Work = RebuildWork<Home, Fs>;
  return operation_variant<Work, Home>(name, number, Work::losses, 160);
}
template <class Fs>
[[nodiscard]] hf::testing::Scenario adopt_variant(std::string name, std::uint64_t number) {
  using Home = TwoDirectories<Fs>;
  return operation_variant<AdoptionWork<Home, Fs>, Home>(name, number, 2, 20);
}
}  // namespace crash

#endif

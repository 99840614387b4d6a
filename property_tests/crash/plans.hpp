// SPDX-License-Identifier: BSL-1.0
// Lists the fields of each plan, so that a plan can be made smaller field by field and written as
// C++.
#ifndef HOLDFAST_PROPERTY_TESTS_CRASH_PLANS_HPP
#define HOLDFAST_PROPERTY_TESTS_CRASH_PLANS_HPP

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <string>
#include <type_traits>
#include <vector>

#include "holdfast/staged.hpp"
#include "holdfast/testing/lock_scenario.hpp"
#include "holdfast/testing/register_scenario.hpp"
#include "holdfast/testing/staged_scenario.hpp"
#include "holdfast/testing/store_scenario.hpp"

namespace crash {
// field(name, value, least): in the order of declaration, as designated initialisers want it.
// `least` is what a field may be made smaller to; a field stays as it is if it is that already.
void each_field(std::same_as<hf::testing::RegisterPlan> auto& p, auto field) {
  field("seed", p.seed, p.seed);
  field("stores", p.stores, 1);
  field("value_size", p.value_size, 16);
  field("sector_size", p.sector_size, p.sector_size);
  field("reader_at_every_call", p.reader_at_every_call, 0);
  field("rival_at", p.rival_at, 0);
  field("kill_store", p.kill_store, 0);
  field("kill_after", p.kill_after, 0);
  field("store_after", p.store_after, 0);
}
void each_field(std::same_as<hf::testing::LockPlan> auto& p, auto field) {
  field("grants", p.grants, 1);
  field("sector_size", p.sector_size, p.sector_size);
  field("rival_at_every_call", p.rival_at_every_call, 0);
  field("kill_grant", p.kill_grant, 0);
  field("kill_after", p.kill_after, 0);
}
void each_field(std::same_as<hf::testing::StorePlan> auto& p, auto field) {
  field("seed", p.seed, p.seed);
  field("generations", p.generations, 1);
  field("sector_size", p.sector_size, p.sector_size);
  field("kill_generation", p.kill_generation, 0);
  field("kill_after", p.kill_after, 0);
  field("drop_unsealed", p.drop_unsealed, 0);
}
void each_field(std::same_as<hf::testing::StagedPlan> auto& p, auto field) {
  field("seed", p.seed, p.seed);
  field("steps", p.steps, 1);
  field("sector_size", p.sector_size, p.sector_size);
  field("reader_at_every_call", p.reader_at_every_call, 0);
  field("parts", p.parts, 0);
  field("copies", p.copies, 0);
  field("holds", p.holds, 0);
  field("pinned_reader", p.pinned_reader, 0);
  field("rival_at", p.rival_at, 0);
  field("kill_step", p.kill_step, 0);
  field("kill_after", p.kill_after, 0);
  field("reader_before_recovery", p.reader_before_recovery, 0);
  field("then", p.then, 0);
}
void each_field(std::same_as<hf::StagedOptions> auto& o, auto field) {
  field("retain", o.retain, 1);
  field("retain_for_ms", o.retain_for_ms, 0);
  field("publish", o.publish, 0);
  field("publish_grace_ms", o.publish_grace_ms, 0);
}

/// "{.seed = 7, .stores = 2}"
template <class Plan>
[[nodiscard]] std::string code_of(Plan plan) {
  std::string code;
  each_field(plan, [&](char const* name, auto const& value, auto) {
    using Value = std::remove_cvref_t<decltype(value)>;
    code += std::string{code.empty() ? "{." : ", ."} + name + " = ";
    if constexpr (std::is_same_v<Value, bool>) {
      code += value ? "true" : "false";
    } else if constexpr (std::is_enum_v<Value>) {
      code += "hf::testing::StagedPlan::Then{" + std::to_string(static_cast<int>(value)) + "}";
    } else {
      code += std::to_string(value);
    }
  });
  return code + "}";
}

/// The plan with one field smaller: as small as can be, half, or one less.
template <class Plan>
[[nodiscard]] std::vector<Plan> smaller(Plan const& plan) {
  std::vector<Plan> all;
  std::size_t fields = 0;
  auto copy = plan;
  each_field(copy, [&](char const*, auto&, auto) { ++fields; });
  for (std::size_t chosen = 0; chosen < fields; ++chosen) {
    for (int way = 0; way < 3; ++way) {
      auto next = plan;
      std::size_t at = 0;
      bool changed = false;
      each_field(next, [&](char const*, auto& value, auto least_value) {
        if (at++ != chosen) return;
        using Value = std::remove_cvref_t<decltype(value)>;
        auto const now = static_cast<std::uint64_t>(value);
        auto const least = static_cast<std::uint64_t>(least_value);
        if (now <= least) return;
        auto const to = way == 0 ? least : way == 1 ? least + (now - least) / 2 : now - 1;
        changed = way == 0 || (to != least && (way == 1 || now - least > 2));
        value = static_cast<Value>(to);
      });
      if (changed) all.push_back(next);
    }
  }
  return all;
}
}  // namespace crash

#endif

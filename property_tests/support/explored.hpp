// SPDX-License-Identifier: BSL-1.0
// Explores a scenario in a test: the whole of it, or until a law breaks, and shows the report.
#ifndef HOLDFAST_PROPERTY_TESTS_EXPLORED_HPP
#define HOLDFAST_PROPERTY_TESTS_EXPLORED_HPP

#include <cstddef>
#include <cstdint>
#include <string>

#include "../crash/variants.hpp"
#include "holdfast/testing/explorer.hpp"

namespace crash {
/// Empty if all laws held, else the report.
[[nodiscard]] inline std::string broken(hf::testing::Scenario const& scenario,
                                        hf::testing::ExploreOptions const& options) {
  return hf::testing::explore(scenario, options).report;
}

/// What the first of the variants 1 .. `last` that breaks a law under the mode reports; empty if
/// none does.
template <class Variant>
[[nodiscard]] std::string first_broken(Variant variant,
                                       std::uint64_t last,
                                       hf::testing::CrashMode mode,
                                       std::size_t states) {
  for (std::uint64_t number = 1; number <= last; ++number) {
    auto const report = broken(variant("variant " + std::to_string(number), number),
                               options_of(number, mode, states));
    if (!report.empty()) return report;
  }
  return {};
}
}  // namespace crash

#endif

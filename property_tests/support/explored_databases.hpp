// SPDX-License-Identifier: BSL-1.0
// Explores variants over databases in a test: few subsets of each crash point, but of all of them.
#ifndef HOLDFAST_PROPERTY_TESTS_EXPLORED_DATABASES_HPP
#define HOLDFAST_PROPERTY_TESTS_EXPLORED_DATABASES_HPP

#include <cstddef>
#include <cstdint>
#include <string>

#include "explored.hpp"

namespace crash {
struct Effort {
  std::uint64_t variants = 4;  ///< 1 .. this
  std::size_t subsets = 8;     ///< of a crash point
  std::size_t states = 1000;   ///< of a variant
};

/// What the first variant that breaks a law under the mode reports; empty if none does.
template <class Variant>
[[nodiscard]] std::string first_broken_database(Variant variant,
                                                hf::testing::CrashMode mode,
                                                Effort const& effort) {
  for (std::uint64_t number = 1; number <= effort.variants; ++number) {
    auto const report =
        broken(variant("variant " + std::to_string(number), number), {.mode = mode,
                                                                      .seed = number,
                                                                      .subsets = effort.subsets,
                                                                      .max_states = effort.states,
                                                                      .thin = 16});
    if (!report.empty()) return report;
  }
  return {};
}
}  // namespace crash

#endif

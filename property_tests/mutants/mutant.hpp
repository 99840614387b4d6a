// SPDX-License-Identifier: BSL-1.0
// A mutant: a law, a subject that breaks it, and its twin without the flaw, which keeps it.
#ifndef HOLDFAST_PROPERTY_TESTS_MUTANTS_MUTANT_HPP
#define HOLDFAST_PROPERTY_TESTS_MUTANTS_MUTANT_HPP

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "holdfast/testing/subject.hpp"

namespace mutants {
struct Mutant {
  std::string_view law;
  std::string name;  ///< what is wrong with it, in a few words
  hf::testing::Subject broken;
  hf::testing::Subject twin;  ///< twins of one name are one
};
using Mutants = std::vector<Mutant>;

[[nodiscard]] Mutants of_files();
[[nodiscard]] Mutants of_registers();
[[nodiscard]] Mutants of_codecs();
[[nodiscard]] Mutants of_stores();
[[nodiscard]] Mutants of_updates();
[[nodiscard]] Mutants of_homes();
[[nodiscard]] Mutants of_locks();
[[nodiscard]] Mutants of_segments();

/// The bytes that this thread has asked of the allocator so far; allocated.cpp counts them.
[[nodiscard]] std::size_t allocated() noexcept;
}  // namespace mutants

#endif

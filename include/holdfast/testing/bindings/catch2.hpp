// SPDX-License-Identifier: BSL-1.0
// Laws as assertions of Catch2, version 2 or 3: one for each law.
#ifndef HOLDFAST_TESTING_BINDINGS_CATCH2_HPP
#define HOLDFAST_TESTING_BINDINGS_CATCH2_HPP

#if __has_include(<catch2/catch_test_macros.hpp>)
#include <catch2/catch_test_macros.hpp>
#else
#include <catch2/catch.hpp>
#endif

#include <string>

#include "holdfast/config.hpp"
#include "holdfast/testing/law_report.hpp"

HOLDFAST_BEGIN

namespace testing::catch2 {
/// For a TEST_CASE: fails for each law that is broken, and shows what broke it. What was not
/// checked, or not in full, is told as a warning.
inline void check(LawReport const& report) {
  for (auto const& result : report.laws) {
    auto const law = std::string{result.law.id} + " " + std::string{result.law.sentence} + "\n";
    INFO(report.subject << ": " << law << text(result));
    CHECK(result.outcome != LawOutcome::broken);
    bool const in_full = result.outcome == LawOutcome::held || result.outcome == LawOutcome::broken;
    if (!in_full) WARN(name(result.outcome) << ": " << law << result.note);
  }
}
}  // namespace testing::catch2

HOLDFAST_END

#endif

// SPDX-License-Identifier: BSL-1.0
// Laws as expectations of GoogleTest: one for each law.
#ifndef HOLDFAST_TESTING_BINDINGS_GTEST_HPP
#define HOLDFAST_TESTING_BINDINGS_GTEST_HPP

#include <gtest/gtest.h>

#include <string>

#include "holdfast/config.hpp"
#include "holdfast/testing/law_report.hpp"

HOLDFAST_BEGIN

namespace testing::gtest {
/// For a TEST: fails for each law that is broken, and shows what broke it. What was not checked, or
/// not in full, is recorded as a property of the test.
inline void check(LawReport const& report) {
  for (auto const& result : report.laws) {
    auto const law = std::string{result.law.id} + " " + std::string{result.law.sentence} + "\n";
    EXPECT_NE(result.outcome, LawOutcome::broken) << report.subject << ": " << law << text(result);
    bool const in_full = result.outcome == LawOutcome::held || result.outcome == LawOutcome::broken;
    if (in_full) continue;
    ::testing::Test::RecordProperty(std::string{result.law.id},
                                    std::string{name(result.outcome)} + ": " + result.note);
  }
}
}  // namespace testing::gtest

HOLDFAST_END

#endif

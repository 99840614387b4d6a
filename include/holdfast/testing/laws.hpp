// SPDX-License-Identifier: BSL-1.0
// What every law has: an id that stays, and one sentence. No test framework.
#ifndef HOLDFAST_TESTING_LAWS_HPP
#define HOLDFAST_TESTING_LAWS_HPP

#include <string>
#include <string_view>
#include <utility>

#include "holdfast/config.hpp"
#include "holdfast/result.hpp"
#include "holdfast/testing/scenario.hpp"

HOLDFAST_BEGIN

namespace testing {
struct Law {
  std::string_view id;
  std::string_view sentence;

  [[nodiscard]] Verdict broken(std::string expected, std::string seen) const {
    return Violation{std::string{id}, std::string{sentence} + " Here: " + std::move(expected),
                     std::move(seen), false};
  }
  /// The operation had to succeed.
  [[nodiscard]] Verdict refused(std::string_view operation, error const& cause) const {
    auto verdict = broken(std::string{operation} + " succeeds", cause.text());
    verdict->refused = true;
    return verdict;
  }
};
}  // namespace testing

HOLDFAST_END

#endif

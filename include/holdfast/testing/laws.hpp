// SPDX-License-Identifier: BSL-1.0
// A law: what identifies it, what it says, which laws it rests on, and how to say that it is
// broken.
#ifndef HOLDFAST_TESTING_LAWS_HPP
#define HOLDFAST_TESTING_LAWS_HPP

#include <array>
#include <string>
#include <string_view>
#include <utility>

#include "holdfast/config.hpp"
#include "holdfast/result.hpp"
#include "holdfast/testing/scenario.hpp"

HOLDFAST_BEGIN

namespace testing {
struct Law {
  std::string_view id;  ///< HF-STORE-003: never used for another law
  std::string_view sentence;
  std::string_view name{};  ///< what it is called for short: B3
  /// Laws without which this one says nothing; checked first. Empty ones are none.
  std::array<std::string_view, 3> parents{};

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

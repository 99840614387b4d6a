// SPDX-License-Identifier: BSL-1.0
// What one run of a schedule tells.
#ifndef HOLDFAST_TESTING_SCHEDULE_RESULT_HPP
#define HOLDFAST_TESTING_SCHEDULE_RESULT_HPP

#include <cstdint>

#include "holdfast/config.hpp"
#include "holdfast/testing/scenario.hpp"

HOLDFAST_BEGIN

namespace testing {
struct ScheduleResult {
  std::uint64_t steps = 0;  ///< calls of all processes
  Verdict broken{};         ///< the law that did not hold, with every call of the run
};
}  // namespace testing

HOLDFAST_END

#endif

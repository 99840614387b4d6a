// SPDX-License-Identifier: BSL-1.0
// Runs schedules of something in a directory that is empty at first.
#ifndef HOLDFAST_TESTING_HOME_SCHEDULES_HPP
#define HOLDFAST_TESTING_HOME_SCHEDULES_HPP

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "holdfast/config.hpp"
#include "holdfast/file_ops.hpp"
#include "holdfast/testing/schedule_result.hpp"
#include "holdfast/testing/scheduled_machine.hpp"

HOLDFAST_BEGIN

namespace testing {
/// `One{make, machine, seed}.run()` is one run over what `make(ScheduledProcess)` opens in the
/// directory /db. Not thread-safe: each thread has its own.
template <class One, class Make>
class HomeSchedules {
 public:
  explicit HomeSchedules(Make make) : make_{std::move(make)} {
    for (std::size_t const sector : {std::size_t{512}, std::size_t{4096}}) {
      SimulatedDisk const disk{sector, 1};
      auto const made = holdfast::detail::make_directories(disk.start().files, "/db");
      if (made) starts_.push_back(disk.machine().cache);
    }
  }

  [[nodiscard]] ScheduleResult run(std::uint64_t seed) {
    auto const fate = fate_of(seed);
    ScheduledMachine machine{fibers_, starts_.at(fate.sector_size == 4096 ? 1 : 0), 2, fate};
    One one{make_, machine, seed};
    auto broken = one.run();
    return {machine.steps(), std::move(broken)};
  }

 private:
  Make make_;
  Fibers fibers_{};
  std::vector<disk::Image> starts_{};
};
}  // namespace testing

HOLDFAST_END

#endif

// SPDX-License-Identifier: BSL-1.0
// The file system of one process of a simulated machine, of which any call can be made to fail.
#ifndef HOLDFAST_TESTING_SIMULATED_FILES_HPP
#define HOLDFAST_TESTING_SIMULATED_FILES_HPP

#include <cstdint>
#include <memory>
#include <utility>

#include "holdfast/config.hpp"
#include "holdfast/file_system.hpp"
#include "holdfast/testing/disk/cache_files.hpp"
#include "holdfast/testing/disk/machine.hpp"
#include "holdfast/testing/faulty_files.hpp"

HOLDFAST_BEGIN

namespace testing {
/// Models `file_system`: a handle onto a machine that other processes may share. The calls of all
/// processes are counted, and fail, together. Not thread-safe.
class SimulatedFiles : public FaultyFiles<disk::CacheFiles> {
 public:
  SimulatedFiles(std::shared_ptr<disk::Machine> const& machine, std::uint32_t process)
      : FaultyFiles{disk::CacheFiles{machine, process},
                    std::shared_ptr<Faults>{machine, &machine->faults}} {}
};
static_assert(file_system<SimulatedFiles>);
}  // namespace testing

HOLDFAST_END

#endif

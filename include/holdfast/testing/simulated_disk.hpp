// SPDX-License-Identifier: BSL-1.0
// A simulated machine for tests: start processes on it, kill them, look at what they did.
//
// The fault model. Sectors, sizes and directory entries are registers in which the last write wins.
// A call issues atomic effects on them, which every process reads back at once (the page cache). A
// sync of a file makes its pending data and size durable, a sync of a directory its entries. A
// SIGKILL loses nothing that was issued. A power cut keeps what is durable and any legal subset of
// what is pending; disk/crash_states.hpp says which are legal under which mode.
#ifndef HOLDFAST_TESTING_SIMULATED_DISK_HPP
#define HOLDFAST_TESTING_SIMULATED_DISK_HPP

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <utility>

#include "holdfast/config.hpp"
#include "holdfast/testing/disk/machine.hpp"
#include "holdfast/testing/simulated_files.hpp"
#include "holdfast/testing/simulated_world.hpp"

HOLDFAST_BEGIN

namespace testing {
/// A process of a simulated machine: what it sees of the machine. Copies are the same process.
class SimulatedProcess {
 public:
  SimulatedProcess(std::shared_ptr<disk::Machine> machine, std::uint32_t number)
      : files{machine, number}, world{machine, number}, machine_{std::move(machine)}, id_{number} {}

  SimulatedFiles files;
  SimulatedWorld world;

  /// SIGKILL: its locks lapse; every later call from it has no effect and answers an error.
  void kill() const {
    std::scoped_lock const lock{machine_->mutex};
    if (alive()) machine_->kill(id_);
  }
  /// The same after that many more calls, in whatever operation that is.
  void kill_after(std::uint64_t calls) const {
    std::scoped_lock const lock{machine_->mutex};
    machine_->process(id_).calls_left = calls;
  }
  [[nodiscard]] bool alive() const {
    std::scoped_lock const lock{machine_->mutex};
    return machine_->process(id_).alive;
  }
  [[nodiscard]] disk::Machine& machine() const noexcept { return *machine_; }

 private:
  std::shared_ptr<disk::Machine> machine_;
  std::uint32_t id_;
};

/// A handle onto a simulated machine. Not thread-safe, but for start(), and for what is called on
/// its processes: that may run beside the threads of a process that go through SerialFiles.
class SimulatedDisk {
 public:
  /// A new machine with an empty disk. A unit smaller than what a protocol writes tears its writes.
  explicit SimulatedDisk(std::size_t sector_size = 4096, std::uint64_t seed = 1)
      : SimulatedDisk{disk::Image{sector_size}, 1, seed, 1} {}
  /// A machine on a disk that an earlier one left; `first_process` numbers its next process.
  SimulatedDisk(disk::Image image,
                std::uint64_t boot,
                std::uint64_t seed,
                std::uint32_t first_process)
      : machine_{std::make_shared<disk::Machine>(std::move(image), boot, seed)} {
    machine_->first_process = first_process;
  }

  [[nodiscard]] SimulatedProcess start() const {
    auto& m = *machine_;
    std::scoped_lock const lock{m.mutex};
    m.processes.emplace_back();
    auto const number = m.first_process + static_cast<std::uint32_t>(m.processes.size()) - 1;
    return SimulatedProcess{machine_, number};
  }
  /// Runs before every call of any process, but not within itself: what it does is interleaved.
  void before_each_call(std::function<void()> then) const {
    machine_->before_call = std::move(then);
  }
  /// Calls made so far, also those that change nothing.
  [[nodiscard]] std::uint32_t calls() const noexcept { return machine_->calls; }
  [[nodiscard]] disk::Machine& machine() const noexcept { return *machine_; }

 private:
  std::shared_ptr<disk::Machine> machine_;
};
}  // namespace testing

HOLDFAST_END

#endif

// SPDX-License-Identifier: BSL-1.0
// A simulated machine whose processes are interleaved by a seed, and what may befall them: kills,
// failing syncs, calls that others see half done, a clock that jumps, a power cut.
#ifndef HOLDFAST_TESTING_SCHEDULED_MACHINE_HPP
#define HOLDFAST_TESTING_SCHEDULED_MACHINE_HPP

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "holdfast/bytes.hpp"
#include "holdfast/config.hpp"
#include "holdfast/file_system.hpp"
#include "holdfast/result.hpp"
#include "holdfast/testing/disk/crash_states.hpp"
#include "holdfast/testing/disk/hash.hpp"
#include "holdfast/testing/disk/subsets.hpp"
#include "holdfast/testing/scheduler.hpp"
#include "holdfast/testing/simulated_disk.hpp"

HOLDFAST_BEGIN

namespace testing {
/// What befalls the calls of a whole machine.
struct ScheduledFaults {
  bool piecewise = false;          ///< others may run within a read or a write
  std::uint64_t failing_sync = 0;  ///< the sync that fails, counted over all processes; 0 = none
  std::uint64_t syncs = 0;
};

/// The file system of a process in a schedule.
class ScheduledFiles : public SimulatedFiles {
 public:
  ScheduledFiles(SimulatedFiles files, std::shared_ptr<ScheduledFaults> faults)
      : SimulatedFiles{std::move(files)}, faults_{std::move(faults)} {}

  /// Copies page by page, as a kernel does.
  [[nodiscard]] result<std::size_t> read_at(file& f, std::uint64_t at, bytes_span into) const {
    if (!faults_->piecewise) return SimulatedFiles::read_at(f, at, into);
    std::size_t done = 0;
    do {
      auto const piece = into.subspan(done).first(length(at + done, into.size() - done, page));
      HOLDFAST_TRY(got, SimulatedFiles::read_at(f, at + done, piece));
      done += got;
      if (got < piece.size()) break;
    } while (done < into.size());
    return done;
  }
  [[nodiscard]] result<void> write_at(file& f, std::uint64_t at, bytes_view from) const {
    if (!faults_->piecewise) return SimulatedFiles::write_at(f, at, from);
    for (std::size_t done = 0; done < from.size();) {
      auto const piece = from.subspan(done).first(length(at + done, from.size() - done, unit));
      HOLDFAST_TRYV(SimulatedFiles::write_at(f, at + done, piece));
      done += piece.size();
    }
    return ok();
  }
  [[nodiscard]] result<void> sync(file& f) const {
    if (++faults_->syncs == faults_->failing_sync) {
      HOLDFAST_TRY(size, SimulatedFiles::size(f));  // others may run here too
      static_cast<void>(size);
      return failure(errc::sync_failed, "simulated");
    }
    return SimulatedFiles::sync(f);
  }

 private:
  static constexpr std::uint64_t page = 4096;
  static constexpr std::uint64_t unit = 512;
  static std::size_t length(std::uint64_t at, std::size_t left, std::uint64_t piece) noexcept {
    return static_cast<std::size_t>(std::min<std::uint64_t>(left, piece - at % piece));
  }
  std::shared_ptr<ScheduledFaults> faults_;
};
static_assert(file_system<ScheduledFiles>);

/// A process of a `ScheduledMachine`.
struct ScheduledProcess {
  SimulatedProcess process;
  ScheduledFiles files;
  ScheduledWorld world;
};

/// What a seed makes happen around the operations. Steps are counted over all processes.
struct Fate {
  std::uint64_t seed = 1;
  std::uint64_t length = 200;  ///< about how many steps a run has
  std::size_t sector_size = 4096;
  bool piecewise = false;
  std::uint64_t failing_sync = 0;
  std::uint64_t jump_at = 0;        ///< a step at which a minute passes; 0 = none
  std::uint64_t cut_at = 0;         ///< a step at which power is cut; 0 = none
  std::uint64_t kills[2] = {0, 0};  ///< steps at which some process is killed; 0 = none
};
[[nodiscard]] inline Fate fate_of(std::uint64_t seed) {
  disk::Dice dice{disk::mixed(seed, 2)};
  Fate fate;
  fate.seed = seed;
  auto const one_in = [&](std::uint64_t n) { return dice.below(n) == 0; };
  auto const some_step = [&] { return 1 + dice.below(fate.length); };
  fate.sector_size = one_in(2) ? 512 : 4096;
  fate.piecewise = one_in(4);
  if (one_in(4)) fate.failing_sync = 1 + dice.below(6);
  if (one_in(8)) fate.jump_at = some_step();
  if (one_in(3)) fate.cut_at = some_step();
  for (auto& kill : fate.kills) {
    if (one_in(3)) kill = some_step();
  }
  return fate;
}

/// One machine in one run, and the machine after its power cut.
class ScheduledMachine {
 public:
  ScheduledMachine(Fibers& fibers, disk::Image const& start, std::uint64_t boot, Fate const& fate)
      : start_{start},
        fate_{fate},
        boot_{boot},
        disk_{start, boot, fate.seed, 1},
        scheduler_{fibers, Choice{fate.seed, fate.length}},
        faults_{std::make_shared<ScheduledFaults>()} {
    faults_->piecewise = fate.piecewise;
    faults_->failing_sync = fate.failing_sync;
    hook();
  }
  ScheduledMachine(ScheduledMachine const&) = delete;
  ScheduledMachine& operator=(ScheduledMachine const&) = delete;
  ~ScheduledMachine() { disk_.before_each_call({}); }

  [[nodiscard]] ScheduledProcess start() {
    auto const process = disk_.start();
    return {process, ScheduledFiles{process.files, faults_},
            ScheduledWorld{process.world, &scheduler_}};
  }
  void add(std::function<void()> body) { scheduler_.add(std::move(body)); }
  void run() { scheduler_.run(); }
  /// No process goes on, and none can start.
  [[nodiscard]] bool cut() const noexcept { return cut_; }
  [[nodiscard]] std::uint64_t steps() const noexcept { return scheduler_.steps(); }

  /// After `run`: nothing befalls what is started now. If power was cut, the next boot on what the
  /// cut has left: what is durable, and a subset of what was pending.
  void settle() {
    *faults_ = {};
    disk_.before_each_call({});
    if (!cut_) return;
    disk::CrashStates states{start_, CrashMode::any};
    auto const& log = disk_.machine().log;
    for (auto const& step : log.steps) states.replay(step, log);
    disk::Dice dice{disk::mixed(fate_.seed, 3)};
    disk::Kept kept(states.pending().size());
    auto const luck = dice.below(3);  // none, half, all of it survives
    for (auto& one : kept) one = luck == 2 || (luck == 1 && dice.below(2) == 0);
    auto image = disk::image_of(states, kept);
    image.settle();
    auto const first = disk_.machine().first_process +
                       static_cast<std::uint32_t>(disk_.machine().processes.size());
    disk_ = SimulatedDisk{std::move(image), boot_ + 1, fate_.seed, first};
  }
  [[nodiscard]] SimulatedDisk const& disk() const noexcept { return disk_; }

 private:
  void hook() {
    auto& machine = disk_.machine();
    disk_.before_each_call([this, &machine] {
      // Those that go on meanwhile are interleaved too.
      machine.in_hook = false;
      scheduler_.step();
      machine.in_hook = true;
    });
    scheduler_.before_each_step([this, &machine](std::uint64_t step) {
      if (step == fate_.jump_at) machine.clock_ns += 60'000'000'000;
      for (auto const kill : fate_.kills) {
        if (step == kill) kill_someone(step);
      }
      if (step == fate_.cut_at) cut_power();
    });
  }
  void kill_someone(std::uint64_t step) {
    auto& machine = disk_.machine();
    auto const all = machine.processes.size();
    auto const first = static_cast<std::size_t>(disk::mixed(fate_.seed, step) % all);
    for (std::size_t i = 0; i < all; ++i) {
      auto const number = machine.first_process + static_cast<std::uint32_t>((first + i) % all);
      if (machine.process(number).alive) return machine.kill(number);
    }
  }
  void cut_power() {
    cut_ = true;
    auto& machine = disk_.machine();
    for (std::size_t i = 0; i < machine.processes.size(); ++i) {
      auto const number = machine.first_process + static_cast<std::uint32_t>(i);
      if (machine.process(number).alive) machine.kill(number);
    }
  }

  disk::Image start_;
  Fate fate_;
  std::uint64_t boot_;
  SimulatedDisk disk_;
  Scheduler scheduler_;
  std::shared_ptr<ScheduledFaults> faults_;
  bool cut_ = false;
};
}  // namespace testing

HOLDFAST_END

#endif

// SPDX-License-Identifier: BSL-1.0
// What a crash test consists of: work to crash, a recovery to judge, and what both report.
#ifndef HOLDFAST_TESTING_SCENARIO_HPP
#define HOLDFAST_TESTING_SCENARIO_HPP

#include <cstddef>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "holdfast/config.hpp"
#include "holdfast/testing/disk/hash.hpp"
#include "holdfast/testing/disk/log.hpp"
#include "holdfast/testing/faults_memory.hpp"
#include "holdfast/testing/simulated_disk.hpp"

HOLDFAST_BEGIN

namespace testing {
/// A law that did not hold.
struct Violation {
  std::string law;
  std::string expected;
  std::string seen;
  bool refused = false;  ///< an operation answered an error; while faults strike, it may
};
using Verdict = std::optional<Violation>;

/// One life of a machine: the processes it runs and what has been reported up to now, also before
/// its last crash.
class Run {
 public:
  explicit Run(SimulatedDisk machine, History before = {})
      : disk{std::move(machine)}, history_{std::move(before)} {
    for (auto const& note : history_) digest_ = digest_after(digest_, note);
  }

  SimulatedDisk disk;
  /// Set for the recovery that only has to find what the one before it left.
  bool again = false;

  [[nodiscard]] SimulatedProcess start() const { return disk.start(); }
  /// Reports something to the outside world. Saying the same again changes nothing.
  void note(Note const& note) {
    SparedAllocations const spared;
    for (std::size_t i = history_.size(); i-- > 0;) {
      if (history_[i].kind != note.kind) continue;
      if (history_[i] == note) return;
      break;
    }
    history_.push_back(note);
    digest_ = digest_after(digest_, note);
    std::scoped_lock const lock{disk.machine().mutex};
    disk.machine().record(disk::Step::Kind::note, 0, "note", {}).note = note;
  }
  /// No crash is explored before what has been done up to now.
  void crash_from_here() const {
    std::scoped_lock const lock{disk.machine().mutex};
    disk.machine().crashes_from = disk.machine().log.steps.size();
  }
  [[nodiscard]] History const& history() const noexcept { return history_; }
  [[nodiscard]] std::uint64_t digest() const noexcept { return digest_; }

  [[nodiscard]] static std::uint64_t digest_after(std::uint64_t digest, Note const& note) noexcept {
    auto const what = disk::mixed(static_cast<std::uint64_t>(note.kind), note.number);
    return disk::mixed(digest, disk::mixed(what, disk::mixed(note.base, note.value)));
  }

 private:
  History history_;
  std::uint64_t digest_ = 0;
};

/// What a recovery found, in words that are equal where what is visible is equal.
struct Recovered {
  Verdict broken{};    ///< the law that what it found violates
  std::string seen{};  ///< what was visible to it
  std::string left{};  ///< what is visible after all it did itself
};

/// A protocol under test. Both functions must do the same on each call with an equal machine.
struct Scenario {
  std::string name;
  std::size_t sector_size = 4096;  ///< unit by which writes are torn: 1, 512 or 4096 bytes
  /// Uses the file system from one or more processes and reports. Runs once; crashes come later,
  /// from its log.
  std::function<Verdict(Run&)> work;
  /// Opens what a crash left, judges it by the history, and may go on working.
  std::function<Recovered(Run&)> recover;
  /// Simpler ones of its kind, the simplest first: among them a failure looks for a shorter
  /// history.
  std::function<std::vector<Scenario>()> smaller{};
  std::string code{};  ///< C++ that makes it, for a test case to paste; else empty
};
}  // namespace testing

HOLDFAST_END

#endif

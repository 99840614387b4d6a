// SPDX-License-Identifier: BSL-1.0
// Interleaves simulated processes at every call, in an order that follows from a seed.
//
// Each process runs on a fiber, so that ordinary synchronous code can be left in the midst of an
// operation. Nothing else decides who runs: equal seeds give equal runs. Two ways to choose, by the
// seed: a random walk (at each step anyone, or with some luck the same again), and priorities that
// change at a few random steps (Burckhardt et al., "A randomized scheduler with probabilistic
// guarantees of finding bugs", ASPLOS 2010), which reaches the rare orders that need one process to
// stand still for long.
#ifndef HOLDFAST_TESTING_SCHEDULER_HPP
#define HOLDFAST_TESTING_SCHEDULER_HPP

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "holdfast/config.hpp"
#include "holdfast/testing/disk/hash.hpp"
#include "holdfast/testing/fiber.hpp"
#include "holdfast/testing/simulated_disk.hpp"
#include "holdfast/world.hpp"

HOLDFAST_BEGIN

namespace testing {
/// Who goes on at each step.
class Choice {
 public:
  /// `length` is about how many steps the run will have.
  Choice(std::uint64_t seed, std::uint64_t length) : dice_{disk::mixed(seed, 1)} {
    by_priority_ = dice_.below(2) == 0;
    constexpr std::uint64_t stays[] = {0, 8, 12, 14};
    stay_ = stays[dice_.below(4)];
    for (auto left = 1 + dice_.below(4); by_priority_ && left > 0; --left) {
      changes_.push_back(dice_.below(length));
    }
  }

  /// `ready` is not empty.
  [[nodiscard]] std::size_t next(std::uint64_t step,
                                 std::size_t current,
                                 std::vector<std::size_t> const& ready) {
    if (by_priority_) return of_priority(step, current, ready);
    bool const stays = stay_ != 0 && dice_.below(16) < stay_ &&
                       std::find(ready.begin(), ready.end(), current) != ready.end();
    return stays ? current : ready[static_cast<std::size_t>(dice_.below(ready.size()))];
  }

 private:
  std::size_t of_priority(std::uint64_t step,
                          std::size_t current,
                          std::vector<std::size_t> const& ready) {
    auto const most = std::max(current, *std::max_element(ready.begin(), ready.end()));
    while (priorities_.size() <= most) priorities_.push_back(1 + (dice_() >> 1));
    if (std::find(changes_.begin(), changes_.end(), step) != changes_.end()) {
      priorities_[current] = 0;
    }
    return *std::max_element(ready.begin(), ready.end(), [this](std::size_t a, std::size_t b) {
      return priorities_[a] < priorities_[b];
    });
  }

  disk::Dice dice_;
  bool by_priority_ = false;
  std::uint64_t stay_ = 0;  ///< of 16 steps, how many go on with the same
  std::vector<std::uint64_t> changes_{};
  std::vector<std::uint64_t> priorities_{};
};

/// Keeps the stacks of one thread from run to run.
using Fibers = std::vector<std::unique_ptr<Fiber>>;

/// One run. Not thread-safe; everything in it belongs to one thread.
class Scheduler {
 public:
  Scheduler(Fibers& fibers, Choice choice) : fibers_{fibers}, choice_{std::move(choice)} {}
  Scheduler(Scheduler const&) = delete;
  Scheduler& operator=(Scheduler const&) = delete;

  /// Adds what one process does; it ends when `body` returns. `body` must not throw.
  void add(std::function<void()> body) { tasks_.push_back({std::move(body)}); }
  /// Before every step: kills, jumps of the clock, power cuts.
  void before_each_step(std::function<void(std::uint64_t)> then) { on_step_ = std::move(then); }

  /// Runs all of them until the last has ended.
  void run() {
    for (std::size_t i = 0; i < tasks_.size(); ++i) {
      if (fibers_.size() <= i) fibers_.push_back(std::make_unique<Fiber>());
      fibers_[i]->prepare([this, i] { live(i); }, outside_);
    }
    if (tasks_.empty()) return;
    current_ = choose();
    start_or_go_on(outside_, current_);
    current_ = nobody;
  }

  /// From within a process: here another one may go on. Elsewhere: nothing.
  void step() {
    if (current_ == nobody) return;
    ++steps_;
    for (auto& task : tasks_) task.waits = false;  // somebody has moved
    if (on_step_) on_step_(steps_);
    leave();
  }
  /// The same for one that waits for others: it goes on after one of them has moved, or when all
  /// wait.
  void wait() {
    if (current_ == nobody) return;
    ++steps_;
    tasks_[current_].waits = true;
    if (on_step_) on_step_(steps_);
    leave();
  }

  [[nodiscard]] std::uint64_t steps() const noexcept { return steps_; }

 private:
  static constexpr std::size_t nobody = ~std::size_t{0};
  struct Task {
    std::function<void()> body;
    bool started = false;
    bool ended = false;
    bool waits = false;
  };

  void live(std::size_t i) {
    tasks_[i].body();
    tasks_[i].ended = true;
    for (auto& task : tasks_) task.waits = false;
    auto const next = choose();
    current_ = next;
    auto& own = fibers_[i]->place();
    if (next == nobody) {
      switch_fiber(own, outside_, true);
    } else {
      start_or_go_on(own, next, true);
    }
  }
  void leave() {
    auto const next = choose();
    auto const own = current_;
    if (next == own) return;
    current_ = next;
    start_or_go_on(fibers_[own]->place(), next);
  }
  void start_or_go_on(FiberPlace& from, std::size_t next, bool ends = false) {
    if (!std::exchange(tasks_[next].started, true)) fibers_[next]->about_to_start();
    switch_fiber(from, fibers_[next]->place(), ends);
  }
  [[nodiscard]] std::size_t choose() {
    auto const gather = [this] {
      ready_.clear();
      for (std::size_t i = 0; i < tasks_.size(); ++i) {
        if (!tasks_[i].ended && !tasks_[i].waits) ready_.push_back(i);
      }
      return !ready_.empty();
    };
    if (!gather()) {
      // All wait: time passes for all of them, so that none is left out however often it waits.
      for (auto& task : tasks_) task.waits = false;
      if (!gather()) return nobody;
    }
    return choice_.next(steps_, current_ == nobody ? ready_.front() : current_, ready_);
  }

  Fibers& fibers_;
  Choice choice_;
  std::vector<Task> tasks_{};
  std::vector<std::size_t> ready_{};
  std::function<void(std::uint64_t)> on_step_{};
  FiberPlace outside_{};
  std::size_t current_ = nobody;
  std::uint64_t steps_ = 0;
};

/// The world of a process in a schedule: while it waits, others go on. A null scheduler lets nobody
/// on.
class ScheduledWorld {
 public:
  ScheduledWorld(SimulatedWorld inner, Scheduler* scheduler) noexcept
      : inner_{std::move(inner)}, scheduler_{scheduler} {}

  [[nodiscard]] std::int64_t wall_ns() const noexcept { return inner_.wall_ns(); }
  [[nodiscard]] std::int64_t steady_ns() const noexcept { return inner_.steady_ns(); }
  void wait_until(std::int64_t steady_ns) const noexcept {
    if (scheduler_ != nullptr) scheduler_->wait();
    inner_.wait_until(steady_ns);
  }
  [[nodiscard]] std::uint64_t random64() const noexcept { return inner_.random64(); }
  [[nodiscard]] Owner self() const noexcept { return inner_.self(); }
  void on(Event const& event) const noexcept { inner_.on(event); }

 private:
  SimulatedWorld inner_;
  Scheduler* scheduler_;
};
static_assert(world<ScheduledWorld>);
}  // namespace testing

HOLDFAST_END

#endif

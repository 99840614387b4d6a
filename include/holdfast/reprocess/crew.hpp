// SPDX-License-Identifier: BSL-1.0
// Keeps what the tasks of one attempt share, and waits for them to end or to be given up.
//
// A task that does not stop when told can't be ended from outside. It is given up: the run answers,
// the attempt stays whole in memory, and whoever ends last of those given up discards the stage.
#ifndef HOLDFAST_REPROCESS_CREW_HPP
#define HOLDFAST_REPROCESS_CREW_HPP

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "holdfast/config.hpp"
#include "holdfast/ids.hpp"
#include "holdfast/report/progress.hpp"
#include "holdfast/reprocess/budget.hpp"
#include "holdfast/reprocess/report.hpp"
#include "holdfast/result.hpp"

HOLDFAST_BEGIN

namespace detail {
/// Why tasks have to stop.
enum class Stop : std::uint8_t { none, cancel, deadline, another_failed };

/// One task of an attempt. Guarded by the crew's mutex, but for `progress`, and for `marks` and
/// `hook_failures` while the task runs: they are its thread's then.
struct TaskSlot {
  TaskSlot(std::string name_, std::string unit_) : name{std::move(name_)}, unit{std::move(unit_)} {}
  std::string name;
  std::string unit;
  Progress progress{};
  TaskState state = TaskState::waiting;
  std::int64_t started_ns = 0;
  std::int64_t ended_ns = 0;
  std::uint64_t seen = 0;    // the progress at the last look that found it grown
  std::int64_t seen_ns = 0;  // when that was
  std::optional<error> cause{};
  Marks marks{};
  std::vector<error> hook_failures{};
};

class Crew {
 public:
  int number = 1;
  Generation generation{};
  std::int64_t started_ns = 0;
  std::int64_t deadline_ns = INT64_MAX;
  double batch_size_multiplier = 1;
  std::function<std::int64_t()> now{};  // steady clock
  std::shared_ptr<Account> account = std::make_shared<Account>();
  std::vector<std::unique_ptr<TaskSlot>> slots{};
  std::thread::id caller = std::this_thread::get_id();  // who waits for the tasks
  std::stop_source source{};
  std::mutex mutex{};
  std::condition_variable changed{};
  std::size_t running = 0;  // posted and not ended
  bool given_up = false;

  // The first reason stays. Callbacks that tasks have registered run in this thread.
  void stop(Stop why) {
    auto none = Stop::none;
    reason_.compare_exchange_strong(none, why);
    source.request_stop();
    std::lock_guard const guard{mutex};  // whoever waits has either seen it or is told
    changed.notify_all();
  }
  [[nodiscard]] Stop stopped() const noexcept { return reason_.load(); }

  [[nodiscard]] result<void> check() const {
    switch (reason_.load(std::memory_order_relaxed)) {
      case Stop::none:
        return ok();
      case Stop::cancel:
        return failure(errc::cancelled, "task");
      case Stop::deadline:
        return failure(errc::timed_out, "task");
      case Stop::another_failed:
        return failure(errc::cancelled, "task", "another task failed");
    }
    return ok();
  }

  // False: it has to stop before it began.
  [[nodiscard]] bool begin(TaskSlot& slot) {
    std::lock_guard const guard{mutex};
    slot.started_ns = slot.seen_ns = now();
    slot.state = TaskState::running;
    return stopped() == Stop::none;
  }

  // What became of a task. An error that only passes on the word to stop is no failure of its own.
  void settle(TaskSlot& slot, result<void> const& done) {
    std::lock_guard const guard{mutex};
    slot.ended_ns = now();
    if (slot.started_ns == 0) slot.started_ns = slot.ended_ns;
    if (done) {
      slot.state = TaskState::done;
      return;
    }
    slot.cause = done.error();
    auto const told = check();
    bool const obeyed = !told && told.error().code() == slot.cause->code();
    slot.state = obeyed ? TaskState::stopped : TaskState::failed;
  }

  // Waits until no task runs. False: some were told to stop, did not within the grace, and are
  // given up. `tick(now)` gives the time at which it wants to be called next.
  template <class Tick>
  [[nodiscard]] bool wait(std::int64_t grace_ns, Tick tick) {
    auto give_up_ns = INT64_MAX;
    for (auto due = tick(now());; due = tick(now())) {
      std::unique_lock lock{mutex};
      auto at = now();
      while (running != 0 && at < due) {
        if (stopped() == Stop::none && at >= deadline_ns) {
          lock.unlock();
          stop(Stop::deadline);
          lock.lock();
          continue;
        }
        bool const told = stopped() != Stop::none;
        if (told && give_up_ns == INT64_MAX) give_up_ns = at + grace_ns;
        if (at >= give_up_ns) return give_up();
        auto const next = std::min({due, told ? INT64_MAX : deadline_ns, give_up_ns});
        // Not for ever: the world's clock may run otherwise than the one that waits here.
        changed.wait_for(lock, std::chrono::nanoseconds{std::min(next - at, longest_wait_ns)});
        at = now();
      }
      if (running == 0) return true;
    }
  }

  [[nodiscard]] TaskProgress look(TaskSlot& slot, std::int64_t at) const {
    TaskProgress seen{.name = slot.name, .state = slot.state, .unit = slot.unit};
    seen.done = slot.progress.done();
    seen.total = slot.progress.total();
    if (slot.state == TaskState::waiting) return seen;
    if (slot.seen != seen.done) {
      slot.seen = seen.done;
      slot.seen_ns = at;
    }
    bool const ended = slot.ended_ns != 0;
    seen.elapsed_ns = (ended ? slot.ended_ns : at) - slot.started_ns;
    seen.silent_ns = ended ? 0 : at - slot.seen_ns;
    return seen;
  }

  void look(RunProgress& run) {
    std::lock_guard const guard{mutex};
    auto const at = now();
    run.attempt = number;
    run.generation = generation;
    run.elapsed_ns = at - started_ns;
    run.memory_bytes = account->used.load(std::memory_order_relaxed);
    run.memory_budget_bytes = account->limit;
    for (auto const& slot : slots) {
      run.tasks.push_back(look(*slot, at));
      run.threads += slot->state == TaskState::running;
    }
  }

  [[nodiscard]] std::vector<TaskReport> report() {
    std::lock_guard const guard{mutex};
    std::vector<TaskReport> all;
    for (auto const& slot : slots) {
      all.push_back({look(*slot, now()), slot->cause, {}});
      // What the task's thread may still write is left out.
      if (slot->state != TaskState::hung) all.back().hook_failures = slot->hook_failures;
    }
    return all;
  }

 private:
  static constexpr std::int64_t longest_wait_ns = 1'000'000'000;

  [[nodiscard]] bool give_up() {
    given_up = true;
    auto const code = check().error().code();
    for (auto const& slot : slots) {
      if (slot->state == TaskState::running) {
        slot->state = TaskState::hung;
        slot->cause = error{code, "task", "it was told to stop and did not"};
      } else if (slot->state == TaskState::waiting) {
        slot->cause = error{code, "task", "the executor did not begin it"};
      }
    }
    return false;
  }

  std::atomic<Stop> reason_{Stop::none};
};
}  // namespace detail

HOLDFAST_END

#endif

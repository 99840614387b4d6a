// SPDX-License-Identifier: BSL-1.0
// Says how far work is: counted by whoever works, read by anyone, as numbers and as lines.
#ifndef HOLDFAST_REPORT_PROGRESS_HPP
#define HOLDFAST_REPORT_PROGRESS_HPP

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "holdfast/config.hpp"
#include "holdfast/ids.hpp"
#include "holdfast/report/text.hpp"

HOLDFAST_BEGIN

/// Counts what is done of how much. Any thread; one relaxed addition a step.
class Progress {
 public:
  /// How much there is to do; 0 where nobody knows. May grow.
  void expect(std::uint64_t total) noexcept { total_.store(total, std::memory_order_relaxed); }
  void add(std::uint64_t n = 1) noexcept { done_.fetch_add(n, std::memory_order_relaxed); }
  [[nodiscard]] std::uint64_t done() const noexcept {
    return done_.load(std::memory_order_relaxed);
  }
  [[nodiscard]] std::uint64_t total() const noexcept {
    return total_.load(std::memory_order_relaxed);
  }

 private:
  std::atomic<std::uint64_t> done_{0};
  std::atomic<std::uint64_t> total_{0};
};

enum class TaskState : std::uint8_t {
  waiting,  ///< not yet begun
  running,
  done,
  failed,
  stopped,  ///< by a cancel, the deadline, or another task's failure
  hung,     ///< was told to stop and did not
};

/// As it is written in reports.
[[nodiscard]] constexpr std::string_view name(TaskState state) noexcept {
  switch (state) {
    case TaskState::waiting:
      return "waiting";
    case TaskState::running:
      return "running";
    case TaskState::done:
      return "done";
    case TaskState::failed:
      return "failed";
    case TaskState::stopped:
      return "stopped";
    case TaskState::hung:
      return "hung";
  }
  return "?";
}

/// How far one task is.
struct TaskProgress {
  std::string name;
  TaskState state = TaskState::waiting;
  std::uint64_t done = 0;
  std::uint64_t total = 0;  ///< 0: nobody knows
  std::string unit{};
  std::int64_t elapsed_ns = 0;  ///< since it began, until it ended
  std::int64_t silent_ns = 0;   ///< how long no step was seen

  /// Units a second since it began.
  [[nodiscard]] double rate() const noexcept {
    return elapsed_ns > 0 ? static_cast<double>(done) * 1e9 / static_cast<double>(elapsed_ns) : 0;
  }
  /// From 0 to 1, where the total is known. A task that is done is whole, whatever it counted.
  [[nodiscard]] std::optional<double> ratio() const noexcept {
    if (state == TaskState::done) return 1.0;
    if (total == 0) return {};
    return std::min(1.0, static_cast<double>(done) / static_cast<double>(total));
  }
  /// Time left at the rate so far, where it can be told.
  [[nodiscard]] std::optional<std::int64_t> eta_ns() const noexcept {
    if (state == TaskState::done || (total != 0 && done >= total)) return 0;
    if (total == 0 || done == 0 || elapsed_ns <= 0) return {};
    double const left = static_cast<double>(total - done) / rate() * 1e9;
    return left < 9e18 ? static_cast<std::int64_t>(left) : INT64_MAX;
  }
};

/// How far a run is.
struct RunProgress {
  bool running = false;
  int attempt = 0;  ///< the first is 1
  Generation generation{};
  std::string phase{};  ///< "stage", "tasks", "seal", "validate", "commit", "delay"
  std::int64_t elapsed_ns = 0;
  std::vector<TaskProgress> tasks{};
  unsigned threads = 0;                     ///< tasks that run just now
  std::uint64_t memory_bytes = 0;           ///< reserved by tasks
  std::uint64_t memory_budget_bytes = 0;    ///< 0: no limit
  std::optional<std::uint64_t> disk_bytes{};  ///< of the stage, where someone measures it

  /// The mean of the tasks; one whose total is not known counts as not begun until it is done.
  [[nodiscard]] double ratio() const noexcept {
    if (tasks.empty()) return 0;
    double sum = 0;
    for (auto const& task : tasks) sum += task.ratio().value_or(0);
    return sum / static_cast<double>(tasks.size());
  }
  /// Of the task that takes longest; nothing while one can't tell.
  [[nodiscard]] std::optional<std::int64_t> eta_ns() const noexcept {
    std::int64_t longest = 0;
    for (auto const& task : tasks) {
      auto const eta = task.eta_ns();
      if (!eta) return {};
      longest = std::max(longest, *eta);
    }
    return longest;
  }
  /// The shortest silence of a running task: how long the whole run has shown no sign of life.
  [[nodiscard]] std::int64_t silent_ns() const noexcept {
    std::optional<std::int64_t> least;
    for (auto const& task : tasks) {
      if (task.state != TaskState::running) continue;
      least = std::min(least.value_or(task.silent_ns), task.silent_ns);
    }
    return least.value_or(0);
  }
};

/// "keys: running, 1,200 of 5,000 rows, 24 %, 400 a second, 9.5 s left"
[[nodiscard]] inline std::string line(TaskProgress const& task) {
  auto text = printable(task.name) + ": " + std::string{name(task.state)};
  if (task.state == TaskState::waiting) return text;
  text += ", " + grouped(task.done);
  if (task.total != 0) text += " of " + grouped(task.total);
  if (!task.unit.empty()) text += " " + printable(task.unit);
  if (task.total != 0) text += ", " + fixed(*task.ratio() * 100, 0) + " %";
  text += ", " + fixed(task.rate(), 0) + " a second";
  if (task.state != TaskState::running) return text + ", took " + human_time(task.elapsed_ns);
  if (auto const eta = task.eta_ns()) text += ", " + human_time(*eta) + " left";
  return text;
}

/// A line for the run and one for each task, each with its line break.
[[nodiscard]] inline std::string lines(RunProgress const& run) {
  auto text = "generation " + std::to_string(run.generation.number) + ", attempt " +
              std::to_string(run.attempt) + ": " + run.phase + ", " +
              fixed(run.ratio() * 100, 0) + " % after " + human_time(run.elapsed_ns);
  if (auto const eta = run.eta_ns(); eta && run.phase == "tasks") {
    text += ", " + human_time(*eta) + " left";
  }
  text += '\n';
  for (auto const& task : run.tasks) text += "  " + line(task) + '\n';
  return text;
}

HOLDFAST_END

#endif

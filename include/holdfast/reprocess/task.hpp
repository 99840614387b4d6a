// SPDX-License-Identifier: BSL-1.0
// Gives a task what it works with: progress, marks, a budget, and the word to stop.
#ifndef HOLDFAST_REPROCESS_TASK_HPP
#define HOLDFAST_REPROCESS_TASK_HPP

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <stop_token>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

#include "holdfast/config.hpp"
#include "holdfast/ids.hpp"
#include "holdfast/reprocess/budget.hpp"
#include "holdfast/reprocess/crew.hpp"
#include "holdfast/reprocess/report.hpp"
#include "holdfast/result.hpp"

HOLDFAST_BEGIN

/// One task in one attempt, as the task sees it. Belongs to the thread that the task was called on;
/// other threads of the task may call `add`, `step`, `check` and `reserve`.
class TaskRun {
 public:
  TaskRun(detail::Crew& crew, detail::TaskSlot& slot) noexcept
      : crew_{&crew}, slot_{&slot}, watched_{crew.caller != std::this_thread::get_id()} {}

  [[nodiscard]] std::string const& name() const noexcept { return slot_->name; }
  /// The number that the generation will have.
  [[nodiscard]] Generation generation() const noexcept { return crew_->generation; }
  /// The first is 1.
  [[nodiscard]] int attempt() const noexcept { return crew_->number; }

  /// How much there is to do, in units of the task.
  void expect(std::uint64_t total) noexcept { slot_->progress.expect(total); }
  void add(std::uint64_t n = 1) noexcept { slot_->progress.add(n); }
  /// An error as soon as the task has to stop: `cancelled` or `timed_out`. To be asked often, and
  /// passed on.
  [[nodiscard]] result<void> check() const {
    // Nobody else looks at the clock while the task runs on the thread of the caller.
    if (!watched_ && crew_->now() >= crew_->deadline_ns) crew_->stop(detail::Stop::deadline);
    return crew_->check();
  }
  /// `n` more are done; then as `check`.
  [[nodiscard]] result<void> step(std::uint64_t n = 1) {
    add(n);
    return check();
  }
  /// For what can wait by itself (std::condition_variable_any, callbacks). A deadline comes through
  /// it too, but not where an `Inline` executor leaves nobody to watch the clock.
  [[nodiscard]] std::stop_token stop_token() const noexcept { return crew_->source.get_token(); }

  /// A mark to commit with the generation. Tasks may agree on one; `conflict` ends the attempt
  /// where they don't.
  void mark(std::string mark, std::uint64_t value) { slot_->marks[std::move(mark)] = value; }
  /// Memory out of the budget of the run, until the reservation ends; `no_memory` where it does not
  /// suffice.
  [[nodiscard]] result<Reservation> reserve(std::uint64_t size) const {
    return detail::reserve(crew_->account, size);
  }
  /// How large a batch may be here, given how large it would be where others are served meanwhile.
  [[nodiscard]] std::size_t batch(std::size_t usual) const noexcept {
    auto const size = static_cast<double>(usual) * crew_->batch_size_multiplier;
    return std::max<std::size_t>(1, static_cast<std::size_t>(std::min(size, 1e15)));
  }

 private:
  detail::Crew* crew_;
  detail::TaskSlot* slot_;
  bool watched_;
};

/// A named part of a reprocessing. `Writer` is the stage's writer (a tuple where there are several
/// stores), shared by all tasks: each binds the part that is its own. `Reader` is what readers get.
template <class Writer, class Reader>
struct ReprocessTask {
  std::string name{};
  std::function<result<void>(Writer&, TaskRun&)> run{};
  /// Looks at the sealed, unseen generation once all tasks are done. False: `rejected`.
  std::function<result<bool>(Reader const&)> validate{};
  /// Before `run`, on its thread. Its failure is kept in the report and changes nothing.
  std::function<result<void>(TaskRun const&)> on_start{};
  /// After the attempt has ended, with what became of the task and of the attempt; as above.
  std::function<result<void>(TaskReport const&, AttemptReport const&)> on_complete{};
  /// What its progress counts.
  std::string unit{};
};

HOLDFAST_END

#endif

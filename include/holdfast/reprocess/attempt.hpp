// SPDX-License-Identifier: BSL-1.0
// Runs the tasks of one attempt into one stage, and names what went wrong.
#ifndef HOLDFAST_REPROCESS_ATTEMPT_HPP
#define HOLDFAST_REPROCESS_ATTEMPT_HPP

#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "holdfast/config.hpp"
#include "holdfast/event.hpp"
#include "holdfast/reprocess/crew.hpp"
#include "holdfast/reprocess/executor.hpp"
#include "holdfast/reprocess/report.hpp"
#include "holdfast/reprocess/task.hpp"
#include "holdfast/result.hpp"
#include "holdfast/world.hpp"

HOLDFAST_BEGIN

namespace detail {
template <class Db>
using writer_of_db =
    std::remove_reference_t<decltype(std::declval<typename Db::stage_type&>().writer())>;
template <class Db>
using reader_of_db = typename Db::view_type::Reader;

/// An error, and whose it is; an empty name: no task's.
struct Blame {
  std::string task;
  error cause;
};

// As the whole run tells it: the task's name goes before its own words.
[[nodiscard]] inline error headline(Blame const& blame) {
  auto const& [task, cause] = blame;
  if (task.empty()) return cause;
  auto text = "task " + task;
  if (*cause.where() != '\0') text.append(", ").append(cause.where());
  if (!cause.detail().empty()) text.append(": ").append(cause.detail());
  return error{cause.code(), "reprocess", text, cause.native()}
      .at(cause.offset())
      .with(cause.ticket());
}

/// One attempt: its stage and its tasks. Shared with the threads that work, for those given up.
template <class Db, world W>
class ReprocessAttempt : public Crew, public std::enable_shared_from_this<ReprocessAttempt<Db, W>> {
 public:
  using Writer = writer_of_db<Db>;
  using Reader = reader_of_db<Db>;
  using Task = ReprocessTask<Writer, Reader>;
  using Tasks = std::vector<std::shared_ptr<Task const>>;

  ReprocessAttempt(W world, Tasks tasks) : tasks_{std::move(tasks)}, world_{std::move(world)} {
    for (auto const& task : tasks_) {
      slots.push_back(std::make_unique<TaskSlot>(task->name, task->unit));
    }
    now = [w = world_] { return w.steady_ns(); };
  }

  std::optional<typename Db::stage_type> stage{};
  std::optional<Blame> blame{};  // the caller's thread alone

  void tell(Event event) const noexcept {
    event.generation = generation;
    detail::tell(world_, event);
  }

  // Runs the tasks from `from` to `to`. `grave` says of which errors to tell before others.
  template <executor E, class Tick>
  [[nodiscard]] result<void> run(std::size_t from,
                                 std::size_t to,
                                 E& on,
                                 std::int64_t grace_ns,
                                 std::function<bool(error const&)> const& grave,
                                 Tick tick) {
    auto* const writer = &stage->writer();
    for (auto i = from; i < to; ++i) post(on, i, writer);
    bool const ended = wait(grace_ns, tick);
    blame = who_failed(!ended, grave);
    if (blame) return failure(headline(*blame));
    return check();
  }

  // What all tasks agree to commit.
  [[nodiscard]] result<Marks> marks() {
    Marks all;
    for (auto const& slot : slots) {
      for (auto const& [mark, value] : slot->marks) {
        if (all.try_emplace(mark, value).first->second == value) continue;
        blame = Blame{slot->name, error{errc::conflict, "mark", mark}};
        return failure(headline(*blame));
      }
    }
    return all;
  }

  // Asks every task, so that all that is wrong is told at once.
  [[nodiscard]] result<void> validate(Reader const& reader) {
    for (std::size_t i = 0; i < tasks_.size(); ++i) {
      auto const& task = *tasks_[i];
      if (!task.validate) continue;
      auto valid = guarded("validate", [&] { return task.validate(reader); });
      if (valid && valid.assume_value()) continue;
      auto const cause = valid ? error{errc::rejected, "validate"} : valid.assume_error();
      std::lock_guard const guard{mutex};
      slots[i]->state = TaskState::failed;
      slots[i]->cause = cause;
      if (!blame) blame = Blame{task.name, cause};
    }
    if (blame) return failure(headline(*blame));
    return ok();
  }

  [[nodiscard]] bool has_validation() const {
    for (auto const& task : tasks_) {
      if (task->validate) return true;
    }
    return false;
  }

  // The last hooks. Their failures are added to the report that they are shown.
  void complete(AttemptReport& report) const {
    for (std::size_t i = 0; i < tasks_.size(); ++i) {
      if (!tasks_[i]->on_complete) continue;
      auto const done =
          guarded("on_complete", [&] { return tasks_[i]->on_complete(report.tasks[i], report); });
      if (!done) hook_failed(report.tasks[i].hook_failures, tasks_[i]->name, done.error());
    }
  }

 private:
  void hook_failed(std::vector<error>& kept, std::string const& task, error const& why) const {
    kept.push_back(why);
    tell({.kind = Event::Kind::hook_failed, .cause = &why, .task = task});
  }

  template <executor E>
  void post(E& on, std::size_t i, Writer* writer) {
    {
      std::lock_guard const guard{mutex};
      ++running;
    }
    auto const posted = guarded("post", [&]() -> result<void> {
      return on.post([self = this->shared_from_this(), i, writer] { self->work(i, *writer); });
    });
    if (posted) return;
    settle(*slots[i], posted);
    stop(Stop::another_failed);
    end();
  }

  void work(std::size_t i, Writer& writer) noexcept {
    auto& slot = *slots[i];
    if (begin(slot)) {
      tell({.kind = Event::Kind::task_started, .task = slot.name});
      auto const done = call(*tasks_[i], slot, writer);
      settle(slot, done);
      tell({.kind = Event::Kind::task_finished,
            .cause = done ? nullptr : &done.assume_error(),
            .task = slot.name});
      if (!done) stop(Stop::another_failed);
    } else {
      settle(slot, check());
    }
    end();
  }

  [[nodiscard]] result<void> call(Task const& task, TaskSlot& slot, Writer& writer) {
    TaskRun run{*this, slot};
    if (task.on_start) {
      auto const heard = guarded("on_start", [&] { return task.on_start(run); });
      if (!heard) hook_failed(slot.hook_failures, slot.name, heard.error());
    }
    return guarded("task", [&] { return task.run(writer, run); });
  }

  // The last of those given up drops the stage, before anyone may think that all have ended.
  void end() {
    std::unique_lock lock{mutex};
    if (given_up && running == 1) {
      lock.unlock();
      stage.reset();
      lock.lock();
    }
    --running;
    changed.notify_all();
  }

  [[nodiscard]] std::optional<Blame> who_failed(bool hung,
                                                std::function<bool(error const&)> const& grave) {
    std::lock_guard const guard{mutex};
    TaskSlot const* worst = nullptr;
    auto const rank = [&](TaskSlot const& slot) {
      if (!slot.cause) return 0;
      if (slot.state == TaskState::hung || (hung && slot.state == TaskState::waiting)) return 4;
      if (slot.state == TaskState::failed) return grave(*slot.cause) ? 3 : 2;
      return slot.state == TaskState::stopped ? 1 : 0;
    };
    for (auto const& slot : slots) {
      auto const of_it = rank(*slot);
      if (of_it == 0) continue;
      auto const of_worst = worst == nullptr ? 0 : rank(*worst);
      if (of_it > of_worst || (of_it == of_worst && slot->ended_ns < worst->ended_ns)) {
        worst = slot.get();
      }
    }
    if (worst == nullptr) return {};
    return Blame{worst->name, *worst->cause};
  }

  Tasks tasks_;
  W world_;
};
}  // namespace detail

HOLDFAST_END

#endif

// SPDX-License-Identifier: BSL-1.0
// Rebuilds derived state by named tasks, in parallel into one stage, while the old generation is
// served: all of them succeed and it is switched, or nothing changes and the report says why.
//
// Invariants:
// - Nothing is committed unless every task of the attempt ended well, every validation said true,
//   and nobody told it to stop before the commit began.
// - No error is lost: those of parallel tasks and of hooks are all in the report.
// - A hook changes no outcome.
// - A task that does not stop when told keeps its stage, and with it the lock of the home, until it
//   ends; no other run begins before that. It can't make anything visible any more.
#ifndef HOLDFAST_REPROCESS_HPP
#define HOLDFAST_REPROCESS_HPP

#include <algorithm>
#include <concepts>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include "holdfast/concepts.hpp"
#include "holdfast/config.hpp"
#include "holdfast/policy/retry.hpp"
#include "holdfast/report/progress.hpp"
#include "holdfast/reprocess/attempt.hpp"
#include "holdfast/reprocess/executor.hpp"
#include "holdfast/reprocess/flight.hpp"
#include "holdfast/reprocess/options.hpp"
#include "holdfast/reprocess/report.hpp"
#include "holdfast/reprocess/task.hpp"
#include "holdfast/reprocess/task_list.hpp"
#include "holdfast/result.hpp"
#include "holdfast/staged/housekeeping.hpp"
#include "holdfast/world.hpp"

HOLDFAST_BEGIN

/// What one run is to do.
template <class Db>
struct ReprocessRequest {
  /// Names of the tasks to run; none: all. Tasks added by `first` always run.
  std::vector<std::string> tasks{};
  /// How the stage begins; none: `db.stage()`, empty. A run of some tasks must say it, since what
  /// the other tasks would have written has to come from somewhere.
  std::function<result<typename Db::stage_type>(Db&)> stage{};
  std::stop_token stop{};
  /// If a run that covers these tasks is under way: wait for it and take its answer. Else `busy`.
  bool join = false;
};

/// Tasks over one `Staged`, and the runs of them: one at a time. `Db` must outlive it. May be used
/// from any thread, but for `add` and `first`, which come before any run. What tasks refer to must
/// outlive this object; its destructor waits for tasks that did not stop when told.
template <class Db, executor E = Threads, world W = Native>
class Reprocess {
  using Attempt = detail::ReprocessAttempt<Db, W>;

 public:
  using writer_type = typename Attempt::Writer;
  using reader_type = typename Attempt::Reader;
  using task_type = typename Attempt::Task;
  using request_type = ReprocessRequest<Db>;

  /// On threads of its own.
  explicit Reprocess(Db& db,
                     ReprocessOptions options = {},
                     ReprocessHooks hooks = {},
                     W world = {}) requires std::same_as<E, Threads>
      : db_{&db},
        options_{options},
        hooks_{std::move(hooks)},
        world_{std::move(world)},
        executor_{options.thread_pool_size} {}
  /// On an executor that is given.
  Reprocess(Db& db,
            E on,
            ReprocessOptions options = {},
            ReprocessHooks hooks = {},
            W world = {}) requires std::move_constructible<E> : db_{&db},
                                                                options_{options},
                                                                hooks_{std::move(hooks)},
                                                                world_{std::move(world)},
                                                                executor_{std::move(on)} {}
  Reprocess(Reprocess const&) = delete;
  Reprocess& operator=(Reprocess const&) = delete;
  ~Reprocess() {
    std::unique_lock lock{mutex_};
    auto const left = left_;
    lock.unlock();
    if (!left) return;
    std::unique_lock waiting{left->mutex};
    left->changed.wait(waiting, [&] { return left->running == 0; });
  }

  /// A task that runs beside the others. Tasks that write to the same part must agree about it.
  void add(task_type task) {
    tasks_.parallel.push_back(std::make_shared<task_type>(std::move(task)));
  }
  /// A task that runs before all others, one after another in the order given: for what they all
  /// read.
  void first(task_type task) {
    tasks_.first.push_back(std::make_shared<task_type>(std::move(task)));
  }

  /// One run, with its retries: the report of a commit, or the error that ended it, which names the
  /// task; `report` has all the rest. `busy` while another run is under way; `denied` where it is
  /// switched off. A commit that stays `uncertain` carries its ticket for `db.resolve`.
  [[nodiscard]] result<ReprocessReport> run(request_type const& what = {}) {
    HOLDFAST_TRYV(detail::check(options_));
    HOLDFAST_TRY(tasks, tasks_.select(what.tasks, static_cast<bool>(what.stage)));
    std::unique_lock lock{mutex_};
    if (flight_) return join(lock, what, tasks);
    HOLDFAST_TRYV(check_left());
    auto const flight = std::make_shared<Flight>();
    flight->tasks = std::move(tasks);
    flight_ = flight;
    lock.unlock();
    Landing const landing{*this};
    std::stop_callback const link{what.stop, [&] { flight->cancel.request_stop(); }};
    flight->end(detail::guarded("reprocess", [&] { return fly(*flight, what); }));
    return flight->answer();
  }

  /// Tells the run that is under way to stop. False if there is none.
  bool cancel() {
    std::unique_lock lock{mutex_};
    auto const flight = flight_;
    lock.unlock();
    return flight && flight->cancel.request_stop();
  }

  /// How far the run is; or the last one was, where none is under way.
  [[nodiscard]] RunProgress status() const {
    RunProgress run;
    std::unique_lock lock{mutex_};
    run.running = flight_ != nullptr;
    run.phase = flight_ ? flight_->phase : "none";
    auto const attempt = attempt_;
    lock.unlock();
    if (attempt) attempt->look(run);
    if (run.running && run.generation.number != 0) add_disk_bytes(run);
    return run;
  }

  /// What became of the last run that ended, with every error; nothing before the first.
  [[nodiscard]] std::optional<ReprocessReport> report() const {
    std::unique_lock lock{mutex_};
    auto const last = landed_flight_;
    lock.unlock();
    if (!last) return {};
    return last->report;
  }

 private:
  // By the hook, else as the home's stores tell.
  void add_disk_bytes(RunProgress& run) const {
    if (hooks_.disk_bytes) {
      auto const used =
          detail::guarded("disk_bytes", [&] { return hooks_.disk_bytes(run.generation); });
      if (used) run.disk_bytes = used.assume_value();
    } else if constexpr (requires { db_->disk_bytes(run.generation); }) {
      auto const used = db_->disk_bytes(run.generation);
      if (used) run.disk_bytes = used.assume_value();
    }
  }

  using TaskList = detail::TaskList<task_type>;
  using Tasks = typename TaskList::Tasks;
  using Flight = detail::Flight<Tasks>;
  // Lets the next run begin, whatever happened.
  struct Landing {
    Reprocess& self;
    explicit Landing(Reprocess& of) : self{of} {}
    Landing(Landing const&) = delete;
    Landing& operator=(Landing const&) = delete;
    ~Landing() {
      {
        std::lock_guard const guard{self.mutex_};
        self.landed_flight_ = std::move(self.flight_);
        self.flight_ = nullptr;
      }
      self.landed_.notify_all();
    }
  };

  [[nodiscard]] result<ReprocessReport> join(std::unique_lock<std::mutex>& lock,
                                             request_type const& what,
                                             Tasks const& tasks) {
    auto const flight = flight_;
    bool const covered = std::all_of(tasks.begin(), tasks.end(), [&](auto const& task) {
      return TaskList::has(flight->tasks, task->name);
    });
    if (!what.join || !covered) {
      return failure(errc::busy, "reprocess", std::string{"another run is in "} + flight->phase);
    }
    bool const ended = landed_.wait(lock, what.stop, [&] { return flight_ != flight; });
    if (!ended) return failure(errc::cancelled, "reprocess", "while waiting for another run");
    return flight->answer();
  }

  // Tasks of an earlier run that were given up have to end before their place is built on again.
  [[nodiscard]] result<void> check_left() {
    if (!left_) return ok();
    {
      std::lock_guard const guard{left_->mutex};
      if (left_->running != 0) {
        std::string names;
        for (auto const& slot : left_->slots) {
          if (slot->state == TaskState::hung) names += " " + slot->name;
        }
        return failure(errc::busy, "reprocess", "tasks of an earlier run have not ended:" + names);
      }
    }
    left_.reset();
    return ok();
  }

  [[nodiscard]] result<Committed> fly(Flight& flight, request_type const& what) {
    auto const begun = world_.steady_ns();
    RetryHooks hooks;
    hooks.retryable = [&](error const& why) { return !left_ && retryable(why); };
    hooks.cancelled = [&] { return flight.cancel.stop_requested(); };
    hooks.failed = [&](FailedTry const& failed) {
      if (!failed.delay_ns) return;
      enter(flight, "delay");
      detail::tell(world_, Event{.kind = Event::Kind::retrying, .cause = &failed.cause});
    };
    auto done = retry(
        options_.retry, world_, [&](Try const& of) { return attempt(flight, what, of); }, hooks);
    flight.report.took_ns = world_.steady_ns() - begun;
    return done;
  }

  [[nodiscard]] bool retryable(error const& why) const {
    if (hooks_.retryable) return hooks_.retryable(why);
    return can_pass(why.code()) || why.code() == errc::sync_failed;
  }

  [[nodiscard]] result<Committed> attempt(Flight& flight, request_type const& what, Try const& of) {
    auto const crew = std::make_shared<Attempt>(world_, flight.tasks);
    crew->number = of.number;
    crew->started_ns = of.started_ns;
    crew->deadline_ns = of.deadline_ns;
    if (options_.timeout_ms != 0) {
      auto const own = of.started_ns + detail::ns_of_ms(options_.timeout_ms);
      crew->deadline_ns = std::min(crew->deadline_ns, own);
    }
    crew->batch_size_multiplier = options_.batch_size_multiplier;
    crew->account->limit = options_.memory_budget_bytes;
    if (crew->account->limit == 0) {
      crew->account->limit = static_cast<std::uint64_t>(
          static_cast<double>(detail::available_memory()) * options_.memory_factor);
    }
    {
      std::lock_guard const guard{mutex_};
      attempt_ = crew;
    }
    flight.outcome = detail::guarded("reprocess", [&] { return build(flight, what, *crew); });
    // Drops what was not committed, then tells.
    if (!crew->given_up) crew->stage.reset();  // written by this thread alone
    auto const told = detail::guarded("report", [&] { return close(flight, crew); });
    if (!told) flight.report.incomplete = told.error();
    return flight.outcome;
  }

  [[nodiscard]] result<void> close(Flight& flight, std::shared_ptr<Attempt> const& crew) {
    auto const& done = flight.outcome;
    {
      std::lock_guard const guard{mutex_};
      if (crew->given_up) left_ = crew;
    }
    AttemptReport report{.number = crew->number, .generation = crew->generation};
    report.took_ns = world_.steady_ns() - crew->started_ns;
    report.tasks = crew->report();
    if (!done) report.cause = done.error();
    if (!done && crew->blame) report.task = crew->blame->task;
    {
      std::lock_guard const guard{mutex_};
      report.phase = flight.phase;
    }
    crew->complete(report);
    flight.report.attempts.push_back(std::move(report));
    return ok();
  }

  [[nodiscard]] result<Committed> build(Flight& flight, request_type const& what, Attempt& crew) {
    enter(flight, "stage");
    {
      HOLDFAST_TRY(stage, what.stage ? what.stage(*db_) : db_->stage());
      {
        std::lock_guard const guard{crew.mutex};
        crew.generation = stage.generation();
      }
      crew.stage.emplace(std::move(stage));
    }
    std::stop_callback const cancel{flight.cancel.get_token(),
                                    [&] { crew.stop(detail::Stop::cancel); }};
    enter(flight, "tasks");
    auto const grace_ns = detail::ns_of_ms(options_.stop_grace_ms);
    auto const grave = [this](error const& why) { return !retryable(why); };
    for (std::size_t i = 0; i <= tasks_.first.size(); ++i) {
      auto const to = i < tasks_.first.size() ? i + 1 : crew.slots.size();
      HOLDFAST_TRYV(crew.run(i, to, executor_, grace_ns, grave, ticker(flight)));
    }
    HOLDFAST_TRY(marks, crew.marks());
    enter(flight, "seal");
    HOLDFAST_TRY(sealed, std::move(*crew.stage).seal());
    enter(flight, "validate");
    HOLDFAST_TRY(ready, validated(std::move(sealed), crew));
    HOLDFAST_TRYV(crew.check());
    enter(flight, "commit");
    flight.report.marks = marks;
    return committed(std::move(ready).commit({.marks = std::move(marks)}));
  }

  template <class Ready>
  [[nodiscard]] static result<Ready> validated(Ready ready, Attempt& crew) {
    if (!crew.has_validation()) return ready;
    return std::move(ready).validate(
        [&](reader_type const& reader) { return crew.validate(reader); });
  }

  // A commit whose answer was lost is asked for once; where that fails too, the ticket is passed
  // on.
  [[nodiscard]] result<Committed> committed(result<Committed> done) {
    if (done || done.error().code() != errc::uncertain) return done;
    auto const ticket = done.error().ticket();
    auto const outcome = detail::guarded("resolve", [&] { return db_->resolve(ticket); });
    if (!outcome || outcome.assume_value() == Outcome::unknown) return done;
    if (outcome.assume_value() == Outcome::not_committed) {
      return failure(errc::io, "commit", "its answer was lost, and it was not applied");
    }
    return Committed{{ticket.generation}, ticket.sequence, {}};
  }

  void enter(Flight& flight, char const* phase) const {
    std::lock_guard const guard{mutex_};
    flight.phase = phase;
  }

  // Looks at the tasks and tells, each at its interval; gives when it is to be called next.
  [[nodiscard]] auto ticker(Flight& flight) {
    auto const health_ns = detail::ns_of_ms(options_.health_check_interval_ms);
    auto const report_ns = detail::ns_of_ms(options_.progress_report_interval_ms);
    auto const begun = world_.steady_ns();
    return [this, &flight, health_ns, report_ns, health = begun + health_ns,
            report = begun + report_ns](std::int64_t at) mutable {
      if (at >= health) {
        hear(flight, "on_health", hooks_.on_health);
        health = at + health_ns;
      }
      if (at >= report) {
        hear(flight, "on_progress", hooks_.on_progress);
        report = at + report_ns;
      }
      return std::min(health, report);
    };
  }

  void hear(Flight& flight,
            char const* which,
            std::function<void(RunProgress const&)> const& hook) {
    constexpr std::size_t most_kept = 16;  // of a hook that fails each time
    auto const seen = status();            // also where nobody hears: who is silent is seen by it
    if (!hook) return;
    auto const heard = detail::guarded(which, [&]() -> result<void> {
      hook(seen);
      return ok();
    });
    if (heard) return;
    auto& kept = flight.report.hook_failures;
    if (kept.size() < most_kept) kept.push_back(heard.error());
    detail::tell(world_, Event{.kind = Event::Kind::hook_failed, .cause = &heard.error()});
  }

  Db* db_;
  ReprocessOptions options_;
  ReprocessHooks hooks_;
  W world_;
  TaskList tasks_;
  mutable std::mutex mutex_;
  std::condition_variable_any landed_;
  std::shared_ptr<Flight> flight_;         // the run under way
  std::shared_ptr<Flight> landed_flight_;  // the last that ended
  std::shared_ptr<Attempt> attempt_;       // the last one
  std::shared_ptr<Attempt> left_;          // has tasks that were given up
  E executor_;
};

HOLDFAST_END

#endif

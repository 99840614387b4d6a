// SPDX-License-Identifier: BSL-1.0
// Counts what an observer hears, and writes it with a home's status and a run's progress as
// metrics.
//
// Counters and histograms come from events, gauges from what is asked for at the time of the scrape
// (`status()`), so that none of them can go stale.
#ifndef HOLDFAST_REPORT_METRICS_HPP
#define HOLDFAST_REPORT_METRICS_HPP

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <limits>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>

#include "holdfast/config.hpp"
#include "holdfast/detail/manifest.hpp"
#include "holdfast/event.hpp"
#include "holdfast/report/progress.hpp"
#include "holdfast/report/prometheus.hpp"
#include "holdfast/staged/housekeeping.hpp"

HOLDFAST_BEGIN

/// Only grows. Thread-safe.
class Counter {
 public:
  void add(std::uint64_t n = 1) noexcept { count_.fetch_add(n, std::memory_order_relaxed); }
  [[nodiscard]] std::uint64_t count() const noexcept {
    return count_.load(std::memory_order_relaxed);
  }

 private:
  std::atomic<std::uint64_t> count_{0};
};

/// Counts durations by fixed upper bounds. Thread-safe, without locks.
class Histogram {
 public:
  static constexpr std::size_t size = 12;
  /// Upper bounds in seconds, ascending; what is longer than the last counts in a bucket of its
  /// own.
  using Bounds = std::array<double, size>;
  explicit Histogram(Bounds const& bounds) noexcept : bounds_{bounds} {}

  void observe(std::int64_t ns) noexcept {
    std::size_t i = 0;
    while (i<size&& static_cast<double>(ns)> bounds_[i] * 1e9) ++i;
    counts_[i].add();
    sum_ns_.add(ns > 0 ? static_cast<std::uint64_t>(ns) : 0);
  }
  /// Its samples, in the family that is open.
  void put(Prometheus& out, Prometheus::Labels labels = {}) const {
    std::uint64_t below = 0;
    for (std::size_t i = 0; i <= size; ++i) {
      below += counts_[i].count();
      auto const bound = Prometheus::number(i < size ? bounds_[i] : endless);
      put_bucket(out, labels, bound, static_cast<double>(below));
    }
    out.sample("_sum", static_cast<double>(sum_ns_.count()) / 1e9, labels);
    out.sample("_count", static_cast<double>(below), labels);
  }

 private:
  static constexpr double endless = std::numeric_limits<double>::infinity();
  static void put_bucket(Prometheus& out,
                         Prometheus::Labels labels,
                         std::string_view bound,
                         double count) {
    if (labels.size() == 0) {
      out.sample("_bucket", count, {{"le", bound}});
    } else {
      out.sample("_bucket", count, {*labels.begin(), {"le", bound}});
    }
  }

  Bounds bounds_;
  std::array<Counter, size + 1> counts_{};
  Counter sum_ns_{};
};

/// What happened in one home, as this process heard it. Thread-safe; hearing takes no lock but for
/// events of tasks.
class Metrics {
 public:
  Metrics() = default;
  Metrics(Metrics const&) = delete;
  Metrics& operator=(Metrics const&) = delete;

  /// For `observed`; this object must outlive the world that it goes into.
  [[nodiscard]] auto observer() noexcept {
    return [this](Event const& event) noexcept { hear(event); };
  }

  void hear(Event const& event) noexcept {
    using Kind = Event::Kind;
    bool const failed = event.cause != nullptr;
    switch (event.kind) {
      case Kind::transition:
        return transition(event);
      case Kind::recovered:
        return recoveries_.add();
      case Kind::switched:
        return switched(event);
      case Kind::dropped:
        return dropped_.add();
      case Kind::drop_failed:
        return (failed && event.cause->code() == errc::pinned ? drops_postponed_ : drop_failures_)
            .add();
      case Kind::published:
        return published_.add();
      case Kind::publish_failed:
        return publish_failures_.add();
      case Kind::lock_failed:
        return lock_failures_.add();
      case Kind::foreign:
        return;  // a state, not an event: told by the status
      case Kind::task_started:
      case Kind::task_finished:
        return task(event);
      case Kind::hook_failed:
        return hook_failures_.add();
      case Kind::retrying:
        return retries_.add();
      case Kind::segment:
        return log_steps_[static_cast<std::size_t>(event.segment.kind)].add();
    }
  }

  /// Every family that comes from events.
  void put(Prometheus& out) const {
    put_runs(out);
    put_housekeeping(out);
    put_tasks(out);
    put_logs(out);
  }

 private:
  struct Task {
    std::int64_t started_ns = 0;
    Counter failures{};
    Histogram duration{long_bounds};
  };
  // From tenths of a second to the two hours after which a run is ended.
  static constexpr Histogram::Bounds long_bounds{0.1, 0.5, 1,    5,    15,   60,
                                                 300, 900, 1800, 3600, 7200, 14'400};
  static constexpr Histogram::Bounds short_bounds{1e-5, 5e-5, 1e-4, 5e-4, 1e-3, 5e-3,
                                                  1e-2, 5e-2, 0.1,  0.5,  1,    5};

  void transition(Event const& event) noexcept {
    state_.store(event.to, std::memory_order_relaxed);
    if (event.to == State::initializing) {
      started_.add();
      began_ns_.store(event.at_ns, std::memory_order_relaxed);
    } else if (event.to == State::committing) {
      committing_ns_.store(event.at_ns, std::memory_order_relaxed);
    } else if (event.to == State::committed) {
      successful_.add();
      stage_.observe(event.at_ns - began_ns_.load(std::memory_order_relaxed));
    } else if (event.from == State::rolling_back) {
      unsuccessful_.add();
      if (event.to == State::failed) rollback_failures_.add();
      stage_.observe(event.at_ns - began_ns_.load(std::memory_order_relaxed));
    }
  }

  // Reverts and refreshes switch too, but time nothing.
  void switched(Event const& event) noexcept {
    switches_.add();
    auto const from = committing_ns_.exchange(0, std::memory_order_relaxed);
    bool const by_commit = state_.load(std::memory_order_relaxed) == State::committing;
    if (by_commit && from != 0) switch_.observe(event.at_ns - from);
  }

  void task(Event const& event) noexcept {
    HOLDFAST_MAY_THROW {
      std::lock_guard const guard{mutex_};
      auto found = tasks_.find(event.task);
      if (found == tasks_.end()) found = tasks_.try_emplace(std::string{event.task}).first;
      auto& task = found->second;
      if (event.kind == Event::Kind::task_started) {
        task.started_ns = event.at_ns;
        return;
      }
      task.duration.observe(event.at_ns - task.started_ns);
      if (event.cause != nullptr) task.failures.add();
    }
    HOLDFAST_CAUGHT {  // no memory: an observer must not throw, and the count says it is short
      lost_.add();
    }
  }

  static void put(Prometheus& out, char const* name, char const* help, Counter const& counter) {
    out.family(name, "counter", help).sample(static_cast<double>(counter.count()));
  }

  void put_runs(Prometheus& out) const {
    put(out, "holdfast_stage_operations_total", "Builds begun.", started_);
    put(out, "holdfast_stage_operations_successful_total", "Builds committed.", successful_);
    put(out, "holdfast_stage_operations_failures_total",
        "Builds rolled back: failed, refused or discarded.", unsuccessful_);
    put(out, "holdfast_stage_rollback_failures_total",
        "Rollbacks that failed and wait for recover().", rollback_failures_);
    put(out, "holdfast_stage_retries_total", "Whole runs tried again.", retries_);
    put(out, "holdfast_switches_total", "Generations shown: commits, reverts, refreshes.",
        switches_);
    out.family("holdfast_stage_duration_seconds", "histogram", "From stage to commit or rollback.");
    stage_.put(out);
    out.family("holdfast_switch_duration_seconds", "histogram",
               "From the begin of the commit until readers get the generation.");
    switch_.put(out);
    out.family("holdfast_stage_state", "gauge", "1 for the state that the builder is in.");
    auto const now = state_.load(std::memory_order_relaxed);
    for (int i = 0; i <= static_cast<int>(State::failed); ++i) {
      auto const state = static_cast<State>(i);
      out.sample(state == now ? 1 : 0, {{"state", name(state)}});
    }
  }

  void put_housekeeping(Prometheus& out) const {
    put(out, "holdfast_recoveries_total", "Attempts dropped that a crash had left.", recoveries_);
    put(out, "holdfast_drops_total", "Generations deleted.", dropped_);
    put(out, "holdfast_drops_postponed_total", "Deletions that wait for a reader.",
        drops_postponed_);
    put(out, "holdfast_drop_failures_total", "Deletions that failed.", drop_failures_);
    put(out, "holdfast_publishes_total", "Generations given their outside names.", published_);
    put(out, "holdfast_publish_failures_total", "Outside names that could not be given.",
        publish_failures_);
    put(out, "holdfast_lock_release_failures_total", "Locks that could not be let go.",
        lock_failures_);
    put(out, "holdfast_hook_failures_total", "Hooks of tasks or runs that failed.", hook_failures_);
    put(out, "holdfast_events_lost_total", "Events not counted for want of memory.", lost_);
  }

  void put_tasks(Prometheus& out) const {
    std::lock_guard const guard{mutex_};
    if (tasks_.empty()) return;
    out.family("holdfast_task_failures_total", "counter", "Tasks that failed or were stopped.");
    for (auto const& [name, task] : tasks_) {
      out.sample(static_cast<double>(task.failures.count()), {{"task", name}});
    }
    out.family("holdfast_task_duration_seconds", "histogram",
               "From the begin of a task to its end.");
    for (auto const& [name, task] : tasks_) task.duration.put(out, {{"task", name}});
  }

  void put_logs(Prometheus& out) const {
    out.family("holdfast_log_steps_total", "counter",
               "What was seen of segments, or done to them.");
    for (std::size_t i = 1; i < log_steps_.size(); ++i) {
      auto const step = name(static_cast<SegmentStep::Kind>(i));
      out.sample(static_cast<double>(log_steps_[i].count()), {{"step", step}});
    }
  }

  std::atomic<State> state_{State::none};
  std::atomic<std::int64_t> began_ns_{0};
  std::atomic<std::int64_t> committing_ns_{0};
  Counter started_, successful_, unsuccessful_, rollback_failures_, retries_, switches_;
  Counter recoveries_, dropped_, drops_postponed_, drop_failures_, published_, publish_failures_;
  Counter lock_failures_, hook_failures_, lost_;
  std::array<Counter, static_cast<std::size_t>(SegmentStep::Kind::mended) + 1> log_steps_{};
  Histogram stage_{long_bounds};
  Histogram switch_{short_bounds};
  mutable std::mutex mutex_;
  std::map<std::string, Task, std::less<>> tasks_;
};

namespace detail {
inline void put_gauge(Prometheus& out, char const* name, char const* help, double value) {
  out.family(name, "gauge", help).sample(value);
}
}  // namespace detail

/// The gauges of a run, as `Reprocess::status` gives it.
inline void put(Prometheus& out, RunProgress const& run) {
  using detail::put_gauge;
  put_gauge(out, "holdfast_stage_running", "1 while a run is under way.", run.running);
  put_gauge(out, "holdfast_stage_attempt", "Number of the run's attempt.", run.attempt);
  put_gauge(out, "holdfast_stage_progress_ratio", "Done part of the run.", run.ratio());
  put_gauge(out, "holdfast_stage_threads", "Tasks that run.", run.threads);
  put_gauge(out, "holdfast_stage_memory_bytes", "Memory reserved by tasks.",
            static_cast<double>(run.memory_bytes));
  put_gauge(out, "holdfast_stage_memory_budget_bytes", "Memory that tasks may reserve.",
            static_cast<double>(run.memory_budget_bytes));
  if (run.disk_bytes) {
    put_gauge(out, "holdfast_stage_disk_bytes", "Disk that the stage takes.",
              static_cast<double>(*run.disk_bytes));
  }
  if (run.tasks.empty()) return;
  out.family("holdfast_task_progress_ratio", "gauge", "Done part of a task, where it is known.");
  for (auto const& task : run.tasks) {
    if (auto const ratio = task.ratio()) out.sample(*ratio, {{"task", task.name}});
  }
  out.family("holdfast_task_items", "gauge", "Steps that a task has done.");
  for (auto const& task : run.tasks) {
    out.sample(static_cast<double>(task.done), {{"task", task.name}, {"unit", task.unit}});
  }
  out.family("holdfast_task_silent_seconds", "gauge", "How long a task has made no step.");
  for (auto const& task : run.tasks) {
    out.sample(static_cast<double>(task.silent_ns) / 1e9, {{"task", task.name}});
  }
}

/// The gauges of a home, as `status()` gives it.
inline void put(Prometheus& out, Status const& status) {
  using detail::put_gauge;
  auto const& m = status.manifest;
  auto const size = [](auto const& all) { return static_cast<double>(all.size()); };
  put_gauge(out, "holdfast_current_generation", "What readers get; 0: nothing yet.",
            m ? static_cast<double>(m->current.number) : 0);
  put_gauge(out, "holdfast_retained_generations", "Generations that can be reverted to.",
            m ? size(m->retained) : 0);
  put_gauge(out, "holdfast_retiring_generations", "Generations that wait to be deleted.",
            m ? size(m->retiring) : 0);
  put_gauge(out, "holdfast_foreign_generations", "Generations that are not the record's.",
            size(status.foreign));
  auto const pinned = [&](auto const& by) {
    return static_cast<double>(std::count_if(status.pins.begin(), status.pins.end(), by));
  };
  out.family("holdfast_pinned_generations", "gauge", "Generations that someone has open.")
      .sample(pinned([](PinState const& pin) { return pin.here; }), {{"by", "this object"}})
      .sample(pinned([](PinState const& pin) { return pin.elsewhere == true; }),
              {{"by", "others"}});
  put_gauge(out, "holdfast_trouble", "1 if the current generation can't be shown.",
            status.trouble.has_value());
  put_gauge(out, "holdfast_lock_held", "1 while someone builds, in whatever process.",
            status.holder.has_value());
  put_gauge(out, "holdfast_attempt_recorded", "1 if the record has an attempt.",
            m && m->attempt.has_value());
  auto const* const current = m ? detail::manifest::find(*m, m->current) : nullptr;
  if (current == nullptr || current->marks.empty()) return;
  out.family("holdfast_mark", "gauge", "A mark of the current generation.");
  for (auto const& [mark, value] : current->marks) {
    out.sample(static_cast<double>(value), {{"mark", mark}});
  }
}

HOLDFAST_END

#endif

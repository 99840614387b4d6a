// SPDX-License-Identifier: BSL-1.0
// Names what can be set for a reprocessing: limits, retries, intervals, hooks.
//
// Each of Recon's staging parameters has its place, under its own name:
//   enabled, timeout, memory.factor, thread.pool.size,     ReprocessOptions
//   batch.size.multiplier, progress.report.interval,
//   health.check.interval
//   auto.retry.enabled, max.retry.attempts, retry.delay    ReprocessOptions::retry
//   base.path                                              the home: a stage lies beside what it
//                                                          replaces, in the same file system
//   cleanup.retention                                      StagedOptions
#ifndef HOLDFAST_REPROCESS_OPTIONS_HPP
#define HOLDFAST_REPROCESS_OPTIONS_HPP

#include <cstddef>
#include <cstdint>
#include <functional>

#include "holdfast/config.hpp"
#include "holdfast/ids.hpp"
#include "holdfast/policy/retry.hpp"
#include "holdfast/report/progress.hpp"
#include "holdfast/result.hpp"

HOLDFAST_BEGIN

/// Limits of a reprocessing. Checked by each run, before it begins anything.
struct ReprocessOptions {
  bool enabled = true;                    ///< false: every run answers `denied`
  std::int64_t timeout_ms = 7'200'000;    ///< of one attempt; 0: none
  std::int64_t stop_grace_ms = 10'000;    ///< for tasks to end after they were told to stop
  double memory_factor = 0.5;             ///< of the memory that is free when an attempt begins
  std::uint64_t memory_budget_bytes = 0;  ///< the same in bytes; 0: `memory_factor` decides
  std::size_t thread_pool_size = 4;       ///< of the threads that are used if no executor is given
  double batch_size_multiplier = 2;       ///< of a batch that serves nobody yet: `TaskRun::batch`
  std::int64_t progress_report_interval_ms = 30'000;
  std::int64_t health_check_interval_ms = 10'000;  ///< how often it looks who makes no progress
  /// Of the whole run, a fixed delay apart. `timeout_ms` of it: of all attempts together.
  Retry retry{.max_retry_attempts = 3,
              .base_retry_delay_ms = 600'000,
              .max_retry_delay_ms = 600'000,
              .backoff_multiplier = 1,
              .jitter = 0};
};

/// What a reprocessing asks and tells. What a hook throws is kept in the report and changes nothing
/// else. Called on the thread that runs, while it waits for tasks: not with an `Inline` executor.
struct ReprocessHooks {
  /// None: what can pass, and a sync that failed, since each attempt writes anew.
  std::function<bool(error const&)> retryable{};
  std::function<void(RunProgress const&)> on_progress{};  ///< each progress_report_interval_ms
  std::function<void(RunProgress const&)> on_health{};    ///< each health_check_interval_ms
  /// How much disk the stage takes, for reports. None: as the home's stores tell.
  std::function<result<std::uint64_t>(Generation)> disk_bytes{};
};

namespace detail {
[[nodiscard]] inline result<void> check(ReprocessOptions const& options) {
  auto const wrong = [](char const* field) {
    return failure(errc::invalid, "ReprocessOptions", field);
  };
  if (!options.enabled)
    return failure(errc::denied, "reprocess", "ReprocessOptions::enabled is off");
  if (options.timeout_ms < 0) return wrong("timeout_ms");
  if (options.stop_grace_ms < 0) return wrong("stop_grace_ms");
  if (!(options.memory_factor > 0 && options.memory_factor <= 1)) return wrong("memory_factor");
  if (options.thread_pool_size == 0) return wrong("thread_pool_size");
  if (!(options.batch_size_multiplier > 0 && options.batch_size_multiplier <= 1e6)) {
    return wrong("batch_size_multiplier");
  }
  if (options.progress_report_interval_ms <= 0) return wrong("progress_report_interval_ms");
  if (options.health_check_interval_ms <= 0) return wrong("health_check_interval_ms");
  return check(options.retry);
}
}  // namespace detail

HOLDFAST_END

#endif

// SPDX-License-Identifier: BSL-1.0
// Reads what holds of a log while it is still being recovered.
//
// What is shown is never taken back: sealed segments that hold, and of the last one what its point
// tells to be durable. Recovery cuts and sets aside only what lies behind that.
#ifndef HOLDFAST_LOG_FRONT_HPP
#define HOLDFAST_LOG_FRONT_HPP

#include <memory>
#include <string>
#include <utility>

#include "holdfast/config.hpp"
#include "holdfast/file_system.hpp"
#include "holdfast/log/options.hpp"
#include "holdfast/log/records.hpp"
#include "holdfast/posix.hpp"
#include "holdfast/recovery/records.hpp"

HOLDFAST_BEGIN

/// The readers' side of a log that another thread opens with `{.progress = front.progress()}`. Any
/// thread may use it, before, during and after; where the log is refused it goes on to serve what
/// holds. What is appended later is told by the log alone.
template <file_system Fs>
class BasicLogFront {
 public:
  explicit BasicLogFront(std::string directory, Fs fs = {})
      : directory_{std::move(directory)}, fs_{std::move(fs)} {}

  /// For `LogOptions` (also of `examine_log`, which serves reads without any recovery).
  [[nodiscard]] std::shared_ptr<LogProgress> progress() const noexcept { return progress_; }
  /// How far the log has been verified by now.
  [[nodiscard]] VerifiedTo verified() const { return progress_->seen(); }
  /// The records up to there, each checked again.
  [[nodiscard]] LogRecords<Fs> records(From const& first = {}) const {
    return {fs_, directory_, progress_->parts(), first};
  }

 private:
  std::string directory_;
  Fs fs_;
  std::shared_ptr<LogProgress> progress_ = std::make_shared<LogProgress>();
};

/// On the real file system.
using LogFront = BasicLogFront<Posix>;

HOLDFAST_END

#endif

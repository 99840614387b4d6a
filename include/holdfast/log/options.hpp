// SPDX-License-Identifier: BSL-1.0
// Says how a log is opened and written, and how far an opening has come.
#ifndef HOLDFAST_LOG_OPTIONS_HPP
#define HOLDFAST_LOG_OPTIONS_HPP

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include "holdfast/config.hpp"
#include "holdfast/log/survey.hpp"
#include "holdfast/result.hpp"

HOLDFAST_BEGIN

/// How far a log has been verified.
struct VerifiedTo {
  std::uint64_t next_sequence = 0;  ///< all records before it hold
  std::size_t segments = 0;         ///< that hold as a whole
  std::size_t of_segments = 0;      ///< that there are
  bool ended = false;               ///< the log is open, or was refused: nothing more will come
};

/// What an opening tells while it goes on. Thread-safe. It shows only what holds and is durable, in
/// order from the first record on: of the segment that was written last, what its point tells of.
class LogProgress {
 public:
  [[nodiscard]] VerifiedTo seen() const {
    std::scoped_lock const lock{mutex_};
    return seen_;
  }
  /// What can be read by now.
  [[nodiscard]] std::vector<detail::LogPart> parts() const {
    std::scoped_lock const lock{mutex_};
    auto all = whole_;
    if (within_) all.push_back(*within_);
    return all;
  }

  void begin(std::size_t segments) {
    std::scoped_lock const lock{mutex_};
    whole_.clear();
    within_.reset();
    broken_ = false;
    seen_ = {.of_segments = segments};
  }
  /// The first `end` bytes of segment `index` hold; its record there is the one before `next`.
  void advance(std::size_t index, std::uint64_t base, std::uint64_t end, std::uint64_t next) {
    std::scoped_lock const lock{mutex_};
    if (!is_next(index, base)) return;
    within_ = detail::LogPart{.base = base, .end = end};
    seen_.next_sequence = next;
  }
  /// All of the segment does, and it is sealed; told in their order. Where it does not, nothing
  /// behind it is shown.
  void pass(std::size_t index, std::uint64_t base, std::uint64_t end, std::uint64_t next) {
    advance(index, base, end, next);
    std::scoped_lock const lock{mutex_};
    if (!within_ || broken_) return;
    whole_.push_back(*std::exchange(within_, std::nullopt));
    ++seen_.segments;
  }
  void stop() {
    std::scoped_lock const lock{mutex_};
    broken_ = true;
  }
  /// It is open, with these; nothing where it was refused.
  void end(std::optional<std::vector<detail::LogPart>> parts, std::uint64_t next) {
    std::scoped_lock const lock{mutex_};
    seen_.ended = true;
    if (!parts) return;
    whole_ = std::move(*parts);
    within_.reset();
    seen_.segments = whole_.size();
    seen_.next_sequence = next;
  }

 private:
  // A segment that does not begin where the one before it ends shows that something is missing.
  [[nodiscard]] bool is_next(std::size_t index, std::uint64_t base) noexcept {
    if (broken_ || index != whole_.size()) return false;
    broken_ = index != 0 && !within_ && base != seen_.next_sequence;
    return !broken_;
  }

  mutable std::mutex mutex_;
  std::vector<detail::LogPart> whole_{};
  std::optional<detail::LogPart> within_{};
  VerifiedTo seen_{};
  bool broken_ = false;
};

struct LogOptions {
  std::uint64_t segment_size = std::uint64_t{64} << 20;  ///< bytes after which a segment is sealed
  std::uint32_t align = 4096;  ///< as in Framed::Options, for segments that are made from now on
  std::uint64_t first_sequence = 0;  ///< of a log that is made now: the number of its first record
  /// The `fingerprint` of a dry run (`examine_log`): the log is opened only if it still is as that
  /// one found it, else `conflict`, and nothing was touched.
  std::optional<std::uint64_t> plan{};
  /// How many segments are examined at the same time, each in memory of its own, where `post` runs
  /// them: `post = [&](auto work) { return threads.post(std::move(work)); }` with any `executor`.
  std::size_t at_once = 1;
  std::function<result<void>(std::function<void()>)> post{};
  /// Sealed segments are examined through a map of their files, where the file system has one: up
  /// to twice as fast. Then a sector that can't be read ends the process (SIGBUS) instead of being
  /// an error. So does a file that gets shorter meanwhile: not while the log is locked by who opens
  /// it, but `examine_log` takes no lock, so leave it off there unless nobody has the log open.
  bool map_sealed = false;
  /// Hears how far the opening is; `BasicLogFront` reads through it.
  std::shared_ptr<LogProgress> progress{};
};

HOLDFAST_END

#endif

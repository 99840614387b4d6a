// SPDX-License-Identifier: BSL-1.0
// A log: a directory of segments, of which the last is written and all others are sealed.
//
// Invariants:
// - Segment n + 1 begins with the number after the last record of segment n; it is made only after
//   the footer of segment n is durable, and acknowledges nothing before its own header and name
//   are.
// - Names that are not the log's are reported and never touched. A break is never skipped silently:
//   what lies behind it is refused, set aside, or reported as missing.
#ifndef HOLDFAST_LOG_HPP
#define HOLDFAST_LOG_HPP

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include "holdfast/bytes.hpp"
#include "holdfast/config.hpp"
#include "holdfast/file_system.hpp"
#include "holdfast/log/index.hpp"
#include "holdfast/log/options.hpp"
#include "holdfast/log/records.hpp"
#include "holdfast/log/state.hpp"
#include "holdfast/log/survey.hpp"
#include "holdfast/posix.hpp"
#include "holdfast/recoverable.hpp"
#include "holdfast/result.hpp"
#include "holdfast/world.hpp"

HOLDFAST_BEGIN

/// A log in a directory. Any thread may use it; it moves freely. Its destructor syncs nothing.
template <file_system Fs, Recovery How = Recovery::cut, world W = Native>
class BasicLog {
 public:
  /// Recovers, and makes the directory and the first segment where there are none. With a plan (a
  /// fingerprint of `examine_log`) it does only what was planned. Errors: `conflict` if the log has
  /// changed since, `busy` while another has it open, `hole`, `damaged`, `foreign` (a segment that
  /// is not the one its name says) and the others of `open_recoverable`, as far as `How` refuses
  /// them; nothing was touched then.
  [[nodiscard]] static result<BasicLog> open(std::string directory,
                                             LogOptions options = {},
                                             Fs fs = {},
                                             W w = {}) {
    auto state = std::make_unique<State>(std::move(directory), std::move(options), std::move(fs),
                                         std::move(w));
    HOLDFAST_TRYV(state->open());
    return BasicLog{std::move(state)};
  }

  /// Appends one record, to a new segment where the last is full. Durable after the next `sync`.
  [[nodiscard]] result<Record> append(bytes_view payload) {
    std::scoped_lock const lock{state_->mutex};
    HOLDFAST_TRYV(state_->check());
    HOLDFAST_TRYV(state_->roll_if_full());
    return state_->active->append(payload);
  }
  [[nodiscard]] result<void> sync() {
    std::scoped_lock const lock{state_->mutex};
    HOLDFAST_TRYV(state_->check());
    return state_->active->sync();
  }
  [[nodiscard]] result<void> close() {
    std::scoped_lock const lock{state_->mutex};
    HOLDFAST_TRYV(state_->check());
    return state_->active->close();
  }
  /// Seals the last segment and begins the next one.
  [[nodiscard]] result<void> roll() {
    std::scoped_lock const lock{state_->mutex};
    HOLDFAST_TRYV(state_->check());
    return state_->roll();
  }
  /// Recovers once more; heals after a failed sync.
  [[nodiscard]] result<void> reopen() {
    std::scoped_lock const lock{state_->mutex};
    return state_->reopen();
  }
  /// Removes whole sealed segments of which every record is before `sequence`, the oldest first.
  /// Gives how many.
  [[nodiscard]] result<std::size_t> drop_before(std::uint64_t sequence) {
    std::scoped_lock const lock{state_->mutex};
    return state_->drop_before(sequence);
  }

  /// Makes the indexes of all sealed segments whose indexes are missing, damaged or of other data;
  /// each is compared with the data entry by entry. Gives how many segments got new ones.
  [[nodiscard]] result<std::size_t> index(IndexOptions options = {}) {
    std::scoped_lock const lock{state_->mutex};
    return state_->index(options);
  }

  [[nodiscard]] LogReport report() const {
    std::scoped_lock const lock{state_->mutex};
    return state_->report;
  }
  [[nodiscard]] Tail tail() const {
    std::scoped_lock const lock{state_->mutex};
    return state_->active ? state_->active->tail() : Tail{};
  }
  /// The records up to now, each checked again.
  [[nodiscard]] LogRecords<Fs> records(From first = {}) const {
    std::scoped_lock const lock{state_->mutex};
    return {state_->fs, state_->directory, state_->parts(), first};
  }

 private:
  using State = detail::LogState<Fs, How, W>;
  explicit BasicLog(std::unique_ptr<State> state) noexcept : state_{std::move(state)} {}

  std::unique_ptr<State> state_;
};

/// On the real file system.
template <Recovery How = Recovery::cut>
using Log = BasicLog<Posix, How>;

HOLDFAST_END

#endif

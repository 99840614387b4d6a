// SPDX-License-Identifier: BSL-1.0
// The records of a segment as a range.
#ifndef HOLDFAST_RECOVERY_RECORDS_HPP
#define HOLDFAST_RECOVERY_RECORDS_HPP

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <memory>
#include <optional>
#include <utility>

#include "holdfast/bytes.hpp"
#include "holdfast/config.hpp"
#include "holdfast/recovery/frames.hpp"
#include "holdfast/result.hpp"
#include "holdfast/segment.hpp"

HOLDFAST_BEGIN

/// One record. The payload lives until the range goes on.
struct Record {
  std::uint64_t begin = 0;  ///< where its first frame begins, and its last one ends
  std::uint64_t end = 0;
  std::uint64_t sequence = 0;
  std::int64_t time_ns = 0;
  bytes_view payload{};
};

/// Which records to give: those that are at or behind both.
struct From {
  std::uint64_t sequence = 0;
  std::int64_t time_ns = INT64_MIN;
};

namespace detail {
/// Goes over a range that keeps its element in `now_`, reads the next one by `go_on()` and is over
/// where there is none.
template <class Range>
class RecordIterator {
 public:
  using value_type = result<Record>;
  using difference_type = std::ptrdiff_t;
  using reference = result<Record> const&;
  using pointer = result<Record> const*;
  using iterator_category = std::input_iterator_tag;

  RecordIterator() = default;
  explicit RecordIterator(Range* all) noexcept : all_{all} {}
  [[nodiscard]] reference operator*() const noexcept { return *all_->now_; }
  [[nodiscard]] pointer operator->() const noexcept { return &*all_->now_; }
  RecordIterator& operator++() {
    all_->go_on();
    return *this;
  }
  void operator++(int) { ++*this; }
  [[nodiscard]] friend bool operator==(RecordIterator const& i, std::default_sentinel_t) noexcept {
    return i.is_over();
  }

 private:
  [[nodiscard]] bool is_over() const noexcept { return all_ == nullptr || !all_->now_; }
  Range* all_ = nullptr;
};
}  // namespace detail

/// A single-pass range of `result<Record>`, in bounded memory: an error is the last element.
/// Ends where the log ended when it was made. Keeps what it reads from alive. One thread at a time.
template <segment Segment, segment_format Format>
class Records {
 public:
  using iterator = detail::RecordIterator<Records>;

  Records(std::shared_ptr<Segment const> from,
          Format format,
          std::uint64_t end,
          From first,
          bool skips_damage)
      : from_{std::move(from)},
        frames_{*from_, std::move(format), end},
        first_{first},
        skips_damage_{skips_damage} {}

  /// Begins at a record that an index has found, instead of the first: before `begin`.
  [[nodiscard]] result<void> seek(std::uint64_t place) {
    HOLDFAST_TRYV(frames_.next());  // the header, which the cursor needs
    if (place > frames_.at() && place < frames_.end()) frames_.resume(place);
    return ok();
  }
  /// Reads the first record; to be called once.
  [[nodiscard]] iterator begin() {
    go_on();
    return iterator{this};
  }
  [[nodiscard]] static std::default_sentinel_t end() noexcept { return {}; }

 private:
  friend iterator;
  void go_on() {
    bool const ended = now_ && !now_->has_value();
    now_.reset();
    if (ended) return;
    auto found = next();
    if (!found) {
      now_.emplace(boost::outcome_v2::failure(found.error()));
    } else if (found.assume_value()) {
      now_.emplace(*found.assume_value());
    }
  }

  [[nodiscard]] result<std::optional<Record>> next() {
    for (;;) {
      HOLDFAST_TRY(step, frames_.next());
      if (!step) return std::optional<Record>{};
      if (!frames_.is_whole(step->kind)) {
        HOLDFAST_TRY(went_on, skip());
        if (!went_on) return std::optional<Record>{};
        continue;
      }
      if (step->kind != Step::Kind::record) continue;
      if (step->sequence < first_.sequence || step->time_ns < first_.time_ns) continue;
      return std::optional<Record>{
          Record{step->begin, frames_.at(), step->sequence, step->time_ns, step->payload}};
    }
  }
  // What was valid when the log was opened and is not any more is an error, unless damage is known
  // and skipped.
  [[nodiscard]] result<bool> skip() {
    if (!skips_damage_) return failure(error{errc::damaged, "read record"}.at(frames_.at()));
    return frames_.go_on();
  }

  std::shared_ptr<Segment const> from_;
  detail::Frames<Segment, Format> frames_;
  From first_;
  bool skips_damage_;
  std::optional<result<Record>> now_;
};

HOLDFAST_END

#endif

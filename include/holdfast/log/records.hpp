// SPDX-License-Identifier: BSL-1.0
// The records of all segments of a log as one range.
#ifndef HOLDFAST_LOG_RECORDS_HPP
#define HOLDFAST_LOG_RECORDS_HPP

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "holdfast/backend/file_segment.hpp"
#include "holdfast/config.hpp"
#include "holdfast/file_ops.hpp"
#include "holdfast/file_system.hpp"
#include "holdfast/format/framed.hpp"
#include "holdfast/log/index.hpp"
#include "holdfast/log/survey.hpp"
#include "holdfast/recovery/records.hpp"
#include "holdfast/result.hpp"

HOLDFAST_BEGIN

/// A single-pass range of `result<Record>` over a list of segments: an error is the last element.
/// Each segment is opened when it is reached; up to there retention may remove it (`not_found`).
template <file_system Fs>
class LogRecords {
 public:
  using iterator = detail::RecordIterator<LogRecords>;

  using Part = detail::LogPart;
  LogRecords(Fs fs, std::string directory, std::vector<Part> parts, From first)
      : fs_{std::move(fs)},
        directory_{std::move(directory)},
        parts_{std::move(parts)},
        first_{first} {
    // A segment that ends before the first wanted record is not opened.
    while (next_ + 1 < parts_.size() && parts_[next_ + 1].base <= first_.sequence) ++next_;
  }

  [[nodiscard]] iterator begin() {
    go_on();
    return iterator{this};
  }
  [[nodiscard]] static std::default_sentinel_t end() noexcept { return {}; }

 private:
  friend iterator;
  using Inner = Records<BasicFileSegment<Fs>, Framed>;

  void go_on() {
    bool const ended = now_ && !now_->has_value();
    now_.reset();
    if (ended) return;
    for (;;) {
      if (inner_) {
        if (at_) {
          ++*at_;
        } else {
          at_ = inner_->begin();
        }
        if (!(*at_ == std::default_sentinel)) {
          now_.emplace(**at_);
          return;
        }
      }
      if (next_ == parts_.size()) return;
      if (auto opened = open(parts_[next_++]); !opened) {
        now_.emplace(boost::outcome_v2::failure(opened.error()));
        return;
      }
    }
  }
  [[nodiscard]] result<void> open(Part const& part) {
    at_.reset();
    inner_.reset();
    auto path = detail::join(directory_, detail::segment_name(part.base));
    HOLDFAST_TRY(file, BasicFileSegment<Fs>::open_to_read(std::move(path), fs_));
    auto from = std::make_shared<BasicFileSegment<Fs> const>(std::move(file));
    inner_.emplace(std::move(from), Framed{{.base = part.base}}, part.end, first_,
                   part.skips_damage);
    return part.indexed ? seek(part) : result<void>{ok()};
  }
  // Without an index that passes its check, all of the segment is read: slower, and the same.
  [[nodiscard]] result<void> seek(Part const& part) {
    auto const path = detail::join(directory_, detail::segment_name(part.base));
    auto place = std::uint64_t{0};
    if (first_.sequence > part.base) {
      auto const found = find_in_index(fs_, path, IndexKind::sequence, first_.sequence);
      if (found) place = std::max(place, found.assume_value().value_or(0));
    }
    if (first_.time_ns != From{}.time_ns) {
      auto const key = static_cast<std::uint64_t>(first_.time_ns);
      auto const found = find_in_index(fs_, path, IndexKind::time, key);
      if (found) place = std::max(place, found.assume_value().value_or(0));
    }
    return place == 0 ? result<void>{ok()} : inner_->seek(place);
  }

  Fs fs_;
  std::string directory_;
  std::vector<Part> parts_;
  From first_;
  std::size_t next_ = 0;
  std::optional<Inner> inner_;
  std::optional<typename Inner::iterator> at_;
  std::optional<result<Record>> now_;
};

HOLDFAST_END

#endif

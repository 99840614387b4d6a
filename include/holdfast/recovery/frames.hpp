// SPDX-License-Identifier: BSL-1.0
// Walks the frames of a segment in bounded memory.
#ifndef HOLDFAST_RECOVERY_FRAMES_HPP
#define HOLDFAST_RECOVERY_FRAMES_HPP

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <new>
#include <optional>
#include <utility>

#include "holdfast/bytes.hpp"
#include "holdfast/config.hpp"
#include "holdfast/result.hpp"
#include "holdfast/segment.hpp"

HOLDFAST_BEGIN

namespace detail {
/// Reads ahead by a window, which grows up to the longest frame where a frame asks for it. It ends
/// at `end`, whatever the segment grows to meanwhile.
template <segment Segment, segment_format Format>
class Frames {
 public:
  static constexpr std::size_t window_size = std::size_t{256} << 10;
  static constexpr std::uint64_t max_checked = std::uint64_t{64} << 20;

  Frames(Segment const& from, Format format, std::uint64_t end)
      : from_{&from}, format_{std::move(format)}, cursor_{format_.start()}, end_{end} {
    if constexpr (mapped_segment<Segment>) {
      filled_ = std::min(from.mapped().size(), static_cast<std::size_t>(end));
    }
  }

  /// Where the next frame begins.
  [[nodiscard]] std::uint64_t at() const noexcept { return at_; }
  [[nodiscard]] std::uint64_t end() const noexcept { return end_; }
  [[nodiscard]] typename Format::cursor& cursor() noexcept { return cursor_; }

  /// The next frame, gone by if it is valid. `need` and `bad` stay where they are; null at the end.
  /// It and its payload live until the next call.
  [[nodiscard]] result<Step const*> next() {
    if (at_ == end_) return nullptr;
    if (at_ < begin_ || at_ >= begin_ + filled_) {
      HOLDFAST_TRYV(fill(std::min<std::uint64_t>(window_size, end_ - at_)));
    }
    for (;;) {
      // Made in its place: to copy what has just been written field by field costs more than all
      // else (the processor waits for each store before it reads it back as a wider one).
      auto const* const step =
          ::new (static_cast<void*>(&step_)) Step(format_.decode(cursor_, at_, window()));
      bool const more = step->kind == Step::Kind::need && step->need > window().size() &&
                        step->need <= Format::max_frame && begin_ + filled_ < end_;
      if (!more) {
        (is_whole(step->kind) ? at_ : checked_) += step->used;
        if (!is_behind_zeros()) before_zeros_ = at_;
        return step;
      }
      auto const wanted =
          std::min<std::uint64_t>(std::max<std::uint64_t>(step->need, window_size), end_ - at_);
      HOLDFAST_TRYV(fill(wanted));
    }
  }

  /// Looks for a valid frame at `at` or behind it, and gives the first.
  [[nodiscard]] result<std::optional<Witness>> search(std::uint64_t at) {
    for (;;) {
      at_ = std::min(at, end_);
      bool const short_of = window().size() < Format::searched && begin_ + filled_ != end_;
      if (at_ < begin_ || short_of) {
        HOLDFAST_TRYV(fill(std::min<std::uint64_t>(window_size, end_ - at_)));
      }
      auto const found = format_.witness(cursor_, at_, window());
      if (found || begin_ + filled_ >= end_) return found;
      at = begin_ + filled_ - Format::searched + 1;
    }
  }
  /// Goes on at a frame that is known to be there.
  void resume(std::uint64_t at) {
    at_ = before_zeros_ = at;
    format_.resume(cursor_, at);
  }
  void stand(std::uint64_t at) noexcept { at_ = at; }
  /// Goes on behind a gap: at the first valid frame from where `next` stopped, which may be the one
  /// it stopped at where only its order was wrong. False where there is none. Errors: `damaged`
  /// where far more bytes were checked than there are, which only bytes that were made for it do.
  [[nodiscard]] result<bool> go_on() {
    if (checked_ > 8 * end_ + max_checked) {
      return failure(error{errc::damaged, "search segment"}.at(at_));
    }
    // A frame may begin with zeros, which were gone by with those before it.
    if (is_behind_zeros()) at_ = std::min(at_, before_zeros_);
    auto const from = resumed_ == at_ ? at_ + 1 : at_;
    HOLDFAST_TRY(found, search(from));
    if (!found) return false;
    resume(found->at);
    resumed_ = found->at;
    return true;
  }
  /// Tells every byte from `at` on.
  template <class Visit>
  [[nodiscard]] result<void> each_piece(std::uint64_t at, Visit visit) {
    while (at < end_) {
      at_ = at;
      HOLDFAST_TRYV(fill(std::min<std::uint64_t>(window_size, end_ - at)));
      visit(window());
      at += window().size();
    }
    return ok();
  }

  [[nodiscard]] static constexpr bool is_whole(Step::Kind kind) noexcept {
    return kind == Step::Kind::record || kind == Step::Kind::mark || kind == Step::Kind::fragment ||
           kind == Step::Kind::padding;
  }

 private:
  [[nodiscard]] bool is_behind_zeros() const noexcept {
    if constexpr (requires(typename Format::cursor const& c) { c.zeros; }) {
      return cursor_.zeros;
    } else {
      return false;
    }
  }
  [[nodiscard]] bytes_view window() const noexcept {
    if (at_ < begin_) return {};
    auto const gone = std::min<std::uint64_t>(filled_, at_ - begin_);
    return seen().first(filled_).subspan(static_cast<std::size_t>(gone));
  }
  [[nodiscard]] bytes_view seen() const noexcept {
    if constexpr (mapped_segment<Segment>) {
      return from_->mapped();
    } else {
      return bytes_view{buffer_};
    }
  }
  // The segment may have become shorter: then what is missing is an error, not an end.
  [[nodiscard]] result<void> fill(std::uint64_t size) {
    if constexpr (mapped_segment<Segment>) {  // all that there is was there from the beginning
      if (at_ + size <= filled_) return ok();
      return failure(error{errc::conflict, "read segment"}.at(filled_));
    }
    if (buffer_.size() < size) buffer_.resize(static_cast<std::size_t>(size));
    begin_ = at_;
    filled_ = 0;
    HOLDFAST_TRY(got,
                 from_->read_at(at_, bytes_span{buffer_}.first(static_cast<std::size_t>(size))));
    if (got != size) return failure(error{errc::conflict, "read segment"}.at(at_ + got));
    filled_ = got;
    return ok();
  }

  Segment const* from_;
  Format format_;
  typename Format::cursor cursor_;
  Step step_{};
  bytes buffer_;
  std::uint64_t begin_ = 0;  // of what is looked at: the buffer, or the whole map
  std::size_t filled_ = 0;
  std::uint64_t at_ = 0;
  std::uint64_t end_;
  std::uint64_t before_zeros_ = 0;
  std::uint64_t resumed_ = ~std::uint64_t{0};  // where the last gap ended
  std::uint64_t checked_ = 0;                  // bytes of frames that failed
};
}  // namespace detail

HOLDFAST_END

#endif

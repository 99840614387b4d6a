// SPDX-License-Identifier: BSL-1.0
// Makes of a log's records a view, which pipes into std::ranges and into range-v3.
#ifndef HOLDFAST_RANGES_HPP
#define HOLDFAST_RANGES_HPP

#include <iterator>
#include <memory>
#include <optional>
#include <ranges>
#include <utility>

#if __has_include(<range/v3/range_fwd.hpp>)
#include <range/v3/range_fwd.hpp>
#endif

#include "holdfast/config.hpp"
#include "holdfast/recovery/records.hpp"
#include "holdfast/result.hpp"

HOLDFAST_BEGIN

namespace detail {
#if __has_include(<range/v3/range_fwd.hpp>)
struct AnyView : std::ranges::view_base, ::ranges::view_base {};
#else
struct AnyView : std::ranges::view_base {};
#endif
}  // namespace detail

/// A single-pass view of `result<Record>`: copies go on together, as those of an input stream do.
/// An error is the last element. A payload lives until the next element is asked for. One thread
/// at a time.
template <class Range>
class RecordView : public detail::AnyView {
 public:
  using iterator = typename Range::iterator;

  RecordView() = default;
  explicit RecordView(Range all) : all_{std::make_shared<Range>(std::move(all))} {}

  /// To be called once. Empty where this was made without a range.
  [[nodiscard]] iterator begin() const { return all_ ? all_->begin() : iterator{}; }
  [[nodiscard]] static std::default_sentinel_t end() noexcept { return {}; }

 private:
  std::shared_ptr<Range> all_{};
};

/// The records of a log or a segment, from a number or a time on:
/// `records(log, {.sequence = 7}) | std::views::take(3)`.
template <class Log>
[[nodiscard]] auto records(Log const& log, From const& first = {}) {
  return RecordView{log.records(first)};
}

/// For `filter`: true for each record, and for the error that ends them; keeps that in `cause`.
/// `records(log) | filter(Sound{cause}) | transform(...)`: what follows sees whole records alone.
class Sound {
 public:
  explicit Sound(std::optional<error>& cause) noexcept : cause_{&cause} {}
  [[nodiscard]] bool operator()(result<Record> const& record) const {
    if (record) return true;
    *cause_ = record.error();
    return false;
  }

 private:
  std::optional<error>* cause_;
};

HOLDFAST_END

#endif

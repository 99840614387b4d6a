// SPDX-License-Identifier: BSL-1.0
// A segment in memory, for tests that recover the same bytes in thousands of ways.
#ifndef HOLDFAST_TESTS_SUPPORT_MEMORY_SEGMENT_HPP
#define HOLDFAST_TESTS_SUPPORT_MEMORY_SEGMENT_HPP

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "holdfast/bytes.hpp"
#include "holdfast/recoverable.hpp"
#include "holdfast/result.hpp"
#include "holdfast/segment.hpp"

namespace segments {
class MemorySegment {
 public:
  /// Pieces that were set aside: where each began, and its bytes.
  using Aside = std::vector<std::pair<std::uint64_t, hf::bytes>>;

  explicit MemorySegment(hf::bytes content) : content_{std::move(content)} {}
  MemorySegment(hf::bytes content, std::shared_ptr<Aside> aside)
      : content_{std::move(content)}, aside_{std::move(aside)} {}

  [[nodiscard]] hf::bytes const& content() const noexcept { return content_; }
  [[nodiscard]] hf::result<std::uint64_t> size() const { return std::uint64_t{content_.size()}; }
  [[nodiscard]] hf::result<std::size_t> read_at(std::uint64_t at, hf::bytes_span into) const {
    auto const from = std::min<std::uint64_t>(at, content_.size());
    auto const some = std::min<std::uint64_t>(into.size(), content_.size() - from);
    std::copy_n(content_.begin() + static_cast<std::ptrdiff_t>(from), some, into.begin());
    return static_cast<std::size_t>(some);
  }
  [[nodiscard]] hf::result<void> append(std::uint64_t at, hf::bytes_view from) {
    auto const end = static_cast<std::size_t>(at) + from.size();
    content_.resize(std::max(content_.size(), end));
    std::copy(from.begin(), from.end(), content_.begin() + static_cast<std::ptrdiff_t>(at));
    return hf::ok();
  }
  [[nodiscard]] hf::result<void> rewrite(std::uint64_t at, hf::bytes_view from) {
    return append(at, from);
  }
  [[nodiscard]] hf::result<void> set_aside(std::uint64_t begin, std::uint64_t end) {
    aside_->emplace_back(begin, hf::bytes{content_.begin() + static_cast<std::ptrdiff_t>(begin),
                                          content_.begin() + static_cast<std::ptrdiff_t>(end)});
    return hf::ok();
  }
  [[nodiscard]] hf::result<void> truncate(std::uint64_t size) {
    content_.resize(static_cast<std::size_t>(size));
    return hf::ok();
  }
  [[nodiscard]] hf::result<void> sync() { return hf::ok(); }

 private:
  hf::bytes content_;
  std::shared_ptr<Aside> aside_ = std::make_shared<Aside>();
};
static_assert(hf::segment<MemorySegment>);
}  // namespace segments

#endif

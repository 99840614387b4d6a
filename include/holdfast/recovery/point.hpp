// SPDX-License-Identifier: BSL-1.0
// Keeps how far a segment is durable, for whoever opens it next.
//
// A point is written after the sync that it tells of, and never synced itself: it may be missing or
// old, but never ahead. To a process of the same boot it tells which bytes need not be written
// again; that matters, because a write may spoil what it writes over. To a later boot, if the disk
// has kept it, it tells damage to the last batch from a torn tail.
#ifndef HOLDFAST_RECOVERY_POINT_HPP
#define HOLDFAST_RECOVERY_POINT_HPP

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

#include "holdfast/bytes.hpp"
#include "holdfast/checksum.hpp"
#include "holdfast/config.hpp"
#include "holdfast/result.hpp"
#include "holdfast/segment.hpp"

HOLDFAST_BEGIN

namespace detail {
inline constexpr std::uint64_t point_magic = 0x746e'696f'7067'6f6c;  // "logpoint"
inline constexpr std::size_t point_size = 24;

// Tells this segment from another one of its name: its first bytes are never written twice. Short
// of a header's own checksum: the CRC of bytes with their CRC behind them is the same for all.
template <segment Segment>
[[nodiscard]] result<std::uint32_t> identity_of(Segment const& from, std::uint64_t durable_to) {
  std::array<std::byte, 60> start{};
  auto const some = bytes_span{start}.first(
      static_cast<std::size_t>(std::min<std::uint64_t>(start.size(), durable_to)));
  HOLDFAST_TRYV(from.read_at(0, some));
  return crc32c(some);
}

// Another segment came by the name, and left the point behind: it begins with a header of its own.
template <segment Segment, segment_format Format>
[[nodiscard]] result<bool> is_another(Segment const& from, Format const& format) {
  std::array<std::byte, 64> start{};
  HOLDFAST_TRY(got, from.read_at(0, start));
  auto cursor = format.start();
  auto const step = format.decode(cursor, 0, bytes_view{start}.first(got));
  return step.kind == Step::Kind::mark || step.kind == Step::Kind::newer || step.valid;
}

/// How far the segment was durable, as far as is known; 0 where nothing is. A point that tells of
/// other first bytes still counts where these are not the header of another segment: then they were
/// lost.
template <segment Segment, segment_format Format>
[[nodiscard]] result<std::uint64_t> durable_point([[maybe_unused]] Segment const& from,
                                                  [[maybe_unused]] Format const& format) {
  if constexpr (pointed_segment<Segment>) {
    HOLDFAST_TRY(content, from.point());
    if (content.size() < point_size || get_le<std::uint64_t>(content, 0) != point_magic) return 0;
    bytes_view const point{content};
    if (get_le<std::uint32_t>(point, 20) != crc32c(point.first(20))) return 0;
    auto const durable_to = get_le<std::uint64_t>(point, 8);
    HOLDFAST_TRY(identity, identity_of(from, durable_to));
    if (identity == get_le<std::uint32_t>(point, 16)) return durable_to;
    HOLDFAST_TRY(another, is_another(from, format));
    return another ? 0 : durable_to;
  }
  return 0;
}

template <segment Segment>
[[nodiscard]] result<void> keep_point([[maybe_unused]] Segment& beside,
                                      [[maybe_unused]] std::uint64_t durable_to) {
  if constexpr (pointed_segment<Segment>) {
    HOLDFAST_TRY(identity, identity_of(beside, durable_to));
    std::array<std::byte, point_size> point{};
    put_le(point, 0, point_magic);
    put_le(point, 8, durable_to);
    put_le(point, 16, identity);
    put_le(point, 20, crc32c(bytes_view{point}.first(20)));
    return beside.keep_point(point);
  }
  return ok();
}
}  // namespace detail

HOLDFAST_END

#endif

// SPDX-License-Identifier: BSL-1.0
// Says what a power cut may do to what was being written.
//
// A torn unit under write may hold the old bytes, the new ones, or garbage. Units of 512 and 4096
// bytes are the sectors of the image. A unit of one byte is a sector of 4096 bytes that may be torn
// within: anywhere into old and new, with or without garbage behind the tear, or byte by byte.
#ifndef HOLDFAST_TESTING_DISK_FATES_HPP
#define HOLDFAST_TESTING_DISK_FATES_HPP

#include <cstddef>
#include <cstdint>
#include <vector>

#include "holdfast/config.hpp"

HOLDFAST_BEGIN

namespace testing::disk {
/// How the medium fails.
struct Damage {
  /// What a sector holds that was trashed, or, where no journal puts data before sizes, that became
  /// part of a file without ever being written.
  std::byte fill{};
  bool trashes = false;      ///< a sector under write may become garbage
  bool tears_bytes = false;  ///< a sector under write may be torn within
};

/// What becomes of one pending effect. Only data is ever trashed or torn.
enum class Fate : std::uint8_t { lost, kept, trashed, torn };
struct Choice {
  Fate fate = Fate::lost;
  std::uint32_t dice = 0;  ///< how it is torn
};
/// The fates of all pending effects, in their order.
using Kept = std::vector<Choice>;

[[nodiscard]] constexpr char const* name(Fate fate) noexcept {
  constexpr char const* names[] = {"lost", "kept", "trashed", "torn"};
  return names[static_cast<std::size_t>(fate)];
}
/// Sectors of an image in which units of this size are torn.
[[nodiscard]] constexpr std::size_t sector_size_of(std::size_t torn_unit) noexcept {
  return torn_unit == 1 ? 4096 : torn_unit;
}
}  // namespace testing::disk

HOLDFAST_END

#endif

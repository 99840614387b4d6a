// SPDX-License-Identifier: BSL-1.0
// Lays out what a lock file holds: two slots for the durable epoch and one for the holder.
#ifndef HOLDFAST_DETAIL_LOCK_RECORD_HPP
#define HOLDFAST_DETAIL_LOCK_RECORD_HPP

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "holdfast/bytes.hpp"
#include "holdfast/checksum.hpp"
#include "holdfast/config.hpp"
#include "holdfast/detail/owner_bytes.hpp"
#include "holdfast/ids.hpp"

HOLDFAST_BEGIN

namespace detail::lock_record {
// A sector each, also of disks with large ones: raising the epoch leaves the slot of the epoch
// before it alone, and the holder, which is not synced, leaves both.
inline constexpr std::size_t slot_size = 512;
inline constexpr std::size_t stride = 4096;
inline constexpr std::size_t holder_at = 2 * stride;
inline constexpr std::size_t file_size = holder_at + slot_size;
inline constexpr std::uint64_t magic = 0x6b636f6c6668;  // "hflock"
inline constexpr std::uint64_t format = 1;

/// The high half of every token; raised and synced at the first grant of a boot and by force.
struct Epoch {
  std::uint64_t number = 0;
  BootId boot;
};
/// The low half, and who holds: not synced, so worthless after a reboot.
struct Last {
  FencingToken token;
  std::optional<Holder> holder;
};

using Slot = std::array<std::byte, slot_size>;
namespace at {
inline constexpr std::size_t magic = 0, form = 8, crc = 16, number = 24, boot = 32;
inline constexpr std::size_t held = 32, since = 40, owner = 48, end = owner + owner_size;
}  // namespace at

inline void finish(Slot& slot) noexcept {
  put_le(slot, at::magic, magic);
  put_le(slot, at::form, format);
  put_le(slot, at::crc, crc32c(bytes_view{slot}.subspan(at::number)));
}
[[nodiscard]] inline bool whole(bytes_view slot) noexcept {
  return slot.size() >= slot_size && get_le<std::uint64_t>(slot, at::magic) == magic &&
         get_le<std::uint32_t>(slot, at::crc) == crc32c(slot.first(slot_size).subspan(at::number));
}
[[nodiscard]] inline bool newer(bytes_view slot) noexcept {
  return whole(slot) && get_le<std::uint64_t>(slot, at::form) > format;
}

[[nodiscard]] inline Slot encode(Epoch const& epoch) noexcept {
  Slot slot{};
  put_le(slot, at::number, epoch.number);
  put_array(slot, at::boot, epoch.boot.id);
  finish(slot);
  return slot;
}
[[nodiscard]] inline std::optional<Epoch> decode_epoch(bytes_view slot) noexcept {
  if (!whole(slot)) return {};
  Epoch epoch{get_le<std::uint64_t>(slot, at::number), {}};
  get_array(slot, at::boot, epoch.boot.id);
  return epoch;
}

[[nodiscard]] inline Slot encode(Last const& last) noexcept {
  Slot slot{};
  put_le(slot, at::number, last.token.number);
  if (last.holder) {
    auto const& [owner, token, since] = *last.holder;
    put_le(slot, at::held, std::uint64_t{1});
    put_le(slot, at::since, static_cast<std::uint64_t>(since));
    put_owner(slot, at::owner, owner);
  }
  finish(slot);
  return slot;
}
[[nodiscard]] inline std::optional<Last> decode_last(bytes_view slot) noexcept {
  if (!whole(slot)) return {};
  Last last{{get_le<std::uint64_t>(slot, at::number)}, {}};
  if (get_le<std::uint64_t>(slot, at::held) == 0) return last;
  Holder holder;
  holder.token = last.token;
  holder.acquired_at_ns = static_cast<std::int64_t>(get_le<std::uint64_t>(slot, at::since));
  holder.owner = get_owner(slot, at::owner);
  last.holder = holder;
  return last;
}
}  // namespace detail::lock_record

HOLDFAST_END

#endif

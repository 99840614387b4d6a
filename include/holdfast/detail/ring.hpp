// SPDX-License-Identifier: BSL-1.0
// Decides which record of a ring of slots counts, without any I/O.
//
// Invariants:
// - Record s lies in slot s mod 16; a write touches one slot, never that of the last confirmed
// record.
// - `confirmed` in a record names a record that its writer knew to be durable, so it is true
// whatever happens to the record.
// - A record is confirmed if a later one or the hint says so, or if another boot wrote it: then it
// came from the disk.
#ifndef HOLDFAST_DETAIL_RING_HPP
#define HOLDFAST_DETAIL_RING_HPP

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "holdfast/bytes.hpp"
#include "holdfast/checksum.hpp"
#include "holdfast/config.hpp"
#include "holdfast/ids.hpp"

HOLDFAST_BEGIN

namespace detail::ring {
inline constexpr std::uint64_t slots = 16;
inline constexpr std::size_t slot_size = 4096;
inline constexpr std::size_t header_size = 64;
inline constexpr std::size_t max_value = slot_size - header_size;
inline constexpr std::uint32_t format = 1;
inline constexpr std::uint64_t record_magic = 0x64726f6365726668;  // "hfrecord"
inline constexpr std::uint64_t hint_magic = 0x2020746e69686668;    // "hfhint  "
inline constexpr std::size_t hint_size = 64;

/// One slot's content. `value` points into the bytes it was decoded from.
struct Record {
  Version version;
  std::uint64_t confirmed = 0;  ///< sequence of a record known to be durable; 0 = none
  BootId boot;
  bytes_view value;
};

/// What the writer leaves beside the ring once a record is durable.
struct Hint {
  Version version;
  BootId boot;
};

enum class Slot : std::uint8_t { empty, valid, bad, newer };

// Byte offsets within a slot and a hint. The nonce comes first: where two writes of one slot were
// each torn, the start of one and the end of the other must not make up a whole record, as they
// could if both began with the same bytes.
namespace at {
inline constexpr std::size_t nonce = 0, magic = 8, form = 16, length = 20, sequence = 24;
inline constexpr std::size_t confirmed = 32, boot = 40, crc = 56;
}  // namespace at

inline void put_boot(bytes_span into, BootId const& boot) noexcept {
  for (std::size_t i = 0; i < boot.id.size(); ++i) into[at::boot + i] = std::byte{boot.id[i]};
}
[[nodiscard]] inline BootId get_boot(bytes_view from) noexcept {
  BootId boot;
  for (std::size_t i = 0; i < boot.id.size(); ++i) {
    boot.id[i] = static_cast<std::uint8_t>(from[at::boot + i]);
  }
  return boot;
}
[[nodiscard]] inline std::uint32_t crc_of(bytes_view slot, std::size_t length) noexcept {
  return crc32c(slot.subspan(header_size, length), crc32c(slot.first(at::crc)));
}

[[nodiscard]] constexpr std::uint64_t offset_of(std::uint64_t sequence) noexcept {
  return sequence % slots * slot_size;
}

/// Fills a whole slot; the value fits (`max_value`).
inline void encode(Record const& record, std::span<std::byte, slot_size> into) noexcept {
  for (auto& byte : into) byte = std::byte{0};
  put_le(into, at::magic, record_magic);
  put_le(into, at::form, format);
  put_le(into, at::length, static_cast<std::uint32_t>(record.value.size()));
  put_le(into, at::sequence, record.version.sequence);
  put_le(into, at::nonce, record.version.nonce);
  put_le(into, at::confirmed, record.confirmed);
  put_boot(into, record.boot);
  for (std::size_t i = 0; i < record.value.size(); ++i) into[header_size + i] = record.value[i];
  put_le(into, at::crc, crc_of(into, record.value.size()));
}

/// Reads one slot; `slot` has slot_size bytes or fewer (a file cut short).
[[nodiscard]] inline Slot decode(bytes_view slot, Record& into) noexcept {
  if (slot.size() < slot_size) return Slot::bad;
  auto const magic = get_le<std::uint64_t>(slot, at::magic);
  if (magic == 0) return Slot::empty;
  if (magic != record_magic) return Slot::bad;
  auto const length = get_le<std::uint32_t>(slot, at::length);
  if (length > max_value) return Slot::bad;
  if (get_le<std::uint32_t>(slot, at::crc) != crc_of(slot, length)) return Slot::bad;
  if (get_le<std::uint32_t>(slot, at::form) > format) return Slot::newer;
  into = {{get_le<std::uint64_t>(slot, at::sequence), get_le<std::uint64_t>(slot, at::nonce)},
          get_le<std::uint64_t>(slot, at::confirmed),
          get_boot(slot),
          slot.subspan(header_size, length)};
  return Slot::valid;
}

[[nodiscard]] inline std::array<std::byte, hint_size> encode(Hint const& hint) noexcept {
  std::array<std::byte, hint_size> out{};
  put_le(out, at::magic, hint_magic);
  put_le(out, at::form, format);
  put_le(out, at::sequence, hint.version.sequence);
  put_le(out, at::nonce, hint.version.nonce);
  put_boot(out, hint.boot);
  put_le(out, at::crc, crc32c(bytes_view{out}.first(at::crc)));
  return out;
}

[[nodiscard]] inline std::optional<Hint> decode_hint(bytes_view from) noexcept {
  if (from.size() < hint_size || get_le<std::uint64_t>(from, at::magic) != hint_magic) return {};
  if (get_le<std::uint32_t>(from, at::crc) != crc32c(from.first(at::crc))) return {};
  if (get_le<std::uint32_t>(from, at::form) > format)
    return {};  // beside a ring that refuses by itself
  return Hint{{get_le<std::uint64_t>(from, at::sequence), get_le<std::uint64_t>(from, at::nonce)},
              get_boot(from)};
}

/// What a scan of all slots tells.
struct Scan {
  std::optional<Record> newest;     ///< highest sequence, confirmed or not
  std::optional<Record> confirmed;  ///< highest sequence that no power cut can take back
  bool newer_format = false;
  bool stale = false;  ///< a record known to be durable is not here
  bool gap = false;  ///< nor is the newest durable one: its slot is damaged, or was read too early
};

/// Looks at a whole ring. `known` is what this process synced itself (none if nothing), `boot` is
/// this boot.
[[nodiscard]] inline Scan scan(bytes_view all,
                               std::optional<Hint> const& hint,
                               BootId const& boot,
                               Version known) noexcept {
  Scan out;
  std::array<Record, slots> found{};
  std::size_t count = 0;
  std::uint64_t durable = known.sequence;
  for (std::size_t i = 0; i < slots && i * slot_size < all.size(); ++i) {
    auto const left = all.size() - i * slot_size;
    Record record;
    auto const what =
        decode(all.subspan(i * slot_size, left < slot_size ? left : slot_size), record);
    if (what == Slot::newer) out.newer_format = true;
    if (what != Slot::valid || record.version.sequence % slots != i) continue;
    found[count++] = record;
    if (record.confirmed > durable) durable = record.confirmed;
    if (record.boot != boot && record.version.sequence > durable) durable = record.version.sequence;
  }
  if (hint && hint->boot == boot && hint->version.sequence > durable) {
    durable = hint->version.sequence;
  }
  for (std::size_t i = 0; i < count; ++i) {
    auto const& record = found[i];
    auto const sequence = record.version.sequence;
    if (!out.newest || sequence > out.newest->version.sequence) out.newest = record;
    if (sequence > durable) continue;
    if (!out.confirmed || sequence > out.confirmed->version.sequence) out.confirmed = record;
  }
  out.gap = durable != 0 && (!out.confirmed || out.confirmed->version.sequence != durable);
  // The hint is written only after its record was durable, so it never runs ahead of an honest
  // ring, in this boot or later.
  auto const misses = [&out](Version durable_one) noexcept {
    if (!out.newest || out.newest->version.sequence < durable_one.sequence) return true;
    return out.newest->version.sequence == durable_one.sequence &&
           out.newest->version.nonce != durable_one.nonce;
  };
  out.stale = (hint && misses(hint->version)) || (known != Version::none && misses(known));
  return out;
}
}  // namespace detail::ring

HOLDFAST_END

#endif

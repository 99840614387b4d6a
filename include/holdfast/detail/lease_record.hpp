// SPDX-License-Identifier: BSL-1.0
// Lays out what a lease keeps in its register.
#ifndef HOLDFAST_DETAIL_LEASE_RECORD_HPP
#define HOLDFAST_DETAIL_LEASE_RECORD_HPP

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "holdfast/bytes.hpp"
#include "holdfast/checksum.hpp"
#include "holdfast/config.hpp"
#include "holdfast/detail/owner_bytes.hpp"
#include "holdfast/ids.hpp"
#include "holdfast/result.hpp"

HOLDFAST_BEGIN

namespace detail::lease_record {
inline constexpr std::uint64_t magic = 0x6573'6165'6c66'68;  // "hflease"
inline constexpr std::uint64_t format = 1;
inline constexpr std::int64_t max_ttl_ns =
    std::int64_t{100} * 366 * 24 * 3600 * 1'000'000'000;  ///< a century

/// The last grant. Without a holder nobody has the lease.
struct Record {
  FencingToken token{};        ///< of the last grant, or greater
  std::uint64_t nonce = 0;     ///< of that grant
  std::uint64_t renewals = 0;  ///< of that grant; tells one renewal from another
  std::int64_t ttl_ns = 0;     ///< how long its holder may be silent
  std::optional<Holder> holder{};
  friend bool operator==(Record const&, Record const&) = default;
};

namespace at {
inline constexpr std::size_t magic = 0, form = 8, crc = 16, token = 24, nonce = 32, renewals = 40;
inline constexpr std::size_t ttl = 48, held = 56, since = 64, owner = 72, end = owner + owner_size;
}  // namespace at
using Bytes = std::array<std::byte, at::end>;

[[nodiscard]] inline Bytes encode(Record const& record) noexcept {
  Bytes all{};
  put_le(all, at::magic, magic);
  put_le(all, at::form, format);
  put_le(all, at::token, record.token.number);
  put_le(all, at::nonce, record.nonce);
  put_le(all, at::renewals, record.renewals);
  put_le(all, at::ttl, static_cast<std::uint64_t>(record.ttl_ns));
  if (record.holder) {
    put_le(all, at::held, std::uint64_t{1});
    put_le(all, at::since, static_cast<std::uint64_t>(record.holder->acquired_at_ns));
    put_owner(all, at::owner, record.holder->owner);
  }
  put_le(all, at::crc, crc32c(bytes_view{all}.subspan(at::token)));
  return all;
}

/// Errors: `foreign`, `newer_format`, `damaged`.
[[nodiscard]] inline result<Record> decode(bytes_view all) noexcept {
  if (all.size() < at::token || get_le<std::uint64_t>(all, at::magic) != magic) {
    return failure(errc::foreign, "lease", "no record of a lease");
  }
  if (get_le<std::uint64_t>(all, at::form) > format) return failure(errc::newer_format, "lease");
  bool const whole = all.size() == at::end &&
                     get_le<std::uint32_t>(all, at::crc) == crc32c(all.subspan(at::token));
  auto const ttl = whole ? static_cast<std::int64_t>(get_le<std::uint64_t>(all, at::ttl)) : -1;
  if (ttl < 0 || ttl > max_ttl_ns) return failure(errc::damaged, "lease");
  Record record{{get_le<std::uint64_t>(all, at::token)},
                get_le<std::uint64_t>(all, at::nonce),
                get_le<std::uint64_t>(all, at::renewals),
                ttl,
                {}};
  if (get_le<std::uint64_t>(all, at::held) == 0) return record;
  auto const since = static_cast<std::int64_t>(get_le<std::uint64_t>(all, at::since));
  record.holder = Holder{get_owner(all, at::owner), record.token, since};
  return record;
}
}  // namespace detail::lease_record

HOLDFAST_END

#endif

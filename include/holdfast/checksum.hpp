// SPDX-License-Identifier: BSL-1.0
// Computes CRC32C (Castagnoli, reflected polynomial 0x82f63b78, as in RFC 3720).
#ifndef HOLDFAST_CHECKSUM_HPP
#define HOLDFAST_CHECKSUM_HPP

#include <array>
#include <cstddef>
#include <cstdint>

#include "holdfast/bytes.hpp"
#include "holdfast/config.hpp"

HOLDFAST_BEGIN

namespace detail {
using CrcTables = std::array<std::array<std::uint32_t, 256>, 8>;

// tables[k][b] is the effect of byte b followed by k zero bytes: eight look-ups then take eight
// bytes at once.
consteval CrcTables crc_tables() {
  CrcTables tables{};
  for (std::uint32_t b = 0; b < 256; ++b) {
    std::uint32_t crc = b;
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1u) != 0 ? 0x82f63b78u : 0u);
    tables[0][b] = crc;
  }
  for (std::size_t k = 1; k < 8; ++k) {
    for (std::size_t b = 0; b < 256; ++b) {
      std::uint32_t const before = tables[k - 1][b];
      tables[k][b] = (before >> 8) ^ tables[0][before & 0xff];
    }
  }
  return tables;
}
inline constexpr CrcTables crc_table = crc_tables();
}  // namespace detail

/// CRC32C of `from`, going on from `crc` (the CRC of what came before; 0 to begin).
[[nodiscard]] constexpr std::uint32_t crc32c(bytes_view from, std::uint32_t crc = 0) noexcept {
  auto const& t = detail::crc_table;
  crc = ~crc;
  std::size_t at = 0;
  for (; at + 8 <= from.size(); at += 8) {
    std::uint64_t const word = get_le<std::uint64_t>(from, at) ^ crc;
    crc = t[7][word & 0xff] ^ t[6][(word >> 8) & 0xff] ^ t[5][(word >> 16) & 0xff] ^
          t[4][(word >> 24) & 0xff] ^ t[3][(word >> 32) & 0xff] ^ t[2][(word >> 40) & 0xff] ^
          t[1][(word >> 48) & 0xff] ^ t[0][word >> 56];
  }
  for (; at < from.size(); ++at) {
    crc = (crc >> 8) ^ t[0][(crc ^ static_cast<std::uint32_t>(from[at])) & 0xff];
  }
  return ~crc;
}

HOLDFAST_END

#endif

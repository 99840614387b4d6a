// SPDX-License-Identifier: BSL-1.0
// Computes CRC32C on any machine and in constant expressions, and the constants that the faster
// ways need.
//
// A CRC is a polynomial of degree 31 over GF(2) in reflected form: bit i stands for x^(31-i). So
// are the bytes of a message: the first bit of the first byte is its highest power.
#ifndef HOLDFAST_DETAIL_CRC32C_TABLE_HPP
#define HOLDFAST_DETAIL_CRC32C_TABLE_HPP

#include <array>
#include <cstddef>
#include <cstdint>

#include "holdfast/bytes.hpp"
#include "holdfast/config.hpp"

HOLDFAST_BEGIN

namespace detail {
inline constexpr std::uint32_t crc_polynomial = 0x82f63b78;  // Castagnoli, reflected

/// The same polynomial times x, modulo the CRC's.
[[nodiscard]] constexpr std::uint32_t crc_times_x(std::uint32_t crc) noexcept {
  return (crc >> 1) ^ ((crc & 1u) != 0 ? crc_polynomial : 0u);
}
/// x to the power of `exponent`, modulo the CRC's polynomial.
[[nodiscard]] constexpr std::uint32_t crc_x_to(unsigned exponent) {
  std::uint32_t power = 0x80000000;
  for (; exponent != 0; --exponent) power = crc_times_x(power);
  return power;
}

using CrcTables = std::array<std::array<std::uint32_t, 256>, 8>;

// tables[k][b] is the effect of byte b followed by k zero bytes: eight look-ups then take eight
// bytes at once.
consteval CrcTables crc_tables() {
  CrcTables tables{};
  for (std::uint32_t b = 0; b < 256; ++b) {
    std::uint32_t crc = b;
    for (int bit = 0; bit < 8; ++bit) crc = crc_times_x(crc);
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

/// Goes on from `crc`, which is the bare remainder: not inverted, at neither end.
[[nodiscard]] constexpr std::uint32_t crc_by_table(std::byte const* from,
                                                   std::size_t size,
                                                   std::uint32_t crc) noexcept {
  auto const& t = crc_table;
  std::size_t at = 0;
  for (; at + 8 <= size; at += 8) {
    std::uint64_t const word = get_le<std::uint64_t>({from + at, 8}, 0) ^ crc;
    crc = t[7][word & 0xff] ^ t[6][(word >> 8) & 0xff] ^ t[5][(word >> 16) & 0xff] ^
          t[4][(word >> 24) & 0xff] ^ t[3][(word >> 32) & 0xff] ^ t[2][(word >> 40) & 0xff] ^
          t[1][(word >> 48) & 0xff] ^ t[0][word >> 56];
  }
  for (; at < size; ++at) {
    crc = (crc >> 8) ^ t[0][(crc ^ static_cast<std::uint32_t>(from[at])) & 0xff];
  }
  return crc;
}
}  // namespace detail

HOLDFAST_END

#endif

// SPDX-License-Identifier: BSL-1.0
// Computes CRC32C on any machine and in constant expressions, and the constants that the faster
// ways need.
//
// A CRC is a polynomial of degree 31 over GF(2) in reflected form: bit i stands for x^(31-i). So
// are the bytes of a message: the first bit of the first byte is its highest power.
#ifndef HOLDFAST_DETAIL_CRC32C_TABLE_HPP
#define HOLDFAST_DETAIL_CRC32C_TABLE_HPP

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
/// The product of two, modulo the CRC's.
[[nodiscard]] constexpr std::uint32_t crc_product(std::uint32_t a, std::uint32_t b) noexcept {
  std::uint32_t product = 0;
  for (; a != 0; a <<= 1) {
    if ((a & 0x80000000) != 0) product ^= b;
    b = crc_times_x(b);
  }
  return product;
}
/// x to the power of `Exponent`, modulo the CRC's polynomial. A template, so that a compiler works
/// out each power once.
template <unsigned Exponent>
inline constexpr std::uint32_t crc_x_to = crc_product(crc_product(crc_x_to<Exponent / 2>,
                                                                  crc_x_to<Exponent / 2>),
                                                      Exponent % 2 != 0 ? 0x40000000 : 0x80000000);
template <>
inline constexpr std::uint32_t crc_x_to<0> = 0x80000000;

// Not std::array, whose every access is a call to a compiler that computes.
struct CrcTables {
  std::uint32_t of[8][256];
};
// of[k][b] is the effect of byte b followed by k zero bytes: eight look-ups then take eight bytes
// at once.
consteval CrcTables crc_tables() {
  CrcTables tables{};
  auto& first = tables.of[0];
  first[128] = crc_polynomial;
  for (std::size_t bit = 64; bit != 0; bit /= 2) first[bit] = crc_times_x(first[2 * bit]);
  for (unsigned bit = 2; bit != 256; bit *= 2) {
    for (unsigned rest = 1; rest != bit; ++rest) first[bit + rest] = first[bit] ^ first[rest];
  }
  for (unsigned k = 1; k != 8; ++k) {
    for (unsigned b = 0; b != 256; ++b) {
      auto const before = tables.of[k - 1][b];
      tables.of[k][b] = (before >> 8) ^ first[before & 0xff];
    }
  }
  return tables;
}
inline constexpr CrcTables crc_table = crc_tables();

/// Goes on from `crc`, which is the bare remainder: not inverted, at neither end.
[[nodiscard]] constexpr std::uint32_t crc_by_table(std::byte const* from,
                                                   std::size_t size,
                                                   std::uint32_t crc) noexcept {
  auto const& t = crc_table.of;
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

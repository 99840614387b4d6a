// SPDX-License-Identifier: BSL-1.0
// Computes CRC32C with the instructions that ARMv8 processors have for it.
#ifndef HOLDFAST_DETAIL_CRC32C_ARM_HPP
#define HOLDFAST_DETAIL_CRC32C_ARM_HPP

#if defined(__aarch64__) && defined(__linux__)
#include <sys/auxv.h>
#endif

#include <cstdint>

#include "holdfast/config.hpp"
#include "holdfast/detail/crc32c_table.hpp"

#if defined(__aarch64__) && defined(__linux__) && !defined(__AARCH64EB__)
#define HOLDFAST_HAS_CRC_ARM 1

HOLDFAST_BEGIN

namespace detail {
struct CrcArm {
  static constexpr unsigned long_stream = 4096;  // bringing three together is slow here
  static constexpr unsigned short_stream = 1024;

  [[nodiscard]] static bool usable() noexcept {
    constexpr unsigned long has_crc32 = 1ul << 7;
    return (::getauxval(AT_HWCAP) & has_crc32) != 0;
  }
  static std::uint32_t step(std::uint32_t crc, std::uint64_t word) noexcept {
    asm(".arch_extension crc\n\tcrc32cx %w0, %w0, %x1" : "+r"(crc) : "r"(word));
    return crc;
  }
  static std::uint32_t step(std::uint32_t crc, std::uint32_t word) noexcept {
    asm(".arch_extension crc\n\tcrc32cw %w0, %w0, %w1" : "+r"(crc) : "r"(word));
    return crc;
  }
  static std::uint32_t step(std::uint32_t crc, std::uint16_t word) noexcept {
    asm(".arch_extension crc\n\tcrc32ch %w0, %w0, %w1" : "+r"(crc) : "r"(word));
    return crc;
  }
  static std::uint32_t step(std::uint32_t crc, std::uint8_t word) noexcept {
    asm(".arch_extension crc\n\tcrc32cb %w0, %w0, %w1" : "+r"(crc) : "r"(word));
    return crc;
  }
  // Bit by bit: the instructions for a product are an extension that not every processor has.
  template <unsigned Exponent>
  static std::uint32_t times(std::uint32_t crc) noexcept {
    return crc_product(crc, crc_x_to<Exponent>);
  }
};
}  // namespace detail

HOLDFAST_END

#endif

#endif

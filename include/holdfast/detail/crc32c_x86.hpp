// SPDX-License-Identifier: BSL-1.0
// Computes CRC32C with what x86-64 processors have for it. Inline assembly and vector extensions
// rather than <immintrin.h>, which takes longer to compile than the rest of the library.
#ifndef HOLDFAST_DETAIL_CRC32C_X86_HPP
#define HOLDFAST_DETAIL_CRC32C_X86_HPP

#include <cstddef>
#include <cstdint>

#include "holdfast/config.hpp"
#include "holdfast/detail/crc32c_streams.hpp"
#include "holdfast/detail/crc32c_table.hpp"

#if defined(__x86_64__) && defined(__GNUC__)
#define HOLDFAST_HAS_CRC_X86 1

HOLDFAST_BEGIN

namespace detail {
/// SSE4.2 and PCLMULQDQ: every x86-64 processor since 2011.
struct CrcSse {
  static constexpr unsigned long_stream = 1024;
  static constexpr unsigned short_stream = 128;

  [[nodiscard]] static bool usable() noexcept {
    __builtin_cpu_init();  // before main nobody may have asked yet
    return __builtin_cpu_supports("sse4.2") && __builtin_cpu_supports("pclmul");
  }
  static std::uint32_t step(std::uint32_t crc, std::uint64_t word) noexcept {
    std::uint64_t wide = crc;
    asm("crc32q %1, %0" : "+r"(wide) : "r"(word));
    return static_cast<std::uint32_t>(wide);
  }
  static std::uint32_t step(std::uint32_t crc, std::uint32_t word) noexcept {
    asm("crc32l %1, %0" : "+r"(crc) : "r"(word));
    return crc;
  }
  static std::uint32_t step(std::uint32_t crc, std::uint16_t word) noexcept {
    asm("crc32w %1, %0" : "+r"(crc) : "r"(word));
    return crc;
  }
  static std::uint32_t step(std::uint32_t crc, std::uint8_t word) noexcept {
    asm("crc32b %1, %0" : "+r"(crc) : "q"(word));
    return crc;
  }
  // Two reflected factors give their product times x in 64 bits, and the step that reduces it
  // multiplies by x^32.
  template <unsigned Exponent>
  static std::uint32_t times(std::uint32_t crc) noexcept {
    using Pair [[gnu::vector_size(16)]] = long long;
    Pair product{crc, 0};
    constexpr Pair factor{crc_x_to<Exponent - 33>, 0};
    asm("pclmulqdq $0, %1, %0" : "+x"(product) : "x"(factor));
    return step(std::uint32_t{0}, static_cast<std::uint64_t>(product[0]));
  }
};

#define HOLDFAST_CRC_WIDE \
  [[gnu::target("avx512f,avx512bw,avx512vl,avx512vbmi2,vpclmulqdq,pclmul,sse4.2")]]

// The upper half of a word, as the vector types want it.
[[nodiscard]] constexpr long long crc_high_word(std::uint32_t half) noexcept {
  std::uint64_t const word = std::uint64_t{half} << 32;
  return static_cast<long long>(word);
}

/// Carry-less products in four registers of 512 bits: what is behind is folded onto what lies
/// ahead.
struct CrcWide {
  using Lanes [[gnu::vector_size(64)]] = long long;  // four lanes of two words
  using AnyLanes [[gnu::vector_size(64), gnu::aligned(1), gnu::may_alias]] = long long;
  using Half [[gnu::vector_size(32)]] = long long;
  using Pair [[gnu::vector_size(16)]] = long long;
  static constexpr std::size_t width = sizeof(Lanes);

  [[nodiscard]] static bool usable() noexcept {
    return CrcSse::usable() && __builtin_cpu_supports("avx512f") &&
           __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
           __builtin_cpu_supports("avx512vbmi2") && __builtin_cpu_supports("vpclmulqdq");
  }

  // What moves a lane ahead: its first word needs x^(8 bytes + 64), its second x^(8 bytes). The
  // product brings one x of its own.
  template <unsigned Bytes>
  static constexpr long long first = crc_high_word(crc_x_to<8 * Bytes + 63>);
  template <unsigned Bytes>
  static constexpr long long second = crc_high_word(crc_x_to<8 * Bytes - 1>);
  template <unsigned Bytes>  // each of the four
  static constexpr Lanes ahead{first<Bytes>, second<Bytes>, first<Bytes>, second<Bytes>,
                               first<Bytes>, second<Bytes>, first<Bytes>, second<Bytes>};
  // The first three onto the fourth.
  static constexpr Lanes together{first<48>, second<48>, first<32>, second<32>,
                                  first<16>, second<16>, 0,         0};

  HOLDFAST_CRC_WIDE static inline Lanes fold(Lanes what, Lanes by) noexcept {
    Lanes one, other;
    asm("vpclmulqdq $0x00, %2, %1, %0" : "=v"(one) : "v"(what), "v"(by));
    asm("vpclmulqdq $0x11, %2, %1, %0" : "=v"(other) : "v"(what), "v"(by));
    return one ^ other;
  }
  HOLDFAST_CRC_WIDE static inline Lanes load(std::byte const* from) noexcept {
    return *reinterpret_cast<AnyLanes const*>(from);
  }

  // The first 4 to 64 bytes at the end of a register, after zeros, which change nothing. The CRC of
  // what came before is added to the first four of them.
  HOLDFAST_CRC_WIDE static inline Lanes head(std::byte const* from,
                                             std::size_t size,
                                             std::uint32_t crc) noexcept {
    auto const pad = width - size;
    auto const mask = ~std::uint64_t{0} << pad;
    Lanes bytes, before{crc};
    // Bytes that the mask leaves out are not read, wherever they would lie.
    asm("vmovdqu8 (%1), %0%{%2%}%{z%}"
        : "=v"(bytes)
        : "r"(reinterpret_cast<std::uintptr_t>(from) - pad), "Yk"(mask)
        : "memory");
    asm("vpexpandb %1, %0%{%2%}%{z%}" : "=v"(before) : "v"(before), "Yk"(std::uint64_t{15} << pad));
    return bytes ^ before;
  }

  // One lane that is worth four, and the CRC of its 16 bytes.
  HOLDFAST_CRC_WIDE static inline std::uint32_t reduce(Lanes all) noexcept {
    Lanes const moved = fold(all, together);
    Lanes const sum = moved ^ (all & Lanes{0, 0, 0, 0, 0, 0, -1, -1});
    Half low, high;
    asm("vextracti64x4 $1, %2, %1\n\tvmovdqa64 %t2, %0" : "=&v"(low), "=&v"(high) : "v"(sum));
    low ^= high;
    Pair lane, upper;
    asm("vextracti128 $1, %2, %1\n\tvmovdqa %x2, %0" : "=&x"(lane), "=&x"(upper) : "x"(low));
    lane ^= upper;
    auto const crc = CrcSse::step(std::uint32_t{0}, static_cast<std::uint64_t>(lane[0]));
    return CrcSse::step(crc, static_cast<std::uint64_t>(lane[1]));
  }

  HOLDFAST_CRC_WIDE static std::uint32_t run(std::byte const* from,
                                             std::size_t size,
                                             std::uint32_t crc) noexcept {
    if (size < 2 * width) return crc_by_words<CrcSse>(from, size, crc);
    if (size % width - 1 < 3) {  // too few for a head
      crc = crc_by_words<CrcSse>(from, size % width, crc);
      from += size % width;
      size -= size % width;
    }
    auto const start = (size - 1) % width + 1;
    Lanes a = head(from, start, crc);
    from += start;
    size -= start;
    if (size >= 3 * width) {
      Lanes b = load(from), c = load(from + width), d = load(from + 2 * width);
      from += 3 * width;
      size -= 3 * width;
      for (; size >= 4 * width; from += 4 * width, size -= 4 * width) {
        a = fold(a, ahead<256>) ^ load(from);
        b = fold(b, ahead<256>) ^ load(from + width);
        c = fold(c, ahead<256>) ^ load(from + 2 * width);
        d = fold(d, ahead<256>) ^ load(from + 3 * width);
      }
      a = fold(a, ahead<192>) ^ fold(b, ahead<128>) ^ fold(c, ahead<64>) ^ d;
    }
    for (; size != 0; from += width, size -= width) a = fold(a, ahead<64>) ^ load(from);
    return reduce(a);
  }
};
#undef HOLDFAST_CRC_WIDE
}  // namespace detail

HOLDFAST_END

#endif

#endif

// SPDX-License-Identifier: BSL-1.0
// Computes CRC32C with a processor's own instruction for it, three streams at once: one result
// takes three cycles, but a new one can begin in each.
#ifndef HOLDFAST_DETAIL_CRC32C_STREAMS_HPP
#define HOLDFAST_DETAIL_CRC32C_STREAMS_HPP

#include <cstddef>
#include <cstdint>

#include "holdfast/config.hpp"
#include "holdfast/detail/crc32c_table.hpp"

HOLDFAST_BEGIN

namespace detail {
// Unaligned, of any type, in the order of this machine: the ones that have the instruction are
// little-endian.
template <class Word>
[[nodiscard]] inline Word crc_load(std::byte const* from) noexcept {
  Word word;
  __builtin_memcpy(&word, from, sizeof word);
  return word;
}

/// `Cpu` has `step(crc, word)` for words of 8, 4, 2 and 1 bytes, and `times<Exponent>(crc)`, the
/// product with x^Exponent.
template <class Cpu>
[[nodiscard]] inline std::uint32_t crc_by_words(std::byte const* from,
                                                std::size_t size,
                                                std::uint32_t crc) noexcept {
  for (; size >= 8; from += 8, size -= 8) crc = Cpu::step(crc, crc_load<std::uint64_t>(from));
  if ((size & 4) != 0) {
    crc = Cpu::step(crc, crc_load<std::uint32_t>(from));
    from += 4;
  }
  if ((size & 2) != 0) {
    crc = Cpu::step(crc, crc_load<std::uint16_t>(from));
    from += 2;
  }
  if ((size & 1) != 0) crc = Cpu::step(crc, crc_load<std::uint8_t>(from));
  return crc;
}

// Takes blocks of three times `Stream` bytes, as long as there are.
template <class Cpu, std::size_t Stream>
inline void crc_by_three(std::byte const*& from, std::size_t& size, std::uint32_t& crc) noexcept {
  for (; size >= 3 * Stream; from += 3 * Stream, size -= 3 * Stream) {
    std::uint32_t second = 0, third = 0;
    for (unsigned at = 0; at < Stream; at += 8) {
      crc = Cpu::step(crc, crc_load<std::uint64_t>(from + at));
      second = Cpu::step(second, crc_load<std::uint64_t>(from + Stream + at));
      third = Cpu::step(third, crc_load<std::uint64_t>(from + 2 * Stream + at));
    }
    crc = Cpu::template times<16 * Stream>(crc) ^ Cpu::template times<8 * Stream>(second) ^ third;
  }
}

template <class Cpu>
[[nodiscard]] std::uint32_t crc_by_streams(std::byte const* from,
                                           std::size_t size,
                                           std::uint32_t crc) noexcept {
  crc_by_three<Cpu, Cpu::long_stream>(from, size, crc);
  crc_by_three<Cpu, Cpu::short_stream>(from, size, crc);
  return crc_by_words<Cpu>(from, size, crc);
}
}  // namespace detail

HOLDFAST_END

#endif

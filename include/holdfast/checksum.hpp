// SPDX-License-Identifier: BSL-1.0
// Computes CRC32C (Castagnoli, reflected polynomial 0x82f63b78, as in RFC 3720).
#ifndef HOLDFAST_CHECKSUM_HPP
#define HOLDFAST_CHECKSUM_HPP

#include <array>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "holdfast/bytes.hpp"
#include "holdfast/config.hpp"
#include "holdfast/detail/crc32c_arm.hpp"
#include "holdfast/detail/crc32c_streams.hpp"
#include "holdfast/detail/crc32c_table.hpp"
#include "holdfast/detail/crc32c_x86.hpp"

HOLDFAST_BEGIN

namespace detail {
/// One way to compute it: whether this processor can, and the function.
struct CrcTier {
  using Run = std::uint32_t (*)(std::byte const* from, std::size_t size, std::uint32_t crc);
  char const* name;
  bool (*usable)() noexcept;
  Run run;
};
/// The fastest first; the last one is usable everywhere. All give the same.
inline constexpr std::array crc_tiers {
#if defined(HOLDFAST_HAS_CRC_X86)
  CrcTier{"AVX-512 VPCLMULQDQ", CrcWide::usable, CrcWide::run},
      CrcTier{"SSE4.2, three streams", CrcSse::usable, crc_by_streams<CrcSse>},
#elif defined(HOLDFAST_HAS_CRC_ARM)
  CrcTier{"ARMv8, three streams", CrcArm::usable, crc_by_streams<CrcArm>},
#endif
      CrcTier {
    "table", []() noexcept { return true; }, crc_by_table
  }
};

// Chosen by the first call, which may come before main and in any thread: each that comes first
// chooses the same. No guard to pass, and nothing to do in a forked child.
inline std::uint32_t crc_first(std::byte const* from, std::size_t size, std::uint32_t crc);
inline constinit CrcTier::Run crc_run = crc_first;

inline std::uint32_t crc_first(std::byte const* from, std::size_t size, std::uint32_t crc) {
  auto const* tier = crc_tiers.data();
  while (!tier->usable()) ++tier;
  __atomic_store_n(&crc_run, tier->run, __ATOMIC_RELAXED);
  return tier->run(from, size, crc);
}
}  // namespace detail

/// CRC32C of `from`, going on from `crc` (the CRC of what came before; 0 to begin).
[[nodiscard]] constexpr std::uint32_t crc32c(bytes_view from, std::uint32_t crc = 0) noexcept {
  if (std::is_constant_evaluated()) return ~detail::crc_by_table(from.data(), from.size(), ~crc);
  return ~__atomic_load_n(&detail::crc_run, __ATOMIC_RELAXED)(from.data(), from.size(), ~crc);
}

HOLDFAST_END

#endif

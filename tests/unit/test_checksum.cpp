// SPDX-License-Identifier: BSL-1.0
// Tests CRC32C against published values and against the definition, bit by bit, in every way that
// this processor has to compute it.
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>

#include "catch.hpp"
#include "holdfast/bytes.hpp"
#include "holdfast/checksum.hpp"

namespace {
// ThreadSanitizer looks at each load and has nothing to find in one thread.
#if defined(__SANITIZE_THREAD__)
constexpr std::size_t alignment_step = 21;
#else
constexpr std::size_t alignment_step = 1;
#endif

// Before main, and by the first call of this program.
std::uint32_t const before_main = hf::crc32c(hf::as_bytes("123456789"));

std::uint32_t one_more(std::uint32_t crc, std::byte byte) {
  crc ^= static_cast<std::uint32_t>(byte);
  for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ (0x82f63b78u & (0u - (crc & 1u)));
  return crc;
}
hf::bytes noise(std::size_t size) {
  hf::bytes all(size);
  std::uint64_t state = 0x9e3779b97f4a7c15;
  for (auto& byte : all) {
    state = state * 6364136223846793005 + 1442695040888963407;
    byte = static_cast<std::byte>(state >> 56);
  }
  return all;
}
}  // namespace

TEST_CASE("CRC32C gives the values that RFC 3720 and others publish", "[checksum]") {
  CHECK(before_main == 0xe3069283);
  CHECK(hf::crc32c(hf::as_bytes("123456789")) == 0xe3069283);
  CHECK(hf::crc32c({}) == 0);
  CHECK(hf::crc32c(hf::bytes(32, std::byte{0x00})) == 0x8a9136aa);
  CHECK(hf::crc32c(hf::bytes(32, std::byte{0xff})) == 0x62a8ab43);
  hf::bytes rising(32), falling(32);
  for (std::uint8_t i = 0; i < 32; ++i) {
    rising[i] = std::byte{i};
    falling[i] = static_cast<std::byte>(31 - i);
  }
  CHECK(hf::crc32c(rising) == 0x46dd794e);
  CHECK(hf::crc32c(falling) == 0x113fdb5c);
}

TEST_CASE("every way to CRC32C agrees with its definition for every length and alignment",
          "[checksum]") {
  constexpr std::size_t longest = 4096;
  auto const all = noise(longest + 64);
  std::size_t ways = 0;
  for (auto const& tier : hf::detail::crc_tiers) {
    if (!tier.usable()) continue;
    ++ways;
    bool const slow = &tier == &hf::detail::crc_tiers.back();
    for (std::size_t begin = 0; begin < 64; begin += slow ? 21 : alignment_step) {
      auto const* const from = all.data() + begin;
      std::uint32_t expected = 0xc0ffee11;  // what came before
      for (std::size_t size = 0; size <= longest; ++size) {
        if (tier.run(from, size, 0xc0ffee11) != expected) {
          FAIL(tier.name << ": begin " << begin << ", size " << size);
        }
        expected = one_more(expected, from[size]);
      }
    }
  }
  INFO(ways << " of " << hf::detail::crc_tiers.size() << " ways are usable here");
  CHECK(ways >= 1);
}

TEST_CASE("every way to CRC32C agrees over long runs", "[checksum]") {
  auto const all = noise(70'001);
  auto const& table = hf::detail::crc_tiers.back();
  for (auto const& tier : hf::detail::crc_tiers) {
    if (!tier.usable()) continue;
    for (std::size_t size : {3071u, 3072u, 3073u, 12'288u, 12'289u, 65'536u, 70'001u}) {
      INFO(tier.name << ", size " << size);
      CHECK(tier.run(all.data(), size, 7) == table.run(all.data(), size, 7));
    }
  }
}

TEST_CASE("CRC32C reads nothing outside what it is given", "[checksum]") {
  // Pages that can't be read on both sides: no sanitizer sees what assembly reads.
  auto const page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  auto* const mapped = static_cast<std::byte*>(
      ::mmap(nullptr, 3 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  REQUIRE(mapped != MAP_FAILED);
  auto* const begin = mapped + page;
  auto* const end = begin + page;
  REQUIRE(::mprotect(begin, page, PROT_READ | PROT_WRITE) == 0);
  auto const all = noise(page);
  std::copy(all.begin(), all.end(), begin);
  for (auto const& tier : hf::detail::crc_tiers) {
    if (!tier.usable()) continue;
    for (std::size_t size = 0; size < 1100; ++size) {
      auto const first = hf::detail::crc_by_table(all.data(), size, 1);
      auto const last = hf::detail::crc_by_table(all.data() + (page - size), size, 1);
      if (tier.run(begin, size, 1) != first || tier.run(end - size, size, 1) != last) {
        FAIL(tier.name << ", size " << size);
      }
    }
  }
  ::munmap(mapped, 3 * page);
}

TEST_CASE("CRC32C goes on from what came before, wherever it was cut", "[checksum]") {
  auto const all = noise(1097);
  hf::bytes_view const view{all};
  auto const whole = hf::crc32c(view);
  for (std::size_t cut = 0; cut <= all.size(); ++cut) {
    CHECK(hf::crc32c(view.subspan(cut), hf::crc32c(view.first(cut))) == whole);
  }
}

TEST_CASE("a forked child computes the same CRC32C", "[checksum][fork]") {
  auto const all = noise(5000);
  auto const whole = hf::crc32c(all);
  pid_t const child = ::fork();
  if (child == 0) ::_exit(hf::crc32c(all) == whole ? 0 : 1);
  REQUIRE(child > 0);
  int status = -1;
  REQUIRE(::waitpid(child, &status, 0) == child);
  CHECK(status == 0);
}

TEST_CASE("CRC32C can be computed by the compiler", "[checksum]") {
  constexpr std::byte digits[] = {std::byte{'1'}, std::byte{'2'}, std::byte{'3'},
                                  std::byte{'4'}, std::byte{'5'}, std::byte{'6'},
                                  std::byte{'7'}, std::byte{'8'}, std::byte{'9'}};
  static_assert(hf::crc32c(digits) == 0xe3069283);
  static_assert(hf::crc32c({}) == 0);
  SUCCEED();
}

// SPDX-License-Identifier: BSL-1.0
// Tests CRC32C against published values and against the definition, bit by bit.
#include <cstdint>
#include <numeric>
#include <string>

#include "catch.hpp"
#include "holdfast/bytes.hpp"
#include "holdfast/checksum.hpp"

namespace {
std::uint32_t bit_by_bit(hf::bytes_view from) {
  std::uint32_t crc = 0xffffffff;
  for (auto const byte : from) {
    crc ^= static_cast<std::uint32_t>(byte);
    for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ (0x82f63b78u & (0u - (crc & 1u)));
  }
  return ~crc;
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

TEST_CASE("CRC32C agrees with its definition for every length and alignment", "[checksum]") {
  auto const all = noise(300);
  hf::bytes_view const view{all};
  for (std::size_t begin = 0; begin < 9; ++begin) {
    for (std::size_t size = 0; begin + size <= 280; ++size) {
      auto const part = view.subspan(begin, size);
      if (hf::crc32c(part) != bit_by_bit(part)) {
        FAIL("begin " << begin << ", size " << size);
      }
    }
  }
  SUCCEED();
}

TEST_CASE("CRC32C goes on from what came before, wherever it was cut", "[checksum]") {
  auto const all = noise(97);
  hf::bytes_view const view{all};
  auto const whole = hf::crc32c(view);
  for (std::size_t cut = 0; cut <= all.size(); ++cut) {
    CHECK(hf::crc32c(view.subspan(cut), hf::crc32c(view.first(cut))) == whole);
  }
}

TEST_CASE("CRC32C can be computed by the compiler", "[checksum]") {
  constexpr std::byte digits[] = {std::byte{'1'}, std::byte{'2'}, std::byte{'3'},
                                  std::byte{'4'}, std::byte{'5'}, std::byte{'6'},
                                  std::byte{'7'}, std::byte{'8'}, std::byte{'9'}};
  static_assert(hf::crc32c(digits) == 0xe3069283);
  SUCCEED();
}

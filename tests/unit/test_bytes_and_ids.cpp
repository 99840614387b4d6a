// SPDX-License-Identifier: BSL-1.0
// Tests little-endian numbers in bytes, and the order and names of ids.
#include <array>
#include <cstdint>
#include <string>

#include "catch.hpp"
#include "holdfast/bytes.hpp"
#include "holdfast/guarantees.hpp"
#include "holdfast/ids.hpp"

TEST_CASE("numbers lie little-endian where they were put, and nowhere else", "[bytes]") {
  std::array<std::byte, 16> into{};
  hf::put_le(into, 3, std::uint64_t{0x0102030405060708});
  CHECK(into[2] == std::byte{0});
  CHECK(into[3] == std::byte{0x08});
  CHECK(into[10] == std::byte{0x01});
  CHECK(into[11] == std::byte{0});
  CHECK(hf::get_le<std::uint64_t>(into, 3) == 0x0102030405060708);
  CHECK(hf::get_le<std::uint32_t>(into, 3) == 0x05060708);
  CHECK(hf::get_le<std::uint16_t>(into, 9) == 0x0102);
}

TEST_CASE("the extremes of each width come back", "[bytes]") {
  std::array<std::byte, 8> into{};
  for (std::uint64_t const value : {~std::uint64_t{0}, std::uint64_t{1} << 63, std::uint64_t{0}}) {
    hf::put_le(into, 0, value);
    CHECK(hf::get_le<std::uint64_t>(into, 0) == value);
  }
  hf::put_le(into, 0, std::uint8_t{0xfe});
  CHECK(hf::get_le<std::uint8_t>(into, 0) == 0xfe);
}

TEST_CASE("versions compare by sequence first and then by nonce", "[ids]") {
  CHECK(hf::Version{1, 9} < hf::Version{2, 0});
  CHECK(hf::Version{2, 0} < hf::Version{2, 1});
  CHECK(hf::Version::none < hf::Version{1, 0});
  CHECK(hf::Version::none == hf::Version{});
}

TEST_CASE("a host name ends at its zero, or fills the array", "[ids]") {
  hf::Owner owner;
  CHECK(owner.host_name().empty());
  std::string const name = "builder-7";
  std::copy(name.begin(), name.end(), owner.host.begin());
  CHECK(owner.host_name() == name);
  owner.host.fill('h');
  CHECK(owner.host_name().size() == owner.host.size());
}

TEST_CASE("a composition promises what its weakest part does, each promise apart", "[guarantees]") {
  using hf::Lifetime, hf::Reach;
  hf::Guarantees const strong{true, true, true, Lifetime::disk, Reach::cluster};
  hf::Guarantees const other{true, false, true, Lifetime::boot, Reach::host};
  CHECK(hf::weaker(strong, strong) == strong);
  CHECK(hf::weaker(strong, other) == other);
  CHECK(hf::weaker(other, strong) == other);
  hf::Guarantees const undeclared = hf::guarantees_of<int>();
  CHECK(undeclared == hf::Guarantees{false, false, false, Lifetime::process, Reach::process});
}

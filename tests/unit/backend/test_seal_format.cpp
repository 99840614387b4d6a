// SPDX-License-Identifier: BSL-1.0
// What a SEAL's decoder accepts: its own encoding, and nothing else.
#include <random>

#include "catch.hpp"
#include "holdfast/backend/seal_format.hpp"
#include "scratch.hpp"

namespace {
hf::Seal sample() {
  return {.generation = {7},
          .parent = {3},
          .files = {{"a", 5, 0xdeadbeef}, {"b/", 0, {}}, {"b/c\nd", 1ull << 40, {}}}};
}

// Gives altered bytes a checksum that fits, as a writer of another format would.
hf::bytes resealed(hf::bytes content) {
  auto const end = content.size() - 4;
  hf::put_le(hf::bytes_span{content}, end, hf::crc32c(hf::bytes_view{content}.first(end)));
  return content;
}
}  // namespace

TEST_CASE("a seal reads back as it was written", "[backend][seal]") {
  auto const encoded = hf::detail::encode_seal(sample());
  auto const decoded = hf::detail::decode_seal(encoded, "SEAL");
  REQUIRE(decoded);
  CHECK(decoded.value() == sample());
  CHECK(decoded.value().find("b/c\nd")->size == 1ull << 40);
  CHECK(decoded.value().find("b/c") == nullptr);
}

TEST_CASE("a seal of what takes updates has a format of its own, and any other stays as it was",
          "[backend][seal][updates]") {
  auto seal = sample();
  auto const plain = hf::detail::encode_seal(seal);
  CHECK(hf::get_le<std::uint32_t>(plain, 8) == 1);
  seal.updates = true;
  auto const encoded = hf::detail::encode_seal(seal);
  CHECK(hf::get_le<std::uint32_t>(encoded, 8) == 2);
  auto const decoded = hf::detail::decode_seal(encoded, "SEAL");
  REQUIRE(decoded);
  CHECK(decoded.value() == seal);
  CHECK_FALSE(hf::detail::decode_seal(plain, "SEAL").value().updates);
}

TEST_CASE("every flipped bit and every shorter or longer seal is damaged", "[backend][seal]") {
  auto const good = hf::detail::encode_seal(sample());
  for (std::size_t bit = 0; bit < good.size() * 8; ++bit) {
    auto bad = good;
    bad[bit / 8] ^= std::byte{1} << (bit % 8);
    REQUIRE(scratch::code(hf::detail::decode_seal(bad, "SEAL")) == hf::errc::damaged);
  }
  for (std::size_t size = 0; size < good.size(); ++size) {
    auto const cut = hf::bytes_view{good}.first(size);
    REQUIRE(scratch::code(hf::detail::decode_seal(cut, "SEAL")) == hf::errc::damaged);
  }
  auto longer = good;
  longer.push_back(std::byte{0});
  CHECK(scratch::code(hf::detail::decode_seal(longer, "SEAL")) == hf::errc::damaged);
}

TEST_CASE("a seal of a newer format is told apart from a damaged one", "[backend][seal]") {
  auto newer = hf::detail::encode_seal(sample());
  hf::put_le(hf::bytes_span{newer}, 8, std::uint32_t{3});
  CHECK(scratch::code(hf::detail::decode_seal(newer, "SEAL")) == hf::errc::damaged);
  CHECK(scratch::code(hf::detail::decode_seal(resealed(newer), "SEAL")) == hf::errc::newer_format);
}

TEST_CASE("a seal with a fitting checksum and absurd content is damaged", "[backend][seal]") {
  auto const refuses = [](hf::Seal const& seal) {
    auto const decoded = hf::detail::decode_seal(hf::detail::encode_seal(seal), "SEAL");
    return scratch::code(decoded) == hf::errc::damaged;
  };
  CHECK(refuses({.generation = {1}, .parent = {}, .files = {{"../a", 1, {}}}}));
  CHECK(refuses({.generation = {1}, .parent = {}, .files = {{"/a", 1, {}}}}));
  CHECK(refuses({.generation = {1}, .parent = {}, .files = {{"", 1, {}}}}));
  CHECK(refuses({.generation = {1}, .parent = {}, .files = {{"b", 1, {}}, {"a", 1, {}}}}));
  CHECK(refuses({.generation = {1}, .parent = {}, .files = {{"a", 1, {}}, {"a", 1, {}}}}));
  auto counted = hf::detail::encode_seal(sample());
  hf::put_le(hf::bytes_span{counted}, 28, ~std::uint64_t{0});  // more names than there are bytes
  CHECK(scratch::code(hf::detail::decode_seal(resealed(counted), "SEAL")) == hf::errc::damaged);
}

TEST_CASE("any bytes are decoded to an end", "[backend][seal]") {
  std::mt19937 random{20240607};
  auto const good = hf::detail::encode_seal(sample());
  for (int run = 0; run < 20000; ++run) {
    auto bad = good;
    for (int change = 0; change < 3; ++change) {
      bad[random() % bad.size()] = static_cast<std::byte>(random());
    }
    bad.resize(random() % 4 == 0 ? 12 + random() % bad.size() : bad.size());
    bad = resealed(std::move(bad));
    auto const decoded = hf::detail::decode_seal(bad, "SEAL");
    // Whatever is accepted is the one encoding of what it says.
    if (decoded) REQUIRE(hf::detail::encode_seal(decoded.value()) == bad);
  }
}

TEST_CASE("relative names stay below their folder", "[backend][seal]") {
  for (auto const* good : {"a", "a/b", "..a", "a..", "...", " "}) {
    CHECK(hf::detail::is_relative_name(good));
  }
  for (auto const* bad : {"", "/", "/a", "a/", "a//b", ".", "..", "a/..", "../a", "a/./b"}) {
    CHECK_FALSE(hf::detail::is_relative_name(bad));
  }
  CHECK_FALSE(hf::detail::is_relative_name(std::string_view{"a\0b", 3}));
}

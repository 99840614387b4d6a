// SPDX-License-Identifier: BSL-1.0
// Tests which record of a ring counts, whatever a crash or a person left in its slots.
#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "catch.hpp"
#include "holdfast/detail/ring.hpp"

namespace {
namespace ring = hf::detail::ring;
using hf::BootId, hf::Version;

BootId boot(std::uint8_t n) {
  BootId id;
  id.id.fill(n);
  return id;
}
constexpr std::uint64_t nonce_of(std::uint64_t sequence) {
  return sequence * 1000 + 7;
}
constexpr Version version(std::uint64_t sequence) {
  return {sequence, nonce_of(sequence)};
}

// A ring as a writer of boot 1 leaves it.
struct Ring {
  hf::bytes all = hf::bytes(ring::slots * ring::slot_size);

  std::span<std::byte, ring::slot_size> slot(std::uint64_t sequence) {
    return std::span<std::byte, ring::slot_size>{
        all.data() + sequence % ring::slots * ring::slot_size, ring::slot_size};
  }
  Ring& put(std::uint64_t sequence, std::uint64_t confirmed, std::uint8_t by = 1) {
    text = "value " + std::to_string(sequence);
    ring::encode({version(sequence), confirmed, boot(by), hf::as_bytes(text)}, slot(sequence));
    return *this;
  }
  Ring& put_up_to(std::uint64_t last) {
    for (std::uint64_t s = 1; s <= last; ++s) put(s, s - 1);
    return *this;
  }
  ring::Scan scan(std::optional<ring::Hint> hint = {},
                  std::uint8_t now = 1,
                  Version known = {}) const {
    return ring::scan(all, hint, boot(now), known);
  }
  std::string text;
};

std::uint64_t confirmed(ring::Scan const& scan) {
  return scan.confirmed ? scan.confirmed->version.sequence : 0;
}
std::uint64_t newest(ring::Scan const& scan) {
  return scan.newest ? scan.newest->version.sequence : 0;
}
}  // namespace

TEST_CASE("a slot gives back what was put in it, up to the largest value", "[ring]") {
  for (std::size_t const size : {std::size_t{0}, std::size_t{1}, ring::max_value}) {
    std::string const value(size, 'v');
    std::array<std::byte, ring::slot_size> slot;
    slot.fill(std::byte{0xee});
    ring::encode({{5, 6}, 4, boot(9), hf::as_bytes(value)}, slot);
    ring::Record read;
    REQUIRE(ring::decode(slot, read) == ring::Slot::valid);
    CHECK(read.version == Version{5, 6});
    CHECK(read.confirmed == 4);
    CHECK(read.boot == boot(9));
    CHECK(hf::as_text(read.value) == value);
  }
}

TEST_CASE("a slot with any bit changed is not valid", "[ring]") {
  std::array<std::byte, ring::slot_size> slot;
  std::string const value = "forty-two";
  ring::encode({{5, 6}, 4, boot(9), hf::as_bytes(value)}, slot);
  ring::Record read;
  for (std::size_t at = 0; at < ring::header_size + value.size(); ++at) {
    if (at >= 60 && at < ring::header_size) continue;  // beyond the header's last field
    for (int bit = 0; bit < 8; ++bit) {
      auto changed = slot;
      changed[at] ^= std::byte{static_cast<unsigned char>(1 << bit)};
      INFO("byte " << at << ", bit " << bit);
      CHECK(ring::decode(changed, read) == ring::Slot::bad);
    }
  }
}

TEST_CASE("a slot torn anywhere between two records is neither of them", "[ring]") {
  std::array<std::byte, ring::slot_size> older, newer;
  std::string const long_value(3000, 'a'), short_value = "bb";
  for (auto const& [before, after] :
       {std::pair{long_value, short_value}, std::pair{short_value, long_value}}) {
    ring::encode({{3, 1}, 2, boot(1), hf::as_bytes(before)}, older);
    ring::encode({{19, 2}, 18, boot(1), hf::as_bytes(after)}, newer);
    auto const meaningful = ring::header_size + std::max(before.size(), after.size());
    for (std::size_t cut = 1; cut < meaningful; ++cut) {
      auto torn = older;
      std::copy(newer.begin(), newer.begin() + static_cast<std::ptrdiff_t>(cut), torn.begin());
      ring::Record read;
      if (ring::decode(torn, read) != ring::Slot::valid) continue;
      bool const whole = (read.version.sequence == 3 && hf::as_text(read.value) == before) ||
                         (read.version.sequence == 19 && hf::as_text(read.value) == after);
      if (!whole) FAIL("torn at " << cut);
    }
  }
  SUCCEED();
}

TEST_CASE("a slot cut short, a length beyond the slot and a newer format are told apart",
          "[ring]") {
  std::array<std::byte, ring::slot_size> slot{};
  ring::Record read;
  CHECK(ring::decode(slot, read) == ring::Slot::empty);
  ring::encode({{1, 1}, 0, boot(1), {}}, slot);
  CHECK(ring::decode(hf::bytes_view{slot}.first(ring::slot_size - 1), read) == ring::Slot::bad);
  auto later = slot;
  hf::put_le(later, ring::at::form, ring::format + 1);
  hf::put_le(later, ring::at::crc, ring::crc_of(later, 0));
  CHECK(ring::decode(later, read) == ring::Slot::newer);
  auto longer = slot;
  hf::put_le(longer, ring::at::length, static_cast<std::uint32_t>(ring::max_value + 1));
  CHECK(ring::decode(longer, read) == ring::Slot::bad);
  hf::put_le(longer, ring::at::length, ~std::uint32_t{0});
  CHECK(ring::decode(longer, read) == ring::Slot::bad);
}

TEST_CASE("the newest record counts only once something says that it is durable", "[ring]") {
  Ring r;
  r.put_up_to(5);
  CHECK(newest(r.scan()) == 5);
  CHECK(confirmed(r.scan()) == 4);
  CHECK(confirmed(r.scan(ring::Hint{version(5), boot(1)})) == 5);
  CHECK(confirmed(r.scan({}, 1, version(5))) == 5);
  CHECK(confirmed(r.scan({}, 2)) == 5);  // another boot wrote it: it came from the disk
}

TEST_CASE("a hint of another boot confirms nothing by itself", "[ring]") {
  Ring r;
  r.put_up_to(4).put(5, 4);
  CHECK(confirmed(r.scan(ring::Hint{version(5), boot(3)})) == 4);
}

TEST_CASE("a record alone in its ring counts for nothing until it is confirmed", "[ring]") {
  Ring r;
  r.put(1, 0);
  CHECK(newest(r.scan()) == 1);
  CHECK(!r.scan().confirmed);
  CHECK(confirmed(r.scan(ring::Hint{version(1), boot(1)})) == 1);
}

TEST_CASE("the ring wraps: the highest sequence counts, wherever it lies", "[ring]") {
  Ring r;
  for (std::uint64_t last = 1; last <= 40; ++last) {
    r.put(last, last - 1);
    CHECK(newest(r.scan()) == last);
    CHECK(confirmed(r.scan()) == last - 1);
  }
}

TEST_CASE("a torn newest record leaves the one before it", "[ring]") {
  Ring r;
  r.put_up_to(20);
  r.slot(20)[70] ^= std::byte{1};
  CHECK(newest(r.scan()) == 19);
  CHECK(confirmed(r.scan()) == 18);
  CHECK(confirmed(r.scan(ring::Hint{version(19), boot(1)})) == 19);
}

TEST_CASE("records after a failed sync name the last one that was durable", "[ring]") {
  Ring r;
  r.put_up_to(8).put(9, 7).put(10, 7);
  CHECK(newest(r.scan()) == 10);
  CHECK(confirmed(r.scan()) == 7);
}

TEST_CASE("a record in a slot that is not its own does not count", "[ring]") {
  Ring r;
  r.put_up_to(3);
  std::copy(r.slot(3).begin(), r.slot(3).end(), r.slot(7).begin());
  r.slot(3)[0] ^= std::byte{1};
  CHECK(newest(r.scan()) == 2);
}

TEST_CASE("a ring older than what its hint names is stale", "[ring]") {
  Ring r;
  r.put_up_to(6);
  CHECK(!r.scan(ring::Hint{version(6), boot(1)}).stale);
  CHECK(!r.scan(ring::Hint{version(5), boot(1)}).stale);
  CHECK(r.scan(ring::Hint{version(7), boot(1)}).stale);
  CHECK(r.scan(ring::Hint{version(7), boot(2)}).stale);  // also from a boot before this one
  CHECK(r.scan(ring::Hint{{6, 1234}, boot(1)}).stale);   // another history of the same length
  CHECK(Ring{}.scan(ring::Hint{version(1), boot(1)}).stale);
}

TEST_CASE("a newer format anywhere in the ring is told", "[ring]") {
  Ring r;
  r.put_up_to(3);
  CHECK(!r.scan().newer_format);
  auto slot = r.slot(4);
  ring::encode({version(4), 3, boot(1), {}}, slot);
  hf::put_le(slot, ring::at::form, ring::format + 1);
  hf::put_le(slot, ring::at::crc, ring::crc_of(slot, 0));
  CHECK(r.scan().newer_format);
}

TEST_CASE("a ring of any length is scanned, as far as it goes", "[ring]") {
  Ring r;
  r.put_up_to(5);
  hf::bytes_view const all{r.all};
  for (std::size_t size = 0; size <= all.size(); size += 512) {
    auto const scan = ring::scan(all.first(size), {}, boot(1), {});
    auto const whole = size / ring::slot_size;
    CHECK(newest(scan) == (whole <= 1 ? 0 : std::min<std::size_t>(whole - 1, 5)));
  }
}

TEST_CASE("a hint is read back, and any bit changed in it makes it none", "[ring]") {
  auto const hint = ring::encode(ring::Hint{{8, 9}, boot(3)});
  auto const read = ring::decode_hint(hint);
  REQUIRE(read);
  CHECK(read->version == Version{8, 9});
  CHECK(read->boot == boot(3));
  for (std::size_t at = 0; at < ring::at::crc + 4; ++at) {
    auto changed = hint;
    changed[at] ^= std::byte{4};
    CHECK(!ring::decode_hint(changed));
  }
  CHECK(!ring::decode_hint({}));
  CHECK(!ring::decode_hint(hf::bytes_view{hint}.first(hint.size() - 1)));
}

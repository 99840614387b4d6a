// SPDX-License-Identifier: BSL-1.0
// Fuzzes the slots of a register's ring and what a scan of them tells.
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "fuzz.hpp"
#include "holdfast/detail/ring.hpp"

namespace {
namespace ring = hf::detail::ring;
using Slot = std::array<std::byte, ring::slot_size>;

bool same(ring::Record const& a, ring::Record const& b) {
  return a.version == b.version && a.confirmed == b.confirmed && a.boot == b.boot &&
         std::ranges::equal(a.value, b.value);
}

// What was decoded is encoded the same: every byte that the checksum covers.
void check_canonical(hf::bytes_view slot, ring::Record const& record) {
  Slot again;
  ring::encode(record, again);
  ring::Record twice;
  fuzz::check(ring::decode(again, twice) == ring::Slot::valid, "an encoded slot is valid");
  fuzz::check(same(record, twice), "decode(encode(x)) = x");
  if (hf::get_le<std::uint32_t>(slot, ring::at::form) != ring::format) return;
  auto const covered = ring::header_size + record.value.size();
  fuzz::check(std::equal(slot.begin(), slot.begin() + ring::at::crc + 4, again.begin()) &&
                  std::equal(slot.begin() + ring::header_size,
                             slot.begin() + static_cast<std::ptrdiff_t>(covered),
                             again.begin() + ring::header_size),
              "encode(decode(x)) = x");
}

// Bytes as they are, in a slot; every other time with a checksum that fits.
void any_slot(fuzz::Input& in) {
  Slot slot{};
  bool const fits = in.coin();
  auto const got = in.bytes(slot.size());
  std::copy(got.begin(), got.end(), slot.begin());
  if (fits) {
    hf::put_le(slot, ring::at::magic, ring::record_magic);
    auto const length = hf::get_le<std::uint32_t>(slot, ring::at::length) % (ring::max_value + 1);
    hf::put_le(slot, ring::at::length, static_cast<std::uint32_t>(length));
    hf::put_le(slot, ring::at::crc, ring::crc_of(slot, length));
  }
  ring::Record record;
  auto const what = ring::decode(slot, record);
  if (what == ring::Slot::valid) check_canonical(slot, record);
  fuzz::check(!fits || what == ring::Slot::valid || what == ring::Slot::newer,
              "a slot with its checksum is read");
  ring::Record cut;
  auto const shorter = hf::bytes_view{slot}.first(got.size() % slot.size());
  fuzz::check(ring::decode(shorter, cut) == ring::Slot::bad, "a shortened slot is bad");
}

struct Written {
  std::vector<std::byte> all = std::vector<std::byte>(ring::slots * ring::slot_size);
  std::vector<ring::Record> records{};
};

// A ring of whole records, some of which are then damaged.
Written written(fuzz::Input& in, std::array<hf::BootId, 2> const& boots) {
  Written out;
  for (auto left = in.number<std::uint8_t>() % 20u; left > 0 && !in.empty(); --left) {
    ring::Record record{{in.any(), in.any()}, in.any(), boots[in.coin() ? 1 : 0], in.bytes(9)};
    auto const at = static_cast<std::size_t>(ring::offset_of(record.version.sequence));
    ring::encode(record,
                 std::span<std::byte, ring::slot_size>{out.all.data() + at, ring::slot_size});
    out.records.push_back(record);
  }
  for (auto left = in.number<std::uint8_t>() % 4u; left > 0; --left) {
    out.all[in.number<std::uint16_t>()] ^= std::byte{in.number<std::uint8_t>()};
  }
  return out;
}

void any_ring(fuzz::Input& in) {
  std::array<hf::BootId, 2> boots{};
  boots[1].id[0] = 1;
  auto const ring_of = written(in, boots);
  std::optional<ring::Hint> hint;
  if (in.coin()) hint = ring::Hint{{in.any(), in.any()}, boots[in.coin() ? 1 : 0]};
  hf::Version const known{in.coin() ? in.any() : 0, 0};
  auto const size = in.coin() ? ring_of.all.size() : in.number<std::uint16_t>();
  auto const found = ring::scan(hf::bytes_view{ring_of.all}.first(size), hint, boots[0], known);

  auto const was_written = [&](ring::Record const& record) {
    return std::any_of(ring_of.records.begin(), ring_of.records.end(),
                       [&](ring::Record const& one) { return same(one, record); });
  };
  fuzz::check(!found.newest || was_written(*found.newest), "the newest record was written");
  fuzz::check(!found.confirmed || was_written(*found.confirmed), "the confirmed one was written");
  fuzz::check(
      !found.confirmed || found.confirmed->version.sequence <= found.newest->version.sequence,
      "no confirmed record is newer than the newest");
  bool const lost =
      hint && (!found.newest || found.newest->version.sequence < hint->version.sequence);
  fuzz::check(!lost || found.stale, "a ring that misses what the hint names is stale");
}
}  // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  fuzz::Input in{data, size};
  if (in.coin()) {
    any_slot(in);
  } else {
    any_ring(in);
  }
  return 0;
}

// SPDX-License-Identifier: BSL-1.0
// Fuzzes the slots of a lock file: the epoch, and who holds.
#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "fuzz.hpp"
#include "holdfast/detail/lock_record.hpp"

namespace {
namespace record = hf::detail::lock_record;

bool same(record::Last const& a, record::Last const& b) {
  return a.token == b.token && a.holder == b.holder;
}

void check_epoch(record::Epoch const& epoch) {
  auto const again = record::decode_epoch(record::encode(epoch));
  fuzz::check(again && again->number == epoch.number && again->boot == epoch.boot,
              "decode(encode(epoch)) = epoch");
}
void check_last(record::Last const& last) {
  auto const again = record::decode_last(record::encode(last));
  fuzz::check(again && same(*again, last), "decode(encode(last)) = last");
}

void any_slot(fuzz::Input& in) {
  record::Slot slot{};
  bool const fits = in.coin();
  auto const got = in.bytes(slot.size());
  std::copy(got.begin(), got.end(), slot.begin());
  if (fits) {
    hf::put_le(slot, record::at::magic, record::magic);
    hf::put_le(slot, record::at::crc, hf::crc32c(hf::bytes_view{slot}.subspan(record::at::number)));
  }
  fuzz::check(!fits || record::whole(slot), "a slot with its checksum is whole");
  if (auto const epoch = record::decode_epoch(slot)) check_epoch(*epoch);
  if (auto const last = record::decode_last(slot)) check_last(*last);
  auto const shorter = hf::bytes_view{slot}.first(got.size() % slot.size());
  fuzz::check(!record::decode_last(shorter) && !record::newer(shorter), "a shortened slot is none");
}

void any_record(fuzz::Input& in) {
  record::Epoch epoch{in.any(), {}};
  in.fill(epoch.boot.id);
  check_epoch(epoch);
  record::Last last{{in.any()}, {}};
  if (in.coin()) {
    last.holder = hf::Holder{fuzz::owner(in), last.token, static_cast<std::int64_t>(in.any())};
  }
  check_last(last);
  auto slot = record::encode(last);
  auto const bit = in.number<std::uint16_t>() % (slot.size() * 8);
  slot[bit / 8] ^= std::byte{1} << (bit % 8);
  bool const in_format = bit / 8 >= record::at::form && bit / 8 < record::at::form + 8;
  bool const between = bit / 8 >= record::at::crc + 4 && bit / 8 < record::at::number;
  fuzz::check(in_format || between || !record::decode_last(slot), "a flipped bit is seen");
}
}  // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  fuzz::Input in{data, size};
  if (in.coin()) {
    any_slot(in);
  } else {
    any_record(in);
  }
  return 0;
}

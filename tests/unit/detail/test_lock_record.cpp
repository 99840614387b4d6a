// SPDX-License-Identifier: BSL-1.0
// Tests the slots of a lock file: what is written is read back, and nothing torn names anybody.
#include <algorithm>
#include <cstdint>
#include <string_view>

#include "catch.hpp"
#include "holdfast/detail/lock_record.hpp"

namespace {
namespace record = hf::detail::lock_record;

hf::Holder a_holder() {
  hf::Holder holder;
  std::string_view const host = "builder-7";
  std::copy(host.begin(), host.end(), holder.owner.host.begin());
  holder.owner.boot.id.fill(0xab);
  holder.owner.pid = 4711;
  holder.owner.start_time = 12;
  holder.owner.nonce = 13;
  holder.token = {(std::uint64_t{2} << 32) + 3};
  holder.acquired_at_ns = -5;
  return holder;
}
}  // namespace

TEST_CASE("an epoch is read back", "[lock]") {
  record::Epoch epoch{~std::uint64_t{0}, {}};
  epoch.boot.id.fill(0xcd);
  auto const read = record::decode_epoch(record::encode(epoch));
  REQUIRE(read);
  CHECK(read->number == epoch.number);
  CHECK(read->boot == epoch.boot);
}

TEST_CASE("a holder is read back, and so is that there is none", "[lock]") {
  auto const holder = a_holder();
  auto const held = record::decode_last(record::encode(record::Last{holder.token, holder}));
  REQUIRE(held);
  CHECK(held->token == holder.token);
  CHECK(held->holder == holder);
  auto const free = record::decode_last(record::encode(record::Last{holder.token, {}}));
  REQUIRE(free);
  CHECK(free->token == holder.token);
  CHECK(!free->holder);
}

TEST_CASE("a host name of every length that fits is read back", "[lock]") {
  auto holder = a_holder();
  holder.owner.host.fill('h');
  auto const read = record::decode_last(record::encode(record::Last{holder.token, holder}));
  REQUIRE(read);
  CHECK(read->holder == holder);
}

TEST_CASE("a slot with any byte changed, or cut short, names nobody", "[lock]") {
  auto const holder = a_holder();
  auto const slot = record::encode(record::Last{holder.token, holder});
  for (std::size_t at = 0; at < slot.size(); ++at) {
    if (at >= 8 && at < 16) continue;   // the format, which is judged apart
    if (at >= 20 && at < 24) continue;  // between two fields
    auto changed = slot;
    changed[at] ^= std::byte{0x20};
    INFO(at);
    CHECK(!record::decode_last(changed));
  }
  CHECK(!record::decode_last(hf::bytes_view{slot}.first(slot.size() - 1)));
  CHECK(!record::decode_last(record::Slot{}));
  CHECK(!record::decode_epoch(record::Slot{}));
}

TEST_CASE("a slot torn between two holders names neither", "[lock]") {
  auto const before = record::encode(record::Last{a_holder().token, a_holder()});
  auto next = a_holder();
  next.owner.pid = 815;
  next.token.number += 1;
  auto const after = record::encode(record::Last{next.token, next});
  for (std::size_t cut = 0; cut <= after.size(); ++cut) {
    auto torn = before;
    std::copy(after.begin(), after.begin() + static_cast<std::ptrdiff_t>(cut), torn.begin());
    auto const read = record::decode_last(torn);
    if (!read) continue;
    CHECK((read->holder == a_holder() || read->holder == next));
  }
}

TEST_CASE("a whole slot of a newer format is told", "[lock]") {
  auto slot = record::encode(record::Epoch{4, {}});
  CHECK(!record::newer(slot));
  hf::put_le(slot, record::at::form, record::format + 1);
  CHECK(record::newer(slot));
  slot[record::at::number] ^= std::byte{1};
  CHECK(!record::newer(slot));
}

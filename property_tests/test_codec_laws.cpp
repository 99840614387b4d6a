// SPDX-License-Identifier: BSL-1.0
// Checks the laws of codecs on what the library writes itself: SEAL files, manifests, the slots of
// a register, its hint, the slots of a lock file.
//
// Slots and hints have a fixed size, and what a slot has no use for is not looked at: a value has
// one encoding, but other bytes may be read as it too. So HF-CODEC-003 is asked of SEAL and
// manifest alone, whose decoders promise it.
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "allocated.hpp"
#include "catch.hpp"
#include "holdfast/backend/seal_format.hpp"
#include "holdfast/checksum.hpp"
#include "holdfast/detail/lock_record.hpp"
#include "holdfast/detail/manifest.hpp"
#include "holdfast/detail/manifest_text.hpp"
#include "holdfast/detail/ring.hpp"
#include "holdfast/testing/codec_subject.hpp"

namespace {
namespace laws = hf::testing::laws;
namespace manifest = hf::detail::manifest;
namespace ring = hf::detail::ring;
namespace lock_record = hf::detail::lock_record;
using hf::bytes, hf::bytes_view, hf::testing::disk::Dice;

struct Counted {
  [[nodiscard]] std::size_t allocated() const noexcept { return crash::allocated_bytes; }
};

// Mostly small, now and then of any size.
std::uint64_t number(Dice& dice) {
  return dice.below(4) == 0 ? dice() : dice.below(100);
}
std::string text(Dice& dice, std::size_t most, std::string_view of = {}) {
  std::string out(static_cast<std::size_t>(dice.below(most + 1)), 'x');
  for (auto& c : out) {
    c = of.empty() ? static_cast<char>(dice())
                   : of[static_cast<std::size_t>(dice.below(of.size()))];
  }
  return out;
}
void fill(auto& all, Dice& dice) {
  for (auto& one : all) one = static_cast<std::uint8_t>(dice());
}
hf::Owner owner(Dice& dice) {
  hf::Owner all;
  auto const host = text(dice, 63, "abc.-09");
  std::copy(host.begin(), host.end(), all.host.begin());
  fill(all.boot.id, dice);
  std::tie(all.pid, all.start_time, all.nonce) = std::tuple{number(dice), number(dice), dice()};
  return all;
}

struct SealCodec : Counted {
  [[nodiscard]] hf::Seal value(Dice& dice) const {
    hf::Seal seal{{number(dice)}, {number(dice)}, {}};
    for (auto left = dice.below(12); left > 0; --left) {
      hf::SealedFile file{"f" + text(dice, 20), number(dice), {}};
      std::erase_if(file.name, [](char c) { return c == '\0' || c == '/' || c == '.'; });
      if (dice.below(3) == 0) file.name = "folder/" + file.name;
      if (dice.below(4) == 0) file.name += '/';
      if (dice.below(2) == 0) file.digest = static_cast<std::uint32_t>(dice());
      if (seal.find(file.name) != nullptr) continue;
      seal.files.push_back(std::move(file));
      std::sort(seal.files.begin(), seal.files.end(),
                [](auto const& a, auto const& b) { return a.name < b.name; });
    }
    return seal;
  }
  [[nodiscard]] bytes encode(hf::Seal const& seal) const { return hf::detail::encode_seal(seal); }
  [[nodiscard]] auto decode(bytes_view from) const { return hf::detail::decode_seal(from, "SEAL"); }
  [[nodiscard]] bytes resealed(bytes from) const {
    if (from.size() < 4) return from;
    auto const end = from.size() - 4;
    hf::put_le(from, end, hf::crc32c(bytes_view{from}.first(end)));
    return from;
  }
};

// What some builds, commits, reverts and holds make of a home.
struct ManifestCodec : Counted {
  [[nodiscard]] hf::Manifest value(Dice& dice) const {
    hf::Manifest m;
    fill(m.home, dice);
    for (auto left = 1 + dice.below(3); left > 0; --left) m.part_names.push_back(text(dice, 12));
    for (auto left = dice.below(12); left > 0; --left) step(m, dice);
    if (dice.below(4) == 0) m.hold = text(dice, manifest::max_reason);
    return m;
  }
  [[nodiscard]] bytes encode(hf::Manifest const& m) const {
    auto const text = manifest::encode(m);
    auto const all = hf::as_bytes(text);
    return {all.begin(), all.end()};
  }
  [[nodiscard]] auto decode(bytes_view from) const { return manifest::decode(hf::as_text(from)); }

 private:
  static void step(hf::Manifest& m, Dice& dice) {
    auto const what = dice.below(5);
    if (what == 0 && m.attempt) m = manifest::end(m);
    if (what == 1 && !m.retained.empty()) {
      m = manifest::revert(m, m.retained.back().generation, dice()).value();
    }
    if (m.attempt && what > 2) return commit(m, dice);
    if (m.attempt) return;
    auto const begun = manifest::begin(m, {m.fence.number + dice.below(9)}, owner(dice), dice());
    if (begun) m = begun.value();
  }
  static void commit(hf::Manifest& m, Dice& dice) {
    hf::Marks marks;
    for (auto left = dice.below(3); left > 0; --left) marks[text(dice, 9)] = number(dice);
    std::vector<bool> carries(m.part_names.size());
    for (std::size_t i = 0; i + 1 < carries.size(); ++i) carries[i] = dice.below(4) == 0;
    auto parts =
        manifest::parts_of_build(m.attempt->generation, manifest::find(m, m.current), carries);
    auto const now_ms = static_cast<std::int64_t>(number(dice) >> 1);
    m = manifest::commit(m, std::move(marks), std::move(parts), {1 + dice.below(4)}, now_ms);
  }
};

struct SlotCodec : Counted {
  struct Value {
    hf::Version version;
    std::uint64_t confirmed = 0;
    hf::BootId boot;
    bytes content;
    friend bool operator==(Value const&, Value const&) = default;
  };
  [[nodiscard]] Value value(Dice& dice) const {
    Value one{{number(dice), dice()}, number(dice), {}, {}};
    fill(one.boot.id, dice);
    one.content.resize(static_cast<std::size_t>(dice.below(8) == 0 ? ring::max_value
                                                                   : dice.below(ring::max_value)));
    for (auto& byte : one.content) byte = static_cast<std::byte>(dice());
    return one;
  }
  [[nodiscard]] bytes encode(Value const& one) const {
    bytes out(ring::slot_size);
    ring::encode({one.version, one.confirmed, one.boot, one.content},
                 std::span<std::byte, ring::slot_size>{out});
    return out;
  }
  [[nodiscard]] std::optional<Value> decode(bytes_view from) const {
    ring::Record one;
    if (ring::decode(from, one) != ring::Slot::valid) return {};
    return Value{one.version, one.confirmed, one.boot, {one.value.begin(), one.value.end()}};
  }
  [[nodiscard]] bytes resealed(bytes from) const {
    if (from.size() < ring::slot_size) return from;
    auto const length = hf::get_le<std::uint32_t>(from, ring::at::length);
    if (length > ring::max_value) return from;
    hf::put_le(from, ring::at::crc, ring::crc_of(from, length));
    return from;
  }
};

struct HintCodec : Counted {
  using Value = std::pair<hf::Version, hf::BootId>;
  [[nodiscard]] Value value(Dice& dice) const {
    Value one{{number(dice), dice()}, {}};
    fill(one.second.id, dice);
    return one;
  }
  [[nodiscard]] bytes encode(Value const& one) const {
    auto const all = ring::encode(ring::Hint{one.first, one.second});
    return {all.begin(), all.end()};
  }
  [[nodiscard]] std::optional<Value> decode(bytes_view from) const {
    auto const hint = ring::decode_hint(from);
    if (!hint) return {};
    return Value{hint->version, hint->boot};
  }
  [[nodiscard]] bytes resealed(bytes from) const {
    if (from.size() < ring::hint_size) return from;
    hf::put_le(from, ring::at::crc, hf::crc32c(bytes_view{from}.first(ring::at::crc)));
    return from;
  }
};

bytes resealed_lock_slot(bytes from) {
  if (from.size() < lock_record::slot_size) return from;
  lock_record::Slot slot;
  std::copy_n(from.begin(), slot.size(), slot.begin());
  lock_record::finish(slot);
  std::copy(slot.begin(), slot.end(), from.begin());
  return from;
}

struct EpochCodec : Counted {
  using Value = std::pair<std::uint64_t, hf::BootId>;
  [[nodiscard]] Value value(Dice& dice) const {
    Value one{number(dice), {}};
    fill(one.second.id, dice);
    return one;
  }
  [[nodiscard]] bytes encode(Value const& one) const {
    auto const all = lock_record::encode(lock_record::Epoch{one.first, one.second});
    return {all.begin(), all.end()};
  }
  [[nodiscard]] std::optional<Value> decode(bytes_view from) const {
    auto const epoch = lock_record::decode_epoch(from);
    if (!epoch) return {};
    return Value{epoch->number, epoch->boot};
  }
  [[nodiscard]] bytes resealed(bytes from) const { return resealed_lock_slot(std::move(from)); }
};

struct HolderCodec : Counted {
  using Value = std::pair<hf::FencingToken, std::optional<hf::Holder>>;
  [[nodiscard]] Value value(Dice& dice) const {
    Value one{{number(dice)}, {}};
    if (dice.below(3) != 0) {
      one.second = hf::Holder{owner(dice), one.first, static_cast<std::int64_t>(dice())};
    }
    return one;
  }
  [[nodiscard]] bytes encode(Value const& one) const {
    auto const all = lock_record::encode(lock_record::Last{one.first, one.second});
    return {all.begin(), all.end()};
  }
  [[nodiscard]] std::optional<Value> decode(bytes_view from) const {
    auto const last = lock_record::decode_last(from);
    if (!last) return {};
    return Value{last->token, last->holder};
  }
  [[nodiscard]] bytes resealed(bytes from) const { return resealed_lock_slot(std::move(from)); }
};

template <class Codec>
void keeps(char const* name, Codec const& codec, bool canonical) {
  INFO(name);
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    CAPTURE(seed);
    auto const holds = [](hf::testing::Verdict const& broken) {
      return broken ? broken->expected + " / " + broken->seen : std::string{};
    };
    REQUIRE(holds(laws::encoded_decodes(codec, seed)) == "");
    REQUIRE(holds(laws::decoding_is_bounded(codec, seed)) == "");
    if (canonical) REQUIRE(holds(laws::encoding_is_canonical(codec, seed)) == "");
  }
}
}  // namespace

TEST_CASE("SEAL and manifest keep the laws of codecs", "[codec]") {
  keeps("SEAL", SealCodec{}, true);
  keeps("manifest", ManifestCodec{}, true);
}

TEST_CASE("the slots of a register and its hint keep the laws of codecs that they promise",
          "[codec]") {
  keeps("slot", SlotCodec{}, false);
  keeps("hint", HintCodec{}, false);
}

TEST_CASE("the slots of a lock file keep the laws of codecs that they promise", "[codec]") {
  keeps("epoch", EpochCodec{}, false);
  keeps("holder", HolderCodec{}, false);
}

TEST_CASE("a codec of the library that forgets what it wrote is found", "[codec][mutant]") {
  struct Forgets : SealCodec {
    [[nodiscard]] hf::result<hf::Seal> decode(bytes_view from) const {
      HOLDFAST_TRY(seal, SealCodec::decode(from));
      if (!seal.files.empty()) seal.files.back().digest.reset();
      return std::move(seal);
    }
  };
  CHECK(laws::encoded_decodes(Forgets{}, 1));
  CHECK(laws::encoding_is_canonical(Forgets{}, 1));
}

// SPDX-License-Identifier: BSL-1.0
// Mutants for the laws of codecs: a list of numbers behind its length, misread in one way each.
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "holdfast/bytes.hpp"
#include "holdfast/testing/codec_subject.hpp"
#include "holdfast/testing/disk/hash.hpp"
#include "mutant.hpp"

namespace mutants {
namespace {
enum class Slip : std::uint8_t { none, drops_the_last, trusts_the_length, ignores_the_rest };

struct Numbers {
  Slip slip = Slip::none;
  using Value = std::vector<std::uint32_t>;

  [[nodiscard]] Value value(hf::testing::disk::Dice& dice) const {
    Value value(dice.below(20));
    for (auto& number : value) number = static_cast<std::uint32_t>(dice());
    return value;
  }
  [[nodiscard]] hf::bytes encode(Value const& value) const {
    hf::bytes out(4 + 4 * value.size());
    hf::put_le(out, 0, static_cast<std::uint32_t>(value.size()));
    for (std::size_t i = 0; i < value.size(); ++i) hf::put_le(out, 4 + 4 * i, value[i]);
    return out;
  }
  [[nodiscard]] std::optional<Value> decode(hf::bytes_view from) const {
    if (from.size() < 4) return {};
    auto const count = hf::get_le<std::uint32_t>(from, 0);
    auto const held = (from.size() - 4) / 4;
    Value value;
    if (slip == Slip::trusts_the_length) value.reserve(count & 0xffffff);
    bool const exact = from.size() == 4 + 4 * std::size_t{count};
    if (slip == Slip::ignores_the_rest ? held < count : !exact) return {};
    auto const last = slip == Slip::drops_the_last && count > 9 ? count - 1 : count;
    for (std::size_t i = 0; i < last; ++i)
      value.push_back(hf::get_le<std::uint32_t>(from, 4 + 4 * i));
    return value;
  }
  [[nodiscard]] std::size_t allocated() const noexcept { return mutants::allocated(); }
};
Mutant one(hf::testing::Law const& law, char const* name, Slip slip) {
  return {law.id, name, hf::testing::codec_subject("mutant", Numbers{slip}),
          hf::testing::codec_subject("a list of numbers", Numbers{})};
}
}  // namespace

Mutants of_codecs() {
  using namespace hf::testing::laws;  // NOLINT(google-build-using-namespace)
  return {one(codec_round, "the last of ten is dropped", Slip::drops_the_last),
          one(codec_bounded, "memory by an unchecked length", Slip::trusts_the_length),
          one(codec_canonical, "trailing bytes ignored", Slip::ignores_the_rest)};
}
}  // namespace mutants

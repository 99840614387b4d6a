// SPDX-License-Identifier: BSL-1.0
// The laws of codecs, and the subject that they are checked on.
//
// A `Codec` is copyable and has
//   value(dice)      -> some value, from any corner of what can be encoded
//   encode(value)    -> bytes
//   decode(bytes_view) -> result<value> or std::optional<value>, compared by ==
//   allocated()      -> optional: bytes asked of the allocator so far, by this thread
//   resealed(bytes)  -> optional: the bytes with whatever checksums they carry put right
#ifndef HOLDFAST_TESTING_CODEC_SUBJECT_HPP
#define HOLDFAST_TESTING_CODEC_SUBJECT_HPP

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

#include "holdfast/bytes.hpp"
#include "holdfast/config.hpp"
#include "holdfast/testing/disk/hash.hpp"
#include "holdfast/testing/laws.hpp"
#include "holdfast/testing/subject.hpp"

HOLDFAST_BEGIN

namespace testing::laws {
inline constexpr Law codec_round{"HF-CODEC-001", "What was encoded decodes to the same value.",
                                 "decode(encode x) = x"};
inline constexpr Law codec_bounded{
    "HF-CODEC-002",
    "Decoding any bytes ends, in an answer or an error, in memory of the order of their size.",
    "bounded"};
inline constexpr Law codec_canonical{"HF-CODEC-003",
                                     "Only one text of bytes decodes to a value: its encoding.",
                                     "canonical",
                                     {"HF-CODEC-001"}};

/// What may be asked of the allocator to decode `size` bytes.
[[nodiscard]] constexpr std::size_t fair_memory(std::size_t size) noexcept {
  return 64 * size + 65536;
}

template <class Decoded>
[[nodiscard]] auto const& value_in(Decoded const& decoded) {
  if constexpr (requires { decoded.assume_value(); }) {
    return decoded.assume_value();
  } else {
    return *decoded;
  }
}

/// An encoding with some bytes changed, cut off, added or moved; now and then made up altogether.
[[nodiscard]] inline bytes spoiled(bytes from, disk::Dice& dice) {
  if (dice.below(8) == 0) from.assign(static_cast<std::size_t>(dice.below(300)), std::byte{});
  auto const any = [&] { return static_cast<std::size_t>(dice.below(from.size())); };
  auto const times = 1 + dice.below(4);
  for (std::uint64_t i = 0; i < times && !from.empty(); ++i) {
    switch (dice.below(6)) {
      case 0:
        from[any()] ^= static_cast<std::byte>(1u << dice.below(8));
        break;
      case 1:
        from.resize(any());
        break;
      case 2:
        from.push_back(static_cast<std::byte>(dice()));
        break;
      case 3:
        from[any()] = std::byte{0xff};
        break;
      case 4:  // a number or a line a second time
        from.insert(from.end(), from.begin() + static_cast<std::ptrdiff_t>(any()), from.end());
        if (from.size() > 4096) from.resize(4096);
        break;
      default:
        for (auto& byte : from) byte = static_cast<std::byte>(dice());
    }
  }
  return from;
}

/// The same, half of the time behind checksums that are right, so that what is under them is read.
template <class Codec>
[[nodiscard]] bytes spoiled_encoding(Codec const& codec, disk::Dice& dice) {
  auto input = spoiled(codec.encode(codec.value(dice)), dice);
  if constexpr (requires { codec.resealed(input); }) {
    if (dice.below(2) == 0) return codec.resealed(std::move(input));
  }
  return input;
}

template <class Codec>
[[nodiscard]] Verdict encoded_decodes(Codec const& codec, std::uint64_t seed) {
  disk::Dice dice{seed};
  for (int i = 0; i < 50; ++i) {
    auto const value = codec.value(dice);
    auto const encoded = codec.encode(value);
    auto const decoded = codec.decode(encoded);
    if (!decoded) return codec_round.broken("a value", "refused");
    if (!(value_in(decoded) == value)) return codec_round.broken("the same value", "another");
  }
  return {};
}

template <class Codec>
[[nodiscard]] Verdict decoding_is_bounded(Codec const& codec, std::uint64_t seed) {
  disk::Dice dice{seed};
  for (int i = 0; i < 400; ++i) {
    auto const input = spoiled_encoding(codec, dice);
    std::size_t before = 0;
    if constexpr (requires { codec.allocated(); }) before = codec.allocated();
    try {
      static_cast<void>(codec.decode(input));
    } catch (...) {
      return codec_bounded.broken("an answer or an error", "an exception");
    }
    if constexpr (requires { codec.allocated(); }) {
      auto const used = codec.allocated() - before;
      if (used > fair_memory(input.size())) {
        return codec_bounded.broken("at most " + std::to_string(fair_memory(input.size())) +
                                        " bytes for " + std::to_string(input.size()),
                                    std::to_string(used));
      }
    }
  }
  return {};
}

template <class Codec>
[[nodiscard]] Verdict encoding_is_canonical(Codec const& codec, std::uint64_t seed) {
  disk::Dice dice{seed};
  for (int i = 0; i < 400; ++i) {
    auto const input = spoiled_encoding(codec, dice);
    auto const decoded = codec.decode(input);
    if (!decoded || codec.encode(value_in(decoded)) == input) continue;
    return codec_canonical.broken(
        "an error, or what encodes to the same bytes",
        "the value of " + std::to_string(input.size()) + " bytes that are not its encoding");
  }
  return {};
}
}  // namespace testing::laws

namespace testing {
template <class Codec>
[[nodiscard]] Subject codec_subject(std::string name, Codec codec) {
  using namespace laws;  // NOLINT(google-build-using-namespace)
  Subject subject{.name = std::move(name), .laws = {codec_round, codec_bounded, codec_canonical}};
  subject.probes = {
      {codec_round.id, [codec](std::uint64_t seed) { return encoded_decodes(codec, seed); }},
      {codec_bounded.id, [codec](std::uint64_t seed) { return decoding_is_bounded(codec, seed); }},
      {codec_canonical.id,
       [codec](std::uint64_t seed) { return encoding_is_canonical(codec, seed); }}};
  if constexpr (!requires { codec.allocated(); }) {
    subject.missing.emplace(codec_bounded.id,
                            "memory was not measured: give the codec `allocated()`, the bytes "
                            "asked of the allocator so far");
  }
  return subject;
}
}  // namespace testing

HOLDFAST_END

#endif

// SPDX-License-Identifier: BSL-1.0
// What holds for the decoder of any segment: any bytes give a plan, records that were written come
// back, and what is kept decodes to the same again.
#ifndef HOLDFAST_TESTS_FUZZ_SEGMENT_HPP
#define HOLDFAST_TESTS_FUZZ_SEGMENT_HPP

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "fuzz.hpp"
#include "holdfast/recovery/examine.hpp"

namespace fuzz {
struct Held {
  hf::bytes content{};
  [[nodiscard]] hf::result<std::uint64_t> size() const { return std::uint64_t{content.size()}; }
  [[nodiscard]] hf::result<std::size_t> read_at(std::uint64_t at, hf::bytes_span into) const {
    auto const from = std::min<std::uint64_t>(at, content.size());
    auto const some = std::min<std::uint64_t>(into.size(), content.size() - from);
    std::copy_n(content.begin() + static_cast<std::ptrdiff_t>(from), some, into.begin());
    return static_cast<std::size_t>(some);
  }
  // An examination changes nothing.
  [[nodiscard]] hf::result<void> append(std::uint64_t, hf::bytes_view) { return refuse(); }
  [[nodiscard]] hf::result<void> set_aside(std::uint64_t, std::uint64_t) { return refuse(); }
  [[nodiscard]] hf::result<void> truncate(std::uint64_t) { return refuse(); }
  [[nodiscard]] hf::result<void> rewrite(std::uint64_t, hf::bytes_view) { return refuse(); }
  [[nodiscard]] hf::result<void> sync() { return refuse(); }
  static hf::result<void> refuse() { return hf::failure(hf::errc::read_only, "held"); }
};

template <class Format>
std::vector<hf::bytes> records_of(Held const& from, Format const& format, hf::Plan& plan) {
  std::vector<hf::bytes> all;
  auto const found = hf::examine(from, format, {}, [&](hf::Step const& step, std::uint64_t end) {
    check(end <= from.content.size(), "a record lies within");
    all.emplace_back(step.payload.begin(), step.payload.end());
  });
  check(found.has_value(), "any bytes give a plan");
  plan = found.assume_value();
  check(plan.kept <= plan.size && plan.records == all.size(), "a plan is of the bytes");
  return all;
}

/// Any bytes, a few as long as a block, so that they span two.
[[nodiscard]] inline hf::bytes any_payload(Input& in) {
  bool const is_long = in.number<std::uint8_t>() % 16 == 0;
  auto payload = hf::bytes(is_long ? in.number<std::uint16_t>() : 0);
  auto const some = in.bytes(in.number<std::uint8_t>());
  payload.insert(payload.end(), some.begin(), some.end());
  return payload;
}

/// `payload(in)` makes what is appended; `reseal(content)` puts the checksums right that lie where
/// they should, so that what is behind a checksum is reached.
template <class Format, class Payload, class Reseal>
void check_segment(Input& in, Format const& format, Payload payload, Reseal reseal) {
  Held held;
  auto cursor = format.start();
  std::vector<hf::bytes> written;
  hf::Stamp stamp{.nonce = in.number<std::uint64_t>()};
  check(format.header(cursor, stamp, held.content).has_value(), "a header is written");
  for (auto left = in.number<std::uint8_t>() % 6; left > 0; --left) {
    stamp.fresh = in.coin();
    stamp.synced_to = stamp.fresh ? held.content.size() : stamp.synced_to;
    auto own = payload(in);
    hf::bytes frame;
    auto const place = format.encode(cursor, held.content.size(), own, stamp, frame);
    check(place.has_value(), "a record is written");
    held.content.resize(static_cast<std::size_t>(place.assume_value()));
    held.content.insert(held.content.end(), frame.begin(), frame.end());
    written.push_back(std::move(own));
  }
  hf::Plan plan;
  check(records_of(held, format, plan) == written, "decode(encode(x)) = x");
  check(plan.verdict == hf::Verdict::clean, "what was written is clean");

  // Cut it, write anything into it, and add anything to it.
  auto const whole = held.content.size();
  if (in.coin() && whole != 0) held.content.resize(in.number<std::uint32_t>() % whole);
  for (auto left = in.number<std::uint8_t>() % 4; left > 0 && !held.content.empty(); --left) {
    held.content[in.number<std::uint32_t>() % held.content.size()] ^=
        std::byte{in.number<std::uint8_t>()};
  }
  bool const resealed = in.coin();
  auto const rest = in.rest();
  held.content.insert(held.content.end(), rest.begin(), rest.end());
  if (resealed) reseal(held.content);
  auto const kept = records_of(held, format, plan);
  if (plan.verdict == hf::Verdict::foreign || plan.verdict == hf::Verdict::newer_format) return;
  held.content.resize(static_cast<std::size_t>(plan.kept));
  hf::Plan again;
  check(records_of(held, format, again) == kept, "what is kept is read again");
  check(again.verdict == hf::Verdict::clean && again.digest == plan.digest,
        "what is kept is clean");
}
}  // namespace fuzz

#endif

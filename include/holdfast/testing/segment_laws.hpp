// SPDX-License-Identifier: BSL-1.0
// The laws of what recovers a log, R1 to R11, and the judgement of what a recovery has found.
#ifndef HOLDFAST_TESTING_SEGMENT_LAWS_HPP
#define HOLDFAST_TESTING_SEGMENT_LAWS_HPP

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "holdfast/bytes.hpp"
#include "holdfast/config.hpp"
#include "holdfast/testing/disk/hash.hpp"
#include "holdfast/testing/files.hpp"
#include "holdfast/testing/laws.hpp"
#include "holdfast/testing/scenario.hpp"

HOLDFAST_BEGIN

namespace testing::laws {
inline constexpr Law r1{
    .id = "HF-LOG-001",
    .sentence = "A crash loses no acknowledged record; what is left is a valid prefix.",
    .name = "R1"};
inline constexpr Law r2{.id = "HF-LOG-002",
                        .sentence = "Recovering twice is recovering once.",
                        .name = "R2",
                        .parents = {"HF-LOG-001"}};
inline constexpr Law r3{
    .id = "HF-LOG-003",
    .sentence = "An index is what its data makes it, byte for byte, and is never missed.",
    .name = "R3"};
inline constexpr Law r4{.id = "HF-LOG-004",
                        .sentence = "Damage is never shown as a record, nor lost without a word.",
                        .name = "R4"};
inline constexpr Law r5{
    .id = "HF-LOG-005",
    .sentence = "No crash alone is taken for damage, and no damage for a torn tail.",
    .name = "R5"};
inline constexpr Law r6{.id = "HF-LOG-006",
                        .sentence = "What recovery has cut never comes back.",
                        .name = "R6",
                        .parents = {"HF-LOG-001"}};
inline constexpr Law r7{.id = "HF-LOG-007",
                        .sentence = "What is kept and what is set aside are the original bytes.",
                        .name = "R7"};
inline constexpr Law r8{
    .id = "HF-LOG-008",
    .sentence =
        "Records follow one another without a gap: a copy, a stranger or a hole is refused.",
    .name = "R8"};
inline constexpr Law r9{.id = "HF-LOG-009",
                        .sentence = "Opening any bytes ends, in memory of the order of their size.",
                        .name = "R9"};
inline constexpr Law r10{.id = "HF-LOG-010",
                         .sentence = "Two that recover at once leave what one leaves.",
                         .name = "R10",
                         .parents = {"HF-LOG-002"}};
inline constexpr Law r11{
    .id = "HF-LOG-011",
    .sentence = "A log opens that is empty, has no more than its header, or ends in zeros.",
    .name = "R11"};

/// The numbers of the records that a recovery shows, in their order, and whether their bytes are
/// those that were appended.
struct SeenRecords {
  std::vector<std::uint64_t> numbers{};
  bool exact = true;
};
[[nodiscard]] inline std::string text(SeenRecords const& seen) {
  std::string out;
  for (auto const number : seen.numbers) out += std::to_string(number) + " ";
  return seen.exact ? out : out + "with other bytes";
}

/// What the n-th record of a run holds.
[[nodiscard]] inline bytes value_of_record(std::uint64_t seed, std::uint64_t n, std::size_t most) {
  disk::Dice dice{disk::mixed(seed, n)};
  return value_of_number(n, 16 + static_cast<std::size_t>(dice.below(most)));
}
template <class Log>
[[nodiscard]] SeenRecords seen_in(Log const& log, std::uint64_t seed, std::size_t most) {
  SeenRecords seen;
  for (auto const& record : log.records()) {
    if (!record || record.assume_value().payload.size() < 8) {
      seen.exact = false;
      break;
    }
    auto const payload = record.assume_value().payload;
    auto const number = get_le<std::uint64_t>(payload, 0);
    auto const written = value_of_record(seed, number, most);
    seen.numbers.push_back(number);
    seen.exact =
        seen.exact && std::equal(payload.begin(), payload.end(), written.begin(), written.end());
  }
  return seen;
}

/// What was acknowledged is there, in order and whole; what was not started, or is gone, is not.
[[nodiscard]] inline Verdict records_are_kept(History const& history, SeenRecords const& seen) {
  auto const& all = seen.numbers;
  if (!seen.exact) return r1.broken("every record as it was appended", text(seen));
  if (std::adjacent_find(all.begin(), all.end(), std::greater_equal<>{}) != all.end()) {
    return r1.broken("records in the order of their appends", text(seen));
  }
  auto const is_there = [&all](std::uint64_t number) {
    return std::binary_search(all.begin(), all.end(), number);
  };
  std::uint64_t started = 0;
  for (auto const& note : history) {
    if (note.kind == Note::Kind::started) started = std::max(started, note.number);
    if (note.kind == Note::Kind::acked && !is_there(note.number)) {
      return r1.broken("record " + std::to_string(note.number) + ", which was acknowledged",
                       text(seen));
    }
    if (note.kind == Note::Kind::failed && is_there(note.number)) {
      return r6.broken("no record " + std::to_string(note.number) + ", which is gone", text(seen));
    }
  }
  if (!all.empty() && all.back() > started) {
    return r1.broken("records up to " + std::to_string(started), text(seen));
  }
  return {};
}
}  // namespace testing::laws

HOLDFAST_END

#endif

// SPDX-License-Identifier: BSL-1.0
// The laws of what recovers a log, R1 to R7, and the judgement of what a recovery has found.
#ifndef HOLDFAST_TESTING_SEGMENT_LAWS_HPP
#define HOLDFAST_TESTING_SEGMENT_LAWS_HPP

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "holdfast/config.hpp"
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
inline constexpr Law r5{
    .id = "HF-LOG-005", .sentence = "No crash alone is taken for damage.", .name = "R5"};
inline constexpr Law r6{.id = "HF-LOG-006",
                        .sentence = "What recovery has cut never comes back.",
                        .name = "R6",
                        .parents = {"HF-LOG-001"}};
inline constexpr Law r7{.id = "HF-LOG-007",
                        .sentence = "What is kept and what is set aside are the original bytes.",
                        .name = "R7"};

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

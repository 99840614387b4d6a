// SPDX-License-Identifier: BSL-1.0
// The laws of updates in place, judged by the history of what was applied.
//
// A note `started n` says that the n-th update has begun, `acked n` that it was told to be applied,
// by its call or by the marks of a later process. The n-th update has the mark n, under one name.
#ifndef HOLDFAST_TESTING_UPDATE_LAWS_HPP
#define HOLDFAST_TESTING_UPDATE_LAWS_HPP

#include <algorithm>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "holdfast/config.hpp"
#include "holdfast/ids.hpp"
#include "holdfast/testing/files.hpp"
#include "holdfast/testing/laws.hpp"
#include "holdfast/testing/scenario.hpp"
#include "holdfast/testing/store_laws.hpp"

HOLDFAST_BEGIN

namespace testing::laws {
inline constexpr Law update_atomic{
    "HF-UPDATE-001",
    "An update and its marks are applied together or not at all, in every crash state.",
    "update: atomic",
    {"HF-STORE-001"}};
inline constexpr Law update_durable{"HF-UPDATE-002",
                                    "What was told to be applied is applied after every crash.",
                                    "update: durable",
                                    {"HF-UPDATE-001"}};
inline constexpr Law update_replay{"HF-UPDATE-003",
                                   "Applying again what was applied changes nothing.",
                                   "update: replay",
                                   {"HF-UPDATE-001"}};
inline constexpr Law update_recovers{
    "HF-UPDATE-004",
    "Any crash and a replay of the feed give the state without the crash.",
    "update: recovers",
    {"HF-UPDATE-001", "HF-UPDATE-003"}};
inline constexpr Law update_opens{
    "HF-UPDATE-005",
    "A crash amid an update, also the first one, leaves a generation that opens.",
    "update: opens",
    {"HF-STORE-001"}};
inline constexpr Law update_stays{
    "HF-UPDATE-006",
    "A reader goes on to show the state that it was opened on, with the marks of it.",
    "update: stays",
    {"HF-UPDATE-001"}};

inline constexpr Law update_equal{"HF-UPDATE-007", "No view shows parts at unequal marks.",
                                  "update: equal marks"};

inline constexpr Law update_caught_up{
    "HF-UPDATE-008",
    "A commit of a build that caught up misses no update that was told to be applied before it.",
    "update: caught up",
    {"HF-UPDATE-002"}};

inline constexpr std::string_view update_mark = "update";
[[nodiscard]] inline Marks marks_of_update(std::uint64_t number) {
  return {{std::string{update_mark}, number}};
}
/// How many are applied, by the marks; 0 before the first.
[[nodiscard]] inline std::uint64_t updates_in(Marks const& marks) noexcept {
  auto const found = marks.find(update_mark);
  return found == marks.end() ? 0 : found->second;
}

/// What the n-th update puts: a name that others have too, so that their order shows.
[[nodiscard]] inline Files files_of_update(std::uint64_t number) {
  return {{"update-" + std::to_string(number % 3), value_of_number(number, 40)},
          {"update-last", value_of_number(number, 16)}};
}
/// Generation 1 after so many updates, in the order of the names.
[[nodiscard]] inline Files files_after(std::uint64_t updates) {
  std::map<std::string, bytes> all;
  for (auto const& file : files_of(1, 0)) all[file.name] = file.content;
  for (std::uint64_t n = 1; n <= updates; ++n) {
    for (auto const& file : files_of_update(n)) all[file.name] = file.content;
  }
  Files files;
  for (auto& [name, content] : all) files.push_back({name, std::move(content)});
  return files;
}

/// The highest update of that kind in the history.
[[nodiscard]] inline std::uint64_t last_of(History const& history, Note::Kind kind) {
  std::uint64_t last = 0;
  for (auto const& note : history) {
    if (note.kind == kind) last = std::max(last, note.number);
  }
  return last;
}

/// HF-UPDATE-001 and `durable`, which is 002 or 008, for what a process finds.
[[nodiscard]] inline Verdict update_is_kept(History const& history,
                                            std::uint64_t found,
                                            bool exact,
                                            Law const& durable = update_durable) {
  auto const state = "the state of update " + std::to_string(found);
  if (!exact) return update_atomic.broken(state + ", as the marks say", "another one");
  if (found > last_of(history, Note::Kind::started)) {
    return update_atomic.broken("no update that was never begun", state);
  }
  auto const acked = last_of(history, Note::Kind::acked);
  if (found < acked) {
    return durable.broken("update " + std::to_string(acked) + " is applied", state);
  }
  return {};
}
}  // namespace testing::laws

HOLDFAST_END

#endif

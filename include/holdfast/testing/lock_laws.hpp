// SPDX-License-Identifier: BSL-1.0
// The laws of locks, as far as a lock file can keep them, and the judge of a grant.
//
// A note `given t` says that token t was granted.
#ifndef HOLDFAST_TESTING_LOCK_LAWS_HPP
#define HOLDFAST_TESTING_LOCK_LAWS_HPP

#include <string>

#include "holdfast/config.hpp"
#include "holdfast/ids.hpp"
#include "holdfast/testing/laws.hpp"
#include "holdfast/testing/scenario.hpp"

HOLDFAST_BEGIN

namespace testing::laws {
inline constexpr Law l1{"HF-LOCK-001", "One holder at a time, until it is forced away.", "L1"};
inline constexpr Law l2{
    "HF-LOCK-002", "Tokens grow with every grant, across release, crash, restart and force.", "L2"};
inline constexpr Law l5{"HF-LOCK-005", "Who is free to have the lock is never refused.", "L5"};
inline constexpr Law l6{
    "HF-LOCK-006",
    "A live lease is not stolen: it is another's only once its holder has stopped.",
    "L6",
    {"HF-LOCK-001"}};
inline constexpr Law l7{"HF-LOCK-007",
                        "A release may be repeated, and lets go of nobody else's lock.",
                        "L7",
                        {"HF-LOCK-001"}};
inline constexpr Law l8{
    "HF-LOCK-008",
    "Where a holder is silent, someone else acquires within four times what it had left.",
    "L8",
    {"HF-LOCK-001"}};
inline constexpr Law l9{
    "HF-LOCK-009",
    "Force takes the lock from the holder that was seen, from no other, and raises the token.",
    "L9",
    {"HF-LOCK-002"}};
inline constexpr Law l11{
    "HF-LOCK-011",
    "A holder that died is shown no more; one that lives is shown, and keeps the lock.",
    "L11",
    {"HF-LOCK-001"}};
inline constexpr Law l12{"HF-LOCK-012",
                         "A late renewal succeeds only where nobody came between.",
                         "L12",
                         {"HF-LOCK-006"}};
inline constexpr Law l13{"HF-LOCK-013", "Damaged metadata names no other owner.", "L13"};
inline constexpr Law l14{"HF-LOCK-014",
                         "A forked child holds nothing, and lets go of nothing, silently.",
                         "L14",
                         {"HF-LOCK-001"}};

/// L2 for one grant.
[[nodiscard]] inline Verdict token_is_new(History const& history, FencingToken token) {
  for (auto const& note : history) {
    if (note.kind == Note::Kind::given && note.number >= token.number) {
      return l2.broken("a token above " + std::to_string(note.number),
                       std::to_string(token.number));
    }
  }
  return {};
}
}  // namespace testing::laws

HOLDFAST_END

#endif

// SPDX-License-Identifier: BSL-1.0
// The laws B1 to B6 of a generation store across crashes, judged by the history of seals and drops.
//
// A note `started g` says that the seal of g has begun, `acked g` that it returned, `dropping g`
// and `dropped g` the same of its drop.
#ifndef HOLDFAST_TESTING_STORE_LAWS_HPP
#define HOLDFAST_TESTING_STORE_LAWS_HPP

#include <cstdint>
#include <string>

#include "holdfast/config.hpp"
#include "holdfast/testing/laws.hpp"
#include "holdfast/testing/scenario.hpp"

HOLDFAST_BEGIN

namespace testing::laws {
inline constexpr Law b1{"HF-STORE-001",
                        "What was sealed opens as it was put, in every crash state.", "B1"};
inline constexpr Law b2{"HF-STORE-002", "Sealing again changes nothing.", "B2", {"HF-STORE-001"}};
inline constexpr Law b3{"HF-STORE-003",
                        "A drop is durable, idempotent, and leaves the others alone.",
                        "B3",
                        {"HF-STORE-001"}};
inline constexpr Law b4{
    "HF-STORE-004",
    "Whatever has remains is listed, in order, and after a crash all that was sealed.", "B4"};
inline constexpr Law b5{"HF-STORE-005", "Opening what was never sealed is an error, never data.",
                        "B5"};
inline constexpr Law b6{"HF-STORE-006",
                        "Writing one generation never changes what another one shows.",
                        "B6",
                        {"HF-STORE-001"}};
inline constexpr Law b7{
    "HF-STORE-007", "Many threads may read through one reader.", "B7", {"HF-STORE-001"}};
inline constexpr Law store_damage{
    "HF-STORE-008",
    "A flipped bit or a cut file gives an error or the data as put, never other data.",
    "F10",
    {"HF-STORE-001"}};
inline constexpr Law store_again{"HF-STORE-009",
                                 "Looking again, also after a crashed recovery, finds the same.",
                                 "again",
                                 {"HF-STORE-001", "HF-STORE-004"}};

/// What the history says of one generation.
struct Fate {
  bool seal_started = false;
  bool sealed = false;
  bool drop_started = false;
  bool dropped = false;
};
[[nodiscard]] inline Fate fate_of(History const& history, std::uint64_t generation) {
  Fate fate;
  for (auto const& note : history) {
    if (note.number != generation) continue;
    fate.seal_started |= note.kind == Note::Kind::started;
    fate.sealed |= note.kind == Note::Kind::acked;
    fate.drop_started |= note.kind == Note::Kind::dropping;
    fate.dropped |= note.kind == Note::Kind::dropped;
  }
  return fate;
}

/// What a process finds of one generation.
struct SeenGeneration {
  std::uint64_t number = 0;
  bool listed = false;
  bool opens = false;
  bool exact = false;   ///< opens, and every byte is as it was put
  std::string error{};  ///< why it does not open
};

/// B1, B3, B4 and B5 for one generation.
[[nodiscard]] inline Verdict generation_is_kept(History const& history,
                                                SeenGeneration const& seen) {
  auto const fate = fate_of(history, seen.number);
  auto const name = "generation " + std::to_string(seen.number);
  if (seen.opens && !seen.exact) return b1.broken(name + " as put", "other bytes");
  if (seen.opens && !fate.seal_started) return b5.broken(name + " does not open", "it opens");
  if (fate.dropped && (seen.listed || seen.opens)) return b3.broken(name + " gone", "it is there");
  if (!fate.sealed || fate.drop_started) return {};
  if (!seen.listed) return b4.broken(name + " listed", "it is not");
  if (!seen.opens) return b1.broken(name + " opens", seen.error);
  return {};
}
}  // namespace testing::laws

HOLDFAST_END

#endif

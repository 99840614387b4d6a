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
inline constexpr Law b1{"B1", "What was sealed opens as it was put, in every crash state."};
inline constexpr Law b2{"B2", "Sealing again changes nothing."};
inline constexpr Law b3{"B3", "A drop is durable, idempotent, and leaves the others alone."};
inline constexpr Law b4{"B4", "After a crash every sealed generation is still listed."};
inline constexpr Law b5{"B5", "Opening what was never sealed is an error, never data."};

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

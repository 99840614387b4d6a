// SPDX-License-Identifier: BSL-1.0
// The laws S1 to S7 of a staged home, judged by the history of commits and views.
//
// What can become visible is numbered: a commit or a revert gets its number when it is started, and
// 0 is "nothing committed yet". A note `started n, base b, value c` says that n would follow b and
// show the content of commit c (its own, or for a revert an earlier one). The sequence of n is one
// more than that of b.
#ifndef HOLDFAST_TESTING_STAGED_LAWS_HPP
#define HOLDFAST_TESTING_STAGED_LAWS_HPP

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "holdfast/config.hpp"
#include "holdfast/testing/laws.hpp"
#include "holdfast/testing/register_laws.hpp"
#include "holdfast/testing/scenario.hpp"

HOLDFAST_BEGIN

namespace testing {
/// What a view of a home shows. Contents name the commit that wrote them.
struct SeenHome {
  std::uint64_t sequence = 0;
  std::uint64_t generation = 0;
  std::uint64_t mark = 0;                 ///< the commit that the marks name
  std::vector<std::uint64_t> contents{};  ///< of each part
  std::string damage{};                   ///< what is not as it was written, if anything
  bool unread = false;                    ///< the damage is an error of the store
  friend bool operator==(SeenHome const&, SeenHome const&) = default;
};
[[nodiscard]] inline std::string text_of(SeenHome const& seen) {
  auto text = "sequence " + std::to_string(seen.sequence) + ", generation " +
              std::to_string(seen.generation) + ", marks of " + std::to_string(seen.mark) +
              ", parts of";
  for (auto const content : seen.contents) text += " " + std::to_string(content);
  if (!seen.damage.empty()) text += ", " + seen.damage;
  return text;
}
}  // namespace testing

namespace testing::laws {
inline constexpr Law s1{"HF-STAGED-001", "No mix across stores at any instant.", "S1"};
inline constexpr Law s2{
    "HF-STAGED-002",
    "What is visible lies between the last acknowledged and the last started commit.", "S2"};
inline constexpr Law s3{"HF-STAGED-003", "A commit that returned is durable in every crash state.",
                        "S3"};
inline constexpr Law s4{"HF-STAGED-004",
                        "Recovering again, also after a crashed recovery, shows the same.",
                        "S4",
                        {"HF-STAGED-001", "HF-STAGED-002", "HF-STAGED-003"}};
inline constexpr Law s5{"HF-STAGED-005",
                        "Exactly one call flips what is visible.",
                        "S5",
                        {"HF-STAGED-001", "HF-STAGED-002"}};
inline constexpr Law s6{
    "HF-STAGED-006", "A commit happens at most once; generation numbers are never given out again.",
    "S6"};
inline constexpr Law s7{
    "HF-STAGED-007", "A discard leaves what is visible as it was.", "S7", {"HF-STAGED-002"}};
inline constexpr Law s8{"HF-STAGED-008", "A run goes from state to state as the table allows.",
                        "S8"};
inline constexpr Law s9{
    "HF-STAGED-009", "A pinned generation stays identical.", "S9", {"HF-STAGED-001"}};
inline constexpr Law s10{"HF-STAGED-010",
                         "After recovery nothing lies in the stores that the record does not list.",
                         "S10"};
inline constexpr Law s11{"HF-STAGED-011", "A reader finishes while a writer is stopped anywhere.",
                         "S11"};
inline constexpr Law s12{"HF-STAGED-012",
                         "A validation that says no, or any callback that throws, is a discard.",
                         "S12",
                         {"HF-STAGED-007"}};
inline constexpr Law s13{
    "HF-STAGED-013",
    "An error at any call leaves the old or the new, and the next commit succeeds once it ends.",
    "S13",
    {"HF-STAGED-002"}};
inline constexpr Law s14{"HF-STAGED-014",
                         "Of two that commit upon the same record, one wins and the other is told.",
                         "S14",
                         {"HF-STAGED-002"}};
inline constexpr Law s15{
    "HF-STAGED-015",
    "Damage gives an error, the generation as it was, or an earlier one; never other data.",
    "S15",
    {"HF-STAGED-001"}};
inline constexpr Law s16{"HF-STAGED-016",
                         "Marks and data always belong to the same generation.",
                         "S16",
                         {"HF-STAGED-001"}};
inline constexpr Law s18{"HF-STAGED-018",
                         "What the record does not list is never dropped, nor anything where the "
                         "record is lost or stale.",
                         "S18"};
inline constexpr Law s19{"HF-STAGED-019",
                         "What fails after the commit point never changes the outcome.",
                         "S19",
                         {"HF-STAGED-002"}};
inline constexpr Law published{
    "HF-STAGED-020", "A published name gives a generation that opens, and lags behind or agrees.",
    "published"};
inline constexpr Law staged_recovers{
    "HF-STAGED-021", "Whatever a crash leaves can be opened, read and built on.", "recovers"};

inline constexpr Law resumes{
    "HF-STAGED-022",
    "A build that is resumed has all that was written before its last note, and nothing since.",
    "resumes"};

inline constexpr Law holds{
    "HOLD", "A hold that returned is in force until an unhold, and no commit passes it."};

/// The reasons by number, 0 for none, of which one is in force: what was told last, and what was
/// asked for since.
[[nodiscard]] inline std::vector<std::uint64_t> possible_holds(History const& history) {
  std::vector<std::uint64_t> all{0};
  for (auto const& note : history) {
    if (note.kind == Note::Kind::set) all.clear();
    bool const counts = note.kind == Note::Kind::set || note.kind == Note::Kind::setting;
    if (counts) all.push_back(note.number);
  }
  return all;
}
[[nodiscard]] inline bool may_be_in_force(History const& history, std::uint64_t reason) {
  auto const all = possible_holds(history);
  return std::find(all.begin(), all.end(), reason) != all.end();
}

/// A commit or revert of a history.
struct Happening {
  std::uint64_t number = 0;
  std::uint64_t base = 0;
  std::uint64_t content = 0;
  std::uint64_t sequence = 0;
};
[[nodiscard]] inline std::vector<Happening> happenings(History const& history) {
  std::vector<Happening> all{{}};
  for (auto const& note : history) {
    if (note.kind != Note::Kind::started) continue;
    auto const base = std::find_if(all.begin(), all.end(),
                                   [&](Happening const& h) { return h.number == note.base; });
    all.push_back({note.number, note.base, note.value, base->sequence + 1});
  }
  return all;
}

/// S1 and S16, of one view.
[[nodiscard]] inline Verdict home_is_whole(SeenHome const& seen) {
  for (auto const content : seen.contents) {
    if (content != seen.contents.front())
      return s1.broken("one commit in every part", text_of(seen));
  }
  if (!seen.contents.empty() && seen.mark != seen.contents.front()) {
    return s16.broken("marks of the same commit", text_of(seen));
  }
  if (!seen.damage.empty()) {
    auto verdict = s2.broken("bytes as written", text_of(seen));
    verdict->refused = seen.unread;
    return verdict;
  }
  return {};
}

/// S2, S3 and S6: which commit or revert is seen. A violation if it must not be.
[[nodiscard]] inline Verdict home_may_show(History const& history,
                                           SeenHome const& seen,
                                           std::uint64_t& number) {
  PossibleStores const possible{history};
  auto const all = happenings(history);
  auto const content = seen.contents.empty() ? 0 : seen.contents.front();
  std::uint64_t acked = 0;
  for (auto const& note : history) {
    if (note.kind != Note::Kind::acked) continue;
    for (auto const& h : all) {
      if (h.number == note.number) acked = std::max(acked, h.sequence);
    }
  }
  std::string allowed;
  for (auto const& h : all) {
    if (!possible.has(h.number)) continue;
    if (h.sequence == seen.sequence && h.content == content) {
      number = h.number;
      return {};
    }
    allowed += (allowed.empty() ? "sequence " : " or ") + std::to_string(h.sequence) +
               " with content " + std::to_string(h.content);
  }
  bool const twice = std::any_of(all.begin(), all.end(), [&](Happening const& h) {
    return h.content == content && h.sequence != seen.sequence;
  });
  auto const& law = seen.sequence < acked ? s3 : twice ? s6 : s2;
  return law.broken(allowed, text_of(seen));
}

/// The commit or revert with that sequence that may be visible; nothing if there is none.
[[nodiscard]] inline std::optional<std::uint64_t> number_of_sequence(History const& history,
                                                                     std::uint64_t sequence) {
  PossibleStores const possible{history};
  std::optional<std::uint64_t> found;
  for (auto const& h : happenings(history)) {
    if (h.sequence == sequence && possible.has(h.number)) found = h.number;
  }
  return found;
}

/// A name that a store publishes, as a foreign reader finds it.
struct SeenName {
  std::uint64_t generation = 0;  ///< 0: there is no name
  bool opens = false;
};
/// published, for what `seen` shows at the same time or later.
[[nodiscard]] inline Verdict name_may_give(History const& history,
                                           SeenHome const& seen,
                                           SeenName const& name) {
  if (name.generation == 0) return {};
  auto const found = "generation " + std::to_string(name.generation);
  if (!name.opens) return published.broken("a generation that opens", found);
  for (auto const& h : happenings(history)) {
    if (h.content == name.generation && h.sequence <= seen.sequence) return {};
  }
  return published.broken("a generation of sequence " + std::to_string(seen.sequence) + " or less",
                          found);
}

/// S6: a number that was never given out before.
[[nodiscard]] inline Verdict generation_is_new(History const& history, std::uint64_t generation) {
  for (auto const& note : history) {
    if (note.kind == Note::Kind::given && note.number >= generation) {
      return s6.broken("a number above " + std::to_string(note.number), std::to_string(generation));
    }
  }
  return {};
}
}  // namespace testing::laws

HOLDFAST_END

#endif

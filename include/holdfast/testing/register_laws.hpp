// SPDX-License-Identifier: BSL-1.0
// The laws of an atomic register, judged by the history of stores and loads.
//
// Stores are numbered as they are started; store 0 is "absent". A note `started n, base b` says
// that store n would replace store b; `acked` and `failed` how it ended, `shown` that a load gave
// its value, `given` which version went with it. A store that neither ended nor was ruled out may
// still win, as long as what it replaces is what is there.
#ifndef HOLDFAST_TESTING_REGISTER_LAWS_HPP
#define HOLDFAST_TESTING_REGISTER_LAWS_HPP

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "holdfast/config.hpp"
#include "holdfast/ids.hpp"
#include "holdfast/testing/laws.hpp"
#include "holdfast/testing/scenario.hpp"

HOLDFAST_BEGIN

namespace testing::laws {
inline constexpr Law register_linear{
    "HF-REGISTER-001", "What a load gives is the last acknowledged value, or one under way.",
    "linear"};
inline constexpr Law register_one_outcome{"HF-REGISTER-002",
                                          "A store that was ruled out once never shows later.",
                                          "one outcome",
                                          {"HF-REGISTER-001"}};
inline constexpr Law register_no_dirty_read{"HF-REGISTER-003",
                                            "What a load has given is never taken back.",
                                            "no dirty read",
                                            {"HF-REGISTER-001"}};
inline constexpr Law register_version_grows{"HF-REGISTER-004",
                                            "Versions grow with each store, also across crashes.",
                                            "version grows",
                                            {"HF-REGISTER-001"}};
inline constexpr Law register_recovers{
    "HF-REGISTER-005", "Whatever a crash leaves can be opened and stored to.", "recovers"};
inline constexpr Law register_again{"HF-REGISTER-006",
                                    "Opening again, also after a crashed opening, gives the same.",
                                    "again",
                                    {"HF-REGISTER-001", "HF-REGISTER-003"}};
inline constexpr Law register_compares{
    "HF-REGISTER-007",
    "A store against another version is refused with `conflict` and changes nothing.", "compares"};
inline constexpr Law register_pins{
    "HF-REGISTER-008", "While a generation is pinned, nobody else is given it alone.", "pins"};

/// The stores whose value may be there now.
class PossibleStores {
 public:
  explicit PossibleStores(History const& history,
                          bool believe_shown = true,
                          bool believe_failed = true) {
    for (auto const& note : history) {
      if (note.kind == Note::Kind::started) possible_.push_back({note.number, note.base});
      if (note.kind == Note::Kind::failed && believe_failed) drop(note.number);
      if (note.kind == Note::Kind::acked) settle(note.number);
      if (note.kind == Note::Kind::shown && believe_shown) settle(note.number);
    }
  }
  [[nodiscard]] bool has(std::uint64_t number) const noexcept {
    return std::any_of(possible_.begin(), possible_.end(),
                       [&](Store const& s) { return s.number == number; });
  }
  [[nodiscard]] std::vector<std::uint64_t> numbers() const {
    std::vector<std::uint64_t> all;
    for (auto const& s : possible_) all.push_back(s.number);
    return all;
  }

 private:
  struct Store {
    std::uint64_t number;
    std::uint64_t base;
  };
  // What is there now; only what would replace it may still win.
  void settle(std::uint64_t number) {
    std::erase_if(possible_,
                  [&](Store const& s) { return s.number != number && s.base != number; });
  }
  void drop(std::uint64_t number) {
    std::erase_if(possible_, [&](Store const& s) { return s.number == number; });
  }
  std::vector<Store> possible_{{0, ~std::uint64_t{0}}};
};

[[nodiscard]] inline std::string text_of(std::vector<std::uint64_t> const& numbers) {
  std::string text = "store";
  for (auto const n : numbers) text += (text.size() > 5 ? " or " : " ") + std::to_string(n);
  return text;
}

/// Linear, one outcome and no dirty read: whether a load may give the
/// value of store `seen` after this history.
[[nodiscard]] inline Verdict register_gives(History const& history, std::uint64_t seen) {
  PossibleStores const possible{history};
  if (possible.has(seen)) return {};
  auto const& law = PossibleStores{history, false}.has(seen)         ? register_no_dirty_read
                    : PossibleStores{history, true, false}.has(seen) ? register_one_outcome
                                                                     : register_linear;
  return law.broken(text_of(possible.numbers()), text_of({seen}));
}

/// Version grows, for a load: no older version than was seen before, and no other value
/// under the same one.
[[nodiscard]] inline Verdict register_version_stays(History const& history,
                                                    std::uint64_t seen,
                                                    Version version) {
  for (auto const& note : history) {
    if (note.kind != Note::Kind::given) continue;
    bool const older = version.sequence < note.number;
    bool const other = version.sequence == note.number && note.value != seen;
    if (!older && !other) continue;
    return register_version_grows.broken(
        "at least version " + std::to_string(note.number) + ", seen with store " +
            std::to_string(note.value),
        "version " + std::to_string(version.sequence) + " with " + text_of({seen}));
  }
  return {};
}

/// Whether an observation that began after `begun` notes agrees with the history at some instant
/// since: others may have changed in its midst what it observes. `judge(history)` judges one.
template <class Judge>
[[nodiscard]] Verdict agrees_since(History const& history, std::size_t begun, Judge judge) {
  auto const now = judge(history);
  if (!now || begun >= history.size()) return now;
  auto earlier = history;
  while (earlier.size() > begun) {
    earlier.pop_back();
    if (!judge(earlier)) return {};
  }
  return now;
}

/// Version grows, for a store: a greater version than was ever seen with another store. (A
/// reader may have seen this one before its writer was told.)
[[nodiscard]] inline Verdict register_version_is_new(History const& history,
                                                     std::uint64_t stored,
                                                     Version version) {
  std::uint64_t last = 0;
  for (auto const& note : history) {
    if (note.kind == Note::Kind::given && note.value != stored) last = std::max(last, note.number);
  }
  if (version.sequence > last) return {};
  return register_version_grows.broken("a version above " + std::to_string(last),
                                       "version " + std::to_string(version.sequence));
}
}  // namespace testing::laws

HOLDFAST_END

#endif

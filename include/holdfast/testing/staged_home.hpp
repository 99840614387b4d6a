// SPDX-License-Identifier: BSL-1.0
// What the scenarios ask of a home under test, and how a view of it is read and judged.
//
// A `Home` says how a process gets at the home. It is copyable and has
//   parts                             how many parts the store has
//   open(process)                     -> result<Staged>
//   follow(process)                   -> result<Follower>
//   put(process, writer, part, files) -> result<void>
//   get(reader, part)                 -> result<Files>, in the order of their names
//   generations(process)              -> result<std::vector<Generation>>
//   published(process, part)          -> result<laws::SeenName>
#ifndef HOLDFAST_TESTING_STAGED_HOME_HPP
#define HOLDFAST_TESTING_STAGED_HOME_HPP

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "holdfast/bytes.hpp"
#include "holdfast/concepts.hpp"
#include "holdfast/config.hpp"
#include "holdfast/detail/pin_slots.hpp"
#include "holdfast/staged.hpp"
#include "holdfast/testing/files.hpp"
#include "holdfast/testing/scenario.hpp"
#include "holdfast/testing/staged_laws.hpp"

HOLDFAST_BEGIN

namespace testing {
/// What a view shows, checked byte for byte.
template <class Home, class View>
[[nodiscard]] SeenHome see(Home const& home, View const& view) {
  SeenHome seen;
  seen.sequence = view.sequence();
  seen.generation = view.generation().number;
  auto const mark = view.marks().find("built");
  if (mark != view.marks().end()) seen.mark = mark->second;
  for (std::size_t part = 0; part < Home::parts; ++part) {
    auto const files = home.get(*view, part);
    if (!files) {
      seen.damage = files.error().text();
      seen.unread = true;
      return seen;
    }
    auto const& found = files.assume_value();
    auto const content = found.empty() ? 0 : get_le<std::uint64_t>(found.front().content, 0);
    // What was carried over has the number that the marks say; else every part has that of the
    // first.
    auto const carried = view.marks().find("part " + std::to_string(part));
    bool const is_carried = part > 0 && carried != view.marks().end();
    if (is_carried && carried->second != content) seen.damage = "a part that the marks don't say";
    seen.contents.push_back(is_carried ? seen.contents.front() : content);
    if (found != files_of(content, part))
      seen.damage = "other bytes in part " + std::to_string(part);
  }
  if (seen.contents.front() != seen.generation) seen.damage = "the data of another generation";
  return seen;
}

/// The published names as they are now.
template <class Home>
[[nodiscard]] Verdict names_open(Home const& home,
                                 SimulatedProcess const& process,
                                 std::vector<laws::SeenName>& names) {
  names.clear();
  for (std::size_t part = 0; part < Home::parts; ++part) {
    auto const name = home.published(process, part);
    if (!name) return laws::published.refused("reading a published name", name.error());
    names.push_back(name.assume_value());
    if (names.back().generation != 0 && !names.back().opens) {
      return laws::published.broken("a generation that opens",
                                    "generation " + std::to_string(names.back().generation));
    }
  }
  return {};
}

/// Judges a view that was begun after `begun` notes, and reports it unless it was overtaken, so
/// that `number`, which is what was seen, is no longer current.
[[nodiscard]] inline Verdict judge_home(Run& run,
                                        SeenHome const& seen,
                                        std::size_t begun,
                                        std::uint64_t& number) {
  if (auto broken = laws::home_is_whole(seen)) return broken;
  auto const judge = [&](History const& history) {
    return laws::home_may_show(history, seen, number);
  };
  if (auto broken = laws::agrees_since(run.history(), begun, judge)) return broken;
  if (!judge(run.history())) run.note({Note::Kind::shown, number, 0, 0});
  return {};
}
}  // namespace testing

HOLDFAST_END

#endif

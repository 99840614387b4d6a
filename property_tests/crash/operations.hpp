// SPDX-License-Identifier: BSL-1.0
// What the scenarios of an operator's work share: a home that is built by a process, and how it is
// looked at later.
#ifndef HOLDFAST_PROPERTY_TESTS_CRASH_OPERATIONS_HPP
#define HOLDFAST_PROPERTY_TESTS_CRASH_OPERATIONS_HPP

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

#include "../support/homes.hpp"
#include "holdfast/testing/scenario.hpp"
#include "holdfast/testing/staged_actor.hpp"
#include "holdfast/testing/staged_home.hpp"
#include "holdfast/testing/staged_laws.hpp"

namespace crash {
/// What is done to a home, in the midst of what, and who is killed when.
struct OperationPlan {
  std::uint64_t seed = 1;
  std::uint64_t generations = 2;  ///< committed before
  std::size_t sector_size = 4096;
  std::uint64_t way = 0;         ///< which of the ways there are
  std::uint64_t rival_at = 0;    ///< before that call another process builds; 0 = none
  std::uint64_t kill_after = 0;  ///< calls, after which another process does it; 0 = not killed
};

inline constexpr hf::testing::Law operation_whole{
    "OPERATION", "What an operator began is done whole, or not at all and can be done again."};

/// One build to its commit; its files and its mark tell its number.
template <class Home, class Db>
[[nodiscard]] hf::result<hf::Generation> commit_one(Home const& home,
                                                    hf::testing::SimulatedProcess const& p,
                                                    Db& db) {
  HOLDFAST_TRY(stage, db.stage());
  auto const g = stage.generation();
  for (std::size_t part = 0; part < Home::parts; ++part) {
    HOLDFAST_TRYV(home.put(p, stage.writer(), part, hf::testing::files_of(g.number, part)));
  }
  HOLDFAST_TRY(ready, std::move(stage).seal());
  HOLDFAST_TRYV(std::move(ready).commit({.marks = {{"built", g.number}}}));
  return g;
}

/// Builds the generations that are there before the work that is crashed.
template <class Home>
[[nodiscard]] hf::testing::Verdict begin_home(hf::testing::Run& run,
                                              Home const& home,
                                              OperationPlan const& plan) {
  auto const process = run.start();
  {
    auto db = home.open(process);
    if (!db) return operation_whole.refused("open", db.error());
    for (std::uint64_t i = 0; i < plan.generations; ++i) {
      auto const done = commit_one(home, process, db.assume_value());
      if (!done) return operation_whole.refused("commit", done.error());
      run.note({hf::testing::Note::Kind::given, done.assume_value().number, 0, 0});
    }
  }
  process.kill();
  return {};
}

[[nodiscard]] inline bool noted(hf::testing::Run const& run, hf::testing::Note::Kind kind) {
  return std::any_of(run.history().begin(), run.history().end(),
                     [kind](hf::testing::Note const& note) { return note.kind == kind; });
}
[[nodiscard]] inline std::uint64_t newest_given(hf::testing::Run const& run) {
  std::uint64_t newest = 0;
  for (auto const& note : run.history()) {
    if (note.kind == hf::testing::Note::Kind::given) newest = std::max(newest, note.number);
  }
  return newest;
}

/// What is current, checked byte for byte, but for the marks.
template <class Home, class Db>
[[nodiscard]] hf::testing::Verdict look_at(Home const& home,
                                           Db const& db,
                                           hf::testing::SeenHome& seen) {
  auto const view = db.view();
  if (!view) return operation_whole.refused("view", view.error());
  seen = hf::testing::see(home, view.assume_value());
  if (seen.damage.empty()) return {};
  return operation_whole.broken("bytes as written", text_of(seen));
}

/// The next build gets a number that nobody ever had. It is given up.
template <class Db>
[[nodiscard]] hf::testing::Verdict stage_anew(hf::testing::Run& run, Db& db) {
  auto const stage = db.stage();
  if (!stage) return operation_whole.refused("stage", stage.error());
  auto const g = stage.assume_value().generation().number;
  if (auto broken = hf::testing::laws::generation_is_new(run.history(), g)) return broken;
  run.note({hf::testing::Note::Kind::given, g, 0, 0});
  return {};
}
}  // namespace crash

#endif

// SPDX-License-Identifier: BSL-1.0
// Scenarios of a build that is interrupted and gone on with: each life notes how far it is, leaves
// what it did not note, and dies; the last one commits.
//
// A note `started i` says that note i was begun, `acked i` that it returned; `setting 1` that a
// seal was begun, after which a build may begin anew; `acked 100` that it was committed.
#ifndef HOLDFAST_TESTING_RESUME_SCENARIO_HPP
#define HOLDFAST_TESTING_RESUME_SCENARIO_HPP

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "holdfast/bytes.hpp"
#include "holdfast/config.hpp"
#include "holdfast/result.hpp"
#include "holdfast/staged.hpp"
#include "holdfast/testing/disk/hash.hpp"
#include "holdfast/testing/files.hpp"
#include "holdfast/testing/scenario.hpp"
#include "holdfast/testing/staged_laws.hpp"
#include "holdfast/testing/subject.hpp"
#include "holdfast/testing/update_laws.hpp"

HOLDFAST_BEGIN

namespace testing {
struct ResumePlan {
  std::uint64_t items = 3;
  std::uint64_t stops_after = 2;  ///< notes of the first life; then it puts what it does not note
  std::uint64_t kill_after = 0;   ///< calls of the first life; 0 = killed where it stops
  bool commits = false;           ///< the second life
  std::size_t sector_size = 4096;
};
[[nodiscard]] inline ResumePlan resume_plan(std::uint64_t number) {
  disk::Dice dice{number};
  ResumePlan plan;
  plan.items = 2 + dice.below(3);
  plan.stops_after = dice.below(plan.items + 1);
  plan.kill_after = dice.below(2) == 0 ? 1 + dice.below(120) : 0;
  plan.commits = dice.below(2) == 0;
  plan.sector_size = dice.below(2) == 0 ? 512 : 4096;
  return plan;
}

/// A scenario over such a home, opened with `keep_interrupted`. `Home` is copyable and says:
///   parts                        how many parts it has
///   open(process)                -> result of a `Staged` whose store is a resuming_store
///   put(process, writer, part, files), get(reader, part)
template <class Home>
class ResumeWork {
 public:
  ResumeWork(Home home, ResumePlan const& plan) : home_{std::move(home)}, plan_{plan} {}

  [[nodiscard]] Verdict work(Run& run) const {
    auto const first = run.start();
    if (plan_.kill_after != 0) first.kill_after(plan_.kill_after);
    if (auto broken = live(run, first, plan_.stops_after, false)) return broken;
    first.kill();
    auto const second = run.start();
    return live(run, second, plan_.items, plan_.commits);
  }
  [[nodiscard]] Recovered recover(Run& run) const {
    Recovered out;
    auto const process = run.start();
    out.broken = live(run, process, plan_.items, true);
    if (out.broken) return out;
    auto const db = home_.open(process);
    if (!db) {
      out.broken = laws::resumes.refused("open", db.error());
    } else {
      out.broken = look(db.assume_value());
    }
    out.seen = out.left = "built";  // whatever was there, it is by now
    return out;
  }

 private:
  static constexpr std::uint64_t committed = 100;
  [[nodiscard]] static Files item(std::uint64_t i) {
    return {{"item-" + std::to_string(i), value_of_number(i, 20 + 300 * (i % 2))}};
  }
  [[nodiscard]] static std::uint64_t number_in(bytes const& words) noexcept {
    return words.size() == 8 ? get_le<std::uint64_t>(bytes_view{words}, 0) : 0;
  }
  [[nodiscard]] static bool noted(Run const& run, Note::Kind kind, std::uint64_t number) {
    return std::any_of(run.history().begin(), run.history().end(), [&](Note const& note) {
      return note.kind == kind && note.number == number;
    });
  }
  [[nodiscard]] static Verdict refused(SimulatedProcess const& p,
                                       char const* operation,
                                       error const& cause) {
    if (!p.alive()) return {};
    return laws::resumes.refused(operation, cause);
  }

  // Up to a commit, or to the note `last` and what comes after it.
  [[nodiscard]] Verdict live(Run& run,
                             SimulatedProcess const& p,
                             std::uint64_t last,
                             bool commits) const {
    auto opened = home_.open(p);
    if (!opened) return refused(p, "open", opened.error());
    auto& db = opened.assume_value();
    if (db.view()) return look(db);
    if (noted(run, Note::Kind::acked, committed)) {
      return laws::resumes.broken("what was committed", "nothing");
    }
    auto resumed = db.resume();
    if (!resumed) return refused(p, "resume", resumed.error());
    auto& stage = resumed.assume_value();
    if (auto broken = build(run, p, stage, last)) return broken;
    if (!p.alive()) return {};
    if (!commits) {
      for (std::size_t part = 0; part < Home::parts; ++part) {
        auto const put =
            home_.put(p, stage.writer(), part,
                      {{"unnoted-" + std::to_string(p.world.self().pid), value_of_number(7, 40)}});
        if (!put) return refused(p, "put", put.error());
      }
      p.kill();
      return {};
    }
    run.note({Note::Kind::setting, 1, 0, 0});
    auto ready = std::move(stage).seal();
    if (!ready) return refused(p, "seal", ready.error());
    auto const done = std::move(ready).assume_value().commit();
    if (!done) return refused(p, "commit", done.error());
    if (p.alive()) run.note({Note::Kind::acked, committed, 0, 0});
    return {};
  }

  template <class Stage>
  [[nodiscard]] Verdict build(Run& run,
                              SimulatedProcess const& p,
                              Stage& stage,
                              std::uint64_t last) const {
    std::vector<std::uint64_t> found;
    for (auto const& words : stage.notes()) found.push_back(number_in(words));
    auto const least = *std::min_element(found.begin(), found.end());
    auto const acked = laws::last_of(run.history(), Note::Kind::acked);
    if (least < acked && !noted(run, Note::Kind::setting, 1)) {
      return laws::resumes.broken("note " + std::to_string(acked), std::to_string(least));
    }
    for (auto i = least + 1; i <= last; ++i) {
      for (std::size_t part = 0; part < Home::parts; ++part) {
        if (i <= found[part]) continue;
        auto const put = home_.put(p, stage.writer(), part, item(i));
        if (!put) return refused(p, "put", put.error());
      }
      run.note({Note::Kind::started, i, 0, 0});
      std::byte words[8];
      put_le(bytes_span{words}, 0, i);
      auto const done = stage.note(bytes_view{words});
      if (!done) return refused(p, "note", done.error());
      if (p.alive()) run.note({Note::Kind::acked, i, 0, 0});
    }
    return {};
  }

  template <class Db>
  [[nodiscard]] Verdict look(Db const& db) const {
    auto const view = db.view();
    if (!view) return laws::resumes.refused("view", view.error());
    Files expected;
    for (std::uint64_t i = 1; i <= plan_.items; ++i) expected.push_back(item(i).front());
    for (std::size_t part = 0; part < Home::parts; ++part) {
      auto const files = home_.get(*view.assume_value(), part);
      if (!files) return laws::resumes.refused("get", files.error());
      if (files.assume_value() == expected) continue;
      return laws::resumes.broken(
          "each item once, and nothing else",
          std::to_string(files.assume_value().size()) + " in part " + std::to_string(part));
    }
    return {};
  }

  Home home_;
  ResumePlan plan_;
};

template <class Home>
[[nodiscard]] Scenario resume_scenario(std::string name, Home home, ResumePlan const& plan) {
  ResumeWork<Home> const work{std::move(home), plan};
  return {std::move(name), plan.sector_size, [work](Run& run) { return work.work(run); },
          [work](Run& run) { return work.recover(run); }};
}

/// What checks the law of builds that are resumed on such a home.
template <class Home>
[[nodiscard]] Subject resume_subject(std::string name, Home home) {
  using namespace laws;  // NOLINT(google-build-using-namespace)
  return {.name = name,
          .laws = {resumes},
          .trials = {{{resumes.id}, resumes.id, [name, home](std::uint64_t number) {
                        return resume_scenario(name, home, resume_plan(number));
                      }}}};
}
}  // namespace testing

HOLDFAST_END

#endif

// SPDX-License-Identifier: BSL-1.0
// Scenarios over any staged home: commits, discards, reverts, holds, killed builders, readers and
// rivals in their midst; all of them crashed and judged by the laws S1 to S7.
#ifndef HOLDFAST_TESTING_STAGED_SCENARIO_HPP
#define HOLDFAST_TESTING_STAGED_SCENARIO_HPP

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "holdfast/config.hpp"
#include "holdfast/testing/disk/hash.hpp"
#include "holdfast/testing/scenario.hpp"
#include "holdfast/testing/staged_actor.hpp"
#include "holdfast/testing/staged_laws.hpp"
#include "holdfast/testing/staged_watcher.hpp"

HOLDFAST_BEGIN

namespace testing {
struct StagedPlan {
  std::uint64_t seed = 1;
  std::size_t steps = 4;  ///< commits, discards, reverts, collections; the first is a commit
  std::size_t sector_size = 4096;
  bool reader_at_every_call = false;  ///< a process that refreshes and reads before every call
  bool parts = false;                 ///< some builds are of the first part alone
  bool copies = false;                ///< some builds begin as a copy of what is current
  bool holds = false;                 ///< commits are put on hold and let go
  bool pinned_reader = false;         ///< a process that keeps the first generation it sees
  std::uint64_t rival_at = 0;    ///< before that call another process opens and reverts or builds
  std::uint64_t kill_step = 0;   ///< the step in which the builder is killed; 0 = none
  std::uint64_t kill_after = 0;  ///< calls of that step before
  bool reader_before_recovery = false;
  enum class Then : std::uint8_t { nothing, discard, commit, revert };
  Then then = Then::nothing;  ///< what recovery goes on to do
};

/// A scenario over the home that `Home` opens (staged_home.hpp says what it needs).
template <class Home>
class StagedWork {
  using Actor = StagedActor<Home>;

 public:
  StagedWork(Home home, StagedPlan const& plan) : home_{std::move(home)}, plan_{plan} {}

  [[nodiscard]] Verdict work(Run& run) const {
    Verdict broken;  // by whoever runs in between
    auto const judge = [&](Verdict next) {
      if (!broken) broken = std::move(next);
    };
    Traffic traffic{.rival = plan_.rival_at != 0};
    Watcher<Home> watcher{run, home_, run.start()};
    auto const rival = run.start();
    auto const pinner = run.start();
    if (plan_.reader_at_every_call || plan_.rival_at != 0) {
      run.disk.before_each_call([&, calls = std::uint64_t{0}]() mutable {
        if (broken) return;
        if (plan_.reader_at_every_call) judge(watcher.look());
        if (++calls == plan_.rival_at) judge(interfere(run, rival, traffic));
      });
    }
    auto own = build(run, watcher, pinner, traffic);
    run.disk.before_each_call({});  // its captures end here
    return broken ? std::move(broken) : std::move(own);
  }

  [[nodiscard]] Recovered recover(Run& run) const {
    Recovered out;
    out.broken = recover(run, out);
    return out;
  }

 private:
  [[nodiscard]] Verdict build(Run& run,
                              Watcher<Home>& watcher,
                              SimulatedProcess const& pins,
                              Traffic& traffic) const {
    disk::Dice dice{plan_.seed};
    Watcher<Home> pinned{run, home_, pins};
    auto process = run.start();
    std::optional<Actor> actor{std::in_place, run, home_, process, traffic};
    if (auto broken = actor->open()) return broken;
    for (std::uint64_t step = 1; step <= plan_.steps; ++step) {
      if (step == plan_.kill_step) process.kill_after(plan_.kill_after);
      if (plan_.reader_at_every_call) {
        if (auto broken = watcher.count_flips()) return broken;
      }
      if (auto broken = act(*actor, step == 1 ? 0 : dice.below(16))) return broken;
      if (plan_.reader_at_every_call && process.alive()) {
        if (auto broken = watcher.flips_were_acknowledged()) return broken;
      }
      if (plan_.pinned_reader) {
        if (auto broken = step == 1 ? pinned.keep() : pinned.kept_stays()) return broken;
      }
      if (process.alive()) continue;
      process = run.start();
      actor.emplace(run, home_, process, traffic);
      if (auto broken = actor->open()) return broken;
      if (auto broken = actor->look(true)) return broken;
    }
    return {};
  }

  [[nodiscard]] Verdict act(Actor& actor, std::uint64_t choice) const {
    if (plan_.holds && choice > 5 && choice < 14) return actor.hold(choice < 10 ? choice : 0);
    if (plan_.copies && choice % 4 == 2) return actor.commit_copy();
    if (choice < 8) return plan_.parts && choice % 2 == 1 ? actor.commit_first() : actor.commit();
    if (choice < 10) return actor.discard(false);
    if (choice < 12) return actor.discard(true);
    if (choice < 15) return actor.revert();
    return actor.collect();
  }

  // Another process in the midst of a call of the builder. It may be refused, but must not disturb.
  [[nodiscard]] Verdict interfere(Run& run,
                                  SimulatedProcess const& process,
                                  Traffic& traffic) const {
    Actor rival{run, home_, process, traffic};
    rival.may_be_refused();
    if (auto broken = rival.open()) return broken;
    if (!rival.is_open()) return {};
    if (auto broken = rival.look(false)) return broken;
    return plan_.seed % 2 == 0 ? rival.revert() : rival.commit();
  }

  [[nodiscard]] Verdict recover(Run& run, Recovered& out) const {
    if (plan_.reader_before_recovery && !run.again) {
      Watcher<Home> reader{run, home_, run.start()};
      if (auto broken = reader.look()) return broken;
    }
    Traffic traffic;
    auto const process = run.start();
    std::vector<laws::SeenName> names;
    if (!run.again) {
      if (auto broken = names_open(home_, process, names)) return broken;
    }
    Actor actor{run, home_, process, traffic};
    if (auto broken = actor.open()) return broken;
    if (auto broken = actor.look(true)) return broken;
    for (auto const& name : names) {
      if (auto broken = laws::name_may_give(run.history(), actor.last(), name)) return broken;
    }
    out.seen = out.left = actor.seen();
    if (run.again) return {};
    if (auto broken = actor.nothing_leaks()) return broken;
    if (plan_.then == StagedPlan::Then::nothing) return {};
    auto broken = plan_.then == StagedPlan::Then::discard  ? actor.discard(true)
                  : plan_.then == StagedPlan::Then::commit ? actor.commit()
                                                           : actor.revert();
    out.left = actor.seen();
    return broken;
  }

  Home home_;
  StagedPlan plan_;
};

template <class Home>
[[nodiscard]] Scenario staged_scenario(std::string name, Home home, StagedPlan const& plan) {
  StagedWork<Home> const work{std::move(home), plan};
  return {std::move(name), plan.sector_size, [work](Run& run) { return work.work(run); },
          [work](Run& run) { return work.recover(run); }};
}
}  // namespace testing

HOLDFAST_END

#endif

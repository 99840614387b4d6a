// SPDX-License-Identifier: BSL-1.0
// The ordeal of a staged home: one operation under trouble, with a reader beside it; after it the
// home recovers and commits again.
#ifndef HOLDFAST_TESTING_FAULTS_STAGED_HPP
#define HOLDFAST_TESTING_FAULTS_STAGED_HPP

#include <cstdint>
#include <string>
#include <utility>

#include "holdfast/config.hpp"
#include "holdfast/testing/faults_loops.hpp"
#include "holdfast/testing/staged_actor.hpp"
#include "holdfast/testing/staged_scenario.hpp"
#include "holdfast/testing/staged_watcher.hpp"

HOLDFAST_BEGIN

namespace testing {
/// What the trouble strikes. `create` is the first opening and commit of a home.
enum class StagedAct : std::uint8_t { create, open, commit, discard, revert, collect };
[[nodiscard]] constexpr char const* name(StagedAct act) noexcept {
  constexpr char const* names[] = {"create", "open", "commit", "discard", "revert", "collect"};
  return names[static_cast<std::size_t>(act)];
}
inline constexpr StagedAct staged_acts[] = {StagedAct::create, StagedAct::open,
                                            StagedAct::commit, StagedAct::discard,
                                            StagedAct::revert, StagedAct::collect};

/// `Home` as in staged_home.hpp.
template <class Home>
class StagedOrdeal {
  using Actor = StagedActor<Home>;

 public:
  StagedOrdeal(Home home, StagedPlan const& plan, StagedAct act)
      : home_{std::move(home)}, plan_{plan}, act_{act} {}

  [[nodiscard]] Verdict suffer(Run& run, Trouble const& trouble) const {
    forget_reader_slots();
    Traffic traffic;
    return act_ == StagedAct::create ? suffer_first(run, trouble, traffic)
                                     : suffer_later(run, trouble, traffic);
  }
  [[nodiscard]] Recovered recover(Run& run) const {
    forget_reader_slots();
    return StagedWork<Home>{home_, plan_}.recover(run);
  }

 private:
  // Where not even the opening succeeded, the next one does.
  [[nodiscard]] Verdict suffer_first(Run& run, Trouble const& trouble, Traffic& traffic) const {
    trouble.begin(run);
    auto broken = under(trouble, run, [&] {
      Actor first{run, home_, run.start(), traffic};
      auto refused = first.open();
      return refused ? refused : first.commit();
    });
    trouble.end(run);
    if (broken) return broken;
    Actor next{run, home_, run.start(), traffic};
    Watcher<Home> reader{run, home_, run.start()};
    if (auto refused = next.open()) return refused;
    return go_on(next, reader);
  }

  [[nodiscard]] Verdict suffer_later(Run& run, Trouble const& trouble, Traffic& traffic) const {
    Actor actor{run, home_, run.start(), traffic};
    Watcher<Home> reader{run, home_, run.start()};
    if (auto broken = actor.open()) return broken;
    if (auto broken = actor.commit()) return broken;
    if (auto broken = actor.commit()) return broken;
    if (auto broken = reader.look()) return broken;
    trouble.begin(run);
    auto broken = under(trouble, run, [&] { return act(run, actor, traffic); });
    if (!broken) broken = under(trouble, run, [&] { return look_behind(run, reader, trouble); });
    // F7, and a disk that is full: readers go on.
    if (!broken && trouble.spares_readers) broken = look_behind(run, reader, trouble);
    trouble.end(run);
    return broken ? broken : go_on(actor, reader);
  }

  // A commit that is durable may not have been able to tell other processes. They stay behind, on
  // something whole, until the trouble ends.
  [[nodiscard]] static Verdict look_behind(Run& run,
                                           Watcher<Home>& reader,
                                           Trouble const& trouble) {
    auto broken = reader.look();
    bool const behind = broken && broken->law == laws::s3.id && trouble.struck(run);
    return behind && trouble.excuses ? Verdict{} : broken;
  }

  [[nodiscard]] Verdict act(Run& run, Actor& actor, Traffic& traffic) const {
    switch (act_) {
      case StagedAct::open: {
        Actor second{run, home_, run.start(), traffic};
        if (auto broken = second.open()) return broken;
        return second.look(false);
      }
      case StagedAct::commit:
        return actor.commit();
      case StagedAct::discard: {
        if (auto broken = actor.discard(false)) return broken;
        return actor.discard(true);
      }
      case StagedAct::revert:
        return actor.revert();
      case StagedAct::create:
      case StagedAct::collect:
        break;
    }
    return actor.collect();
  }

  // S13: in the same process, with the same objects.
  [[nodiscard]] static Verdict go_on(Actor& actor, Watcher<Home>& reader) {
    if (auto broken = actor.recover()) return broken;
    if (auto broken = actor.look(true)) return broken;
    if (auto broken = actor.commit()) return broken;
    if (auto broken = actor.collect()) return broken;
    if (auto broken = actor.nothing_leaks()) return broken;
    return reader.look();
  }
  Home home_;
  StagedPlan plan_;
  StagedAct act_;
};

template <class Home>
[[nodiscard]] Ordeal staged_ordeal(std::string const& name,
                                   Home home,
                                   StagedPlan const& plan,
                                   StagedAct act) {
  StagedOrdeal<Home> const ordeal{std::move(home), plan, act};
  return {name + " " + testing::name(act), plan.sector_size,
          [ordeal](Run& run, Trouble const& trouble) { return ordeal.suffer(run, trouble); },
          [ordeal](Run& run) { return ordeal.recover(run); }};
}
}  // namespace testing

HOLDFAST_END

#endif

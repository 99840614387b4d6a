// SPDX-License-Identifier: BSL-1.0
// The laws of staged switches on how runs end: states, discards, callbacks, rivals, errors.
#ifndef HOLDFAST_TESTING_STAGED_PROBES_HPP
#define HOLDFAST_TESTING_STAGED_PROBES_HPP

#include <cstddef>
#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "holdfast/config.hpp"
#include "holdfast/detail/transitions.hpp"
#include "holdfast/event.hpp"
#include "holdfast/testing/disk/hash.hpp"
#include "holdfast/testing/faults.hpp"
#include "holdfast/testing/home_trial.hpp"
#include "holdfast/testing/staged_laws.hpp"

HOLDFAST_BEGIN

namespace testing::laws {
/// S7, also where the disk gets full on the way.
template <class Home>
[[nodiscard]] Verdict discards_change_nothing(Home const& home, std::uint64_t seed) {
  disk::Dice dice{seed};
  HomeTrial<Home> trial{home, seed};
  if (auto broken = trial.open(s7)) return broken;
  for (int round = 0; round < 3; ++round) {
    SeenHome before;
    if (auto broken = trial.commit(s7)) return broken;
    if (auto broken = trial.look(s7, before)) return broken;
    if (round != 0) trial.faults().fail(disk_full_after(dice.below(6000)));
    {
      auto ready = trial.prepare();
      if (ready) ready.assume_value().discard();
      if (!ready && round == 0) return s7.refused("seal", ready.error());
    }
    if (auto broken = trial.shows(s7, before)) return broken;
    trial.faults().heal();
    if (auto broken = trial.shows(s7, before)) return broken;
    if (auto const done = trial.staged().recover(); !done)
      return s7.refused("recover", done.error());
    if (auto broken = trial.shows(s7, before)) return broken;
  }
  return {};
}

/// S8, as an observer is told of commits, discards, reverts, and runs that fail.
template <class Home>
[[nodiscard]] Verdict states_follow_the_table(Home const& home, std::uint64_t seed) {
  disk::Dice dice{seed};
  HomeTrial<Home> trial{home, seed};
  if (auto broken = trial.open(s8)) return broken;
  Verdict wrong;
  State at = State::none;
  trial.process().world.observe([&](Event const& event) {
    if (event.kind != Event::Kind::transition || wrong) return;
    bool const allowed = event.from == at && holdfast::detail::allowed(event.from, event.to);
    if (!allowed) {
      wrong = s8.broken("a transition of the table from state " + std::to_string(int(at)),
                        std::to_string(int(event.from)) + " to " + std::to_string(int(event.to)));
    }
    at = event.to;
  });
  for (int run = 0; run < 8 && !wrong; ++run) {
    if (run > 1 && dice.below(3) == 0) trial.faults().fail({.first = 1 + dice.below(80)});
    auto ready = trial.prepare();
    if (ready && dice.below(3) == 0) {
      ready.assume_value().discard();
    } else if (ready) {
      static_cast<void>(trial.finish(std::move(ready).assume_value()));
    }
    trial.faults().heal();
    auto const recovered = trial.staged().recover();
    if (!recovered) break;  // a commit whose outcome is not known; others are here for that
  }
  trial.process().world.observe({});
  return wrong;
}

/// S12: validations that refuse, fail or throw, and a build that throws on the way.
template <class Home>
[[nodiscard]] Verdict refused_runs_are_discards(Home const& home, std::uint64_t seed) {
  HomeTrial<Home> trial{home, seed};
  if (auto broken = trial.open(s12)) return broken;
  SeenHome before;
  for (int way = 0; way < 4; ++way) {
    if (auto broken = trial.commit(s12)) return broken;
    if (auto broken = trial.look(s12, before)) return broken;
    bool threw = false;
    try {
      if (way == 0) {
        auto const stage = trial.fill();
        throw std::runtime_error{"while filling"};
      }
      auto ready = trial.prepare();
      if (!ready) return s12.refused("seal", ready.error());
      auto checked = std::move(ready).assume_value().validate([way](auto const&) -> result<bool> {
        if (way == 1) throw std::runtime_error{"while validating"};
        if (way == 2) return failure(errc::backend, "validate");
        return false;
      });
      if (checked) return s12.broken("the validation refuses", "it goes on");
    } catch (std::runtime_error const&) {
      threw = true;
    }
    if (threw != (way < 2)) return s12.broken("exceptions are passed on", "they are not");
    if (auto broken = trial.shows(s12, before)) return broken;
    if (trial.lying().size() > trial.staged().status().assume_value().manifest->retained.size() +
                                   trial.staged().status().assume_value().manifest->retiring.size())
      return s12.broken("nothing of it is left", "a generation");
  }
  return trial.commit(s12);
}

/// What an operation that was disturbed may leave: the old, the new, or one of both if that is
/// what it says.
template <class Home>
[[nodiscard]] Verdict leaves_old_or_new(Law const& law,
                                        HomeTrial<Home>& trial,
                                        SeenHome const& before,
                                        result<Committed> const& done) {
  SeenHome seen;
  if (auto broken = trial.look(law, seen)) return broken;
  bool const old = seen == before;
  bool const fresh = seen.sequence == before.sequence + 1 && seen.generation > before.generation;
  bool const unsure = !done && done.error().code() == errc::uncertain;
  if (done ? fresh : old || (unsure && fresh)) return {};
  return law.broken(done ? "the new" : "the old: " + text_of(before), text_of(seen));
}

/// S13: one call of a whole run answers an error, for once or from then on; then the fault ends.
template <class Home>
[[nodiscard]] Verdict errors_leave_old_or_new(Home const& home, std::uint64_t seed) {
  disk::Dice dice{seed};
  std::uint64_t calls = 200;
  for (int i = 0; i < 16; ++i) {
    HomeTrial<Home> trial{home, seed};
    if (auto broken = trial.open(s13)) return broken;
    if (auto broken = trial.commit(s13)) return broken;
    SeenHome before;
    if (auto broken = trial.look(s13, before)) return broken;
    Fault fault{.first = 1 + dice.below(calls)};
    if (dice.below(2) == 0) {  // most of what is delicate comes of these
      fault.call = dice.below(2) == 0 ? Call::sync : Call::write;
      fault.first = 1 + dice.below(12);
    }
    fault.times = dice.below(3) == 0 ? Fault::always : 1;
    fault.number = fault_numbers[dice.below(std::size(fault_numbers))];
    fault.half = dice.below(2) == 0;
    auto const counted = trial.faults().count(Call::any);
    trial.faults().fail(fault);
    auto const done = trial.try_commit();
    calls = trial.faults().count(Call::any) - counted;
    trial.faults().heal();
    if (!done && done.error().code() == errc::uncertain) {
      auto const outcome = trial.staged().resolve(done.error().ticket());
      if (!outcome) return s13.refused("resolve", outcome.error());
      if (outcome.assume_value() == Outcome::unknown)
        return s13.broken("an outcome", "none is known");
    }
    if (auto broken = leaves_old_or_new(s13, trial, before, done)) return broken;
    if (auto const recovered = trial.staged().recover(); !recovered)
      return s13.refused("recover", recovered.error());
    if (auto broken = leaves_old_or_new(s13, trial, before, done)) return broken;
    if (auto broken = trial.commit(s13)) return broken;
    if (auto broken = trial.shows_generation(s13, trial.committed())) return broken;
  }
  return {};
}

/// S14: a build is ready when another process reverts; and the reverse order, where nobody loses.
template <class Home>
[[nodiscard]] Verdict one_of_two_wins(Home const& home, std::uint64_t seed) {
  HomeTrial<Home> trial{home, seed};
  if (auto broken = trial.open(s14)) return broken;
  if (auto broken = trial.commit(s14)) return broken;
  auto const old = trial.committed();
  if (auto broken = trial.commit(s14)) return broken;
  auto const current = trial.committed();
  auto ready = trial.prepare();
  if (!ready) return s14.refused("seal", ready.error());
  auto other = home.open(trial.disk().start());
  if (!other) return s14.refused("open_staged of another", other.error());
  auto& rival = other.assume_value();
  bool const can_revert = rival.revert({old}).has_value();  // not where only one is retained
  auto const to = can_revert ? old : current;
  if (!can_revert) {
    if (auto const again = rival.revert({current}); !again)
      return s14.refused("revert to the current", again.error());
  }
  auto const done = trial.finish(std::move(ready).assume_value());
  if (done) return s14.broken("the commit is told that it lost", "it succeeds");
  auto const code = done.error().code();
  if (code != errc::conflict && code != errc::fenced) return s14.refused("", done.error());
  if (auto broken = trial.shows_generation(s14, to)) return broken;
  if (auto broken = trial.commit(s14)) return broken;
  return trial.shows_generation(s14, trial.committed());
}

/// What another process shows before every call that `work` makes, and after the last, without
/// what is shown several times in a row. Nothing if it can't look.
template <class Home, class Work>
[[nodiscard]] std::optional<std::vector<std::uint64_t>> generations_seen(HomeTrial<Home>& trial,
                                                                         Work work) {
  auto follower = trial.home().follow(trial.disk().start());
  if (!follower) return {};
  std::vector<std::uint64_t> seen;
  std::uint64_t sequence = 0;
  auto const look = [&] {
    auto const refreshed = follower.assume_value().refresh();
    auto const view = follower.assume_value().view();
    if (!refreshed || !view) return;
    auto const& shown = view.assume_value();
    if (seen.empty() || shown.sequence() != sequence || shown.generation().number != seen.back())
      seen.push_back(shown.generation().number);
    sequence = shown.sequence();
  };
  bool looking = false;
  trial.faults().spy = [&](Call, std::string const&) {
    if (!std::exchange(looking, true)) {
      look();
      looking = false;
    }
  };
  work();
  trial.faults().spy = {};
  look();
  return seen;
}

/// S5: another process sees the old, then the new, and nothing else, whatever else is done.
template <class Home>
[[nodiscard]] Verdict one_call_flips(Home const& home, std::uint64_t seed) {
  HomeTrial<Home> trial{home, seed};
  if (auto broken = trial.open(s5)) return broken;
  for (int run = 0; run < 3; ++run) {
    if (auto broken = trial.commit(s5)) return broken;
    auto const old = trial.committed();
    Verdict broken;
    auto const seen = generations_seen(trial, [&] {
      if (auto ready = trial.prepare()) ready.assume_value().discard();
      broken = trial.commit(s5);
    });
    if (broken) return broken;
    std::vector<std::uint64_t> const expected{old, trial.committed()};
    if (!seen) return s5.broken("another process can look", "it can't");
    if (*seen != expected)
      return s5.broken("one flip", std::to_string(seen->size()) + " generations after each other");
  }
  return {};
}

/// S9: what another process has pinned stays while commits retire it.
template <class Home>
[[nodiscard]] Verdict the_pinned_stays(Home const& home, std::uint64_t seed) {
  HomeTrial<Home> trial{home, seed};
  if (auto broken = trial.open(s9)) return broken;
  if (auto broken = trial.commit(s9)) return broken;
  auto follower = home.follow(trial.disk().start());
  if (!follower) return s9.refused("open_view", follower.error());
  auto const pinned = follower.assume_value().pin();
  if (!pinned) return s9.refused("pin", pinned.error());
  auto const before = see(home, pinned.assume_value());
  for (int run = 0; run < 6; ++run) {
    if (auto broken = trial.commit(s9)) return broken;
    trial.process().world.wait_until(trial.process().world.steady_ns() + 10'000'000'000);
    if (auto const collected = trial.staged().collect(); !collected)
      return s9.refused("collect", collected.error());
    auto const now = see(home, pinned.assume_value());
    if (now != before) return s9.broken(text_of(before), text_of(now));
  }
  return {};
}

/// S19: each call after the switch answers an error, one at a time; the commit stands all the same.
template <class Home>
[[nodiscard]] Verdict what_follows_changes_nothing(Home const& home, std::uint64_t seed) {
  std::uint64_t point = 0;  // the last call before the switch is seen
  std::uint64_t last = 0;
  for (std::uint64_t failing = 0; failing <= last; ++failing) {
    HomeTrial<Home> trial{home, seed};
    if (auto broken = trial.open(s19)) return broken;
    for (int i = 0; i < 2; ++i) {
      if (auto broken = trial.commit(s19)) return broken;
    }
    auto ready = trial.prepare();
    if (!ready) return s19.refused("seal", ready.error());
    auto const g = ready.assume_value().generation().number;
    auto follower = home.follow(trial.disk().start());
    if (!follower) return s19.refused("open_view", follower.error());
    bool looking = false;
    if (failing == 0) {
      trial.faults().spy = [&](Call call, std::string const&) {
        if (looking || call == Call::unlock) return;
        looking = true;
        ++last;
        auto const refreshed = follower.assume_value().refresh();
        auto const view = follower.assume_value().view();
        if (refreshed && view && view.assume_value().generation().number != g) point = last;
        looking = false;
      };
    } else {
      trial.faults().fail({.first = failing});
    }
    auto const done = trial.finish(std::move(ready).assume_value());
    trial.faults().spy = {};
    trial.faults().heal();
    if (failing == 0 && point == 0) return s19.broken("the switch is seen", "it is not");
    if (failing == 0) failing = point;  // call `point` itself makes the switch
    if (!done) return s19.broken("success, with what failed told beside", done.error().text());
    if (auto broken = trial.shows_generation(s19, g)) return broken;
  }
  return {};
}
}  // namespace testing::laws

HOLDFAST_END

#endif

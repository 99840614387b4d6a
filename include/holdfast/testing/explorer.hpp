// SPDX-License-Identifier: BSL-1.0
// Runs a scenario once, then judges its recovery on every disk that a crash at any call may leave,
// and crashes the recovery too.
//
// A power cut keeps what is durable and a legal choice of what is pending; the next boot recovers.
// A SIGKILL keeps all that was issued, but pending effects stay pending: the next process recovers
// on the page cache, and a power cut may follow at any of its calls. Each distinct pair of disk and
// history is judged once.
#ifndef HOLDFAST_TESTING_EXPLORER_HPP
#define HOLDFAST_TESTING_EXPLORER_HPP

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "holdfast/config.hpp"
#include "holdfast/testing/crash_chain.hpp"
#include "holdfast/testing/disk/crash_states.hpp"
#include "holdfast/testing/disk/hash.hpp"
#include "holdfast/testing/disk/subsets.hpp"
#include "holdfast/testing/scenario.hpp"

HOLDFAST_BEGIN

namespace testing {
struct Exploration {
  std::size_t states = 0;                ///< distinct (disk, history) that were judged
  std::size_t subsets = 0;               ///< disks that were built, also equal ones
  std::size_t points = 0;                ///< crash points of the work itself
  std::size_t missed = 0;                ///< those of them that the budget did not reach
  std::size_t violations = 0;            ///< among the states
  std::optional<Violation> violation{};  ///< the first
  std::string report{};  ///< the violation for a person: law, mode, seed, crashes, what was lost
};

/// What `explore` runs: level by level, so that a budget is spent on the work's own crashes first,
/// then on those of recovery, then on those of the recovery after that.
class Explorer {
  using Step = disk::Step;
  using CrashStates = disk::CrashStates;

 public:
  Explorer(Scenario const& scenario, ExploreOptions const& options)
      : scenario_{scenario}, options_{options}, damage_{damage_of(scenario, options)} {}

  Exploration run() {
    disk::Image const empty{disk::sector_size_of(scenario_.sector_size)};
    Run work{machine_on(damage_, SimulatedDisk{empty, 1, options_.seed, 1})};
    auto broken = scenario_.work(work);
    if (broken) {
      fail(std::move(*broken), nullptr, work.history());
      return std::move(found_);
    }
    level_end_ =
        options_.depth == 0 ? options_.max_states : options_.max_states - options_.max_states / 3;
    first_step_ = work.disk.machine().crashes_from;
    points_left_ = found_.points = points_of(work.disk.machine().log);
    CrashStates const blank{empty, options_.mode};
    walk(std::make_shared<Life const>(Life{work.disk, blank, {}, std::nullopt, nullptr}));
    found_.missed = points_left_;
    for (depth_ = 1; depth_ <= options_.depth && !is_over(); ++depth_) deepen();
    return std::move(found_);
  }

 private:
  struct Instant {
    std::shared_ptr<Life const> const& life;
    CrashStates const& states;
    History const& history;
    std::uint64_t digest;
    std::optional<std::string> const& expected;
    std::size_t step;
    std::size_t effects;
  };

  [[nodiscard]] bool is_over() const noexcept {
    return found_it() || found_.states >= options_.max_states;
  }
  [[nodiscard]] bool stopped() const noexcept { return found_it() || found_.states >= level_end_; }
  [[nodiscard]] bool found_it() const noexcept {
    return found_.violation && !options_.count_violations;
  }

  void walk(std::shared_ptr<Life const> const& life) {
    auto states = life->start;
    auto history = life->history;
    auto expected = life->expected;
    std::uint64_t digest = 0;
    for (auto const& note : history) digest = Run::digest_after(digest, note);
    auto const& log = life->machine.machine().log;
    for (std::size_t i = 0; i < log.steps.size() && !stopped(); ++i) {
      auto const& step = log.steps[i];
      if (step.kind == Step::Kind::note) {
        history.push_back(step.note);
        digest = Run::digest_after(digest, step.note);
        // What has been started may be seen by the next recovery, or not.
        bool const opens =
            step.note.kind == Note::Kind::started || step.note.kind == Note::Kind::setting;
        if (opens) expected.reset();
        if (looks_at(i) && is_point(log, i)) {
          crash({life, states, history, digest, expected, i, 0}, 0);
        }
        continue;
      }
      auto const newest = states.next_id();
      if (step.count == 0) states.replay(step, log);
      if (looks_at(i) && step.kind == Step::Kind::sync_failed) {
        crash({life, states, history, digest, expected, i, 0}, 0);
      }
      for (std::size_t e = 1; e <= step.count && !stopped(); ++e) {
        states.issue(log.effects[step.first + e - 1], step);
        if (!looks_at(i)) continue;
        Instant const now{life, states, history, digest, expected, i, e};
        if (e == step.count) {
          crash(now, newest);
        } else if (page_of(log.effects[step.first + e - 1]) !=
                   page_of(log.effects[step.first + e])) {
          kill(now);  // a write may be killed between its pages
        }
      }
    }
  }
  [[nodiscard]] bool looks_at(std::size_t step) const noexcept {
    return depth_ != 0 || step >= first_step_;
  }
  [[nodiscard]] std::uint64_t page_of(disk::Effect const& effect) const noexcept {
    auto const sector_size = disk::sector_size_of(scenario_.sector_size);
    return effect.kind == disk::Effect::Kind::data ? effect.value * sector_size / disk::page_size
                                                   : (effect.value - 1) / disk::page_size;
  }
  // After a call with effects or a sync that failed, and after the last of the notes that may make
  // a state wrong that was right. A sync alone leaves no state that was not possible before it.
  [[nodiscard]] static bool is_point(disk::Log const& log, std::size_t at) noexcept {
    auto const& step = log.steps[at];
    if (step.kind == Step::Kind::sync_failed) return true;
    if (step.kind != Step::Kind::note) return step.count != 0;
    bool const last = at + 1 == log.steps.size() || log.steps[at + 1].kind != Step::Kind::note;
    return last && step.note.kind != Note::Kind::started &&
           step.note.kind != Note::Kind::dropping && step.note.kind != Note::Kind::setting;
  }
  [[nodiscard]] std::size_t points_of(disk::Log const& log) const noexcept {
    std::size_t points = 0;
    for (std::size_t i = first_step_; i < log.steps.size(); ++i) points += is_point(log, i);
    return points;
  }

  void crash(Instant const& now, std::uint64_t newer_than) {
    kill(now);
    auto const budget = budget_of_point();
    if (options_.mode == CrashMode::process) return;
    disk::Subsets subsets{now.states, newer_than, damage_};
    subsets.for_each(budget, disk::mixed(options_.seed, now.digest), [&](disk::Kept const& kept) {
      cut_power(now, kept);
      return !stopped();
    });
  }
  // What is left is for all crash points that are left, so that none is missed.
  [[nodiscard]] std::size_t budget_of_point() {
    if (depth_ != 0) return options_.subsets;
    auto const left = level_end_ - std::min(level_end_, found_.states);
    auto const share = left / std::max<std::size_t>(points_left_, 1);
    if (points_left_ != 0) --points_left_;
    return std::clamp<std::size_t>(share, 1, options_.subsets);
  }

  void cut_power(Instant const& now, disk::Kept const& kept) {
    if (is_thinned(++offered_)) return;
    ++found_.subsets;
    auto image = disk::image_of(now.states, kept, damage_);
    auto const key = disk::mixed(image.settle(), now.digest);
    if (!seen_.add(key)) return;
    ++found_.states;
    judge(now, {now.life, now.step, now.effects, true, kept, {}}, std::move(image));
  }

  // The page cache survives; what is pending stays pending.
  void kill(Instant const& now) {
    if (stopped() || is_thinned(++offered_)) return;
    auto image = now.states.cache();
    auto key = disk::mixed(image.settle(), now.digest);
    if (options_.mode != CrashMode::process) {
      auto durable = now.states.durable();
      key = disk::mixed(key, disk::mixed(durable.settle(), digest_of(now.states.pending())));
    }
    if (!killed_.add(key)) return;
    if (options_.mode == CrashMode::process) ++found_.states;
    judge(now, {now.life, now.step, now.effects, false, {}, {}}, std::move(image));
  }

  [[nodiscard]] static std::uint64_t digest_of(std::vector<disk::Pending> const& pending) noexcept {
    std::uint64_t digest = pending.size();
    for (std::size_t i = 0; i < pending.size(); ++i) {
      if (pending[i].forgotten) digest = disk::mixed(digest, i);
    }
    return digest;
  }
  [[nodiscard]] bool is_thinned(std::uint64_t number) const noexcept {
    return depth_ != 0 && options_.thin > 1 &&
           disk::mixed(number, options_.seed) % options_.thin != 0;
  }

  void judge(Instant const& now, Crash crash, disk::Image image) {
    History reported;
    auto found = judge_recovery(scenario_, now.history, now.expected,
                                machine_after(crash, damage_, std::move(image)), reported);
    if (found.broken) return fail(std::move(*found.broken), &crash, reported);
    if (depth_ < options_.depth) {
      crash.seen = std::move(found.seen);
      next_.push_back(std::move(crash));
    }
  }

  // Crashes the recoveries of the level before, in an order of the seed.
  void deepen() {
    auto const left = options_.max_states - found_.states;
    level_end_ = options_.max_states - (depth_ < options_.depth ? left / 3 : 0);
    auto level = std::exchange(next_, {});
    disk::Dice dice{options_.seed};
    for (std::size_t n = level.size(); n > 0 && !stopped(); --n) {
      std::swap(level[n - 1], level[static_cast<std::size_t>(dice.below(n))]);
      walk(recovery_after(std::make_shared<Crash const>(std::move(level[n - 1]))));
    }
  }
  // The recovery that was judged before, once more, for its log.
  [[nodiscard]] std::shared_ptr<Life const> recovery_after(
      std::shared_ptr<Crash const> const& crash) const {
    auto [states, history] = replay(*crash);
    auto image = image_after(*crash, states, damage_);
    if (crash->power) states = CrashStates{image, options_.mode};
    Run run{machine_after(*crash, damage_, std::move(image)), history};
    static_cast<void>(scenario_.recover(run));
    run.again = true;
    static_cast<void>(scenario_.recover(run));
    // While effects of a killed process are pending, a power cut may still decide otherwise.
    bool const settled = states.pending().empty() || options_.mode == CrashMode::process;
    return std::make_shared<Life const>(Life{run.disk, std::move(states), std::move(history),
                                             settled ? std::optional{crash->seen} : std::nullopt,
                                             crash});
  }

  void fail(Violation violation, Crash const* crash, History const& reported) {
    bool const counted = crash == nullptr || crash->power || options_.mode == CrashMode::process;
    found_.violations += counted ? 1 : 0;
    if (found_.violation) return;
    Crash simplest = crash == nullptr ? Crash{} : *crash;
    if (crash != nullptr && crash->power) {
      spare_effects(scenario_, damage_, violation.law, simplest);
    }
    found_.report =
        report_of(scenario_, options_, violation, crash == nullptr ? nullptr : &simplest, reported);
    found_.violation = std::move(violation);
  }

  Scenario const& scenario_;
  ExploreOptions options_;
  disk::Damage damage_;
  Exploration found_{};
  disk::SeenSet seen_{};
  disk::SeenSet killed_{};
  std::vector<Crash> next_{};    // whose recoveries the next level crashes
  std::uint64_t offered_ = 0;    // crashes, also those that are thinned out
  std::size_t first_step_ = 0;   // of the work, from which it is crashed
  std::size_t points_left_ = 0;  // of the work
  std::size_t depth_ = 0;
  std::size_t level_end_ = 0;  // of `found_.states`
};

/// Judges the crash states of the scenario under one mode, until the budget is spent or a law is
/// violated.
[[nodiscard]] inline Exploration explore(Scenario const& scenario, ExploreOptions const& options) {
  return Explorer{scenario, options}.run();
}

/// The same; what violates a law is looked for again in simpler scenarios, as long as one of them
/// violates it too, and reported of the simplest.
[[nodiscard]] inline Exploration explore_and_shrink(Scenario const& scenario,
                                                    ExploreOptions const& options) {
  auto found = explore(scenario, options);
  auto simplest = scenario;
  for (bool again = found.violation.has_value(); again && simplest.smaller;) {
    again = false;
    for (auto& smaller : simplest.smaller()) {
      auto next = explore(smaller, options);
      if (!next.violation || next.violation->law != found.violation->law) continue;
      found.violation = std::move(next.violation);
      found.report = std::move(next.report);
      simplest = std::move(smaller);
      again = true;
      break;
    }
  }
  return found;
}
}  // namespace testing

HOLDFAST_END

#endif

// SPDX-License-Identifier: BSL-1.0
// Runs a scenario once, then judges its recovery on every disk that a crash at any call may leave,
// and crashes the recovery too.
//
// A power cut keeps what is durable and a legal subset of what is pending; the next boot recovers.
// A SIGKILL keeps all that was issued, but pending effects stay pending: the next process recovers
// on the page cache, and a power cut may follow at any of its calls. Each distinct pair of disk and
// history is judged once.
#ifndef HOLDFAST_TESTING_EXPLORER_HPP
#define HOLDFAST_TESTING_EXPLORER_HPP

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "holdfast/config.hpp"
#include "holdfast/testing/disk/crash_states.hpp"
#include "holdfast/testing/disk/hash.hpp"
#include "holdfast/testing/disk/subsets.hpp"
#include "holdfast/testing/scenario.hpp"

HOLDFAST_BEGIN

namespace testing {
struct ExploreOptions {
  CrashMode mode = CrashMode::any;
  std::uint64_t seed = 1;
  /// How often recovery itself is crashed in a row.
  std::size_t depth = 2;
  /// Subsets at one crash point beyond which they are sampled.
  std::size_t subsets = 512;
  /// Distinct states after which to stop.
  std::size_t max_states = ~std::size_t{0};
  /// Look at one in so many of the crashes of recoveries (chosen by the seed).
  std::size_t thin = 1;
};

struct Exploration {
  std::size_t states = 0;   ///< distinct (disk, history) that were judged
  std::size_t subsets = 0;  ///< disks that were built, also equal ones
  std::optional<Violation> violation{};
  std::string report{};  ///< the violation for a person: law, mode, seed, crashes, what was lost
};

/// What `explore` runs: level by level, so that a budget is spent on the work's own crashes first,
/// then on those of recovery, then on those of the recovery after that.
class Explorer {
  using Step = disk::Step;
  using CrashStates = disk::CrashStates;

 public:
  Explorer(Scenario const& scenario, ExploreOptions const& options)
      : scenario_{scenario}, options_{options} {}

  Exploration run() {
    Run work{SimulatedDisk{scenario_.sector_size, options_.seed}};
    auto broken = scenario_.work(work);
    if (broken) {
      fail(std::move(*broken), nullptr, work);
      return std::move(found_);
    }
    level_end_ = options_.max_states;
    CrashStates const blank{disk::Image{scenario_.sector_size}, options_.mode};
    walk(std::make_shared<Life const>(Life{work.disk, blank, {}, std::nullopt, nullptr}));
    for (depth_ = 1; depth_ <= options_.depth && !stopped(); ++depth_) deepen();
    return std::move(found_);
  }

 private:
  struct Crash;
  // A run whose every instant is to be crashed.
  struct Life {
    SimulatedDisk machine;
    CrashStates start;
    History history;                      // before it
    std::optional<std::string> expected;  // what every recovery from within it must see
    std::shared_ptr<Crash const> before;
  };
  // One crash: how to make it again, and what the report says of it.
  struct Crash {
    std::shared_ptr<Life const> life;
    std::size_t step = 0;
    std::size_t effects = 0;  // issued by that step
    bool power = true;
    disk::Kept kept{};
    std::string seen{};  // by its recovery
  };
  struct Instant {
    std::shared_ptr<Life const> const& life;
    CrashStates const& states;
    History const& history;
    std::uint64_t digest;
    std::optional<std::string> const& expected;
    std::size_t step;
    std::size_t effects;
  };

  [[nodiscard]] bool stopped() const noexcept {
    return found_.violation || found_.states >= level_end_;
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
        if (step.note.kind == Note::Kind::started) expected.reset();
        bool const last = i + 1 == log.steps.size() || log.steps[i + 1].kind != Step::Kind::note;
        if (last && promises(step.note)) crash({life, states, history, digest, expected, i, 0}, 0);
        continue;
      }
      auto const newest = states.next_id();
      if (step.count == 0) states.replay(step, log);
      for (std::size_t e = 1; e <= step.count && !stopped(); ++e) {
        states.issue(log.effects[step.first + e - 1], step);
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
  [[nodiscard]] std::uint64_t page_of(disk::Effect const& effect) const noexcept {
    return effect.kind == disk::Effect::Kind::data
               ? effect.value * scenario_.sector_size / disk::page_size
               : (effect.value - 1) / disk::page_size;
  }
  // Notes after which a state that was right may be wrong.
  [[nodiscard]] static bool promises(Note const& note) noexcept {
    return note.kind != Note::Kind::started && note.kind != Note::Kind::dropping;
  }

  void crash(Instant const& now, std::uint64_t newer_than) {
    kill(now);
    if (options_.mode == CrashMode::process) return;
    disk::Subsets subsets{now.states, newer_than};
    subsets.for_each(options_.subsets, disk::mixed(options_.seed, now.digest),
                     [&](disk::Kept const& kept) {
                       cut_power(now, kept);
                       return !stopped();
                     });
  }

  void cut_power(Instant const& now, disk::Kept const& kept) {
    if (is_thinned(++offered_)) return;
    ++found_.subsets;
    auto image = disk::image_of(now.states, kept);
    auto const key = disk::mixed(image.settle(), now.digest);
    if (!seen_.add(key)) return;
    ++found_.states;
    judge(now, {now.life, now.step, now.effects, true, kept, {}},
          machine_after(now, true, std::move(image)));
  }

  // The page cache survives; what is pending stays pending.
  void kill(Instant const& now) {
    if (stopped() || is_thinned(++offered_)) return;
    auto image = now.states.cache();
    auto key = disk::mixed(image.settle(), now.digest);
    if (options_.mode != CrashMode::process) {
      auto durable = now.states.durable();
      key = disk::mixed(key, disk::mixed(durable.settle(), now.states.pending().size()));
    }
    if (!killed_.add(key)) return;
    if (options_.mode == CrashMode::process) ++found_.states;
    judge(now, {now.life, now.step, now.effects, false, {}, {}},
          machine_after(now, false, std::move(image)));
  }

  [[nodiscard]] bool is_thinned(std::uint64_t number) const noexcept {
    return depth_ != 0 && options_.thin > 1 &&
           disk::mixed(number, options_.seed) % options_.thin != 0;
  }
  [[nodiscard]] SimulatedDisk machine_after(Instant const& now,
                                            bool power,
                                            disk::Image image) const {
    auto const& m = now.life->machine.machine();
    return {std::move(image), m.boot + (power ? 1 : 0), options_.seed,
            m.first_process + static_cast<std::uint32_t>(m.processes.size())};
  }

  // Recovers twice and compares.
  void judge(Instant const& now, Crash crash, SimulatedDisk const& machine) {
    Run run{machine, now.history};
    auto first = scenario_.recover(run);
    if (first.broken) return fail(std::move(*first.broken), &crash, run);
    if (now.expected && *now.expected != first.seen) {
      return fail(
          {"S4", "after a crashed recovery the same as without: " + *now.expected, first.seen},
          &crash, run);
    }
    run.again = true;
    auto second = scenario_.recover(run);
    if (second.broken) return fail(std::move(*second.broken), &crash, run);
    if (second.seen != first.left) {
      return fail({"S4", "the same when recovered again: " + first.left, second.seen}, &crash, run);
    }
    if (depth_ < options_.depth) {
      crash.seen = std::move(first.seen);
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
    std::uint64_t const digest = 0;
    Instant const now{crash->life,           states,      history,       digest,
                      crash->life->expected, crash->step, crash->effects};
    auto image = crash->power ? disk::image_of(states, crash->kept) : states.cache();
    image.settle();
    if (crash->power) states = CrashStates{image, options_.mode};
    Run run{machine_after(now, crash->power, std::move(image)), history};
    static_cast<void>(scenario_.recover(run));
    run.again = true;
    static_cast<void>(scenario_.recover(run));
    // While effects of a killed process are pending, a power cut may still decide otherwise.
    bool const settled = states.pending().empty() || options_.mode == CrashMode::process;
    return std::make_shared<Life const>(Life{run.disk, std::move(states), std::move(history),
                                             settled ? std::optional{crash->seen} : std::nullopt,
                                             crash});
  }
  [[nodiscard]] static std::pair<CrashStates, History> replay(Crash const& crash) {
    auto states = crash.life->start;
    auto history = crash.life->history;
    auto const& log = crash.life->machine.machine().log;
    for (std::size_t i = 0; i <= crash.step; ++i) {
      auto const& step = log.steps[i];
      if (step.kind == Step::Kind::note) history.push_back(step.note);
      if (i < crash.step) states.replay(step, log);
    }
    auto const& last = log.steps[crash.step];
    for (std::size_t e = 0; e < crash.effects; ++e) states.issue(log.effects[last.first + e], last);
    return {std::move(states), std::move(history)};
  }

  void fail(Violation violation, Crash const* crash, Run const& run) {
    found_.report = "law " + violation.law + " violated by " + scenario_.name + ", mode " +
                    std::string{name(options_.mode)} + ", seed " + std::to_string(options_.seed) +
                    "\n";
    if (crash == nullptr) found_.report += "  in the run itself, without a crash\n";
    describe(crash);
    found_.report += "  reported:" + text(run.history()) + "\n";
    found_.report += "  expected: " + violation.expected + "\n  seen: " + violation.seen + "\n";
    found_.violation = std::move(violation);
  }
  void describe(Crash const* crash) {
    if (crash == nullptr) return;
    describe(crash->life->before.get());
    found_.report += crash->power ? "  power cut after " : "  SIGKILL after ";
    found_.report += text(crash->life->machine.machine().log.steps[crash->step]) + "\n";
    if (!crash->power) return;
    auto const states = replay(*crash).first;
    auto const& pending = states.pending();
    for (std::size_t begin = 0, end = 0; begin < pending.size(); begin = end) {
      // One line for what one call issued and the crash treated alike.
      while (end < pending.size() && pending[end].step == pending[begin].step &&
             crash->kept[end] == crash->kept[begin]) {
        ++end;
      }
      found_.report += crash->kept[begin] ? "    kept " : "    lost ";
      found_.report += text(*pending[begin].step) + ": " + text(*pending[begin].effect);
      if (end - begin > 1) found_.report += " ... " + text(*pending[end - 1].effect);
      found_.report += "\n";
    }
  }

  Scenario const& scenario_;
  ExploreOptions options_;
  Exploration found_{};
  disk::SeenSet seen_{};
  disk::SeenSet killed_{};
  std::vector<Crash> next_{};  // whose recoveries the next level crashes
  std::uint64_t offered_ = 0;  // crashes, also those that are thinned out
  std::size_t depth_ = 0;
  std::size_t level_end_ = 0;  // of `found_.states`
};

/// Judges every crash state of the scenario under one mode, until the budget is spent or a law is
/// violated.
[[nodiscard]] inline Exploration explore(Scenario const& scenario, ExploreOptions const& options) {
  return Explorer{scenario, options}.run();
}
}  // namespace testing

HOLDFAST_END

#endif

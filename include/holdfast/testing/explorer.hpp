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
#include <optional>
#include <string>
#include <utility>

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
  /// Crash the recovery of one in so many states (chosen by the seed).
  std::size_t nest_one_in = 1;
};

struct Exploration {
  std::size_t states = 0;   ///< distinct (disk, history) that were judged
  std::size_t subsets = 0;  ///< disks that were built, also equal ones
  std::optional<Violation> violation{};
  std::string report{};  ///< the violation for a person: law, mode, seed, crashes, what was lost
};

/// What `explore` runs.
class Explorer {
  using Log = disk::Log;
  using Step = disk::Step;
  using CrashStates = disk::CrashStates;

 public:
  Explorer(Scenario const& scenario, ExploreOptions const& options)
      : scenario_{scenario}, options_{options} {}

  Exploration run() {
    Run work{SimulatedDisk{scenario_.sector_size, options_.seed}};
    disk::Image const blank{scenario_.sector_size};
    auto broken = scenario_.work(work);
    if (broken) {
      fail(std::move(*broken), nullptr);
      return std::move(found_);
    }
    work.disk.before_each_call({});
    Life const life{work.disk.machine(), {}, {}, 0, nullptr};
    walk(life, CrashStates{blank, options_.mode});
    return std::move(found_);
  }

 private:
  // A crash and those before it, for the report.
  struct Crash {
    bool power = true;
    Step const* at = nullptr;
    CrashStates const* states = nullptr;
    disk::Kept const* kept = nullptr;
    Crash const* before = nullptr;
  };
  // A run whose every instant is to be crashed.
  struct Life {
    disk::Machine const& machine;
    History history;                      // before it
    std::optional<std::string> expected;  // what every recovery from within it must see
    std::size_t depth;
    Crash const* before;
  };
  struct Instant {
    Life const& life;
    CrashStates const& states;
    History const& history;
    std::uint64_t digest;
    std::optional<std::string> const& expected;
    Step const& step;
  };

  [[nodiscard]] bool stopped() const noexcept {
    return found_.violation || found_.states >= options_.max_states;
  }

  void walk(Life const& life, CrashStates states) {
    auto history = life.history;
    std::uint64_t digest = 0;
    for (auto const& note : history) digest = Run::digest_after(digest, note);
    auto expected = life.expected;
    auto const& log = life.machine.log;
    for (std::size_t i = 0; i < log.steps.size() && !stopped(); ++i) {
      auto const& step = log.steps[i];
      Instant const now{life, states, history, digest, expected, step};
      if (step.kind == Step::Kind::note) {
        history.push_back(step.note);
        digest = Run::digest_after(digest, step.note);
        // What has been started may be seen by the next recovery, or not.
        if (step.note.kind == Note::Kind::started) expected.reset();
        bool const judged = i + 1 == log.steps.size() || log.steps[i + 1].kind != Step::Kind::note;
        if (judged && promises(step.note))
          crash(Instant{life, states, history, digest, expected, step}, 0);
        continue;
      }
      auto const newest = states.next_id();
      if (step.count == 0) states.replay(step, log);
      for (std::size_t e = 0; e < step.count && !stopped(); ++e) {
        states.issue(log.effects[step.first + e], step);
        if (e + 1 < step.count) kill(now);  // a write may be killed between its pages
      }
      if (step.count != 0) crash(now, newest);
    }
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
    ++found_.subsets;
    auto image = disk::image_of(now.states, kept);
    auto const key = disk::mixed(image.settle(), now.digest);
    if (!seen_.add(key)) return;
    ++found_.states;
    Crash const crash{true, &now.step, &now.states, &kept, now.life.before};
    CrashStates const start{image, options_.mode};
    judge(now, crash,
          SimulatedDisk{std::move(image), now.life.machine.boot + 1, options_.seed,
                        next_process(now)},
          start, key);
  }

  // The page cache survives; what is pending stays pending.
  void kill(Instant const& now) {
    if (stopped()) return;
    auto image = now.states.cache();
    auto durable = now.states.durable();
    auto key = disk::mixed(image.settle(), now.digest);
    if (options_.mode != CrashMode::process) {
      key = disk::mixed(key, disk::mixed(durable.settle(), now.states.pending().size()));
    }
    if (!killed_.add(key)) return;
    if (options_.mode == CrashMode::process) ++found_.states;
    Crash const crash{false, &now.step, &now.states, nullptr, now.life.before};
    judge(now, crash,
          SimulatedDisk{std::move(image), now.life.machine.boot, options_.seed, next_process(now)},
          now.states, key);
  }
  [[nodiscard]] static std::uint32_t next_process(Instant const& now) noexcept {
    auto const& m = now.life.machine;
    return m.first_process + static_cast<std::uint32_t>(m.processes.size());
  }

  // Recovers twice, compares, and crashes that.
  void judge(Instant const& now,
             Crash const& crash,
             SimulatedDisk const& machine,
             CrashStates const& start,
             std::uint64_t key) {
    Run run{machine, now.history};
    auto first = scenario_.recover(run);
    if (first.broken) return fail(std::move(*first.broken), &crash);
    if (now.expected && *now.expected != first.seen) {
      return fail(
          {"S4", "after a crash of recovery the same as without: " + *now.expected, first.seen},
          &crash);
    }
    auto second = scenario_.recover(run);
    if (second.broken) return fail(std::move(*second.broken), &crash);
    if (second.seen != first.left) {
      return fail({"S4", "the same when recovered again: " + first.left, second.seen}, &crash);
    }
    bool const nests = now.life.depth < options_.depth &&
                       disk::mixed(key, options_.seed) % options_.nest_one_in == 0;
    if (!nests) return;
    // While effects of an earlier process are pending, a power cut may still decide otherwise.
    bool const settled = start.pending().empty() || options_.mode == CrashMode::process;
    Life const life{machine.machine(), now.history,
                    settled ? std::optional{first.seen} : std::nullopt, now.life.depth + 1, &crash};
    walk(life, start);
  }

  void fail(Violation violation, Crash const* crash) {
    found_.report = "law " + violation.law + " violated by " + scenario_.name + ", mode " +
                    std::string{name(options_.mode)} + ", seed " + std::to_string(options_.seed) +
                    "\n";
    describe(crash);
    if (crash == nullptr) found_.report += "  in the run itself, without a crash\n";
    found_.report += "  expected: " + violation.expected + "\n  seen: " + violation.seen + "\n";
    found_.violation = std::move(violation);
  }
  void describe(Crash const* crash) {
    if (crash == nullptr) return;
    describe(crash->before);
    found_.report += crash->power ? "  power cut after " : "  SIGKILL after ";
    found_.report += text(*crash->at) + "\n";
    if (!crash->power) return;
    auto const& pending = crash->states->pending();
    for (std::size_t begin = 0, end = 0; begin < pending.size(); begin = end) {
      // One line for what one call issued and the crash treated alike.
      while (end < pending.size() && pending[end].step == pending[begin].step &&
             (*crash->kept)[end] == (*crash->kept)[begin]) {
        ++end;
      }
      found_.report += (*crash->kept)[begin] ? "    kept " : "    lost ";
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
};

/// Judges every crash state of the scenario under one mode, until the budget is spent or a law is
/// violated.
[[nodiscard]] inline Exploration explore(Scenario const& scenario, ExploreOptions const& options) {
  return Explorer{scenario, options}.run();
}
}  // namespace testing

HOLDFAST_END

#endif

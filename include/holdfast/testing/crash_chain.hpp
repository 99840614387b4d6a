// SPDX-License-Identifier: BSL-1.0
// A crash, the recovery that was crashed before it, and so on: how to make it again, judge what
// recovers from it, and tell a person.
#ifndef HOLDFAST_TESTING_CRASH_CHAIN_HPP
#define HOLDFAST_TESTING_CRASH_CHAIN_HPP

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "holdfast/config.hpp"
#include "holdfast/testing/disk/crash_states.hpp"
#include "holdfast/testing/disk/fates.hpp"
#include "holdfast/testing/disk/subsets.hpp"
#include "holdfast/testing/scenario.hpp"

HOLDFAST_BEGIN

namespace testing {
struct ExploreOptions {
  CrashMode mode = CrashMode::any;
  std::uint64_t seed = 1;
  /// How often recovery itself is crashed in a row.
  std::size_t depth = 2;
  /// Choices at one crash point beyond which they are sampled. Fewer where the crash point's share
  /// of `max_states` is less.
  std::size_t subsets = 512;
  /// Distinct states after which to stop.
  std::size_t max_states = ~std::size_t{0};
  /// Look at one in so many of the crashes of recoveries (chosen by the seed).
  std::size_t thin = 1;
  /// May a sector under write become garbage?
  bool trash = true;
  /// What garbage consists of, and, where no journal forbids it, what a file reads as where it grew
  /// and its data was lost.
  std::uint8_t fill = 0;
  /// Go on after a violation, and count them; only the first is reported.
  bool count_violations = false;
};
[[nodiscard]] inline disk::Damage damage_of(Scenario const& scenario,
                                            ExploreOptions const& options) noexcept {
  return {std::byte{options.fill}, options.trash, scenario.sector_size == 1};
}

struct Crash;
/// A run whose every instant is to be crashed.
struct Life {
  SimulatedDisk machine;
  disk::CrashStates start;
  History history;                      ///< before it
  std::optional<std::string> expected;  ///< what every recovery from within it must see
  std::shared_ptr<Crash const> before;
};
struct Crash {
  std::shared_ptr<Life const> life{};
  std::size_t step = 0;
  std::size_t effects = 0;  ///< issued by that step
  bool power = true;
  disk::Kept kept{};
  std::string seen{};  ///< by its recovery
};

/// The disk and the history at the instant of the crash.
[[nodiscard]] inline std::pair<disk::CrashStates, History> replay(Crash const& crash) {
  auto states = crash.life->start;
  auto history = crash.life->history;
  auto const& log = crash.life->machine.machine().log;
  for (std::size_t i = 0; i <= crash.step; ++i) {
    auto const& step = log.steps[i];
    if (step.kind == disk::Step::Kind::note) history.push_back(step.note);
    if (i < crash.step || step.count == 0) states.replay(step, log);
  }
  auto const& last = log.steps[crash.step];
  for (std::size_t e = 0; e < crash.effects; ++e) states.issue(log.effects[last.first + e], last);
  return {std::move(states), std::move(history)};
}
[[nodiscard]] inline disk::Image image_after(Crash const& crash,
                                             disk::CrashStates const& states,
                                             disk::Damage const& damage) {
  auto image = crash.power ? disk::image_of(states, crash.kept, damage) : states.cache();
  image.settle();
  return image;
}
[[nodiscard]] inline SimulatedDisk machine_on(disk::Damage const& damage, SimulatedDisk machine) {
  machine.machine().fresh_sectors_show = damage.fill != std::byte{};
  return machine;
}
/// The next boot, or after a SIGKILL the same one.
[[nodiscard]] inline SimulatedDisk machine_after(Crash const& crash,
                                                 disk::Damage const& damage,
                                                 disk::Image image) {
  auto const& m = crash.life->machine.machine();
  SimulatedDisk const next{std::move(image), m.boot + (crash.power ? 1 : 0), m.seed,
                           m.first_process + static_cast<std::uint32_t>(m.processes.size())};
  next.machine().rewrites_show = m.rewrites_show && !crash.power;
  return machine_on(damage, next);
}

/// Recovers twice and compares; `reported` becomes the history with what was said meanwhile.
[[nodiscard]] inline Recovered judge_recovery(Scenario const& scenario,
                                              History const& history,
                                              std::optional<std::string> const& expected,
                                              SimulatedDisk const& machine,
                                              History& reported) {
  Run run{machine, history};
  auto first = scenario.recover(run);
  if (!first.broken && expected && *expected != first.seen) {
    first.broken = {"S4", "after a crashed recovery the same as without: " + *expected, first.seen,
                    false};
  }
  if (!first.broken) {
    run.again = true;
    auto second = scenario.recover(run);
    first.broken = std::move(second.broken);
    if (!first.broken && second.seen != first.left) {
      first.broken = {"S4", "the same when recovered again: " + first.left, second.seen, false};
    }
  }
  if (first.broken) reported = run.history();
  return first;
}

/// Keeps of what the power cut took as much as it can without the law being kept: what is left is
/// what matters.
inline void spare_effects(Scenario const& scenario,
                          disk::Damage const& damage,
                          std::string const& law,
                          Crash& crash) {
  auto const [states, history] = replay(crash);
  for (std::size_t i = crash.kept.size(); i-- > 0;) {
    if (crash.kept[i].fate == disk::Fate::kept) continue;
    auto trial = crash;
    trial.kept[i] = {disk::Fate::kept};
    if (!disk::is_legal(states, trial.kept)) continue;
    History reported;
    auto const found =
        judge_recovery(scenario, history, crash.life->expected,
                       machine_after(trial, damage, image_after(trial, states, damage)), reported);
    if (found.broken && found.broken->law == law) crash.kept = std::move(trial.kept);
  }
}

/// What was done to the effects that were pending: one line for what one call issued and the crash
/// treated alike.
[[nodiscard]] inline std::string text(disk::CrashStates const& states, disk::Kept const& kept) {
  std::string out;
  auto const& pending = states.pending();
  for (std::size_t begin = 0, end = 0; begin < pending.size(); begin = end) {
    while (end < pending.size() && pending[end].step == pending[begin].step &&
           kept[end].fate == kept[begin].fate) {
      ++end;
    }
    out += std::string{"    "} + name(kept[begin].fate) + " " + text(*pending[begin].step) + ": " +
           text(*pending[begin].effect);
    if (end - begin > 1) out += " ... " + text(*pending[end - 1].effect);
    out += "\n";
  }
  return out;
}
[[nodiscard]] inline std::string text(Crash const* crash) {
  if (crash == nullptr) return {};
  auto out = text(crash->life->before.get());
  out += crash->power ? "  power cut after " : "  SIGKILL after ";
  out += text(crash->life->machine.machine().log.steps[crash->step]) + "\n";
  return crash->power ? out + text(replay(*crash).first, crash->kept) : out;
}

/// A test case to paste: the same scenario, explored in the same way.
[[nodiscard]] inline std::string test_case(Scenario const& scenario,
                                           ExploreOptions const& options) {
  if (scenario.code.empty()) return {};
  auto const mode = std::string{name(options.mode)};
  auto const number = [](std::size_t n) {
    return n == ~std::size_t{0} ? "~std::size_t{0}" : std::to_string(n);
  };
  return "  as a test:\n    TEST_CASE(\"" + scenario.name + " keeps its laws, seed " +
         std::to_string(options.seed) + ", " + mode +
         "\", \"[found]\") {\n      auto const scenario = " + scenario.code +
         ";\n      auto const found = hf::testing::explore(\n" +
         "          scenario, {.mode = hf::testing::CrashMode::" + mode +
         ", .seed = " + number(options.seed) + ", .depth = " + number(options.depth) +
         ", .subsets = " + number(options.subsets) +
         ", .max_states = " + number(options.max_states) + ", .thin = " + number(options.thin) +
         ", .trash = " + (options.trash ? "true" : "false") +
         ", .fill = " + std::to_string(options.fill) +
         "});\n      CHECK(found.report == \"\");\n    }\n";
}

[[nodiscard]] inline std::string report_of(Scenario const& scenario,
                                           ExploreOptions const& options,
                                           Violation const& violation,
                                           Crash const* crash,
                                           History const& reported) {
  auto out = "law " + violation.law + " violated by " + scenario.name + ", mode " +
             std::string{name(options.mode)} + ", seed " + std::to_string(options.seed) + "\n";
  out += crash == nullptr ? "  in the run itself, without a crash\n" : text(crash);
  out += "  reported:" + text(reported) + "\n";
  out += "  expected: " + violation.expected + "\n  seen: " + violation.seen + "\n";
  return out + test_case(scenario, options);
}
}  // namespace testing

HOLDFAST_END

#endif

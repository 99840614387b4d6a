// SPDX-License-Identifier: BSL-1.0
// Checks laws of a subject: explores its trials with crashes, runs its probes without, parents
// first.
//
// One exploration judges many laws at once, and would stop at the first that breaks. So a law that
// broke is left out of account from then on, until all others have held or broken too; to check one
// law alone is the same with every other left out from the start.
#ifndef HOLDFAST_TESTING_SUBJECT_HPP
#define HOLDFAST_TESTING_SUBJECT_HPP

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "holdfast/config.hpp"
#include "holdfast/testing/explorer.hpp"
#include "holdfast/testing/law_report.hpp"
#include "holdfast/testing/laws.hpp"
#include "holdfast/testing/scenario.hpp"

HOLDFAST_BEGIN

namespace testing {
/// How much is done. Equal budgets do equal things.
struct LawBudget {
  std::uint64_t seed = 1;     ///< of the first variant; the one after it has the next
  std::size_t variants = 10;  ///< runs of each trial under each mode, and of each probe
  std::size_t states = 100;   ///< crash states of one run
};

/// Runs to be crashed everywhere. `variant(n)` makes the n-th.
struct Trial {
  std::vector<std::string_view> judges;  ///< ids of the laws that it can find broken
  std::string_view again{};  ///< the one that a second recovery breaks by finding something else
  std::function<Scenario(std::uint64_t)> variant;
};

/// Checks one law without crashes.
struct Probe {
  std::string_view law;
  std::function<Verdict(std::uint64_t seed)> run;
};

/// What laws are checked on, all of them together made from one factory.
struct Subject {
  std::string name;
  std::vector<Law> laws;  ///< parents before those that rest on them
  std::vector<Trial> trials{};
  std::vector<Probe> probes{};
  /// What could not be checked or not in full, and what it needs.
  std::map<std::string_view, std::string> missing{};
};

namespace kit {
using LawFilter = std::function<bool(std::string_view id)>;

/// The scenario as it is to laws that are wanted: the others never break.
[[nodiscard]] inline Scenario only(Scenario scenario, LawFilter wanted, bool again) {
  scenario.work = [work = std::move(scenario.work), wanted](Run& run) -> Verdict {
    auto broken = work(run);
    if (broken && !wanted(broken->law)) return {};
    return broken;
  };
  scenario.recover = [recover = std::move(scenario.recover), wanted, again](Run& run) {
    auto out = recover(run);
    if (out.broken && !wanted(out.broken->law)) out.broken.reset();
    if (!again) out.seen = out.left = {};
    return out;
  };
  return scenario;
}

/// A law that was found broken, and with what.
struct Finding {
  Violation violation;
  std::string report;
  std::uint64_t seed = 0;
};

/// What an exception says of a subject: nothing of it may throw.
[[nodiscard]] inline Violation thrown(std::string_view law, char const* what) {
  return {std::string{law}, "nothing is thrown", what};
}
template <class Work>
[[nodiscard]] auto guarded(std::string_view law, Work work) -> decltype(work()) {
  try {
    return work();
  } catch (std::exception const& e) {
    return thrown(law, e.what());
  } catch (...) {
    return thrown(law, "an exception");
  }
}

class SubjectCheck {
 public:
  SubjectCheck(Subject const& subject, LawBudget const& budget, LawFilter wanted)
      : subject_{subject}, budget_{budget}, wanted_{std::move(wanted)} {}

  [[nodiscard]] LawReport run() {
    auto const begun = std::chrono::steady_clock::now();
    LawReport report{subject_.name, budget_.seed, budget_.variants, 0, 0, {}};
    for (auto const& trial : subject_.trials) explore(trial);
    for (auto const& law : subject_.laws) {
      if (wanted_(law.id)) report.laws.push_back(settle(law));
    }
    report.states = states_;
    std::chrono::duration<double> const seconds = std::chrono::steady_clock::now() - begun;
    report.seconds = seconds.count();
    return report;
  }

 private:
  [[nodiscard]] bool open(std::string_view id) const {
    return wanted_(id) && !broken_.contains(id);
  }
  [[nodiscard]] bool asks(Trial const& trial) const {
    return std::any_of(trial.judges.begin(), trial.judges.end(),
                       [&](std::string_view id) { return open(id); });
  }

  void explore(Trial const& trial) {
    for (std::size_t i = 0; i < budget_.variants; ++i) {
      for (auto const mode : crash_modes) {
        while (asks(trial) && breaks(trial, budget_.seed + i, mode)) {
        }
      }
    }
  }

  // True if that found a law broken that was not known to be.
  [[nodiscard]] bool breaks(Trial const& trial, std::uint64_t seed, CrashMode mode) {
    auto const filter = [this](std::string_view id) { return open(id); };
    auto const scenario = only(trial.variant(seed), filter, open(trial.again));
    ExploreOptions const options{
        .mode = mode, .seed = seed, .max_states = budget_.states, .thin = 16};
    Exploration found;
    auto threw = guarded(trial.judges.front(), [&]() -> Verdict {
      found = testing::explore(scenario, options);
      return {};
    });
    if (threw) found.violation = std::move(threw);
    states_ += found.states;
    if (!found.violation) return false;
    auto const law = id_of(trial, found.violation->law);
    return broken_.emplace(law, Finding{*found.violation, std::move(found.report), seed}).second;
  }
  // The explorer itself speaks of recovering again without knowing what is recovered.
  [[nodiscard]] std::string_view id_of(Trial const& trial, std::string const& law) const {
    for (auto const& known : subject_.laws) {
      if (known.id == law) return known.id;
    }
    return trial.again;
  }

  [[nodiscard]] LawResult settle(Law const& law) {
    LawResult result{.law = law};
    for (auto const parent : law.parents) {
      auto const before = outcomes_.find(parent);
      if (before == outcomes_.end() || before->second < LawOutcome::unchecked) continue;
      result.outcome = LawOutcome::unchecked;
      result.note = "not checked: rests on " + std::string{parent} + ", which is " +
                    (before->second == LawOutcome::broken ? "broken" : "not checked");
    }
    if (result.outcome == LawOutcome::held) judge(result);
    outcomes_.emplace(law.id, result.outcome);
    return result;
  }

  void judge(LawResult& result) {
    probe(result.law.id);
    auto const found = broken_.find(result.law.id);
    if (found != broken_.end()) {
      result.outcome = LawOutcome::broken;
      result.expected = found->second.violation.expected;
      result.seen = found->second.violation.seen;
      result.report = found->second.report;
      result.seed = found->second.seed;
      return;
    }
    auto const missing = subject_.missing.find(result.law.id);
    if (missing == subject_.missing.end()) return;
    result.outcome = is_checked(result.law.id) ? LawOutcome::partly : LawOutcome::unreached;
    result.note = missing->second;
  }
  [[nodiscard]] bool is_checked(std::string_view id) const {
    return std::any_of(subject_.probes.begin(), subject_.probes.end(),
                       [&](Probe const& probe) { return probe.law == id; });
  }

  void probe(std::string_view id) {
    for (auto const& probe : subject_.probes) {
      if (probe.law != id) continue;
      for (std::size_t i = 0; i < budget_.variants && open(id); ++i) {
        auto const seed = budget_.seed + i;
        auto broken = guarded(id, [&] { return probe.run(seed); });
        if (broken) broken_.emplace(id, Finding{std::move(*broken), {}, seed});
      }
    }
  }

  Subject const& subject_;
  LawBudget budget_;
  LawFilter wanted_;
  std::map<std::string_view, Finding> broken_{};
  std::map<std::string_view, LawOutcome> outcomes_{};
  std::size_t states_ = 0;
};
}  // namespace kit

/// Checks every law of the subject.
[[nodiscard]] inline LawReport check(Subject const& subject, LawBudget const& budget = {}) {
  return kit::SubjectCheck{subject, budget, [](std::string_view) { return true; }}.run();
}
/// Checks that one alone, whatever becomes of the others.
[[nodiscard]] inline LawReport check_law(Subject const& subject,
                                         std::string_view id,
                                         LawBudget const& budget = {}) {
  return kit::SubjectCheck{subject, budget, [id](std::string_view l) { return l == id; }}.run();
}
}  // namespace testing

HOLDFAST_END

#endif

// SPDX-License-Identifier: BSL-1.0
// Tries every law on its mutants: each must be killed with every seed, and its twin must live.
//
//   laws [--only ID]
//   laws --list        what docs/laws.md must say of each law: id, name, sentence, parents, mutants
//
// Prints a line for each law and mutant. Exit code: 0 all of them killed, 1 one survives, a twin
// does not, or a law has none, 2 wrong arguments.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <functional>
#include <iterator>
#include <map>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "holdfast/testing/catalogue.hpp"
#include "mutant.hpp"

namespace {
using hf::testing::LawOutcome;
using hf::testing::LawReport;
constexpr std::uint64_t seeds[] = {1, 101, 201, 301, 401};

// The work of all threads: one law on one mutant, or all laws of a twin, with one seed.
class Trials {
 public:
  explicit Trials(mutants::Mutants const& all) {
    for (auto const& mutant : all) {
      twins_.emplace(mutant.twin.name,
                     Twin{&mutant.twin, std::vector<LawReport>(std::size(seeds))});
    }
    kills_.resize(all.size(), std::vector<char>(std::size(seeds), 0));
    for (auto& [name, twin] : twins_) {
      for (std::size_t i = 0; i < std::size(seeds); ++i) {
        work_.push_back(
            [&twin = twin, i] { twin.reports[i] = check(*twin.subject, {.seed = seeds[i]}); });
      }
    }
    for (std::size_t m = 0; m < all.size(); ++m) {
      for (std::size_t i = 0; i < std::size(seeds); ++i) {
        work_.push_back([this, &mutant = all[m], m, i] {
          auto const report = check_law(mutant.broken, mutant.law, {.seed = seeds[i]});
          kills_[m][i] = report.count(LawOutcome::broken) == 1;
        });
      }
    }
  }

  void run() {
    std::vector<std::thread> workers;
    auto const count = std::max(1u, std::thread::hardware_concurrency());
    for (unsigned i = 0; i < count; ++i) {
      workers.emplace_back([this] {
        for (auto next = begun_++; next < work_.size(); next = begun_++) work_[next]();
      });
    }
    for (auto& worker : workers) worker.join();
  }

  [[nodiscard]] std::size_t kills(std::size_t mutant) const {
    return static_cast<std::size_t>(
        std::count(kills_[mutant].begin(), kills_[mutant].end(), char{1}));
  }
  /// With how many seeds the law holds on the twin.
  [[nodiscard]] std::size_t lives(mutants::Mutant const& mutant) const {
    std::size_t lives = 0;
    for (auto const& report : twins_.at(mutant.twin.name).reports) {
      lives += static_cast<std::size_t>(
          std::count_if(report.laws.begin(), report.laws.end(), [&](auto const& result) {
            return result.law.id == mutant.law && result.outcome == LawOutcome::held;
          }));
    }
    return lives;
  }
  [[nodiscard]] std::size_t states() const {
    std::size_t states = 0;
    for (auto const& [name, twin] : twins_) {
      for (auto const& report : twin.reports) states += report.states;
    }
    return states;
  }
  /// What broke the law on the twin.
  [[nodiscard]] std::string why(mutants::Mutant const& mutant) const {
    for (auto const& report : twins_.at(mutant.twin.name).reports) {
      for (auto const& result : report.laws) {
        if (result.law.id == mutant.law && result.outcome != LawOutcome::held) return text(result);
      }
    }
    return {};
  }

 private:
  struct Twin {
    hf::testing::Subject const* subject;
    std::vector<LawReport> reports;
  };
  std::map<std::string, Twin> twins_;
  std::vector<std::vector<char>> kills_;
  std::vector<std::function<void()>> work_;
  std::atomic<std::size_t> begun_{0};
};

mutants::Mutants all_mutants(std::string_view only) {
  mutants::Mutants all;
  for (auto const of :
       {mutants::of_files, mutants::of_registers, mutants::of_codecs, mutants::of_stores,
        mutants::of_updates, mutants::of_homes, mutants::of_locks, mutants::of_segments}) {
    for (auto& mutant : of()) {
      if (only.empty() || mutant.law == only) all.push_back(std::move(mutant));
    }
  }
  return all;
}

// One law and its mutants; false if one survives or there is none.
bool tell(hf::testing::Law const& law, mutants::Mutants const& all, Trials const& trials) {
  constexpr auto every = std::size(seeds);
  bool good = true;
  bool any = false;
  std::printf("%s  %s\n", std::string{law.id}.c_str(), std::string{law.sentence}.c_str());
  for (std::size_t m = 0; m < all.size(); ++m) {
    if (all[m].law != law.id) continue;
    any = true;
    auto const kills = trials.kills(m);
    auto const lives = trials.lives(all[m]);
    auto const* const verdict = kills != every   ? "SURVIVES"
                                : lives != every ? "TWIN DIES"
                                                 : "killed";
    std::printf("  %-9s %s\n", verdict, all[m].name.c_str());
    if (kills == every && lives == every) continue;
    good = false;
    std::printf("    killed with %zu of %zu seeds; %s keeps the law with %zu\n%s", kills, every,
                all[m].twin.name.c_str(), lives, trials.why(all[m]).c_str());
  }
  if (!any) std::printf("  NO MUTANT\n");
  return good && any;
}
void list(mutants::Mutants const& all) {
  for (auto const& law : hf::testing::catalogue) {
    std::string line{law.id};
    line.append("\t").append(law.name).append("\t").append(law.sentence).append("\t");
    for (auto const parent : law.parents) line.append(parent.empty() ? "" : " ").append(parent);
    for (auto const& mutant : all) {
      if (mutant.law == law.id) line.append("\t").append(mutant.name);
    }
    std::printf("%s\n", line.c_str());
  }
}
}  // namespace

int main(int argc, char** argv) {
  std::vector<std::string> const words(argv + 1, argv + argc);
  if (words == std::vector<std::string>{"--list"}) {
    list(all_mutants(""));
    return 0;
  }
  std::string const only = words.size() == 2 && words[0] == "--only" ? words[1] : "";
  if (!words.empty() && hf::testing::find_law(only) == nullptr) {
    std::fprintf(stderr, "usage: laws [--only ID | --list], an id as in docs/laws.md\n");
    return 2;
  }
  auto const begun = std::chrono::steady_clock::now();
  auto const all = all_mutants(only);
  Trials trials{all};
  trials.run();
  bool good = true;
  std::size_t laws = 0;
  for (auto const& law : hf::testing::catalogue) {
    if (!only.empty() && law.id != only) continue;
    ++laws;
    good = tell(law, all, trials) && good;
  }
  std::chrono::duration<double> const seconds = std::chrono::steady_clock::now() - begun;
  std::printf("laws: %zu, mutants: %zu, %s; twins judged in %zu crash states, %.1f s\n", laws,
              all.size(), good ? "all killed" : "NOT all killed", trials.states(), seconds.count());
  return good ? 0 : 1;
}

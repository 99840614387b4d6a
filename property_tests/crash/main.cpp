// SPDX-License-Identifier: BSL-1.0
// Judges N distinct crash states, or a few more, of each part (see `parts`) under every mode of the
// simulated disk.
//
//   crash --states N --only clear|renames [--seed S]
//   crash --states N [--only PART] [--mode M] [--seed S] [--variant V] [--json] [--complete]
//
// A state is a disk together with the last thing acknowledged, in one scenario. Each variant is a
// scenario of its own, run under one mode. `--variant` runs that one alone, as a report tells.
// `clear` and `renames` are the naive ways of the demonstration: what they break is counted.
// Exit code: 0 all laws held, 1 a violation (or, with `--complete`, a crash point of the work that
// the budget did not reach), 2 wrong arguments.
#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "../support/one_segment.hpp"
#include "database_variants.hpp"
#include "holdfast/testing/explorer.hpp"
#include "naive.hpp"
#include "operation_variants.hpp"
#include "variants.hpp"

namespace {
using hf::testing::CrashMode;
using hf::testing::SimulatedFiles;

struct Part {
  std::string_view name;
  std::size_t weight;   ///< its share of the budget
  std::size_t subsets;  ///< of one crash point, beyond which they are sampled
  /// States of one variant: enough for every crash of its work, and many of recovery.
  std::size_t most;
  hf::testing::Scenario (*variant)(std::string name, std::uint64_t number);
};
constexpr Part parts[] = {
    {"register", 140, 512, 4000, crash::register_variant<SimulatedFiles>},
    {"lock", 45, 512, 2000, crash::lock_variant<SimulatedFiles>},
    {"directory", 75, 512, 2000, crash::directory_variant<SimulatedFiles>},
    {"staged", 700, 512, 5000, crash::staged_variant<SimulatedFiles>},
    {"backup", 20, 512, 2000, crash::backup_variant<SimulatedFiles>},
    {"rebuild", 20, 512, 2000, crash::rebuild_variant<SimulatedFiles>},
    {"adopt", 6, 512, 1000, crash::adopt_variant<SimulatedFiles>},
    {"segment", 50, 512, 2000, crash::segment_variant<SimulatedFiles>},
    {"log", 50, 512, 2000, crash::log_variant<SimulatedFiles>},
    {"sqlite", 34, 32, 2000, crash::sqlite_variant<SimulatedFiles>},
    {"rocksdb", 6, 8, 1500, crash::rocksdb_variant<hf::testing::SerialFiles<>>},
};
// SIGKILL alone leaves few states: what was issued is there.
constexpr std::size_t weight_of(CrashMode mode) {
  return mode == CrashMode::process ? 10 : 30;
}

struct Arguments {
  std::size_t states = 0;
  std::string only{};
  std::string mode{};
  std::uint64_t seed = 1;
  std::optional<std::uint64_t> variant{};
  bool json = false;
  bool complete = false;
};

// What one part is to show under one mode.
struct Cell {
  Part const* part = nullptr;
  CrashMode mode = CrashMode::any;
  std::size_t quota = 0;
  std::size_t states = 0;
  std::size_t points = 0;
  std::size_t missed = 0;
  std::size_t variants = 0;
  std::size_t violations = 0;
};

// Each cell is one thread's from its first variant to its last, so that what is explored depends on
// the seed alone.
class Runner {
 public:
  explicit Runner(Arguments const& arguments) : arguments_{arguments} {
    std::size_t all = 0;
    for (auto const& part : parts) {
      for (auto const mode : hf::testing::crash_modes) {
        bool const wanted = (arguments.only.empty() || arguments.only == part.name) &&
                            (arguments.mode.empty() || arguments.mode == name(mode));
        if (!wanted) continue;
        cells_.push_back({.part = &part, .mode = mode, .quota = part.weight * weight_of(mode)});
        all += cells_.back().quota;
      }
    }
    for (auto& cell : cells_) cell.quota = (arguments.states * cell.quota + all - 1) / all;
  }

  void run() {
    for (auto& cell : cells_) waiting_.push_back(&cell);
    // The greatest last, where it is taken from.
    std::sort(waiting_.begin(), waiting_.end(),
              [](auto* a, auto* b) { return a->quota != b->quota ? a->quota < b->quota : a < b; });
    std::vector<std::thread> workers;
    auto const count = std::max(1u, std::thread::hardware_concurrency());
    for (unsigned i = 0; i < count; ++i) workers.emplace_back([this] { work(); });
    for (auto& worker : workers) worker.join();
  }
  [[nodiscard]] std::vector<Cell> const& cells() const noexcept { return cells_; }

 private:
  void work() {
    while (auto* const cell = next()) {
      // A few of the cell's variants at least, and each with enough for all of its crash points.
      auto const share = std::max<std::size_t>(cell->quota / 8, 500);
      auto const most = arguments_.variant ? arguments_.states : std::min(cell->part->most, share);
      while (cell->states < cell->quota && cell->violations == 0) {
        auto const number = arguments_.variant.value_or(number_of(*cell));
        ++cell->variants;
        auto const found = explore(*cell, number, most);
        cell->states += found.states;
        cell->points += found.points;
        cell->missed += found.missed;
        if (found.violation) report(*cell, number, most, found);
        if (arguments_.variant) break;
      }
    }
  }
  Cell* next() {
    std::lock_guard const guard{mutex_};
    if (waiting_.empty()) return nullptr;
    auto* const cell = waiting_.back();
    waiting_.pop_back();
    return cell;
  }

  // No two cells share a scenario, so that no state is counted twice.
  [[nodiscard]] std::uint64_t number_of(Cell const& cell) const {
    auto const part = static_cast<std::uint64_t>(cell.part - parts);
    auto const place =
        part * std::size(hf::testing::crash_modes) + static_cast<std::uint64_t>(cell.mode);
    return (arguments_.seed * 100 + place) * 1'000'000 + cell.variants;
  }

  static hf::testing::Exploration explore(Cell const& cell,
                                          std::uint64_t number,
                                          std::size_t most) {
    auto options = crash::options_of(number, cell.mode, most);
    options.subsets = cell.part->subsets;
    return hf::testing::explore_and_shrink(cell.part->variant(std::string{cell.part->name}, number),
                                           options);
  }

  void report(Cell& cell,
              std::uint64_t number,
              std::size_t most,
              hf::testing::Exploration const& found) {
    ++cell.violations;
    std::lock_guard const guard{mutex_};
    std::fprintf(stderr, "%s  again: ./dev crash --states %zu --only %s --mode %s --variant %llu\n",
                 found.report.c_str(), most, std::string{cell.part->name}.c_str(),
                 std::string{name(cell.mode)}.c_str(), static_cast<unsigned long long>(number));
  }

  Arguments arguments_;
  std::vector<Cell> cells_;
  std::vector<Cell*> waiting_;
  std::mutex mutex_;
};

bool known(std::string_view part, std::string_view mode) {
  bool const part_known = part.empty() || crash::is_naive(part) ||
                          std::any_of(std::begin(parts), std::end(parts),
                                      [&](Part const& p) { return p.name == part; });
  bool const mode_known = mode.empty() || std::any_of(std::begin(hf::testing::crash_modes),
                                                      std::end(hf::testing::crash_modes),
                                                      [&](CrashMode m) { return name(m) == mode; });
  return part_known && mode_known;
}

std::optional<std::uint64_t> to_number(std::string const& text) {
  char* end = nullptr;
  auto const value = std::strtoull(text.c_str(), &end, 10);
  if (text.empty() || *end != '\0' || text.front() == '-') return {};
  return value;
}

std::optional<Arguments> parse(std::vector<std::string> const& words) {
  Arguments arguments;
  for (std::size_t i = 0; i < words.size(); ++i) {
    auto const& word = words[i];
    if (word == "--json" || word == "--complete") {
      (word == "--json" ? arguments.json : arguments.complete) = true;
      continue;
    }
    if (i + 1 == words.size()) return {};
    auto const& value = words[++i];
    auto const number = to_number(value);
    if (word == "--only") {
      arguments.only = value;
    } else if (word == "--mode") {
      arguments.mode = value;
    } else if (word == "--states" && number) {
      arguments.states = static_cast<std::size_t>(*number);
    } else if (word == "--seed" && number) {
      arguments.seed = *number;
    } else if (word == "--variant" && number) {
      arguments.variant = *number;
    } else {
      return {};
    }
  }
  if (arguments.states == 0 || !known(arguments.only, arguments.mode)) return {};
  return arguments;
}

void print(Cell const& cell, bool json) {
  auto const part = std::string{cell.part->name};
  auto const mode = std::string{name(cell.mode)};
  std::printf(json ? "{\"part\": \"%s\", \"mode\": \"%s\", \"states\": %zu, "
                     "\"points\": %zu, \"missed\": %zu, \"variants\": %zu, "
                     "\"violations\": %zu}\n"
                   : "%-10s %-13s %9zu states, %8zu crash points (%zu missed) of %5zu variants, "
                     "%zu violations\n",
              part.c_str(), mode.c_str(), cell.states, cell.points, cell.missed, cell.variants,
              cell.violations);
}

// "register|lock|..."
std::string names_of_parts() {
  std::string names;
  for (auto const& part : parts) names += (names.empty() ? "" : "|") + std::string{part.name};
  return names;
}
}  // namespace

int main(int argc, char** argv) {
  auto const arguments = parse({argv + 1, argv + argc});
  if (!arguments) {
    std::fprintf(stderr,
                 "usage: crash --states N [--only %s] [--mode process|ext4|ext4_auto_da|any] "
                 "[--seed S] [--variant V] [--json] [--complete]\n",
                 names_of_parts().c_str());
    return 2;
  }
  if (crash::is_naive(arguments->only)) {
    return crash::show_naive(arguments->only, arguments->states, arguments->seed);
  }
  auto const begun = std::chrono::steady_clock::now();
  auto const cpu_begun = std::clock();
  Runner runner{*arguments};
  runner.run();
  std::chrono::duration<double> const seconds = std::chrono::steady_clock::now() - begun;
  auto const cpu_seconds = static_cast<double>(std::clock() - cpu_begun) / CLOCKS_PER_SEC;
  std::size_t states = 0;
  std::size_t violations = 0;
  std::size_t missed = 0;
  for (auto const& cell : runner.cells()) {
    print(cell, arguments->json);
    states += cell.states;
    violations += cell.violations;
    missed += cell.missed;
  }
  auto const rate = static_cast<double>(states) / std::max(cpu_seconds, 0.001);
  if (arguments->json) {
    std::printf(
        "{\"states\": %zu, \"violations\": %zu, \"seconds\": %.1f, "
        "\"states_per_core_second\": %.0f}\n",
        states, violations, seconds.count(), rate);
  } else {
    std::printf("%.0f states a second of one core\n", rate);
    std::printf("crash states: %zu distinct, %zu violations, %.1f s\n", states, violations,
                seconds.count());
  }
  if (arguments->complete && missed != 0) {
    std::fprintf(stderr, "%zu crash points were not reached\n", missed);
    return 1;
  }
  return violations == 0 ? 0 : 1;
}

// SPDX-License-Identifier: BSL-1.0
// Runs N schedules of the register, the lock and the lease on all cores, then every mutant until it
// is found.
//
//   schedules --runs N [--seed S] [--only register|lock|lease]
//
// Exit code: 0 all laws held and every mutant was found, 1 not so, 2 wrong arguments.
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "runs.hpp"

namespace {
using schedules::Tally;

struct Arguments {
  std::uint64_t runs = 0;
  std::uint64_t seed = 1;
  std::string only{};
};

std::optional<Arguments> parse(std::vector<std::string> const& words) {
  Arguments arguments;
  for (std::size_t i = 0; i + 1 < words.size(); i += 2) {
    auto const& value = words[i + 1];
    char* end = nullptr;
    auto const number = std::strtoull(value.c_str(), &end, 10);
    bool const is_number = !value.empty() && *end == '\0' && value.front() != '-';
    if (words[i] == "--runs" && is_number) {
      arguments.runs = number;
    } else if (words[i] == "--seed" && is_number) {
      arguments.seed = number;
    } else if (words[i] == "--only" &&
               (value == "register" || value == "lock" || value == "lease")) {
      arguments.only = value;
    } else {
      return {};
    }
  }
  if (words.size() % 2 != 0 || arguments.runs == 0) return {};
  return arguments;
}

struct Part {
  char const* name;
  std::uint64_t share;  // of four
  Tally (*run)(std::uint64_t, std::uint64_t);
};
constexpr Part parts[] = {{"register", 2, schedules::run_register<schedules::MakeRegister<>>},
                          {"lock", 1, schedules::run_lock<schedules::MakeLock<>>},
                          {"lease", 1, schedules::run_lease<schedules::MakeLease<>>}};

// Seeds are dealt in blocks, so that what runs does not depend on how many cores there are.
Tally on_all_cores(Tally (*run)(std::uint64_t, std::uint64_t),
                   std::uint64_t seed,
                   std::uint64_t runs) {
  constexpr std::uint64_t block = 5000;
  std::mutex mutex;
  std::uint64_t dealt = 0;
  Tally all;
  auto const work = [&] {
    while (true) {
      std::unique_lock guard{mutex};
      if (dealt >= runs || !all.report.empty()) return;
      auto const first = seed + dealt;
      auto const count = std::min(block, runs - dealt);
      dealt += count;
      guard.unlock();
      auto const one = run(first, count);
      guard.lock();
      all.runs += one.runs;
      all.steps += one.steps;
      if (!one.report.empty() && all.report.empty()) {
        all.broken_seed = one.broken_seed;
        all.report = one.report;
      }
    }
  };
  std::vector<std::thread> workers;
  auto const cores = std::max(1u, std::thread::hardware_concurrency());
  for (unsigned i = 0; i < cores; ++i) workers.emplace_back(work);
  for (auto& worker : workers) worker.join();
  return all;
}

struct Sum {
  std::uint64_t runs = 0;
  std::uint64_t violations = 0;
};

void show(char const* part, Tally const& tally, Sum& sum) {
  std::printf("%-9s %9llu runs, %11llu calls, %d violations\n", part,
              static_cast<unsigned long long>(tally.runs),
              static_cast<unsigned long long>(tally.steps), tally.report.empty() ? 0 : 1);
  if (!tally.report.empty()) {
    std::fprintf(stderr, "%s  again: schedules --only %s --runs 1 --seed %llu\n",
                 tally.report.c_str(), part, static_cast<unsigned long long>(tally.broken_seed));
  }
  sum.runs += tally.runs;
  sum.violations += tally.report.empty() ? 0 : 1;
}

// How many mutants live.
int hunt(std::uint64_t seed, std::string const& only) {
  constexpr std::uint64_t most = 200'000;
  int alive = 0;
  for (auto const& mutant : schedules::mutants) {
    if (!mutant.name.starts_with(only)) continue;
    auto const tally = mutant.run(seed, most);
    alive += tally.report.empty() ? 1 : 0;
    std::printf("%-52s %s after %llu runs\n", std::string{mutant.name}.c_str(),
                tally.report.empty() ? "ALIVE" : "found",
                static_cast<unsigned long long>(tally.runs));
  }
  return alive;
}
}  // namespace

int main(int argc, char** argv) {
  auto const arguments = parse({argv + 1, argv + argc});
  if (!arguments) {
    std::fprintf(stderr, "usage: schedules --runs N [--seed S] [--only register|lock|lease]\n");
    return 2;
  }
  auto const begun = std::chrono::steady_clock::now();
  Sum sum;
  for (auto const& part : parts) {
    if (!arguments->only.empty() && arguments->only != part.name) continue;
    auto const runs = arguments->only.empty() ? arguments->runs * part.share / 4 : arguments->runs;
    if (runs != 0) show(part.name, on_all_cores(part.run, arguments->seed, runs), sum);
  }
  auto const alive = sum.runs > 1 ? hunt(arguments->seed, arguments->only) : 0;
  std::chrono::duration<double> const seconds = std::chrono::steady_clock::now() - begun;
  std::printf("schedules: %llu runs, %llu violations, %d mutants alive, %.1f s\n",
              static_cast<unsigned long long>(sum.runs),
              static_cast<unsigned long long>(sum.violations), alive, seconds.count());
  return sum.violations == 0 && alive == 0 ? 0 : 1;
}

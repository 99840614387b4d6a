// SPDX-License-Identifier: BSL-1.0
// Measures operations side by side and prints the rows as a table or as JSON.
#ifndef HOLDFAST_BENCHMARKS_SUPPORT_HPP
#define HOLDFAST_BENCHMARKS_SUPPORT_HPP

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace bench {

/// Keeps the compiler from leaving out what it computes.
template <class T>
inline void keep(T const& value) {
  asm volatile("" : : "r"(value) : "memory");  // in a register: the load is part of what is timed
}

[[nodiscard]] inline double seconds_of(std::function<void()> const& work) {
  auto const start = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

/// One contender of a row: `run` does the operation `times` times.
struct Contender {
  std::string name;
  std::function<void(std::uint64_t times)> run;
};

/// Medians of `rounds` rounds in seconds an operation; the contenders take turns within each round,
/// so that a noisy moment hits all of them.
[[nodiscard]] inline std::vector<double> compare(std::vector<Contender> const& contenders,
                                                 std::uint64_t times,
                                                 int rounds = 9) {
  std::vector<std::vector<double>> taken(contenders.size());
  for (int round = -1; round < rounds; ++round) {
    for (std::size_t i = 0; i < contenders.size(); ++i) {
      double const seconds = seconds_of([&] { contenders[i].run(times); });
      if (round >= 0) taken[i].push_back(seconds / static_cast<double>(times));
    }
  }
  std::vector<double> medians;
  for (auto& all : taken) {
    std::nth_element(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(all.size() / 2),
                     all.end());
    medians.push_back(all[all.size() / 2]);
  }
  return medians;
}

/// One line of the result. The goal is an upper bound on `ours / reference`.
struct Row {
  std::string name;
  std::string unit;  ///< of every figure; scaled by the caller
  double ours = 0;
  double limit = 0;
  std::vector<std::pair<std::string, double>> peers{};
  double goal = 0;
  double reference = 0;  ///< what the goal is a multiple of: the limit or a peer
  std::string reference_name = "limit";
};

class Report {
 public:
  Report(int argc, char** argv) {
    for (int i = 1; i < argc; ++i) json_ = json_ || std::string_view{argv[i]} == "--json";
  }
  void add(Row const& row) const {
    double const base = row.reference > 0 ? row.reference : row.limit;
    double const ratio = row.ours / base;
    json_ ? print_json(row, ratio) : print_line(row, ratio);
    std::fflush(stdout);
  }

 private:
  static void print_json(Row const& row, double ratio) {
    std::printf("{\"row\":\"%s\",\"unit\":\"%s\",\"ours\":%.6g,\"limit\":%.6g,\"peers\":{",
                row.name.c_str(), row.unit.c_str(), row.ours, row.limit);
    char const* comma = "";
    for (auto const& [name, value] : row.peers) {
      std::printf("%s\"%s\":%.6g", std::exchange(comma, ","), name.c_str(), value);
    }
    std::printf(
        "},\"ratio_to_limit\":%.4g,\"goal\":\"%.4g x "
        "%s\",\"ratio_to_goal_base\":%.4g,\"met\":%s}\n",
        row.ours / row.limit, row.goal, row.reference_name.c_str(), ratio,
        ratio <= row.goal ? "true" : "false");
  }
  static void print_line(Row const& row, double ratio) {
    std::printf("%-34s %10.4g %-4s limit %10.4g   %7.3f x %-22s goal <= %-6.4g %s\n",
                row.name.c_str(), row.ours, row.unit.c_str(), row.limit, ratio,
                row.reference_name.c_str(), row.goal, ratio <= row.goal ? "met" : "NOT MET");
    for (auto const& [name, value] : row.peers) {
      std::printf("    %-30s %10.4g %s\n", name.c_str(), value, row.unit.c_str());
    }
  }
  bool json_ = false;
};

/// A scratch folder in the current directory's file system, gone with the object.
class Scratch {
 public:
  explicit Scratch(std::string_view name) {
    auto pattern = (std::filesystem::temp_directory_path() /
                    ("holdfast-bench-" + std::string{name} + "-XXXXXX"))
                       .string();
    if (::mkdtemp(pattern.data()) == nullptr) std::abort();
    path_ = pattern;
  }
  Scratch(Scratch const&) = delete;
  Scratch& operator=(Scratch const&) = delete;
  ~Scratch() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  [[nodiscard]] std::string sub(std::string_view name) const {
    return path_ + "/" + std::string{name};
  }

 private:
  std::string path_;
};

/// The value, or the end of the program with the error's text.
template <class R>
[[nodiscard]] auto must(R&& result) {
  if (!result.has_value()) {
    std::fprintf(stderr, "%s\n", result.assume_error().text().c_str());
    std::exit(2);
  }
  return std::forward<R>(result).assume_value();
}
template <class R>
void check(R&& result) {
  if (result.has_value()) return;
  std::fprintf(stderr, "%s\n", result.assume_error().text().c_str());
  std::exit(2);
}

}  // namespace bench

#endif

// SPDX-License-Identifier: BSL-1.0
// The two naive ways to rebuild derived data, over a file a store, for the same crash states and
// the same judgement as the protocol they are compared with.
#ifndef HOLDFAST_PROPERTY_TESTS_CRASH_NAIVE_HPP
#define HOLDFAST_PROPERTY_TESTS_CRASH_NAIVE_HPP

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <iterator>
#include <string>
#include <string_view>
#include <utility>

#include "holdfast/file_ops.hpp"
#include "holdfast/testing/disk/hash.hpp"
#include "holdfast/testing/explorer.hpp"
#include "holdfast/testing/files.hpp"
#include "holdfast/testing/scenario.hpp"
#include "holdfast/testing/simulated_disk.hpp"
#include "holdfast/testing/staged_laws.hpp"

namespace crash {
using hf::testing::Note;
using hf::testing::SimulatedFiles;

inline constexpr std::array<char const*, 2> naive_stores{"keys", "stats"};
inline hf::bytes naive_content(std::uint64_t generation, std::size_t store) {
  return hf::testing::value_of_number(generation, 6000 + 200 * store);
}

/// Empties each store in place and fills it again, synced.
struct ClearAndRebuild {
  static hf::result<void> rebuild(SimulatedFiles const& fs, std::uint64_t generation) {
    for (std::size_t i = 0; i < naive_stores.size(); ++i) {
      auto file = fs.open(naive_stores[i], hf::Open::write);
      if (!file) file = fs.open(naive_stores[i], hf::Open::create);
      HOLDFAST_TRYV(std::move(file));
      HOLDFAST_TRYV(fs.resize(file.assume_value(), 0));
      HOLDFAST_TRYV(fs.write_at(file.assume_value(), 0, naive_content(generation, i)));
      HOLDFAST_TRYV(fs.sync(file.assume_value()));
    }
    return fs.sync_directory(".");
  }
  static hf::result<void> restart(SimulatedFiles const&) { return hf::ok(); }
};

/// Builds aside, synced; then renames each store out of the way and the new one in.
struct TwoRenames {
  static hf::result<void> rebuild(SimulatedFiles const& fs, std::uint64_t generation) {
    for (std::size_t i = 0; i < naive_stores.size(); ++i) {
      HOLDFAST_TRYV(hf::detail::write_new_file(fs, std::string{naive_stores[i]} + ".staging",
                                               naive_content(generation, i)));
    }
    HOLDFAST_TRYV(fs.sync_directory("."));
    for (std::string const name : naive_stores) {
      HOLDFAST_TRYV(hf::detail::remove_if_there(fs, name + ".backup"));
      if (fs.identity(name)) {
        HOLDFAST_TRYV(fs.rename(name, name + ".backup"));
      }
      HOLDFAST_TRYV(fs.rename(name + ".staging", name));
      HOLDFAST_TRYV(fs.sync_directory("."));
    }
    return hf::ok();
  }
  // Rolls a store back that was moved away, and drops what was being built.
  static hf::result<void> restart(SimulatedFiles const& fs) {
    for (std::string const name : naive_stores) {
      if (!fs.identity(name) && fs.identity(name + ".backup")) {
        HOLDFAST_TRYV(fs.rename(name + ".backup", name));
      }
      HOLDFAST_TRYV(hf::detail::remove_if_there(fs, name + ".staging"));
    }
    return fs.sync_directory(".");
  }
};

/// Which generation a store shows, if it shows a whole one; 0: there is none yet.
inline hf::result<std::uint64_t> naive_generation(SimulatedFiles const& fs, std::size_t store) {
  auto const content = hf::detail::read_file(fs, naive_stores[store], 1 << 20);
  if (!content && content.error().code() == hf::errc::not_found) return std::uint64_t{0};
  HOLDFAST_TRYV(content);
  std::uint64_t generation = 0;
  auto const& bytes = content.assume_value();
  if (bytes.size() >= sizeof generation) std::memcpy(&generation, bytes.data(), sizeof generation);
  if (bytes == naive_content(generation, store)) return generation;
  return hf::failure(hf::errc::damaged, "look", naive_stores[store]);
}

/// One whole generation of both stores, between what was acknowledged and what was begun.
inline hf::testing::Verdict judge_naive(SimulatedFiles const& fs,
                                        hf::testing::History const& history,
                                        std::string& seen) {
  namespace laws = hf::testing::laws;
  std::uint64_t acked = 0, started = 0;
  for (auto const& note : history) {
    if (note.kind == Note::Kind::acked) acked = note.number;
    if (note.kind == Note::Kind::started) started = note.number;
  }
  auto const keys = naive_generation(fs, 0);
  if (!keys) return laws::s2.refused("reading the keys", keys.error());
  auto const stats = naive_generation(fs, 1);
  if (!stats) return laws::s2.refused("reading the stats", stats.error());
  auto const g = keys.assume_value();
  seen = std::to_string(g) + " and " + std::to_string(stats.assume_value());
  if (g != stats.assume_value()) return laws::s1.broken("one generation", seen);
  if (g >= acked && g <= started) return {};
  return laws::s2.broken(std::to_string(acked) + " to " + std::to_string(started), seen);
}

template <class Way>
[[nodiscard]] hf::testing::Scenario naive_variant(std::string name, std::uint64_t number) {
  hf::testing::disk::Dice dice{number};
  auto const generations = 1 + dice.below(3);
  auto const work = [generations](hf::testing::Run& run) -> hf::testing::Verdict {
    auto const process = run.start();
    for (std::uint64_t g = 1; g <= generations; ++g) {
      run.note({Note::Kind::started, g, 0, 0});
      auto const done = Way::rebuild(process.files, g);
      if (!done) return hf::testing::laws::s2.refused("a rebuild", done.error());
      run.note({Note::Kind::acked, g, 0, 0});
    }
    return {};
  };
  auto const recover = [](hf::testing::Run& run) {
    auto const process = run.start();
    hf::testing::Recovered out;
    auto const restarted = Way::restart(process.files);
    out.broken = restarted ? judge_naive(process.files, run.history(), out.seen)
                           : hf::testing::laws::s2.refused("a restart", restarted.error());
    out.left = out.seen;
    return out;
  };
  return {std::move(name), 4096, work, recover};
}

[[nodiscard]] inline bool is_naive(std::string_view name) noexcept {
  return name == "clear" || name == "renames";
}

/// Counts how many of about so many crash states break a law; one JSON line, as of a protocol.
inline int show_naive(std::string const& name, std::size_t states, std::uint64_t seed) {
  std::size_t judged = 0, broken = 0;
  auto const share = states / std::size(hf::testing::crash_modes) + 1;
  for (auto const mode : hf::testing::crash_modes) {
    std::size_t left = share;
    for (std::uint64_t number = seed; left > 0 && number < seed + 64; ++number) {
      auto const scenario = name == "clear" ? naive_variant<ClearAndRebuild>(name, number)
                                            : naive_variant<TwoRenames>(name, number);
      auto const found = hf::testing::explore(
          scenario, {.mode = mode, .seed = number, .max_states = left, .count_violations = true});
      judged += found.states;
      broken += found.violations;
      left -= std::min(left, found.states);
    }
  }
  std::printf("{\"states\": %zu, \"violations\": %zu}\n", judged, broken);
  return broken == 0 ? 0 : 1;
}
}  // namespace crash

#endif

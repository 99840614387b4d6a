// SPDX-License-Identifier: BSL-1.0
// The laws of staged switches on what lies in a home and should not: damage, leftovers, an old or a
// missing record.
#ifndef HOLDFAST_TESTING_STAGED_DAMAGE_HPP
#define HOLDFAST_TESTING_STAGED_DAMAGE_HPP

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "holdfast/config.hpp"
#include "holdfast/file_ops.hpp"
#include "holdfast/testing/bench.hpp"
#include "holdfast/testing/disk/hash.hpp"
#include "holdfast/testing/home_trial.hpp"
#include "holdfast/testing/staged_laws.hpp"

HOLDFAST_BEGIN

namespace testing::laws {
/// Opens a damaged home as the process after it would, and judges what can be read.
template <class Home>
[[nodiscard]] Verdict damaged_home_shows(Home const& home,
                                         SimulatedDisk const& disk,
                                         std::vector<std::uint64_t> const& committed,
                                         std::string const& what) {
  auto const process = disk.start();
  auto opened = home.open(process);
  if (!opened) return {};
  auto const view = opened.assume_value().view();
  if (!view) return {};
  auto const& shown = view.assume_value();
  auto const g = shown.generation().number;
  if (std::find(committed.begin(), committed.end(), g) == committed.end())
    return s15.broken("a generation that was committed", std::to_string(g) + ", " + what);
  for (std::size_t part = 0; part < Home::parts; ++part) {
    auto const files = home.get(*shown, part);
    if (files && files.assume_value() != files_of(g, part))
      return s15.broken("an error or the data as put", "other data, " + what);
  }
  auto const mark = shown.marks().find("built");
  if (mark == shown.marks().end() || mark->second != g)
    return s15.broken("the marks of generation " + std::to_string(g), "others, " + what);
  return {};
}

/// S15: every file below /db is damaged in some places, one at a time.
template <class Home>
[[nodiscard]] Verdict damage_shows_nothing_else(Home const& home, std::uint64_t seed) {
  disk::Dice dice{seed};
  HomeTrial<Home> trial{home, seed};
  if (auto broken = trial.open(s15)) return broken;
  std::vector<std::uint64_t> committed;
  for (int i = 0; i < 3; ++i) {
    if (auto broken = trial.commit(s15)) return broken;
    committed.push_back(trial.committed());
  }
  auto const whole = trial.image();
  auto const& fs = trial.process().files;
  for (auto const& path : files_below(fs, "/db")) {
    auto const read = holdfast::detail::read_file(fs, path, std::uint64_t{1} << 20);
    if (!read) return s15.refused("read " + path, read.error());
    auto const& content = read.assume_value();
    for (int i = 0; i < 4 && !content.empty(); ++i) {
      auto damaged = content;
      // Most of what counts lies in front: files are sparse behind.
      auto const limit =
          dice.below(2) == 0 ? std::min<std::size_t>(content.size(), 256) : content.size();
      auto const at = static_cast<std::size_t>(dice.below(limit));
      bool const cut = i == 3;
      if (cut) damaged.resize(at);
      if (!cut) damaged[at] ^= static_cast<std::byte>(1u << dice.below(8));
      SimulatedDisk const disk{whole, 2, seed, 50};
      auto const written = overwrite(disk.start().files, path, damaged);
      if (!written) return s15.refused("damage " + path, written.error());
      auto const what =
          path + (cut ? " cut at byte " : " with a bit flipped in byte ") + std::to_string(at);
      if (auto broken = damaged_home_shows(home, disk, committed, what)) return broken;
    }
  }
  return {};
}

/// Puts files back that were there once and are not now.
template <class Fs>
[[nodiscard]] result<void> put_back(Fs const& fs, Files const& files) {
  for (auto const& file : files) {
    if (fs.identity(file.name)) continue;
    HOLDFAST_TRYV(holdfast::detail::make_directories(fs, holdfast::detail::parent_of(file.name)));
    HOLDFAST_TRYV(holdfast::detail::write_new_file(fs, file.name, file.content));
  }
  return ok();
}
template <class Fs>
[[nodiscard]] Files all_below(Fs const& fs, std::string const& folder) {
  Files files;
  for (auto const& path : files_below(fs, folder)) {
    auto content = holdfast::detail::read_file(fs, path, std::uint64_t{1} << 20);
    if (content) files.push_back({path, std::move(content).assume_value()});
  }
  return files;
}

/// What a process that opens, builds, discards and collects leaves of a generation that nobody
/// lists.
template <class Home>
[[nodiscard]] Verdict leftover_stays(HomeTrial<Home>& trial, Generation leftover) {
  auto const there = [&]() -> Verdict {
    for (auto const g : trial.lying()) {
      if (g == leftover) return {};
    }
    return s18.broken("generation " + std::to_string(leftover.number) + ", unlisted, stays",
                      "it is gone");
  };
  if (auto broken = there()) return broken;
  if (auto broken = trial.open(s18)) return broken;
  if (auto broken = there()) return broken;
  for (int i = 0; i < 3; ++i) {
    if (auto broken = trial.commit(s18)) return broken;
    trial.process().world.wait_until(trial.process().world.steady_ns() + 10'000'000'000);
    if (auto const collected = trial.staged().collect(); !collected)
      return s18.refused("collect", collected.error());
    if (auto broken = there()) return broken;
  }
  {
    auto ready = trial.prepare();
    if (!ready) return s18.refused("seal", ready.error());
  }
  return there();
}

/// The home opens only if its record is as new as its stores; whether it does or not, all that
/// lies there stays.
template <class Home>
[[nodiscard]] Verdict nothing_goes(Home const& home, SimulatedDisk const& disk, char const* what) {
  auto const before = home.generations(disk.start());
  {
    auto const process = disk.start();
    auto opened = home.open(process);
    if (opened) return s18.broken(std::string{"a home with "} + what + " is refused", "it opens");
  }
  auto const after = home.generations(disk.start());
  if (before && after && before.assume_value() == after.assume_value()) return {};
  return s18.broken("all that lies there stays", std::string{"some is gone, with "} + what);
}

/// S18: a generation that was dropped is put back; then the record is lost; then an old one is put
/// in its place. The record is the file /db/CURRENT.
template <class Home>
[[nodiscard]] Verdict the_unlisted_stays(Home const& home, std::uint64_t seed) {
  HomeTrial<Home> trial{home, seed};
  if (auto broken = trial.open(s18)) return broken;
  if (auto broken = trial.commit(s18)) return broken;
  Generation const first{trial.committed()};
  auto const& fs = trial.process().files;
  auto const early = all_below(fs, "/db");
  auto const has_first = [&] {
    auto const all = trial.lying();
    return std::find(all.begin(), all.end(), first) != all.end();
  };
  for (int i = 0; i < 60 && has_first(); ++i) {
    if (auto broken = trial.commit(s18)) return broken;
    trial.process().world.wait_until(trial.process().world.steady_ns() + 10'000'000'000);
    if (auto const collected = trial.staged().collect(); !collected)
      return s18.refused("collect", collected.error());
  }
  // A record may list what was dropped until it is stored for the next time.
  if (auto broken = trial.commit(s18)) return broken;
  auto const later = trial.image();
  if (auto const put = put_back(fs, early); !put) return s18.refused("putting back", put.error());
  if (auto broken = leftover_stays(trial, first)) return broken;
  for (bool const lost : {true, false}) {
    SimulatedDisk const disk{later, 2, seed, 50};
    auto const files = disk.start().files;
    if (!files.identity("/db/CURRENT")) continue;  // the record is somewhere else
    for (auto const& entry : early) {
      if (!entry.name.starts_with("/db/CURRENT")) continue;
      auto const done =
          lost ? files.remove(entry.name) : overwrite(files, entry.name, entry.content);
      if (!done) return s18.refused(entry.name, done.error());
    }
    if (auto broken = nothing_goes(home, disk, lost ? "no record" : "an old record")) return broken;
  }
  return {};
}
}  // namespace testing::laws

HOLDFAST_END

#endif

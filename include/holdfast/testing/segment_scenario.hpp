// SPDX-License-Identifier: BSL-1.0
// Scenarios over any segment and format: appends, syncs that fail, killed writers, recoveries that
// go on writing; crashed and judged by the laws R1 to R7.
#ifndef HOLDFAST_TESTING_SEGMENT_SCENARIO_HPP
#define HOLDFAST_TESTING_SEGMENT_SCENARIO_HPP

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "holdfast/bytes.hpp"
#include "holdfast/checksum.hpp"
#include "holdfast/config.hpp"
#include "holdfast/file_ops.hpp"
#include "holdfast/recoverable.hpp"
#include "holdfast/testing/disk/hash.hpp"
#include "holdfast/testing/faults.hpp"
#include "holdfast/testing/files.hpp"
#include "holdfast/testing/scenario.hpp"
#include "holdfast/testing/segment_laws.hpp"

HOLDFAST_BEGIN

namespace testing {
struct SegmentPlan {
  std::uint64_t seed = 1;
  std::uint64_t records = 6;
  std::size_t largest = 600;    ///< bytes of a record
  std::uint64_t sync_each = 2;  ///< after one in so many appends
  std::size_t sector_size = 4096;
  std::uint64_t kill_record = 0;   ///< at whose append the writer is killed; 0 = none
  std::uint64_t kill_after = 0;    ///< calls from there
  std::uint64_t fail_sync = 0;     ///< the n-th sync of a file fails; 0 = none
  bool kill_after_failed = false;  ///< then the writer is killed, instead of reopening
  bool close = false;
  bool append_after = false;  ///< recovery appends a record
};
[[nodiscard]] inline SegmentPlan segment_plan(std::uint64_t number) {
  constexpr std::size_t units[] = {1, 512, 4096};
  disk::Dice dice{number};
  SegmentPlan plan;
  plan.seed = number;
  plan.records = 2 + dice.below(8);
  plan.largest = std::size_t{16} << dice.below(9);
  plan.sync_each = 1 + dice.below(3);
  plan.sector_size = units[dice.below(3)];
  plan.kill_record = dice.below(2) == 0 ? 1 + dice.below(plan.records) : 0;
  plan.kill_after = dice.below(dice.below(2) == 0 ? 3 : 12);
  plan.fail_sync = dice.below(2) == 0 ? 1 + dice.below(5) : 0;
  plan.kill_after_failed = dice.below(2) == 0;
  plan.close = dice.below(2) == 0;
  plan.append_after = dice.below(2) == 0;
  return plan;
}

/// A run of few records, whose recoveries find torn tails and go on writing.
[[nodiscard]] inline SegmentPlan segment_tail_plan(std::uint64_t number) {
  disk::Dice dice{number};
  SegmentPlan plan;
  plan.seed = number;
  plan.records = 2 + dice.below(2);
  plan.largest = std::size_t{64} << dice.below(8);
  plan.sync_each = 2;
  plan.sector_size = dice.below(2) == 0 ? 1 : 512;
  plan.append_after = true;
  return plan;
}

/// What recovery shows is durable, and what it does not show is gone for good.
inline void settle_records(Run& run, laws::SeenRecords const& seen) {
  for (auto const& note : History{run.history()}) {
    if (note.kind != Note::Kind::started) continue;
    bool const there =
        std::find(seen.numbers.begin(), seen.numbers.end(), note.number) != seen.numbers.end();
    run.note({there ? Note::Kind::acked : Note::Kind::failed, note.number, 0, 0});
  }
}

/// A scenario over a segment. `Place` is copyable and says how a process gets at it:
///   open(process)           -> result of what has append, sync, close, reopen, records, recovered
///   path()                  -> its file; a log of several has none
///   aside(begin, end, crc)  -> std::string, where set_aside puts these bytes; with `path` alone
template <class Place>
class SegmentWork {
 public:
  SegmentWork(Place place, SegmentPlan const& plan) : place_{std::move(place)}, plan_{plan} {}

  [[nodiscard]] testing::Verdict work(Run& run) const {
    if (plan_.fail_sync != 0) {
      run.disk.machine().faults.fail({.call = Call::sync, .first = plan_.fail_sync});
    }
    auto broken = lives(run);
    run.disk.machine().faults.heal();
    return broken;
  }

  [[nodiscard]] testing::Recovered recover(Run& run) const {
    testing::Recovered out;
    out.broken = recover(run, out);
    return out;
  }

 private:
  using Log = value_of<decltype(std::declval<Place const&>().open(
      std::declval<SimulatedProcess const&>()))>;

  [[nodiscard]] bytes value_of_record(std::uint64_t n) const {
    return laws::value_of_record(plan_.seed, n, plan_.largest);
  }
  [[nodiscard]] bool failed_sync(Run const& run) const {
    return plan_.fail_sync != 0 && run.disk.machine().faults.failed != 0;
  }

  // One process after another, until all records have been appended.
  [[nodiscard]] testing::Verdict lives(Run& run) const {
    std::uint64_t next = 1;
    for (int life = 0; life < 4 && next <= plan_.records; ++life) {
      auto const process = run.start();
      auto log = place_.open(process);
      if (!log && !failed_sync(run)) return laws::r5.refused("open", log.error());
      if (!log) continue;
      settle(run, log.assume_value());
      if (auto broken = live(run, process, log.assume_value(), next)) return broken;
      process.kill();
    }
    return {};
  }
  [[nodiscard]] testing::Verdict live(Run& run,
                                      SimulatedProcess const& process,
                                      Log& log,
                                      std::uint64_t& next) const {
    disk::Dice dice{disk::mixed(plan_.seed, next)};
    std::vector<std::uint64_t> waiting;
    while (next <= plan_.records) {
      auto const n = next++;
      if (n == plan_.kill_record) process.kill_after(plan_.kill_after);
      run.note({Note::Kind::started, n, 0, 0});
      auto const added = log.append(value_of_record(n));
      if (!process.alive()) return {};
      if (!added && failed_sync(run)) return {};  // of a roll: the next process recovers
      if (!added) return laws::r1.refused("append", added.error());
      waiting.push_back(n);
      if (dice.below(plan_.sync_each) != 0 && n != plan_.records) continue;
      auto const synced = plan_.close && n == plan_.records ? log.close() : log.sync();
      if (!process.alive()) return {};
      if (!synced && !failed_sync(run)) return laws::r1.refused("sync", synced.error());
      if (!synced && plan_.kill_after_failed) return {};
      if (!synced) {
        auto const reopened = log.reopen();
        if (!process.alive()) return {};
        if (!reopened) return laws::r1.refused("reopen", reopened.error());
      }
      for (auto const number : std::exchange(waiting, {})) {
        run.note({Note::Kind::acked, number, 0, 0});
      }
    }
    return {};
  }

  void settle(Run& run, Log const& log) const { settle_records(run, look(log)); }

  [[nodiscard]] laws::SeenRecords look(Log const& log) const {
    return laws::seen_in(log, plan_.seed, plan_.largest);
  }

  [[nodiscard]] testing::Verdict recover(Run& run, testing::Recovered& out) const {
    auto const process = run.start();
    std::optional<bytes> before;
    if constexpr (has_path) {
      auto found = holdfast::detail::read_file(process.files, place_.path(), limit);
      if (found) before = std::move(found).assume_value();
    }
    auto log = place_.open(process);
    if (!log) return laws::r5.refused("open", log.error());
    if constexpr (has_path) {
      if (before) {
        auto broken = bytes_are_kept(process, place_.path(), *before, log.assume_value());
        if (broken) return broken;
      }
    }
    auto seen = look(log.assume_value());
    if (auto broken = laws::records_are_kept(run.history(), seen)) return broken;
    out.seen = out.left = text(seen);
    settle(run, log.assume_value());
    if (!plan_.append_after || run.again) return {};
    std::uint64_t n = plan_.records + 1;  // never used before
    for (auto const& note : run.history()) n = std::max(n, note.number + 1);
    run.note({Note::Kind::started, n, 0, 0});
    if (auto const added = log.assume_value().append(value_of_record(n)); !added) {
      return laws::r1.refused("append after recovery", added.error());
    }
    if (auto const synced = log.assume_value().sync(); !synced) {
      return laws::r1.refused("sync after recovery", synced.error());
    }
    run.note({Note::Kind::acked, n, 0, 0});
    seen.numbers.push_back(n);
    auto const after = look(log.assume_value());
    if (after.numbers != seen.numbers || !after.exact) {
      return laws::r6.broken(text(seen), text(after));
    }
    out.left = text(after);
    return {};
  }

  [[nodiscard]] testing::Verdict bytes_are_kept(SimulatedProcess const& process,
                                                std::string const& path,
                                                bytes_view before,
                                                Log const& log) const {
    auto const done = log.recovered();
    auto const kept = static_cast<std::size_t>(done.found.kept);
    auto const now = holdfast::detail::read_file(process.files, path, limit);
    if (kept > before.size() || !now || now.assume_value().size() < kept) {
      return laws::r7.broken("a prefix of what was there", std::to_string(kept) + " bytes");
    }
    auto const same = std::equal(before.begin(), before.begin() + static_cast<std::ptrdiff_t>(kept),
                                 now.assume_value().begin());
    if (!same) return laws::r7.broken("the kept bytes unchanged", "others");
    if (kept == before.size()) return {};
    auto const gone = before.subspan(kept);
    auto const wanted = place_.aside(kept, before.size(), crc32c(gone));
    auto name = wanted;
    for (int n = 1;; ++n) {  // others may have had their checksum, and their name
      auto const aside = holdfast::detail::read_file(process.files, name, limit);
      if (!aside) break;
      auto const& held = aside.assume_value();
      if (std::equal(gone.begin(), gone.end(), held.begin(), held.end())) return {};
      name = wanted + "-" + std::to_string(n);
    }
    return laws::r7.broken("the bytes that were cut, set aside", "none or others");
  }

  static constexpr bool has_path = requires(Place const& place) { place.path(); };
  static constexpr std::uint64_t limit = 1 << 24;
  Place place_;
  SegmentPlan plan_;
};

template <class Place>
[[nodiscard]] Scenario segment_scenario(std::string name, Place place, SegmentPlan const& plan) {
  SegmentWork<Place> const work{std::move(place), plan};
  return {std::move(name), plan.sector_size, [work](Run& run) { return work.work(run); },
          [work](Run& run) { return work.recover(run); }};
}
}  // namespace testing

HOLDFAST_END

#endif

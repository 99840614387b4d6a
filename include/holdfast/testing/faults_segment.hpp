// SPDX-License-Identifier: BSL-1.0
// The ordeal of a log: a recovery, appends, syncs and a close under trouble; after it the next
// process opens what is there, and goes on.
#ifndef HOLDFAST_TESTING_FAULTS_SEGMENT_HPP
#define HOLDFAST_TESTING_FAULTS_SEGMENT_HPP

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "holdfast/bytes.hpp"
#include "holdfast/config.hpp"
#include "holdfast/file_ops.hpp"
#include "holdfast/testing/faults_loops.hpp"
#include "holdfast/testing/segment_laws.hpp"
#include "holdfast/testing/segment_scenario.hpp"

HOLDFAST_BEGIN

namespace testing {
/// `Place` as of a segment_scenario; of `plan` the seed, the sizes and the sector count.
template <class Place>
class SegmentOrdeal {
 public:
  SegmentOrdeal(Place place, SegmentPlan const& plan) : place_{std::move(place)}, plan_{plan} {}

  [[nodiscard]] testing::Verdict suffer(Run& run, Trouble const& trouble) const {
    if (auto broken = leave_a_torn_tail(run)) return broken;
    trouble.begin(run);
    auto broken = work_under(run, trouble);
    trouble.end(run);
    if (broken) return broken;
    auto const process = run.start();
    auto log = place_.open(process);
    if (!log) return laws::s13.refused("open after the trouble", log.error());
    auto const seen = laws::seen_in(log.assume_value(), plan_.seed, plan_.largest);
    if (auto lost = laws::records_are_kept(run.history(), seen)) return lost;
    settle_records(run, seen);
    if (auto lost = append(run, log.assume_value(), 7)) return lost;
    if (auto lost = sync(run, log.assume_value(), 7)) return lost;
    return laws::records_are_kept(run.history(),
                                  laws::seen_in(log.assume_value(), plan_.seed, plan_.largest));
  }
  [[nodiscard]] testing::Recovered recover(Run& run) const {
    return SegmentWork<Place>{place_, plan_}.recover(run);
  }

 private:
  using Log = value_of<decltype(std::declval<Place const&>().open(
      std::declval<SimulatedProcess const&>()))>;

  [[nodiscard]] testing::Verdict append(Run& run, Log& log, std::uint64_t n) const {
    {
      SparedAllocations const spared;
      run.note({Note::Kind::started, n, 0, 0});
    }
    auto const value = laws::value_of_record(plan_.seed, n, plan_.largest);
    if (auto const added = log.append(value); !added)
      return laws::s13.refused("append", added.error());
    return {};
  }
  // What was appended since the sync before is durable with it.
  [[nodiscard]] testing::Verdict sync(Run& run, Log& log, std::uint64_t n) const {
    auto const synced = log.sync();
    if (!synced) return laws::s13.refused("sync", synced.error());
    SparedAllocations const spared;
    run.note({Note::Kind::acked, n, 0, 0});
    return {};
  }

  // Three records, of which the last was never synced, and a piece of a fourth.
  [[nodiscard]] testing::Verdict leave_a_torn_tail(Run& run) const {
    auto const process = run.start();
    {
      auto log = place_.open(process);
      if (!log) return laws::s13.refused("open", log.error());
      for (std::uint64_t n = 1; n <= 3; ++n) {
        if (auto broken = append(run, log.assume_value(), n)) return broken;
        if (n == 3) break;
        if (auto broken = sync(run, log.assume_value(), n)) return broken;
      }
    }
    if constexpr (requires { place_.path(); }) {
      auto file = process.files.open(place_.path(), Open::write);
      if (!file) return laws::s13.refused("open", file.error());
      auto const end = process.files.size(file.assume_value());
      if (!end) return laws::s13.refused("size", end.error());
      auto const torn =
          process.files.write_at(file.assume_value(), end.assume_value(), value_of_number(4, 20));
      if (!torn) return laws::s13.refused("write", torn.error());
    }
    process.kill();
    return {};
  }

  [[nodiscard]] testing::Verdict work_under(Run& run, Trouble const& trouble) const {
    auto const process = [&run] {
      SparedAllocations const spared;
      return run.start();
    }();
    std::optional<result<Log>> log;
    auto broken = under(
        trouble, run, [&] { return opens(process, log); }, true);
    if (broken || !log || !*log) return broken;
    auto& own = log->assume_value();
    for (std::uint64_t n = 4; n <= 6 && !broken; ++n) {
      bool added = false;
      broken = under(
          trouble, run,
          [&] {
            auto refused = append(run, own, n);
            added = !refused;
            return refused;
          },
          true);
      if (broken || !added) continue;
      bool synced = false;
      broken = under(
          trouble, run,
          [&] {
            auto refused = n == 6 ? close(run, own) : sync(run, own, n);
            synced = !refused;
            return refused;
          },
          true);
      if (broken || synced) continue;
      broken = under(
          trouble, run, [&] { return reopen(own); }, true);
    }
    process.kill();
    return broken;
  }
  [[nodiscard]] testing::Verdict opens(SimulatedProcess const& process,
                                       std::optional<result<Log>>& log) const {
    log.emplace(place_.open(process));
    if (!*log) return laws::s13.refused("recover", log->error());
    return {};
  }
  [[nodiscard]] testing::Verdict close(Run& run, Log& log) const {
    auto const closed = log.close();
    if (!closed) return laws::s13.refused("close", closed.error());
    SparedAllocations const spared;
    run.note({Note::Kind::acked, 6, 0, 0});
    return {};
  }
  [[nodiscard]] testing::Verdict reopen(Log& log) const {
    auto const reopened = log.reopen();
    if (!reopened) return laws::s13.refused("reopen", reopened.error());
    return {};
  }

  Place place_;
  SegmentPlan plan_;
};

template <class Place>
[[nodiscard]] Ordeal segment_ordeal(std::string name, Place place, SegmentPlan const& plan) {
  SegmentOrdeal<Place> const ordeal{std::move(place), plan};
  return {std::move(name), plan.sector_size,
          [ordeal](Run& run, Trouble const& trouble) { return ordeal.suffer(run, trouble); },
          [ordeal](Run& run) { return ordeal.recover(run); }};
}
}  // namespace testing

HOLDFAST_END

#endif

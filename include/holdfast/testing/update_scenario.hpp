// SPDX-License-Identifier: BSL-1.0
// Scenarios over any store that takes updates: a feed of updates, killed updaters and replays,
// crashed and judged by the laws of updates.
#ifndef HOLDFAST_TESTING_UPDATE_SCENARIO_HPP
#define HOLDFAST_TESTING_UPDATE_SCENARIO_HPP

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

#include "holdfast/concepts.hpp"
#include "holdfast/config.hpp"
#include "holdfast/ids.hpp"
#include "holdfast/testing/disk/hash.hpp"
#include "holdfast/testing/files.hpp"
#include "holdfast/testing/scenario.hpp"
#include "holdfast/testing/update_laws.hpp"

HOLDFAST_BEGIN

namespace testing {
struct UpdatePlan {
  std::uint64_t updates = 4;
  std::size_t sector_size = 4096;
  std::uint64_t kill_update = 0;         ///< in which the updater is killed; 0 = none
  std::uint64_t kill_after = 0;          ///< calls of that update before
  std::uint64_t rebuild_at = 0;          ///< the update beside which a build catches up; 0 = none
  std::uint64_t kill_builder_after = 0;  ///< calls of that build; 0 = it is not killed
};
[[nodiscard]] inline UpdatePlan update_plan(std::uint64_t number) {
  disk::Dice dice{number};
  UpdatePlan plan;
  plan.updates = 1 + dice.below(4);
  plan.sector_size = dice.below(2) == 0 ? 512 : 4096;
  plan.kill_update = dice.below(2) == 0 ? 1 + dice.below(plan.updates) : 0;
  plan.kill_after = dice.below(dice.below(2) == 0 ? 6 : 30);
  return plan;
}
/// One with a build amid the updates, and at least three of them beside it.
[[nodiscard]] inline UpdatePlan caught_up_plan(std::uint64_t number) {
  disk::Dice dice{number};
  UpdatePlan plan;
  plan.rebuild_at = 1 + dice.below(2);
  plan.updates = plan.rebuild_at + 2 + dice.below(2);
  plan.sector_size = dice.below(2) == 0 ? 512 : 4096;
  plan.kill_builder_after = dice.below(2) == 0 ? 1 + dice.below(200) : 0;
  return plan;
}

/// A scenario over a store that takes updates. `Place` is that of a store_scenario, and
///   batch(files) -> the store's own batch, which puts files over what is there
template <class Place>
class UpdateWork {
 public:
  UpdateWork(Place place, UpdatePlan const& plan) : place_{std::move(place)}, plan_{plan} {}

  /// Only the updates are crashed: the laws of stores are about the build before them.
  [[nodiscard]] Verdict work(Run& run) const {
    auto process = run.start();
    auto store = place_.open(process);
    if (auto broken = build(process, store)) return broken;
    run.crash_from_here();
    bool killed = false;  // once: the replay is to come to an end
    for (std::uint64_t n = 1; n <= plan_.updates; ++n) {
      bool const doomed = n == plan_.kill_update && !std::exchange(killed, true);
      if (doomed) process.kill_after(plan_.kill_after);
      if (auto broken = feed(run, process, store, n)) return broken;
      if (process.alive()) continue;
      process = run.start();
      store = place_.open(process);
      auto const told = Traits::marks(store, {1});
      if (!told) return laws::update_recovers.refused("marks", told.error());
      n = laws::updates_in(told.assume_value());
      if (n != 0) run.note({Note::Kind::acked, n, 0, 0});
    }
    return {};
  }

  [[nodiscard]] Recovered recover(Run& run) const {
    Recovered out;
    out.broken = recover(run, out);
    return out;
  }

 private:
  using Store =
      decltype(std::declval<Place const&>().open(std::declval<SimulatedProcess const&>()));
  using Traits = store_traits<Store>;

  [[nodiscard]] Verdict build(SimulatedProcess const& process, Store& store) const {
    auto writer = Traits::create(store, {1});
    if (!writer) return laws::b1.refused("create", writer.error());
    auto const put = place_.put(process, writer.assume_value(), files_of(1, 0));
    if (!put) return laws::b1.refused("put", put.error());
    auto const sealed = Traits::seal(store, writer.assume_value());
    if (!sealed) return laws::b1.refused("seal", sealed.error());
    return {};
  }

  [[nodiscard]] Verdict feed(Run& run,
                             SimulatedProcess const& process,
                             Store& store,
                             std::uint64_t n) const {
    // A replay has begun anew: what it does may be seen from here on.
    run.note({Note::Kind::started, n, run.history().size(), 0});
    auto const batch = place_.batch(laws::files_of_update(n));
    auto const applied = Traits::apply(store, {1}, batch, laws::marks_of_update(n));
    if (!applied) return refused(process, "apply", applied.error());
    if (process.alive()) run.note({Note::Kind::acked, n, 0, 0});
    return {};
  }
  [[nodiscard]] static Verdict refused(SimulatedProcess const& process,
                                       char const* operation,
                                       error const& cause) {
    if (!process.alive()) return {};
    return laws::update_recovers.refused(operation, cause);
  }

  [[nodiscard]] Verdict recover(Run& run, Recovered& out) const {
    auto const process = run.start();
    auto store = place_.open(process);
    std::uint64_t found = 0;
    if (auto broken = look(run, store, found)) return broken;
    out.seen = "update " + std::to_string(found);
    auto const told = Traits::marks(store, {1});
    if (!told) return laws::update_opens.refused("marks", told.error());
    if (laws::updates_in(told.assume_value()) != found) {
      return laws::update_atomic.broken("the marks of the reader are those of the store",
                                        "they are not");
    }
    // Whoever feeds goes on from here, and may forget what lies before.
    if (found != 0) run.note({Note::Kind::acked, found, 0, 0});
    // One of them was applied already, if there was any.
    for (auto n = std::max<std::uint64_t>(found, 1); n <= plan_.updates; ++n) {
      if (auto broken = feed(run, process, store, n)) return broken;
    }
    std::uint64_t left = 0;
    bool const exact = !look(run, store, left);
    out.left = "update " + std::to_string(left);
    if (exact && left == plan_.updates) return {};
    return laws::update_recovers.broken(
        "the state of update " + std::to_string(plan_.updates),
        exact ? out.left : "another one, with the marks of " + out.left);
  }

  [[nodiscard]] Verdict look(Run& run, Store& store, std::uint64_t& found) const {
    auto const reader = Traits::open(store, {1});
    if (!reader) return laws::update_opens.refused("open", reader.error());
    auto const marks = Traits::marks_of(store, reader.assume_value());
    if (!marks) return laws::update_atomic.broken("the reader has marks", "none");
    found = laws::updates_in(*marks);
    auto const files = place_.get(reader.assume_value());
    bool const exact = files && files.assume_value() == laws::files_after(found);
    return laws::update_is_kept(run.history(), found, exact);
  }

  Place place_;
  UpdatePlan plan_;
};

template <class Place>
[[nodiscard]] Scenario update_scenario(std::string name, Place place, UpdatePlan const& plan) {
  UpdateWork<Place> const work{std::move(place), plan};
  return {std::move(name), plan.sector_size, [work](Run& run) { return work.work(run); },
          [work](Run& run) { return work.recover(run); }};
}
}  // namespace testing

HOLDFAST_END

#endif

// SPDX-License-Identifier: BSL-1.0
// Scenarios over any generation store: builds, seals, drops and killed builders, crashed and judged
// by the laws B1 to B5.
#ifndef HOLDFAST_TESTING_STORE_SCENARIO_HPP
#define HOLDFAST_TESTING_STORE_SCENARIO_HPP

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "holdfast/config.hpp"
#include "holdfast/ids.hpp"
#include "holdfast/testing/disk/hash.hpp"
#include "holdfast/testing/files.hpp"
#include "holdfast/testing/scenario.hpp"
#include "holdfast/testing/store_laws.hpp"

HOLDFAST_BEGIN

namespace testing {
struct StorePlan {
  std::uint64_t seed = 1;
  std::uint64_t generations = 3;
  std::size_t sector_size = 4096;
  std::uint64_t kill_generation = 0;  ///< in whose build the builder is killed; 0 = none
  std::uint64_t kill_after = 0;       ///< calls of that build before
  bool drop_unsealed = false;         ///< recovery drops what does not open
};

/// A scenario over a store. `Place` is copyable and says how a process gets at it:
///   open(process)        -> a generation_store
///   put(process, writer, files) -> result<void>
///   get(reader)          -> result<Files>, in the order of their names
template <class Place>
class StoreWork {
 public:
  StoreWork(Place place, StorePlan const& plan) : place_{std::move(place)}, plan_{plan} {}

  [[nodiscard]] Verdict work(Run& run) const {
    disk::Dice dice{plan_.seed};
    auto process = run.start();
    auto store = place_.open(process);
    for (std::uint64_t g = 1; g <= plan_.generations; ++g) {
      if (g == plan_.kill_generation) process.kill_after(plan_.kill_after);
      if (auto broken = build(run, process, store, g)) return broken;
      if (process.alive() && dice.below(2) == 0) {
        if (auto broken = drop(run, process, store, 1 + dice.below(g))) return broken;
      }
      if (process.alive()) continue;
      process = run.start();
      store = place_.open(process);
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

  [[nodiscard]] static Verdict refused(SimulatedProcess const& process,
                                       char const* operation,
                                       error const& cause) {
    if (!process.alive()) return {};
    return laws::b1.refused(operation, cause);
  }

  [[nodiscard]] Verdict build(Run& run,
                              SimulatedProcess const& process,
                              Store& store,
                              std::uint64_t g) const {
    auto writer = store.create({g});
    if (!writer) return refused(process, "create", writer.error());
    auto const put = place_.put(process, writer.assume_value(), files_of(g, 0));
    if (!put) return refused(process, "put", put.error());
    run.note({Note::Kind::started, g, 0, 0});
    auto const sealed = store.seal(writer.assume_value());
    if (!sealed) return refused(process, "seal", sealed.error());
    if (!process.alive()) return {};
    run.note({Note::Kind::acked, g, 0, 0});
    auto const again = store.seal(writer.assume_value());
    if (!again && process.alive()) return laws::b2.refused("seal", again.error());
    return {};
  }

  [[nodiscard]] Verdict drop(Run& run,
                             SimulatedProcess const& process,
                             Store& store,
                             std::uint64_t g) const {
    run.note({Note::Kind::dropping, g, 0, 0});
    auto const dropped = store.drop({g});
    if (!dropped) return refused(process, "drop", dropped.error());
    if (process.alive()) run.note({Note::Kind::dropped, g, 0, 0});
    return {};
  }

  [[nodiscard]] Verdict recover(Run& run, Recovered& out) const {
    auto const process = run.start();
    auto store = place_.open(process);
    auto const listed = store.generations();
    if (!listed) return laws::b4.refused("generations", listed.error());
    for (std::uint64_t g = 1; g <= plan_.generations; ++g) {
      auto const seen = look(store, listed.assume_value(), g);
      if (auto broken = laws::generation_is_kept(run.history(), seen)) return broken;
      if (seen.opens) out.seen += std::to_string(g) + " ";
      if (plan_.drop_unsealed && seen.listed && !seen.opens) {
        if (auto broken = drop(run, process, store, g)) return broken;
      }
    }
    out.left = out.seen;
    return {};
  }

  [[nodiscard]] laws::SeenGeneration look(Store& store,
                                          std::vector<Generation> const& listed,
                                          std::uint64_t g) const {
    laws::SeenGeneration seen{.number = g};
    seen.listed = std::find(listed.begin(), listed.end(), Generation{g}) != listed.end();
    auto const reader = store.open({g});
    if (!reader) {
      seen.error = reader.error().text();
      return seen;
    }
    seen.opens = true;
    auto const files = place_.get(reader.assume_value());
    seen.exact = files && files.assume_value() == files_of(g, 0);
    return seen;
  }

  Place place_;
  StorePlan plan_;
};

template <class Place>
[[nodiscard]] Scenario store_scenario(std::string name, Place place, StorePlan const& plan) {
  StoreWork<Place> const work{std::move(place), plan};
  return {std::move(name), plan.sector_size, [work](Run& run) { return work.work(run); },
          [work](Run& run) { return work.recover(run); }};
}
}  // namespace testing

HOLDFAST_END

#endif

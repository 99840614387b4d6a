// SPDX-License-Identifier: BSL-1.0
// The ordeal of a generation store: a build and a drop under trouble; after it the remains can be
// dropped and the next build succeeds.
#ifndef HOLDFAST_TESTING_FAULTS_STORE_HPP
#define HOLDFAST_TESTING_FAULTS_STORE_HPP

#include <cstdint>
#include <string>
#include <utility>

#include "holdfast/config.hpp"
#include "holdfast/ids.hpp"
#include "holdfast/testing/faults_loops.hpp"
#include "holdfast/testing/files.hpp"
#include "holdfast/testing/store_laws.hpp"
#include "holdfast/testing/store_scenario.hpp"

HOLDFAST_BEGIN

namespace testing {
/// `Place` as in store_scenario.hpp; `plan.generations` is the ordeal's.
template <class Place>
class StoreOrdeal {
 public:
  StoreOrdeal(Place place, StorePlan const& plan) : place_{std::move(place)}, plan_{plan} {
    plan_.generations = 4;
  }

  [[nodiscard]] Verdict suffer(Run& run, Trouble const& trouble) const {
    auto const process = run.start();
    auto store = place_.open(process);
    if (auto broken = build(run, process, store, 1)) return broken;
    if (auto broken = build(run, process, store, 2)) return broken;
    trouble.begin(run);
    for (auto const act : {&StoreOrdeal::build, &StoreOrdeal::drop}) {
      auto const g = act == &StoreOrdeal::build ? 3u : 1u;
      auto broken = under(
          trouble, run, [&] { return (this->*act)(run, process, store, g); }, true);
      if (broken) return broken;
      broken = under(trouble, run, [&] { return look(run, store); });
      if (broken && (trouble.spares_readers || !broken->refused)) return broken;
    }
    trouble.end(run);
    if (auto broken = drop(run, process, store, 1)) return broken;  // again, if it was dropped
    if (!laws::fate_of(run.history(), 3).sealed) {
      if (auto broken = drop(run, process, store, 3)) return broken;
    }
    if (auto broken = build(run, process, store, 4)) return broken;
    return look(run, store);
  }
  [[nodiscard]] Recovered recover(Run& run) const {
    return StoreWork<Place>{place_, plan_}.recover(run);
  }

 private:
  using Store =
      decltype(std::declval<Place const&>().open(std::declval<SimulatedProcess const&>()));

  [[nodiscard]] Verdict build(Run& run,
                              SimulatedProcess const& process,
                              Store& store,
                              std::uint64_t g) const {
    auto writer = store.create({g});
    if (!writer) return laws::s13.refused("create", writer.error());
    auto const put = place_.put(process, writer.assume_value(), files_of(g, 0));
    if (!put) return laws::s13.refused("put", put.error());
    run.note({Note::Kind::started, g, 0, 0});
    auto sealed = store.seal(writer.assume_value());
    // F3: again, unless a sync failed; what the store then says is sealed must be.
    if (!sealed) sealed = store.seal(writer.assume_value());
    if (!sealed) return laws::s13.refused("seal", sealed.error());
    run.note({Note::Kind::acked, g, 0, 0});
    return {};
  }
  [[nodiscard]] Verdict drop(Run& run,
                             SimulatedProcess const&,
                             Store& store,
                             std::uint64_t g) const {
    run.note({Note::Kind::dropping, g, 0, 0});
    auto const dropped = store.drop({g});
    if (!dropped) return laws::s13.refused("drop", dropped.error());
    run.note({Note::Kind::dropped, g, 0, 0});
    return {};
  }
  // B6 and S7: whatever happens to one, the others are as they were.
  [[nodiscard]] Verdict look(Run& run, Store& store) const {
    auto const listed = store.generations();
    if (!listed) return laws::s13.refused("generations", listed.error());
    auto const& all = listed.assume_value();
    for (std::uint64_t g = 1; g <= plan_.generations; ++g) {
      laws::SeenGeneration seen{.number = g};
      seen.listed = std::find(all.begin(), all.end(), Generation{g}) != all.end();
      auto const fate = laws::fate_of(run.history(), g);
      auto const reader = store.open({g});
      if (!reader && fate.sealed && !fate.drop_started) {
        return laws::s13.refused("open", reader.error());
      }
      if (reader) {
        auto const files = place_.get(reader.assume_value());
        if (!files) return laws::s13.refused("get", files.error());
        seen.opens = true;
        seen.exact = files.assume_value() == files_of(g, 0);
      }
      if (auto broken = laws::generation_is_kept(run.history(), seen)) return broken;
    }
    return {};
  }

  Place place_;
  StorePlan plan_;
};

template <class Place>
[[nodiscard]] Ordeal store_ordeal(std::string name, Place place, StorePlan const& plan) {
  StoreOrdeal<Place> const ordeal{std::move(place), plan};
  return {std::move(name), plan.sector_size,
          [ordeal](Run& run, Trouble const& trouble) { return ordeal.suffer(run, trouble); },
          [ordeal](Run& run) { return ordeal.recover(run); }};
}
}  // namespace testing

HOLDFAST_END

#endif

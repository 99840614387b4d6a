// SPDX-License-Identifier: BSL-1.0
// The laws of updates that a run without crashes can check, each a function over a factory.
//
// A `Kit` is that of store_probes.hpp, whose `make` also has `batch(files)`.
#ifndef HOLDFAST_TESTING_UPDATE_PROBES_HPP
#define HOLDFAST_TESTING_UPDATE_PROBES_HPP

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "holdfast/concepts.hpp"
#include "holdfast/config.hpp"
#include "holdfast/ids.hpp"
#include "holdfast/result.hpp"
#include "holdfast/testing/bench.hpp"
#include "holdfast/testing/files.hpp"
#include "holdfast/testing/store_probes.hpp"
#include "holdfast/testing/update_laws.hpp"

HOLDFAST_BEGIN

namespace testing::laws {
/// A store with generation 1 in it, and what one needs to update it.
template <class Kit>
class UpdateTrial {
  using Base = StoreTrial<Kit>;

 public:
  using Store = typename Base::Store;
  using Reader = typename Base::Reader;
  using Traits = store_traits<Store>;

  UpdateTrial(Kit const& kit, std::uint64_t seed) : kit_{kit}, base_{kit, seed} {}

  [[nodiscard]] Verdict build(Law const& law) { return base_.build(law, 1); }
  [[nodiscard]] Verdict feed(Law const& law, std::uint64_t n) {
    auto const fed = feed(n, marks_of_update(n));
    if (!fed) return law.refused("apply " + std::to_string(n), fed.error());
    return {};
  }
  [[nodiscard]] result<void> feed(std::uint64_t n, Marks const& marks) {
    return Traits::apply(base_.store(), {1}, kit_.make.batch(files_of_update(n)), marks);
  }
  [[nodiscard]] auto open() { return Traits::open(base_.store(), {1}); }

  /// Is it the state after so many updates, with the marks of the last?
  [[nodiscard]] Verdict shows(Law const& law, Reader const& reader, std::uint64_t updates) {
    auto const expected = "the state of update " + std::to_string(updates);
    auto const marks = Traits::marks_of(base_.store(), reader);
    if (!marks) return law.broken("a reader with marks", "none");
    auto const files = kit_.get(reader);
    if (!files) return law.refused("get", files.error());
    if (files.assume_value() != files_after(updates)) return law.broken(expected, "another one");
    if (updates_in(*marks) == updates) return {};
    return law.broken("the marks of update " + std::to_string(updates),
                      "those of update " + std::to_string(updates_in(*marks)));
  }
  [[nodiscard]] Verdict shows(Law const& law, std::uint64_t updates) {
    auto const reader = open();
    if (!reader) return law.refused("open", reader.error());
    return shows(law, reader.assume_value(), updates);
  }

 private:
  Kit const& kit_;
  Base base_;
};

/// HF-UPDATE-003; and an update that is reached in part is refused, and changes nothing either.
template <class Kit>
[[nodiscard]] Verdict replay_changes_nothing(Kit const& kit, std::uint64_t seed) {
  auto const& law = update_replay;
  UpdateTrial<Kit> trial{kit, seed};
  if (auto broken = trial.build(law)) return broken;
  auto const updates = 2 + seed % 3;
  for (std::uint64_t n = 1; n <= updates; ++n) {
    if (auto broken = trial.feed(law, n)) return broken;
  }
  for (std::uint64_t n = 1; n <= updates; ++n) {
    if (auto broken = trial.feed(law, n)) return broken;
    if (auto broken = trial.shows(law, updates)) return broken;
  }
  auto half = marks_of_update(updates);
  half.emplace("other", 1);
  auto const fed = trial.feed(updates + 1, half);
  if (fed || fed.error().code() != errc::invalid) {
    return law.broken("an update that is reached in part is `invalid`",
                      fed ? "it is applied" : fed.error().text());
  }
  return trial.shows(law, updates);
}

/// HF-UPDATE-006.
template <class Kit>
[[nodiscard]] Verdict readers_stay(Kit const& kit, std::uint64_t seed) {
  auto const& law = update_stays;
  UpdateTrial<Kit> trial{kit, seed};
  if (auto broken = trial.build(law)) return broken;
  auto const before = trial.open();
  if (!before) return law.refused("open", before.error());
  if (auto broken = trial.feed(law, 1)) return broken;
  auto const between = trial.open();
  if (!between) return law.refused("open", between.error());
  for (std::uint64_t n = 2; n <= 2 + seed % 4; ++n) {
    if (auto broken = trial.feed(law, n)) return broken;
  }
  if (auto broken = trial.shows(law, before.assume_value(), 0)) return broken;
  if (auto broken = trial.shows(law, between.assume_value(), 1)) return broken;
  return trial.shows(law, 2 + seed % 4);
}
}  // namespace testing::laws

HOLDFAST_END

#endif

// SPDX-License-Identifier: BSL-1.0
// A home on a simulated machine of its own, as the laws of staged switches try it out.
#ifndef HOLDFAST_TESTING_HOME_TRIAL_HPP
#define HOLDFAST_TESTING_HOME_TRIAL_HPP

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "holdfast/config.hpp"
#include "holdfast/staged.hpp"
#include "holdfast/testing/files.hpp"
#include "holdfast/testing/simulated_disk.hpp"
#include "holdfast/testing/staged_home.hpp"
#include "holdfast/testing/staged_laws.hpp"

HOLDFAST_BEGIN

namespace testing::laws {
/// One process that builds, on one machine. `Home` is as staged_home.hpp says.
template <class Home>
class HomeTrial {
 public:
  using Staged =
      value_of<decltype(std::declval<Home const&>().open(std::declval<SimulatedProcess const&>()))>;
  using Stage = typename Staged::stage_type;
  using Ready = typename Staged::ready_type;

  HomeTrial(Home const& home, SimulatedDisk disk)
      : home_{home}, disk_{std::move(disk)}, process_{disk_.start()} {}
  HomeTrial(Home const& home, std::uint64_t seed) : HomeTrial{home, SimulatedDisk{4096, seed}} {}

  [[nodiscard]] Home const& home() const noexcept { return home_; }
  [[nodiscard]] SimulatedDisk const& disk() const noexcept { return disk_; }
  [[nodiscard]] SimulatedProcess const& process() const noexcept { return process_; }
  [[nodiscard]] Faults& faults() const noexcept { return disk_.machine().faults; }
  [[nodiscard]] Staged& staged() noexcept { return *staged_; }
  [[nodiscard]] std::uint64_t committed() const noexcept { return committed_; }

  /// What lies on the disk now, for a machine that boots from it.
  [[nodiscard]] disk::Image image() const {
    auto image = disk_.machine().cache;
    image.settle();
    return image;
  }

  [[nodiscard]] Verdict open(Law const& law) {
    staged_.reset();
    process_ = disk_.start();
    auto opened = home_.open(process_);
    if (!opened) return law.refused("open_staged", opened.error());
    staged_.emplace(std::move(opened).assume_value());
    return {};
  }

  /// A filled stage, or why there is none.
  [[nodiscard]] result<Stage> fill() {
    HOLDFAST_TRY(stage, staged_->stage());
    for (std::size_t part = 0; part < Home::parts; ++part) {
      HOLDFAST_TRYV(
          home_.put(process_, stage.writer(), part, files_of(stage.generation().number, part)));
    }
    return std::move(stage);
  }
  [[nodiscard]] result<Ready> prepare() {
    HOLDFAST_TRY(stage, fill());
    return std::move(stage).seal();
  }
  [[nodiscard]] result<Committed> finish(Ready ready) {
    auto const g = ready.generation().number;
    return std::move(ready).commit({.marks = {{"built", g}}});
  }
  [[nodiscard]] result<Committed> try_commit() {
    HOLDFAST_TRY(ready, prepare());
    return finish(std::move(ready));
  }
  [[nodiscard]] Verdict commit(Law const& law) {
    auto const done = try_commit();
    if (!done) return law.refused("a commit", done.error());
    committed_ = done.assume_value().generation.number;
    return {};
  }

  /// What this process shows after a look at the record; nothing committed is all zeros.
  [[nodiscard]] Verdict look(Law const& law, SeenHome& seen) {
    auto const refreshed = staged_->refresh();
    if (!refreshed) return law.refused("refresh", refreshed.error());
    auto const view = staged_->view();
    if (!view && view.error().code() != errc::no_generation)
      return law.refused("view", view.error());
    seen = view ? see(home_, view.assume_value()) : SeenHome{};
    if (!seen.damage.empty()) return law.broken("data as written", text_of(seen));
    return home_is_whole(seen);
  }
  /// It must be what was seen before.
  [[nodiscard]] Verdict shows(Law const& law, SeenHome const& before) {
    SeenHome seen;
    if (auto broken = look(law, seen)) return broken;
    if (seen == before) return {};
    return law.broken(text_of(before), text_of(seen));
  }
  [[nodiscard]] Verdict shows_generation(Law const& law, std::uint64_t g) {
    SeenHome seen;
    if (auto broken = look(law, seen)) return broken;
    if (seen.generation == g) return {};
    return law.broken("generation " + std::to_string(g), text_of(seen));
  }
  [[nodiscard]] std::vector<Generation> lying() const {
    auto const all = home_.generations(process_);
    return all ? all.assume_value() : std::vector<Generation>{};
  }

 private:
  Home const& home_;
  SimulatedDisk disk_;
  SimulatedProcess process_;
  std::optional<Staged> staged_{};
  std::uint64_t committed_ = 0;
};
}  // namespace testing::laws

HOLDFAST_END

#endif

// SPDX-License-Identifier: BSL-1.0
// A process that follows a staged home without writing, judging and reporting what it sees.
#ifndef HOLDFAST_TESTING_STAGED_WATCHER_HPP
#define HOLDFAST_TESTING_STAGED_WATCHER_HPP

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "holdfast/config.hpp"
#include "holdfast/result.hpp"
#include "holdfast/testing/scenario.hpp"
#include "holdfast/testing/staged_home.hpp"
#include "holdfast/testing/staged_laws.hpp"

HOLDFAST_BEGIN

namespace testing {
/// A process that follows the home without writing.
template <class Home>
class Watcher {
  using Follower =
      value_of<decltype(std::declval<Home&>().follow(std::declval<SimulatedProcess const&>()))>;

 public:
  Watcher(Run& run, Home const& home, SimulatedProcess process)
      : run_{run}, home_{home}, process_{std::move(process)} {}

  /// Looks at what is current now. Does nothing within itself, where it looks before every call.
  [[nodiscard]] Verdict look() {
    if (looking_) return {};
    struct Looking {
      bool& flag;
      explicit Looking(bool& f) : flag{f} { flag = true; }
      ~Looking() { flag = false; }
    } const looking{looking_};
    return look_now();
  }
  /// Begins to count flips, if this looks before every call.
  [[nodiscard]] Verdict count_flips() {
    auto broken = look_until_quiet();
    flips_ = 0;
    counted_from_ = run_.history().size();
    return broken;
  }
  /// S5: as many flips as were acknowledged, and none for anything else.
  [[nodiscard]] Verdict flips_were_acknowledged() {
    if (auto broken = look_until_quiet()) return broken;
    auto const& history = run_.history();
    auto const from = history.begin() + static_cast<std::ptrdiff_t>(counted_from_);
    auto const acked = static_cast<std::size_t>(std::count_if(
        from, history.end(), [](Note const& note) { return note.kind == Note::Kind::acked; }));
    if (flips_ == acked) return {};
    return laws::s5.broken(std::to_string(acked) + " flips", std::to_string(flips_));
  }

  /// Keeps what is current now.
  [[nodiscard]] Verdict keep() {
    if (auto broken = look()) return broken;
    if (last_.sequence == 0) return {};
    auto pin = follower_->pin();
    if (!pin) return laws::staged_recovers.refused("pin", pin.error());
    pin_.emplace(std::move(pin).assume_value());
    return {};
  }
  [[nodiscard]] Verdict kept_stays() {
    if (!pin_) return {};
    auto const seen = see(home_, *pin_);
    if (seen.damage.empty()) return {};
    return laws::s9.broken("generation " + std::to_string(seen.generation), text_of(seen));
  }

 private:
  // Others may act while this looks.
  [[nodiscard]] Verdict look_until_quiet() {
    for (std::size_t before = ~std::size_t{0}; before != run_.history().size();) {
      before = run_.history().size();
      if (auto broken = look()) return broken;
    }
    return {};
  }

  [[nodiscard]] Verdict look_now() {
    if (!follower_) {
      auto opened = home_.follow(process_);
      if (!opened) return laws::s11.refused("open_view", opened.error());
      follower_.emplace(std::move(opened).assume_value());
    }
    auto const begun = run_.history().size();
    auto const refreshed = follower_->refresh();
    if (!refreshed) return laws::s11.refused("refresh", refreshed.error());
    auto const view = follower_->view();
    SeenHome seen;
    if (view) {
      seen = see(home_, view.assume_value());
    } else if (view.error().code() != errc::no_generation) {
      return laws::s11.refused("view", view.error());
    }
    if (seen.sequence != last_.sequence) ++flips_;
    last_ = seen;
    std::uint64_t number = 0;
    if (auto broken = judge_home(run_, seen, begun, number)) return broken;
    std::vector<laws::SeenName> names;
    return names_open(home_, process_, names);
  }

  Run& run_;
  Home const& home_;
  SimulatedProcess process_;
  std::optional<Follower> follower_{};
  std::optional<typename Follower::pin_type> pin_{};
  SeenHome last_{};
  std::size_t flips_ = 0;
  std::size_t counted_from_ = 0;
  bool looking_ = false;
};
}  // namespace testing

HOLDFAST_END

#endif

// SPDX-License-Identifier: BSL-1.0
// Says whether a history of overlapping operations could have been one after another (Wing and
// Gong, with Lowe's memory of what was tried).
#ifndef HOLDFAST_TESTING_LINEARIZABLE_HPP
#define HOLDFAST_TESTING_LINEARIZABLE_HPP

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "holdfast/config.hpp"

HOLDFAST_BEGIN

namespace testing {
/// An operation as its caller saw it. One whose answer never came, or said nothing, may have
/// happened at any time after it began, or never.
template <class Operation>
struct Observed {
  static constexpr std::uint64_t never = ~std::uint64_t{0};
  Operation what{};
  std::uint64_t begin = 0;
  std::uint64_t end = never;
  bool surely = true;  ///< it happened, between begin and end
};

/// `apply(state, operation)` gives the next state, or nothing where the operation can't be what
/// happens there. States are ordered. At most 64 operations.
template <class State, class Operation, class Apply>
class Linearization {
 public:
  Linearization(std::vector<Observed<Operation>> const& history, Apply apply)
      : history_{history}, apply_{std::move(apply)} {
    for (std::size_t i = 0; i < history.size(); ++i) {
      if (history[i].surely) all_sure_ |= bit(i);
    }
  }
  [[nodiscard]] bool exists(State const& first) { return search(0, first); }

 private:
  static constexpr std::uint64_t bit(std::size_t i) noexcept { return std::uint64_t{1} << i; }

  bool search(std::uint64_t done, State const& state) {
    if ((done & all_sure_) == all_sure_) return true;
    if (!tried_.emplace(done, state).second) return false;
    // Nothing may come before what had ended when it began.
    auto first_end = Observed<Operation>::never;
    for (std::size_t i = 0; i < history_.size(); ++i) {
      if ((done & bit(i)) == 0 && history_[i].surely) {
        first_end = std::min(first_end, history_[i].end);
      }
    }
    // What is not sure is tried last: mostly it is not needed.
    for (bool const surely : {true, false}) {
      for (std::size_t i = 0; i < history_.size(); ++i) {
        auto const& one = history_[i];
        if ((done & bit(i)) != 0 || one.surely != surely || one.begin > first_end) continue;
        auto next = apply_(state, one.what);
        if (next && search(done | bit(i), *next)) return true;
      }
    }
    return false;
  }

  std::vector<Observed<Operation>> const& history_;
  Apply apply_;
  std::uint64_t all_sure_ = 0;
  std::set<std::pair<std::uint64_t, State>> tried_{};
};

template <class State, class Operation, class Apply>
[[nodiscard]] bool is_linearizable(std::vector<Observed<Operation>> const& history,
                                   State const& first,
                                   Apply apply) {
  return Linearization<State, Operation, Apply>{history, std::move(apply)}.exists(first);
}
}  // namespace testing

HOLDFAST_END

#endif

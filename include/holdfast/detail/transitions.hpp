// SPDX-License-Identifier: BSL-1.0
// Says which state of a staged run may follow which, and checks at compile time that no state is a
// trap.
#ifndef HOLDFAST_DETAIL_TRANSITIONS_HPP
#define HOLDFAST_DETAIL_TRANSITIONS_HPP

#include <array>
#include <cstddef>

#include "holdfast/config.hpp"
#include "holdfast/event.hpp"

HOLDFAST_BEGIN

namespace detail {
struct Transition {
  State from;
  State to;
};

// Before the commit point every state may roll back. `failed` is left by recover().
inline constexpr std::array transitions{
    Transition{State::none, State::initializing},
    Transition{State::initializing, State::processing},
    Transition{State::initializing, State::rolling_back},
    Transition{State::processing, State::ready_to_commit},
    Transition{State::processing, State::rolling_back},
    Transition{State::ready_to_commit, State::committing},
    Transition{State::ready_to_commit, State::rolling_back},
    Transition{State::committing, State::committed},
    Transition{State::committing, State::rolling_back},
    Transition{State::committed, State::none},
    Transition{State::rolling_back, State::none},
    Transition{State::rolling_back, State::failed},
    Transition{State::failed, State::none},
};
inline constexpr std::size_t states = static_cast<std::size_t>(State::failed) + 1;

[[nodiscard]] constexpr bool allowed(State from, State to) noexcept {
  for (auto const& transition : transitions) {
    if (transition.from == from && transition.to == to) return true;
  }
  return false;
}

// From `from`, is every state reached, and can `from` be reached again from every state?
[[nodiscard]] consteval bool connected(State from) {
  std::array<bool, states> forth{}, back{};
  forth[static_cast<std::size_t>(from)] = back[static_cast<std::size_t>(from)] = true;
  for (std::size_t round = 0; round < states; ++round) {
    for (auto const& [a, b] : transitions) {
      if (forth[static_cast<std::size_t>(a)]) forth[static_cast<std::size_t>(b)] = true;
      if (back[static_cast<std::size_t>(b)]) back[static_cast<std::size_t>(a)] = true;
    }
  }
  for (std::size_t i = 0; i < states; ++i) {
    if (!forth[i] || !back[i]) return false;
  }
  return true;
}
static_assert(connected(State::none), "a state of a staged run is unreachable or never left");
}  // namespace detail

HOLDFAST_END

#endif

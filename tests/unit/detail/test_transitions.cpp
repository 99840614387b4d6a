// SPDX-License-Identifier: BSL-1.0
// Tests the table of states: what must be possible, and what must never be.
#include <set>
#include <string_view>
#include <utility>

#include "catch.hpp"
#include "holdfast/detail/transitions.hpp"

namespace {
using hf::State;
using hf::detail::allowed;
constexpr State every[] = {
    State::none,       State::initializing, State::processing,   State::ready_to_commit,
    State::committing, State::committed,    State::rolling_back, State::failed};
}  // namespace

TEST_CASE("before the commit point any state may roll back, after it none may", "[transitions]") {
  for (auto const state :
       {State::initializing, State::processing, State::ready_to_commit, State::committing}) {
    CHECK(allowed(state, State::rolling_back));
  }
  for (auto const state : {State::none, State::committed, State::rolling_back, State::failed}) {
    CHECK(!allowed(state, State::rolling_back));
  }
}

TEST_CASE("a commit is reached through every step before it", "[transitions]") {
  CHECK(allowed(State::none, State::initializing));
  CHECK(allowed(State::initializing, State::processing));
  CHECK(allowed(State::processing, State::ready_to_commit));
  CHECK(allowed(State::ready_to_commit, State::committing));
  CHECK(allowed(State::committing, State::committed));
  for (auto const from : every) {
    CHECK(allowed(from, State::committed) == (from == State::committing));
    CHECK(allowed(from, State::processing) == (from == State::initializing));
    CHECK(allowed(from, State::initializing) == (from == State::none));
  }
}

TEST_CASE("what failed is left only for none, and nothing follows itself", "[transitions]") {
  for (auto const to : every) {
    CHECK(allowed(State::failed, to) == (to == State::none));
    CHECK(allowed(State::committed, to) == (to == State::none));
    CHECK(!allowed(to, to));
  }
}

TEST_CASE("no transition is listed twice, and every state and event has its name",
          "[transitions]") {
  std::set<std::pair<State, State>> seen;
  for (auto const& [from, to] : hf::detail::transitions) CHECK(seen.insert({from, to}).second);
  std::set<std::string_view> names;
  for (auto const state : every) CHECK(names.insert(hf::name(state)).second);
  CHECK(names.count("?") == 0);
  names.clear();
  for (int kind = 0; kind <= static_cast<int>(hf::Event::Kind::foreign); ++kind) {
    CHECK(names.insert(hf::name(static_cast<hf::Event::Kind>(kind))).second);
  }
  CHECK(names.count("?") == 0);
}

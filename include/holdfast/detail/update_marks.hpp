// SPDX-License-Identifier: BSL-1.0
// Decides by marks alone whether an update is applied already, and how far several parts are.
//
// Invariants:
// - The marks of a part only grow, name by name.
// - A feed that goes on after the least marks of all parts leaves nothing out of any of them.
#ifndef HOLDFAST_DETAIL_UPDATE_MARKS_HPP
#define HOLDFAST_DETAIL_UPDATE_MARKS_HPP

#include <algorithm>
#include <cstddef>
#include <optional>
#include <span>
#include <string_view>

#include "holdfast/config.hpp"
#include "holdfast/ids.hpp"
#include "holdfast/result.hpp"

HOLDFAST_BEGIN

namespace detail {
/// Is an update with these marks still to be applied to what is at `at`? `invalid` where it is
/// neither before nor after: some of its marks are reached, others are not.
[[nodiscard]] inline result<bool> is_fresh(Marks const& at,
                                           Marks const& update,
                                           std::string_view of) {
  if (update.empty()) return failure(errc::invalid, "apply: an update needs a mark", of);
  std::size_t reached = 0;
  for (auto const& [name, value] : update) {
    auto const found = at.find(name);
    if (found != at.end() && found->second >= value) ++reached;
  }
  if (reached == update.size()) return false;
  if (reached == 0) return true;
  return failure(errc::invalid, "apply: some of its marks are reached already", of);
}

/// What is at `at` once that update is applied; also a part's own marks over those of its commit.
[[nodiscard]] inline Marks merged(Marks at, Marks const& update) {
  for (auto const& [name, value] : update) at.insert_or_assign(name, value);
  return at;
}

/// Where all parts are: each name that every part has, with the least value.
[[nodiscard]] inline Marks least(std::span<Marks const> parts) {
  if (parts.empty()) return {};
  Marks all = parts.front();
  for (auto const& part : parts.subspan(1)) {
    std::erase_if(all, [&](auto const& mark) { return part.find(mark.first) == part.end(); });
    for (auto& [name, value] : all) value = std::min(value, part.find(name)->second);
  }
  return all;
}

[[nodiscard]] inline bool all_equal(std::span<Marks const> parts) noexcept {
  return std::all_of(parts.begin(), parts.end(),
                     [&](Marks const& part) { return part == parts.front(); });
}
}  // namespace detail

HOLDFAST_END

#endif

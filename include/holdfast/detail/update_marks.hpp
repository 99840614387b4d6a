// SPDX-License-Identifier: BSL-1.0
// Decides by marks alone whether an update is applied already, and how far several parts are.
//
// Invariants:
// - The marks of a part only grow, name by name.
// - While parts differ, an update is one that the furthest of them has: what reached one part was
//   whole, and a larger one in its place would be applied twice to it.
// - A feed that goes on after the least marks of all parts leaves nothing out of any of them.
#ifndef HOLDFAST_DETAIL_UPDATE_MARKS_HPP
#define HOLDFAST_DETAIL_UPDATE_MARKS_HPP

#include <algorithm>
#include <cstddef>
#include <cstdint>
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

/// Does any of these parts still need this update? `invalid` where one of them has some of its
/// marks, and where parts differ in one of its names and it goes past the furthest.
[[nodiscard]] inline result<bool> any_wants(std::span<Marks const> parts,
                                            Marks const& update,
                                            std::string_view of) {
  bool any = false;
  for (auto const& part : parts) {
    HOLDFAST_TRY(wants, is_fresh(part, update, of));
    any = any || wants;
  }
  for (auto const& [name, value] : update) {
    std::optional<std::uint64_t> furthest;
    bool differ = false;
    for (auto const& part : parts) {
      auto const found = part.find(name);
      auto const first = parts.front().find(name);
      bool const same = found == part.end()
                            ? first == parts.front().end()
                            : first != parts.front().end() && first->second == found->second;
      differ = differ || !same;
      if (found != part.end()) furthest = std::max(furthest.value_or(0), found->second);
    }
    if (!differ || value <= furthest.value_or(0)) continue;
    return failure(errc::invalid,
                   "apply: it goes past the furthest part while parts differ; replay each update "
                   "as it was",
                   name);
  }
  return any;
}

[[nodiscard]] inline bool all_equal(std::span<Marks const> parts) noexcept {
  return std::all_of(parts.begin(), parts.end(),
                     [&](Marks const& part) { return part == parts.front(); });
}
}  // namespace detail

HOLDFAST_END

#endif

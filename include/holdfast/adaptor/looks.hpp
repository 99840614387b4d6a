// SPDX-License-Identifier: BSL-1.0
// Looks at the parts of a composed store: verifies and measures each.
#ifndef HOLDFAST_ADAPTOR_LOOKS_HPP
#define HOLDFAST_ADAPTOR_LOOKS_HPP

#include <cstddef>
#include <optional>
#include <span>
#include <tuple>
#include <utility>
#include <vector>

#include "holdfast/adaptor/parts.hpp"
#include "holdfast/concepts.hpp"
#include "holdfast/config.hpp"
#include "holdfast/guarantees.hpp"
#include "holdfast/ids.hpp"
#include "holdfast/result.hpp"

HOLDFAST_BEGIN

namespace detail {
template <std::size_t I, class Stores>
void verify_part(Stores& stores,
                 std::span<Generation const> generations,
                 std::vector<result<Verified>>& found) {
  auto const own = own_of<I>(stores, generations);
  if (!own) {
    found.insert(found.end(), names_of(std::get<I>(stores)), failed(own));
  } else if constexpr (requires { std::get<I>(stores).verify_parts(own.assume_value()); }) {
    auto inner = std::get<I>(stores).verify_parts(own.assume_value());
    found.insert(found.end(), inner.begin(), inner.end());
  } else {
    found.push_back(verify(std::get<I>(stores), own.assume_value().front()));
  }
}
template <class Stores, std::size_t... I>
void verify_each(Stores& stores,
                 std::span<Generation const> generations,
                 std::vector<result<Verified>>& found,
                 std::index_sequence<I...>) {
  (verify_part<I>(stores, generations, found), ...);
}
template <std::size_t I, class Stores>
result<void> measure_part(Stores const& stores,
                          std::span<Generation const> generations,
                          std::vector<std::optional<Space>>& all) {
  HOLDFAST_TRY(own, own_of<I>(stores, generations));
  if constexpr (requires { std::get<I>(stores).spaces(own); }) {
    HOLDFAST_TRY(inner, std::get<I>(stores).spaces(own));
    all.insert(all.end(), inner.begin(), inner.end());
  } else if constexpr (measuring_store<std::tuple_element_t<I, Stores>>) {
    HOLDFAST_TRY(space, store_traits<std::tuple_element_t<I, Stores>>::space(std::get<I>(stores),
                                                                             own.front()));
    all.emplace_back(space);
  } else {
    all.insert(all.end(), own.size(), std::nullopt);
  }
  return ok();
}
template <class Stores, std::size_t... I>
result<void> measure_each(Stores const& stores,
                          std::span<Generation const> generations,
                          std::vector<std::optional<Space>>& all,
                          std::index_sequence<I...>) {
  result<void> done = ok();
  (keep_first(done, measure_part<I>(stores, generations, all)) && ...);
  return done;
}
}  // namespace detail

HOLDFAST_END

#endif

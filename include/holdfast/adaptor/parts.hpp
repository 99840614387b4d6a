// SPDX-License-Identifier: BSL-1.0
// Speaks of the parts of a composed store: their names, their promises, and which of them are
// meant.
#ifndef HOLDFAST_ADAPTOR_PARTS_HPP
#define HOLDFAST_ADAPTOR_PARTS_HPP

#include <algorithm>
#include <array>
#include <concepts>
#include <cstddef>
#include <iterator>
#include <string>
#include <utility>
#include <vector>

#include "holdfast/concepts.hpp"
#include "holdfast/config.hpp"
#include "holdfast/guarantees.hpp"

HOLDFAST_BEGIN

namespace detail {
template <class First, class... Rest>
[[nodiscard]] constexpr Guarantees weakest_of() noexcept {
  Guarantees all = guarantees_of<First>();
  ((all = weaker(all, guarantees_of<Rest>())), ...);
  return all;
}

template <class T>
concept named_part = requires(T const& t) {
  { store_traits<T>::name(t) } -> std::convertible_to<std::string>;
};
template <class T>
concept placed_part = requires(T& t, std::string const& home) {
  store_traits<T>::place(t, home);
};

// The part's own names if it is made of parts, else its name; one without a name goes by its place.
template <class Part>
void add_names(Part const& part, std::vector<std::string>& names) {
  if constexpr (parted_store<Part>) {
    auto inner = store_traits<Part>::part_names(part);
    std::move(inner.begin(), inner.end(), std::back_inserter(names));
  } else if constexpr (named_part<Part>) {
    names.emplace_back(store_traits<Part>::name(part));
  } else {
    names.push_back("part " + std::to_string(names.size()));
  }
}

template <std::size_t... I>
constexpr bool distinct() noexcept {
  std::array<std::size_t, sizeof...(I)> chosen{I...};
  std::sort(chosen.begin(), chosen.end());
  return std::adjacent_find(chosen.begin(), chosen.end()) == chosen.end();
}
}  // namespace detail

/// Names parts of a `Together` by their positions: `db.stage(hf::only<1>)` builds part 1 alone.
template <std::size_t... I>
using Only = std::index_sequence<I...>;
template <std::size_t... I>
inline constexpr Only<I...> only{};

HOLDFAST_END

#endif

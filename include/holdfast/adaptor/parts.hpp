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
#include <span>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "holdfast/concepts.hpp"
#include "holdfast/config.hpp"
#include "holdfast/guarantees.hpp"
#include "holdfast/ids.hpp"
#include "holdfast/result.hpp"

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

/// How many names a part has.
template <class Part>
[[nodiscard]] std::size_t names_of(Part const& part) {
  std::vector<std::string> names;
  add_names(part, names);
  return names.size();
}
template <class Stores, std::size_t... Before>
[[nodiscard]] std::size_t names_before(Stores const& stores, std::index_sequence<Before...>) {
  return (std::size_t{0} + ... + names_of(std::get<Before>(stores)));
}
/// Those of all the generations that belong to part I.
template <std::size_t I, class Stores>
[[nodiscard]] result<std::span<Generation const>> own_of(Stores const& stores,
                                                         std::span<Generation const> generations) {
  auto const before = names_before(stores, std::make_index_sequence<I>{});
  auto const count = names_of(std::get<I>(stores));
  if (generations.size() >= before + count) return generations.subspan(before, count);
  return failure(errc::invalid, "open", "too few parts");
}
/// Of a part that can't mix, all generations are one.
[[nodiscard]] inline result<Generation> only_one(std::span<Generation const> own) {
  if (!own.empty() && std::equal(own.begin() + 1, own.end(), own.begin())) return own.front();
  return failure(errc::invalid, "open", "a part of several generations");
}
/// Keeps the first error of several; true while there is none.
inline bool keep_first(result<void>& all, result<void> const& next) {
  if (all && !next) all = failure(next.error());
  return all.has_value();
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

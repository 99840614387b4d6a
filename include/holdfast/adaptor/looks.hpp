// SPDX-License-Identifier: BSL-1.0
// Looks at the parts of a composed store: verifies and measures each.
#ifndef HOLDFAST_ADAPTOR_LOOKS_HPP
#define HOLDFAST_ADAPTOR_LOOKS_HPP

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <tuple>
#include <type_traits>
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
/// What each part's own generation takes of the disk, as far as the parts tell; none: nothing.
template <class Store>
[[nodiscard]] result<std::optional<std::uint64_t>> disk_bytes_of(
    Store const& store, std::span<Generation const> generations);
template <std::size_t I, class Stores>
result<void> add_disk_bytes(Stores const& stores,
                            std::span<Generation const> generations,
                            std::optional<std::uint64_t>& all) {
  HOLDFAST_TRY(own, own_of<I>(stores, generations));
  HOLDFAST_TRY(part, disk_bytes_of(std::get<I>(stores), own));
  if (part) all = all.value_or(0) + *part;
  return ok();
}
template <class Stores, std::size_t... I>
result<void> add_each_disk_bytes(Stores const& stores,
                                 std::span<Generation const> generations,
                                 std::optional<std::uint64_t>& all,
                                 std::index_sequence<I...>) {
  result<void> done = ok();
  (keep_first(done, add_disk_bytes<I>(stores, generations, all)) && ...);
  return done;
}
template <class Store>
[[nodiscard]] result<std::optional<std::uint64_t>> disk_bytes_of(
    Store const& store, std::span<Generation const> generations) {
  std::optional<std::uint64_t> all;
  if constexpr (requires { store.disk_bytes(Generation{}); }) {
    HOLDFAST_TRY(g, only_one(generations));
    auto const found = store.disk_bytes(g);
    // A part that is carried over has no folder of it.
    if (!found && found.error().code() != errc::not_found) return failed(found);
    all = found ? found.assume_value() : std::optional<std::uint64_t>{0};
  } else if constexpr (requires { store.stores(); }) {
    using Stores = std::remove_cvref_t<decltype(store.stores())>;
    HOLDFAST_TRYV(add_each_disk_bytes(store.stores(), generations, all,
                                      std::make_index_sequence<std::tuple_size_v<Stores>>{}));
  }
  return all;
}

/// Has any of these taken an update, as far as the parts tell?
template <class Store>
[[nodiscard]] result<bool> any_updated(Store const& store, std::span<Generation const> generations);
template <std::size_t I, class Stores>
result<void> ask_updated(Stores const& stores, std::span<Generation const> generations, bool& any) {
  HOLDFAST_TRY(own, own_of<I>(stores, generations));
  HOLDFAST_TRY(part, any_updated(std::get<I>(stores), own));
  any = any || part;
  return ok();
}
template <class Stores, std::size_t... I>
result<void> ask_each_updated(Stores const& stores,
                              std::span<Generation const> generations,
                              bool& any,
                              std::index_sequence<I...>) {
  result<void> done = ok();
  (keep_first(done, ask_updated<I>(stores, generations, any)) && ...);
  return done;
}
template <class Store>
[[nodiscard]] result<bool> any_updated(Store const& store,
                                       std::span<Generation const> generations) {
  bool any = false;
  if constexpr (requires { store.updated(Generation{}); }) {
    HOLDFAST_TRY(g, only_one(generations));
    return store.updated(g);
  } else if constexpr (requires { store.stores(); }) {
    using Stores = std::remove_cvref_t<decltype(store.stores())>;
    HOLDFAST_TRYV(ask_each_updated(store.stores(), generations, any,
                                   std::make_index_sequence<std::tuple_size_v<Stores>>{}));
  }
  return any;
}
}  // namespace detail

HOLDFAST_END

#endif

// SPDX-License-Identifier: BSL-1.0
// Speaks of updates part by part: of a store alone, or of one that is made of others.
#ifndef HOLDFAST_ADAPTOR_UPDATES_HPP
#define HOLDFAST_ADAPTOR_UPDATES_HPP

#include <cstddef>
#include <optional>
#include <span>
#include <tuple>
#include <utility>
#include <vector>

#include "holdfast/adaptor/parts.hpp"
#include "holdfast/concepts.hpp"
#include "holdfast/config.hpp"
#include "holdfast/ids.hpp"
#include "holdfast/result.hpp"
#include "holdfast/update_concepts.hpp"

HOLDFAST_BEGIN

namespace detail {
struct NoBatches {};
template <class... Parts>
struct BatchesOf {
  using type = NoBatches;
};
template <updatable_store... Parts>
struct BatchesOf<Parts...> {
  using type = std::tuple<batch_of<Parts>...>;
};

/// Does any of these take updates?
template <class Store>
[[nodiscard]] result<bool> updates_of(Store const& store, std::span<Generation const> parts) {
  if constexpr (requires { store.updates_parts(parts); }) {
    return store.updates_parts(parts);
  } else {
    HOLDFAST_TRY(g, only_one(parts));
    return store_traits<Store>::updates(store, g);
  }
}
/// Does each of these take updates?
template <class Store>
[[nodiscard]] result<std::vector<bool>> updates_of_each(Store const& store,
                                                        std::span<Generation const> parts) {
  if constexpr (requires { store.updates_each(parts); }) {
    return store.updates_each(parts);
  } else {
    HOLDFAST_TRY(g, only_one(parts));
    HOLDFAST_TRY(updates, store_traits<Store>::updates(store, g));
    return std::vector<bool>{updates};
  }
}
template <class Store, class Batch>
[[nodiscard]] result<void> apply_to(Store& store,
                                    std::span<Generation const> parts,
                                    Batch const& batch,
                                    Marks const& marks) {
  if constexpr (requires { store.apply_parts(parts, batch, marks); }) {
    return store.apply_parts(parts, batch, marks);
  } else {
    HOLDFAST_TRY(g, only_one(parts));
    return store_traits<Store>::apply(store, g, batch, marks);
  }
}
/// The marks of each part.
template <class Store>
[[nodiscard]] result<std::vector<Marks>> marks_at(Store& store, std::span<Generation const> parts) {
  if constexpr (requires { store.marks_parts(parts); }) {
    return store.marks_parts(parts);
  } else {
    HOLDFAST_TRY(g, only_one(parts));
    HOLDFAST_TRY(found, store_traits<Store>::marks(store, g));
    return std::vector<Marks>{std::move(found)};
  }
}
/// Those of what a reader shows, part by part.
template <class Store, class Reader>
void add_marks_of(Store const& store,
                  Reader const& reader,
                  std::vector<std::optional<Marks>>& all) {
  if constexpr (requires { store.marks_of_parts(reader); }) {
    for (auto& part : store.marks_of_parts(reader)) all.push_back(std::move(part));
  } else {
    all.push_back(store_traits<Store>::marks_of(store, reader));
  }
}

// The same of every part of a tuple of stores. Function templates with names, not lambdas over a
// pack: clang 14 can't do those.
template <std::size_t I, class Stores>
result<void> ask_part(Stores const& stores,
                      std::span<Generation const> all,
                      std::vector<bool>& each) {
  HOLDFAST_TRY(own, own_of<I>(stores, all));
  HOLDFAST_TRY(updates, updates_of_each(std::get<I>(stores), own));
  each.insert(each.end(), updates.begin(), updates.end());
  return ok();
}
template <class Stores, std::size_t... I>
[[nodiscard]] result<void> ask_each(Stores const& stores,
                                    std::span<Generation const> all,
                                    std::vector<bool>& each,
                                    std::index_sequence<I...>) {
  result<void> done = ok();
  (keep_first(done, ask_part<I>(stores, all, each)) && ...);
  return done;
}
template <std::size_t I, class Stores, class Batch>
result<void> apply_part(Stores& stores,
                        std::span<Generation const> all,
                        Batch const& batch,
                        Marks const& marks) {
  HOLDFAST_TRY(own, own_of<I>(stores, all));
  return apply_to(std::get<I>(stores), own, batch, marks);
}
template <class Stores, class Batches, std::size_t... I>
[[nodiscard]] result<void> apply_each(Stores& stores,
                                      std::span<Generation const> all,
                                      Batches const& batches,
                                      Marks const& marks,
                                      std::index_sequence<I...>) {
  result<void> done = ok();
  (keep_first(done, apply_part<I>(stores, all, std::get<I>(batches), marks)) && ...);
  return done;
}
template <std::size_t I, class Stores>
result<void> marks_part(Stores& stores,
                        std::span<Generation const> all,
                        std::vector<Marks>& found) {
  HOLDFAST_TRY(own, own_of<I>(stores, all));
  HOLDFAST_TRY(part, marks_at(std::get<I>(stores), own));
  found.insert(found.end(), part.begin(), part.end());
  return ok();
}
template <class Stores, std::size_t... I>
[[nodiscard]] result<void> marks_each(Stores& stores,
                                      std::span<Generation const> all,
                                      std::vector<Marks>& found,
                                      std::index_sequence<I...>) {
  result<void> done = ok();
  (keep_first(done, marks_part<I>(stores, all, found)) && ...);
  return done;
}
template <class Stores, class Reader, std::size_t... I>
void marks_of_each(Stores const& stores,
                   Reader const& from,
                   std::vector<std::optional<Marks>>& all,
                   std::index_sequence<I...>) {
  (add_marks_of(std::get<I>(stores), std::get<I>(from), all), ...);
}
}  // namespace detail

HOLDFAST_END

#endif

// SPDX-License-Identifier: BSL-1.0
// Turns "constraints not satisfied" into one line for each operation or guarantee that is missing.
#ifndef HOLDFAST_EXPLAIN_HPP
#define HOLDFAST_EXPLAIN_HPP

#include <concepts>
#include <tuple>
#include <type_traits>

#include "holdfast/concepts.hpp"
#include "holdfast/config.hpp"
#include "holdfast/guarantees.hpp"
#include "holdfast/lock_concepts.hpp"
#include "holdfast/result.hpp"
#include "holdfast/update_concepts.hpp"

HOLDFAST_BEGIN

/// Says at compile time, a line each, which operations T lacks to be a `generation_store`. True if
/// none.
template <class T>
constexpr bool explain_store() {
  static_assert(can_create<T>, "generation_store: needs  result<Writer> create(Generation)");
  if constexpr (can_create<T>) {
    static_assert(can_seal<T>, "generation_store: needs  result<void> seal(Writer&)");
    static_assert(std::movable<writer_of<T>>, "generation_store: its writer must be movable");
  }
  static_assert(can_open<T>, "generation_store: needs  result<Reader> open(Generation)");
  if constexpr (can_open<T>) {
    static_assert(std::movable<reader_of<T>>, "generation_store: its reader must be movable");
  }
  static_assert(can_drop<T>, "generation_store: needs  result<void> drop(Generation)");
  static_assert(can_list<T>,
                "generation_store: needs  result<std::vector<Generation>> generations()");
  static_assert(std::movable<T>, "generation_store: must be movable");
  return generation_store<T>;
}

/// The same for `atomic_register`.
template <class T>
constexpr bool explain_register() {
  static_assert(can_load<T>, "atomic_register: needs  result<std::optional<Versioned>> load()");
  static_assert(can_store_if<T>,
                "atomic_register: needs  result<Version> store_if(Version, bytes_view)");
  static_assert(can_reopen<T>, "atomic_register: needs  result<void> reopen()");
  static_assert(has_max_size<T>, "atomic_register: needs  std::size_t max_size() const");
  static_assert(std::movable<T>, "atomic_register: must be movable");
  return atomic_register<T>;
}

/// The same for `lock_policy`.
template <class T>
constexpr bool explain_lock() {
  static_assert(can_try_acquire<T>,
                "lock_policy: needs  result<Grant> try_acquire(Owner const&, FencingToken above)");
  if constexpr (can_try_acquire<T>) {
    static_assert(has_token<T>, "lock_policy: its grant needs a member  FencingToken token");
    static_assert(can_release<T>, "lock_policy: needs  result<void> release(Grant&)");
  }
  static_assert(can_inspect<T>, "lock_policy: needs  result<std::optional<Holder>> inspect()");
  static_assert(
      can_force<T>,
      "lock_policy: needs  result<FencingToken> force(Holder const&, FencingToken above)");
  static_assert(std::movable<T>, "lock_policy: must be movable");
  return lock_policy<T>;
}

/// The same for `placed_store`, beyond what a `generation_store` needs.
template <class T>
constexpr bool explain_place() {
  if constexpr (generation_store<T>) {
    static_assert(
        placed_store<T>,
        "placed_store: needs  std::string name() const  and  void place(std::string const& home)");
  }
  return placed_store<T>;
}

/// The same for `updatable_store`, beyond what a `generation_store` needs.
template <class T>
constexpr bool explain_updates() {
  if constexpr (generation_store<T>) {
    static_assert(updatable_store<T>,
                  "updatable_store: needs  batch_type, result<void> apply(Generation, batch_type "
                  "const&, Marks const&), result<Marks> marks(Generation), result<bool> "
                  "updates(Generation) const  and  std::optional<Marks> marks_of(Reader const&) "
                  "const; of a Together, in every part");
  }
  return updatable_store<T>;
}

namespace detail {
template <class Part, class Register>
constexpr bool explain_part() {
  constexpr auto part = guarantees_of<Part>();
  constexpr auto reg = guarantees_of<Register>();
  static_assert(
      part.lifetime >= reg.lifetime,
      "guarantees: this part does not live as long as the register that names its generations");
  if constexpr (part.lifetime >= reg.lifetime) {
    static_assert(
        part.reach >= reg.reach,
        "guarantees: this part does not reach as far as the register that names its generations");
  }
  return outlives<Part, Register>;
}
template <class Register, class... Parts>
constexpr bool explain_parts(std::type_identity<std::tuple<Parts...>>) {
  return (explain_part<Parts, Register>() && ...);
}
}  // namespace detail

/// Does each part of the store live and reach at least as far as the register? The compiler names
/// the part that does not.
template <class Store, class Register>
constexpr bool explain_guarantees() {
  if constexpr (requires { typename Store::parts; }) {
    return detail::explain_parts<Register>(std::type_identity<typename Store::parts>{});
  } else {
    return detail::explain_part<Store, Register>();
  }
}

/// All that `open_staged` asks of its arguments.
template <class Store, class Register, class Locking>
constexpr bool explain_staged() {
  bool const operations[] = {explain_store<Store>(), explain_register<Register>(),
                             explain_lock<Locking>()};
  bool const all = operations[0] && operations[1] && operations[2];
  if constexpr (generation_store<Store> && atomic_register<Register>) {
    return explain_guarantees<Store, Register>() && all;
  }
  return all;
}

HOLDFAST_END

#endif

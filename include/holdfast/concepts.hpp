// SPDX-License-Identifier: BSL-1.0
// Says what you bring: the concepts of stores and registers, and the traits through which
// holdfast uses them.
//
// Each operation is a `can_*` of its own, so that a compiler names the one that is missing.
// Specialise `store_traits<T>` (deriving from `member_store_traits<T>`) to change one operation of
// a type that you can't edit.
#ifndef HOLDFAST_CONCEPTS_HPP
#define HOLDFAST_CONCEPTS_HPP

#include <concepts>
#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "holdfast/bytes.hpp"
#include "holdfast/config.hpp"
#include "holdfast/guarantees.hpp"
#include "holdfast/ids.hpp"
#include "holdfast/result.hpp"

HOLDFAST_BEGIN

/// The parts of the concepts, one an operation, so that `explain` can name what is missing.
template <class R, class T>
concept gives = std::same_as<R, result<T>>;
template <class R>
concept some_result = is_result<std::remove_cvref_t<R>>;
template <some_result R>
using value_of = typename std::remove_cvref_t<R>::value_type;

// ---- stores

namespace detail {
template <class T>
struct BatchType {};
template <class T>
requires requires {
  typename T::batch_type;
}
struct BatchType<T> {
  using batch_type = typename T::batch_type;
};
}  // namespace detail

/// Forwards each operation of a store to the member of the same name.
template <class T>
struct member_store_traits : detail::BatchType<T> {
  template <class U>
  static auto create(U& t, Generation g) -> decltype(t.create(g)) {
    return t.create(g);
  }
  template <class U, class Writer>
  static auto seal(U& t, Writer& w) -> decltype(t.seal(w)) {
    return t.seal(w);
  }
  template <class U>
  static auto open(U& t, Generation g) -> decltype(t.open(g)) {
    return t.open(g);
  }
  template <class U>
  static auto drop(U& t, Generation g) -> decltype(t.drop(g)) {
    return t.drop(g);
  }
  template <class U>
  static auto generations(U& t) -> decltype(t.generations()) {
    return t.generations();
  }
  template <class U>
  static auto publish(U& t, Generation g) -> decltype(t.publish(g)) {
    return t.publish(g);
  }
  template <class U>
  static auto clone(U& t, Generation from, Generation g) -> decltype(t.clone(from, g)) {
    return t.clone(from, g);
  }
  template <class U>
  static auto copy(U const& t, Generation g, U& to) -> decltype(t.copy(g, to)) {
    return t.copy(g, to);
  }
  template <class U>
  static auto verify(U const& t, Generation g) -> decltype(t.verify(g)) {
    return t.verify(g);
  }
  template <class U>
  static auto space(U const& t, Generation g) -> decltype(t.space(g)) {
    return t.space(g);
  }
  template <class U>
  static auto part_names(U const& t) -> decltype(t.part_names()) {
    return t.part_names();
  }
  template <class U>
  static auto open_parts(U& t, std::span<Generation const> parts) -> decltype(t.open_parts(parts)) {
    return t.open_parts(parts);
  }
  template <class U>
  static auto publish_parts(U& t, std::span<Generation const> parts)
      -> decltype(t.publish_parts(parts)) {
    return t.publish_parts(parts);
  }
  template <class U>
  static auto updates(U const& t, Generation g) -> decltype(t.updates(g)) {
    return t.updates(g);
  }
  template <class U, class Batch>
  static auto apply(U& t, Generation g, Batch const& batch, Marks const& marks)
      -> decltype(t.apply(g, batch, marks)) {
    return t.apply(g, batch, marks);
  }
  template <class U>
  static auto marks(U& t, Generation g) -> decltype(t.marks(g)) {
    return t.marks(g);
  }
  template <class U, class Reader>
  static auto marks_of(U const& t, Reader const& reader) -> decltype(t.marks_of(reader)) {
    return t.marks_of(reader);
  }
  template <class U>
  static auto name(U const& t) -> decltype(t.name()) {
    return t.name();
  }
  template <class U>
  static auto place(U& t, std::string const& home) -> decltype(t.place(home)) {
    return t.place(home);
  }
};
/// How holdfast calls a store; specialise it for a type whose operations are named otherwise.
template <class T>
struct store_traits : member_store_traits<T> {};

/// What `create` of a store gives.
template <class T>
using writer_of = value_of<decltype(store_traits<T>::create(std::declval<T&>(), Generation{}))>;
/// What `open` of a store gives.
template <class T>
using reader_of = value_of<decltype(store_traits<T>::open(std::declval<T&>(), Generation{}))>;

template <class T>
concept can_create = requires(T& t, Generation g) {
  { store_traits<T>::create(t, g) } -> some_result;
};
template <class T>
concept can_seal = can_create<T> && requires(T& t, writer_of<T>& w) {
  { store_traits<T>::seal(t, w) } -> gives<void>;
};
template <class T>
concept can_open = requires(T& t, Generation g) {
  { store_traits<T>::open(t, g) } -> some_result;
};
template <class T>
concept can_drop = requires(T& t, Generation g) {
  { store_traits<T>::drop(t, g) } -> gives<void>;
};
template <class T>
concept can_list = requires(T& t) {
  { store_traits<T>::generations(t) } -> gives<std::vector<Generation>>;
};

/// Keeps numbered generations. Laws B1 to B7:
/// - `create(g)` makes an empty, unseen generation; remains of an earlier g are refused (`exists`),
/// never reused.
/// - `seal(writer)` makes it durable and complete; idempotent; a failed seal leaves the writer
/// whole, except after a failed sync.
/// - `open(g)` gives a reader whose const members are safe from many threads; unsealed or damaged
/// is an error, never data.
/// - `drop(g)` leaves every other generation alone, is idempotent, and is durable when it returns.
/// - `generations()` lists every g that has remains, sealed or not, in ascending order; other
/// things in the place are not listed.
template <class T>
concept generation_store = std::movable<T> && can_create<T> && can_seal<T> && can_open<T> &&
    can_drop<T> && can_list<T> && std::movable<writer_of<T>> && std::movable<reader_of<T>>;

/// Gives the current generation a fixed outside name for foreign readers. The name may lag behind,
/// never lead.
template <class T>
concept publishing_store = generation_store<T> && requires(T& t, Generation g) {
  { store_traits<T>::publish(t, g) } -> gives<void>;
};

/// Has a name and takes its place under a home: what the short `open_staged` needs. `place` makes
/// no effect on disk.
template <class T>
concept placed_store = generation_store<T> && requires(T& t, T const& c, std::string const& home) {
  { store_traits<T>::name(c) } -> std::convertible_to<std::string>;
  { store_traits<T>::place(t, home) } -> std::same_as<void>;
};

/// Is made of several named parts.
template <class T>
concept parted_store = generation_store<T> && requires(T const& c) {
  { store_traits<T>::part_names(c) } -> std::same_as<std::vector<std::string>>;
};

/// `clone(from, g)`: a writer of the new generation g that begins as a copy of the sealed `from`.
template <class T>
concept cloning_store = generation_store<T> && requires(T& t, Generation g) {
  { store_traits<T>::clone(t, g, g) } -> gives<writer_of<T>>;
};

/// `copy(g, to)`: the same generation, sealed, in another store; what is damaged is not copied.
template <class T>
concept copying_store = generation_store<T> && requires(T const& t, Generation g, T& to) {
  { store_traits<T>::copy(t, g, to) } -> gives<void>;
};

/// `verify(g)`: looks at every byte of a sealed generation, and says what it could go by.
template <class T>
concept verifying_store = generation_store<T> && requires(T const& t, Generation g) {
  { store_traits<T>::verify(t, g) } -> gives<Verified>;
};

/// `space(g)`: what g takes, and what is free beside it; of generation 0 nothing is taken.
template <class T>
concept measuring_store = generation_store<T> && requires(T const& t, Generation g) {
  { store_traits<T>::space(t, g) } -> gives<Space>;
};

namespace detail {
/// As well as the store can: one that can't look at every byte opens the generation.
template <generation_store Store>
[[nodiscard]] result<Verified> verify(Store& store, Generation g) {
  if constexpr (verifying_store<Store>) {
    return store_traits<Store>::verify(store, g);
  } else {
    HOLDFAST_TRYV(store_traits<Store>::open(store, g));
    return Verified::names_and_sizes;
  }
}
}  // namespace detail

/// Opens generations whose parts have numbers of their own, in the order of the part names.
template <class T>
concept mixing_store = parted_store<T> && requires(T& t, std::span<Generation const> parts) {
  { store_traits<T>::open_parts(t, parts) } -> gives<reader_of<T>>;
};

// ---- registers

/// Forwards each operation of a register to the member of the same name.
template <class T>
struct member_register_traits {
  template <class U>
  static auto load(U& t) -> decltype(t.load()) {
    return t.load();
  }
  template <class U>
  static auto store_if(U& t, Version v, bytes_view b) -> decltype(t.store_if(v, b)) {
    return t.store_if(v, b);
  }
  template <class U>
  static auto reopen(U& t) -> decltype(t.reopen()) {
    return t.reopen();
  }
  template <class U>
  static auto max_size(U const& t) -> decltype(t.max_size()) {
    return t.max_size();
  }
  template <class U>
  static auto pin(U& t, Generation g) -> decltype(t.pin(g)) {
    return t.pin(g);
  }
  template <class U>
  static auto try_exclude(U& t, Generation g) -> decltype(t.try_exclude(g)) {
    return t.try_exclude(g);
  }
  template <class U, class How>
  static auto enter(U& t, How how) -> decltype(t.enter(how)) {
    return t.enter(how);
  }
};
/// How holdfast calls a register; specialise it for a type whose operations are named otherwise.
template <class T>
struct register_traits : member_register_traits<T> {};

template <class T>
concept can_load = requires(T& t) {
  { register_traits<T>::load(t) } -> gives<std::optional<Versioned>>;
};
template <class T>
concept can_store_if = requires(T& t, Version v, bytes_view b) {
  { register_traits<T>::store_if(t, v, b) } -> gives<Version>;
};
template <class T>
concept can_reopen = requires(T& t) {
  { register_traits<T>::reopen(t) } -> gives<void>;
};
template <class T>
concept has_max_size = requires(T const& t) {
  { register_traits<T>::max_size(t) } -> std::convertible_to<std::size_t>;
};

/// A small durable record with compare-and-swap. `Version::none` stands for "absent"; versions grow
/// with each write.
/// - `store_if(v, b)` writes b if the version is still v, durable on return; `conflict` = surely
///   not applied, `uncertain` = perhaps applied (settle it with `reopen`, then `load`).
/// - `load()` never gives what a power cut could still take back.
/// - `reopen()` heals after a failed sync, and makes what is there now durable; on an absent
///   register it does nothing.
template <class T>
concept atomic_register =
    std::movable<T> && can_load<T> && can_store_if<T> && can_reopen<T> && has_max_size<T>;

// ---- pins between processes

template <class T>
concept can_pin = requires(T& t, Generation g) {
  { register_traits<T>::pin(t, g) } -> some_result;
};
template <class T>
concept can_exclude = requires(T& t, Generation g) {
  { register_traits<T>::try_exclude(t, g) } -> some_result;
};
/// What `pin` of a register gives.
template <class T>
using hold_of = value_of<decltype(register_traits<T>::pin(std::declval<T&>(), Generation{}))>;

/// Keeps generations from being dropped by other processes. Holds release themselves and lapse with
/// their process. `pin(g)`: while the hold lives nobody else is given `try_exclude(g)` (`busy`
/// while someone is deciding). `try_exclude(g)`: while the hold lives nobody else can pin g;
/// `pinned` if someone does.
template <class T>
concept pinning_register =
    atomic_register<T> && can_pin<T> && can_exclude<T> && std::movable<hold_of<T>> && std::same_as<
        hold_of<T>,
        value_of<decltype(register_traits<T>::try_exclude(std::declval<T&>(), Generation{}))>>;

HOLDFAST_END

#endif

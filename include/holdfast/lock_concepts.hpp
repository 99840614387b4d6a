// SPDX-License-Identifier: BSL-1.0
// Says what a lock policy is, and the traits through which holdfast calls one.
#ifndef HOLDFAST_LOCK_CONCEPTS_HPP
#define HOLDFAST_LOCK_CONCEPTS_HPP

#include <concepts>
#include <cstdint>
#include <optional>
#include <utility>

#include "holdfast/concepts.hpp"
#include "holdfast/config.hpp"
#include "holdfast/ids.hpp"
#include "holdfast/result.hpp"

HOLDFAST_BEGIN

/// Forwards each operation of a lock policy to the member of the same name.
template <class T>
struct member_lock_traits {
  template <class U>
  static auto try_acquire(U& t, Owner const& o, FencingToken above)
      -> decltype(t.try_acquire(o, above)) {
    return t.try_acquire(o, above);
  }
  template <class U, class Grant>
  static auto release(U& t, Grant& g) -> decltype(t.release(g)) {
    return t.release(g);
  }
  template <class U>
  static auto inspect(U& t) -> decltype(t.inspect()) {
    return t.inspect();
  }
  template <class U>
  static auto force(U& t, Holder const& seen, FencingToken above)
      -> decltype(t.force(seen, above)) {
    return t.force(seen, above);
  }
  template <class U, class Grant>
  static auto renew(U& t, Grant& g) -> decltype(t.renew(g)) {
    return t.renew(g);
  }
  template <class U, class Grant>
  static auto remaining_ns(U const& t, Grant const& g) -> decltype(t.remaining_ns(g)) {
    return t.remaining_ns(g);
  }
};
/// How holdfast calls a lock policy; specialise it for a type whose operations are named otherwise.
template <class T>
struct lock_traits : member_lock_traits<T> {};

/// What `try_acquire` of a lock policy gives.
template <class T>
using grant_of = value_of<decltype(lock_traits<T>::try_acquire(
    std::declval<T&>(), std::declval<Owner const&>(), FencingToken{}))>;

template <class T>
concept can_try_acquire = requires(T& t, Owner const& o, FencingToken above) {
  { lock_traits<T>::try_acquire(t, o, above) } -> some_result;
};
template <class T>
concept has_token = can_try_acquire<T> && requires(grant_of<T> const& g) {
  { g.token } -> std::convertible_to<FencingToken>;
};
template <class T>
concept can_release = can_try_acquire<T> && requires(T& t, grant_of<T>& g) {
  { lock_traits<T>::release(t, g) } -> gives<void>;
};
template <class T>
concept can_inspect = requires(T& t) {
  { lock_traits<T>::inspect(t) } -> gives<std::optional<Holder>>;
};
template <class T>
concept can_force = requires(T& t, Holder const& h, FencingToken above) {
  { lock_traits<T>::force(t, h, above) } -> gives<FencingToken>;
};

/// Grants to one at a time, with a token greater than `above` and than every token granted before.
/// Held elsewhere = `busy`, naming the holder. `force(seen)` takes it from the holder that was
/// seen, and from no other.
template <class T>
concept lock_policy = std::movable<T> && can_try_acquire<T> && has_token<T> && can_release<T> &&
    can_inspect<T> && can_force<T>;

/// Its grants end by themselves: `remaining_ns` tells when a holder must have stopped, by its own
/// clock.
template <class T>
concept lapsing = lock_policy<T> && requires(T const& t, grant_of<T> const& g) {
  { lock_traits<T>::remaining_ns(t, g) } -> std::convertible_to<std::int64_t>;
};
/// Its grants can be held for longer.
template <class T>
concept renewable = lock_policy<T> && requires(T& t, grant_of<T>& g) {
  { lock_traits<T>::renew(t, g) } -> gives<void>;
};

HOLDFAST_END

#endif

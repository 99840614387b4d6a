// SPDX-License-Identifier: BSL-1.0
// Says what updates between rebuilds ask of a store, and of a register that processes share.
#ifndef HOLDFAST_UPDATE_CONCEPTS_HPP
#define HOLDFAST_UPDATE_CONCEPTS_HPP

#include <concepts>
#include <optional>

#include "holdfast/concepts.hpp"
#include "holdfast/config.hpp"
#include "holdfast/guarantees.hpp"
#include "holdfast/ids.hpp"
#include "holdfast/result.hpp"

HOLDFAST_BEGIN

/// What `apply` of a store takes: its own kind of update.
template <class T>
using batch_of = typename store_traits<T>::batch_type;

/// Takes updates of a sealed generation in place, each with its marks. One process at a time
/// updates a store, one generation at a time. Laws HF-UPDATE-001 to 006:
/// - `updates(g)`: was g sealed so that it takes updates at all?
/// - `apply(g, batch, marks)` commits both in one transaction, durable on return. Marks only grow:
///   where every one of them is reached already nothing is done, where some are it is `invalid`.
///   `fenced` if someone else has updated g meanwhile. An error leaves the batch applied with its
///   marks, or neither of them: apply it again.
/// - `marks(g)`: those of all that was applied, durable when told; empty before the first.
/// - `marks_of(reader)`: those of the state that this reader shows, and goes on to show; nothing if
///   its generation takes no updates.
template <class T>
concept updatable_store = generation_store<T> && requires {
  typename batch_of<T>;
} && requires(T& t,
              T const& c,
              Generation g,
              batch_of<T> const& batch,
              Marks const& marks,
              reader_of<T> const& reader) {
  { store_traits<T>::updates(c, g) } -> gives<bool>;
  { store_traits<T>::apply(t, g, batch, marks) } -> gives<void>;
  { store_traits<T>::marks(t, g) } -> gives<Marks>;
  { store_traits<T>::marks_of(c, reader) } -> std::same_as<std::optional<Marks>>;
};

/// Keeps opening readers and updates between processes apart. `enter(Mode::shared)` gives a hold
/// beside which nobody gets an exclusive one and the other way round; it ends with the object and
/// with its process. Waits for moments, `timed_out` after that. Neither side may starve the other.
template <class T>
concept barred_register = atomic_register<T> && requires(T& t) {
  { register_traits<T>::enter(t, Mode::shared) } -> some_result;
};

HOLDFAST_END

#endif

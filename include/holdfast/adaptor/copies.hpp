// SPDX-License-Identifier: BSL-1.0
// Copies the state that a reader shows, part by part: of parts that take updates that is the only
// thing of one instant.
#ifndef HOLDFAST_ADAPTOR_COPIES_HPP
#define HOLDFAST_ADAPTOR_COPIES_HPP

#include <cstddef>
#include <optional>
#include <span>
#include <tuple>
#include <utility>

#include "holdfast/adaptor/parts.hpp"
#include "holdfast/adaptor/together.hpp"
#include "holdfast/concepts.hpp"
#include "holdfast/config.hpp"
#include "holdfast/ids.hpp"
#include "holdfast/result.hpp"
#include "holdfast/update_concepts.hpp"

HOLDFAST_BEGIN

/// `begin_as(reader, g)`: a writer of the new generation g that begins as what a reader, also of
/// another store of the type, shows.
template <class T>
concept state_copying_store = updatable_store<T> &&
    requires(T& t, reader_of<T> const& shown, Generation g) {
  { t.begin_as(shown, g) } -> gives<writer_of<T>>;
};

namespace detail {
template <class Store>
struct CopiesShown {
  using Reader = reader_of<Store>;
  using Writer = writer_of<Store>;

  /// What took no update is copied file by file, checked against its digests; where the first
  /// update comes in between that is refused.
  [[nodiscard]] static result<Writer> clone(Store& store,
                                            Reader const& shown,
                                            std::span<Generation const> from,
                                            Generation g) {
    HOLDFAST_TRY(old, only_one(from));
    auto cloned = store_traits<Store>::clone(store, old, g);
    if constexpr (state_copying_store<Store>) {
      bool const moved = !cloned && cloned.error().code() == errc::invalid;
      if (moved) return store.begin_as(shown, g);
    }
    return cloned;
  }
  [[nodiscard]] static result<void> copy(Store const& store,
                                         Reader const& shown,
                                         std::span<Generation const> from,
                                         Store& to) {
    HOLDFAST_TRY(g, only_one(from));
    auto copied = store_traits<Store>::copy(store, g, to);
    if constexpr (state_copying_store<Store>) {
      if (copied || copied.error().code() != errc::invalid) return copied;
      HOLDFAST_TRY(made, to.begin_as(shown, g));
      return store_traits<Store>::seal(to, made);
    } else {
      return copied;
    }
  }
};

template <class... Parts>
struct CopiesShown<Together<Parts...>> {
  using Store = Together<Parts...>;
  using Reader = typename Store::reader;
  using Writer = typename Store::writer;
  template <std::size_t I>
  using Part = std::tuple_element_t<I, std::tuple<Parts...>>;

  [[nodiscard]] static result<Writer> clone(Store& store,
                                            Reader const& shown,
                                            std::span<Generation const> from,
                                            Generation g) {
    return clone_each(store, shown, from, g, std::index_sequence_for<Parts...>{});
  }
  [[nodiscard]] static result<void> copy(Store const& store,
                                         Reader const& shown,
                                         std::span<Generation const> from,
                                         Store& to) {
    return copy_each(store, shown, from, to, std::index_sequence_for<Parts...>{});
  }

 private:
  template <std::size_t I, class Made>
  static result<void> clone_part(Store& store,
                                 Reader const& shown,
                                 std::span<Generation const> from,
                                 Generation g,
                                 Made& made) {
    HOLDFAST_TRY(own, own_of<I>(store.stores(), from));
    HOLDFAST_TRY(writer, CopiesShown<Part<I>>::clone(std::get<I>(store.stores()),
                                                     std::get<I>(shown), own, g));
    std::get<I>(made).emplace(std::move(writer));
    return ok();
  }
  // What was made before one failed goes again: that one may have found another's remains.
  template <std::size_t I, class Made>
  static result<void> undo(Store& store, Generation g, Made& made) {
    if (!std::get<I>(made)) return ok();
    std::get<I>(made).reset();
    return store_traits<Part<I>>::drop(std::get<I>(store.stores()), g);
  }
  template <std::size_t... I>
  static result<Writer> clone_each(Store& store,
                                   Reader const& shown,
                                   std::span<Generation const> from,
                                   Generation g,
                                   std::index_sequence<I...>) {
    std::tuple<std::optional<writer_of<Part<I>>>...> made;
    auto done = store.check();
    if (done) (keep_first(done, clone_part<I>(store, shown, from, g, made)) && ...);
    if (done) return Writer{*std::move(std::get<I>(made))...};
    result<void> undone = ok();
    (keep_first(undone, undo<I>(store, g, made)), ...);
    return failed(undone ? done : undone);
  }
  template <std::size_t I>
  static result<void> copy_part(Store const& store,
                                Reader const& shown,
                                std::span<Generation const> from,
                                Store& to) {
    HOLDFAST_TRY(own, own_of<I>(store.stores(), from));
    return CopiesShown<Part<I>>::copy(std::get<I>(store.stores()), std::get<I>(shown), own,
                                      std::get<I>(to.stores()));
  }
  template <std::size_t... I>
  static result<void> copy_each(Store const& store,
                                Reader const& shown,
                                std::span<Generation const> from,
                                Store& to,
                                std::index_sequence<I...>) {
    auto done = store.check();
    if (done) (keep_first(done, copy_part<I>(store, shown, from, to)) && ...);
    return done;
  }
};
}  // namespace detail

HOLDFAST_END

#endif

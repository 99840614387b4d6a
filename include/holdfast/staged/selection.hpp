// SPDX-License-Identifier: BSL-1.0
// Says which parts a build writes: all of the store, or those of a `Together` that it names.
#ifndef HOLDFAST_STAGED_SELECTION_HPP
#define HOLDFAST_STAGED_SELECTION_HPP

#include <cstddef>
#include <utility>
#include <vector>

#include "holdfast/adaptor/copies.hpp"
#include "holdfast/adaptor/resumes.hpp"
#include "holdfast/bytes.hpp"
#include "holdfast/concepts.hpp"
#include "holdfast/config.hpp"
#include "holdfast/detail/manifest.hpp"
#include "holdfast/ids.hpp"
#include "holdfast/result.hpp"
#include "holdfast/resume_concepts.hpp"

HOLDFAST_BEGIN

namespace detail {
template <generation_store Store>
struct Whole {
  using Writer = writer_of<Store>;
  static constexpr bool needs_current = false;
  [[nodiscard]] static result<Writer> create(Store& store, Generation g, Kept const*) {
    return store_traits<Store>::create(store, g);
  }
  [[nodiscard]] static result<Writer> resume(Store& store,
                                             Generation g) requires resuming_store<Store> {
    return resume_traits<Store>::resume(store, g);
  }
  [[nodiscard]] static result<void> note(Store& store, Writer& writer, bytes_view words) {
    return resume_traits<Store>::note(store, writer, words);
  }
  [[nodiscard]] static std::vector<bytes> notes(Store const& store, Writer const& writer) {
    return resume_traits<Store>::notes(store, writer);
  }
  [[nodiscard]] static result<void> seal(Store& store, Writer& writer) {
    return store_traits<Store>::seal(store, writer);
  }
  [[nodiscard]] static std::vector<bool> carries(Store const&, std::size_t parts) {
    return std::vector<bool>(parts, false);
  }
};

/// The whole store again, beginning as a copy of the current generation.
template <cloning_store Store>
struct Copied : Whole<Store> {
  static constexpr bool needs_current = true;
  /// As it is shown to whoever opens it now.
  [[nodiscard]] static result<writer_of<Store>> create_shown(Store& store,
                                                             Generation g,
                                                             Kept const& current,
                                                             reader_of<Store> const& shown) {
    return CopiesShown<Store>::clone(store, shown, current.parts, g);
  }
  [[nodiscard]] static result<writer_of<Store>> create(Store& store,
                                                       Generation g,
                                                       Kept const* current) {
    if constexpr (requires { store.clone_parts(current->parts, g); }) {
      return store.clone_parts(current->parts, g);
    } else {
      return store_traits<Store>::clone(store, current->generation, g);
    }
  }
};

/// A store whose parts can be built one without the other.
template <class Store, std::size_t... I>
concept selects = mixing_store<Store> &&
    requires(Store& store, Store const& c, Generation g, std::index_sequence<I...> some) {
  { store.create(g, some) } -> some_result;
  { c.carried(some) } -> std::same_as<std::vector<bool>>;
};

template <class Store, std::size_t... I>
struct Some {
  using Which = std::index_sequence<I...>;
  using Writer =
      value_of<decltype(std::declval<Store&>().create(std::declval<Generation>(), Which{}))>;
  static constexpr bool needs_current = true;  // for what is carried over
  [[nodiscard]] static result<Writer> create(Store& store, Generation g, Kept const*) {
    return store.create(g, Which{});
  }
  [[nodiscard]] static result<Writer> resume(Store& store,
                                             Generation g) requires resuming_store<Store> {
    return resume_traits<Store>::resume(store, g, Which{});
  }
  [[nodiscard]] static result<void> note(Store& store, Writer& writer, bytes_view words) {
    return resume_traits<Store>::note(store, writer, words, Which{});
  }
  [[nodiscard]] static std::vector<bytes> notes(Store const& store, Writer const& writer) {
    return resume_traits<Store>::notes(store, writer, Which{});
  }
  [[nodiscard]] static result<void> seal(Store& store, Writer& writer) {
    return store.seal(writer, Which{});
  }
  [[nodiscard]] static std::vector<bool> carries(Store const& store, std::size_t) {
    return store.carried(Which{});
  }
};
}  // namespace detail

HOLDFAST_END

#endif

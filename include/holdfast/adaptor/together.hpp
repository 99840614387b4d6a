// SPDX-License-Identifier: BSL-1.0
// Makes one store of several: its writers and readers are tuples of theirs.
#ifndef HOLDFAST_ADAPTOR_TOGETHER_HPP
#define HOLDFAST_ADAPTOR_TOGETHER_HPP

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <optional>
#include <string>
#include <tuple>
#include <type_traits>
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
}  // namespace detail

/// One store made of others, for one switch over all of them. Every part keeps the same generation
/// number. Two parts of one name would share a place, so that every operation then answers
/// `invalid`.
template <generation_store... Parts>
requires(sizeof...(Parts) > 0) class Together {
 public:
  using parts = std::tuple<Parts...>;
  using writer = std::tuple<writer_of<Parts>...>;
  using reader = std::tuple<reader_of<Parts>...>;
  static constexpr Guarantees guarantees = detail::weakest_of<Parts...>();

  explicit Together(Parts... stores) : stores_{std::move(stores)...} {}

  /// The parts themselves, in order.
  [[nodiscard]] parts& stores() noexcept { return stores_; }
  [[nodiscard]] parts const& stores() const noexcept { return stores_; }

  [[nodiscard]] std::vector<std::string> part_names() const {
    std::vector<std::string> names;
    std::apply([&](Parts const&... part) { (detail::add_names(part, names), ...); }, stores_);
    return names;
  }
  /// The parts' names joined by '+'.
  [[nodiscard]] std::string name() const {
    std::string all;
    for (auto const& part : part_names()) all.append(all.empty() ? "" : "+").append(part);
    return all;
  }
  /// Places every part in the same home.
  void place(std::string const& home) requires(detail::placed_part<Parts>&&...) {
    std::apply([&](Parts&... part) { (store_traits<Parts>::place(part, home), ...); }, stores_);
  }
  /// `invalid`, naming it, if two parts have the same name.
  [[nodiscard]] result<void> check() const {
    auto names = part_names();
    std::sort(names.begin(), names.end());
    auto const twin = std::adjacent_find(names.begin(), names.end());
    if (twin == names.end()) return ok();
    return failure(errc::invalid, "two stores of one name", *twin);
  }

  /// Creates in every part; if one fails, those made before it are dropped again.
  [[nodiscard]] result<writer> create(Generation g) {
    HOLDFAST_TRYV(check());
    Made made;
    try {
      auto const created = create_each(g, made, every);
      if (!created) undo_each(g, made, every);
      if (!created) return failure(created.error());
      return take(made, every);
    } catch (...) {
      undo_each(g, made, every);
      throw;
    }
  }
  /// Seals part by part, up to the first error; a sealed part stays so when it is tried again.
  [[nodiscard]] result<void> seal(writer& w) { return seal_each(w, every); }

  [[nodiscard]] result<reader> open(Generation g) {
    HOLDFAST_TRYV(check());
    std::tuple<std::optional<reader_of<Parts>>...> opened;
    HOLDFAST_TRYV(open_each(g, opened, every));
    return take(opened, every);
  }
  /// Tries every part, then gives the first error.
  [[nodiscard]] result<void> drop(Generation g) {
    HOLDFAST_TRYV(check());
    return drop_each(g, every);
  }
  /// What any part has remains of.
  [[nodiscard]] result<std::vector<Generation>> generations() {
    HOLDFAST_TRYV(check());
    std::vector<Generation> all;
    HOLDFAST_TRYV(list_each(all, every));
    std::sort(all.begin(), all.end());
    all.erase(std::unique(all.begin(), all.end()), all.end());
    return all;
  }
  /// Publishes in every part that can; tries all of them, then gives the first error.
  [[nodiscard]] result<void> publish(Generation g) requires(publishing_store<Parts> || ...) {
    HOLDFAST_TRYV(check());
    return publish_each(g, every);
  }

 private:
  // Named function templates, not lambdas over a pack: clang 14 can't do those.
  static constexpr std::index_sequence_for<Parts...> every{};
  using Made = std::tuple<std::optional<writer_of<Parts>>...>;
  template <std::size_t I>
  using Part = std::tuple_element_t<I, parts>;
  template <std::size_t I>
  using traits = store_traits<Part<I>>;

  // Keeps the first error of several; true while there is none.
  static bool note(result<void>& all, result<void> const& next) {
    if (all && !next) all = failure(next.error());
    return all.has_value();
  }
  template <class Filled>
  static result<void> fill(std::optional<Filled>& into, result<Filled> outcome) {
    HOLDFAST_TRY(value, std::move(outcome));
    into.emplace(std::move(value));
    return ok();
  }
  template <class... Filled, std::size_t... I>
  [[nodiscard]] static std::tuple<Filled...> take(std::tuple<std::optional<Filled>...>& from,
                                                  std::index_sequence<I...>) {
    return std::tuple<Filled...>{*std::move(std::get<I>(from))...};
  }

  template <std::size_t... I>
  result<void> create_each(Generation g, Made& made, std::index_sequence<I...>) {
    result<void> all = ok();
    (note(all, fill(std::get<I>(made), traits<I>::create(std::get<I>(stores_), g))) && ...);
    return all;
  }
  // Writers go first: a backend may not drop what it still has open. A drop that fails as well is
  // not told: the caller's record of the attempt lists g, and recovery drops it.
  template <std::size_t I>
  void undo(Generation g, Made& made) {
    if (!std::get<I>(made)) return;
    std::get<I>(made).reset();
    static_cast<void>(traits<I>::drop(std::get<I>(stores_), g));
  }
  template <std::size_t... I>
  void undo_each(Generation g, Made& made, std::index_sequence<I...>) {
    (undo<I>(g, made), ...);
  }
  template <std::size_t... I>
  result<void> seal_each(writer& w, std::index_sequence<I...>) {
    result<void> all = ok();
    (note(all, traits<I>::seal(std::get<I>(stores_), std::get<I>(w))) && ...);
    return all;
  }
  template <class Opened, std::size_t... I>
  result<void> open_each(Generation g, Opened& opened, std::index_sequence<I...>) {
    result<void> all = ok();
    (note(all, fill(std::get<I>(opened), traits<I>::open(std::get<I>(stores_), g))) && ...);
    return all;
  }
  template <std::size_t... I>
  result<void> drop_each(Generation g, std::index_sequence<I...>) {
    result<void> all = ok();
    (note(all, traits<I>::drop(std::get<I>(stores_), g)), ...);
    return all;
  }
  template <std::size_t I>
  result<void> publish_part([[maybe_unused]] Generation g) {
    if constexpr (publishing_store<Part<I>>) {
      return traits<I>::publish(std::get<I>(stores_), g);
    } else {
      return ok();
    }
  }
  template <std::size_t... I>
  result<void> publish_each(Generation g, std::index_sequence<I...>) {
    result<void> all = ok();
    (note(all, publish_part<I>(g)), ...);
    return all;
  }
  template <std::size_t I>
  result<void> list_part(std::vector<Generation>& all) {
    HOLDFAST_TRY(found, traits<I>::generations(std::get<I>(stores_)));
    all.insert(all.end(), found.begin(), found.end());
    return ok();
  }
  template <std::size_t... I>
  result<void> list_each(std::vector<Generation>& found, std::index_sequence<I...>) {
    result<void> all = ok();
    (note(all, list_part<I>(found)) && ...);
    return all;
  }

  parts stores_;
};

HOLDFAST_END

#endif

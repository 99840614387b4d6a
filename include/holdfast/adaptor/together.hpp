// SPDX-License-Identifier: BSL-1.0
// Makes one store of several: its writers and readers are tuples of theirs.
#ifndef HOLDFAST_ADAPTOR_TOGETHER_HPP
#define HOLDFAST_ADAPTOR_TOGETHER_HPP

#include <algorithm>
#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "holdfast/adaptor/looks.hpp"
#include "holdfast/adaptor/parts.hpp"
#include "holdfast/adaptor/updates.hpp"
#include "holdfast/concepts.hpp"
#include "holdfast/config.hpp"
#include "holdfast/detail/update_marks.hpp"
#include "holdfast/guarantees.hpp"
#include "holdfast/ids.hpp"
#include "holdfast/result.hpp"
#include "holdfast/update_concepts.hpp"

HOLDFAST_BEGIN

/// One store made of others, for one switch over all of them. A build writes every part, or those
/// it names, and the others are carried over. Two parts of one name would share a place, so that
/// every operation then answers `invalid`.
template <generation_store... Parts>
requires(sizeof...(Parts) > 0) class Together {
 public:
  using parts = std::tuple<Parts...>;
  template <std::size_t I>
  using Part = std::tuple_element_t<I, parts>;
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
  [[nodiscard]] result<writer> create(Generation g) { return create(g, every); }
  /// The same in some parts alone: a tuple of their writers.
  template <std::size_t... I>
  requires(sizeof...(I) > 0 && ((I < sizeof...(Parts)) && ...) && detail::distinct<I...>())
      [[nodiscard]] auto create(Generation g, Only<I...> some) {
    return make({}, g, some, std::index_sequence_for<Part<I>...>{});
  }
  /// Creates in every part, as a copy of what another generation has there.
  [[nodiscard]] result<writer> clone(Generation from,
                                     Generation g) requires(cloning_store<Parts>&&...) {
    return clone_parts(std::vector<Generation>(part_names().size(), from), g);
  }
  [[nodiscard]] result<writer> clone_parts(std::span<Generation const> from,
                                           Generation g) requires(cloning_store<Parts>&&...) {
    return make(from, g, every, every);
  }
  /// Seals part by part, up to the first error; a sealed part stays so when it is tried again.
  [[nodiscard]] result<void> seal(writer& w) { return seal(w, every); }
  template <class Writers, std::size_t... I>
  [[nodiscard]] result<void> seal(Writers& w, Only<I...> some) {
    return seal_each(w, some, std::index_sequence_for<Part<I>...>{});
  }
  /// For each name of `part_names`: is it carried over by a build of these parts?
  template <std::size_t... I>
  [[nodiscard]] std::vector<bool> carried(Only<I...> some) const {
    std::vector<bool> all;
    carried_each(all, some, every);
    return all;
  }

  /// Makes the same generations, sealed, in other stores.
  [[nodiscard]] result<void> copy(Generation g, Together& to) const
      requires(copying_store<Parts>&&...) {
    return copy_parts(std::vector<Generation>(part_names().size(), g), to);
  }
  [[nodiscard]] result<void> copy_parts(std::span<Generation const> generations, Together& to) const
      requires(copying_store<Parts>&&...) {
    HOLDFAST_TRYV(check());
    return copy_each(generations, to, every);
  }
  /// What a look at every byte finds, by part; a part that can't be looked at so is opened.
  [[nodiscard]] std::vector<result<Verified>> verify_parts(
      std::span<Generation const> generations) {
    std::vector<result<Verified>> found;
    detail::verify_each(stores_, generations, found, every);
    return found;
  }

  /// What each part takes and finds; nothing for one that can't tell.
  [[nodiscard]] result<std::vector<std::optional<Space>>> spaces(
      std::span<Generation const> generations) const {
    std::vector<std::optional<Space>> all;
    HOLDFAST_TRYV(detail::measure_each(stores_, generations, all, every));
    return all;
  }

  [[nodiscard]] result<reader> open(Generation g) {
    return open_parts(std::vector<Generation>(part_names().size(), g));
  }
  /// Opens each part's own generation.
  [[nodiscard]] result<reader> open_parts(std::span<Generation const> generations) {
    HOLDFAST_TRYV(check());
    std::tuple<std::optional<reader_of<Parts>>...> opened;
    HOLDFAST_TRYV(open_each(generations, opened, every));
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
    return publish_parts(std::vector<Generation>(part_names().size(), g));
  }
  [[nodiscard]] result<void> publish_parts(std::span<Generation const> generations) requires(
      publishing_store<Parts> || ...) {
    HOLDFAST_TRYV(check());
    return publish_each(generations, every);
  }

  /// One update: a batch for each part.
  using batch_type = typename detail::BatchesOf<Parts...>::type;

  /// True if a part takes updates.
  [[nodiscard]] result<bool> updates(Generation g) const requires(updatable_store<Parts>&&...) {
    return updates_parts(std::vector<Generation>(part_names().size(), g));
  }
  [[nodiscard]] result<bool> updates_parts(std::span<Generation const> generations) const
      requires(updatable_store<Parts>&&...) {
    HOLDFAST_TRY(each, updates_each(generations));
    return std::find(each.begin(), each.end(), true) != each.end();
  }
  /// Does each part take updates?
  [[nodiscard]] result<std::vector<bool>> updates_each(
      std::span<Generation const> generations) const requires(updatable_store<Parts>&&...) {
    std::vector<bool> each;
    HOLDFAST_TRYV(detail::ask_each(stores_, generations, each, every));
    return each;
  }
  /// Applies part by part, each in a transaction of its own, up to the first error. A part that is
  /// past these marks already is left as it is: apply again what stopped half way.
  template <class Batches>
  [[nodiscard]] result<void> apply(Generation g,
                                   Batches const& batches,
                                   Marks const& marks) requires(updatable_store<Parts>&&...) {
    return apply_parts(std::vector<Generation>(part_names().size(), g), batches, marks);
  }
  template <class Batches>
  [[nodiscard]] result<void> apply_parts(std::span<Generation const> generations,
                                         Batches const& batches,
                                         Marks const& marks) requires(updatable_store<Parts>&&...) {
    HOLDFAST_TRYV(check());
    return detail::apply_each(stores_, generations, batches, marks, every);
  }
  /// The least of all parts.
  [[nodiscard]] result<Marks> marks(Generation g) requires(updatable_store<Parts>&&...) {
    HOLDFAST_TRY(all, marks_parts(std::vector<Generation>(part_names().size(), g)));
    return detail::least(all);
  }
  [[nodiscard]] result<std::vector<Marks>> marks_parts(
      std::span<Generation const> generations) requires(updatable_store<Parts>&&...) {
    std::vector<Marks> all;
    HOLDFAST_TRYV(detail::marks_each(stores_, generations, all, every));
    return all;
  }
  /// The least of all parts that take updates.
  [[nodiscard]] std::optional<Marks> marks_of(reader const& from) const
      requires(updatable_store<Parts>&&...) {
    std::vector<Marks> live;
    for (auto& part : marks_of_parts(from)) {
      if (part) live.push_back(*std::move(part));
    }
    if (live.empty()) return std::nullopt;
    return detail::least(live);
  }
  [[nodiscard]] std::vector<std::optional<Marks>> marks_of_parts(reader const& from) const
      requires(updatable_store<Parts>&&...) {
    std::vector<std::optional<Marks>> all;
    detail::marks_of_each(stores_, from, all, every);
    return all;
  }

 private:
  // Named function templates, not lambdas over a pack: clang 14 can't do those.
  static constexpr std::index_sequence_for<Parts...> every{};
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

  // Writers of g in the parts I, whose places in the tuple are J: empty, or copies of `from`.
  template <std::size_t... I, std::size_t... J>
  [[nodiscard]] auto make(std::span<Generation const> from,
                          Generation g,
                          std::index_sequence<I...> some,
                          std::index_sequence<J...> places) {
    using Writers = std::tuple<writer_of<Part<I>>...>;
    std::tuple<std::optional<writer_of<Part<I>>>...> made;
    auto done = check();
    HOLDFAST_MAY_THROW {
      if (done) (note(done, fill(std::get<J>(made), make_part<I>(from, g))) && ...);
      if (done) return result<Writers>{take(made, places)};
    }
    HOLDFAST_CAUGHT {
      static_cast<void>(undo_each(g, made, some, places));  // the exception is what counts
      HOLDFAST_RETHROW;
    }
    // What could not be dropped again decides: the caller must not take it for another's.
    auto const undone = undo_each(g, made, some, places);
    return result<Writers>{detail::failed(undone ? done : undone)};
  }
  template <std::size_t I>
  [[nodiscard]] result<writer_of<Part<I>>> make_part(
      [[maybe_unused]] std::span<Generation const> from, Generation g) {
    if constexpr (cloning_store<Part<I>>) {
      if (!from.empty()) {
        HOLDFAST_TRY(own, detail::own_of<I>(stores_, from));
        if constexpr (mixing_store<Part<I>>) {
          return std::get<I>(stores_).clone_parts(own, g);
        } else {
          HOLDFAST_TRY(old, detail::only_one(own));
          return traits<I>::clone(std::get<I>(stores_), old, g);
        }
      }
    }
    return traits<I>::create(std::get<I>(stores_), g);
  }
  // Writers go first: a backend may not drop what it still has open.
  template <std::size_t I, class Made>
  result<void> undo(Generation g, std::optional<Made>& made) {
    if (!made) return ok();
    made.reset();
    return traits<I>::drop(std::get<I>(stores_), g);
  }
  template <class Made, std::size_t... I, std::size_t... J>
  result<void> undo_each(Generation g,
                         Made& made,
                         std::index_sequence<I...>,
                         std::index_sequence<J...>) {
    result<void> all = ok();
    (note(all, undo<I>(g, std::get<J>(made))), ...);
    return all;
  }
  template <class Writers, std::size_t... I, std::size_t... J>
  result<void> seal_each(Writers& w, std::index_sequence<I...>, std::index_sequence<J...>) {
    result<void> all = ok();
    (note(all, traits<I>::seal(std::get<I>(stores_), std::get<J>(w))) && ...);
    return all;
  }
  template <std::size_t I, std::size_t... Chosen>
  static constexpr bool is_chosen(Only<Chosen...>) noexcept {
    return ((I == Chosen) || ...);
  }
  template <class Chosen, std::size_t... I>
  void carried_each(std::vector<bool>& all, Chosen some, std::index_sequence<I...>) const {
    (all.insert(all.end(), detail::names_of(std::get<I>(stores_)), !is_chosen<I>(some)), ...);
  }
  template <std::size_t I>
  [[nodiscard]] result<reader_of<Part<I>>> open_part(std::span<Generation const> generations) {
    HOLDFAST_TRY(own, detail::own_of<I>(stores_, generations));
    if constexpr (mixing_store<Part<I>>) {
      return traits<I>::open_parts(std::get<I>(stores_), own);
    } else {
      HOLDFAST_TRY(g, detail::only_one(own));
      return traits<I>::open(std::get<I>(stores_), g);
    }
  }
  template <class Opened, std::size_t... I>
  result<void> open_each(std::span<Generation const> generations,
                         Opened& opened,
                         std::index_sequence<I...>) {
    result<void> all = ok();
    (note(all, fill(std::get<I>(opened), open_part<I>(generations))) && ...);
    return all;
  }
  template <std::size_t... I>
  result<void> drop_each(Generation g, std::index_sequence<I...>) {
    result<void> all = ok();
    (note(all, traits<I>::drop(std::get<I>(stores_), g)), ...);
    return all;
  }
  template <std::size_t I>
  result<void> copy_part(std::span<Generation const> generations, Together& to) const {
    HOLDFAST_TRY(own, detail::own_of<I>(stores_, generations));
    if constexpr (mixing_store<Part<I>>) {
      return std::get<I>(stores_).copy_parts(own, std::get<I>(to.stores_));
    } else {
      HOLDFAST_TRY(g, detail::only_one(own));
      return traits<I>::copy(std::get<I>(stores_), g, std::get<I>(to.stores_));
    }
  }
  template <std::size_t... I>
  result<void> copy_each(std::span<Generation const> generations,
                         Together& to,
                         std::index_sequence<I...>) const {
    result<void> all = ok();
    (note(all, copy_part<I>(generations, to)) && ...);
    return all;
  }
  template <std::size_t I>
  result<void> publish_part(std::span<Generation const> generations) {
    HOLDFAST_TRY(own, detail::own_of<I>(stores_, generations));
    if constexpr (publishing_store<Part<I>> && mixing_store<Part<I>>) {
      return traits<I>::publish_parts(std::get<I>(stores_), own);
    } else if constexpr (publishing_store<Part<I>>) {
      HOLDFAST_TRY(g, detail::only_one(own));
      return traits<I>::publish(std::get<I>(stores_), g);
    } else {
      return ok();
    }
  }
  template <std::size_t... I>
  result<void> publish_each(std::span<Generation const> generations, std::index_sequence<I...>) {
    result<void> all = ok();
    (note(all, publish_part<I>(generations)), ...);
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

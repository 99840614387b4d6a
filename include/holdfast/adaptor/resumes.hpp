// SPDX-License-Identifier: BSL-1.0
// Notes and resumes the build of a composed store part by part: each has a note of its own.
#ifndef HOLDFAST_ADAPTOR_RESUMES_HPP
#define HOLDFAST_ADAPTOR_RESUMES_HPP

#include <cstddef>
#include <iterator>
#include <optional>
#include <tuple>
#include <utility>
#include <vector>

#include "holdfast/adaptor/parts.hpp"
#include "holdfast/adaptor/together.hpp"
#include "holdfast/bytes.hpp"
#include "holdfast/concepts.hpp"
#include "holdfast/config.hpp"
#include "holdfast/ids.hpp"
#include "holdfast/result.hpp"
#include "holdfast/resume_concepts.hpp"

HOLDFAST_BEGIN

namespace detail {
template <resuming_store Part>
[[nodiscard]] result<void> resume_part(Part& part,
                                       Generation g,
                                       std::optional<writer_of<Part>>& into) {
  HOLDFAST_TRY(resumed, resume_traits<Part>::resume(part, g));
  into.emplace(std::move(resumed));
  return ok();
}
template <class Part, class Writer>
void add_notes(Part const& part, Writer const& writer, std::vector<bytes>& all) {
  auto own = resume_traits<Part>::notes(part, writer);
  all.insert(all.end(), std::make_move_iterator(own.begin()), std::make_move_iterator(own.end()));
}
}  // namespace detail

/// In the order of the parts. A crash in a note leaves it to some of them: `notes` tells it of
/// each, and each is exactly where its own note says, at the last or the one before. Bring them to
/// the same before the next note. Where one has no note, or is sealed, there is nothing to go on
/// with: a part that began anew would be noted behind what the others have.
template <resuming_store... Parts>
struct resume_traits<Together<Parts...>> {
  using Store = Together<Parts...>;
  static constexpr std::index_sequence_for<Parts...> every{};

  template <class Writers>
  [[nodiscard]] static result<void> note(Store& t, Writers& writers, bytes_view words) {
    return note(t, writers, words, every);
  }
  template <class Writers, std::size_t... I>
  [[nodiscard]] static result<void> note(Store& t,
                                         Writers& writers,
                                         bytes_view words,
                                         Only<I...> some) {
    return note_each(t, writers, words, some, std::make_index_sequence<sizeof...(I)>{});
  }
  [[nodiscard]] static result<typename Store::writer> resume(Store& t, Generation g) {
    return resume(t, g, every);
  }
  template <std::size_t... I>
  [[nodiscard]] static auto resume(Store& t, Generation g, Only<I...> some) {
    return resume_each(t, g, some, std::make_index_sequence<sizeof...(I)>{});
  }
  template <class Writers>
  [[nodiscard]] static std::vector<bytes> notes(Store const& t, Writers const& writers) {
    return notes(t, writers, every);
  }
  template <class Writers, std::size_t... I>
  [[nodiscard]] static std::vector<bytes> notes(Store const& t,
                                                Writers const& writers,
                                                Only<I...> some) {
    return notes_each(t, writers, some, std::make_index_sequence<sizeof...(I)>{});
  }

 private:
  template <std::size_t I>
  using Part = std::tuple_element_t<I, std::tuple<Parts...>>;

  template <class Writers, std::size_t... I, std::size_t... J>
  static result<void> note_each(Store& t,
                                Writers& writers,
                                bytes_view words,
                                std::index_sequence<I...>,
                                std::index_sequence<J...>) {
    result<void> done = ok();
    (detail::keep_first(done, resume_traits<Part<I>>::note(std::get<I>(t.stores()),
                                                           std::get<J>(writers), words)) &&
     ...);
    return done;
  }
  template <std::size_t... I, std::size_t... J>
  static auto resume_each(Store& t,
                          Generation g,
                          std::index_sequence<I...>,
                          std::index_sequence<J...>) {
    using Writers = std::tuple<writer_of<Part<I>>...>;
    std::tuple<std::optional<writer_of<Part<I>>>...> made;
    auto done = t.check();
    if (done) {
      (detail::keep_first(done,
                          detail::resume_part(std::get<I>(t.stores()), g, std::get<J>(made))) &&
       ...);
    }
    if (!done) return result<Writers>{detail::failed(done)};
    return result<Writers>{Writers{*std::move(std::get<J>(made))...}};
  }
  template <class Writers, std::size_t... I, std::size_t... J>
  static std::vector<bytes> notes_each(Store const& t,
                                       Writers const& writers,
                                       std::index_sequence<I...>,
                                       std::index_sequence<J...>) {
    std::vector<bytes> all;
    (detail::add_notes(std::get<I>(t.stores()), std::get<J>(writers), all), ...);
    return all;
  }
};

HOLDFAST_END

#endif

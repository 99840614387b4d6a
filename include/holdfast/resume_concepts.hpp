// SPDX-License-Identifier: BSL-1.0
// Says what going on with an interrupted build asks of a store, and of the lock that its dead
// builder had.
#ifndef HOLDFAST_RESUME_CONCEPTS_HPP
#define HOLDFAST_RESUME_CONCEPTS_HPP

#include <concepts>
#include <type_traits>
#include <vector>

#include "holdfast/bytes.hpp"
#include "holdfast/concepts.hpp"
#include "holdfast/config.hpp"
#include "holdfast/ids.hpp"
#include "holdfast/lock_concepts.hpp"
#include "holdfast/result.hpp"

HOLDFAST_BEGIN

/// Forwards each operation of a store to the member of the same name.
template <class T>
struct member_resume_traits {
  template <class U, class Writer>
  static auto note(U& t, Writer& w, bytes_view words) -> decltype(t.note(w, words)) {
    return t.note(w, words);
  }
  template <class U>
  static auto resume(U& t, Generation g) -> decltype(t.resume(g)) {
    return t.resume(g);
  }
  template <class U, class Writer>
  static auto notes(U const& t, Writer const& w) -> decltype(t.notes(w)) {
    return t.notes(w);
  }
};
/// How holdfast goes on with the build of a store; specialise it as `store_traits`.
template <class T>
struct resume_traits : member_resume_traits<T> {};

/// Goes on with an unsealed generation that its dead builder left. Law HF-STAGED-022:
/// - `note(writer, words)`: all that was written before it, and these words, are durable on return.
/// - `resume(g)`: a writer with all that was written before the last note; of what came after it
///   nothing is there, but where the store says so. `not_found` where nothing was noted, or g was
///   sealed.
/// - `notes(writer)`: the last words of each part, empty where there are none.
template <class T>
concept resuming_store = generation_store<T> &&
    requires(T& t, T const& c, Generation g, writer_of<T>& w, bytes_view words) {
  { resume_traits<T>::note(t, w, words) } -> gives<void>;
  { resume_traits<T>::resume(t, g) } -> gives<writer_of<T>>;
  { resume_traits<T>::notes(c, w) } -> std::same_as<std::vector<bytes>>;
};

/// Can tell that who had a token before is gone: he let go of the lock or died, and nobody took it
/// from him. False is always right.
template <class T>
concept vouching_lock = lock_policy<T> &&
    requires(T const& t, Owner const& earlier, FencingToken token, grant_of<T> const& ours) {
  { t.has_ended(earlier, token, ours) } -> std::same_as<bool>;
};

HOLDFAST_END

#endif

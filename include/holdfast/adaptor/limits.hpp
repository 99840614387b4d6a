// SPDX-License-Identifier: BSL-1.0
// Keeps a build within the bytes of disk that it may take: tells its writers, and adds up what they
// took.
#ifndef HOLDFAST_ADAPTOR_LIMITS_HPP
#define HOLDFAST_ADAPTOR_LIMITS_HPP

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <tuple>
#include <utility>

#include "holdfast/concepts.hpp"
#include "holdfast/config.hpp"
#include "holdfast/result.hpp"

HOLDFAST_BEGIN

/// A writer that answers `no_space` to what would take it beyond so many bytes, as well as its
/// backend can, and tells how many it took. What is no such writer is not counted before its seal.
template <class T>
concept limited_writer = requires(T& t, T const& c, std::uint64_t bytes) {
  { t.limit(bytes) } -> gives<void>;
  { c.taken() } -> gives<std::uint64_t>;
};

namespace detail {
template <class Writer>
[[nodiscard]] result<void> limit_build(Writer& writer, std::uint64_t bytes) {
  if constexpr (limited_writer<Writer>) {
    return writer.limit(bytes);
  } else if constexpr (requires { std::tuple_size<Writer>::value; }) {
    result<void> done = ok();
    std::apply(
        [&](auto&... part) {
          static_cast<void>(((done ? void(done = limit_build(part, bytes)) : void()), ...));
        },
        writer);
    return done;
  } else {
    return ok();
  }
}
template <class Writer>
[[nodiscard]] result<void> add_taken(Writer const& writer, std::uint64_t& all) {
  if constexpr (limited_writer<Writer>) {
    HOLDFAST_TRY(own, writer.taken());
    all += own;
    return ok();
  } else if constexpr (requires { std::tuple_size<Writer>::value; }) {
    result<void> done = ok();
    std::apply(
        [&](auto const&... part) {
          static_cast<void>(((done ? void(done = add_taken(part, all)) : void()), ...));
        },
        writer);
    return done;
  } else {
    return ok();
  }
}
}  // namespace detail

HOLDFAST_END

#endif

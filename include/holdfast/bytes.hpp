// SPDX-License-Identifier: BSL-1.0
// Gives bytes their three types and little-endian numbers their place in them.
#ifndef HOLDFAST_BYTES_HPP
#define HOLDFAST_BYTES_HPP

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "holdfast/config.hpp"

HOLDFAST_BEGIN

/// Owned bytes, and views of bytes to read and to fill.
using bytes = std::vector<std::byte>;
using bytes_view = std::span<std::byte const>;
using bytes_span = std::span<std::byte>;

/// The bytes of a text, not copied: they live as long as the text.
[[nodiscard]] inline bytes_view as_bytes(std::string_view text) noexcept {
  return {reinterpret_cast<std::byte const*>(text.data()), text.size()};
}

/// The same bytes read as text, not copied.
[[nodiscard]] inline std::string_view as_text(bytes_view from) noexcept {
  return {reinterpret_cast<char const*>(from.data()), from.size()};
}

/// Writes `value` little-endian at `at`; the caller has made room for it.
template <std::unsigned_integral T>
constexpr void put_le(bytes_span into, std::size_t at, T value) noexcept {
  for (std::size_t i = 0; i < sizeof(T); ++i) {
    into[at + i] = static_cast<std::byte>(value >> (8 * i));
  }
}

/// Reads a little-endian number at `at`; the caller has checked the bounds.
template <std::unsigned_integral T>
[[nodiscard]] constexpr T get_le(bytes_view from, std::size_t at) noexcept {
  T value = 0;
  for (std::size_t i = 0; i < sizeof(T); ++i) {
    value = static_cast<T>(value | static_cast<T>(static_cast<T>(from[at + i]) << (8 * i)));
  }
  return value;
}

HOLDFAST_END

#endif

// SPDX-License-Identifier: BSL-1.0
// Turns numbers and names into text that a terminal and a person can take.
#ifndef HOLDFAST_REPORT_TEXT_HPP
#define HOLDFAST_REPORT_TEXT_HPP

#include <array>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "holdfast/config.hpp"

HOLDFAST_BEGIN

/// Bytes of the UTF-8 sequence at the front; 0 if there is none. Refuses overlong forms,
/// surrogates, and what lies above U+10FFFF.
[[nodiscard]] constexpr std::size_t utf8_length(std::string_view text) noexcept {
  auto const byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  auto const follows = [&](std::size_t i, unsigned low, unsigned high) {
    return i < text.size() && byte(i) >= low && byte(i) <= high;
  };
  if (text.empty()) return 0;
  auto const lead = byte(0);
  if (lead < 0x80) return 1;
  if (lead >= 0xc2 && lead <= 0xdf) return follows(1, 0x80, 0xbf) ? 2 : 0;
  if (lead >= 0xe0 && lead <= 0xef) {
    unsigned const low = lead == 0xe0 ? 0xa0 : 0x80;
    unsigned const high = lead == 0xed ? 0x9f : 0xbf;
    return follows(1, low, high) && follows(2, 0x80, 0xbf) ? 3 : 0;
  }
  if (lead >= 0xf0 && lead <= 0xf4) {
    unsigned const low = lead == 0xf0 ? 0x90 : 0x80;
    unsigned const high = lead == 0xf4 ? 0x8f : 0xbf;
    return follows(1, low, high) && follows(2, 0x80, 0xbf) && follows(3, 0x80, 0xbf) ? 4 : 0;
  }
  return 0;
}

[[nodiscard]] constexpr bool is_utf8(std::string_view text) noexcept {
  while (!text.empty()) {
    auto const size = utf8_length(text);
    if (size == 0) return false;
    text.remove_prefix(size);
  }
  return true;
}

namespace detail {
// Two hexadecimal digits.
[[nodiscard]] inline std::string hex(unsigned char byte) {
  constexpr std::string_view digits = "0123456789abcdef";
  return {digits[byte >> 4], digits[byte & 15]};
}
}  // namespace detail

/// A name as a terminal can take it: what is no printable UTF-8 as \xNN.
[[nodiscard]] inline std::string printable(std::string_view name) {
  std::string text;
  while (!name.empty()) {
    auto const size = utf8_length(name);
    auto const byte = static_cast<unsigned char>(name.front());
    if (size == 0 || byte < 0x20 || byte == 0x7f) {
      text.append("\\x").append(detail::hex(byte));
      name.remove_prefix(1);
    } else {
      text.append(name.substr(0, size));
      name.remove_prefix(size);
    }
  }
  return text;
}

/// "1,234,567"
[[nodiscard]] inline std::string grouped(std::uint64_t number) {
  auto text = std::to_string(number);
  for (auto at = text.size(); at > 3; at -= 3) text.insert(at - 3, 1, ',');
  return text;
}

/// So many decimals, whatever the locale.
[[nodiscard]] inline std::string fixed(double number, int decimals = 3) {
  std::array<char, 400> buffer{};  // the largest number has 309 digits before the point
  auto const end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), number,
                                 std::chars_format::fixed, decimals);
  return {buffer.data(), end.ptr};
}

/// "4.2 MiB"
[[nodiscard]] inline std::string human_bytes(std::uint64_t count) {
  constexpr std::array units{"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  auto amount = static_cast<double>(count);
  std::size_t unit = 0;
  while (amount >= 1024 && unit + 1 < units.size()) {
    amount /= 1024;
    ++unit;
  }
  return fixed(amount, unit == 0 ? 0 : 1) + " " + units[unit];
}

/// "850 ms", "12.3 s", "4 min 5 s", "3 h 20 min", "5 d 4 h"
[[nodiscard]] inline std::string human_time(std::int64_t ns) {
  if (ns < 0) return "-" + human_time(ns == INT64_MIN ? INT64_MAX : -ns);
  if (ns < 1'000'000'000) return std::to_string(ns / 1'000'000) + " ms";
  if (ns < 60'000'000'000) return fixed(static_cast<double>(ns / 100'000'000) / 10, 1) + " s";
  auto const s = ns / 1'000'000'000;
  auto const two = [](std::int64_t a, char const* of_a, std::int64_t b, char const* of_b) {
    return std::to_string(a) + of_a + std::to_string(b) + of_b;
  };
  if (s < 3600) return two(s / 60, " min ", s % 60, " s");
  if (s < 86'400) return two(s / 3600, " h ", s % 3600 / 60, " min");
  return two(s / 86'400, " d ", s % 86'400 / 3600, " h");
}

HOLDFAST_END

#endif

// SPDX-License-Identifier: BSL-1.0
// Writes any bytes as a string of JSON or as text of XML: whatever neither can hold becomes U+FFFD.
#ifndef HOLDFAST_TESTING_ESCAPE_HPP
#define HOLDFAST_TESTING_ESCAPE_HPP

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "holdfast/config.hpp"

HOLDFAST_BEGIN

namespace testing::kit {
inline constexpr std::string_view replacement = "\xEF\xBF\xBD";  // U+FFFD in UTF-8

/// Takes the next character off the front: its bytes if they are UTF-8, else the replacement for
/// one byte.
[[nodiscard]] inline std::string_view take_character(std::string_view& text) noexcept {
  auto const byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  auto const first = byte(0);
  std::size_t const size = first < 0x80         ? 1
                           : first >> 5 == 0x06 ? 2
                           : first >> 4 == 0x0e ? 3
                           : first >> 3 == 0x1e ? 4
                                                : 0;
  bool good = size != 0 && size <= text.size();
  std::uint32_t code = size == 1 ? first : first & (0x7fu >> size);
  for (std::size_t i = 1; good && i < size; ++i) {
    good = byte(i) >> 6 == 0x02;
    code = code << 6 | (byte(i) & 0x3fu);
  }
  constexpr std::uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
  good = good && code >= smallest[size] && code <= 0x10ffff && (code < 0xd800 || code > 0xdfff) &&
         code != 0xfffe && code != 0xffff;
  auto const taken = good ? text.substr(0, size) : replacement;
  text.remove_prefix(good ? size : 1);
  return taken;
}
}  // namespace testing::kit

namespace testing {
/// In quotes.
[[nodiscard]] inline std::string json_string(std::string_view text) {
  constexpr char const* digits = "0123456789abcdef";
  std::string out = "\"";
  while (!text.empty()) {
    auto const character = kit::take_character(text);
    auto const first = static_cast<unsigned char>(character[0]);
    if (character == "\"" || character == "\\") {
      out.append("\\").append(character);
    } else if (character == "\n") {
      out += "\\n";
    } else if (first < 0x20 || first == 0x7f) {
      out += std::string{"\\u00"} + digits[first >> 4] + digits[first & 15];
    } else {
      out += character;
    }
  }
  return out + "\"";
}

/// For content and for values of attributes in either kind of quotes. A line's end stays one in
/// both.
[[nodiscard]] inline std::string xml_text(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    auto const character = kit::take_character(text);
    auto const first = static_cast<unsigned char>(character[0]);
    if (character == "&") {
      out += "&amp;";
    } else if (character == "<") {
      out += "&lt;";
    } else if (character == ">") {
      out += "&gt;";
    } else if (character == "\"") {
      out += "&quot;";
    } else if (character == "'") {
      out += "&apos;";
    } else if (character == "\n" || character == "\t" || character == "\r") {
      out += "&#" + std::to_string(first) + ";";
    } else if (first < 0x20) {
      out += kit::replacement;
    } else {
      out += character;
    }
  }
  return out;
}
}  // namespace testing

HOLDFAST_END

#endif

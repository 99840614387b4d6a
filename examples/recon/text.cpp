// SPDX-License-Identifier: BSL-1.0
// Numbers and names as text, and JSON, without a library for it.
#include "text.hpp"

#include <array>
#include <cstdio>

namespace recon {
namespace {
// The length of the UTF-8 sequence at the front; 0 if there is none. Refuses overlong forms,
// surrogates, and what lies above U+10FFFF.
std::size_t sequence(std::string_view text) noexcept {
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

template <class... Values>
std::string format(char const* pattern, Values... values) {
  std::array<char, 64> buffer{};
  std::snprintf(buffer.data(), buffer.size(), pattern, values...);
  return buffer.data();
}
}  // namespace

bool is_utf8(std::string_view text) noexcept {
  while (!text.empty()) {
    auto const size = sequence(text);
    if (size == 0) return false;
    text.remove_prefix(size);
  }
  return true;
}

std::string grouped(std::uint64_t number) {
  auto text = std::to_string(number);
  for (auto at = text.size(); at > 3; at -= 3) text.insert(at - 3, 1, ',');
  return text;
}

std::string human_bytes(std::uint64_t bytes) {
  constexpr std::array units{"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  auto amount = static_cast<double>(bytes);
  std::size_t unit = 0;
  while (amount >= 1024 && unit + 1 < units.size()) {
    amount /= 1024;
    ++unit;
  }
  return format(unit == 0 ? "%.0f %s" : "%.1f %s", amount, units[unit]);
}

std::string printable(std::string_view name) {
  std::string text;
  while (!name.empty()) {
    auto const size = sequence(name);
    auto const byte = static_cast<unsigned char>(name.front());
    if (size == 0 || byte < 0x20 || byte == 0x7f) {
      text += format("\\x%02x", byte);
      name.remove_prefix(1);
    } else {
      text.append(name.substr(0, size));
      name.remove_prefix(size);
    }
  }
  return text;
}

std::string fixed(double number) {
  return format("%.3f", number);
}

Json& Json::key(std::string_view name) {
  comma();
  quote(name);
  text_ += ": ";
  first_ = true;
  return *this;
}

Json& Json::value(std::string_view text) {
  comma();
  quote(text);
  return *this;
}

Json& Json::value(bool yes) {
  return raw(yes ? "true" : "false");
}
Json& Json::value(double number) {
  return raw(fixed(number));
}

Json& Json::raw(std::string_view text) {
  comma();
  text_.append(text);
  return *this;
}

void Json::comma() {
  if (!first_) text_ += ", ";
  first_ = false;
}

void Json::quote(std::string_view text) {
  text_ += '"';
  while (!text.empty()) {
    auto const size = sequence(text);
    auto const byte = static_cast<unsigned char>(text.front());
    if (size == 0) {
      text_ += format("\\udc%02x", byte);
    } else if (byte == '"' || byte == '\\') {
      text_ += '\\';
      text_ += text.front();
    } else if (byte < 0x20) {
      text_ += format("\\u%04x", byte);
    } else {
      text_.append(text.substr(0, size));
    }
    text.remove_prefix(size == 0 ? 1 : size);
  }
  text_ += '"';
}

}  // namespace recon

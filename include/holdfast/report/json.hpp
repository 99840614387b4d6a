// SPDX-License-Identifier: BSL-1.0
// Writes one JSON value, whatever bytes are in its texts.
#ifndef HOLDFAST_REPORT_JSON_HPP
#define HOLDFAST_REPORT_JSON_HPP

#include <concepts>
#include <optional>
#include <string>
#include <string_view>

#include "holdfast/config.hpp"
#include "holdfast/report/text.hpp"

HOLDFAST_BEGIN

/// Writes one JSON value. A byte that is no UTF-8 becomes the lone surrogate U+DC00 + byte, from
/// which Python's os.fsencode(json.loads(...)) gives the name back. A number that JSON can't say
/// (infinite, not a number) and an empty optional are null.
class Json {
 public:
  /// An object whose fields `fill` writes.
  template <std::invocable Fill>
  Json& object(Fill fill) {
    return nested('{', fill, '}');
  }
  template <std::invocable Fill>
  Json& array(Fill fill) {
    return nested('[', fill, ']');
  }
  Json& key(std::string_view name) {
    comma();
    quote(name);
    text_ += ": ";
    first_ = true;
    return *this;
  }
  Json& value(std::string_view text) {
    comma();
    quote(text);
    return *this;
  }
  Json& value(char const* text) { return value(std::string_view{text}); }
  Json& value(bool yes) { return raw(yes ? "true" : "false"); }
  /// With 3 decimals.
  Json& value(double number) { return raw(number - number == 0 ? fixed(number) : "null"); }
  template <std::integral T>
  requires(!std::same_as<T, bool>) Json& value(T number) { return raw(std::to_string(number)); }
  template <class T>
  Json& value(std::optional<T> const& there) {
    return there ? value(*there) : raw("null");
  }
  template <class T>
  Json& field(std::string_view name, T const& v) {
    return key(name).value(v);
  }
  [[nodiscard]] std::string const& text() const noexcept { return text_; }

 private:
  template <class Fill>
  Json& nested(char open, Fill& fill, char close) {
    comma();
    text_ += open;
    first_ = true;
    fill();
    text_ += close;
    first_ = false;
    return *this;
  }
  Json& raw(std::string_view text) {
    comma();
    text_.append(text);
    return *this;
  }
  void comma() {
    if (!first_) text_ += ", ";
    first_ = false;
  }
  void quote(std::string_view text) {
    text_ += '"';
    while (!text.empty()) {
      auto const size = utf8_length(text);
      auto const byte = static_cast<unsigned char>(text.front());
      if (size == 0) {
        text_.append("\\udc").append(detail::hex(byte));
      } else if (byte == '"' || byte == '\\') {
        text_ += '\\';
        text_ += text.front();
      } else if (byte < 0x20) {
        text_.append("\\u00").append(detail::hex(byte));
      } else {
        text_.append(text.substr(0, size));
      }
      text.remove_prefix(size == 0 ? 1 : size);
    }
    text_ += '"';
  }

  std::string text_;
  bool first_ = true;
};

HOLDFAST_END

#endif

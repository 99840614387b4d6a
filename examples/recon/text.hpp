// SPDX-License-Identifier: BSL-1.0
// Turns numbers and names into text for people, and whole answers into JSON.
#ifndef RECON_TEXT_HPP
#define RECON_TEXT_HPP

#include <concepts>
#include <cstdint>
#include <string>
#include <string_view>

namespace recon {

[[nodiscard]] bool is_utf8(std::string_view text) noexcept;

/// "1,234,567"
[[nodiscard]] std::string grouped(std::uint64_t number);
/// "4.2 MiB"
[[nodiscard]] std::string human_bytes(std::uint64_t bytes);
/// A name as a terminal can take it: what is no printable UTF-8 as \xNN.
[[nodiscard]] std::string printable(std::string_view name);
/// 3 decimals
[[nodiscard]] std::string fixed(double number);

/// Writes one JSON value. A byte that is no UTF-8 becomes the lone surrogate U+DC00 + byte, from
/// which Python's os.fsencode(json.loads(...)) gives the name back.
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
  Json& key(std::string_view name);
  Json& value(std::string_view text);
  Json& value(char const* text) { return value(std::string_view{text}); }
  Json& value(bool yes);
  Json& value(double number);
  template <std::unsigned_integral T>
  requires(!std::same_as<T, bool>) Json& value(T number) { return raw(std::to_string(number)); }
  template <std::signed_integral T>
  Json& value(T number) {
    return raw(std::to_string(number));
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
  Json& raw(std::string_view text);
  void comma();
  void quote(std::string_view text);

  std::string text_;
  bool first_ = true;
};

}  // namespace recon

#endif

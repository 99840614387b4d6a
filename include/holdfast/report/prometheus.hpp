// SPDX-License-Identifier: BSL-1.0
// Writes Prometheus' text format: one HELP and one TYPE line a family, then its samples.
#ifndef HOLDFAST_REPORT_PROMETHEUS_HPP
#define HOLDFAST_REPORT_PROMETHEUS_HPP

#include <array>
#include <charconv>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

#include "holdfast/config.hpp"
#include "holdfast/report/text.hpp"

HOLDFAST_BEGIN

/// Collects families of metrics into one text. A family is opened once, and its samples follow it.
class Prometheus {
 public:
  using Labels = std::initializer_list<std::pair<std::string_view, std::string_view>>;

  /// Labels that every sample gets; names as Prometheus allows them, values any bytes.
  explicit Prometheus(Labels common = {}) { common_ = written(common); }

  /// Opens a family. `type` is "counter", "gauge" or "histogram".
  Prometheus& family(std::string_view name, std::string_view type, std::string_view help) {
    family_ = name;
    text_.append("# HELP ").append(name).append(" ");
    escape(text_, help, false);
    text_.append("\n# TYPE ").append(name).append(" ").append(type).append("\n");
    return *this;
  }
  Prometheus& sample(double value, Labels labels = {}) { return sample("", value, labels); }
  /// `suffix` is of the family's name: "_bucket", "_sum", "_count".
  Prometheus& sample(std::string_view suffix, double value, Labels labels = {}) {
    text_.append(family_).append(suffix);
    auto own = written(labels);
    if (!common_.empty() && !own.empty()) own += ',';
    own += common_;
    if (!own.empty()) text_.append("{").append(own).append("}");
    text_.append(" ").append(number(value)).append("\n");
    return *this;
  }
  /// The exposition, of content type "text/plain; version=0.0.4".
  [[nodiscard]] std::string const& text() const noexcept { return text_; }

  /// The shortest text that gives the number back.
  [[nodiscard]] static std::string number(double value) {
    if (value != value) return "NaN";
    if (value - value != 0) return value > 0 ? "+Inf" : "-Inf";
    std::array<char, 32> buffer{};
    auto const end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value);
    return {buffer.data(), end.ptr};
  }

 private:
  [[nodiscard]] static std::string written(Labels labels) {
    std::string text;
    for (auto const& [name, value] : labels) {
      if (!text.empty()) text += ',';
      text.append(name).append("=\"");
      escape(text, value, true);
      text += '"';
    }
    return text;
  }
  // The format is UTF-8 and has no word for other bytes: each becomes U+FFFD.
  static void escape(std::string& to, std::string_view text, bool quotes) {
    while (!text.empty()) {
      auto const size = utf8_length(text);
      if (size == 0) {
        to += "\xef\xbf\xbd";
      } else if (text.front() == '\\') {
        to += "\\\\";
      } else if (text.front() == '\n') {
        to += "\\n";
      } else if (quotes && text.front() == '"') {
        to += "\\\"";
      } else {
        to.append(text.substr(0, size));
      }
      text.remove_prefix(size == 0 ? 1 : size);
    }
  }

  std::string common_;
  std::string family_;
  std::string text_;
};

HOLDFAST_END

#endif

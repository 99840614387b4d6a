// SPDX-License-Identifier: BSL-1.0
// Reads Prometheus' text format as strictly as its own tools do, and says what is wrong with it.
#ifndef HOLDFAST_TESTS_UNIT_REPORT_EXPOSITION_HPP
#define HOLDFAST_TESTS_UNIT_REPORT_EXPOSITION_HPP

#include <cstdlib>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "holdfast/report/text.hpp"

namespace support {
/// Families and samples of an exposition; `wrong` has every breach of the format or its customs.
class Exposition {
 public:
  explicit Exposition(std::string const& text) {
    if (!text.empty() && text.back() != '\n') complain("no line break at the end", "");
    std::istringstream lines{text};
    for (std::string line; std::getline(lines, line);) read(line);
    for (auto const& [name, type] : types_) check_family(name, type);
  }
  std::vector<std::string> wrong{};
  /// By name and labels as written: `name{a="b"}`.
  std::map<std::string, double> samples{};

  [[nodiscard]] std::set<std::string> families() const {
    std::set<std::string> all;
    for (auto const& [name, type] : types_) all.insert(name);
    return all;
  }

 private:
  void complain(std::string const& what, std::string const& line) {
    wrong.push_back(what + ": " + line);
  }
  [[nodiscard]] static bool is_name(std::string_view name, bool colon) {
    if (name.empty() || (name[0] >= '0' && name[0] <= '9')) return false;
    for (char const c : name) {
      bool const letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
      if (!letter && !(c >= '0' && c <= '9') && !(colon && c == ':')) return false;
    }
    return true;
  }
  [[nodiscard]] static bool ends(std::string_view text, std::string_view with) {
    return text.size() >= with.size() && text.substr(text.size() - with.size()) == with;
  }

  void read(std::string const& line) {
    if (!hf::is_utf8(line)) complain("not UTF-8", line);
    if (line.empty()) return complain("empty line", line);
    if (line[0] == '#') return read_comment(line);
    read_sample(line);
  }

  void read_comment(std::string const& line) {
    std::istringstream words{line};
    std::string hash, kind, name;
    words >> hash >> kind >> name;
    std::string rest;
    std::getline(words, rest);
    if (!is_name(name, true)) complain("name of a family", line);
    if (kind == "HELP") {
      if (rest.size() < 2) complain("no help", line);
      if (types_.count(name) != 0 || !helped_.insert(name).second) complain("second help", line);
      return;
    }
    if (kind != "TYPE") return complain("unknown comment", line);
    if (helped_.count(name) == 0) complain("type without help", line);
    auto const type = rest.empty() ? rest : rest.substr(1);
    if (type != "counter" && type != "gauge" && type != "histogram") complain("type", line);
    if (!types_.try_emplace(name, type).second) complain("second family of the name", line);
    family_ = name;
  }

  void read_sample(std::string const& line) {
    auto at = line.find_first_of("{ ");
    if (at == line.npos) return complain("no value", line);
    auto const name = line.substr(0, at);
    if (!is_name(name, true)) complain("name of a sample", line);
    auto const type = types_.count(family_) != 0 ? types_[family_] : "";
    auto const suffix = name.rfind(family_, 0) == 0 ? name.substr(family_.size()) : "?";
    bool const of_histogram = suffix == "_bucket" || suffix == "_sum" || suffix == "_count";
    if (type == "histogram" ? !of_histogram : !suffix.empty()) complain("outside its family", line);
    std::map<std::string, std::string> labels;
    if (line[at] == '{') at = read_labels(line, at + 1, labels);
    if (at >= line.size() || line[at] != ' ') return complain("after the labels", line);
    char* end = nullptr;
    double const value = std::strtod(line.c_str() + at + 1, &end);
    if (*end != '\0' || end == line.c_str() + at + 1) complain("value", line);
    if (!samples.try_emplace(line.substr(0, at), value).second) complain("twice", line);
    if (suffix == "_bucket") buckets_[family_][without_le(labels)].push_back({labels["le"], value});
    if (suffix == "_count") counts_[family_][without_le(labels)] = value;
    if (type == "counter" && value < 0) complain("negative counter", line);
  }

  std::size_t read_labels(std::string const& line,
                          std::size_t at,
                          std::map<std::string, std::string>& labels) {
    while (at < line.size() && line[at] != '}') {
      auto const equals = line.find('=', at);
      if (equals == line.npos || equals + 1 >= line.size() || line[equals + 1] != '"') {
        complain("label", line);
        return line.size();
      }
      auto const name = line.substr(at, equals - at);
      std::string value;
      for (at = equals + 2; at < line.size() && line[at] != '"'; ++at) {
        if (line[at] != '\\') {
          value += line[at];
          continue;
        }
        ++at;
        if (at == line.size() || (line[at] != '\\' && line[at] != '"' && line[at] != 'n')) {
          complain("escape", line);
          return line.size();
        }
        value += line[at] == 'n' ? '\n' : line[at];
      }
      if (!is_name(name, false) || !labels.try_emplace(name, value).second) complain("label", line);
      if (++at < line.size() && line[at] == ',') ++at;
    }
    return at + 1;
  }

  [[nodiscard]] static std::string without_le(std::map<std::string, std::string> labels) {
    labels.erase("le");
    std::string text;
    for (auto const& [name, value] : labels) text += name + "=" + value + ";";
    return text;
  }

  // The customs that `promtool check metrics` looks for, and a histogram's own arithmetic.
  void check_family(std::string const& name, std::string const& type) {
    if ((type == "counter") != ends(name, "_total")) complain("_total is for counters", name);
    for (auto const* const taken : {"_bucket", "_count", "_sum"}) {
      if (ends(name, taken)) complain("ending taken by histograms", name);
    }
    if (type != "histogram") return;
    if (!ends(name, "_seconds")) complain("histogram without a unit", name);
    for (auto const& [labels, buckets] : buckets_[name]) {
      double bound = -1, below = 0;
      for (auto const& [le, value] : buckets) {
        double const next = le == "+Inf" ? 1e300 : std::strtod(le.c_str(), nullptr);
        if (next <= bound || value < below) complain("buckets do not ascend", name);
        bound = next;
        below = value;
      }
      if (buckets.back().first != "+Inf") complain("no bucket +Inf", name);
      if (counts_[name].count(labels) == 0 || counts_[name][labels] != below) {
        complain("count differs from the last bucket", name);
      }
    }
  }

  std::string family_;
  std::set<std::string> helped_;
  std::map<std::string, std::string> types_;
  std::map<std::string, std::map<std::string, std::vector<std::pair<std::string, double>>>>
      buckets_;
  std::map<std::string, std::map<std::string, double>> counts_;
};
}  // namespace support

#endif

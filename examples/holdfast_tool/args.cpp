// SPDX-License-Identifier: BSL-1.0
// Reads options as --name value or --name=value; what follows -- is no option.
#include "args.hpp"

#include <algorithm>
#include <charconv>
#include <cstdio>

#include "holdfast/report/json.hpp"
#include "holdfast/report/text.hpp"
#include "holdfast/staged/housekeeping.hpp"
#include "show.hpp"

namespace tool {
namespace {
std::optional<std::uint64_t> parse(std::string_view text) {
  std::uint64_t number = 0;
  auto const* const end = text.data() + text.size();
  auto const [stop, error] = std::from_chars(text.data(), end, number);
  if (error != std::errc{} || stop != end || text.empty()) return std::nullopt;
  return number;
}

// One option, with its value; how many words it took, or why it does not fit.
struct Taken {
  std::string_view name{}, value{};
  std::size_t words = 0;
  std::string why{};
};
Taken take_option(Command const& command,
                  std::vector<std::string_view> const& words,
                  std::size_t at) {
  auto const word = words[at];
  auto const equals = word.find('=');
  auto const name = word.substr(0, equals);
  auto const known = std::find_if(command.options.begin(), command.options.end(),
                                  [&](Option const& option) { return option.name == name; });
  if (known == command.options.end()) return {.why = "there is no option " + std::string{name}};
  if (known->value.empty()) {
    if (equals != word.npos) return {.why = std::string{name} + " takes no value"};
    return {.name = known->name, .words = 1};
  }
  if (equals == word.npos && at + 1 == words.size()) {
    return {.why = std::string{name} + " needs a value"};
  }
  auto const value = equals == word.npos ? words[at + 1] : word.substr(equals + 1);
  if (known->value == "N" && !parse(value)) {
    return {.why = std::string{name} + " needs a number, not '" + std::string{value} + "'"};
  }
  return {.name = known->name, .value = value, .words = equals == word.npos ? 2u : 1u};
}
}  // namespace

std::string Args::get(std::string_view option) const {
  auto const found = values_.find(option);
  return found == values_.end() ? std::string{} : std::string{found->second};
}
std::uint64_t Args::number(std::string_view option, std::uint64_t otherwise) const {
  auto const found = values_.find(option);
  return found == values_.end() ? otherwise : parse(found->second).value_or(otherwise);
}
std::int64_t Args::grace_ms() const {
  if (!has("--grace")) return hf::StagedOptions{}.publish_grace_ms;
  constexpr std::uint64_t century = std::uint64_t{100} * 366 * 24 * 3600;
  return static_cast<std::int64_t>(std::min(number("--grace", 0), century) * 1000);
}
std::optional<hf::Marks> Args::marks() const {
  hf::Marks marks;
  auto const all = get("--marks");
  for (std::string_view rest{all}; !rest.empty();) {
    auto const one = rest.substr(0, rest.find(','));
    rest.remove_prefix(std::min(one.size() + 1, rest.size()));
    auto const equals = one.rfind('=');
    auto const value = equals == one.npos ? std::nullopt : parse(one.substr(equals + 1));
    if (!value || equals == 0) return std::nullopt;
    if (!marks.emplace(one.substr(0, equals), *value).second) return std::nullopt;
  }
  if (marks.empty() && has("--marks")) return std::nullopt;
  return marks;
}
std::optional<std::uint64_t> Args::generation() const {
  return parse(operand_);
}

std::optional<Args> Args::read(Command const& command,
                               std::vector<std::string_view> const& words,
                               std::string& why) {
  Args args;
  std::vector<std::string_view> operands;
  bool only_operands = false;
  for (std::size_t i = 0; i < words.size();) {
    auto const word = words[i];
    if (word == "--" && !only_operands) {
      only_operands = true;
      ++i;
    } else if (only_operands || !word.starts_with("-") || word == "-") {
      operands.push_back(word);
      ++i;
    } else {
      auto const taken = take_option(command, words, i);
      if (!taken.why.empty()) return why = taken.why, std::nullopt;
      args.values_[taken.name] = taken.value;
      i += taken.words;
    }
  }
  bool const may = !command.operand.empty(), must = may && !command.operand.starts_with('[');
  if (operands.empty() || operands[0].empty()) return why = "it needs HOME", std::nullopt;
  if (must && operands.size() < 2) {
    return why = "it needs " + std::string{command.operand}, std::nullopt;
  }
  if (operands.size() > (may ? 2u : 1u)) {
    return why = "too much: " + std::string{operands.back()}, std::nullopt;
  }
  args.home_ = operands[0];
  if (operands.size() == 2) args.operand_ = operands[1];
  if (!args.marks()) return why = "--marks needs NAME=N,...", std::nullopt;
  bool const number = command.operand == "G" || command.operand == "[G]";
  if (number && operands.size() == 2 && args.generation().value_or(0) == 0) {
    return why = "'" + args.operand_ + "' is no number of a generation", std::nullopt;
  }
  return args;
}

int refuse(Args const& args, hf::error const& why) {
  std::fprintf(stderr, "holdfast_tool: %s\n", hf::printable(why.text()).c_str());
  if (args.has("--json")) {
    hf::Json json;
    json.object([&] {
      json.key("error");
      put(json, why);
    });
    std::printf("%s\n", json.text().c_str());
  }
  return Exit::refused;
}

}  // namespace tool

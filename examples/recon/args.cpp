// SPDX-License-Identifier: BSL-1.0
// Reads options as --name value or --name=value; what follows -- is no option.
#include "args.hpp"

#include <algorithm>
#include <charconv>

namespace recon {
namespace {
std::optional<std::uint64_t> parse(std::string_view text) {
  std::uint64_t number = 0;
  auto const* const end = text.data() + text.size();
  auto const [stop, error] = std::from_chars(text.data(), end, number);
  if (error != std::errc{} || stop != end || text.empty()) return std::nullopt;
  return number;
}
}  // namespace

std::uint64_t Args::number(std::string_view option, std::uint64_t otherwise) const {
  auto const found = values_.find(option);
  return found == values_.end() ? otherwise : parse(found->second).value_or(otherwise);
}

std::optional<Args> Args::read(Command const& command,
                               std::vector<std::string_view> const& words,
                               std::string& why) {
  Args args;
  bool has_operand = false;
  bool only_operands = false;
  for (std::size_t i = 0; i < words.size(); ++i) {
    auto const word = words[i];
    if (word == "--" && !only_operands) {
      only_operands = true;
    } else if (only_operands || !word.starts_with("-") || word == "-") {
      if (has_operand || command.operand.empty()) {
        why = "too much: " + std::string{word};
        return std::nullopt;
      }
      has_operand = true;
      args.operand_ = word;
    } else {
      auto const equals = word.find('=');
      auto const name = word.substr(0, equals);
      auto const known = std::find_if(command.options.begin(), command.options.end(),
                                      [&](Option const& option) { return option.name == name; });
      if (known == command.options.end()) {
        why = "there is no option " + std::string{name};
        return std::nullopt;
      }
      bool const flag = known->value.empty();
      if (flag ? equals != word.npos : equals == word.npos && i + 1 == words.size()) {
        why = std::string{name} + (flag ? " takes no value" : " needs a value");
        return std::nullopt;
      }
      auto const value = flag                  ? std::string_view{}
                         : equals == word.npos ? words[++i]
                                               : word.substr(equals + 1);
      if (known->value == "N" && !parse(value)) {
        why = std::string{name} + " needs a number, not '" + std::string{value} + "'";
        return std::nullopt;
      }
      args.values_[known->name] = value;
    }
  }
  if (!command.operand.empty() && !has_operand) {
    why = "it needs " + std::string{command.operand};
    return std::nullopt;
  }
  auto const home = std::any_of(command.options.begin(), command.options.end(),
                                [](Option const& option) { return option.name == "--home"; });
  if (home && args.get("--home").empty()) {
    why = "it needs --home H";
    return std::nullopt;
  }
  return args;
}

}  // namespace recon

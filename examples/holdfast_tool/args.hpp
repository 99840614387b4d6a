// SPDX-License-Identifier: BSL-1.0
// Reads the command line: a command, the home, at most one more word, options.
#ifndef HOLDFAST_TOOL_ARGS_HPP
#define HOLDFAST_TOOL_ARGS_HPP

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "holdfast/ids.hpp"
#include "holdfast/result.hpp"

namespace tool {
namespace hf = holdfast;

/// What `main` returns; told by --help.
enum Exit : int { fine = 0, attention = 1, misused = 2, refused = 3 };

struct Option {
  std::string_view name;   // with its dashes
  std::string_view value;  // what stands for its value in the help ("N": a number); empty: a flag
  std::string_view help;
};

class Args;
struct Command {
  std::string_view name;
  std::string_view operand;  // beside HOME; in brackets: it may be left out; empty: there is none
  std::vector<Option> options;
  std::string_view help;
  int (*run)(Args const&);
};

class Args {
 public:
  [[nodiscard]] std::string const& home() const noexcept { return home_; }
  [[nodiscard]] std::string const& operand() const noexcept { return operand_; }
  [[nodiscard]] bool has(std::string_view option) const { return values_.count(option) != 0; }
  [[nodiscard]] std::string get(std::string_view option) const;
  /// The value was checked to be a number when the command line was read.
  [[nodiscard]] std::uint64_t number(std::string_view option, std::uint64_t otherwise) const;
  /// `--grace` in milliseconds; without it, the library's own.
  [[nodiscard]] std::int64_t grace_ms() const;
  /// `--marks` as NAME=N,...; empty without it; nothing if it is not so.
  [[nodiscard]] std::optional<hf::Marks> marks() const;
  /// The operand as a generation; nothing if it was left out.
  [[nodiscard]] std::optional<std::uint64_t> generation() const;

  /// Nothing, with the reason in `why`, if the command line does not fit the command.
  [[nodiscard]] static std::optional<Args> read(Command const& command,
                                                std::vector<std::string_view> const& words,
                                                std::string& why);

 private:
  std::string home_;
  std::string operand_;
  std::map<std::string_view, std::string_view, std::less<>> values_;
};

/// Says why on standard error, and as JSON on standard output if that was asked for.
[[nodiscard]] int refuse(Args const& args, hf::error const& why);

}  // namespace tool

#endif

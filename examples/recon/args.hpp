// SPDX-License-Identifier: BSL-1.0
// Reads the command line: a command, its operands, its options.
#ifndef RECON_ARGS_HPP
#define RECON_ARGS_HPP

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace recon {

/// What `main` returns; told by --help.
enum Exit : int { right = 0, wrong = 1, misused = 2, failed = 3 };

struct Option {
  std::string_view name;   // with its dashes
  std::string_view value;  // what stands for its value in the help; empty: a flag
  std::string_view help;
};

class Args;
struct Command {
  std::string_view name;
  std::string_view operand;  // its one operand; empty: it takes none
  std::vector<Option> options;
  std::string_view help;
  int (*run)(Args const&);
};

class Args {
 public:
  [[nodiscard]] std::string const& operand() const noexcept { return operand_; }
  [[nodiscard]] bool has(std::string_view option) const { return values_.count(option) != 0; }
  [[nodiscard]] std::string get(std::string_view option, std::string_view otherwise = {}) const {
    auto const found = values_.find(option);
    return std::string{found == values_.end() ? otherwise : found->second};
  }
  /// The value was checked to be a number when the command line was read.
  [[nodiscard]] std::uint64_t number(std::string_view option, std::uint64_t otherwise) const;

  /// Nothing, with the reason in `why`, if the command line does not fit the command.
  [[nodiscard]] static std::optional<Args> read(Command const& command,
                                                std::vector<std::string_view> const& words,
                                                std::string& why);

 private:
  std::string operand_;
  std::map<std::string_view, std::string_view, std::less<>> values_;
};

}  // namespace recon

#endif

// SPDX-License-Identifier: BSL-1.0
// What `hold` was asked to do.
#ifndef HOLDFAST_EXAMPLES_HOLD_ARGS_HPP
#define HOLDFAST_EXAMPLES_HOLD_ARGS_HPP

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace hold {
struct Args {
  enum class What { run, status, force_unlock };
  What what = What::run;
  std::string scheme{};  ///< "file" or "sqlite"
  std::string path{};
  std::optional<double> wait_s{};  ///< none: for ever
  double ttl_s = 10;
  bool json = false;
  std::vector<std::string> command{};
};

/// The arguments, or what is wrong with them.
[[nodiscard]] std::variant<Args, std::string> parse(std::vector<std::string> const& words);
}  // namespace hold

#endif

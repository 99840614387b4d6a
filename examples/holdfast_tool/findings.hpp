// SPDX-License-Identifier: BSL-1.0
// Says what is wrong with a home, and which command comes next.
#ifndef HOLDFAST_TOOL_FINDINGS_HPP
#define HOLDFAST_TOOL_FINDINGS_HPP

#include <cstdint>
#include <string>
#include <vector>

#include "look.hpp"

namespace tool {

struct Finding {
  std::string code;       ///< one of those in docs/runbook.md
  bool attention = true;  ///< false: worth knowing, nothing to do
  std::string text;
  std::string next{};  ///< the command to run, or what a person has to do
};

/// The worst first. `silent_ns`: for how long a build may change nothing, and what retires may
/// wait.
[[nodiscard]] std::vector<Finding> findings_of(Look const& look, std::int64_t silent_ns);
[[nodiscard]] bool needs_attention(std::vector<Finding> const& findings);

/// How far the attempt of the record has come, as far as its folders tell.
struct AttemptLook {
  std::string phase;  ///< starting, filling, sealing, sealed
  std::int64_t silent_ns = 0;
  bool held = false;  ///< somebody holds the lock under the attempt's token
};
[[nodiscard]] AttemptLook attempt_of(Look const& look);

/// The newest retained generation but the current one that can be opened; 0 if there is none.
[[nodiscard]] std::uint64_t best_revert(Look const& look);

/// "pid 12 (name, stopped, up 3 s), pid 14 ..."
[[nodiscard]] std::string describe(std::vector<PinHolder> const& holders, std::size_t hidden);
[[nodiscard]] std::string describe(hf::Owner const& owner);
/// A path as one word of a shell.
[[nodiscard]] std::string quoted(std::string const& word);
/// "holdfast_tool COMMAND HOME"
[[nodiscard]] std::string tool_command(std::string const& command, Look const& look);
[[nodiscard]] std::string joined(std::vector<std::string> const& words, char const* between);

}  // namespace tool

#endif

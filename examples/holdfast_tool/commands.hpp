// SPDX-License-Identifier: BSL-1.0
// The commands of the tool, each a function of its arguments that gives the exit code.
#ifndef HOLDFAST_TOOL_COMMANDS_HPP
#define HOLDFAST_TOOL_COMMANDS_HPP

#include "args.hpp"

namespace tool {

// These write nothing to the home.
int inspect(Args const& args);
int status(Args const& args);
int plan(Args const& args);
int verify(Args const& args);
int upgrade(Args const& args);
int backup(Args const& args);  // writes to its destination

int collect(Args const& args);
int revert(Args const& args);
int hold(Args const& args);
int unhold(Args const& args);
/// Writes only with --apply.
int rebuild_register(Args const& args);

}  // namespace tool

#endif

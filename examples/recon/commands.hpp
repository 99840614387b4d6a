// SPDX-License-Identifier: BSL-1.0
// Names the commands, and what they share: their options, and how they answer and fail.
#ifndef RECON_COMMANDS_HPP
#define RECON_COMMANDS_HPP

#include <cstdio>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "args.hpp"
#include "holdfast/result.hpp"
#include "system.hpp"
#include "text.hpp"

namespace recon {

int reprocess(Args const& args);
int recover(Args const& args);
int status(Args const& args);
int summary(Args const& args);
int histogram(Args const& args);
int container(Args const& args);
int verify(Args const& args);
int revert(Args const& args);
int watch(Args const& args);
int chaos(Args const& args);

/// Absolute, also if the home does not exist yet.
[[nodiscard]] std::string home_of(Args const& args);
[[nodiscard]] SystemOptions system_options(Args const& args);
/// The system that --control names: `main` has seen to it that there is one.
[[nodiscard]] std::unique_ptr<System> system_of(Args const& args);

/// Prints the answer: one JSON value with --json, else what `text` prints.
void answer(Args const& args,
            std::function<void(Json&)> const& json,
            std::function<void()> const& text);
/// Prints the error, as JSON too where that was asked for, and gives the exit code.
[[nodiscard]] int fail(Args const& args, hf::error const& why);

void put(Json& json, Counts const& counts);
[[nodiscard]] std::string describe(Counts const& counts);

}  // namespace recon

#endif

// SPDX-License-Identifier: BSL-1.0
// Shows a look at a home to a person or, as JSON, to a program.
#ifndef HOLDFAST_TOOL_SHOW_HPP
#define HOLDFAST_TOOL_SHOW_HPP

#include <string>
#include <vector>

#include "findings.hpp"
#include "holdfast/report/json.hpp"
#include "look.hpp"

namespace tool {

/// `every`: each generation of each part too.
void print(Look const& look, std::vector<Finding> const& findings, bool every);
/// The fields of one object.
void put(hf::Json& json, Look const& look, std::vector<Finding> const& findings, bool every);
void put(hf::Json& json, hf::error const& why);

}  // namespace tool

#endif

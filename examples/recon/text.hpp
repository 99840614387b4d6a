// SPDX-License-Identifier: BSL-1.0
// Takes the library's words for numbers, names and whole answers.
#ifndef RECON_TEXT_HPP
#define RECON_TEXT_HPP

#include "holdfast/report/json.hpp"
#include "holdfast/report/text.hpp"

namespace recon {

using hf::fixed;
using hf::grouped;
using hf::human_bytes;
using hf::is_utf8;
using hf::Json;
using hf::printable;

}  // namespace recon

#endif

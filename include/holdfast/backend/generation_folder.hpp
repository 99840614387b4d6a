// SPDX-License-Identifier: BSL-1.0
// Says how the folder of a generation is named, and which one an outside name gives.
#ifndef HOLDFAST_BACKEND_GENERATION_FOLDER_HPP
#define HOLDFAST_BACKEND_GENERATION_FOLDER_HPP

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "holdfast/config.hpp"
#include "holdfast/ids.hpp"

HOLDFAST_BEGIN

namespace detail {
[[nodiscard]] inline std::string folder_of(Generation g) {
  auto digits = std::to_string(g.number);
  return digits.size() < 10 ? std::string(10 - digits.size(), '0') + digits : digits;
}

[[nodiscard]] inline std::optional<Generation> generation_of(std::string_view folder) {
  Generation g;
  for (char const c : folder) {
    if (c < '0' || c > '9') return std::nullopt;
    g.number = g.number * 10 + static_cast<std::uint64_t>(c - '0');
  }
  // Whatever wraps around, or has other zeros than ours, does not come back the same.
  if (g.number == 0 || folder_of(g) != folder) return std::nullopt;
  return g;
}

/// Is this symlink an outside name, and not one on its way?
[[nodiscard]] inline bool is_outside_name(std::string_view link) noexcept {
  return link.starts_with("current") && !link.ends_with(".next");
}
/// The generation that a symlink beside the folders leads into.
[[nodiscard]] inline std::optional<Generation> generation_named_by(std::string_view target) {
  return generation_of(target.substr(0, target.find('/')));
}
}  // namespace detail

HOLDFAST_END

#endif

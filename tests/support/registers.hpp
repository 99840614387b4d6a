// SPDX-License-Identifier: BSL-1.0
// What a register holds, in a few words.
#ifndef HOLDFAST_TESTS_SUPPORT_REGISTERS_HPP
#define HOLDFAST_TESTS_SUPPORT_REGISTERS_HPP

#include <string>

#include "holdfast/backend/file_register.hpp"

namespace support {
template <class Register>
[[nodiscard]] std::string value_in(Register& reg) {
  auto const loaded = reg.load();
  if (!loaded) return "error: " + loaded.error().text();
  if (!loaded.value()) return "(absent)";
  return std::string{hf::as_text(loaded.value()->value)};
}
template <class Register>
[[nodiscard]] hf::Version version_in(Register& reg) {
  auto const loaded = reg.load();
  return loaded && loaded.value() ? loaded.value()->version : hf::Version::none;
}
/// As an object sees it that was just made.
[[nodiscard]] inline std::string value_at(std::string const& path) {
  hf::FileRegister fresh{path};
  return value_in(fresh);
}
}  // namespace support

#endif

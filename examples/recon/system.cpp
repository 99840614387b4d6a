// SPDX-License-Identifier: BSL-1.0
// Chooses a system by its name, and tells phases.
#include "system.hpp"

#include <unistd.h>

#include <utility>

namespace recon {

void PhaseLog::enter(std::string_view phase) noexcept {
  phase_ = phase;
  if (descriptor_ < 0) return;
  // Nobody may be listening: a phase that is not told does not change the run.
  static_cast<void>(!::write(descriptor_, phase.data(), phase.size()));
}

std::unique_ptr<System> make_system(std::string_view name, SystemOptions options) {
  if (name == "holdfast") return make_holdfast(std::move(options));
  if (name == "clear") return make_clear_rebuild(std::move(options));
  if (name == "renames") return make_two_renames(std::move(options));
  return nullptr;
}

}  // namespace recon

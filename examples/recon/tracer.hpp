// SPDX-License-Identifier: BSL-1.0
// Runs a program under ptrace, counts the system calls by which it changes a folder, phase by
// phase, and kills it at one of them.
#ifndef RECON_TRACER_HPP
#define RECON_TRACER_HPP

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "holdfast/result.hpp"

namespace recon {

/// The program is to write the name of each phase to this descriptor.
inline constexpr int phase_descriptor = 9;

struct KillPoint {
  std::string phase;
  std::uint64_t nth = 1;  ///< the call of that phase before which it dies; the first is 1
};

struct PhaseCalls {
  std::string phase;
  std::uint64_t calls = 0;
};

struct Traced {
  bool killed = false;
  int exit_code = -1;                ///< -1 if a signal ended it
  std::string call{};                ///< the system call that it died before
  std::vector<PhaseCalls> phases{};  ///< in the order of their first appearance
  std::string output{};              ///< what it printed
  std::string complaint{};           ///< what it printed to standard error
};

/// Counted are calls that write, sync, lock, cut, make, rename or remove something below `folder`,
/// by any thread. The call at the kill point is not carried out.
[[nodiscard]] hf::result<Traced> trace(std::vector<std::string> const& command,
                                       std::string const& folder,
                                       std::optional<KillPoint> const& kill);

}  // namespace recon

#endif

// SPDX-License-Identifier: BSL-1.0
// Asks /proc who is alive, and who holds locks of a file.
#ifndef HOLDFAST_TOOL_PROCESSES_HPP
#define HOLDFAST_TOOL_PROCESSES_HPP

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "holdfast/ids.hpp"

namespace tool {
namespace hf = holdfast;

/// A process as the kernel shows it now.
struct Process {
  std::string name;
  char state = '?';  ///< as ps shows it: R, S, D, T (stopped), Z (dead, not waited for)
  std::int64_t up_ns = 0;
};
[[nodiscard]] std::optional<Process> find_process(std::uint64_t pid);
/// The same for an owner: nothing if it is of another machine or boot, or if its pid is another
/// process by now.
[[nodiscard]] std::optional<Process> find_process(hf::Owner const& owner);
[[nodiscard]] bool of_this_boot(hf::Owner const& owner);

struct PinHolder {
  std::uint64_t pid = 0;
  std::optional<Process> process;
};
/// A generation that somebody keeps from being dropped.
struct Pin {
  hf::Generation generation;
  std::vector<PinHolder> holders;  ///< those that can be seen
};
struct Pins {
  std::vector<Pin> pins;
  std::size_t hidden = 0;  ///< processes that may not be looked at
  bool missing = false;    ///< there is no PINS file
};
/// Which of these generations are pinned, and by whom. Takes no lock.
[[nodiscard]] Pins find_pins(std::string const& path,
                             std::vector<hf::Generation> const& generations);

}  // namespace tool

#endif

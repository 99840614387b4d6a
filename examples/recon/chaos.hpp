// SPDX-License-Identifier: BSL-1.0
// Says what a home must look like after a crash, and finds what is wrong with one.
#ifndef RECON_CHAOS_HPP
#define RECON_CHAOS_HPP

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "holdfast/ids.hpp"
#include "system.hpp"

namespace recon {

/// What one look after a kill found.
struct Aftermath {
  std::uint64_t generation = 0;
  double open_ms = 0;  ///< opening for writing again, recovery included
  std::vector<std::string> problems{};
};

/// Looks at a home between the runs of one chaos, and remembers what it saw.
class Judge {
 public:
  Judge() = default;
  Judge(Judge const&) = delete;
  Judge& operator=(Judge const&) = delete;
  virtual ~Judge() = default;
  /// After a run that went through: what it built is what the next look compares with.
  [[nodiscard]] virtual hf::result<void> settle() = 0;
  [[nodiscard]] virtual Aftermath after_kill() = 0;
};

/// For holdfast: rows and marks add up, before and after recovery; the generation is the old or the
/// new one, with its own marks; nothing lies in the home that the record does not list; opening
/// takes less than a second.
[[nodiscard]] std::unique_ptr<Judge> judge_holdfast(SystemOptions const& options);
/// For the controls: after their own restart the rows add up.
[[nodiscard]] std::unique_ptr<Judge> judge_control(System& system);

}  // namespace recon

#endif

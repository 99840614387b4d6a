// SPDX-License-Identifier: BSL-1.0
// Reads a directory tree into the model.
#ifndef RECON_WALK_HPP
#define RECON_WALK_HPP

#include <cstdint>
#include <functional>
#include <string>

#include "holdfast/result.hpp"
#include "tree.hpp"

namespace recon {

struct WalkOptions {
  std::uint64_t max_files = 0;  ///< stop after so many; 0: no limit
  std::uint64_t slow_us = 0;    ///< sleep so long for each entry, to watch a build
  std::string leave_out{};      ///< a folder that is not read: the home
  /// Told now and then how many entries were read.
  std::function<void(std::uint64_t)> progress{};
};

/// Never follows a symlink; crosses into mounted file systems, as `find` does. The same tree gives
/// the same order. Fails only if `root` itself can't be listed.
[[nodiscard]] hf::result<Tree> walk(std::string const& root, WalkOptions const& options);

/// Where `root` leads, without symlinks; an error, naming it, if that is no folder that can be
/// listed.
[[nodiscard]] hf::result<std::string> resolve_root(std::string const& root);

/// "1,234 entries: 1,000 files (5.0 MiB), ..."
[[nodiscard]] std::string describe(Tree const& tree);

}  // namespace recon

#endif

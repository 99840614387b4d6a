// SPDX-License-Identifier: BSL-1.0
// Says what is free where a store keeps, or will keep, its generations.
#ifndef HOLDFAST_BACKEND_FREE_SPACE_HPP
#define HOLDFAST_BACKEND_FREE_SPACE_HPP

#include <string>
#include <utility>

#include "holdfast/config.hpp"
#include "holdfast/file_ops.hpp"
#include "holdfast/file_system.hpp"
#include "holdfast/guarantees.hpp"
#include "holdfast/result.hpp"

HOLDFAST_BEGIN

namespace detail {
/// Leaves `space` as it is where the file system can't tell.
template <file_system Fs>
[[nodiscard]] result<void> measure_free([[maybe_unused]] Fs const& fs,
                                        [[maybe_unused]] std::string const& root,
                                        [[maybe_unused]] Space& space) {
  if constexpr (requires { fs.free_space(root); }) {
    auto path = root;
    auto place = fs.identity(path);
    while (!place && place.error().code() == errc::not_found && path != ".") {
      path = parent_of(path);  // the root is made with the first generation
      place = fs.identity(path);
    }
    HOLDFAST_TRY(found, std::move(place));
    HOLDFAST_TRY(free, fs.free_space(path));
    space.free = free;
    space.device = found.device;
  }
  return ok();
}
}  // namespace detail

HOLDFAST_END

#endif

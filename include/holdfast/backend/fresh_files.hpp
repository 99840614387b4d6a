// SPDX-License-Identifier: BSL-1.0
// Names the files that are written whole before they get their real name, and removes those that a
// crash has left.
#ifndef HOLDFAST_BACKEND_FRESH_FILES_HPP
#define HOLDFAST_BACKEND_FRESH_FILES_HPP

#include <cstdint>
#include <string>
#include <utility>

#include "holdfast/config.hpp"
#include "holdfast/file_ops.hpp"
#include "holdfast/file_system.hpp"
#include "holdfast/result.hpp"

HOLDFAST_BEGIN

namespace detail {
[[nodiscard]] inline std::string fresh_name(std::string const& path, std::uint64_t nonce) {
  return path + ".new-" + std::to_string(nonce);
}

/// What a crashed creator of `path` left: never linked, or a second name of it.
template <file_system Fs>
[[nodiscard]] result<void> remove_fresh_files(Fs const& fs, std::string const& path) {
  auto const directory = parent_of(path);
  auto entries = fs.list(directory);
  if (!entries && entries.error().code() == errc::not_found) return ok();
  HOLDFAST_TRYV(std::move(entries));
  auto const prefix = path.substr(path.rfind('/') + 1) + ".new-";
  for (auto const& entry : entries.assume_value()) {
    bool const ours =
        entry.kind == Entry::Kind::file && entry.name.starts_with(prefix) &&
        entry.name.find_first_not_of("0123456789", prefix.size()) == std::string::npos;
    if (!ours) continue;
    HOLDFAST_TRYV(remove_if_there(fs, join(directory, entry.name)));
  }
  return ok();
}
}  // namespace detail

HOLDFAST_END

#endif

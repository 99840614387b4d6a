// SPDX-License-Identifier: BSL-1.0
// Finds, measures and syncs every file below a folder, over any file system.
#ifndef HOLDFAST_BACKEND_FILE_TREE_HPP
#define HOLDFAST_BACKEND_FILE_TREE_HPP

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "holdfast/backend/seal_format.hpp"
#include "holdfast/bytes.hpp"
#include "holdfast/checksum.hpp"
#include "holdfast/config.hpp"
#include "holdfast/file_ops.hpp"
#include "holdfast/file_system.hpp"
#include "holdfast/result.hpp"

HOLDFAST_BEGIN

namespace detail {
/// Adds every name below `folder` to `names`, relative to it, directories with a '/' at the end and
/// after all that is in them. What is neither file nor directory is `foreign`: it can't be sealed.
template <file_system Fs, class Skip>
[[nodiscard]] result<void> walk_tree(Fs const& fs,
                                     std::string const& folder,
                                     std::string const& below,
                                     Skip const& skip,
                                     std::vector<std::string>& names) {
  HOLDFAST_TRY(entries, fs.list(join(folder, below)));
  for (auto const& entry : entries) {
    auto const name = below + entry.name;
    if (skip(std::string_view{name})) continue;
    if (entry.kind == Entry::Kind::file) {
      names.push_back(name);
    } else if (entry.kind == Entry::Kind::directory) {
      HOLDFAST_TRYV(walk_tree(fs, folder, name + '/', skip, names));
      names.push_back(name + '/');
    } else {
      return failure(errc::foreign, "walk", join(folder, name));
    }
  }
  return ok();
}

/// What all files below `folder` take of the disk, while others may be writing there; nothing where
/// the file system can't tell.
template <file_system Fs>
[[nodiscard]] result<std::optional<std::uint64_t>> tree_size(Fs const& fs,
                                                             std::string const& folder) {
  if constexpr (!requires { fs.disk_size(folder); }) return std::optional<std::uint64_t>{};
  std::vector<std::string> names;
  auto const all = [](std::string_view) { return false; };
  HOLDFAST_TRYV(walk_tree(fs, folder, std::string{}, all, names));
  std::uint64_t sum = 0;
  for (auto const& name : names) {
    if (name.ends_with('/')) continue;
    if constexpr (requires { fs.disk_size(folder); }) {
      auto const size = fs.disk_size(join(folder, name));
      if (size) sum += size.assume_value();  // else it is gone by now
    }
  }
  return std::optional{sum};
}

/// CRC32C of a file's first `size` bytes; `damaged` if there are fewer.
template <file_system Fs>
[[nodiscard]] result<std::uint32_t> digest_file(Fs const& fs,
                                                typename Fs::file& file,
                                                std::uint64_t size,
                                                std::string const& path) {
  constexpr std::uint64_t step = std::uint64_t{256} << 10;  // stays in the second-level cache
  bytes buffer(static_cast<std::size_t>(std::min(step, size)));
  std::uint32_t crc = 0;
  for (std::uint64_t at = 0; at < size; at += step) {
    auto const into = bytes_span{buffer}.first(static_cast<std::size_t>(std::min(step, size - at)));
    HOLDFAST_TRY(got, fs.read_at(file, at, into));
    if (got != into.size()) return failure(errc::damaged, "digest", path);
    crc = crc32c(into, crc);
  }
  return crc;
}

/// Copies a sealed file to a new name; `damaged` if size or digest are not what was sealed. Not
/// synced.
template <file_system Fs>
[[nodiscard]] result<void> copy_file(Fs const& fs,
                                     std::string const& from,
                                     std::string const& to,
                                     SealedFile const& sealed) {
  HOLDFAST_TRY(source, fs.open(from, Open::read));
  HOLDFAST_TRY(copy, fs.open(to, Open::create));
  constexpr std::uint64_t step = std::uint64_t{1} << 20;
  bytes buffer(static_cast<std::size_t>(std::min(step, sealed.size)));
  std::uint32_t crc = 0;
  for (std::uint64_t at = 0; at < sealed.size; at += step) {
    auto const size = static_cast<std::size_t>(std::min(step, sealed.size - at));
    auto const part = bytes_span{buffer}.first(size);
    HOLDFAST_TRY(got, fs.read_at(source, at, part));
    if (got != size) return failure(errc::damaged, "copy", from);
    if (sealed.digest) crc = crc32c(part, crc);
    HOLDFAST_TRYV(fs.write_at(copy, at, part));
  }
  HOLDFAST_TRY(whole, fs.size(source));
  bool const same = whole == sealed.size && (!sealed.digest || crc == *sealed.digest);
  return same ? result<void>{ok()} : failure(errc::damaged, "copy", from);
}

/// Checks that a file is there with the size it was sealed with, and with the digest if asked.
template <file_system Fs>
[[nodiscard]] result<void> check_file(Fs const& fs,
                                      std::string const& path,
                                      SealedFile const& sealed,
                                      bool with_digest) {
  HOLDFAST_TRY(file, fs.open(path, Open::read));
  HOLDFAST_TRY(size, fs.size(file));
  if (size != sealed.size) return failure(errc::damaged, "check size", path);
  if (!with_digest || !sealed.digest) return ok();
  HOLDFAST_TRY(digest, digest_file(fs, file, size, path));
  if (digest != *sealed.digest) return failure(errc::damaged, "check digest", path);
  return ok();
}

/// Reads a whole sealed file; `damaged` if size or digest are not what was sealed.
template <file_system Fs>
[[nodiscard]] result<bytes> read_sealed(Fs const& fs,
                                        std::string const& path,
                                        SealedFile const& sealed) {
  auto content = read_file(fs, path, sealed.size);
  if (!content) {
    auto const code = content.error().code();
    bool const damage = code == errc::too_large || code == errc::not_found;
    if (damage) return failure(errc::damaged, "read", path);
    return failed(content);
  }
  auto const& bytes = content.assume_value();
  bool const same =
      bytes.size() == sealed.size && (!sealed.digest || crc32c(bytes) == *sealed.digest);
  if (!same) return failure(errc::damaged, "read", path);
  return content;
}
}  // namespace detail

HOLDFAST_END

#endif

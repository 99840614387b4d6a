// SPDX-License-Identifier: BSL-1.0
// Does over any file system the few things that need several calls: whole files, whole trees,
// paths.
#ifndef HOLDFAST_FILE_OPS_HPP
#define HOLDFAST_FILE_OPS_HPP

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "holdfast/bytes.hpp"
#include "holdfast/checksum.hpp"
#include "holdfast/config.hpp"
#include "holdfast/file_system.hpp"
#include "holdfast/result.hpp"

HOLDFAST_BEGIN

namespace detail {
[[nodiscard]] inline std::string join(std::string_view directory, std::string_view name) {
  std::string path{directory};
  if (!path.empty() && path.back() != '/') path += '/';
  return path.append(name);
}

/// The directory that holds `path`: "." for a bare name, "/" for what lies in the root.
[[nodiscard]] inline std::string parent_of(std::string_view path) {
  while (path.size() > 1 && path.back() == '/') path.remove_suffix(1);
  auto const slash = path.rfind('/');
  if (slash == std::string_view::npos) return ".";
  return std::string{path.substr(0, slash == 0 ? 1 : slash)};
}

/// Reads a whole file; `too_large` beyond `limit` bytes, before anything is allocated.
template <file_system Fs>
[[nodiscard]] result<bytes> read_file(Fs const& fs, std::string const& path, std::uint64_t limit) {
  HOLDFAST_TRY(file, fs.open(path, Open::read));
  HOLDFAST_TRY(size, fs.size(file));
  if (size > limit) return failure(errc::too_large, "read", path);
  bytes content(static_cast<std::size_t>(size));
  HOLDFAST_TRY(got, fs.read_at(file, 0, content));
  content.resize(got);
  return content;
}

/// Asks for bytes that were written to be on their way to the disk while more are written. Nothing
/// but speed depends on it: a file system without the operation does without.
template <file_system Fs>
void start_writeback(Fs const& fs, typename Fs::file& file, Range range) noexcept {
  if constexpr (requires { fs.start_writeback(file, range); }) fs.start_writeback(file, range);
}

/// Makes all of `content` durable in an empty file, and gives its CRC32C, which is taken while the
/// disk is busy.
template <file_system Fs>
[[nodiscard]] result<std::uint32_t> write_durably(Fs const& fs,
                                                  typename Fs::file& file,
                                                  bytes_view content) {
  // Large enough to keep a disk busy, small enough that the sync has little left to wait for.
  constexpr std::size_t step = std::size_t{8} << 20;
  std::uint32_t crc = 0;
  std::uint64_t at = 0;
  for (; content.size() > step; content = content.subspan(step), at += step) {
    HOLDFAST_TRYV(fs.write_at(file, at, content.first(step)));
    start_writeback(fs, file, {at, step});
    crc = crc32c(content.first(step), crc);
  }
  HOLDFAST_TRYV(fs.write_at(file, at, content));
  HOLDFAST_TRYV(fs.sync(file));
  return crc32c(content, crc);
}

/// Opens a file to read and write, and makes it where there is none.
template <file_system Fs>
[[nodiscard]] result<typename Fs::file> open_or_create(Fs const& fs, std::string const& path) {
  auto opened = fs.open(path, Open::write);
  if (!opened && opened.error().code() == errc::not_found) opened = fs.open(path, Open::create);
  // Another made it in between.
  if (!opened && opened.error().code() == errc::exists) opened = fs.open(path, Open::write);
  return opened;
}

/// Makes a new file (`exists` if there is one) with this content and syncs it. Its name is durable
/// only after `sync_directory`.
template <file_system Fs>
[[nodiscard]] result<void> write_new_file(Fs const& fs,
                                          std::string const& path,
                                          bytes_view content) {
  HOLDFAST_TRY(file, fs.open(path, Open::create));
  HOLDFAST_TRYV(fs.write_at(file, 0, content));
  return fs.sync(file);
}

// Makes the name of a directory durable. A parent that may not be opened was not made by us, nor by
// a crashed run of ours.
template <file_system Fs>
[[nodiscard]] result<void> settle_directory(Fs const& fs, std::string const& path) {
  auto synced = fs.sync_directory(parent_of(path));
  if (!synced && synced.error().code() == errc::denied) return ok();
  return synced;
}

/// Makes the directory and every parent that is missing, each durable before the next is made. One
/// that exists already may be the last step of a run that crashed, so its name is made durable too.
template <file_system Fs>
[[nodiscard]] result<void> make_directories(Fs const& fs, std::string const& path) {
  auto const parent = parent_of(path);
  auto made = fs.make_directory(path);
  if (!made && made.error().code() == errc::not_found && parent != path) {
    HOLDFAST_TRYV(make_directories(fs, parent));
    made = fs.make_directory(path);
  } else if (made) {
    HOLDFAST_TRYV(settle_directory(fs, parent));
  }
  if (!made && made.error().code() != errc::exists) return made;
  return settle_directory(fs, path);
}

/// Anything of that name, a symlink too.
template <file_system Fs>
[[nodiscard]] result<bool> is_there(Fs const& fs, std::string const& path) {
  auto const found = fs.identity(path);
  if (!found && found.error().code() != errc::not_found) return failed(found);
  return found.has_value();
}

/// Removes a file, a symlink or an empty directory. Missing is fine.
template <file_system Fs>
[[nodiscard]] result<void> remove_if_there(Fs const& fs, std::string const& path) {
  auto removed = fs.remove(path);
  if (!removed && removed.error().code() == errc::not_found) return ok();
  return removed;
}

/// Removes a file, or a directory with all that is in it; symlinks are removed, never followed.
/// Missing is fine.
template <file_system Fs>
[[nodiscard]] result<void> remove_tree(Fs const& fs, std::string const& path, Entry::Kind kind) {
  if (kind == Entry::Kind::directory) {
    auto entries = fs.list(path);
    if (!entries) {
      if (entries.error().code() == errc::not_found) return ok();
      return failed(entries);
    }
    for (auto const& entry : entries.assume_value()) {
      HOLDFAST_TRYV(remove_tree(fs, join(path, entry.name), entry.kind));
    }
  }
  return remove_if_there(fs, path);
}
}  // namespace detail

HOLDFAST_END

#endif

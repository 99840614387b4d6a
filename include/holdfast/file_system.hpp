// SPDX-License-Identifier: BSL-1.0
// The seam for every effect on files: what a file system must offer.
#ifndef HOLDFAST_FILE_SYSTEM_HPP
#define HOLDFAST_FILE_SYSTEM_HPP

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "holdfast/bytes.hpp"
#include "holdfast/config.hpp"
#include "holdfast/guarantees.hpp"
#include "holdfast/ids.hpp"
#include "holdfast/result.hpp"

HOLDFAST_BEGIN

/// How to open: to read what exists, to read and write what exists, or to make a new file (`exists`
/// if there is one).
enum class Open : std::uint8_t { read, write, create };
/// The bytes of a file that a lock covers; they need not exist.
struct Range {
  std::uint64_t at = 0;
  std::uint64_t size = 1;
};
/// Tells two files apart.
struct FileId {
  std::uint64_t device = 0;
  std::uint64_t inode = 0;
  friend bool operator==(FileId const&, FileId const&) = default;
};
/// One name in a directory ("." and ".." are never listed).
struct Entry {
  enum class Kind : std::uint8_t { file, directory, symlink, other };
  std::string name;
  Kind kind = Kind::file;
  friend auto operator<=>(Entry const&, Entry const&) = default;
};

/// Files and directories by path. Paths are bytes, not text. `open`, `identity`, `remove`
/// and `rename` never follow a symlink in the last component; `list` and `sync_directory` do.
/// Semantics (the file system's laws):
/// - `read_at` gives fewer bytes than asked for only at the end of the file; `write_at` writes all
///   or fails.
/// - `sync` makes a file's data and size durable; a name is durable after `sync_directory` of its
///   directory. A failed sync answers `sync_failed`, and what was written may be lost although it
///   still reads back.
/// - `try_lock` is a lock of the open file (not of the process): it excludes every other `file`
///   object, also of the same process, lapses when the file is closed, and converts a range that
///   the same `file` holds already. `false` = held by another.
/// - `rename` replaces a file or symlink atomically; `link` and `symlink` never replace (`exists`).
/// - A model may offer `free_space(path)`, the bytes that are free there for this process, and
///   `disk_size(path)`, what a file takes.
/// - `remove` takes a file, a symlink or an empty directory; `list` is sorted by name.
/// One that also has `void start_writeback(file&, Range) noexcept` is asked to begin writing what a
/// large file got so far, and to take no error away from the sync that follows.
template <class F>
concept file_system = std::copyable<F> && std::movable<typename F::file> &&
    requires(F const& fs,
             typename F::file& f,
             std::string const& p,
             std::uint64_t at,
             bytes_span into,
             bytes_view from) {
  { fs.open(p, Open::read) } -> std::same_as<result<typename F::file>>;
  { fs.read_at(f, at, into) } -> std::same_as<result<std::size_t>>;
  { fs.write_at(f, at, from) } -> std::same_as<result<void>>;
  { fs.size(f) } -> std::same_as<result<std::uint64_t>>;
  { fs.resize(f, at) } -> std::same_as<result<void>>;
  { fs.sync(f) } -> std::same_as<result<void>>;
  { fs.try_lock(f, Range{}, Mode::exclusive) } -> std::same_as<result<bool>>;
  { fs.unlock(f, Range{}) } -> std::same_as<result<void>>;
  { fs.identity(f) } -> std::same_as<result<FileId>>;
  { fs.identity(p) } -> std::same_as<result<FileId>>;
  { fs.make_directory(p) } -> std::same_as<result<void>>;
  { fs.sync_directory(p) } -> std::same_as<result<void>>;
  { fs.rename(p, p) } -> std::same_as<result<void>>;
  { fs.link(p, p) } -> std::same_as<result<void>>;
  { fs.symlink(p, p) } -> std::same_as<result<void>>;
  { fs.read_link(p) } -> std::same_as<result<std::string>>;
  { fs.remove(p) } -> std::same_as<result<void>>;
  { fs.list(p) } -> std::same_as<result<std::vector<Entry>>>;
};

HOLDFAST_END

#endif

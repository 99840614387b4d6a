// SPDX-License-Identifier: BSL-1.0
// Models what was read of a directory tree: directories with their totals, files, volumes, and what
// was skipped.
#ifndef RECON_TREE_HPP
#define RECON_TREE_HPP

#include <bit>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace recon {

/// How much there is of each kind. `bytes` are the sizes of the files, as stat tells them.
struct Counts {
  std::uint64_t files = 0;
  std::uint64_t directories = 0;
  std::uint64_t symlinks = 0;
  std::uint64_t other = 0;
  std::uint64_t bytes = 0;

  Counts& operator+=(Counts const& more) noexcept {
    files += more.files;
    directories += more.directories;
    symlinks += more.symlinks;
    other += more.other;
    bytes += more.bytes;
    return *this;
  }
  [[nodiscard]] std::uint64_t entries() const noexcept {
    return files + directories + symlinks + other;
  }
  friend bool operator==(Counts const&, Counts const&) = default;
};

/// The bins of the histogram: below 1 KiB, below 2 KiB, ... A file lies below its bound.
[[nodiscard]] constexpr std::uint64_t upper_bound(std::uint64_t size) noexcept {
  constexpr std::uint64_t smallest = 1024;
  return size < smallest ? smallest : std::bit_floor(size) << 1;
}

/// Files and bytes of one bin or container.
struct Share {
  std::uint64_t files = 0;
  std::uint64_t bytes = 0;
  friend bool operator==(Share const&, Share const&) = default;
};
using Histogram = std::map<std::uint64_t, Share>;  // by upper bound

/// `own` counts what lies directly in it, `total` all below it; neither counts the directory
/// itself. Directory 0 is the root, and a parent comes before its children.
struct Directory {
  std::uint64_t parent = 0;
  std::string path;  // relative to the root, whose own is empty
  Counts own{};
  Counts total{};
  std::size_t volume = 0;
};

struct File {
  std::uint64_t directory = 0;
  std::string name;
  std::uint64_t size = 0;
};

/// A directory directly below the root, with all that it holds; "." has the root's own entries.
struct Volume {
  std::string name;
  Counts counts{};
  Histogram histogram{};
};

/// What could not be counted. A tree may change while it is read: that is no error.
struct Skipped {
  std::uint64_t vanished = 0;  ///< gone between its listing and its turn
  std::uint64_t denied = 0;    ///< folders that may not be listed, entries that may not be seen
  std::uint64_t failed = 0;    ///< any other error
  std::vector<std::string> examples{};  ///< the first few, with their reason

  [[nodiscard]] std::uint64_t all() const noexcept { return vanished + denied + failed; }
};

struct Tree {
  std::string root;  // absolute, without symlinks
  std::vector<Directory> directories;
  std::vector<File> files;  // in walk order, which cuts them into containers
  std::vector<Volume> volumes;
  Skipped skipped;
  bool cut = false;  // --max-files ended the walk early

  [[nodiscard]] std::string path_of(File const& file) const {
    auto const& folder = directories[file.directory].path;
    return folder.empty() ? file.name : folder + '/' + file.name;
  }
};

/// A container is a run of this many files in walk order; the first has number 1.
inline constexpr std::uint64_t container_size = 1000;
[[nodiscard]] constexpr std::uint64_t container_of(std::uint64_t nth_file) noexcept {
  return nth_file / container_size + 1;
}

/// What one file adds to the digest of a tree: a sum, so that it follows from rows in any order.
[[nodiscard]] constexpr std::uint64_t digest_of(std::string_view path,
                                                std::uint64_t size) noexcept {
  std::uint64_t hash = 0xcbf29ce484222325 ^ size;  // FNV-1a
  for (char const c : path) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  hash = (hash ^ hash >> 33) * 0xff51afd7ed558ccd;  // its low bits alone would add up too evenly
  return hash ^ hash >> 33;
}

}  // namespace recon

#endif

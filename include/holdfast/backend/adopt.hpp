// SPDX-License-Identifier: BSL-1.0
// Fills a build with a directory that others own, and hands a path over once its content is
// adopted.
#ifndef HOLDFAST_BACKEND_ADOPT_HPP
#define HOLDFAST_BACKEND_ADOPT_HPP

#include <algorithm>
#include <concepts>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "holdfast/backend/directory.hpp"
#include "holdfast/backend/file_tree.hpp"
#include "holdfast/backend/seal_format.hpp"
#include "holdfast/config.hpp"
#include "holdfast/file_ops.hpp"
#include "holdfast/file_system.hpp"
#include "holdfast/posix.hpp"
#include "holdfast/result.hpp"

HOLDFAST_BEGIN

/// Copies every file and folder below `source`, which is only read. A file that changes its size
/// meanwhile is `conflict`; a directory has no one instant, so stop its writers first. What is
/// neither file nor folder is `foreign`.
template <file_system Fs>
[[nodiscard]] result<void> adopt(DirectoryWriter<Fs>& writer,
                                 std::string const& source,
                                 Fs const& fs = {}) {
  std::vector<std::string> names;
  auto const all = [](std::string_view) { return false; };
  HOLDFAST_TRYV(detail::walk_tree(fs, source, {}, all, names));
  std::sort(names.begin(), names.end());  // a folder before what is in it
  for (auto const& name : names) {
    auto const to = detail::join(writer.path(), name);
    if (name.ends_with('/')) {
      HOLDFAST_TRYV(fs.make_directory(to.substr(0, to.size() - 1)));
      continue;
    }
    auto const from = detail::join(source, name);
    HOLDFAST_TRY(file, fs.open(from, Open::read));
    HOLDFAST_TRY(size, fs.size(file));
    auto const copied = detail::copy_file(fs, from, to, SealedFile{name, size, std::nullopt});
    if (copied) continue;
    if (copied.error().code() != errc::damaged) return copied;
    return failure(errc::conflict, "adopt: it changed meanwhile", from);
  }
  return ok();
}

/// From here on the path `source` is a symlink to `target` (a generation's outside name), so that
/// programs which know the old path read what is current. What was there stays beside it as
/// `source`.adopted. One atomic exchange; may be called again after a crash. `busy` while a journal
/// lies beside an SQLite file: its owner is still at work.
template <file_system Fs = Posix>
requires requires(Fs const& fs, std::string const& path) {
  { fs.exchange(path, path) } -> std::same_as<result<void>>;
}
[[nodiscard]] result<void> finish_adoption(std::string const& source,
                                           std::string const& target,
                                           Fs const& fs = {}) {
  auto const next = source + ".next", kept = source + ".adopted";
  for (auto const* suffix : {"-wal", "-journal", "-shm"}) {
    HOLDFAST_TRY(journal, detail::is_there(fs, source + suffix));
    if (journal) return failure(errc::busy, "finish adoption", source + suffix);
  }
  auto const check_free = [&]() -> result<void> {
    HOLDFAST_TRY(taken, detail::is_there(fs, kept));
    if (taken) return failure(errc::exists, "finish adoption", kept);
    return ok();
  };
  auto const now = fs.read_link(source);
  bool const switched = now && now.assume_value() == target;
  if (!switched) {
    HOLDFAST_TRYV(check_free());
    HOLDFAST_TRYV(fs.identity(source));
    auto const left = fs.read_link(next);
    if (left && left.assume_value() == target) {
      HOLDFAST_TRYV(fs.remove(next));  // of a run that was cut off
    }
    HOLDFAST_TRYV(fs.symlink(target, next));
    // Every reader finds the old or the new, at every moment.
    HOLDFAST_TRYV(fs.exchange(next, source));
  }
  // The exchange before the new name: else a power cut might leave the symlink under both names.
  HOLDFAST_TRYV(fs.sync_directory(detail::parent_of(source)));
  HOLDFAST_TRY(old, detail::is_there(fs, next));
  if (!old) return ok();
  HOLDFAST_TRYV(check_free());  // also in a run that goes on: a rename replaces
  HOLDFAST_TRYV(fs.rename(next, kept));
  return fs.sync_directory(detail::parent_of(source));
}

HOLDFAST_END

#endif

// SPDX-License-Identifier: BSL-1.0
// Gives generations their fixed outside names: symlinks beside the folders, for foreign readers.
#ifndef HOLDFAST_BACKEND_OUTSIDE_NAMES_HPP
#define HOLDFAST_BACKEND_OUTSIDE_NAMES_HPP

#include <algorithm>
#include <optional>
#include <string>

#include "holdfast/backend/building.hpp"
#include "holdfast/backend/generation_folder.hpp"
#include "holdfast/backend/seal_format.hpp"
#include "holdfast/config.hpp"
#include "holdfast/file_ops.hpp"
#include "holdfast/file_system.hpp"
#include "holdfast/ids.hpp"
#include "holdfast/result.hpp"

HOLDFAST_BEGIN

namespace detail {
// Refuses a name that is taken by anything but our symlink, or has companions beside either end.
template <file_system Fs>
[[nodiscard]] result<void> check_link(Fs const& fs,
                                      std::string const& root,
                                      Seal const& seal,
                                      PublishedName const& as) {
  for (bool const inside : {false, true}) {
    if (inside && seal.updates) continue;  // what lies beside the data there does belong to it
    auto const folder = inside ? join(root, folder_of(seal.generation)) : root;
    auto const& end = inside ? as.inner : as.link;
    HOLDFAST_TRY(entries, fs.list(folder));
    for (auto const& entry : entries) {
      bool const ours = !inside && (entry.name == end || entry.name == end + ".next");
      bool const taken = ours && entry.kind != Entry::Kind::symlink;
      bool const companion =
          std::any_of(as.beside.begin(), as.beside.end(),
                      [&](std::string const& suffix) { return entry.name == end + suffix; });
      if (taken || companion) {
        return failure(errc::exists, "publish", join(folder, entry.name));
      }
    }
  }
  return ok();
}

/// Points the symlink at a sealed generation; replaces nothing but a symlink.
template <file_system Fs>
[[nodiscard]] result<void> publish_folder(Fs const& fs,
                                          std::string const& root,
                                          Seal const& seal,
                                          PublishedName const& as) {
  HOLDFAST_TRYV(check_link(fs, root, seal, as));
  auto const fresh = join(root, as.link + ".next");
  auto const target =
      as.inner.empty() ? folder_of(seal.generation) : join(folder_of(seal.generation), as.inner);
  // A crash may have left the symlink that was to be renamed; check_link saw that it is one.
  HOLDFAST_TRYV(remove_if_there(fs, fresh));
  HOLDFAST_TRYV(fs.symlink(target, fresh));
  // One rename: a foreign reader finds the old or the new generation, at every moment.
  HOLDFAST_TRYV(fs.rename(fresh, join(root, as.link)));
  return fs.sync_directory(root);
}

/// The newest that an outside name gives: it was surely committed, and may be gone.
template <file_system Fs>
[[nodiscard]] result<std::optional<Generation>> published_folder(Fs const& fs,
                                                                 std::string const& root) {
  std::optional<Generation> newest;
  auto entries = fs.list(root);
  if (!entries && entries.error().code() == errc::not_found) return newest;
  if (!entries) return failed(entries);
  for (auto const& entry : entries.assume_value()) {
    if (entry.kind != Entry::Kind::symlink || !is_outside_name(entry.name)) continue;
    HOLDFAST_TRY(target, fs.read_link(join(root, entry.name)));
    newest = std::max(newest, generation_named_by(target));  // nothing is the least
  }
  return newest;
}

// Where a later publish failed, an outside name may still give g: foreign readers must not find
// it gone.
template <file_system Fs>
[[nodiscard]] result<void> check_unpublished(Fs const& fs, std::string const& root, Generation g) {
  HOLDFAST_TRY(entries, fs.list(root));
  auto const folder = folder_of(g);
  bool named = false;
  for (auto const& entry : entries) {
    if (entry.kind != Entry::Kind::symlink) continue;
    named = true;
    auto const path = join(root, entry.name);
    HOLDFAST_TRY(target, fs.read_link(path));
    if (target == folder || target.starts_with(folder + '/')) {
      return failure(errc::pinned, "drop what is published", path);
    }
  }
  // Whoever gave the name elsewhere may have been killed before that was durable: a power cut
  // would bring it back to what is dropped now.
  return named ? fs.sync_directory(root) : result<void>{ok()};
}
}  // namespace detail

HOLDFAST_END

#endif

// SPDX-License-Identifier: BSL-1.0
// Names what a file-based store is told at seal and at publish, and what it remembers of a build.
#ifndef HOLDFAST_BACKEND_BUILDING_HPP
#define HOLDFAST_BACKEND_BUILDING_HPP

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "holdfast/backend/seal_format.hpp"
#include "holdfast/bytes.hpp"
#include "holdfast/config.hpp"
#include "holdfast/ids.hpp"
#include "holdfast/result.hpp"

HOLDFAST_BEGIN

/// Whether seal reads back files whose digest was not taken on their way in.
enum class Digest : std::uint8_t { none, read_back };

/// The fixed outside name of a generation: the symlink `link` in the root, pointing to `inner` in
/// the generation's folder (empty: to the folder). A file at either end with one of the suffixes
/// `beside` would be taken for a part of it, so that `publish` refuses.
struct PublishedName {
  std::string link = "current";
  std::string inner;
  std::vector<std::string> beside;
};

/// A generation on its way to its seal; what the writers of the file-based stores carry.
struct Building {
  Generation generation;
  std::string path;                           ///< its folder
  std::map<std::string, SealedFile> known{};  ///< files already synced, by name
  std::optional<error> broken{};              ///< what can't be mended: it can only be dropped
  std::optional<bytes> noted{};               ///< the words of its last note
  bool notes = false;                         ///< its folder may have files of a note
  std::uint64_t limit = 0;                    ///< bytes that may be known; 0: none
  bool updates = false;                       ///< whether it is to take updates once it is sealed
  bool sealing = false;  ///< a SEAL in the folder is ours, perhaps half written
  bool sealed = false;

  /// The bytes of the files that are known.
  [[nodiscard]] std::uint64_t taken() const noexcept {
    std::uint64_t all = 0;
    for (auto const& [name, file] : known) all += file.size;
    return all;
  }
  /// Gives the outcome back, and remembers a failed sync: what was written before it is lost.
  template <class R>
  [[nodiscard]] R note(R outcome) {
    if (!outcome && outcome.error().code() == errc::sync_failed) broken = outcome.error();
    return outcome;
  }
  /// Whether it may still be written to: `spent` once sealed, `sync_failed` after a failed sync.
  [[nodiscard]] result<void> writable() const {
    if (broken) return failure(*broken);
    if (sealed) return failure(errc::spent, "write", path);
    return ok();
  }
};

HOLDFAST_END

#endif

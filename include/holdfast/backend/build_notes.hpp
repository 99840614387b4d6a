// SPDX-License-Identifier: BSL-1.0
// Keeps beside an unsealed generation how far its build is, and brings the folder back to that.
//
// The file .holdfast-note: a SEAL of what was durable then, the words, u64 size of the SEAL,
// CRC32C. The order of effects of a note:
//   1. every file, then every directory     what the note will name is durable first
//   2. the note under another name          synced
//   3. rename, sync of the folder           a crash leaves the note before, or this one
// To resume is to remove what the note does not name, and to cut what has grown since.
#ifndef HOLDFAST_BACKEND_BUILD_NOTES_HPP
#define HOLDFAST_BACKEND_BUILD_NOTES_HPP

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "holdfast/backend/building.hpp"
#include "holdfast/backend/file_tree.hpp"
#include "holdfast/backend/seal_format.hpp"
#include "holdfast/bytes.hpp"
#include "holdfast/checksum.hpp"
#include "holdfast/config.hpp"
#include "holdfast/file_ops.hpp"
#include "holdfast/file_system.hpp"
#include "holdfast/ids.hpp"
#include "holdfast/result.hpp"

HOLDFAST_BEGIN

namespace detail {
inline constexpr std::string_view note_name = ".holdfast-note";
inline constexpr std::string_view new_note_name = ".holdfast-note.new";
inline constexpr std::size_t note_limit = std::size_t{64} << 10;  // bytes of the words

[[nodiscard]] constexpr bool is_note(std::string_view name) noexcept {
  return name == note_name || name == new_note_name;
}

struct BuildNote {
  Seal durable;
  bytes words;
};
[[nodiscard]] inline bytes encode_note(BuildNote const& note) {
  auto out = encode_seal(note.durable);
  auto const size = std::uint64_t{out.size()};
  out.insert(out.end(), note.words.begin(), note.words.end());
  auto const end = out.size();
  out.resize(end + 12);
  put_le(bytes_span{out}, end, size);
  put_le(bytes_span{out}, end + 8, crc32c(bytes_view{out}.first(end + 8)));
  return out;
}
/// `path` is for the error alone.
[[nodiscard]] inline result<BuildNote> decode_note(bytes_view from, std::string_view path) {
  auto const damaged = [&] { return failure(errc::damaged, "read the note of a build", path); };
  if (from.size() < 12) return damaged();
  auto const end = from.size() - 12;
  if (crc32c(from.first(end + 8)) != get_le<std::uint32_t>(from, end + 8)) return damaged();
  auto const size = get_le<std::uint64_t>(from, end);
  if (size > end) return damaged();
  HOLDFAST_TRY(durable, decode_seal(from.first(static_cast<std::size_t>(size)), path));
  auto const words = from.subspan(static_cast<std::size_t>(size), end - size);
  return BuildNote{std::move(durable), {words.begin(), words.end()}};
}

// Makes one file of the build durable, and says of it what a note does. A digest that was not taken
// by the library may be of a file that goes on to grow: it is not kept.
template <file_system Fs>
[[nodiscard]] result<SealedFile> settle_for_note(Fs const& fs,
                                                 Building const& building,
                                                 std::string const& name) {
  auto const path = join(building.path, name);
  if (name.ends_with('/')) {
    HOLDFAST_TRYV(fs.sync_directory(path));
    return SealedFile{name, 0, std::nullopt};
  }
  auto const known = building.known.find(name);
  if (known != building.known.end()) return known->second;
  HOLDFAST_TRY(file, fs.open(path, Open::read));
  HOLDFAST_TRY(size, fs.size(file));  // first: what comes meanwhile may not be durable
  HOLDFAST_TRYV(fs.sync(file));
  return SealedFile{name, size, std::nullopt};
}

template <file_system Fs>
[[nodiscard]] result<void> write_note(Fs const& fs, Building& building, bytes_view words) {
  HOLDFAST_TRYV(building.writable());
  if (building.sealing) return failure(errc::spent, "note: a seal was begun", building.path);
  if (words.size() > note_limit) return failure(errc::too_large, "note", building.path);
  BuildNote note{{.generation = building.generation, .parent = {}, .files = {}},
                 {words.begin(), words.end()}};
  std::vector<std::string> names;
  HOLDFAST_TRYV(walk_tree(fs, building.path, std::string{}, is_note, names));
  for (auto const& name : names) {
    HOLDFAST_TRY(file, settle_for_note(fs, building, name));
    note.durable.files.push_back(std::move(file));
  }
  std::sort(note.durable.files.begin(), note.durable.files.end(),
            [](SealedFile const& a, SealedFile const& b) { return a.name < b.name; });
  HOLDFAST_TRYV(fs.sync_directory(building.path));
  HOLDFAST_TRYV(fs.sync_directory(parent_of(building.path)));
  auto const fresh = join(building.path, new_note_name);
  HOLDFAST_TRYV(remove_if_there(fs, fresh));
  auto const encoded = encode_note(note);
  if (encoded.size() > seal_limit) return failure(errc::too_large, "note", building.path);
  building.notes = true;
  HOLDFAST_TRYV(write_new_file(fs, fresh, encoded));
  HOLDFAST_TRYV(fs.rename(fresh, join(building.path, note_name)));
  HOLDFAST_TRYV(fs.sync_directory(building.path));
  building.noted = std::move(note.words);
  return ok();
}

template <file_system Fs>
[[nodiscard]] result<void> cut_to_note(Fs const& fs,
                                       std::string const& path,
                                       SealedFile const& noted) {
  HOLDFAST_TRY(file, fs.open(path, Open::write));
  HOLDFAST_TRY(size, fs.size(file));
  if (size < noted.size) return failure(errc::damaged, "resume: shorter than it was", path);
  if (size == noted.size) return ok();
  HOLDFAST_TRYV(fs.resize(file, noted.size));
  return fs.sync(file);
}

template <file_system Fs>
[[nodiscard]] result<void> remove_notes(Fs const& fs, std::string const& folder) {
  HOLDFAST_TRYV(remove_if_there(fs, join(folder, new_note_name)));
  return remove_if_there(fs, join(folder, note_name));
}

/// The folder as it was at its last note. `not_found` where there is none, `damaged` where
/// something that it names is gone.
template <file_system Fs>
[[nodiscard]] result<Building> resume_build(Fs const& fs, std::string const& path, Generation g) {
  HOLDFAST_TRY(sealed, is_there(fs, join(path, "SEAL")));
  if (sealed) return failure(errc::not_found, "resume: it was sealed", path);
  HOLDFAST_TRY(content, read_file(fs, join(path, note_name), seal_limit + note_limit));
  HOLDFAST_TRY(note, decode_note(content, path));
  if (note.durable.generation != g) return failure(errc::damaged, "a note of another", path);
  Building made{.generation = g, .path = path};
  std::vector<std::string> names;
  HOLDFAST_TRYV(walk_tree(fs, path, std::string{}, is_note, names));
  std::size_t found = 0;
  for (auto const& name : names) {
    auto const* const file = note.durable.find(name);
    bool const folder = name.ends_with('/');
    auto const at = join(path, folder ? name.substr(0, name.size() - 1) : name);
    if (file == nullptr) {
      HOLDFAST_TRYV(fs.remove(at));  // a folder comes after all that is in it
      continue;
    }
    ++found;
    if (folder) continue;
    HOLDFAST_TRYV(cut_to_note(fs, at, *file));
    if (file->digest) made.known.insert_or_assign(name, *file);
  }
  if (found != note.durable.files.size()) return failure(errc::damaged, "resume: lost files", path);
  // Who noted it may have been killed before its name was durable.
  HOLDFAST_TRYV(fs.sync_directory(path));
  made.notes = true;
  made.noted = std::move(note.words);
  return made;
}
}  // namespace detail

HOLDFAST_END

#endif

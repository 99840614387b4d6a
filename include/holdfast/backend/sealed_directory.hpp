// SPDX-License-Identifier: BSL-1.0
// Keeps a folder of generations, each a folder that counts from the moment its SEAL is durable.
//
// home/name/0000000007/...  what the generation holds
// home/name/0000000007/SEAL its number, names, sizes and digests; without it: `unsealed`
// home/name/current         a symlink for foreign readers, only if published
//
// Invariants: what a SEAL names was synced before the SEAL was made. No name is ever used again
// while something of it remains. Nothing but numbered folders is listed or dropped.
#ifndef HOLDFAST_BACKEND_SEALED_DIRECTORY_HPP
#define HOLDFAST_BACKEND_SEALED_DIRECTORY_HPP

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "holdfast/backend/building.hpp"
#include "holdfast/backend/file_tree.hpp"
#include "holdfast/backend/generation_folder.hpp"
#include "holdfast/backend/seal_format.hpp"
#include "holdfast/config.hpp"
#include "holdfast/file_ops.hpp"
#include "holdfast/file_system.hpp"
#include "holdfast/guarantees.hpp"
#include "holdfast/ids.hpp"
#include "holdfast/posix.hpp"
#include "holdfast/result.hpp"

HOLDFAST_BEGIN

/// The folders of a store's generations under one root.
template <file_system Fs>
class SealedDirectory {
 public:
  /// Tells names (relative to the generation's folder) that are not its data: neither sealed nor
  /// judged.
  using Ignored = bool (*)(std::string_view name);
  static constexpr std::string_view seal_name = "SEAL";

  explicit SealedDirectory(std::string name, Fs fs = {}, Ignored ignored = nullptr)
      : name_{std::move(name)}, fs_{std::move(fs)}, ignored_{ignored} {}

  void place(std::string const& home) { root_ = detail::join(home, name_); }
  [[nodiscard]] std::string const& name() const noexcept { return name_; }
  [[nodiscard]] Fs const& files() const noexcept { return fs_; }
  [[nodiscard]] std::string path_of(Generation g) const {
    return detail::join(*root_, detail::folder_of(g));
  }

  /// Makes the empty folder of g; any remains of an earlier g are `exists`.
  [[nodiscard]] result<Building> create(Generation g) {
    HOLDFAST_TRYV(usable("create"));
    if (g.number == 0) return failure(errc::invalid, "create generation 0", name_);
    HOLDFAST_TRYV(detail::make_directories(fs_, *root_));
    Building made{.generation = g, .path = path_of(g)};
    HOLDFAST_TRYV(fs_.make_directory(made.path));
    return made;
  }

  /// Makes the folder of g with all that `from` holds under `source`, checked on its way against
  /// the digests. What `shares` accepts is never written again by anyone, and becomes a second name
  /// of the same file.
  [[nodiscard]] result<Building> copy(SealedDirectory const& source,
                                      Generation from,
                                      Generation g,
                                      Ignored shares = nullptr) {
    HOLDFAST_TRY(seal, source.open(from, false));
    HOLDFAST_TRY(made, create(g));
    auto const old = source.path_of(from);
    for (auto const& file : seal.files) {  // in ascending order: a folder before what is in it
      auto const to = detail::join(made.path, file.name);
      if (file.name.ends_with('/')) {
        HOLDFAST_TRYV(fs_.make_directory(to.substr(0, to.size() - 1)));
      } else if (shares != nullptr && shares(file.name)) {
        HOLDFAST_TRYV(fs_.link(detail::join(old, file.name), to));
      } else {
        HOLDFAST_TRYV(detail::copy_file(fs_, detail::join(old, file.name), to, file));
      }
    }
    return std::move(made);
  }

  /// Idempotent. May be tried again after any failure but `sync_failed`, which stays.
  [[nodiscard]] result<void> seal(Building& building, Digest digest) {
    if (building.sealed) return ok();
    HOLDFAST_TRYV(building.writable());
    HOLDFAST_TRYV(building.note(write_seal(building, digest)));
    building.sealed = true;
    return ok();
  }

  /// The seal of g, if the folder holds exactly what it says.
  [[nodiscard]] result<Seal> open(Generation g, bool check_digests) const {
    HOLDFAST_TRY(seal, seal_of(g));
    HOLDFAST_TRYV(check_names(seal));
    bool const undigested = has_undigested(seal);
    if (check_digests && undigested) {
      return failure(errc::invalid, "verify: sealed without digests", path_of(g));
    }
    for (auto const& file : seal.files) {
      if (file.name.ends_with('/')) continue;
      HOLDFAST_TRYV(
          detail::check_file(fs_, detail::join(path_of(g), file.name), file, check_digests));
    }
    return seal;
  }

  /// Checks every file as well as the SEAL allows, and says how well that is.
  [[nodiscard]] result<Verified> verify(Generation g) const {
    HOLDFAST_TRY(seal, seal_of(g));
    bool const undigested = has_undigested(seal);
    HOLDFAST_TRYV(open(g, !undigested));
    return undigested ? Verified::names_and_sizes : Verified::digests;
  }

  /// Of generation 0: what a new one would find.
  [[nodiscard]] result<Space> space(Generation g) const {
    HOLDFAST_TRYV(usable("measure"));
    Space space{.device = 0, .free = ~std::uint64_t{0}, .used = 0};
    if (g.number != 0) {
      auto const seal = seal_of(g);
      auto const code = seal ? errc::unknown : seal.error().code();
      bool const none = code == errc::damaged || code == errc::unsealed || code == errc::not_found;
      if (!seal && !none) return detail::failed(seal);  // damage takes no room, and blocks no build
      if (seal) {
        for (auto const& file : seal.assume_value().files) space.used += file.size;
      }
    }
    if constexpr (requires { fs_.free_space(*root_); }) {
      auto path = *root_;
      auto place = fs_.identity(path);
      while (!place && place.error().code() == errc::not_found && path != ".") {
        path = detail::parent_of(path);  // the root is made with the first generation
        place = fs_.identity(path);
      }
      HOLDFAST_TRY(found, std::move(place));
      HOLDFAST_TRY(free, fs_.free_space(path));
      space.free = free;
      space.device = found.device;
    }
    return space;
  }

  /// Missing is a success too, but made durable: a crashed predecessor's removal may not be. What a
  /// published name still gives is `pinned`.
  [[nodiscard]] result<void> drop(Generation g) {
    HOLDFAST_TRYV(usable("drop"));
    auto const found = find(g);
    if (!found && found.error().code() == errc::not_found) {
      auto synced = fs_.sync_directory(*root_);
      bool const no_root = !synced && synced.error().code() == errc::not_found;
      return no_root ? result<void>{ok()} : synced;
    }
    if (!found) return detail::failed(found);
    HOLDFAST_TRYV(check_unpublished(g));
    auto const path = path_of(g);
    // The SEAL goes first and durably: from here on, whatever a crash leaves reads as unsealed.
    HOLDFAST_TRY(entries, fs_.list(path));
    for (auto const& entry : entries) {
      if (entry.name != seal_name) continue;
      HOLDFAST_TRYV(detail::remove_tree(fs_, detail::join(path, entry.name), entry.kind));
    }
    HOLDFAST_TRYV(fs_.sync_directory(path));
    HOLDFAST_TRYV(detail::remove_tree(fs_, path, Entry::Kind::directory));
    return fs_.sync_directory(*root_);
  }

  /// Every numbered folder, sealed or not, ascending.
  [[nodiscard]] result<std::vector<Generation>> generations() const {
    HOLDFAST_TRYV(usable("list generations"));
    std::vector<Generation> found;
    auto entries = fs_.list(*root_);
    if (!entries && entries.error().code() == errc::not_found) return found;
    if (!entries) return detail::failed(entries);
    for (auto const& entry : entries.assume_value()) {
      auto const g = detail::generation_of(entry.name);
      if (g && entry.kind == Entry::Kind::directory) found.push_back(*g);
    }
    std::sort(found.begin(), found.end());
    return found;
  }

  /// Points the symlink at g, which must be sealed; replaces nothing but a symlink.
  [[nodiscard]] result<void> publish(Generation g, PublishedName const& as) {
    HOLDFAST_TRYV(seal_of(g));
    HOLDFAST_TRYV(check_link(g, as));
    auto const fresh = detail::join(*root_, as.link + ".next");
    auto const target =
        as.inner.empty() ? detail::folder_of(g) : detail::join(detail::folder_of(g), as.inner);
    // A crash may have left the symlink that was to be renamed; check_link saw that it is one.
    HOLDFAST_TRYV(detail::remove_if_there(fs_, fresh));
    HOLDFAST_TRYV(fs_.symlink(target, fresh));
    // One rename: a foreign reader finds the old or the new generation, at every moment.
    HOLDFAST_TRYV(fs_.rename(fresh, detail::join(*root_, as.link)));
    return fs_.sync_directory(*root_);
  }

  /// The newest that an outside name gives: it was surely committed, and may be gone.
  [[nodiscard]] result<std::optional<Generation>> published() const {
    HOLDFAST_TRYV(usable("read outside names"));
    std::optional<Generation> newest;
    auto entries = fs_.list(*root_);
    if (!entries && entries.error().code() == errc::not_found) return newest;
    if (!entries) return detail::failed(entries);
    for (auto const& entry : entries.assume_value()) {
      if (entry.kind != Entry::Kind::symlink || !detail::is_outside_name(entry.name)) continue;
      HOLDFAST_TRY(target, fs_.read_link(detail::join(*root_, entry.name)));
      newest = std::max(newest, detail::generation_named_by(target));  // nothing is the least
    }
    return newest;
  }

  /// `invalid` before `place`, or if the name is no plain name.
  [[nodiscard]] result<void> usable(char const* where) const {
    bool const plain = detail::is_relative_name(name_) && name_.find('/') == std::string::npos;
    if (plain && root_) return ok();
    return failure(errc::invalid, where, plain ? name_ + ": place(home) comes first" : name_);
  }

 private:
  [[nodiscard]] bool skips(std::string_view name) const {
    return name == seal_name || (ignored_ != nullptr && ignored_(name));
  }

  // The folder of g: `not_found`, or `foreign` if something else has its name (a symlink, say).
  [[nodiscard]] result<void> find(Generation g) const {
    auto entries = fs_.list(*root_);
    if (!entries) return detail::failed(entries);
    auto const folder = detail::folder_of(g);
    for (auto const& entry : entries.assume_value()) {
      if (entry.name != folder) continue;
      if (entry.kind == Entry::Kind::directory) return ok();
      return failure(errc::foreign, "find generation", path_of(g));
    }
    return failure(errc::not_found, "find generation", path_of(g));
  }

  [[nodiscard]] result<std::vector<std::string>> names_of(std::string const& path) const {
    std::vector<std::string> names;
    auto const skip = [this](std::string_view name) { return skips(name); };
    HOLDFAST_TRYV(detail::walk_tree(fs_, path, std::string{}, skip, names));
    return names;
  }

  [[nodiscard]] result<void> write_seal(Building& building, Digest digest) {
    auto const path = detail::join(building.path, seal_name);
    if (!building.sealing) {
      auto const taken = fs_.identity(path);
      if (taken) return failure(errc::invalid, "seal: the name SEAL is taken", path);
      if (taken.error().code() != errc::not_found) return detail::failed(taken);
    }
    building.sealing = true;
    HOLDFAST_TRYV(detail::remove_if_there(fs_, path));  // what an attempt that failed has left
    Seal seal{.generation = building.generation, .parent = {}, .files = {}};
    HOLDFAST_TRY(names, names_of(building.path));
    for (auto const& name : names) {
      HOLDFAST_TRY(file, settle(building, name, digest));
      seal.files.push_back(file);
    }
    std::sort(seal.files.begin(), seal.files.end(),
              [](SealedFile const& a, SealedFile const& b) { return a.name < b.name; });
    auto const encoded = detail::encode_seal(seal);
    if (encoded.size() > detail::seal_limit) return failure(errc::too_large, "seal", path);
    // Every file and every directory below is durable by now; the names beside SEAL get so with it.
    HOLDFAST_TRYV(detail::write_new_file(fs_, path, encoded));
    HOLDFAST_TRYV(fs_.sync_directory(building.path));
    // And last the folder's own name; that of the root was made durable by create.
    return fs_.sync_directory(*root_);
  }

  // Makes one file or directory of the generation durable, and says what the SEAL will hold of it.
  [[nodiscard]] result<SealedFile> settle(Building& building,
                                          std::string const& name,
                                          Digest digest) {
    auto const path = detail::join(building.path, name);
    if (name.ends_with('/')) {
      HOLDFAST_TRYV(fs_.sync_directory(path));
      return SealedFile{name, 0, std::nullopt};
    }
    auto const known = building.known.find(name);
    if (known != building.known.end()) return known->second;
    HOLDFAST_TRY(file, fs_.open(path, Open::read));
    HOLDFAST_TRYV(fs_.sync(file));
    SealedFile sealed{name, 0, std::nullopt};
    HOLDFAST_TRY(size, fs_.size(file));
    sealed.size = size;
    if (digest == Digest::read_back) {
      HOLDFAST_TRY(crc, detail::digest_file(fs_, file, size, path));
      sealed.digest = crc;
    }
    // Kept, so that a seal that is tried again syncs and reads no file twice.
    building.known.insert_or_assign(name, sealed);
    return sealed;
  }

  [[nodiscard]] result<Seal> seal_of(Generation g) const {
    HOLDFAST_TRYV(usable("open"));
    HOLDFAST_TRYV(find(g));
    auto const path = detail::join(path_of(g), seal_name);
    auto content = detail::read_file(fs_, path, detail::seal_limit);
    if (!content) {
      auto const code = content.error().code();
      if (code == errc::not_found) return failure(errc::unsealed, "open", path_of(g));
      if (code == errc::too_large) return failure(errc::damaged, "read SEAL", path);
      return detail::failed(content);
    }
    HOLDFAST_TRY(seal, detail::decode_seal(content.assume_value(), path));
    if (seal.generation != g) return failure(errc::damaged, "read SEAL of another", path);
    return std::move(seal);
  }

  [[nodiscard]] result<void> check_names(Seal const& seal) const {
    auto const path = path_of(seal.generation);
    auto walked = names_of(path);
    if (!walked && walked.error().code() == errc::foreign) {
      return failure(walked.error().as(errc::damaged));
    }
    if (!walked) return detail::failed(walked);
    auto& names = walked.assume_value();
    std::sort(names.begin(), names.end());
    for (auto const& name : names) {
      if (seal.find(name) == nullptr) {
        return failure(errc::damaged, "open: not in SEAL", detail::join(path, name));
      }
    }
    for (auto const& file : seal.files) {
      if (!std::binary_search(names.begin(), names.end(), file.name)) {
        return failure(errc::damaged, "open: missing", detail::join(path, file.name));
      }
    }
    return ok();
  }

  [[nodiscard]] static bool has_undigested(Seal const& seal) {
    return std::any_of(seal.files.begin(), seal.files.end(), [](SealedFile const& file) {
      return !file.name.ends_with('/') && !file.digest;
    });
  }

  // Where a later publish failed, an outside name may still give g: foreign readers must not find
  // it gone.
  [[nodiscard]] result<void> check_unpublished(Generation g) const {
    HOLDFAST_TRY(entries, fs_.list(*root_));
    auto const folder = detail::folder_of(g);
    bool named = false;
    for (auto const& entry : entries) {
      if (entry.kind != Entry::Kind::symlink) continue;
      named = true;
      auto const path = detail::join(*root_, entry.name);
      HOLDFAST_TRY(target, fs_.read_link(path));
      if (target == folder || target.starts_with(folder + '/')) {
        return failure(errc::pinned, "drop what is published", path);
      }
    }
    // Whoever gave the name elsewhere may have been killed before that was durable: a power cut
    // would bring it back to what is dropped now.
    return named ? fs_.sync_directory(*root_) : result<void>{ok()};
  }

  // Refuses a name that is taken by anything but our symlink, or has companions beside either end.
  [[nodiscard]] result<void> check_link(Generation g, PublishedName const& as) const {
    for (bool const inside : {false, true}) {
      auto const folder = inside ? path_of(g) : *root_;
      auto const& end = inside ? as.inner : as.link;
      HOLDFAST_TRY(entries, fs_.list(folder));
      for (auto const& entry : entries) {
        bool const ours = !inside && (entry.name == end || entry.name == end + ".next");
        bool const taken = ours && entry.kind != Entry::Kind::symlink;
        bool const companion =
            std::any_of(as.beside.begin(), as.beside.end(),
                        [&](std::string const& suffix) { return entry.name == end + suffix; });
        if (taken || companion) {
          return failure(errc::exists, "publish", detail::join(folder, entry.name));
        }
      }
    }
    return ok();
  }

  std::string name_;
  std::optional<std::string> root_;
  Fs fs_;
  Ignored ignored_;
};

HOLDFAST_END

#endif

// SPDX-License-Identifier: BSL-1.0
// Keeps a folder of generations, each a folder that counts from the moment its SEAL is durable.
//
// home/name/0000000007/...  what the generation holds
// home/name/0000000007/SEAL its number, names, sizes and digests; without it: `unsealed`
// home/name/0000000007/UPDATED what it holds has changed since: the number alone counts
// home/name/current         a symlink for foreign readers, only if published
//
// Invariants: what a SEAL names was synced before the SEAL was made. No name is ever used again
// while something of it remains. Nothing but numbered folders is listed or dropped. UPDATED is
// durable before the first change, and made only where the SEAL says that updates are taken.
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

#include "holdfast/backend/build_notes.hpp"
#include "holdfast/backend/building.hpp"
#include "holdfast/backend/file_tree.hpp"
#include "holdfast/backend/free_space.hpp"
#include "holdfast/backend/generation_folder.hpp"
#include "holdfast/backend/outside_names.hpp"
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
  static constexpr std::string_view updated_name = "UPDATED";

  /// `passing` tells names that come and go while a generation takes updates: neither sealed nor
  /// judged there.
  explicit SealedDirectory(std::string name,
                           Fs fs = {},
                           Ignored ignored = nullptr,
                           Ignored passing = nullptr)
      : name_{std::move(name)}, fs_{std::move(fs)}, ignored_{ignored}, passing_{passing} {}

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
    HOLDFAST_TRYV(source.check_unchanged(seal));
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
    // A first update in between made UPDATED before it changed anything.
    auto const unchanged = source.check_unchanged(seal);
    if (unchanged) return std::move(made);
    static_cast<void>(drop(g));  // why it failed is what counts
    return detail::failed(unchanged);
  }

  /// Idempotent. May be tried again after any failure but `sync_failed`, which stays.
  [[nodiscard]] result<void> seal(Building& building, Digest digest) {
    if (building.sealed) return ok();
    HOLDFAST_TRYV(building.writable());
    HOLDFAST_TRYV(building.note(write_seal(building, digest)));
    building.sealed = true;
    return ok();
  }

  /// The seal of g, if the folder holds exactly what it says. Of one that takes updates the names
  /// alone, and once it has taken one the number: a database locks its files through what it has
  /// open, and would lose those locks if they were opened and closed here.
  [[nodiscard]] result<Seal> open(Generation g, bool check_digests) const {
    HOLDFAST_TRY(seal, seal_of(g));
    HOLDFAST_TRY(before, has_changed(seal));
    if (before) return std::move(seal);
    auto const whole = check_content(seal, check_digests);
    if (whole) return std::move(seal);
    // The first update may have come in between.
    HOLDFAST_TRY(since, has_changed(seal));
    if (since) return std::move(seal);
    return detail::failed(whole);
  }

  /// Was g sealed so that it takes updates?
  [[nodiscard]] result<bool> updates(Generation g) const {
    HOLDFAST_TRY(seal, seal_of(g));
    return seal.updates;
  }
  /// Has it taken any, or was it about to?
  [[nodiscard]] result<bool> updated(Generation g) const {
    HOLDFAST_TRY(seal, seal_of(g));
    return has_changed(seal);
  }
  /// To be called before the first change of what g holds; durable on return. Again is a success.
  [[nodiscard]] result<void> begin_updates(Generation g) {
    HOLDFAST_TRY(seal, seal_of(g));
    if (!seal.updates) {
      return failure(errc::invalid, "apply: sealed without the option `updates`", path_of(g));
    }
    auto const path = detail::join(path_of(g), updated_name);
    auto file = fs_.open(path, Open::create);
    // One that is there may not be durable: whoever made it may have died before its sync.
    if (!file && file.error().code() == errc::exists) file = fs_.open(path, Open::write);
    HOLDFAST_TRYV(std::move(file));
    constexpr std::string_view text = "changed in place since it was sealed\n";
    HOLDFAST_TRYV(fs_.write_at(file.assume_value(), 0, as_bytes(text)));
    HOLDFAST_TRYV(fs_.sync(file.assume_value()));
    return fs_.sync_directory(path_of(g));
  }

  /// Checks every file as well as the SEAL allows, and says how well that is.
  [[nodiscard]] result<Verified> verify(Generation g) const {
    HOLDFAST_TRY(seal, seal_of(g));
    bool const undigested = detail::has_undigested(seal);
    HOLDFAST_TRYV(open(g, !undigested));
    if (seal.updates) return Verified::identity;
    return undigested ? Verified::names_and_sizes : Verified::digests;
  }

  /// Of generation 0: what a new one would find. What updates added is not counted.
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
    HOLDFAST_TRYV(detail::measure_free(fs_, *root_, space));
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
    HOLDFAST_TRYV(detail::check_unpublished(fs_, *root_, g));
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
    HOLDFAST_TRY(seal, seal_of(g));
    return detail::publish_folder(fs_, *root_, seal, as);
  }

  /// The newest that an outside name gives: it was surely committed, and may be gone.
  [[nodiscard]] result<std::optional<Generation>> published() const {
    HOLDFAST_TRYV(usable("read outside names"));
    return detail::published_folder(fs_, *root_);
  }

  /// `invalid` before `place`, or if the name is no plain name.
  [[nodiscard]] result<void> usable(char const* where) const {
    bool const plain = detail::is_relative_name(name_) && name_.find('/') == std::string::npos;
    if (plain && root_) return ok();
    return failure(errc::invalid, where, plain ? name_ + ": place(home) comes first" : name_);
  }

 private:
  [[nodiscard]] bool skips(std::string_view name, bool updates) const {
    if (updates && (name == updated_name || (passing_ != nullptr && passing_(name)))) return true;
    return name == seal_name || (ignored_ != nullptr && ignored_(name));
  }

  [[nodiscard]] result<bool> has_changed(Seal const& seal) const {
    if (!seal.updates) return false;
    auto const there = fs_.identity(detail::join(path_of(seal.generation), updated_name));
    if (!there && there.error().code() != errc::not_found) return detail::failed(there);
    return there.has_value();
  }
  // Its files are being written to: one after the other they are of no one instant.
  [[nodiscard]] result<void> check_unchanged(Seal const& seal) const {
    HOLDFAST_TRY(changed, has_changed(seal));
    if (!changed) return ok();
    return failure(errc::invalid, "copy: it has taken updates", path_of(seal.generation));
  }
  [[nodiscard]] result<void> check_content(Seal const& seal, bool check_digests) const {
    HOLDFAST_TRYV(check_names(seal));
    if (seal.updates) return ok();
    auto const folder = path_of(seal.generation);
    if (check_digests && detail::has_undigested(seal)) {
      return failure(errc::invalid, "verify: sealed without digests", folder);
    }
    for (auto const& file : seal.files) {
      if (file.name.ends_with('/')) continue;
      HOLDFAST_TRYV(detail::check_file(fs_, detail::join(folder, file.name), file, check_digests));
    }
    return ok();
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

  [[nodiscard]] result<std::vector<std::string>> names_of(std::string const& path,
                                                          bool updates) const {
    std::vector<std::string> names;
    auto const skip = [this, updates](std::string_view name) { return skips(name, updates); };
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
    Seal seal{
        .generation = building.generation, .parent = {}, .files = {}, .updates = building.updates};
    HOLDFAST_TRY(names, names_of(building.path, building.updates));
    for (auto const& name : names) {
      if (building.notes && detail::is_note(name)) continue;
      HOLDFAST_TRY(file, settle(building, name, digest));
      seal.files.push_back(file);
    }
    // What is sealed can't be resumed. The last moment: until here a crash leaves its note.
    if (building.notes) {
      HOLDFAST_TRYV(detail::remove_notes(fs_, building.path));
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
    auto walked = names_of(path, seal.updates);
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

  std::string name_;
  std::optional<std::string> root_;
  Fs fs_;
  Ignored ignored_;
  Ignored passing_;
};

HOLDFAST_END

#endif

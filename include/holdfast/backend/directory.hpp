// SPDX-License-Identifier: BSL-1.0
// A store of files: each generation is a folder of whatever files the caller puts there.
#ifndef HOLDFAST_BACKEND_DIRECTORY_HPP
#define HOLDFAST_BACKEND_DIRECTORY_HPP

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "holdfast/backend/sealed_directory.hpp"
#include "holdfast/bytes.hpp"
#include "holdfast/concepts.hpp"
#include "holdfast/config.hpp"
#include "holdfast/file_ops.hpp"
#include "holdfast/file_system.hpp"
#include "holdfast/guarantees.hpp"
#include "holdfast/ids.hpp"
#include "holdfast/posix.hpp"
#include "holdfast/result.hpp"
#include "holdfast/resume_concepts.hpp"

HOLDFAST_BEGIN

/// How a `DirectoryStore` keeps its files.
struct DirectoryOptions {
  bool verify_on_open = false;  ///< read every file against its digest, before the first view
};

/// Adds files to a generation that nobody sees yet. `spent` once it is sealed.
template <file_system Fs>
class DirectoryWriter {
 public:
  DirectoryWriter(Fs fs, Building building)
      : fs_{std::move(fs)}, building_{std::move(building)}, taken_{building_.taken()} {}

  /// Makes the file `name` ("a", "a/b/c") with this content, durable on return but for its name.
  /// `exists` if there is one, `invalid` for a name that leads elsewhere. After an error nothing of
  /// it is left.
  [[nodiscard]] result<void> put(std::string_view name, bytes_view content) {
    HOLDFAST_TRYV(building_.writable());
    std::string const relative{name};
    auto const top = name.substr(0, name.find('/'));
    bool const ours = top == SealedDirectory<Fs>::seal_name || detail::is_note(top);
    if (!detail::is_relative_name(name) || ours) {
      return failure(errc::invalid, "put", relative);
    }
    for (auto slash = name.find('/'); slash != std::string_view::npos;
         slash = name.find('/', slash + 1)) {
      auto const made = fs_.make_directory(detail::join(path(), name.substr(0, slash)));
      if (!made && made.error().code() != errc::exists) return detail::failed(made);
    }
    if (building_.limit != 0 &&
        content.size() > building_.limit - std::min(taken_, building_.limit)) {
      return failure(errc::no_space, "put: the build has a limit", relative);
    }
    auto const path_of_file = detail::join(path(), name);
    HOLDFAST_TRY(file, fs_.open(path_of_file, Open::create));
    auto const crc = building_.note(detail::write_durably(fs_, file, content));
    if (!crc) return discard(path_of_file, crc.error());
    building_.known.insert_or_assign(relative,
                                     SealedFile{relative, content.size(), crc.assume_value()});
    taken_ += content.size();
    return ok();
  }
  /// Of what `put` writes; files of the caller's own count once they are sealed.
  [[nodiscard]] result<void> limit(std::uint64_t most) noexcept {
    building_.limit = most;
    return ok();
  }
  [[nodiscard]] result<std::uint64_t> taken() const noexcept { return taken_; }

  /// The folder, for files of the caller's own: close them before seal, which finds and syncs them.
  [[nodiscard]] std::string const& path() const noexcept { return building_.path; }
  [[nodiscard]] Generation generation() const noexcept { return building_.generation; }
  [[nodiscard]] Building& building() noexcept { return building_; }
  [[nodiscard]] Building const& building() const noexcept { return building_; }

 private:
  // A file that was not written whole must not be sealed: it goes, or the whole building does.
  [[nodiscard]] result<void> discard(std::string const& file, error const& why) {
    auto const removed = fs_.remove(file);
    if (!removed && !building_.broken) building_.broken = removed.error();
    return failure(why);
  }

  Fs fs_;
  Building building_;
  std::uint64_t taken_;
};

/// Reads a sealed generation; safe from many threads.
template <file_system Fs>
class DirectoryReader {
 public:
  DirectoryReader(Fs fs, std::string path, Seal seal)
      : fs_{std::move(fs)}, path_{std::move(path)}, seal_{std::move(seal)} {}

  /// The whole content, checked against its digest: `not_found`, or `damaged`.
  [[nodiscard]] result<bytes> get(std::string_view name) const {
    auto const* const file = seal_.find(name);
    if (file == nullptr || name.ends_with('/')) {
      return failure(errc::not_found, "get", detail::join(path_, name));
    }
    return detail::read_sealed(fs_, detail::join(path_, name), *file);
  }

  /// Every file, ascending.
  [[nodiscard]] std::vector<std::string> names() const {
    std::vector<std::string> names;
    for (auto const& file : seal_.files) {
      if (!file.name.ends_with('/')) names.push_back(file.name);
    }
    return names;
  }

  /// The folder, for readers of the caller's own; nothing checks what they read.
  [[nodiscard]] std::string const& path() const noexcept { return path_; }
  [[nodiscard]] Generation generation() const noexcept { return seal_.generation; }

 private:
  Fs fs_;
  std::string path_;
  Seal seal_;
};

/// Folders of files, `home/name/0000000007/...`. A writer puts files, a reader gets them back,
/// checked.
template <file_system Fs>
class BasicDirectoryStore {
 public:
  using writer = DirectoryWriter<Fs>;
  using reader = DirectoryReader<Fs>;
  static constexpr Guarantees guarantees{.durable = true,
                                         .fenced = false,
                                         .detects_damage = true,
                                         .lifetime = Lifetime::disk,
                                         .reach = Reach::host};

  explicit BasicDirectoryStore(std::string name, DirectoryOptions options = {}, Fs fs = {})
      : folders_{std::move(name), std::move(fs)}, options_{options} {}

  void place(std::string const& home) { folders_.place(home); }
  [[nodiscard]] std::string const& name() const noexcept { return folders_.name(); }

  [[nodiscard]] result<writer> create(Generation g) {
    HOLDFAST_TRY(building, folders_.create(g));
    return writer{folders_.files(), std::move(building)};
  }
  /// A new generation that begins as a copy of `from`.
  [[nodiscard]] result<writer> clone(Generation from, Generation g) {
    HOLDFAST_TRY(building, folders_.copy(folders_, from, g));
    return writer{folders_.files(), std::move(building)};
  }
  /// Files of the caller's own may only have grown by then; a note reads none of them.
  [[nodiscard]] result<void> note(writer& w, bytes_view words) {
    return w.building().note(detail::write_note(folders_.files(), w.building(), words));
  }
  /// As it was at the last note, exactly.
  [[nodiscard]] result<writer> resume(Generation g) {
    HOLDFAST_TRYV(folders_.usable("resume"));
    HOLDFAST_TRY(building, detail::resume_build(folders_.files(), folders_.path_of(g), g));
    return writer{folders_.files(), std::move(building)};
  }
  [[nodiscard]] std::vector<bytes> notes(writer const& w) const {
    return {w.building().noted.value_or(bytes{})};
  }
  /// Makes the same generation, sealed, in another store.
  [[nodiscard]] result<void> copy(Generation g, BasicDirectoryStore& to) const {
    HOLDFAST_TRY(building, to.folders_.copy(folders_, g, g));
    return to.folders_.seal(building, Digest::read_back);
  }
  /// Syncs and digests what `put` did not write, too. A symlink or device in the folder is
  /// `foreign`.
  [[nodiscard]] result<void> seal(writer& w) {
    return folders_.seal(w.building(), Digest::read_back);
  }
  [[nodiscard]] result<reader> open(Generation g) const {
    HOLDFAST_TRY(seal, folders_.open(g, options_.verify_on_open));
    return reader{folders_.files(), folders_.path_of(g), std::move(seal)};
  }
  [[nodiscard]] result<void> drop(Generation g) { return folders_.drop(g); }
  [[nodiscard]] result<std::vector<Generation>> generations() const {
    return folders_.generations();
  }
  /// What the outside name gives, if there is one.
  [[nodiscard]] result<std::optional<Generation>> published() const { return folders_.published(); }
  /// Points the symlink `home/name/current` at the folder of g.
  [[nodiscard]] result<void> publish(Generation g) { return folders_.publish(g, {}); }
  [[nodiscard]] result<Space> space(Generation g) const { return folders_.space(g); }
  /// Of the disk, sealed or not, with what updates added.
  [[nodiscard]] result<std::optional<std::uint64_t>> disk_bytes(Generation g) const {
    return detail::tree_size(folders_.files(), folders_.path_of(g));
  }
  [[nodiscard]] result<Verified> verify(Generation g) const { return folders_.verify(g); }

 private:
  SealedDirectory<Fs> folders_;
  DirectoryOptions options_;
};

/// On the real file system.
using DirectoryStore = BasicDirectoryStore<Posix>;
static_assert(publishing_store<DirectoryStore> && placed_store<DirectoryStore> &&
              resuming_store<DirectoryStore>);

HOLDFAST_END

#endif

// SPDX-License-Identifier: BSL-1.0
// Keeps one checksummed, synced file a generation: what a small backend of your own is made from.
#ifndef HOLDFAST_BACKEND_FILE_BLOBS_HPP
#define HOLDFAST_BACKEND_FILE_BLOBS_HPP

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "holdfast/backend/sealed_directory.hpp"
#include "holdfast/bytes.hpp"
#include "holdfast/checksum.hpp"
#include "holdfast/config.hpp"
#include "holdfast/file_ops.hpp"
#include "holdfast/file_system.hpp"
#include "holdfast/guarantees.hpp"
#include "holdfast/ids.hpp"
#include "holdfast/posix.hpp"
#include "holdfast/result.hpp"

HOLDFAST_BEGIN

/// The operations of a store, with bytes in place of writer and reader: the file is
/// home/name/0000000007/blob. Different generations may be used from different threads.
template <file_system Fs>
class BasicFileBlobs {
 public:
  static constexpr Guarantees guarantees{.durable = true,
                                         .fenced = false,
                                         .detects_damage = true,
                                         .lifetime = Lifetime::disk,
                                         .reach = Reach::host};

  explicit BasicFileBlobs(std::string name, Fs fs = {})
      : folders_{std::move(name), std::move(fs)} {}

  void place(std::string const& home) { folders_.place(home); }
  [[nodiscard]] std::string const& name() const noexcept { return folders_.name(); }

  [[nodiscard]] result<void> create(Generation g) {
    HOLDFAST_TRY(made, folders_.create(g));
    std::scoped_lock const lock{state_->mutex};
    state_->made.insert_or_assign(g, std::move(made));
    return ok();
  }

  /// Writes and seals g, which this object created. The same content again is a success, another
  /// one `exists`. May be tried again after any failure but `sync_failed`, which stays.
  [[nodiscard]] result<void> put(Generation g, bytes_view content) {
    HOLDFAST_TRY(made, find(g));
    Building& building = *made;
    if (building.sealed) {
      SealedFile const blob{file_name, content.size(), crc32c(content)};
      if (building.known.at(file_name) == blob) return ok();
      return failure(errc::exists, "put", path_of(g));
    }
    HOLDFAST_TRYV(building.writable());
    auto const& fs = folders_.files();
    HOLDFAST_TRYV(detail::remove_if_there(fs, path_of(g)));  // what a put that failed has left
    HOLDFAST_TRY(file, fs.open(path_of(g), Open::create));
    HOLDFAST_TRY(crc, building.note(detail::write_durably(fs, file, content)));
    building.known.insert_or_assign(file_name, SealedFile{file_name, content.size(), crc});
    return folders_.seal(building, Digest::read_back);
  }

  /// The content, checked against its digest: `unsealed`, or `damaged`.
  [[nodiscard]] result<bytes> get(Generation g) const {
    HOLDFAST_TRY(seal, folders_.open(g, false));
    auto const* const blob = seal.find(file_name);
    if (blob == nullptr) return failure(errc::damaged, "get", path_of(g));
    return detail::read_sealed(folders_.files(), path_of(g), *blob);
  }

  /// Makes the same generation, sealed, in another store.
  [[nodiscard]] result<void> copy(Generation g, BasicFileBlobs& to) const {
    HOLDFAST_TRY(building, to.folders_.copy(folders_, g, g));
    return to.folders_.seal(building, Digest::read_back);
  }

  [[nodiscard]] result<void> drop(Generation g) {
    HOLDFAST_TRYV(folders_.drop(g));
    std::scoped_lock const lock{state_->mutex};
    state_->made.erase(g);
    return ok();
  }
  [[nodiscard]] result<std::vector<Generation>> generations() const {
    return folders_.generations();
  }
  /// What the outside name gives, if there is one.
  [[nodiscard]] result<std::optional<Generation>> published() const { return folders_.published(); }
  /// Points the symlink `home/name/current` at the file of g.
  [[nodiscard]] result<void> publish(Generation g) {
    return folders_.publish(g, {.link = "current", .inner = file_name, .beside = {}});
  }
  [[nodiscard]] result<Space> space(Generation g) const { return folders_.space(g); }
  [[nodiscard]] result<Verified> verify(Generation g) const { return folders_.verify(g); }

 private:
  static constexpr char const* file_name = "blob";

  [[nodiscard]] std::string path_of(Generation g) const {
    return detail::join(folders_.path_of(g), file_name);
  }
  // How far each generation got that this object made: a failed sync is known nowhere else.
  struct State {
    std::mutex mutex;
    std::map<Generation, Building> made;
  };
  [[nodiscard]] result<Building*> find(Generation g) const {
    std::scoped_lock const lock{state_->mutex};
    auto const found = state_->made.find(g);
    if (found == state_->made.end()) {
      return failure(errc::not_found, "put without create", name());
    }
    return &found->second;
  }

  SealedDirectory<Fs> folders_;
  std::unique_ptr<State> state_ = std::make_unique<State>();
};

/// On the real file system.
using FileBlobs = BasicFileBlobs<Posix>;

HOLDFAST_END

#endif

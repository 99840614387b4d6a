// SPDX-License-Identifier: BSL-1.0
// A store of whatever parts a home has, whichever backends made them: every backend that keeps
// files keeps them in sealed folders, and this knows the folders alone.
#ifndef HOLDFAST_TOOL_ANY_STORE_HPP
#define HOLDFAST_TOOL_ANY_STORE_HPP

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "holdfast/backend/sealed_directory.hpp"
#include "holdfast/concepts.hpp"
#include "progress.hpp"

namespace tool {

/// The parts by name, in the order of the record. Opens, verifies, copies, publishes and drops what
/// others built; builds nothing.
class AnyStore {
  using Folders = hf::SealedDirectory<Watched>;

 public:
  struct writer {};
  struct reader {
    std::vector<hf::Generation> parts;
  };
  static constexpr hf::Guarantees guarantees{.durable = true,
                                             .fenced = false,
                                             .detects_damage = true,
                                             .lifetime = hf::Lifetime::disk,
                                             .reach = hf::Reach::host};

  explicit AnyStore(std::vector<std::string> parts, std::shared_ptr<Progress> progress = {})
      : names_{std::move(parts)}, files_{{}, std::move(progress)} {}

  void place(std::string const& home) { home_ = home; }
  [[nodiscard]] std::string name() const;
  [[nodiscard]] std::vector<std::string> part_names() const { return names_; }

  [[nodiscard]] hf::result<writer> create(hf::Generation g);
  [[nodiscard]] hf::result<void> seal(writer&);
  [[nodiscard]] hf::result<reader> open(hf::Generation g);
  [[nodiscard]] hf::result<reader> open_parts(std::span<hf::Generation const> parts);
  [[nodiscard]] hf::result<void> drop(hf::Generation g);
  [[nodiscard]] hf::result<std::vector<hf::Generation>> generations();

  /// Moves the symlinks that are there; a part that has none is left without.
  [[nodiscard]] hf::result<void> publish(hf::Generation g);
  [[nodiscard]] hf::result<void> publish_parts(std::span<hf::Generation const> parts);
  [[nodiscard]] hf::result<std::vector<std::optional<hf::Generation>>> published_parts() const;

  [[nodiscard]] hf::result<void> copy(hf::Generation g, AnyStore& to) const;
  [[nodiscard]] hf::result<void> copy_parts(std::span<hf::Generation const> parts,
                                            AnyStore& to) const;
  [[nodiscard]] std::vector<hf::result<hf::Verified>> verify_parts(
      std::span<hf::Generation const> parts) const;

  /// One part alone: is it as its SEAL says, by names and sizes?
  [[nodiscard]] hf::result<void> check_part(std::string const& part, hf::Generation g) const;
  /// That of its SEAL.
  [[nodiscard]] hf::result<std::uint32_t> seal_format(std::string const& part,
                                                      hf::Generation g) const;
  /// What one part has remains of.
  [[nodiscard]] hf::result<std::vector<hf::Generation>> generations_of(
      std::string const& part) const {
    return folders(part).generations();
  }
  [[nodiscard]] std::string path_of(std::string const& part, hf::Generation g) const {
    return folders(part).path_of(g);
  }

 private:
  [[nodiscard]] Folders folders(std::string const& part, Folders::Ignored ignored = nullptr) const;
  [[nodiscard]] Folders folders(std::string const& part, hf::Generation g) const;
  [[nodiscard]] std::vector<hf::Generation> all(hf::Generation g) const {
    return std::vector<hf::Generation>(names_.size(), g);
  }

  std::vector<std::string> names_;
  Watched files_;
  std::string home_;
};
static_assert(hf::mixing_store<AnyStore> && hf::placed_store<AnyStore>);
static_assert(hf::publishing_store<AnyStore> && hf::copying_store<AnyStore>);

/// The symlinks beside the generations of a part: name and target.
[[nodiscard]] std::vector<std::pair<std::string, std::string>> outside_names(
    std::string const& part_folder);

/// The folders of a home that hold numbered folders or outside names, by name. What there is where
/// no record tells the parts.
[[nodiscard]] hf::result<std::vector<std::string>> find_parts(std::string const& home);

}  // namespace tool

#endif

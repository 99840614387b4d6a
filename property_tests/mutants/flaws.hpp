// SPDX-License-Identifier: BSL-1.0
// The flaws that mutants have, each of them one protection that is missing, and a file system with
// those of a file system.
#ifndef HOLDFAST_PROPERTY_TESTS_MUTANTS_FLAWS_HPP
#define HOLDFAST_PROPERTY_TESTS_MUTANTS_FLAWS_HPP

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "holdfast/bytes.hpp"
#include "holdfast/file_ops.hpp"
#include "holdfast/file_system.hpp"
#include "holdfast/result.hpp"
#include "holdfast/testing/simulated_disk.hpp"

namespace mutants {
enum class Flaw : std::uint8_t {
  none,
  // of file systems
  forgets_the_end_of_writes,
  no_file_sync,
  no_directory_sync,
  no_nested_directory_sync,
  no_sync_after_remove,
  syncs_again_after_a_failure,
  renames_in_two_steps,
  links_over_what_exists,
  grants_every_lock,
  // of stores
  refuses_a_second_seal,
  drops_the_one_before,
  lists_the_sealed_alone,
  opens_what_is_unsealed,
  writes_into_the_one_before,
  reads_unchecked,
  seals_what_it_looks_at,
  opens_the_newest,
  drops_nothing,
  drops_all_before,
  publishes_when_it_seals,
  // of registers
  compares_no_version,
  tells_unknown_as_failed,
  repeats_versions,
  shows_the_unconfirmed,
  finishes_when_it_closes,
  pins_another,
  locks_readers_out,
  fails_after_the_store,
  // of what the register is given to store
  flips_twice,
  marks_come_later,
  reuses_numbers,
  commits_discards,
  // of locks
  repeats_tokens,
  is_held_by_a_file,
  releases_by_any_grant,
  forces_whoever_holds,
  remembers_the_dead,
  reads_metadata_unchecked,
  releases_in_a_child,
  steals_live_leases,
  never_replaces,
  renews_what_is_lost,
  // of segments and their formats
  rewrites_nothing,
  sets_nothing_aside,
  cuts_nothing,
  syncs_no_recovery,
  packs_records,
  boasts,
  sees_no_witness,
  believes_payloads,
  reserves_by_any_length,
  calls_the_empty_damaged,
  // of logs
  keeps_any_index,
  removes_what_it_refuses,
  // of worlds
  loses_an_event,
};

/// A simulated file system, or with the same flaws a real one.
template <class Fs>
class Flawed : public Fs {
 public:
  using file = typename Fs::file;
  Flawed() = default;
  Flawed(Fs files, Flaw flaw) : Fs{std::move(files)}, flaw_{flaw} {}
  [[nodiscard]] Flaw flaw() const noexcept { return flaw_; }

  [[nodiscard]] hf::result<void> write_at(file& f, std::uint64_t at, hf::bytes_view from) const {
    bool const cut = flaw_ == Flaw::forgets_the_end_of_writes && from.size() > 1000;
    return Fs::write_at(f, at, cut ? from.first(from.size() - 1) : from);
  }
  [[nodiscard]] hf::result<void> sync(file& f) const {
    if (flaw_ == Flaw::no_file_sync) return hf::ok();
    auto synced = Fs::sync(f);
    if (!synced && flaw_ == Flaw::syncs_again_after_a_failure) return Fs::sync(f);
    return synced;
  }
  [[nodiscard]] hf::result<void> sync_directory(std::string const& path) const {
    bool const nested = path.ends_with('/');  // as a store walks what is in a generation
    bool const skips = flaw_ == Flaw::no_directory_sync ||
                       (flaw_ == Flaw::no_nested_directory_sync && nested) ||
                       (flaw_ == Flaw::no_sync_after_remove && *removed_);
    *removed_ = false;
    return skips ? hf::result<void>{hf::ok()} : Fs::sync_directory(path);
  }
  [[nodiscard]] hf::result<void> remove(std::string const& path) const {
    *removed_ = true;
    return Fs::remove(path);
  }
  [[nodiscard]] hf::result<void> rename(std::string const& from, std::string const& to) const {
    if (flaw_ == Flaw::renames_in_two_steps && Fs::identity(from)) {
      auto const removed = Fs::remove(to);
      if (!removed && removed.error().code() != hf::errc::not_found)
        return hf::failure(removed.error());
    }
    return Fs::rename(from, to);
  }
  [[nodiscard]] hf::result<void> link(std::string const& from, std::string const& to) const {
    if (flaw_ == Flaw::links_over_what_exists && Fs::identity(to)) {
      HOLDFAST_TRYV(Fs::remove(to));
    }
    return Fs::link(from, to);
  }
  [[nodiscard]] hf::result<bool> try_lock(file& f, hf::Range range, hf::Mode mode) const {
    if (flaw_ == Flaw::grants_every_lock) return true;
    return Fs::try_lock(f, range, mode);
  }

 private:
  Flaw flaw_ = Flaw::none;
  std::shared_ptr<bool> removed_ = std::make_shared<bool>(false);
};
using FlawedFiles = Flawed<hf::testing::SimulatedFiles>;
static_assert(hf::file_system<FlawedFiles>);
}  // namespace mutants

#endif

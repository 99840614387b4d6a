// SPDX-License-Identifier: BSL-1.0
// The library's file register, right, or with one flaw between it and its caller, who may be a
// staged switch: then the flaw is in what the record says.
#ifndef HOLDFAST_PROPERTY_TESTS_MUTANTS_FLAWED_REGISTER_HPP
#define HOLDFAST_PROPERTY_TESTS_MUTANTS_FLAWED_REGISTER_HPP

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "flaws.hpp"
#include "holdfast/backend/file_register.hpp"
#include "holdfast/detail/manifest.hpp"
#include "holdfast/detail/manifest_text.hpp"
#include "holdfast/testing/simulated_disk.hpp"

namespace mutants {
class FlawedRegister {
  using Inner = hf::BasicFileRegister<FlawedFiles, hf::testing::SimulatedWorld>;

 public:
  static constexpr hf::Guarantees guarantees = Inner::guarantees;
  using Hold = Inner::Hold;

  FlawedRegister(FlawedFiles fs, hf::testing::SimulatedWorld world, Flaw flaw)
      : core_{std::make_unique<Core>(Core{Inner{"/db/CURRENT", fs, std::move(world)}, fs, flaw})} {}
  FlawedRegister(FlawedRegister&&) = default;
  FlawedRegister& operator=(FlawedRegister&&) = default;
  ~FlawedRegister() {
    if (core_ && core_->flaw == Flaw::finishes_when_it_closes) finish();
  }

  [[nodiscard]] hf::result<std::optional<hf::Versioned>> load() {
    if (core_->flaw == Flaw::locks_readers_out && core_->fs.identity(busy))
      return hf::failure(hf::errc::busy, "load", busy);
    return core_->inner.load();
  }
  [[nodiscard]] hf::result<hf::Version> store_if(hf::Version expected, hf::bytes_view value) {
    switch (core_->flaw) {
      case Flaw::compares_no_version:
        return store_anyway(expected, value);
      case Flaw::tells_unknown_as_failed:
        return certain(core_->inner.store_if(expected, value));
      case Flaw::finishes_when_it_closes:
      case Flaw::locks_readers_out:
      case Flaw::fails_after_the_store:
        return store_beside_a_file(expected, value);
      case Flaw::flips_twice:
      case Flaw::marks_come_later:
        return store_in_two_steps(expected, value);
      case Flaw::reuses_numbers:
      case Flaw::commits_discards:
        return store_changed(expected, value);
      default:
        return core_->inner.store_if(expected, value);
    }
  }
  [[nodiscard]] hf::result<void> reopen() {
    if (core_->flaw == Flaw::locks_readers_out) static_cast<void>(core_->fs.remove(busy));
    return core_->inner.reopen();
  }
  [[nodiscard]] std::size_t max_size() const noexcept { return core_->inner.max_size(); }
  [[nodiscard]] hf::result<Hold> pin(hf::Generation g) {
    return core_->inner.pin(core_->flaw == Flaw::pins_another ? hf::Generation{g.number + 1000}
                                                              : g);
  }
  [[nodiscard]] hf::result<Hold> try_exclude(hf::Generation g) {
    return core_->inner.try_exclude(g);
  }

 private:
  static constexpr char const* busy = "/db/BUSY";
  static constexpr char const* intent = "/db/INTENT";
  struct Core {
    Inner inner;
    FlawedFiles fs;
    Flaw flaw;
  };
  using Stored = hf::result<hf::Version>;

  [[nodiscard]] Stored store_anyway(hf::Version expected, hf::bytes_view value) {
    auto stored = core_->inner.store_if(expected, value);
    if (stored || stored.error().code() != hf::errc::conflict) return stored;
    HOLDFAST_TRY(found, core_->inner.load());
    return core_->inner.store_if(found ? found->version : hf::Version::none, value);
  }
  [[nodiscard]] static Stored certain(Stored stored) {
    if (stored || stored.error().code() != hf::errc::uncertain) return stored;
    return hf::failure(stored.error().as(hf::errc::io));
  }

  // What must be written is written down first; who locks readers out does so meanwhile; who keeps
  // a list adds to it afterwards, and takes its failure for that of the store.
  [[nodiscard]] Stored store_beside_a_file(hf::Version expected, hf::bytes_view value) {
    auto const* const path = core_->flaw == Flaw::locks_readers_out ? busy : intent;
    if (core_->flaw != Flaw::fails_after_the_store) {
      HOLDFAST_TRYV(put(path, value));
      HOLDFAST_TRY(stored, core_->inner.store_if(expected, value));
      HOLDFAST_TRYV(core_->fs.remove(path));
      return stored;
    }
    HOLDFAST_TRY(stored, core_->inner.store_if(expected, value));
    HOLDFAST_TRYV(put("/db/LIST", value));
    return stored;
  }
  [[nodiscard]] hf::result<void> put(std::string const& path, hf::bytes_view value) {
    static_cast<void>(core_->fs.remove(path));
    HOLDFAST_TRYV(hf::detail::write_new_file(core_->fs, path, value));
    return core_->fs.sync_directory("/db");
  }
  void finish() {
    auto const value = hf::detail::read_file(core_->fs, intent, 1 << 16);
    if (!value || value.assume_value().empty()) return;
    auto const found = core_->inner.load();
    auto const version =
        found && found.assume_value() ? found.assume_value()->version : hf::Version::none;
    static_cast<void>(core_->inner.store_if(version, value.assume_value()));
    static_cast<void>(core_->fs.remove(intent));
  }

  [[nodiscard]] std::optional<hf::Manifest> held() {
    auto const found = core_->inner.load();
    if (!found || !found.assume_value()) return {};
    auto manifest = hf::detail::manifest::decode(hf::as_text(found.assume_value()->value));
    if (!manifest) return {};
    return std::move(manifest).assume_value();
  }

  // A commit shows itself with the generation or the marks of before, and a moment later as it is.
  [[nodiscard]] Stored store_in_two_steps(hf::Version expected, hf::bytes_view value) {
    auto const before = held();
    auto after = hf::detail::manifest::decode(hf::as_text(value));
    bool const commits =
        before && after && before->sequence > 0 && after.assume_value().sequence > before->sequence;
    if (!commits) return core_->inner.store_if(expected, value);
    auto last = std::move(after).assume_value();
    auto first = last;
    if (core_->flaw == Flaw::flips_twice) {
      first = *before;
      hf::detail::manifest::record_commit(first, 1);
      for (auto& kept : first.retained) {
        if (kept.generation == first.current) kept.sequence = first.sequence;
      }
      hf::detail::manifest::order(first);
      last.sequence += 1;
      last.retained.front().sequence = last.sequence;
      last.commits.front().sequence = last.sequence;
    } else {
      first.retained.front().marks = before->retained.front().marks;
    }
    HOLDFAST_TRY(between, store(expected, first));
    return store(between, last);
  }
  // A discard gives its number back, or becomes a commit.
  [[nodiscard]] Stored store_changed(hf::Version expected, hf::bytes_view value) {
    auto const before = held();
    auto after = hf::detail::manifest::decode(hf::as_text(value));
    bool const discards = before && before->attempt && after && !after.assume_value().attempt &&
                          after.assume_value().sequence == before->sequence;
    if (!discards) return core_->inner.store_if(expected, value);
    auto changed = std::move(after).assume_value();
    if (core_->flaw == Flaw::reuses_numbers) {
      changed.next = before->attempt->generation.number;
    } else {
      auto const g = before->attempt->generation.number;
      std::vector<hf::Generation> const parts(before->part_names.size(), {g});
      changed = hf::detail::manifest::commit(*before, {{"built", g}}, parts, {48}, 0);
    }
    return store(expected, changed);
  }
  [[nodiscard]] Stored store(hf::Version expected, hf::Manifest const& m) {
    auto const text = hf::detail::manifest::encode(m);
    return core_->inner.store_if(expected, hf::as_bytes(text));
  }

  std::unique_ptr<Core> core_;
};
static_assert(hf::pinning_register<FlawedRegister>);
}  // namespace mutants

#endif

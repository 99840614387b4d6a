// SPDX-License-Identifier: BSL-1.0
// Reads a home: loads its record, opens the generation the record names, and shows it to this
// process.
#ifndef HOLDFAST_STAGED_SOURCE_HPP
#define HOLDFAST_STAGED_SOURCE_HPP

#include <algorithm>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "holdfast/adaptor/updates.hpp"
#include "holdfast/concepts.hpp"
#include "holdfast/config.hpp"
#include "holdfast/detail/fork.hpp"
#include "holdfast/detail/manifest.hpp"
#include "holdfast/detail/manifest_text.hpp"
#include "holdfast/detail/update_marks.hpp"
#include "holdfast/staged/readers.hpp"
#include "holdfast/staged/view.hpp"
#include "holdfast/update_concepts.hpp"
#include "holdfast/world.hpp"

HOLDFAST_BEGIN

namespace detail {
struct NoHold {};
template <class Register>
struct HoldOf {
  using type = NoHold;
};
template <pinning_register Register>
struct HoldOf<Register> {
  using type = std::vector<hold_of<Register>>;  // one a generation that has parts in it
};

template <class Register>
struct QuietOf {
  using type = NoHold;
};
template <barred_register Register>
struct QuietOf<Register> {
  using type = typename decltype(register_traits<Register>::enter(std::declval<Register&>(),
                                                                  Mode::shared))::value_type;
};

/// The record and which write of the register it is.
struct Loaded {
  Version version;
  Manifest manifest;
};

/// The reading half of a home. Writes nothing, takes no stage lock. Thread-safe.
template <generation_store Store, atomic_register Register>
class Source {
 public:
  using Hold = typename HoldOf<Register>::type;
  using ReadersT = Readers<reader_of<Store>, Hold>;
  using Shown = typename ReadersT::Shown;
  /// As long as it lives nothing that it was entered for takes an update from another process.
  using Quiet = std::optional<typename QuietOf<Register>::type>;

  Source(Store store, Register reg)
      : store_{std::move(store)}, register_{std::move(reg)}, readers_{kernel_random64()} {}

  [[nodiscard]] Store& store() noexcept { return store_; }
  [[nodiscard]] Register& reg() noexcept { return register_; }
  [[nodiscard]] ReadersT& readers() noexcept { return readers_; }
  [[nodiscard]] Birthplace const& born() const noexcept { return readers_.born(); }

  [[nodiscard]] result<std::optional<Loaded>> load() {
    HOLDFAST_TRY(found, register_traits<Register>::load(register_));
    if (!found) return std::optional<Loaded>{};
    HOLDFAST_TRY(manifest, manifest::decode(as_text(found->value)));
    return std::optional{Loaded{found->version, std::move(manifest)}};
  }

  /// The part names as the record has them: those of a parted store, else the store's own name.
  [[nodiscard]] std::vector<std::string> part_names() const {
    if constexpr (parted_store<Store>) {
      return store_traits<Store>::part_names(store_);
    } else if constexpr (requires { store_traits<Store>::name(store_); }) {
      return {std::string{store_traits<Store>::name(store_)}};
    } else {
      return {"store"};
    }
  }

  /// Opens a generation and keeps other processes from dropping it. It is not shown yet. `torn` if
  /// its parts took updates and are not at equal marks.
  [[nodiscard]] result<std::unique_ptr<Shown>> open(Kept kept) {
    HOLDFAST_TRY(opened, look(std::move(kept)));
    HOLDFAST_TRYV(settle_marks(*opened, opened->kept.marks));
    return std::move(opened);
  }
  /// The same for the only one who updates it, between updates.
  [[nodiscard]] result<std::unique_ptr<Shown>> open_unbarred(Kept kept) {
    HOLDFAST_TRY(held, hold(kept));
    HOLDFAST_TRY(reader, open_parts(kept));
    auto opened = std::make_unique<Shown>(std::move(kept), std::move(reader), std::move(held));
    HOLDFAST_TRYV(settle_marks(*opened, opened->kept.marks));
    return opened;
  }
  /// The same as `open`, and it takes no update before `quiet` ends: for a switch to it.
  [[nodiscard]] result<std::unique_ptr<Shown>> open_for_switch(Kept kept, Quiet& quiet) {
    HOLDFAST_TRYV(enter(kept, quiet));
    return open_unbarred(std::move(kept));
  }
  /// Gives what was built the marks of its commit. A part that is carried over is opened again,
  /// since updates of it may have gone on, and takes none before `quiet` ends. `torn` unless its
  /// marks, counted on from those of the generation that it comes from, are those of the commit.
  [[nodiscard]] result<void> settle_build(std::unique_ptr<Shown>& opened,
                                          Kept const* from,
                                          Marks const& commit,
                                          Quiet& quiet) {
    if constexpr (updatable_store<Store>) {
      auto kept = opened->kept;
      bool const carries = std::any_of(kept.parts.begin(), kept.parts.end(),
                                       [&](Generation g) { return g != kept.generation; });
      if (carries && from != nullptr) {
        HOLDFAST_TRY(moves, updates_of(store_, kept.parts));
        if (moves) {
          HOLDFAST_TRYV(enter(kept, quiet));
          HOLDFAST_TRY(held, hold(kept));
          HOLDFAST_TRY(reader, open_parts(kept));
          auto again = std::make_unique<Shown>(std::move(kept), std::move(reader), std::move(held));
          HOLDFAST_TRYV(check_carried(*again, from->marks, commit));
          opened = std::move(again);
        }
      }
    }
    return settle_marks(*opened, commit);
  }
  /// The same, whatever the marks of its parts.
  [[nodiscard]] result<std::unique_ptr<Shown>> look(Kept kept) {
    Quiet quiet;
    return look(std::move(kept), quiet);
  }
  /// The same for who may hold `quiet` already: who enters twice would wait for whoever waits for
  /// him.
  [[nodiscard]] result<std::unique_ptr<Shown>> look(Kept kept, Quiet& quiet) {
    HOLDFAST_TRY(held, hold(kept));
    HOLDFAST_TRY(reader, open_quietly(kept, quiet));
    return std::make_unique<Shown>(std::move(kept), std::move(reader), std::move(held));
  }
  /// The marks of its parts' updates, nothing for one that takes none. If any does, none comes
  /// before `quiet` ends.
  [[nodiscard]] result<std::vector<std::optional<Marks>>> own_marks(Kept const& kept,
                                                                    Quiet& quiet) {
    std::vector<std::optional<Marks>> own;
    if constexpr (updatable_store<Store>) {
      HOLDFAST_TRYV(enter(kept, quiet));
      HOLDFAST_TRY(held, hold(kept));
      HOLDFAST_TRY(reader, open_parts(kept));
      detail::add_marks_of(store_, reader, own);
    }
    return own;
  }
  /// Gives what was opened the marks that it shows: those of its commit, moved on by updates.
  [[nodiscard]] result<void> settle_marks(Shown& opened, Marks const& committed) {
    if constexpr (updatable_store<Store>) {
      std::vector<std::optional<Marks>> own;
      detail::add_marks_of(store_, opened.reader, own);
      std::vector<Marks> parts;
      for (auto const& part : own) {
        opened.moves = opened.moves || part.has_value();
        parts.push_back(merged(committed, part.value_or(Marks{})));
      }
      if (!all_equal(parts)) return failure(errc::torn, "open: parts at unequal marks");
      opened.kept.marks = std::move(parts.front());
    } else {
      opened.kept.marks = committed;
    }
    return ok();
  }

  /// Keeps other processes from dropping a generation, and those it has parts of.
  [[nodiscard]] result<Hold> hold(Kept const& kept) {
    Hold hold{};
    if constexpr (pinning_register<Register>) {
      auto pinned = kept.parts;
      std::sort(pinned.begin(), pinned.end());
      pinned.erase(std::unique(pinned.begin(), pinned.end()), pinned.end());
      for (auto const g : pinned) {
        HOLDFAST_TRY(one, register_traits<Register>::pin(register_, g));
        hold.push_back(std::move(one));
      }
    }
    return hold;
  }

  /// Gives the outside names to a generation's parts.
  [[nodiscard]] result<void> publish(Kept const& kept) requires publishing_store<Store> {
    if constexpr (requires { store_traits<Store>::publish_parts(store_, kept.parts); }) {
      return store_traits<Store>::publish_parts(store_, kept.parts);
    } else {
      return store_traits<Store>::publish(store_, kept.generation);
    }
  }

  /// Shows what the record names now: the generation if that changed anything.
  [[nodiscard]] result<std::optional<Generation>> refresh() {
    if (born().left()) return failure(errc::forked, "refresh");
    std::lock_guard const guard{refreshing_};
    auto switched = try_refresh();
    trouble_.reset();
    if (!switched) trouble_ = switched.error();
    return switched;
  }

  /// Puts a newer state of the generation that is shown, or of another, in front of readers.
  void move_on(std::unique_ptr<Shown> next) {
    std::lock_guard const guard{refreshing_};
    trouble_.reset();
    readers_.show(std::move(next));
    readers_.reclaim();
  }
  /// Why there is nothing newer to show.
  void complain(error const& why) {
    std::lock_guard const guard{refreshing_};
    trouble_ = why;
  }

  /// Puts an opened generation in front of readers.
  void show(std::unique_ptr<Shown> next) {
    std::lock_guard const guard{refreshing_};
    trouble_.reset();
    auto const* const current = readers_.current();
    if (current != nullptr && current->kept.sequence >= next->kept.sequence) return;
    readers_.show(std::move(next));
  }

  // Inlined by every compiler: the call would cost more than the view.
  [[nodiscard, gnu::always_inline]] result<View<Shown>> view() {
    auto const protection = readers_.protect();
    if (protection.shown == nullptr) [[unlikely]] {
      return failure(why_nothing());
    }
    return result<View<Shown>>{boost::outcome_v2::in_place_type<View<Shown>>, protection};
  }

  [[nodiscard]] result<Pin<Shown>> pin(std::shared_ptr<void> keeper) {
    auto protection = readers_.protect();
    if (protection.shown == nullptr) return failure(why_nothing());
    protection.shown->pins.fetch_add(1, std::memory_order_relaxed);
    protection.release();  // counted before: the reclaimer reads the slots first
    return Pin<Shown>{std::move(keeper), protection.shown};
  }

  /// Those of the generation that is shown, if one is.
  [[nodiscard]] std::optional<Marks> shown_marks() {
    auto const protection = readers_.protect();
    if (protection.shown == nullptr) return std::nullopt;
    auto marks = protection.shown->kept.marks;
    protection.release();
    return marks;
  }

  /// Why the last `refresh` showed nothing new, if it failed.
  [[nodiscard]] std::optional<error> trouble() {
    std::lock_guard const guard{refreshing_};
    return trouble_;
  }

 private:
  [[nodiscard]] result<void> enter([[maybe_unused]] Kept const& kept,
                                   [[maybe_unused]] Quiet& quiet) {
    if constexpr (updatable_store<Store> && barred_register<Register>) {
      if (quiet) return ok();
      HOLDFAST_TRY(moves, updates_of(store_, kept.parts));
      if (!moves) return ok();
      HOLDFAST_TRY(entered, register_traits<Register>::enter(register_, Mode::shared));
      quiet.emplace(std::move(entered));
    }
    return ok();
  }
  [[nodiscard]] result<void> check_carried(Shown const& opened,
                                           Marks const& from,
                                           Marks const& commit) {
    std::vector<std::optional<Marks>> own;
    detail::add_marks_of(store_, opened.reader, own);
    auto const names = part_names();
    for (std::size_t i = 0; i < own.size() && i < opened.kept.parts.size(); ++i) {
      if (!own[i] || opened.kept.parts[i] == opened.kept.generation) continue;
      if (merged(from, *own[i]) == commit) continue;
      return failure(errc::torn, "commit: a part that is carried over is at other marks",
                     i < names.size() ? names[i] : std::string{});
    }
    return ok();
  }
  // Between the transactions of an update its parts are at unequal marks: none is under way behind
  // the barrier.
  [[nodiscard]] result<reader_of<Store>> open_quietly(Kept const& kept, Quiet& held) {
    if (held) return open_parts(kept);
    Quiet quiet;
    HOLDFAST_TRYV(enter(kept, quiet));
    return open_parts(kept);
  }
  [[nodiscard]] result<reader_of<Store>> open_parts(Kept const& kept) {
    if constexpr (mixing_store<Store>) {
      return store_traits<Store>::open_parts(store_, kept.parts);
    } else {
      bool const mixed = std::any_of(kept.parts.begin(), kept.parts.end(),
                                     [&](Generation g) { return g != kept.generation; });
      if (mixed) return failure(errc::newer_format, "open", "parts of several generations");
      return store_traits<Store>::open(store_, kept.generation);
    }
  }

  // Between reading the record and pinning, another process may retire the generation: then the
  // record has changed.
  [[nodiscard]] result<std::optional<Generation>> try_refresh() {
    for (int attempt = 0;; ++attempt) {
      HOLDFAST_TRY(loaded, load());
      if (!loaded || loaded->manifest.current.number == 0) return std::optional<Generation>{};
      auto const* kept = manifest::find(loaded->manifest, loaded->manifest.current);
      auto const* current = readers_.current();
      bool const known = current != nullptr && current->kept.sequence >= kept->sequence;
      if (known && (!current->moves || current->kept.sequence > kept->sequence))
        return std::optional<Generation>{};
      auto opened = open(*kept);
      if (known && opened && opened.assume_value()->kept.marks == current->kept.marks) {
        // No update since. What was opened now holds up less: a log that was read from can end.
        readers_.show(std::move(opened).assume_value());
        readers_.reclaim();
        return std::optional<Generation>{};
      }
      HOLDFAST_TRY(after, load());
      bool const stays = after && manifest::find(after->manifest, kept->generation) != nullptr;
      if (opened && stays) {
        readers_.show(std::move(opened).assume_value());
        readers_.reclaim();
        return std::optional{kept->generation};
      }
      if (attempt == 16 || (!opened && stays && opened.error().code() != errc::busy)) {
        if (!opened) return detail::failed(opened);
        return failure(errc::busy, "refresh",
                       "the current generation changes faster than it opens");
      }
    }
  }

  // An error and not a result: a view stays in registers where nothing takes its address.
  [[nodiscard, gnu::noinline]] error why_nothing() {
    if (born().left()) return error{errc::forked, "view"};
    auto const why = trouble();
    return why ? *why : error{errc::no_generation, "view"};
  }

  Store store_;
  Register register_;
  ReadersT readers_;  // after the register: its holds end first
  std::mutex refreshing_;
  std::optional<error> trouble_;
};
}  // namespace detail

HOLDFAST_END

#endif

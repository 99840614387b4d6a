// SPDX-License-Identifier: BSL-1.0
// Updates the current generation in place between rebuilds, part by part with one mark, and shows
// only states in which all parts have it.
//
// The order of effects of an update:
//   1. lock UPDATES, for the object's life      one process updates a home
//   2. barrier, exclusively                     no other process opens a reader, or commits what
//                                               has a part of this, in between
//   3. record: the generation is still current  else nothing is fed to a retired one
//   4. each part: data and marks, one transaction, durable
//   5. barrier let go, a reader of the new state shown here
// A crash within 4 leaves parts at unequal marks. Nothing shows that state; the feed is replayed
// from the least of them, and a part that is further on skips what it has. That is whole updates:
// until the parts are equal no update goes past what the furthest of them has.
#ifndef HOLDFAST_STAGED_UPDATER_HPP
#define HOLDFAST_STAGED_UPDATER_HPP

#include <concepts>
#include <cstddef>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "holdfast/adaptor/updates.hpp"
#include "holdfast/concepts.hpp"
#include "holdfast/config.hpp"
#include "holdfast/detail/fork.hpp"
#include "holdfast/detail/manifest.hpp"
#include "holdfast/detail/update_marks.hpp"
#include "holdfast/ids.hpp"
#include "holdfast/lock_concepts.hpp"
#include "holdfast/result.hpp"
#include "holdfast/staged/housekeeping.hpp"
#include "holdfast/staged/operations.hpp"
#include "holdfast/staged/source.hpp"
#include "holdfast/update_concepts.hpp"
#include "holdfast/world.hpp"

HOLDFAST_BEGIN

/// What an update did. It stands, whatever `housekeeping` says.
struct Applied {
  Marks marks;           ///< of all parts now
  bool skipped = false;  ///< every part had it already: nothing was done
  /// Why the new state can't be shown; views stay with the one before.
  std::optional<error> housekeeping{};
};

namespace detail {
template <updatable_store Store, atomic_register Register, lock_policy Locking, world W>
class UpdaterCore {
 public:
  using Source = detail::Source<Store, Register>;
  using Shown = typename Source::Shown;
  using Batch = batch_of<Store>;

  UpdaterCore(Store store, Register reg, Locking lock, W world)
      : only_{std::move(lock)},
        source_{std::move(store), std::move(reg)},
        world_{std::move(world)} {}
  UpdaterCore(UpdaterCore const&) = delete;
  UpdaterCore& operator=(UpdaterCore const&) = delete;

  [[nodiscard]] Source& source() noexcept { return source_; }

  [[nodiscard]] result<void> open() {
    std::lock_guard const guard{mutex_};
    HOLDFAST_TRY(grant,
                 lock_traits<Locking>::try_acquire(only_.lock, world_.self(), FencingToken{}));
    only_.grant.emplace(std::move(grant));
    return follow();
  }

  [[nodiscard]] result<Marks> marks() {
    std::lock_guard const guard{mutex_};
    HOLDFAST_TRYV(usable("marks"));
    return least(target_->marks);
  }

  [[nodiscard]] result<Applied> apply(Marks const& update, Batch const& batch) {
    std::lock_guard const guard{mutex_};
    HOLDFAST_TRYV(usable("apply"));
    // Of every part before any has it: what one refuses is refused.
    auto const fresh = any_wants(target_->marks, update, "updater");
    if (!fresh || !fresh.assume_value()) {
      HOLDFAST_TRYV(check_current());
      HOLDFAST_TRYV(fresh);
      return Applied{least(target_->marks), true, show_again()};
    }
    auto const applied = behind_barrier(update, batch);
    if (!applied) {
      if (applied.error().code() == errc::conflict) return detail::failed(applied);
      // How far it came is read again: what is not known is not gone by.
      if (applied.error().code() == errc::sync_failed) broken_ = applied.error();
      auto const found = read_marks(target_->held.kept);
      if (!found && !broken_) broken_ = found.error();
      if (found) target_->marks = found.assume_value();
      return detail::failed(applied);
    }
    for (auto& part : target_->marks) {
      HOLDFAST_TRY(wants, is_fresh(part, update, "updater"));
      if (wants) part = merged(std::move(part), update);
    }
    return Applied{least(target_->marks), false, show()};
  }

  [[nodiscard]] result<bool> refresh() {
    std::lock_guard const guard{mutex_};
    if (source_.born().left()) return failure(errc::forked, "refresh");
    HOLDFAST_TRY(loaded, source_.load());
    if (target_ && loaded && !broken_ && is_target(loaded->manifest)) {
      show_again();  // where it can't be shown, `view` says why
      return false;
    }
    HOLDFAST_TRYV(follow());
    return true;
  }

 private:
  // The generation that is updated: held, so that nobody drops it, and how far each part is.
  struct Target {
    HeldGeneration<Source> held;
    std::vector<Marks> marks;
  };
  // Declared before what it protects: let go once every database is closed, so that whoever comes
  // next finds them free.
  struct Only {
    explicit Only(Locking policy) : lock{std::move(policy)} {}
    Only(Only const&) = delete;
    Only& operator=(Only const&) = delete;
    ~Only() {
      // A lock that can't be let go lapses with its process; there is nobody to tell here.
      if (grant && !born.left()) static_cast<void>(lock_traits<Locking>::release(lock, *grant));
    }
    Locking lock;
    std::optional<grant_of<Locking>> grant{};
    Birthplace born{};
  };

  [[nodiscard]] result<void> usable(char const* where) const {
    if (source_.born().left()) return failure(errc::forked, where);
    if (broken_) return failure(errc::poisoned, where, broken_->detail());
    if (!target_) return failure(errc::no_generation, where);
    return ok();
  }

  // Moves to what the record names now.
  [[nodiscard]] result<void> follow() {
    HOLDFAST_TRY(held, hold_generation(source_, std::nullopt, "update"));
    HOLDFAST_TRYV(check_updatable(held.kept));
    HOLDFAST_TRY(marks, read_marks(held.kept));
    target_.emplace(Target{std::move(held), std::move(marks)});
    broken_.reset();
    show();  // where it can't be shown, `view` says why
    return ok();
  }

  // Refused before any part is changed: one that can't follow would be torn from the others for
  // good, and without the marks of its commit nobody knows where a part is.
  [[nodiscard]] result<void> check_updatable(Kept const& kept) {
    HOLDFAST_TRY(each, updates_of_each(source_.store(), kept.parts));
    auto const names = source_.part_names();
    for (std::size_t i = 0; i < each.size(); ++i) {
      if (each[i]) continue;
      return failure(errc::invalid, "update: a part was sealed without updates",
                     i < names.size() ? names[i] : std::string{});
    }
    if (!kept.marks.empty()) return ok();
    return failure(errc::invalid, "update: the record has no marks to go on from",
                   "commit with marks, or give them to rebuild_register");
  }

  // A part without marks of its own is where its commit was.
  [[nodiscard]] result<std::vector<Marks>> read_marks(Kept const& kept) {
    HOLDFAST_TRY(parts, marks_at(source_.store(), kept.parts));
    std::vector<Marks> all;
    for (auto const& own : parts) all.push_back(merged(kept.marks, own));
    return all;
  }

  [[nodiscard]] bool is_target(Manifest const& m) const {
    auto const* const kept = manifest::find(m, m.current);
    auto const& ours = target_->held.kept;
    return kept != nullptr && kept->generation == ours.generation && kept->parts == ours.parts;
  }
  [[nodiscard]] result<void> check_current() {
    HOLDFAST_TRY(loaded, source_.load());
    if (loaded && is_target(loaded->manifest)) return ok();
    return failure(errc::conflict, "apply: another generation is current; refresh");
  }

  [[nodiscard]] result<void> behind_barrier(Marks const& update, Batch const& batch) {
    if constexpr (barred_register<Register>) {
      HOLDFAST_TRY(alone, register_traits<Register>::enter(source_.reg(), Mode::exclusive));
      HOLDFAST_TRYV(check_current());
      return apply_to(source_.store(), target_->held.kept.parts, batch, update);
    } else {
      HOLDFAST_TRYV(check_current());
      return apply_to(source_.store(), target_->held.kept.parts, batch, update);
    }
  }

  // No barrier: nobody but this object changes anything, and its mutex is held.
  std::optional<error> show() {
    auto next = housekeep([&]() -> std::optional<error> {
      if (!all_equal(target_->marks)) return error{errc::torn, "update: replay the feed"};
      auto opened = source_.open_unbarred(target_->held.kept);
      if (!opened) return opened.error();
      source_.move_on(std::move(opened).assume_value());
      return std::nullopt;
    });
    if (next) source_.complain(*next);
    return next;
  }

  // What could not be shown once may be now. The mutex is held: nobody else shows or reclaims.
  std::optional<error> show_again() {
    auto const* const now = source_.readers().current();
    bool const right = now != nullptr && !source_.trouble() &&
                       now->kept.sequence == target_->held.kept.sequence &&
                       now->kept.marks == target_->marks.front();
    if (right) return std::nullopt;
    return show();
  }

  Only only_;  // the first: it ends last
  Source source_;
  W world_;
  std::mutex mutex_;
  std::optional<Target> target_;
  std::optional<error> broken_;  // what is on the disk is not known since
};
}  // namespace detail

/// A home opened for updates of its current generation; made by `open_updater`. Movable; handles
/// stay valid. May be used from any thread. Views must end before it does.
template <updatable_store Store, atomic_register Register, lock_policy Locking, world W>
class Updater {
  using Core = detail::UpdaterCore<Store, Register, Locking, W>;

 public:
  using view_type = View<typename Core::Shown>;
  using pin_type = Pin<typename Core::Shown>;
  using batch_type = typename Core::Batch;

  explicit Updater(std::shared_ptr<Core> core) noexcept : core_{std::move(core)} {}

  /// Where the feed has to go on: what every part has. After a crash some parts may have more;
  /// until they are equal the feed is replayed with the bounds that its updates had.
  [[nodiscard]] result<Marks> marks() const {
    if (!core_) return failure(errc::spent, "marks");
    return core_->marks();
  }

  /// Applies an update to every part, durable on return, and shows the new state; `batches` are
  /// those of the parts in their order. Parts that have it already skip it. `invalid` if its marks
  /// are in part reached, or if it goes past the furthest part while parts differ: that part would
  /// be given again what it has, so replay the updates as they were. `conflict` once another
  /// generation is current: nothing was applied then, and `refresh` moves on. `timed_out` if
  /// another process has been opening a reader for so long. After any other error apply the same
  /// again, or go on from `marks`; after `sync_failed` all answer `poisoned`, and the home has to
  /// be opened again. RocksDB tells a failed sync as `io`, and may refuse what comes after it.
  /// Loads the record once.
  template <class... Batches>
  requires std::constructible_from<batch_type, Batches...>
  [[nodiscard]] result<Applied> apply(Marks const& marks, Batches&&... batches) {
    if (!core_) return failure(errc::spent, "apply");
    return core_->apply(marks, batch_type{std::forward<Batches>(batches)...});
  }

  /// Moves to the generation that a commit or revert made current. True if it did: the feed goes on
  /// from `marks`.
  [[nodiscard]] result<bool> refresh() {
    if (!core_) return failure(errc::spent, "refresh");
    return core_->refresh();
  }

  /// The newest state in which all parts are at equal marks, for this scope. Never waits. `torn`
  /// while a crash has left none, until the feed is replayed.
  [[nodiscard]] result<view_type> view() const {
    if (!core_) [[unlikely]] {
      return failure(errc::spent, "view");
    }
    return core_->source().view();
  }
  /// The same, for as long as the handle lives.
  [[nodiscard]] result<pin_type> pin() const {
    if (!core_) return failure(errc::spent, "pin");
    return core_->source().pin(core_);
  }

 private:
  std::shared_ptr<Core> core_;
};

HOLDFAST_END

#endif

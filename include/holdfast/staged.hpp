// SPDX-License-Identifier: BSL-1.0
// Builds derived state aside, switches to it in one atomic step, and shows readers one generation
// of everything.
//
// Laws S1 to S19. In short: readers never see a mix and never wait; a commit is all or nothing over
// every part, its marks included; a crash anywhere leaves the old or the new; nothing that the
// record does not list is ever dropped.
#ifndef HOLDFAST_STAGED_HPP
#define HOLDFAST_STAGED_HPP

#include <concepts>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "holdfast/adaptor/together.hpp"
#include "holdfast/backend/file_register.hpp"
#include "holdfast/concepts.hpp"
#include "holdfast/config.hpp"
#include "holdfast/explain.hpp"
#include "holdfast/file_ops.hpp"
#include "holdfast/lock_concepts.hpp"
#include "holdfast/policy/file_lock.hpp"
#include "holdfast/resume_concepts.hpp"
#include "holdfast/staged/core.hpp"
#include "holdfast/staged/follower.hpp"
#include "holdfast/staged/handles.hpp"
#include "holdfast/staged/home.hpp"
#include "holdfast/staged/operations.hpp"
#include "holdfast/staged/rebuild.hpp"
#include "holdfast/staged/refused.hpp"
#include "holdfast/staged/updater.hpp"
#include "holdfast/staged/view.hpp"
#include "holdfast/world.hpp"

HOLDFAST_BEGIN

/// A home opened for building and reading; made by `open_staged`. Movable; handles stay valid. May
/// be used from any thread. Views must end before it does.
template <generation_store Store, atomic_register Register, lock_policy Locking, world W>
class Staged {
  using Core = detail::StagedCore<Store, Register, Locking, W>;

 public:
  using stage_type = Stage<Core>;
  using ready_type = Ready<Core>;
  using view_type = View<typename Core::Shown>;
  using pin_type = Pin<typename Core::Shown>;

  explicit Staged(std::shared_ptr<Core> core) noexcept : core_{std::move(core)} {}

  /// Starts a build of the next generation; readers go on. `busy`, naming the holder, while another
  /// builds; `full` while too many old generations are still read.
  [[nodiscard]] result<stage_type> stage() {
    if (!core_) return failure(errc::spent, "stage");
    HOLDFAST_TRY(attempt, core_->template stage<typename Core::Whole>());
    return stage_type{core_, std::move(attempt)};
  }
  /// The same for some parts of a `Together`, named by `hf::only<I...>`: the others are carried
  /// over from the current generation, unchanged. `no_generation` before the first commit.
  template <std::size_t... I>
  requires(detail::selects<Store, I...>)
      [[nodiscard]] result<Stage<Core, detail::Some<Store, I...>>> stage(Only<I...>) {
    if (!core_) return failure(errc::spent, "stage");
    HOLDFAST_TRY(attempt, core_->template stage<detail::Some<Store, I...>>());
    return Stage<Core, detail::Some<Store, I...>>{core_, std::move(attempt)};
  }

  /// The same, going on with what a builder left that died, or let its handle `leave`: as it was at
  /// its last note, which `notes` tells. Where it noted nothing, or is not surely dead, begins
  /// anew. What it left is there as long as nobody calls `stage`, or opens the home without
  /// `keep_interrupted`.
  [[nodiscard]] result<stage_type> resume() requires resuming_store<Store> {
    if (!core_) return failure(errc::spent, "resume");
    HOLDFAST_TRY(attempt, core_->template stage<typename Core::Whole>(true));
    return stage_type{core_, std::move(attempt)};
  }
  template <std::size_t... I>
  requires(resuming_store<Store>&& detail::selects<Store, I...>)
      [[nodiscard]] result<Stage<Core, detail::Some<Store, I...>>> resume(Only<I...>) {
    if (!core_) return failure(errc::spent, "resume");
    HOLDFAST_TRY(attempt, core_->template stage<detail::Some<Store, I...>>(true));
    return Stage<Core, detail::Some<Store, I...>>{core_, std::move(attempt)};
  }

  /// The same, beginning as a copy of the current generation, as it is shown now: `marks` of the
  /// stage tells how far that is, and `catch_up` goes on from there. What updates come after it, a
  /// commit without catching up takes back. `no_generation` before the first commit.
  [[nodiscard]] auto stage_from_current() requires cloning_store<Store> {
    using Answer = result<stage_type>;
    if (!core_) return Answer{failure(errc::spent, "stage")};
    auto attempt = core_->template stage<detail::Copied<Store>>();
    if (!attempt) return Answer{detail::failed(attempt)};
    return Answer{stage_type{core_, std::move(attempt).assume_value()}};
  }

  /// The current generation, for this scope. Never waits. `no_generation` before the first commit.
  [[nodiscard, gnu::always_inline]] result<view_type> view() const {
    if (!core_) [[unlikely]] {
      return failure(errc::spent, "view");
    }
    return core_->source().view();
  }

  /// The current generation, for as long as the handle lives and wherever it goes.
  [[nodiscard]] result<pin_type> pin() const {
    if (!core_) return failure(errc::spent, "pin");
    return core_->source().pin(core_);
  }

  /// Makes a retained generation current again. A build under way will get `conflict`.
  [[nodiscard]] result<Committed> revert(Generation to) {
    if (!core_) return failure(errc::spent, "revert");
    return core_->revert(to);
  }

  /// Stops every commit until `unhold`, also one that is under way: it answers `held`, naming the
  /// reason (at most 120 bytes). Views, `revert` and collection go on.
  [[nodiscard]] result<void> hold(std::string_view reason) {
    if (!core_) return failure(errc::spent, "hold");
    return core_->hold(reason);
  }
  [[nodiscard]] result<void> unhold() {
    if (!core_) return failure(errc::spent, "unhold");
    return core_->unhold();
  }

  /// Settles a commit that answered `uncertain`, in this process or after a restart.
  [[nodiscard]] result<Outcome> resolve(Ticket const& ticket) {
    if (!core_) return failure(errc::spent, "resolve");
    return core_->resolve(ticket);
  }

  /// Puts right what a failure left; not needed after a crash, opening does it.
  [[nodiscard]] result<void> recover() {
    if (!core_) return failure(errc::spent, "recover");
    return core_->recover();
  }

  /// Shows what other processes committed or reverted to. True if that changed something.
  [[nodiscard]] result<bool> refresh() {
    if (!core_) return failure(errc::spent, "refresh");
    return core_->refresh();
  }

  /// Deletes what retires and is not read any more. A commit does this too.
  [[nodiscard]] result<Collected> collect() {
    if (!core_) return failure(errc::spent, "collect");
    return core_->collect();
  }

  /// Looks at every byte of a retained generation, part by part; readers and builds go on.
  [[nodiscard]] result<std::vector<PartVerdict>> verify(Generation g) const {
    if (!core_) return failure(errc::spent, "verify");
    return detail::verify_generation(core_->source(), g);
  }
  /// Copies the current generation into a new home in the directory `to`, whose stores are named
  /// like these; readers and builds go on. `exists` if anything is there already.
  template <class... Stores>
  requires copying_store<Store>
  [[nodiscard]] result<Generation> backup(std::string const& to, Stores... stores) const {
    if (!core_) return failure(errc::spent, "backup");
    return detail::back_up_to<Store>(core_->source(), to, std::move(stores)...);
  }

  /// What a generation takes of the disk, also one that is being built, with what updates added;
  /// nothing where its stores can't tell.
  [[nodiscard]] result<std::optional<std::uint64_t>> disk_bytes(Generation g) const {
    if (!core_) return failure(errc::spent, "disk_bytes");
    return core_->disk_bytes(g);
  }
  [[nodiscard]] result<Status> status() const {
    if (!core_) return failure(errc::spent, "status");
    return core_->status();
  }
  [[nodiscard]] State state() const noexcept { return core_ ? core_->state() : State::none; }

 private:
  std::shared_ptr<Core> core_;
};

/// Opens a home for building and reading: recovers what a crash left unless another process builds
/// just now, and shows the current generation. Every part of `store` must live and reach as far as
/// `reg`.
template <class Store, class Register, class Locking, class W = Native>
[[nodiscard]] auto open_staged(
    StagedOptions options, Store store, Register reg, Locking lock, W world = {}) {
  if constexpr (explain_staged<Store, Register, Locking>()) {
    using Opened = Staged<Store, Register, Locking, W>;
    using Core = detail::StagedCore<Store, Register, Locking, W>;
    auto core = std::make_shared<Core>(options, std::move(store), std::move(reg), std::move(lock),
                                       std::move(world));
    auto opened = core->open();
    if (!opened) return result<Opened>{detail::failed(opened)};
    return result<Opened>{Opened{std::move(core)}};
  } else {
    return detail::refused{};
  }
}

namespace detail {
// What the short forms take: not what belongs to the long one.
template <class T>
concept store_argument =
    !std::same_as<T, StagedOptions> && !world<T> && !atomic_register<T> && !lock_policy<T>;
}  // namespace detail

/// The same for a home in a directory, which is made if it is missing: the record in HOME/CURRENT,
/// the lock in HOME/LOCK, each store in HOME/its name. Several stores become one `Together`.
template <world W, detail::store_argument... Stores>
requires(sizeof...(Stores) > 0) [[nodiscard]] auto open_staged(std::string home,
                                                               StagedOptions options,
                                                               W world,
                                                               Stores... stores) {
  if constexpr (detail::explain_placed<Stores...>()) {
    using Store = decltype(detail::together(home, std::move(stores)...));
    using Opened = decltype(open_staged(options, std::declval<Store>(), FileRegister{home},
                                        FileLock{home}, world));
    auto made = detail::make_home(Posix{}, home);
    if (!made) return Opened{detail::failed(made)};
    return open_staged(options, detail::together(home, std::move(stores)...),
                       FileRegister{detail::join(home, "CURRENT")},
                       FileLock{detail::join(home, "LOCK")}, std::move(world));
  } else {
    return detail::refused{};
  }
}
template <detail::store_argument... Stores>
requires(sizeof...(Stores) > 0)
    [[nodiscard]] auto open_staged(std::string home, StagedOptions options, Stores... stores) {
  return open_staged(std::move(home), options, Native{}, std::move(stores)...);
}
template <detail::store_argument... Stores>
requires(sizeof...(Stores) > 0) [[nodiscard]] auto open_staged(std::string home, Stores... stores) {
  return open_staged(std::move(home), StagedOptions{}, Native{}, std::move(stores)...);
}

/// Opens a home for reading only, from any process: never writes, locks out a builder or recovers,
/// and needs no permission to write. Call `refresh` to follow switches made elsewhere.
template <class Store, class Register>
requires(!std::convertible_to<Store, std::string>)
    [[nodiscard]] auto open_view(Store store, Register reg) {
  if constexpr (explain_store<Store>() && explain_register<Register>() &&
                explain_guarantees<Store, Register>()) {
    using Opened = Follower<Store, Register>;
    auto source =
        std::make_shared<detail::Source<Store, Register>>(std::move(store), std::move(reg));
    auto loaded = source->load();
    if (!loaded) return result<Opened>{detail::failed(loaded)};
    static_cast<void>(source->refresh());  // kept as the answer of `view`
    return result<Opened>{Opened{std::move(source)}};
  } else {
    return detail::refused{};
  }
}
template <class... Stores>
requires(sizeof...(Stores) > 0) [[nodiscard]] auto open_view(std::string home, Stores... stores) {
  if constexpr (detail::explain_placed<Stores...>()) {
    return open_view(detail::together(home, std::move(stores)...),
                     FileRegister{detail::join(home, "CURRENT")});
  } else {
    return detail::refused{};
  }
}

/// Opens a home for updates of its current generation, between rebuilds: by one process at a time,
/// `busy` names it. Builders and readers go on.
template <class Store, class Register, class Locking, class W = Native>
requires(!std::convertible_to<Store, std::string>)
    [[nodiscard]] auto open_updater(Store store, Register reg, Locking lock, W world = {}) {
  if constexpr (explain_staged<Store, Register, Locking>() && explain_updates<Store>()) {
    using Opened = Updater<Store, Register, Locking, W>;
    auto core = std::make_shared<detail::UpdaterCore<Store, Register, Locking, W>>(
        std::move(store), std::move(reg), std::move(lock), std::move(world));
    auto opened = core->open();
    if (!opened) return result<Opened>{detail::failed(opened)};
    return result<Opened>{Opened{std::move(core)}};
  } else {
    return detail::refused{};
  }
}
/// The same for a home in a directory, with the lock in HOME/UPDATES.
template <class... Stores>
requires(sizeof...(Stores) > 0)
    [[nodiscard]] auto open_updater(std::string home, Stores... stores) {
  if constexpr (detail::explain_placed<Stores...>()) {
    return open_updater(detail::together(home, std::move(stores)...),
                        FileRegister{detail::join(home, "CURRENT")},
                        FileLock{detail::join(home, "UPDATES")});
  } else {
    return detail::refused{};
  }
}

/// What can be done about a home whose record is missing, unreadable or older than what it names:
/// which generations are whole, and which of them it should be given back. Touches nothing, takes
/// no lock, needs no permission to write.
template <detail::store_argument... Stores>
requires(sizeof...(Stores) > 0)
    [[nodiscard]] result<RebuildPlan> plan_rebuild(std::string home, Stores... stores) {
  auto store = detail::together(home, std::move(stores)...);
  return detail::Rebuilder{std::move(home), std::move(store), Posix{}, Native{}}.plan();
}
/// Gives the home a new record that names one candidate of a plan and fences out whoever builds.
/// What is left of the old record gets another name; other generations stay, and are foreign from
/// then on. `exists` if the record can be used, `busy` while a builder holds the lock.
template <detail::store_argument... Stores>
requires(sizeof...(Stores) > 0)
    [[nodiscard]] result<Rebuilt> rebuild_register(std::string home,
                                                   RebuildCandidate const& chosen,
                                                   RebuildOptions const& options,
                                                   Stores... stores) {
  auto store = detail::together(home, std::move(stores)...);
  return detail::Rebuilder{std::move(home), std::move(store), Posix{}, Native{}}.rebuild(chosen,
                                                                                         options);
}

HOLDFAST_END

#endif

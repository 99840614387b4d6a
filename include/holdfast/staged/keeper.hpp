// SPDX-License-Identifier: BSL-1.0
// Keeps a home in order: recovers what a crash left, deletes what retires, publishes what is
// current, tells the observer.
#ifndef HOLDFAST_STAGED_KEEPER_HPP
#define HOLDFAST_STAGED_KEEPER_HPP

#include <algorithm>
#include <atomic>
#include <cassert>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "holdfast/concepts.hpp"
#include "holdfast/config.hpp"
#include "holdfast/detail/manifest.hpp"
#include "holdfast/detail/manifest_text.hpp"
#include "holdfast/detail/transitions.hpp"
#include "holdfast/lock_concepts.hpp"
#include "holdfast/resume_concepts.hpp"
#include "holdfast/staged/housekeeping.hpp"
#include "holdfast/staged/source.hpp"
#include "holdfast/world.hpp"

HOLDFAST_BEGIN

namespace detail {
/// What every writing operation of a home rests on. `*_locked` wants `mutex_` held, and where it
/// says so the stage lock.
template <generation_store Store, atomic_register Register, lock_policy Locking, world W>
class Keeper {
 public:
  using Source = detail::Source<Store, Register>;
  using Shown = typename Source::Shown;
  using Grant = grant_of<Locking>;

  Keeper(StagedOptions options, Store store, Register reg, Locking lock, W world)
      : options_{options},
        source_{std::move(store), std::move(reg)},
        lock_{std::move(lock)},
        world_{std::move(world)} {}
  Keeper(Keeper const&) = delete;
  Keeper& operator=(Keeper const&) = delete;

  [[nodiscard]] Source& source() noexcept { return source_; }
  [[nodiscard]] State state() const noexcept { return state_.load(std::memory_order_relaxed); }

  /// Closes what nobody reads any more and deletes what retires. Works while others build.
  [[nodiscard]] result<Collected> collect() {
    std::lock_guard const guard{mutex_};
    if (source_.born().left()) return failure(errc::forked, "collect");
    return collect_locked();
  }

  [[nodiscard]] result<bool> refresh() {
    HOLDFAST_TRY(shown, source_.refresh());
    if (shown) tell({.kind = Event::Kind::switched, .generation = *shown});
    return shown.has_value();
  }

  [[nodiscard]] result<std::optional<std::uint64_t>> disk_bytes(Generation g) {
    std::vector<Generation> const parts(source_.part_names().size(), g);
    return disk_bytes_of(source_.store(), parts);
  }
  /// What the record says now; nothing on a home that was never written.
  [[nodiscard]] result<Status> status() {
    if (source_.born().left()) return failure(errc::forked, "status");
    HOLDFAST_TRY(loaded, source_.load());
    Status status;
    if (loaded) status.manifest = std::move(loaded->manifest);
    HOLDFAST_TRY(holder, lock_traits<Locking>::inspect(lock_));
    status.holder = holder;
    status.state = state();
    status.trouble = source_.trouble();
    add_pins(source_, status);
    add_updated(source_, status);
    status.shown = source_.shown_marks();
    std::lock_guard const guard{mutex_};
    status.foreign = foreign_;
    return status;
  }

  /// Stops every commit until `unhold`, also one that is under way: it answers `held`. Needs only
  /// the register.
  [[nodiscard]] result<void> hold(std::string_view reason) {
    if (reason.size() > manifest::max_reason) return failure(errc::too_large, "hold", reason);
    return change("hold", [&](Manifest& m) { m.hold = std::string{reason}; });
  }
  [[nodiscard]] result<void> unhold() {
    return change("unhold", [](Manifest& m) { m.hold.reset(); });
  }

 protected:
  // One store of the record, whoever builds; its new version makes a commit under way fail.
  template <class Edit>
  [[nodiscard]] result<void> change(char const* where, Edit edit) {
    std::lock_guard const guard{mutex_};
    if (source_.born().left()) return failure(errc::forked, where);
    for (int round = 0;; ++round) {
      HOLDFAST_TRY(loaded, require_loaded(where));
      auto next = loaded.manifest;
      edit(next);
      auto const stored = store(loaded.version, as_bytes(manifest::encode(next)));
      if (stored) return ok();
      if (stored.error().code() != errc::conflict || round == 16) return detail::failed(stored);
    }
  }

  // The stage lock for a scope.
  struct Granted {
    Keeper& core;
    Grant& grant;
    Granted(Keeper& c, Grant& g) noexcept : core{c}, grant{g} {}
    Granted(Granted const&) = delete;
    Granted& operator=(Granted const&) = delete;
    ~Granted() { core.release(grant); }
  };
  void tell(Event const& event) noexcept { detail::tell(world_, event); }

  void go(State to, Generation g, error const* cause = nullptr) noexcept {
    auto const from = state_.exchange(to, std::memory_order_relaxed);
    assert(allowed(from, to));
    tell(
        {.kind = Event::Kind::transition, .from = from, .to = to, .generation = g, .cause = cause});
  }

  // Its token exceeds the record's fence, so that recovery can fence out whoever built before.
  [[nodiscard]] result<Grant> acquire() {
    auto const loaded = source_.load();  // an error of the record is told once the lock is had
    auto const fence =
        loaded && loaded.assume_value() ? loaded.assume_value()->manifest.fence : FencingToken{};
    return lock_traits<Locking>::try_acquire(lock_, world_.self(), fence);
  }

  // A lock that can't be let go lapses with its process; the work that was done under it stands.
  void release(Grant& grant) noexcept {
    auto released = lock_traits<Locking>::release(lock_, grant);
    if (!released) tell({.kind = Event::Kind::lock_failed, .cause = &released.assume_error()});
  }

  [[nodiscard]] result<Loaded> require_loaded(char const* where) {
    HOLDFAST_TRY(loaded, source_.load());
    if (!loaded) return failure(errc::no_generation, where);
    return std::move(*loaded);
  }

  // An exception out of a register leaves open whether it stored.
  [[nodiscard]] result<Version> store(Version expected, bytes_view value) {
    result<Version> stored = failure(errc::uncertain, "store", "the register threw");
    HOLDFAST_MAY_THROW {
      stored = register_traits<Register>::store_if(source_.reg(), expected, value);
    }
    HOLDFAST_CAUGHT {}
    if (!stored && stored.error().code() == errc::uncertain) unsettled_ = true;
    return stored;
  }

  [[nodiscard]] result<void> reopen() {
    HOLDFAST_TRYV(register_traits<Register>::reopen(source_.reg()));
    unsettled_ = false;
    return ok();
  }

  // What recovery could not do: drop an attempt. Reading and reverting go on then, building does
  // not.
  struct Recovery {
    std::optional<error> left;
  };

  // Under the stage lock nobody else builds, so an attempt in the record is one that a crash, a
  // failure or force ended. Its author may still be alive: it is fenced out durably before anything
  // of it is dropped. Gives why an attempt could not be dropped: reading and reverting go on then,
  // building does not.
  // An attempt of one who is surely dead may stay, if it is to be resumed.
  [[nodiscard]] result<Recovery> recover_locked(Grant const& grant, bool may_stay = false) {
    auto const token = grant.token;
    HOLDFAST_TRYV(reopen());
    for (int round = 0;; ++round) {
      HOLDFAST_TRY(loaded, source_.load());
      HOLDFAST_TRY(remains, store_traits<Store>::generations(source_.store()));
      if (!loaded && !remains.empty()) {
        return failure(errc::register_lost, "open",
                       "generation " + std::to_string(remains.back().number));
      }
      auto const version = loaded ? loaded->version : Version::none;
      auto next = loaded ? loaded->manifest : fresh();
      std::optional<error> left;
      if (loaded) {
        HOLDFAST_TRYV(check_home(next, remains));
        bool const stays = may_stay && next.attempt && has_ended(*next.attempt, grant);
        if (!stays && next.attempt && next.fence <= next.attempt->token) {
          next = manifest::fence_out(std::move(next), token);
        } else {
          left = clean(next, stays);
          if (next == loaded->manifest) {
            if (!left) settle_recovery();
            return Recovery{left};
          }
        }
      }
      auto const stored = store(version, as_bytes(manifest::encode(next)));
      bool const again = stored || stored.error().code() == errc::conflict;
      if (!again) return detail::failed(stored);
      if (round == 16) return failure(errc::busy, "recover", "the record changes all the time");
    }
  }

  [[nodiscard]] bool has_ended([[maybe_unused]] AttemptRecord const& attempt,
                               [[maybe_unused]] Grant const& ours) const {
    if constexpr (vouching_lock<Locking>) {
      return lock_.has_ended(attempt.owner, attempt.token, ours);
    } else {
      return false;
    }
  }

  void settle_recovery() {
    dropped_.clear();
    recovered_ = true;
    if (state() == State::failed) go(State::none, {});
  }

  [[nodiscard]] Manifest fresh() {
    Manifest m;
    for (std::size_t i = 0; i < m.home.size(); ++i)
      m.home[i] = static_cast<std::uint8_t>(world_.random64());
    m.part_names = source_.part_names();
    return m;
  }

  // Refuses before anything is touched. What lies there unlisted is reported and left alone.
  [[nodiscard]] result<void> check_home(Manifest const& m, std::vector<Generation> const& remains) {
    if (m.part_names != source_.part_names()) {
      return failure(errc::foreign, "open",
                     "the home has other parts than the store that opens it");
    }
    foreign_.clear();
    for (auto const g : remains) {
      if (g.number >= m.next) {
        return failure(errc::stale_register, "open",
                       "generation " + std::to_string(g.number) + " lies in the store");
      }
      if (manifest::lists(m, g)) continue;
      foreign_.push_back(g);
      tell({.kind = Event::Kind::foreign, .generation = g});
    }
    return ok();
  }

  // Drops what the record lists as ended, and takes it out. The record is confirmed: a load gives
  // nothing else.
  [[nodiscard]] std::optional<error> clean(Manifest& m, bool attempt_stays) {
    std::optional<error> left;
    if (m.attempt && !attempt_stays) {
      auto const g = m.attempt->generation;
      auto const dropped = store_traits<Store>::drop(source_.store(), g);
      if (!dropped) left = dropped.error();
      tell({.kind = left ? Event::Kind::drop_failed : Event::Kind::recovered,
            .generation = g,
            .token = m.attempt->token,
            .cause = left ? &*left : nullptr});
      if (!left) m = manifest::end(std::move(m));
    }
    auto const collected = drop_retiring(m);
    m = manifest::without(std::move(m), collected.dropped);
    m = manifest::without(std::move(m), dropped_);
    return left;
  }

  // `patient` leaves foreign readers of a published name their grace.
  [[nodiscard]] Collected drop_retiring(Manifest const& m, bool patient = true) {
    Collected out;
    for (auto const& retiring : m.retiring) {
      if (contains(dropped_, retiring.generation)) continue;
      if (manifest::carried(m, retiring.generation)) continue;  // parts of it are still current
      auto dropped = drop(retiring, patient);
      auto const* cause = dropped ? nullptr : &dropped.assume_error();
      if (cause == nullptr) {
        out.dropped.push_back(retiring.generation);
      } else {
        out.waiting.push_back(retiring.generation);
        if (cause->code() != errc::pinned && !out.failure) out.failure = *cause;
      }
      tell({.kind = cause == nullptr ? Event::Kind::dropped : Event::Kind::drop_failed,
            .generation = retiring.generation,
            .cause = cause});
    }
    return out;
  }

  [[nodiscard]] result<void> drop(Retiring const& retiring, bool patient) {
    auto const g = retiring.generation;
    if (source_.readers().is_open(g)) return failure(errc::pinned, "drop");
    if (patient && in_grace(retiring)) {
      return failure(errc::pinned, "drop", "grace for readers of the published name");
    }
    if constexpr (pinning_register<Register>) {
      HOLDFAST_TRY(alone, register_traits<Register>::try_exclude(source_.reg(), g));
      return store_traits<Store>::drop(source_.store(), g);
    } else {
      return store_traits<Store>::drop(source_.store(), g);
    }
  }

  // A clock that went back counts as expired: the grace is a courtesy, and what is open stays
  // readable.
  [[nodiscard]] bool in_grace([[maybe_unused]] Retiring const& retiring) const noexcept {
    if constexpr (publishing_store<Store>) {
      auto const age_ms = world_.wall_ns() / 1'000'000 - retiring.since_ms;
      return options_.publish && age_ms >= 0 && age_ms < options_.publish_grace_ms;
    }
    return false;
  }

  [[nodiscard]] result<Collected> collect_locked(bool patient = true) {
    source_.readers().reclaim();
    HOLDFAST_TRY(loaded, source_.load());
    if (!loaded) return Collected{};
    auto out = drop_retiring(loaded->manifest, patient);
    dropped_.insert(dropped_.end(), out.dropped.begin(), out.dropped.end());
    return out;
  }

  // As long as no later commit shows, a write of this one may still be under way: the same value at
  // a new version makes it fail, and any build that is under way too.
  [[nodiscard]] result<Outcome> settle(Ticket const& ticket) {
    for (int round = 0;; ++round) {
      HOLDFAST_TRY(loaded, require_loaded("resolve"));
      auto const outcome = manifest::outcome(loaded.manifest, ticket);
      if (outcome != Outcome::not_committed || loaded.manifest.sequence >= ticket.sequence)
        return outcome;
      auto stored = store(loaded.version, as_bytes(manifest::encode(loaded.manifest)));
      if (stored) return outcome;
      if (stored.error().code() != errc::conflict || round == 16) return detail::failed(stored);
    }
  }

  // Read before and after: a revert in between would else be overtaken by the name of the
  // generation it left.
  std::optional<error> publish_locked() {
    if constexpr (publishing_store<Store>) {
      if (!options_.publish) return {};
      for (int round = 0; round < 16; ++round) {
        auto before = require_loaded("publish");
        if (!before) return before.error();
        auto const& m = before.assume_value().manifest;
        auto const g = m.current;
        if (g.number == 0) return {};
        auto published = source_.publish(*manifest::find(m, g));
        auto const* cause = published ? nullptr : &published.assume_error();
        tell({.kind = published ? Event::Kind::published : Event::Kind::publish_failed,
              .generation = g,
              .cause = cause});
        if (!published) return published.error();
        auto after = require_loaded("publish");
        if (after && after.assume_value().manifest.current == g) return {};
      }
      return error{errc::busy, "publish",
                   "the current generation changes faster than it is published"};
    }
    return {};
  }

  StagedOptions options_;
  Source source_;
  Locking lock_;
  W world_;
  std::mutex mutex_;
  std::atomic<State> state_{State::none};
  std::vector<Generation> dropped_;  // deleted, but still listed as retiring
  std::vector<Generation> foreign_;
  bool recovered_ = false;
  bool unsettled_ = false;  // a store answered `uncertain` since the register was last opened
};
}  // namespace detail

HOLDFAST_END

#endif

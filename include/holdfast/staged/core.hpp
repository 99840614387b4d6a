// SPDX-License-Identifier: BSL-1.0
// Runs the protocol of a home for writing: open, recover, stage, seal, commit, discard, resolve,
// revert, collect.
//
// The order of durable effects of a run:
//   1. register: {fence = token, next = g + 1, attempt = g}   before anything of g exists, so that
//                                                             a crash leaves nothing unlisted
//   2. store:    create(g), fill, seal(g)                     durable, still unseen
//   3. register: {current = g, marks, no attempt}             the commit point
//   4. store:    publish(g), drop of what retires             may fail or be cut off; the next open
//                                                             goes on
#ifndef HOLDFAST_STAGED_CORE_HPP
#define HOLDFAST_STAGED_CORE_HPP

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <memory>
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
#include "holdfast/staged/catch_up.hpp"
#include "holdfast/staged/housekeeping.hpp"
#include "holdfast/staged/resumer.hpp"
#include "holdfast/staged/selection.hpp"
#include "holdfast/staged/source.hpp"
#include "holdfast/world.hpp"

HOLDFAST_BEGIN

namespace detail {
template <generation_store Store, atomic_register Register, lock_policy Locking, world W>
class StagedCore : public Resumer<Store, Register, Locking, W> {
  using Base = Resumer<Store, Register, Locking, W>;
  using Base::acquire, Base::collect_locked, Base::go, Base::publish_locked;
  using Base::begin, Base::building_, Base::check_alive, Base::discard_locked;
  using Base::mutex_, Base::options_, Base::recovered_, Base::recover_locked, Base::release;
  using Base::reopen, Base::require_loaded, Base::settle, Base::store, Base::tell;
  using Base::source_, Base::unsettled_, Base::world_;
  using typename Base::Granted;
  using typename Base::Rollback;
  using typename Base::Source;

 public:
  using typename Base::Attempt;
  using typename Base::AttemptPtr;
  using typename Base::Shown;
  using Whole = detail::Whole<Store>;
  template <std::size_t... I>
  using Some = detail::Some<Store, I...>;
  template <class Writer>
  using AttemptWith = typename Base::template AttemptWith<Writer>;

  using Base::Base;
  // A commit that is still uncertain is left to whoever opens the home next.
  ~StagedCore() {
    if (pending_ && !source_.born().left()) release(pending_->grant);
  }

  /// Recovers if nobody else builds, and shows the current generation. One that can't be opened is
  /// told by `view`: the home can still be reverted or built anew.
  [[nodiscard]] result<void> open() {
    if (options_.retain < 1 || options_.retain > manifest::max_retained) {
      return failure(errc::invalid, "open", "StagedOptions::retain must be from 1 to 48");
    }
    std::lock_guard const guard{mutex_};
    auto grant = acquire();
    if (grant) {
      Granted const granted{*this, grant.assume_value()};
      HOLDFAST_TRYV(recover_locked(grant.assume_value(), options_.keep_interrupted));
      publish_locked();
    } else if (grant.error().code() != errc::busy) {
      return detail::failed(grant);
    }
    static_cast<void>(source_.refresh());  // kept as the answer of `view`
    return ok();
  }

  /// Puts right what a crash or a failure left. Leaves the state `failed`.
  [[nodiscard]] result<void> recover() {
    std::lock_guard const guard{mutex_};
    HOLDFAST_TRYV(check_free("recover"));
    HOLDFAST_TRY(grant, acquire());
    Granted const granted{*this, grant};
    HOLDFAST_TRY(recovery, recover_locked(grant, options_.keep_interrupted));
    if (recovery.left) return failure(*recovery.left);
    publish_locked();
    static_cast<void>(source_.refresh());
    return ok();
  }

  /// `resume`: goes on with what a dead builder left, if there is anything to go on with.
  template <class Selection>
  [[nodiscard]] result<AttemptPtr> stage(bool resume = false) {
    std::lock_guard const guard{mutex_};
    HOLDFAST_TRYV(check_free("stage"));
    HOLDFAST_TRY(grant, acquire());
    auto attempt = Base::template own<Selection>(grant);
    Rollback rollback{*this, attempt};
    bool resumed = false;
    if (resume) {
      HOLDFAST_TRY(taken, Base::take_over_or_begin(*attempt));
      resumed = attempt->resumed = taken;
    } else {
      HOLDFAST_TRYV(begin(*attempt));
    }
    building_ = true;
    go(State::initializing, attempt->generation);
    auto const& m = attempt->manifest;
    auto created = resumed ? result<void>{ok()} : create(*attempt, manifest::find(m, m.current));
    if (!created) {
      attempt->others = created.error().code() == errc::exists;
      return detail::failed(created);
    }
    if (options_.build_bytes != 0) {
      HOLDFAST_TRYV(attempt->limit(options_.build_bytes));
    }
    go(State::processing, attempt->generation);
    rollback.armed = false;
    return attempt;
  }

  /// Without a barrier nothing would keep updates out.
  static constexpr bool can_catch_up = !updatable_store<Store> || barred_register<Register>;
  /// From its success to the commit or the end of the attempt no process updates the home.
  template <class Feed>
  [[nodiscard]] result<CaughtUp> catch_up(Attempt& attempt,
                                          CatchUpOptions const& options,
                                          Feed feed) {
    HOLDFAST_TRYV(check_alive(attempt, "catch_up"));
    if (attempt.resumed && attempt.marks.empty() && options.from.empty()) {
      return failure(errc::invalid, "catch_up: CatchUpOptions::from, as the build was noted");
    }
    auto const within = [&](Pull const& pull) -> result<Pulled> {
      HOLDFAST_TRYV(Base::check_budget(attempt, false));
      return feed(pull);
    };
    attempt.caught_up.reset();
    auto const& before = attempt.manifest;
    CatchUp<Source> work{source_, manifest::find(before, before.current), attempt.carries, options};
    auto caught = work.run(within, attempt.marks, attempt.quiet);
    if (caught) attempt.caught_up = attempt.marks;
    return caught;
  }

  /// Durable, still unseen. May be called again after it failed, unless a sync failed.
  [[nodiscard]] result<void> seal(Attempt& attempt) {
    HOLDFAST_TRYV(check_alive(attempt, "seal"));
    HOLDFAST_TRYV(Base::check_budget(attempt, false));
    auto sealed = attempt.seal(source_.store());
    if (sealed) sealed = Base::check_budget(attempt, true);
    if (sealed) {
      go(State::ready_to_commit, attempt.generation);
    } else if (sealed.error().code() == errc::sync_failed) {
      attempt.lost = true;
    }
    return sealed;
  }

  /// Opens the sealed generation for a look before the switch, which needs it opened anyway.
  [[nodiscard]] result<reader_of<Store> const*> look(Attempt& attempt) {
    HOLDFAST_TRYV(check_alive(attempt, "validate"));
    if (!attempt.opened) {
      HOLDFAST_TRY(opened, source_.look({attempt.generation, 0, {}, attempt.parts}, attempt.quiet));
      attempt.opened = std::move(opened);
    }
    return &attempt.opened->reader;
  }

  /// The switch. An error before anything was written leaves the attempt whole; `conflict`,
  /// `fenced` and other failures discard it; `uncertain` keeps it aside until `resolve`.
  [[nodiscard]] result<Committed> commit(AttemptPtr& attempt, CommitOptions options) {
    std::lock_guard const guard{mutex_};
    HOLDFAST_TRYV(look(*attempt));  // opened before the switch: it can't leave readers with nothing
    HOLDFAST_TRY(marks, marks_of_commit(attempt->caught_up, options.marks));
    manifest::Retention keep{options_.retain, options_.retain_for_ms};
    auto next = committed(*attempt, marks, keep);
    // A record has room for what must stay; what is kept only because it is young gives way to it
    // and to the next attempt.
    while (!fits(next, manifest::attempt_size) && next.retained.size() > options_.retain) {
      keep.most = next.retained.size() - 1;
      next = committed(*attempt, marks, keep);
    }
    if (!fits(next)) {
      return failure(
          errc::too_large, "commit",
          "marks of all retained generations: " + std::to_string(manifest::size_of_marks(next)) +
              " of " + std::to_string(manifest::max_marks) + " bytes");
    }
    auto const text = manifest::encode(next);
    // What is carried over may have taken updates: then the marks of this commit must be its own,
    // and stay so until the record names it.
    auto const& before = attempt->manifest;
    auto const settled = source_.settle_build(
        attempt->opened, manifest::find(before, before.current), marks, attempt->quiet);
    if (!settled) {
      if (!attempt->caught_up) attempt->quiet.reset();
      return detail::failed(settled);
    }
    attempt->opened->kept = next.retained.front();
    attempt->close();
    go(State::committing, attempt->generation);
    auto stored = store(attempt->version, as_bytes(text));
    Ticket const ticket{next.sequence, attempt->nonce, attempt->generation.number};
    if (stored) return switched(std::move(attempt), ticket);
    auto cause = stored.error();
    if (cause.code() == errc::uncertain) {
      // No update comes before it is known: it may be of what this commit has replaced.
      pending_ = std::move(attempt);
      pending_ticket_ = ticket;
      return failure(cause.with(ticket));
    }
    if (cause.code() == errc::conflict) cause = why_conflict(cause, attempt->grant.token);
    discard_locked(std::move(attempt));
    return failure(cause);
  }

  /// Drops the attempt: what readers see does not change. What can't be dropped now is left to
  /// `recover`.
  void discard(AttemptPtr attempt) noexcept {
    if (source_.born().left()) {
      // A forked child only closes, at its end; the mutex may be held for ever.
      static_cast<void>(attempt.release());
      return;
    }
    std::lock_guard const guard{mutex_};
    discard_locked(std::move(attempt));
  }

  /// Settles a commit whose outcome was not known. `unknown` = so long ago that the record has
  /// forgotten it.
  [[nodiscard]] result<Outcome> resolve(Ticket const& ticket) {
    std::lock_guard const guard{mutex_};
    if (source_.born().left()) return failure(errc::forked, "resolve");
    bool const ours = pending_ && pending_ticket_ == ticket;
    if (unsettled_) {
      HOLDFAST_TRYV(reopen());
    }
    HOLDFAST_TRY(outcome, settle(ticket));
    if (!ours) {
      if (outcome == Outcome::committed) follow();
      return outcome;
    }
    auto attempt = std::move(pending_);
    if (outcome == Outcome::committed) {
      static_cast<void>(switched(std::move(attempt), ticket));
    } else {
      discard_locked(std::move(attempt));
    }
    return outcome;
  }

  /// Makes a retained generation current again, with its marks. Needs only the register: works
  /// while others build. `torn` where it shares a part that has taken updates since.
  [[nodiscard]] result<Committed> revert(Generation to) {
    std::lock_guard const guard{mutex_};
    if (source_.born().left()) return failure(errc::forked, "revert");
    for (int attempt = 0;; ++attempt) {
      HOLDFAST_TRY(loaded, require_loaded("revert"));
      auto const nonce = world_.random64();
      HOLDFAST_TRY(next, manifest::revert(loaded.manifest, to, nonce));
      typename Source::Quiet quiet;  // no update comes between the look and the switch
      auto found = source_.open_for_switch(next.retained.front(), quiet);
      if (!found && attempt < 16 && changed_since(loaded.version))
        continue;  // it may have retired meanwhile
      if (!found && found.error().code() == errc::torn) return why_torn(to);
      HOLDFAST_TRY(opened, std::move(found));
      auto stored = store(loaded.version, as_bytes(manifest::encode(next)));
      quiet.reset();
      if (stored) {
        source_.show(std::move(opened));
        tell({.kind = Event::Kind::switched, .generation = to});
        return Committed{to, next.sequence, housekeep([&] { return publish_alone(); })};
      }
      auto const cause = stored.error();
      if (cause.code() == errc::uncertain)
        return failure(cause.with({next.sequence, nonce, to.number}));
      if (cause.code() != errc::conflict || attempt == 16) return failure(cause);
    }
  }

 private:
  [[nodiscard]] Manifest committed(Attempt const& attempt,
                                   Marks const& marks,
                                   manifest::Retention const& keep) {
    return manifest::commit(attempt.manifest, marks, attempt.parts, keep,
                            world_.wall_ns() / 1'000'000);
  }
  [[nodiscard]] bool fits(Manifest const& m, std::size_t beside = 0) {
    return manifest::encode(m).size() + beside <= Base::room() &&
           manifest::size_of_marks(m) <= manifest::max_marks;
  }

  // All parts of a copy are at the marks of one instant, whatever updates come meanwhile.
  [[nodiscard]] result<void> create(Attempt& attempt, Kept const* current) {
    if (!attempt.copies_shown || current == nullptr) {
      return attempt.create(source_.store(), current);
    }
    HOLDFAST_TRY(shown, source_.open(*current));
    return attempt.create_shown(source_.store(), *shown);
  }

  // There is one copy of a part, at the marks of its last update: the others are at those of a
  // past.
  [[nodiscard]] static auto why_torn(Generation to) {
    return failure(errc::torn, "revert",
                   "generation " + std::to_string(to.number) +
                       " shares a part that has taken updates since, so that its parts are at "
                       "unequal marks: revert to another one, or build anew");
  }

  [[nodiscard]] error why_conflict(error const& cause, FencingToken token) {
    auto const loaded = source_.load();
    if (!loaded || !loaded.assume_value()) return cause;
    auto const& m = loaded.assume_value()->manifest;
    if (m.fence > token) return cause.as(errc::fenced);
    if (m.hold) return error{errc::held, "commit", *m.hold};
    return cause;
  }

  [[nodiscard]] result<void> check_free(char const* where) {
    if (source_.born().left()) return failure(errc::forked, where);
    if (pending_) return failure(error{errc::uncertain, where}.with(pending_ticket_));
    if (building_) return failure(errc::busy, where, "this object builds already");
    return ok();
  }

  // After the commit point: nothing here changes the outcome, also where a store throws.
  [[nodiscard]] result<Committed> switched(AttemptPtr attempt, Ticket const& ticket) {
    attempt->quiet.reset();
    source_.show(std::move(attempt->opened));
    tell({.kind = Event::Kind::switched,
          .generation = attempt->generation,
          .token = attempt->grant.token});
    go(State::committed, attempt->generation);
    Committed done{attempt->generation, ticket.sequence,
                   housekeep([&] { return publish_locked(); })};
    release(attempt->grant);
    building_ = false;
    go(State::none, attempt->generation);
    auto const collecting = housekeep([&]() -> std::optional<error> {
      auto const collected = collect_locked();
      if (!collected) return collected.error();
      return collected.assume_value().failure;
    });
    if (!done.housekeeping) done.housekeeping = collecting;
    return done;
  }

  [[nodiscard]] bool changed_since(Version version) {
    auto const loaded = source_.load();
    return loaded && loaded.assume_value() && loaded.assume_value()->version != version;
  }

  // After a commit or revert of an earlier handle turned out to stand: its outcome is told, what
  // follows may lag.
  void follow() noexcept {
    static_cast<void>(housekeep([&]() -> std::optional<error> {
      auto const shown = source_.refresh();
      if (!shown) return shown.error();
      return publish_alone();
    }));
  }

  // For `revert`, which does not hold the stage lock: whoever holds it publishes when done.
  std::optional<error> publish_alone() {
    if constexpr (publishing_store<Store>) {
      if (building_) return publish_locked();  // also while a commit is uncertain
      auto grant = acquire();
      if (!grant) return grant.error();
      Granted const granted{*this, grant.assume_value()};
      return publish_locked();
    }
    return {};
  }

  AttemptPtr pending_;  // its commit is uncertain
  Ticket pending_ticket_;
};
}  // namespace detail

HOLDFAST_END

#endif

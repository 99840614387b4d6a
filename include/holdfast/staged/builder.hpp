// SPDX-License-Identifier: BSL-1.0
// Begins and ends attempts: records one before anything of it exists, and rolls one back whatever
// fails.
#ifndef HOLDFAST_STAGED_BUILDER_HPP
#define HOLDFAST_STAGED_BUILDER_HPP

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "holdfast/adaptor/limits.hpp"
#include "holdfast/concepts.hpp"
#include "holdfast/config.hpp"
#include "holdfast/detail/manifest.hpp"
#include "holdfast/detail/manifest_text.hpp"
#include "holdfast/lock_concepts.hpp"
#include "holdfast/staged/housekeeping.hpp"
#include "holdfast/staged/keeper.hpp"
#include "holdfast/world.hpp"

HOLDFAST_BEGIN

namespace detail {
template <generation_store Store, atomic_register Register, lock_policy Locking, world W>
class Builder : public Keeper<Store, Register, Locking, W> {
 public:
  using Base = Keeper<Store, Register, Locking, W>;
  using typename Base::Grant;
  using typename Base::Shown;

  /// One build, from `stage` to its end. On the heap: references into the writer survive moves of
  /// the handle.
  struct Attempt {
    Attempt(Grant&& granted, std::vector<bool> carried)
        : grant{std::move(granted)}, carries{std::move(carried)} {}
    virtual ~Attempt() = default;
    Attempt(Attempt const&) = delete;
    Attempt& operator=(Attempt const&) = delete;
    virtual result<void> create(Store& store, Kept const* current) = 0;
    virtual result<void> create_shown(Store& store, Shown const& current) = 0;
    virtual result<void> resume(Store& store) = 0;
    virtual result<void> seal(Store& store) = 0;
    virtual void close() noexcept = 0;  // the writer, whatever is written
    virtual result<void> limit(std::uint64_t bytes) = 0;
    [[nodiscard]] virtual result<std::uint64_t> taken() const = 0;

    Grant grant;
    std::vector<bool> carries;  // which parts are not built but taken from the current generation
    bool needs_current = false;
    bool copies_shown = false;  // begins as a copy of what may take updates meanwhile
    bool recorded = false;  // the record lists it: from here on it is rolled back, not just let go
    Generation generation{};
    std::uint64_t nonce = 0;
    Version version;    // of the register after the attempt was recorded
    Manifest manifest;  // as recorded then
    std::vector<Generation> parts{};
    std::unique_ptr<Shown> opened{};
    Marks marks{};                         // from which catching up goes on
    std::optional<Marks> caught_up{};      // what it came to: no update came since
    typename Base::Source::Quiet quiet{};  // none comes until the commit
    bool others = false;                   // what lies under its number is not ours and stays
    bool resumed = false;                  // what it began with is the caller's to know
    bool lost = false;                     // a sync failed: it can only be dropped
    bool overtaken = false;                // others changed the record meanwhile
  };
  using AttemptPtr = std::unique_ptr<Attempt>;
  /// One that is written through such a writer.
  template <class Writer>
  struct AttemptWith : Attempt {
    using Attempt::Attempt;
    std::optional<Writer> writer{};
  };
  /// A build of the parts that `Selection` names.
  template <class Selection>
  struct AttemptOf final : AttemptWith<typename Selection::Writer> {
    using AttemptWith<typename Selection::Writer>::AttemptWith;
    result<void> create(Store& store, Kept const* current) override {
      HOLDFAST_TRY(made, Selection::create(store, this->generation, current));
      this->writer.emplace(std::move(made));
      if constexpr (requires { &Selection::create_shown; }) this->marks = current->marks;
      return ok();
    }
    result<void> create_shown([[maybe_unused]] Store& store,
                              [[maybe_unused]] Shown const& current) override {
      if constexpr (requires {
                      Selection::create_shown(store, this->generation, current.kept,
                                              current.reader);
                    }) {
        HOLDFAST_TRY(
            made, Selection::create_shown(store, this->generation, current.kept, current.reader));
        this->writer.emplace(std::move(made));
        this->marks = current.kept.marks;
        return ok();
      } else {
        return failure(errc::invalid, "copy");
      }
    }
    result<void> resume([[maybe_unused]] Store& store) override {
      if constexpr (requires { Selection::resume(store, this->generation); }) {
        HOLDFAST_TRY(made, Selection::resume(store, this->generation));
        this->writer.emplace(std::move(made));
        return ok();
      } else {
        return failure(errc::not_found, "resume");
      }
    }
    result<void> seal(Store& store) override { return Selection::seal(store, *this->writer); }
    void close() noexcept override { this->writer.reset(); }
    result<void> limit(std::uint64_t bytes) override { return limit_build(*this->writer, bytes); }
    [[nodiscard]] result<std::uint64_t> taken() const override {
      std::uint64_t all = 0;
      HOLDFAST_TRYV(add_taken(*this->writer, all));
      return all;
    }
  };

  using Base::Base;

 protected:
  using Base::check_home, Base::collect_locked, Base::go, Base::recover_locked, Base::release;
  using Base::dropped_, Base::options_, Base::recovered_, Base::source_, Base::world_;
  using Base::publish_locked;
  using Base::require_loaded, Base::store;

  // Discards an attempt that did not come to be, also when a callback throws.
  struct Rollback {
    Builder& core;
    AttemptPtr& attempt;
    bool armed = true;
    Rollback(Builder& c, AttemptPtr& a) noexcept : core{c}, attempt{a} {}
    Rollback(Rollback const&) = delete;
    Rollback& operator=(Rollback const&) = delete;
    ~Rollback() {
      if (armed) core.discard_locked(std::move(attempt));
    }
  };

  [[nodiscard]] result<void> check_alive(Attempt const& attempt, char const* where) {
    if (source_.born().left()) return failure(errc::forked, where);
    if (attempt.lost) return failure(errc::sync_failed, where);
    return ok();
  }

  // Whatever throws from here on, the lock is let go.
  template <class Selection>
  [[nodiscard]] AttemptPtr own(Grant& grant) {
    HOLDFAST_MAY_THROW {
      auto carries = Selection::carries(source_.store(), source_.part_names().size());
      auto made = std::make_unique<AttemptOf<Selection>>(std::move(grant), std::move(carries));
      made->needs_current = Selection::needs_current;
      made->copies_shown = updatable_store<Store> && requires {
        &Selection::create_shown;
      };
      return made;
    }
    HOLDFAST_CAUGHT {
      release(grant);
      HOLDFAST_RETHROW;
    }
  }

  // Records the attempt: the first of a run's two durable stores.
  [[nodiscard]] result<void> begin(Attempt& attempt) {
    for (int round = 0;; ++round) {
      HOLDFAST_TRY(found, source_.load());
      if (!recovered_ || !found || found->manifest.attempt) {
        HOLDFAST_TRY(recovery, recover_locked(attempt.grant));
        if (recovery.left) return failure(*recovery.left);
      }
      HOLDFAST_TRY(loaded, require_loaded("stage"));
      // Each time: what was put under the next number since the home was opened must not pass for
      // the attempt's.
      HOLDFAST_TRY(remains, store_traits<Store>::generations(source_.store()));
      HOLDFAST_TRYV(check_home(loaded.manifest, remains));
      HOLDFAST_TRYV(check_headroom(loaded.manifest, attempt));
      auto const nonce = world_.random64();
      auto planned = plan(loaded.manifest, attempt, nonce);
      if (!planned &&
          (planned.error().code() == errc::full || planned.error().code() == errc::too_large)) {
        HOLDFAST_TRYV(
            collect_locked(false));  // the grace is a courtesy; a full record would stop all builds
        planned = plan(loaded.manifest, attempt, nonce);
      }
      HOLDFAST_TRY(next, std::move(planned));
      auto const text = manifest::encode(next);
      attempt.parts = parts_of(next, attempt);
      auto stored = store(loaded.version, as_bytes(text));
      if (stored) {  // from here on nothing may throw: the record lists it
        dropped_.clear();
        attempt.recorded = true;
        settle_record(attempt, std::move(next), stored.assume_value());
        return ok();
      }
      recovered_ = false;
      // Uncertain only for the record of the attempt: readers are not concerned, and the next
      // recovery finds out.
      if (stored.error().code() == errc::uncertain)
        return failure(stored.error().as(errc::sync_failed));
      if (stored.error().code() != errc::conflict || round == 16) return detail::failed(stored);
    }
  }

  // The record lists the attempt now.
  static void settle_record(Attempt& attempt, Manifest next, Version version) noexcept {
    attempt.generation = next.attempt->generation;
    attempt.nonce = next.attempt->nonce;
    attempt.version = version;
    attempt.manifest = std::move(next);
  }

  // `m` lists the attempt.
  [[nodiscard]] static std::vector<Generation> parts_of(Manifest const& m, Attempt const& attempt) {
    return manifest::parts_of_build(m.attempt->generation, manifest::find(m, m.current),
                                    attempt.carries);
  }

  // The parts that are to be built, each with what it takes now and what it would find.
  [[nodiscard]] result<std::vector<std::optional<Space>>> measure(
      std::vector<Generation> const& parts) {
    if constexpr (requires { source_.store().spaces(parts); }) {
      return source_.store().spaces(parts);
    } else if constexpr (measuring_store<Store>) {
      HOLDFAST_TRY(space, store_traits<Store>::space(source_.store(), parts.front()));
      return std::vector{std::optional{space}};
    } else {
      return std::vector<std::optional<Space>>(parts.size());
    }
  }

  // Parts on one file system share what is free there.
  [[nodiscard]] result<void> check_headroom(Manifest const& m, Attempt const& attempt) {
    auto const budget = options_.build_bytes;
    if (options_.headroom <= 0 && options_.min_free_bytes == 0 && budget == 0) return ok();
    auto const* current = manifest::find(m, m.current);
    std::vector<Generation> const none(m.part_names.size());
    HOLDFAST_TRY(spaces, measure(current != nullptr ? current->parts : none));
    std::map<std::uint64_t, std::uint64_t> wanted;
    for (std::size_t i = 0; i < spaces.size(); ++i) {
      if (!spaces[i] || attempt.carries[i]) continue;
      auto const like_now = options_.headroom * static_cast<double>(spaces[i]->used);
      auto const first = wanted.try_emplace(spaces[i]->device, options_.min_free_bytes).first;
      first->second += static_cast<std::uint64_t>(like_now);
      auto const needed = std::max(first->second, budget);
      if (needed <= spaces[i]->free) continue;
      return failure(errc::no_space, "stage",
                     m.part_names[i] + ": " + std::to_string(needed) + " bytes wanted, " +
                         std::to_string(spaces[i]->free) + " free");
    }
    return ok();
  }

  // Before its seal as its writers tell, after it as the store does.
  [[nodiscard]] result<void> check_budget(Attempt const& attempt, bool sealed) {
    if (options_.build_bytes == 0) return ok();
    std::uint64_t taken = 0;
    if (sealed) {
      HOLDFAST_TRY(spaces, measure(attempt.parts));
      for (std::size_t i = 0; i < spaces.size(); ++i) {
        if (spaces[i] && !attempt.carries[i]) taken += spaces[i]->used;
      }
    } else {
      HOLDFAST_TRY(told, attempt.taken());
      taken = told;
    }
    if (taken <= options_.build_bytes) return ok();
    return failure(errc::no_space, "the build takes more than StagedOptions::build_bytes",
                   std::to_string(taken) + " of " + std::to_string(options_.build_bytes));
  }

  // Bytes that a build may make of the record: an operator must still be able to hold and revert.
  [[nodiscard]] std::size_t room() {
    auto const limit = register_traits<Register>::max_size(source_.reg());
    return limit - std::min(manifest::reserve, limit / 8);
  }

  // The record of the attempt, if a commit after it will fit too.
  [[nodiscard]] result<Manifest> plan(Manifest const& m,
                                      Attempt const& attempt,
                                      std::uint64_t nonce) {
    if (attempt.needs_current && m.current.number == 0)
      return failure(errc::no_generation, "stage", "nothing to carry over or to begin with");
    HOLDFAST_TRY(next, manifest::begin(manifest::without(m, dropped_), attempt.grant.token,
                                       world_.self(), nonce));
    auto const committed = manifest::commit(next, {}, parts_of(next, attempt), {options_.retain},
                                            world_.wall_ns() / 1'000'000);
    auto const size = std::max(manifest::encode(committed).size(), manifest::encode(next).size());
    auto const limit = room();
    if (size <= limit) return std::move(next);
    return failure(errc::too_large, "stage",
                   "the record: " + std::to_string(size) + " of " + std::to_string(limit) +
                       " bytes, " + std::to_string(m.retiring.size()) + " retiring, " +
                       std::to_string(m.retained.size()) + " retained");
  }

  // Runs in destructors, also when memory is short: whatever fails or throws, the lock is let go,
  // and what is left is for the next recovery, since the record lists it.
  void discard_locked(AttemptPtr attempt) noexcept {
    std::optional<error> failed;
    if (attempt->recorded) {
      go(State::rolling_back, attempt->generation);
      failed = housekeep([&] { return roll_back(*attempt); });
      go(failed ? State::failed : State::none, attempt->generation, failed ? &*failed : nullptr);
    }
    if (failed) recovered_ = false;
    // Whoever reverted meanwhile left the outside names to the one that holds the lock.
    if (attempt->overtaken) static_cast<void>(housekeep([&] { return publish_locked(); }));
    release(attempt->grant);
    building_ = false;
  }

  [[nodiscard]] std::optional<error> roll_back(Attempt& attempt) {
    attempt.opened.reset();
    attempt.close();
    result<void> done = ok();
    if (!attempt.others) done = store_traits<Store>::drop(source_.store(), attempt.generation);
    if (done) done = end_attempt(attempt);
    if (!done) return done.error();
    return {};
  }

  // Others may have reverted meanwhile; only our own attempt is taken out.
  [[nodiscard]] result<void> end_attempt(Attempt& attempt) {
    for (int round = 0;; ++round) {
      HOLDFAST_TRY(loaded, require_loaded("discard"));
      attempt.overtaken |= loaded.version != attempt.version;
      auto const& listed = loaded.manifest.attempt;
      if (!listed || listed->nonce != attempt.nonce) return ok();
      auto stored =
          store(loaded.version, as_bytes(manifest::encode(manifest::end(loaded.manifest))));
      if (stored) return ok();
      if (stored.error().code() != errc::conflict || round == 16) return detail::failed(stored);
    }
  }

  bool building_ = false;
};
}  // namespace detail

HOLDFAST_END

#endif

// SPDX-License-Identifier: BSL-1.0
// Goes on with the build of a builder that is surely dead, from its last note.
//
// The order of effects:
//   1. stage lock: nobody builds; the lock vouches that the author of the attempt is gone
//   2. register: {fence = token, attempt = the same generation, ours}   whoever might still come
//                                                                        can't commit it
//   3. store: back to the last note
// Where the lock can't vouch, or nothing was noted, the attempt is dropped and another one begins.
#ifndef HOLDFAST_STAGED_RESUMER_HPP
#define HOLDFAST_STAGED_RESUMER_HPP

#include <optional>
#include <utility>

#include "holdfast/concepts.hpp"
#include "holdfast/config.hpp"
#include "holdfast/detail/manifest.hpp"
#include "holdfast/detail/manifest_text.hpp"
#include "holdfast/result.hpp"
#include "holdfast/staged/builder.hpp"
#include "holdfast/world.hpp"

HOLDFAST_BEGIN

namespace detail {
template <generation_store Store, atomic_register Register, lock_policy Locking, world W>
class Resumer : public Builder<Store, Register, Locking, W> {
 public:
  using Base = Builder<Store, Register, Locking, W>;
  using Base::Base;
  using typename Base::Attempt;
  using typename Base::AttemptPtr;

  /// All that the build has, and these words, durable on return.
  template <class Note>
  [[nodiscard]] result<void> note(Attempt& attempt, Note write) {
    HOLDFAST_TRYV(Base::check_alive(attempt, "note"));
    HOLDFAST_TRYV(Base::check_budget(attempt, false));
    auto noted = write(Base::source_.store());
    if (!noted && noted.error().code() == errc::sync_failed) attempt.lost = true;
    return noted;
  }

  /// Ends this object's part in an attempt that stays in the record.
  void leave(AttemptPtr attempt) noexcept {
    if (Base::source_.born().left()) {
      static_cast<void>(attempt.release());  // as with a discard
      return;
    }
    std::lock_guard const guard{Base::mutex_};
    Base::go(State::rolling_back, attempt->generation);
    attempt->opened.reset();
    attempt->close();
    attempt->quiet.reset();
    Base::go(State::none, attempt->generation);
    Base::release(attempt->grant);
    Base::recovered_ = false;
    Base::building_ = false;
  }

 protected:
  // True if it goes on with another's: then its writer is there.
  [[nodiscard]] result<bool> take_over_or_begin(Attempt& attempt) {
    HOLDFAST_TRY(taken, take_over(attempt));
    if (taken) {
      auto const resumed = attempt.resume(Base::source_.store());
      attempt.recorded = resumed.has_value();
      if (resumed) return true;
      auto const code = resumed.error().code();
      bool const nothing =
          code == errc::not_found || code == errc::damaged || code == errc::foreign;
      // What can pass must not cost what was built: the attempt stays for who comes next.
      if (!nothing) return failed(resumed);
      auto const left = Base::roll_back(attempt);
      if (left) {
        Base::recovered_ = false;
        return failure(*left);
      }
    }
    HOLDFAST_TRYV(Base::begin(attempt));
    return false;
  }

 private:
  [[nodiscard]] result<bool> take_over(Attempt& attempt) {
    HOLDFAST_TRYV(Base::reopen());
    for (int round = 0;; ++round) {
      HOLDFAST_TRY(found, Base::source_.load());
      if (!found || !found->manifest.attempt) return false;
      if (!Base::has_ended(*found->manifest.attempt, attempt.grant)) return false;
      if (attempt.needs_current && found->manifest.current.number == 0) return false;
      HOLDFAST_TRY(remains, store_traits<Store>::generations(Base::source_.store()));
      HOLDFAST_TRYV(Base::check_home(found->manifest, remains));
      auto const nonce = Base::world_.random64();
      HOLDFAST_TRY(next, manifest::take_over(found->manifest, attempt.grant.token,
                                             Base::world_.self(), nonce));
      auto const text = manifest::encode(next);
      attempt.parts = Base::parts_of(next, attempt);
      auto const stored = Base::store(found->version, as_bytes(text));
      if (stored) {
        Base::settle_record(attempt, std::move(next), stored.assume_value());
        return true;
      }
      auto const code = stored.error().code();
      if (code == errc::uncertain) return failure(stored.error().as(errc::sync_failed));
      if (code != errc::conflict || round == 16) return failed(stored);
    }
  }
};
}  // namespace detail

HOLDFAST_END

#endif

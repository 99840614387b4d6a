// SPDX-License-Identifier: BSL-1.0
// Gives a build its handles: a Stage to write through, a Ready to validate and commit. Dropped,
// they discard.
#ifndef HOLDFAST_STAGED_HANDLES_HPP
#define HOLDFAST_STAGED_HANDLES_HPP

#include <memory>
#include <type_traits>
#include <utility>
#include <vector>

#include "holdfast/bytes.hpp"
#include "holdfast/concepts.hpp"
#include "holdfast/config.hpp"
#include "holdfast/ids.hpp"
#include "holdfast/result.hpp"
#include "holdfast/resume_concepts.hpp"
#include "holdfast/staged/catch_up.hpp"
#include "holdfast/staged/core.hpp"

HOLDFAST_BEGIN

namespace detail {
/// What both handles share: one attempt, discarded when the handle ends with it.
template <class Core>
class Handle {
 public:
  Handle(std::shared_ptr<Core> core, typename Core::AttemptPtr attempt) noexcept
      : core_{std::move(core)}, attempt_{std::move(attempt)} {}
  Handle(Handle&&) noexcept = default;
  Handle& operator=(Handle&& other) noexcept {
    std::swap(core_, other.core_);
    std::swap(attempt_, other.attempt_);
    return *this;
  }
  ~Handle() { discard(); }

  /// The number that the generation will have; 0 after the handle was moved from.
  [[nodiscard]] Generation generation() const noexcept {
    return attempt_ ? attempt_->generation : Generation{};
  }
  /// The token under which this build writes.
  [[nodiscard]] FencingToken token() const noexcept {
    return attempt_ ? attempt_->grant.token : FencingToken{};
  }
  /// Ends the build; nothing that readers see changes.
  void discard() noexcept {
    if (attempt_) core_->discard(std::move(attempt_));
  }

 protected:
  [[nodiscard]] result<void> check(char const* where) const noexcept {
    if (!attempt_) return failure(errc::spent, where);
    return ok();
  }
  std::shared_ptr<Core> core_;
  typename Core::AttemptPtr attempt_;
};
}  // namespace detail

/// A sealed generation that nobody sees yet. One thread at a time.
template <class Core>
class [[nodiscard]] Ready : public detail::Handle<Core> {
 public:
  using detail::Handle<Core>::Handle;

  /// Shows `look` the unseen generation's reader; goes on with this handle if it answers true (or
  /// an ok result<void>). False discards and answers `rejected`; an error or an exception discards
  /// and is passed on.
  template <class Look>
  [[nodiscard]] result<Ready> validate(Look&& look) && {
    HOLDFAST_TRYV(this->check("validate"));
    Ready self{std::move(*this)};  // discards on every way out but the last
    HOLDFAST_TRY(reader, self.core_->look(*self.attempt_));
    using Answer = std::invoke_result_t<Look, reader_of_core const&>;
    if constexpr (some_result<Answer>) {
      auto answer = std::forward<Look>(look)(*reader);
      if (!answer) return detail::failed(answer);
      if constexpr (std::is_same_v<value_of<Answer>, bool>) {
        if (!answer.assume_value()) return failure(errc::rejected, "validate");
      }
    } else {
      if (!std::forward<Look>(look)(*reader)) return failure(errc::rejected, "validate");
    }
    return self;
  }

  /// The switch, all or nothing. The error of a commit that was not applied is `conflict` or
  /// `fenced`, and the build is discarded; `uncertain` carries a ticket for `resolve`; `too_large`
  /// leaves this handle whole.
  [[nodiscard]] result<Committed> commit(CommitOptions options = {}) && {
    HOLDFAST_TRYV(this->check("commit"));
    return this->core_->commit(this->attempt_, std::move(options));
  }

 private:
  using reader_of_core = decltype(Core::Shown::reader);
};

namespace detail {
template <class Core>
using StoreOf = std::remove_reference_t<decltype(std::declval<Core&>().source().store())>;
}  // namespace detail

/// A build in progress. One thread at a time; the writer stays where it is when the handle moves.
template <class Core, class Selection = typename Core::Whole>
class [[nodiscard]] Stage : public detail::Handle<Core> {
 public:
  using detail::Handle<Core>::Handle;

  /// The store's writer (a tuple of them for `Together`, those of the parts that are built). The
  /// handle must not have been moved from.
  [[nodiscard]] typename Selection::Writer& writer() & noexcept {
    using AttemptWith = typename Core::template AttemptWith<typename Selection::Writer>;
    return *static_cast<AttemptWith&>(*this->attempt_).writer;
  }
  typename Selection::Writer& writer() && = delete;

  /// Makes all that was written up to now durable, with these words (at most 64 KiB, in the place
  /// of the last ones): "done up to". Who resumes the build after a crash finds it as it was here.
  /// An error leaves the note before; after `sync_failed` the build can only be dropped.
  [[nodiscard]] result<void> note(bytes_view words) & requires
      resuming_store<detail::StoreOf<Core>> {
    HOLDFAST_TRYV(this->check("note"));
    return this->core_->note(*this->attempt_, [&](detail::StoreOf<Core>& store) {
      return Selection::note(store, writer(), words);
    });
  }
  /// The last words of each part that is built, empty where there are none: a crash amid a note
  /// leaves it to some of them.
  [[nodiscard]] std::vector<bytes> notes() & requires resuming_store<detail::StoreOf<Core>> {
    if (!this->attempt_) return {};
    return Selection::notes(this->core_->source().store(), writer());
  }
  /// Ends this handle and leaves the build, up to its last note, for who resumes it.
  void leave() && noexcept {
    if (this->attempt_) this->core_->leave(std::move(this->attempt_));
  }

  /// Brings the build up to a source that moves on: `feed(writer, pull)` writes what comes after
  /// `pull.after`, and answers how far that is, in 0 records where there is no more. First while
  /// updates of the home go on, then, within `tail_records`, while they wait: until the commit or
  /// the end of this handle, so that the commit, whose marks are those that it came to, misses
  /// nothing that an updater was told to be applied. Seal and commit soon: who updates is
  /// `timed_out` after some seconds. `timed_out`, naming the bound, where the feed does not end;
  /// then and after any other error updates go on, and it may be called again.
  template <class Feed>
  requires(
      Core::can_catch_up&&
          std::is_invocable_r_v<result<Pulled>, Feed&, typename Selection::Writer&, Pull const&>)
      [[nodiscard]] result<CaughtUp> catch_up(Feed&& feed, CatchUpOptions const& options = {}) & {
    HOLDFAST_TRYV(this->check("catch_up"));
    auto const pull = [&](Pull const& wanted) -> result<Pulled> { return feed(writer(), wanted); };
    return this->core_->catch_up(*this->attempt_, options, pull);
  }
  /// From where `catch_up` goes on: what a copy began with, or where the last one came to.
  [[nodiscard]] Marks marks() const { return this->attempt_ ? this->attempt_->marks : Marks{}; }

  /// Makes it durable, still unseen. An error gives the stage back: it is whole and may be sealed
  /// again, unless it says `sync_failed`.
  [[nodiscard]] result<Ready<Core>> seal() && {
    HOLDFAST_TRYV(this->check("seal"));
    HOLDFAST_TRYV(this->core_->seal(*this->attempt_));
    return Ready<Core>{std::move(this->core_), std::move(this->attempt_)};
  }
};

HOLDFAST_END

#endif

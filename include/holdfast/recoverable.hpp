// SPDX-License-Identifier: BSL-1.0
// Opens what a crash left of a segment, and appends to it: recovery is the only way to an open one.
#ifndef HOLDFAST_RECOVERABLE_HPP
#define HOLDFAST_RECOVERABLE_HPP

#include <algorithm>
#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>

#include "holdfast/bytes.hpp"
#include "holdfast/checksum.hpp"
#include "holdfast/concepts.hpp"
#include "holdfast/config.hpp"
#include "holdfast/event.hpp"
#include "holdfast/ids.hpp"
#include "holdfast/recovery/apply.hpp"
#include "holdfast/recovery/examine.hpp"
#include "holdfast/recovery/plan.hpp"
#include "holdfast/recovery/point.hpp"
#include "holdfast/recovery/records.hpp"
#include "holdfast/recovery/told.hpp"
#include "holdfast/result.hpp"
#include "holdfast/segment.hpp"
#include "holdfast/world.hpp"

HOLDFAST_BEGIN

struct RecoverableOptions {
  std::uint64_t durable_to = 0;  ///< a point that is known from elsewhere
  bool exact_point = false;      ///< `sync` also leaves a synced mark: damage to the last batch is
                                 ///< then told from a torn tail, for a second sync each time
  std::uint64_t told_as = 0;     ///< its number in a log, for the observer
};

/// Where a log stands.
struct Tail {
  std::uint64_t end = 0;         ///< of the last record or mark
  std::uint64_t durable_to = 0;  ///< everything before it survives a power cut
  std::uint64_t next_sequence = 0;
};

namespace detail {
// How a frame names a boot: never 0.
[[nodiscard]] inline std::uint32_t boot_tag(BootId const& boot) noexcept {
  std::array<std::byte, 16> raw{};
  for (std::size_t i = 0; i < raw.size(); ++i) raw[i] = std::byte{boot.id[i]};
  auto const tag = crc32c(raw) & 0xffffff;
  return tag == 0 ? 1 : tag;
}

// A log that another program owns gets no files beside it.
template <class Format>
inline constexpr bool keeps_points = requires {
  Format::keeps_points;
};

// How far the segment was durable, as its point or the caller knows.
template <segment Segment, segment_format Format>
[[nodiscard]] result<std::uint64_t> point_of(Segment const& from,
                                             Format const& format,
                                             std::uint64_t known) {
  if constexpr (keeps_points<Format>) {
    HOLDFAST_TRY(kept, durable_point(from, format));
    return std::max(known, kept);
  } else {
    return known;
  }
}
}  // namespace detail

/// Has a last frame, behind which nothing comes.
template <class F>
concept can_seal_segment = writable_format<F> &&
    requires(F const& f, typename F::cursor& c, Stamp const& stamp, bytes& out) {
  { f.footer(c, std::uint64_t{}, stamp, out) } -> gives<std::uint64_t>;
  { c.sealed } -> std::convertible_to<bool>;
};

/// A segment that may be appended to. Any thread may use it; it moves freely. Its destructor syncs
/// nothing.
template <segment Segment, writable_format Format, Recovery How = Recovery::cut, world W = Native>
class Recoverable {
 public:
  /// Use `open_recoverable`.
  [[nodiscard]] static result<Recoverable> open(Segment from,
                                                Format format,
                                                RecoverableOptions const& options,
                                                std::optional<Plan> const& plan,
                                                W w) {
    auto state = std::make_shared<State>(std::move(from), std::move(format), options, std::move(w));
    HOLDFAST_TRYV(state->recover(plan));
    return Recoverable{std::move(state)};
  }

  /// Appends one record, which is durable after the next `sync`. Errors: `too_large`, those of
  /// writing (then nothing was appended), `poisoned` after a failed sync.
  [[nodiscard]] result<Record> append(bytes_view payload) {
    std::scoped_lock const lock{state_->mutex};
    return state_->append(payload);
  }
  /// Makes all that was appended durable. After `sync_failed` nothing is known of what was appended
  /// since the last sync: `reopen`.
  [[nodiscard]] result<void> sync() {
    std::scoped_lock const lock{state_->mutex};
    HOLDFAST_TRYV(state_->sync());
    return state_->options.exact_point ? state_->leave_point() : result<void>{ok()};
  }
  /// Syncs, and leaves a point from which damage to anything before it is told from a torn tail.
  [[nodiscard]] result<void> close() {
    std::scoped_lock const lock{state_->mutex};
    HOLDFAST_TRYV(state_->sync());
    return state_->leave_point();
  }
  /// Syncs, and ends the segment for good, where the format has a footer: nothing can be appended
  /// any more.
  [[nodiscard]] result<void> seal() requires can_seal_segment<Format> {
    std::scoped_lock const lock{state_->mutex};
    return state_->seal();
  }
  /// Its footer is there, and durable.
  [[nodiscard]] bool sealed() const requires can_seal_segment<Format> {
    std::scoped_lock const lock{state_->mutex};
    return state_->usable && state_->cursor.sealed;
  }
  /// Recovers once more; heals after a failed sync.
  [[nodiscard]] result<void> reopen() {
    std::scoped_lock const lock{state_->mutex};
    return state_->recover({});
  }

  [[nodiscard]] Tail tail() const {
    std::scoped_lock const lock{state_->mutex};
    return {state_->end, state_->durable_to, state_->next_sequence};
  }
  /// What the last recovery found and did.
  [[nodiscard]] Recovered recovered() const {
    std::scoped_lock const lock{state_->mutex};
    return state_->recovered;
  }

  /// The records up to now, as they were written, each checked again.
  [[nodiscard]] Records<Segment, Format> records(From first = {}) const {
    std::scoped_lock const lock{state_->mutex};
    return {std::shared_ptr<Segment const>{state_, &state_->store}, state_->format, state_->end,
            first, state_->recovered.skipped_bytes != 0};
  }

 private:
  static constexpr bool points = detail::keeps_points<Format>;

  struct State {
    State(Segment from, Format f, RecoverableOptions const& o, W w)
        : store{std::move(from)},
          format{std::move(f)},
          options{o},
          world_of_it{std::move(w)},
          boot{detail::boot_tag(world_of_it.self().boot)},
          cursor{format.start()} {}

    [[nodiscard]] result<void> recover(std::optional<Plan> const& plan) {
      usable = false;
      // What this object has synced was durable too.
      HOLDFAST_TRY(point,
                   detail::point_of(store, format, std::max(options.durable_to, durable_to)));
      HOLDFAST_TRY(found, examine(store, format, {point, false, boot}));
      tell({SegmentStep::Kind::examined, options.told_as, found.kept, name(found.verdict)});
      if (plan && plan->fingerprint() != found.fingerprint()) {
        return failure(error{errc::conflict, "recover as planned"}.at(found.kept));
      }
      HOLDFAST_TRY(done, detail::apply(store, found, How, points));
      detail::tell_recovered(world_of_it, options.told_as, done);
      recovered = done;
      end = found.kept + done.skipped_bytes;
      if (end == 0) {
        HOLDFAST_TRYV(begin());
      }
      HOLDFAST_TRYV(settle());
      tell({SegmentStep::Kind::begun, options.told_as, end});
      usable = true;
      return ok();
    }
    void tell(SegmentStep const& step) const noexcept { detail::tell_step(world_of_it, step); }
    // The header is durable before anything follows it.
    [[nodiscard]] result<void> begin() {
      scratch.clear();
      auto fresh = format.start();
      HOLDFAST_TRYV(format.header(fresh, stamp(), scratch));
      if (scratch.empty()) return ok();
      HOLDFAST_TRYV(store.append(0, scratch));
      HOLDFAST_TRYV(store.sync());
      end = scratch.size();
      return ok();
    }
    // Brings the cursor to the end, as if all before had been written with it. The end is that of
    // the last record or mark, not of the padding behind it: where what follows is lost, the next
    // one who opens it finds just that, and must not miss anything.
    [[nodiscard]] result<void> settle() {
      detail::Frames<Segment, Format> frames{store, format, end};
      end = next_sequence = 0;
      point_left = false;
      for (;;) {
        HOLDFAST_TRY(step, frames.next());
        if (!step) break;
        if (step->kind == Step::Kind::record) next_sequence = step->sequence + 1;
        if (step->kind == Step::Kind::mark) next_sequence = step->sequence;
        if (step->kind == Step::Kind::record || step->kind == Step::Kind::mark) {
          point_left = step->kind == Step::Kind::mark && step->synced_to == end;
          end = frames.at();
        }
        if (frames.is_whole(step->kind)) continue;
        HOLDFAST_TRY(found, frames.go_on());
        if (!found) break;
      }
      cursor = frames.cursor();
      longer = false;
      keep(end);
      return ok();
    }

    [[nodiscard]] Stamp stamp() const noexcept {
      return {world_of_it.wall_ns(), durable_to, boot, world_of_it.random64(), end == durable_to};
    }
    [[nodiscard]] result<void> check() const noexcept {
      if (!usable) return failure(errc::poisoned, "append");
      return ok();
    }

    [[nodiscard]] result<Record> append(bytes_view payload) {
      HOLDFAST_TRYV(check());
      if constexpr (can_seal_segment<Format>) {
        if (cursor.sealed) return failure(errc::read_only, "append to a sealed segment");
      }
      scratch.clear();
      auto next = cursor;
      auto const now = stamp();
      HOLDFAST_TRY(place, format.encode(next, end, payload, now, scratch));
      HOLDFAST_TRYV(put(place));
      cursor = std::move(next);
      next_sequence = next_after();
      Record const record{place, place + scratch.size(), next_sequence - 1, written_at(now), {}};
      end = record.end;
      return record;
    }
    // A format that numbers its records may give one of them several numbers: it has the last.
    [[nodiscard]] std::uint64_t next_after() const noexcept {
      if constexpr (requires { cursor.next; }) {
        return cursor.next;
      } else {
        return next_sequence + 1;
      }
    }
    // What the record says: never earlier than the one before it, where the format has times.
    [[nodiscard]] std::int64_t written_at(Stamp const& now) const noexcept {
      if constexpr (requires { cursor.last_time_ns; }) {
        return cursor.last_time_ns;
      } else {
        return now.time_ns;
      }
    }
    // What a failed write has left is cut before the next one: it must never look like a record.
    [[nodiscard]] result<void> put(std::uint64_t place) {
      if (longer) {
        HOLDFAST_TRYV(store.truncate(end));
        longer = false;
      }
      longer = true;  // also where it throws
      HOLDFAST_TRYV(store.append(place, scratch));
      longer = false;
      return ok();
    }

    // Everything before `to` is durable. That the point can't be kept takes nothing back: the next
    // one who opens it then knows less.
    void keep(std::uint64_t to) {
      durable_to = to;
      if constexpr (points) static_cast<void>(detail::keep_point(store, to));
    }
    [[nodiscard]] result<void> sync() {
      HOLDFAST_TRYV(check());
      if (durable_to == end) return ok();
      usable = false;  // also where it throws
      HOLDFAST_TRYV(store.sync());
      usable = true;
      keep(end);
      point_left = false;
      return ok();
    }
    [[nodiscard]] result<void> seal() requires can_seal_segment<Format> {
      HOLDFAST_TRYV(sync());
      if (cursor.sealed) return ok();
      scratch.clear();
      auto next = cursor;
      HOLDFAST_TRY(place, format.footer(next, end, stamp(), scratch));
      HOLDFAST_TRYV(put(place));
      cursor = std::move(next);
      end = place + scratch.size();
      HOLDFAST_TRYV(sync());
      tell({SegmentStep::Kind::sealed, options.told_as, end});
      return ok();
    }
    [[nodiscard]] result<void> leave_point() {
      if (point_left) return ok();
      if constexpr (can_seal_segment<Format>) {
        if (cursor.sealed) return ok();
      }
      scratch.clear();
      HOLDFAST_TRY(place, format.mark(cursor, end, stamp(), scratch));
      if (scratch.empty()) return ok();
      HOLDFAST_TRYV(put(place));
      end = place + scratch.size();
      HOLDFAST_TRYV(sync());
      point_left = true;
      return ok();
    }

    Segment store;
    Format format;
    RecoverableOptions options;
    W world_of_it;
    std::uint32_t boot;
    typename Format::cursor cursor;
    std::mutex mutex{};
    bytes scratch{};
    Recovered recovered{};
    std::uint64_t end = 0;
    std::uint64_t durable_to = 0;
    std::uint64_t next_sequence = 0;
    bool usable = false;      // recovered, and no sync has failed since
    bool longer = false;      // a failed write may have left bytes behind the end
    bool point_left = false;  // the last frame is a mark that all before it was durable
  };

  explicit Recoverable(std::shared_ptr<State> state) noexcept : state_{std::move(state)} {}

  std::shared_ptr<State> state_;
};

/// What `open_recoverable` with these options would find, and what it takes as its plan; touches
/// nothing. Errors: those of reading.
template <segment Segment, segment_format Format>
[[nodiscard]] result<Plan> plan_recovery(Segment const& from,
                                         Format const& format,
                                         RecoverableOptions const& options = {}) {
  HOLDFAST_TRY(point, detail::point_of(from, format, options.durable_to));
  return examine(from, format, {.durable_to = point});
}

/// Examines the segment and does what `How` allows: after it the segment ends with its last valid
/// record, all of it is durable, and what was cut lies beside it. With a plan (of `plan_recovery`)
/// it does only what was planned: `conflict` if the segment has changed. Errors: `incomplete`,
/// `damaged`, `foreign`, `newer_format` where `How` refuses what was found (nothing was touched),
/// those of the segment.
template <Recovery How = Recovery::cut, segment Segment, writable_format Format, world W = Native>
[[nodiscard]] result<Recoverable<Segment, Format, How, W>> open_recoverable(
    Segment from,
    Format format,
    RecoverableOptions const& options = {},
    std::optional<Plan> const& plan = {},
    W w = {}) {
  return Recoverable<Segment, Format, How, W>::open(std::move(from), std::move(format), options,
                                                    plan, std::move(w));
}

HOLDFAST_END

#endif

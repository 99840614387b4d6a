// SPDX-License-Identifier: BSL-1.0
// Says what an observer is told: the states of a staged run, the events on
// the way, and the steps of a log.
#ifndef HOLDFAST_EVENT_HPP
#define HOLDFAST_EVENT_HPP

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "holdfast/config.hpp"
#include "holdfast/ids.hpp"
#include "holdfast/result.hpp"

HOLDFAST_BEGIN

/// Where a staged run stands. `detail/transitions.hpp` has the table of what may follow what.
enum class State : std::uint8_t {
  none,
  initializing,
  processing,
  ready_to_commit,
  committing,
  committed,
  rolling_back,
  failed,
};

/// As it is written in reports.
[[nodiscard]] constexpr std::string_view name(State state) noexcept {
  switch (state) {
    case State::none:
      return "none";
    case State::initializing:
      return "initializing";
    case State::processing:
      return "processing";
    case State::ready_to_commit:
      return "ready_to_commit";
    case State::committing:
      return "committing";
    case State::committed:
      return "committed";
    case State::rolling_back:
      return "rolling_back";
    case State::failed:
      return "failed";
  }
  return "?";
}

/// One thing that was seen of a segment of a log, or done to it.
struct SegmentStep {
  enum class Kind : std::uint8_t {
    none,
    examined,   ///< looked at: `bytes` of it hold, and `verdict` says what is the matter
    refused,    ///< for what was found of it the log is not opened: `cause`
    set_aside,  ///< `bytes` that will be cut were copied, durably
    cut,        ///< `bytes` were cut off its end
    skipped,    ///< `bytes` of damage stay where they are, and readers skip them
    moved,      ///< it lies behind a break: nothing reads it, under its new name
    begun,      ///< it is the one that is written
    sealed,     ///< nothing will be appended to it any more
    dropped,    ///< it was deleted by retention
    indexed,    ///< its indexes were made
    scrubbed,   ///< a scrub has read it again, and all of it holds
    rotten,     ///< a scrub has found damage in it: only `bytes` hold
    mended,     ///< `bytes` of it were taken from a replica
  };
  Kind kind = Kind::none;
  std::uint64_t base = 0;  ///< the number of its first record; of one that is no log's, 0
  std::uint64_t bytes = 0;
  std::string_view verdict{};
};
/// As it is written in reports.
[[nodiscard]] constexpr std::string_view name(SegmentStep::Kind kind) noexcept {
  constexpr std::string_view names[] = {"none",    "examined", "refused", "set_aside", "cut",
                                        "skipped", "moved",    "begun",   "sealed",    "dropped",
                                        "indexed", "scrubbed", "rotten",  "mended"};
  return names[static_cast<std::size_t>(kind)];
}

/// One thing that happened. Lives for the call of the observer only.
struct Event {
  enum class Kind : std::uint8_t {
    transition,   ///< a staged run went from `from` to `to`
    recovered,    ///< an attempt that a crash left was dropped; `generation` is its number
    switched,     ///< readers of this process now get `generation`
    dropped,      ///< `generation` was deleted
    drop_failed,  ///< it could not be deleted now and stays in `retiring`; `cause` says why
    published,    ///< the outside names now give `generation`
    publish_failed,
    lock_failed,    ///< the stage lock could not be let go; it lapses with the process
    foreign,        ///< `generation` lies in the store but the record does not list it; left alone
    task_started,   ///< `task` began to fill `generation`
    task_finished,  ///< it ended; `cause` says why where it failed
    hook_failed,    ///< a hook of `task` (of the whole run if empty) failed; nothing else changes
    retrying,       ///< a whole run failed for `cause` and will be tried again
    segment,        ///< of a log: `segment` says what; `cause` where it was refused
  };
  Kind kind = Kind::transition;
  State from = State::none;
  State to = State::none;
  Generation generation{};
  FencingToken token{};
  std::int64_t at_ns = 0;  ///< steady clock
  error const* cause = nullptr;
  std::string_view task{};
  SegmentStep segment{};
};

/// As it is written in reports.
[[nodiscard]] constexpr std::string_view name(Event::Kind kind) noexcept {
  switch (kind) {
    case Event::Kind::transition:
      return "transition";
    case Event::Kind::recovered:
      return "recovered";
    case Event::Kind::switched:
      return "switched";
    case Event::Kind::dropped:
      return "dropped";
    case Event::Kind::drop_failed:
      return "drop_failed";
    case Event::Kind::published:
      return "published";
    case Event::Kind::publish_failed:
      return "publish_failed";
    case Event::Kind::lock_failed:
      return "lock_failed";
    case Event::Kind::foreign:
      return "foreign";
    case Event::Kind::task_started:
      return "task_started";
    case Event::Kind::task_finished:
      return "task_finished";
    case Event::Kind::hook_failed:
      return "hook_failed";
    case Event::Kind::retrying:
      return "retrying";
    case Event::Kind::segment:
      return "segment";
  }
  return "?";
}

HOLDFAST_END

#endif

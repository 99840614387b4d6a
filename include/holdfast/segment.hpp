// SPDX-License-Identifier: BSL-1.0
// Says what a log brings: the concepts of a segment (bytes that only grow) and of the format in it.
#ifndef HOLDFAST_SEGMENT_HPP
#define HOLDFAST_SEGMENT_HPP

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "holdfast/bytes.hpp"
#include "holdfast/concepts.hpp"
#include "holdfast/config.hpp"
#include "holdfast/result.hpp"

HOLDFAST_BEGIN

/// Append-only bytes. Laws:
/// - `read_at` gives fewer bytes than asked for only at the end; const members are safe from many
///   threads.
/// - `append` writes at the end or behind it (what lies between reads as zeros); one that failed
/// may
///   leave bytes there.
/// - `set_aside(begin, end)` makes a copy of these bytes durable elsewhere; the same bytes again
///   are a success.
/// - `sync` makes all that was appended, cut or rewritten durable, and the segment's name.
/// - `rewrite(at, same)` writes again what is there, so that a sync after it can be trusted.
template <class T>
concept segment = std::movable<T> &&
    requires(T& t, T const& c, std::uint64_t at, bytes_span into, bytes_view from) {
  { c.size() } -> gives<std::uint64_t>;
  { c.read_at(at, into) } -> gives<std::size_t>;
  { t.append(at, from) } -> gives<void>;
  { t.set_aside(at, at) } -> gives<void>;
  { t.truncate(at) } -> gives<void>;
  { t.rewrite(at, from) } -> gives<void>;
  { t.sync() } -> gives<void>;
};

/// Keeps a few bytes beside the segment, which the next process of this boot reads back, and a
/// later boot if the disk has kept them. What was torn or is missing reads as none, or fails its
/// check. `keep_point` writes them without a sync, `settle_point` makes them durable.
template <class T>
concept pointed_segment = segment<T> && requires(T& t, T const& c, bytes_view from) {
  { c.point() } -> gives<bytes>;
  { t.keep_point(from) } -> gives<void>;
  { t.settle_point() } -> gives<void>;
};

/// Has all its bytes in memory, as many as `size` gives, and never changes.
template <class T>
concept mapped_segment = segment<T> && requires(T const& c) {
  { c.mapped() } -> std::same_as<bytes_view>;
};

/// What a decoder found at one place.
struct Step {
  enum class Kind : std::uint8_t {
    record,    ///< a whole record: `begin`, `sequence`, `time_ns`, `payload`
    fragment,  ///< part of a record that goes on; kept only with the rest of it
    mark,      ///< whole, without a record: a header, a sync point, a footer
    padding,   ///< filler that means nothing by itself
    stale,     ///< what an earlier use of the file left; the log ends before it
    need,      ///< can't be decided with fewer than `need` bytes
    bad,       ///< fails its check
    foreign,   ///< not of this format or this log
    newer,     ///< of a newer version of the format
  };
  Kind kind = Kind::bad;
  std::uint64_t used = 0;       ///< bytes to go on by; of `bad`: that were checked in vain
  std::uint64_t need = 0;       ///< bytes wanted from here, at most `max_frame`
  std::uint64_t begin = 0;      ///< of the record; before this place where it spans frames
  std::uint64_t sequence = 0;   ///< of the record, or of the next one
  std::uint64_t synced_to = 0;  ///< everything before this offset was durable when it was written
  std::int64_t time_ns = 0;
  std::uint32_t boot = 0;   ///< of the boot that wrote it; 0 where the format does not tell
  std::uint32_t check = 0;  ///< its checksum
  bool valid = false;  ///< of `bad` and `foreign`: its own check holds, but it does not belong here
  bytes_view payload{};  ///< lives until the next step
};
[[nodiscard]] constexpr std::string_view name(Step::Kind kind) noexcept {
  constexpr std::string_view names[] = {"record", "fragment", "mark",    "padding", "stale",
                                        "need",   "bad",      "foreign", "newer"};
  return names[static_cast<std::size_t>(kind)];
}

/// A valid frame somewhere behind bytes that are not: it tells how far the log was durable.
struct Witness {
  std::uint64_t at = 0;
  std::uint64_t synced_to = 0;
};

/// Reads frames, without any I/O. Any bytes give an answer; nothing is allocated by a length that
/// was not checked.
/// - `decode(cursor, at, window)`: what lies at `at`, where `window` begins; a window shorter than
///   `need` ends where the segment ends. The cursor carries what one frame hands to the next.
/// - `witness(cursor, at, window)`: the first valid frame that begins in the window.
/// - `resume(cursor, at)`: go on reading at a frame behind a gap.
/// - `searched`: the bytes that `witness` wants to see of a frame.
template <class F>
concept segment_format = std::copyable<F> && std::movable<typename F::cursor> &&
    requires(F const& f, typename F::cursor& c, std::uint64_t at, bytes_view window) {
  { f.start() } -> std::same_as<typename F::cursor>;
  { f.decode(c, at, window) } -> std::same_as<Step>;
  { f.witness(c, at, window) } -> std::same_as<std::optional<Witness>>;
  { f.resume(c, at) } -> std::same_as<void>;
  { F::max_frame } -> std::convertible_to<std::uint64_t>;
  { F::searched } -> std::convertible_to<std::uint64_t>;
};

/// What a writer says of a frame.
struct Stamp {
  std::int64_t time_ns = 0;
  std::uint64_t synced_to = 0;
  std::uint32_t boot = 0;
  std::uint64_t nonce = 0;  ///< of a new segment
  bool fresh = false;       ///< nothing that is durable may share a disk sector with it
};

/// Also writes them. `encode` adds to `out` what has to be written at the place it gives: `at`, or
/// behind it, where the bytes between are padding that reads as zeros without being written.
/// - `header(cursor, stamp, out)`: what a new segment begins with.
/// - `mark(cursor, at, stamp, out)`: that everything before `stamp.synced_to` is durable; adds
///   nothing where the format can't say so.
template <class F>
concept writable_format = segment_format<F> && requires(F const& f,
                                                        typename F::cursor& c,
                                                        std::uint64_t at,
                                                        bytes_view payload,
                                                        Stamp const& stamp,
                                                        bytes& out) {
  { f.encode(c, at, payload, stamp, out) } -> gives<std::uint64_t>;
  { f.header(c, stamp, out) } -> gives<void>;
  { f.mark(c, at, stamp, out) } -> gives<std::uint64_t>;
  { F::max_payload } -> std::convertible_to<std::uint64_t>;
};

HOLDFAST_END

#endif

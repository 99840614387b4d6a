// SPDX-License-Identifier: BSL-1.0
// Reads and writes our own segments: a header, then frames that each tell what was durable before
// them. docs/format.md has every byte.
//
// Invariants:
// - A frame is valid at one place of one file alone: its checksum begins with both.
// - `synced_to` is written only after the sync that it tells of, so it is true whatever happens to
//   the frame later.
// - Records are numbered without gaps. Zeros up to the next multiple of `align` are padding.
#ifndef HOLDFAST_FORMAT_FRAMED_HPP
#define HOLDFAST_FORMAT_FRAMED_HPP

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "holdfast/bytes.hpp"
#include "holdfast/checksum.hpp"
#include "holdfast/config.hpp"
#include "holdfast/result.hpp"
#include "holdfast/segment.hpp"

HOLDFAST_BEGIN

namespace detail::framed {
inline constexpr std::uint64_t magic = 0x6765'7367'6f6c'6668;  // "hflogseg"
inline constexpr std::uint32_t version = 1;
inline constexpr std::size_t header_size = 64;
inline constexpr std::size_t frame_size = 40;
inline constexpr std::uint64_t unit = 8;  // every frame begins at a multiple of it
inline constexpr std::uint32_t largest_align = 1 << 20;
enum class Kind : std::uint8_t { record = 1, mark = 2, footer = 3 };

namespace at {  // within the header
inline constexpr std::size_t magic = 0, version = 8, align = 12, log = 16, base = 24, salt = 32;
inline constexpr std::size_t boot = 40, created = 48, crc = 60;
}  // namespace at
namespace in {  // within a frame; the checksum comes last, so that a burst of 32 bits never hides
inline constexpr std::size_t kind = 0, length = 4, sequence = 8, synced_to = 16, time = 24;
inline constexpr std::size_t payload_crc = 32, crc = 36;
}  // namespace in

[[nodiscard]] constexpr std::uint64_t up(std::uint64_t n, std::uint64_t to) noexcept {
  return to == 0 ? n : (n + to - 1) / to * to;
}
// Another place or another file gives another checksum, always: the start of a CRC is one to one.
[[nodiscard]] constexpr std::uint32_t seed(std::uint64_t salt, std::uint64_t place) noexcept {
  return static_cast<std::uint32_t>(salt) + static_cast<std::uint32_t>(place / unit);
}
}  // namespace detail::framed

/// The format `framed`. Copies are equal; everything that changes is in the cursor.
class Framed {
 public:
  static constexpr std::uint64_t max_payload = std::uint64_t{16} << 20;
  static constexpr std::uint64_t max_frame = max_payload + detail::framed::frame_size;
  static constexpr std::uint64_t searched = detail::framed::frame_size;
  static constexpr std::uint64_t header_size = detail::framed::header_size;
  static constexpr bool keeps_points = true;  ///< a segment of ours may have a file beside it

  struct Options {
    std::uint64_t log = 0;       ///< which log it belongs to; 0 takes any
    std::uint64_t base = 0;      ///< the number of its first record; `any_base` takes any
    std::uint32_t align = 4096;  ///< what was synced never shares a disk sector of this size with
                                 ///< what is written later; 0 packs tightly and trusts the disk
  };
  static constexpr std::uint64_t any_base = ~std::uint64_t{0};

  /// What one frame hands to the next.
  struct cursor {
    std::uint64_t log = 0;
    std::uint64_t base = 0;
    std::uint64_t salt = 0;
    std::uint64_t next = 0;  ///< the number that the next record must have
    std::uint64_t align = 0;
    std::int64_t last_time_ns = 0;
    bool headed = false;  ///< the header has been read
    bool loose = false;   ///< behind a gap: the next number may be greater
    bool sealed = false;  ///< the footer has been read
  };

  Framed() noexcept : options_{} {}
  explicit Framed(Options options) noexcept : options_{options} {}
  [[nodiscard]] Options const& options() const noexcept { return options_; }

  [[nodiscard]] cursor start() const noexcept { return {}; }

  [[nodiscard]] Step decode(cursor& c, std::uint64_t place, bytes_view window) const noexcept {
    using namespace detail::framed;  // NOLINT(google-build-using-namespace)
    if (!c.headed) return decode_header(c, window);
    if (window.size() < unit) return need(unit);
    if (get_le<std::uint64_t>(window, 0) == 0) return decode_gap(c, place, window);
    if (window.size() < frame_size) return need(frame_size);
    if (!checks(c, place, window) || c.sealed) return {};
    auto const length = get_le<std::uint32_t>(window, in::length);
    auto const whole = frame_size + up(length, unit);
    if (window.size() < whole) return need(whole);
    auto const body = window.subspan(frame_size, static_cast<std::size_t>(up(length, unit)));
    if (crc32c(body) != get_le<std::uint32_t>(window, in::payload_crc)) {
      auto failed = step_of(Step::Kind::bad);
      failed.used = whole;
      return failed;
    }
    return accept(c, place, window, length, whole);
  }

  [[nodiscard]] std::optional<Witness> witness(cursor const& c,
                                               std::uint64_t place,
                                               bytes_view window) const noexcept {
    using namespace detail::framed;  // NOLINT(google-build-using-namespace)
    if (!c.headed) return {};
    for (auto i = up(place, unit) - place; i + frame_size <= window.size(); i += unit) {
      auto const from = window.subspan(static_cast<std::size_t>(i), frame_size);
      if (checks(c, place + i, from)) {
        return Witness{place + i, get_le<std::uint64_t>(from, in::synced_to)};
      }
    }
    return {};
  }
  void resume(cursor& c, std::uint64_t) const noexcept { c.loose = true; }

  /// A new segment's first bytes.
  [[nodiscard]] result<void> header(cursor& c, Stamp const& stamp, bytes& out) const {
    using namespace detail::framed;  // NOLINT(google-build-using-namespace)
    if (options_.align > largest_align || options_.align % unit != 0) {
      return failure(errc::invalid, "align of a segment");
    }
    std::array<std::byte, header_size> own{};
    put_le(own, at::magic, magic);
    put_le(own, at::version, version);
    put_le(own, at::align, options_.align);
    put_le(own, at::log, options_.log);
    put_le(own, at::base, options_.base == any_base ? 0 : options_.base);
    put_le(own, at::salt, stamp.nonce);
    put_le(own, at::boot, stamp.boot);
    put_le(own, at::created, static_cast<std::uint64_t>(stamp.time_ns));
    put_le(own, at::crc, crc32c(bytes_view{own}.first(at::crc)));
    out.insert(out.end(), own.begin(), own.end());
    c = {};
    static_cast<void>(decode_header(c, own));
    return ok();
  }

  [[nodiscard]] result<std::uint64_t> encode(
      cursor& c, std::uint64_t place, bytes_view payload, Stamp const& stamp, bytes& out) const {
    if (payload.size() > max_payload) return failure(errc::too_large, "append", "a record");
    // Never earlier than the record before it, whatever the wall clock does.
    c.last_time_ns = std::max(c.last_time_ns, stamp.time_ns);
    auto const begin = add(c, place, detail::framed::Kind::record, payload, stamp, out);
    ++c.next;
    return begin;
  }
  [[nodiscard]] result<std::uint64_t> mark(cursor& c,
                                           std::uint64_t place,
                                           Stamp const& stamp,
                                           bytes& out) const {
    return add(c, place, detail::framed::Kind::mark, {}, stamp, out);
  }
  /// Nothing comes after a footer.
  [[nodiscard]] result<std::uint64_t> footer(cursor& c,
                                             std::uint64_t place,
                                             Stamp const& stamp,
                                             bytes& out) const {
    auto const begin = add(c, place, detail::framed::Kind::footer, {}, stamp, out);
    c.sealed = true;
    return begin;
  }

 private:
  [[nodiscard]] static Step need(std::uint64_t size) noexcept {
    Step step;
    step.kind = Step::Kind::need;
    step.need = size;
    return step;
  }
  [[nodiscard]] static Step step_of(Step::Kind kind) noexcept {
    Step step;
    step.kind = kind;
    return step;
  }

  // A whole header of a frame, of this place in this file.
  [[nodiscard]] static bool checks(cursor const& c,
                                   std::uint64_t place,
                                   bytes_view frame) noexcept {
    using namespace detail::framed;  // NOLINT(google-build-using-namespace)
    auto const kind = static_cast<std::uint8_t>(frame[in::kind]);
    if (kind < 1 || kind > 3) return false;
    if (get_le<std::uint32_t>(frame, in::length) > max_payload) return false;
    return get_le<std::uint32_t>(frame, in::crc) ==
           crc32c(frame.first(in::crc), seed(c.salt, place));
  }

  [[nodiscard]] Step decode_header(cursor& c, bytes_view window) const noexcept {
    using namespace detail::framed;  // NOLINT(google-build-using-namespace)
    if (window.size() < header_size) return need(header_size);
    auto const own = window.first(header_size);
    if (get_le<std::uint64_t>(own, at::magic) != magic) return step_of(Step::Kind::foreign);
    auto const crc = get_le<std::uint32_t>(own, at::crc);
    if (crc != crc32c(own.first(at::crc))) return {};
    if (get_le<std::uint32_t>(own, at::version) > version) return step_of(Step::Kind::newer);
    auto const log = get_le<std::uint64_t>(own, at::log);
    auto const base = get_le<std::uint64_t>(own, at::base);
    bool const of_this = (options_.log == 0 || log == options_.log) &&
                         (options_.base == any_base || base == options_.base);
    if (!of_this) {
      auto other = step_of(Step::Kind::foreign);
      other.valid = true;
      return other;
    }
    auto const align = get_le<std::uint32_t>(own, at::align);
    if (align > largest_align || align % unit != 0) return {};
    c.log = log;
    c.base = c.next = base;
    c.salt = get_le<std::uint64_t>(own, at::salt);
    c.align = align;
    c.headed = true;
    auto step = step_of(Step::Kind::mark);
    step.used = header_size;
    step.sequence = base;
    step.boot = get_le<std::uint32_t>(own, at::boot);
    step.check = crc;
    return step;
  }

  [[nodiscard]] static Step decode_gap(cursor const& c,
                                       std::uint64_t place,
                                       bytes_view window) noexcept {
    auto const gap = detail::framed::up(place, c.align) - place;
    if (gap == 0) return {};
    auto const seen =
        window.first(static_cast<std::size_t>(std::min<std::uint64_t>(gap, window.size())));
    for (auto const byte : seen) {
      if (byte != std::byte{0}) return {};
    }
    if (seen.size() < gap) return need(gap);
    auto step = step_of(Step::Kind::padding);
    step.used = gap;
    return step;
  }

  [[nodiscard]] static Step accept(cursor& c,
                                   std::uint64_t place,
                                   bytes_view frame,
                                   std::uint32_t length,
                                   std::uint64_t whole) noexcept {
    using namespace detail::framed;  // NOLINT(google-build-using-namespace)
    auto const kind = static_cast<Kind>(frame[in::kind]);
    auto const sequence = get_le<std::uint64_t>(frame, in::sequence);
    auto const synced_to = get_le<std::uint64_t>(frame, in::synced_to);
    if (c.loose ? sequence < c.next : sequence != c.next) return {};
    if (synced_to > place) return {};
    c.loose = false;
    c.next = sequence + (kind == Kind::record ? 1 : 0);
    c.sealed = kind == Kind::footer;
    auto step = step_of(kind == Kind::record ? Step::Kind::record : Step::Kind::mark);
    step.used = whole;
    step.begin = place;
    step.sequence = sequence;
    step.synced_to = synced_to;
    step.time_ns = static_cast<std::int64_t>(get_le<std::uint64_t>(frame, in::time));
    step.boot = get_le<std::uint32_t>(frame, in::kind) >> 8;
    step.check = get_le<std::uint32_t>(frame, in::crc);
    step.payload = frame.subspan(frame_size, length);
    if (kind == Kind::record) c.last_time_ns = step.time_ns;
    return step;
  }

  static std::uint64_t add(cursor& c,
                           std::uint64_t place,
                           detail::framed::Kind kind,
                           bytes_view payload,
                           Stamp const& stamp,
                           bytes& out) {
    using namespace detail::framed;               // NOLINT(google-build-using-namespace)
    if (stamp.fresh) place = up(place, c.align);  // the gap is a hole: its sector stays untouched
    auto const begin = out.size();
    auto const body = static_cast<std::size_t>(up(payload.size(), unit));
    out.resize(begin + frame_size + body);
    auto const frame = bytes_span{out}.subspan(begin);
    std::copy(payload.begin(), payload.end(), frame.begin() + frame_size);
    put_le(frame, in::payload_crc, crc32c(bytes_view{frame}.subspan(frame_size)));
    put_le(frame, in::length, static_cast<std::uint32_t>(payload.size()));
    put_le(frame, in::sequence, c.next);
    put_le(frame, in::synced_to, stamp.synced_to);
    put_le(frame, in::time, static_cast<std::uint64_t>(c.last_time_ns));
    put_le(frame, in::kind, stamp.boot << 8 | static_cast<std::uint32_t>(kind));
    put_le(frame, in::crc, crc32c(bytes_view{frame}.first(in::crc), seed(c.salt, place)));
    return place;
  }

  Options options_;
};
static_assert(writable_format<Framed>);

HOLDFAST_END

#endif

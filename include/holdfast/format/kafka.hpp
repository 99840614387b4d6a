// SPDX-License-Identifier: BSL-1.0
// Reads and writes the segments of Kafka's log: record batches of version 2, one after another.
//
// A record of ours is one batch: its payload is the batch's body (kafka_batch.hpp), its number the
// offset of its last record, its time the greatest of its records. The offset of the first record,
// the leader's epoch, the length and the magic lie before what the checksum covers: of an offset
// only the order is checked, and that it is of this segment. The format does not tell what was
// synced, so, as in Kafka's own recovery, what fails its check in the last segment is cut.
#ifndef HOLDFAST_FORMAT_KAFKA_HPP
#define HOLDFAST_FORMAT_KAFKA_HPP

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "holdfast/bytes.hpp"
#include "holdfast/checksum.hpp"
#include "holdfast/config.hpp"
#include "holdfast/format/kafka_batch.hpp"
#include "holdfast/result.hpp"
#include "holdfast/segment.hpp"

HOLDFAST_BEGIN

namespace detail::kafka {
using holdfast::kafka::detail::get_be, holdfast::kafka::detail::put_be;
inline constexpr std::size_t before_body = 21;
inline constexpr std::size_t smallest = before_body + holdfast::kafka::detail::body_header;
inline constexpr std::size_t before_length = 12;  // the length counts what comes behind it
inline constexpr std::uint8_t magic = 2;
namespace at {
inline constexpr std::size_t base_offset = 0, length = 8, epoch = 12, magic = 16, crc = 17;
}  // namespace at

[[nodiscard]] inline std::int64_t ns_of(std::int64_t ms) noexcept {
  constexpr auto most = INT64_MAX / 1'000'000;
  return std::clamp(ms, -most, most) * 1'000'000;
}
}  // namespace detail::kafka

/// The format `kafka`.
class KafkaLog {
 public:
  static constexpr std::uint64_t max_frame = std::uint64_t{64} << 20;
  static constexpr std::uint64_t max_payload = max_frame - detail::kafka::before_body;
  static constexpr std::uint64_t searched = detail::kafka::smallest;
  static constexpr std::uint64_t any_base = ~std::uint64_t{0};

  struct Options {
    std::uint64_t base = any_base;  ///< the segment's first offset, which its file's name says;
                                    ///< `any_base` takes that of the first batch, or begins at 0
    std::int32_t epoch = 0;         ///< of the leader, in batches that are written
    bool dense = false;             ///< no offset is missing; not so where a topic is compacted
  };

  struct cursor {
    std::uint64_t base = 0;
    std::uint64_t next = 0;  ///< the least offset that the next batch may have
    std::int64_t last_time_ns = 0;
    bool begun = false;  ///< a batch was read or written
    bool loose = false;  ///< behind a gap
    bool zeros = false;  ///< behind the last batch; only zeros may follow
  };

  KafkaLog() noexcept : options_{} {}
  explicit KafkaLog(Options options) noexcept : options_{options} {}
  [[nodiscard]] Options const& options() const noexcept { return options_; }

  [[nodiscard]] cursor start() const noexcept {
    cursor c;
    if (options_.base != any_base) c.base = c.next = options_.base;
    return c;
  }

  [[nodiscard]] Step decode(cursor& c, std::uint64_t place, bytes_view window) const {
    using namespace detail::kafka;  // NOLINT(google-build-using-namespace)
    // Whatever follows zeros, it is judged as zeros with something behind them: how many of them
    // one window shows must not decide it.
    if (c.zeros) return is_zero(window) ? zeros(c, window) : step_of(Step::Kind::bad);
    if (window.size() < before_body) return need(before_body);
    auto const length = get_be<std::int32_t>(window, at::length);
    if (length == 0 && is_zero(window)) return zeros(c, window);
    auto const whole = before_length + static_cast<std::uint64_t>(std::max(length, 0));
    if (whole < smallest || whole > max_frame) return unread(c, window);
    if (window.size() < whole) return need(whole);
    auto const body = window.first(static_cast<std::size_t>(whole)).subspan(before_body);
    auto failed = get_be<std::uint8_t>(window, at::magic) == magic ? step_of(Step::Kind::bad)
                                                                   : unread(c, window);
    failed.used = failed.kind == Step::Kind::bad ? whole : 0;  // checked in vain
    if (crc32c(body) != get_be<std::uint32_t>(window, at::crc)) return failed;
    // All but its magic is right: that was damaged, whatever it says.
    if (get_be<std::uint8_t>(window, at::magic) != magic) return misplaced();
    auto step = accept(c, window, body);
    step.begin = place;
    step.used = step.kind == Step::Kind::record ? whole : 0;
    return step;
  }

  /// What looks like a batch of this segment behind the last; its checksum is for `decode`.
  [[nodiscard]] std::optional<Witness> witness(cursor const& c,
                                               std::uint64_t place,
                                               bytes_view window) const noexcept {
    using namespace detail::kafka;  // NOLINT(google-build-using-namespace)
    for (std::size_t i = 0; i + smallest <= window.size(); ++i) {
      if (get_be<std::uint8_t>(window, i + at::magic) != magic) continue;
      auto const length = get_be<std::int32_t>(window, i + at::length);
      if (length < 0) continue;
      auto const whole = before_length + static_cast<std::uint64_t>(length);
      if (whole < smallest || whole > max_frame) continue;
      auto const batch = holdfast::kafka::batch_in(window.subspan(i + before_body));
      if (batch->last_offset_delta < 0 || batch->count < 0) continue;
      auto const base = get_be<std::uint64_t>(window, i + at::base_offset);
      if (!follows(c, base, true)) continue;
      return Witness{place + i, 0};
    }
    return {};
  }
  void resume(cursor& c, std::uint64_t) const noexcept {
    c.loose = true;
    c.zeros = false;
  }

  [[nodiscard]] result<void> header(cursor& c, Stamp const&, bytes&) const {
    c = start();
    return ok();
  }
  [[nodiscard]] result<std::uint64_t> mark(cursor&,
                                           std::uint64_t place,
                                           Stamp const&,
                                           bytes&) const {
    return place;
  }
  /// `payload` is the body of a batch, which gets the next offsets. Errors: `invalid` where it is
  /// none, or its offsets would not fit into this segment; `too_large`.
  [[nodiscard]] result<std::uint64_t> encode(
      cursor& c, std::uint64_t place, bytes_view payload, Stamp const&, bytes& out) const {
    using namespace detail::kafka;  // NOLINT(google-build-using-namespace)
    if (payload.size() > max_payload) return failure(errc::too_large, "append", "a batch");
    if (!holdfast::kafka::is_writable(payload)) {
      return failure(errc::invalid, "append", "the body of a batch");
    }
    auto const batch = holdfast::kafka::batch_in(payload);
    auto const last = c.next + static_cast<std::uint64_t>(batch->last_offset_delta);
    if (last - c.base > most_ahead) return failure(errc::too_large, "append", "offsets");
    auto const begin = out.size();
    out.resize(begin + before_body);
    auto const own = bytes_span{out}.subspan(begin);
    put_be(own, at::base_offset, c.next);
    put_be(own, at::length,
           static_cast<std::uint32_t>(before_body - before_length + payload.size()));
    put_be(own, at::epoch, options_.epoch);
    put_be(own, at::magic, magic);
    put_be(own, at::crc, crc32c(payload));
    out.insert(out.end(), payload.begin(), payload.end());
    go_by(c, c.next, *batch);
    return place;
  }

 private:
  // An index says offsets as 31 bits behind the segment's first.
  static constexpr std::uint64_t most_ahead = INT32_MAX;

  [[nodiscard]] static Step step_of(Step::Kind kind) noexcept {
    Step step;
    step.kind = kind;
    return step;
  }
  [[nodiscard]] static Step need(std::uint64_t size) noexcept {
    auto step = step_of(Step::Kind::need);
    step.need = size;
    return step;
  }
  // Its own check holds, so no crash has put it where it does not belong.
  [[nodiscard]] static Step misplaced() noexcept {
    auto step = step_of(Step::Kind::bad);
    step.valid = true;
    return step;
  }
  [[nodiscard]] static bool is_zero(bytes_view window) noexcept {
    return std::all_of(window.begin(), window.end(),
                       [](std::byte byte) { return byte == std::byte{0}; });
  }
  // A file that was given its space early has zeros behind its last batch.
  [[nodiscard]] static Step zeros(cursor& c, bytes_view window) noexcept {
    auto step = step_of(Step::Kind::padding);
    step.used = window.size();
    c.zeros = true;
    return step;
  }
  // The first thing of a file may be a message of an older version, which has its checksum where a
  // batch has the epoch.
  [[nodiscard]] static Step unread(cursor const& c, bytes_view window) noexcept {
    using namespace detail::kafka;  // NOLINT(google-build-using-namespace)
    bool const first = !c.begun && !c.loose;
    bool const older = get_be<std::uint8_t>(window, at::magic) < magic &&
                       get_be<std::uint32_t>(window, at::epoch) != 0;
    return step_of(first && older ? Step::Kind::foreign : Step::Kind::bad);
  }

  [[nodiscard]] bool follows(cursor const& c, std::uint64_t base, bool loose) const noexcept {
    bool const based = c.begun || options_.base != any_base;
    if (base >> 63 != 0) return false;
    if (!based) return true;
    if (base < c.next || base - c.base > most_ahead) return false;
    return loose || !options_.dense || base == c.next;
  }
  // No checksum covers an offset, so a tear may spare all of a batch but its first bytes.
  [[nodiscard]] static bool is_torn_offset(cursor const& c, std::uint64_t base) noexcept {
    for (unsigned lost = 8; lost <= 64; lost += 8) {
      auto const rest = lost == 64 ? 0 : c.next << lost >> lost;
      if (base == rest && base != c.next) return true;
    }
    return false;
  }
  static void go_by(cursor& c, std::uint64_t base, holdfast::kafka::Batch const& batch) noexcept {
    c.next = base + static_cast<std::uint64_t>(batch.last_offset_delta) + 1;
    c.last_time_ns = detail::kafka::ns_of(batch.max_ms);
    c.begun = true;
    c.loose = false;
  }
  [[nodiscard]] Step accept(cursor& c, bytes_view window, bytes_view body) const {
    using namespace detail::kafka;  // NOLINT(google-build-using-namespace)
    auto const base = get_be<std::uint64_t>(window, at::base_offset);
    if (!follows(c, base, c.loose))
      return is_torn_offset(c, base) ? step_of(Step::Kind::bad) : misplaced();
    if (!holdfast::kafka::is_writable(body)) return misplaced();
    auto const batch = holdfast::kafka::batch_in(body);
    if (!c.begun && options_.base == any_base) c.base = base;
    go_by(c, base, *batch);
    auto step = step_of(Step::Kind::record);
    step.sequence = c.next - 1;
    step.time_ns = c.last_time_ns;
    step.check = get_be<std::uint32_t>(window, at::crc);
    step.payload = body;
    return step;
  }

  Options options_;
};
static_assert(writable_format<KafkaLog>);

HOLDFAST_END

#endif

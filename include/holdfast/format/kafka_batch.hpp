// SPDX-License-Identifier: BSL-1.0
// What is in a Kafka record batch (version 2) from its attributes on: made, and taken apart.
//
// This body is what the batch's checksum covers and what a producer decides; the broker, here the
// log, adds the offset of its first record. All numbers are big-endian.
#ifndef HOLDFAST_FORMAT_KAFKA_BATCH_HPP
#define HOLDFAST_FORMAT_KAFKA_BATCH_HPP

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

#include "holdfast/bytes.hpp"
#include "holdfast/config.hpp"
#include "holdfast/result.hpp"

HOLDFAST_BEGIN

namespace kafka {
enum class Compression : std::uint8_t { none, gzip, snappy, lz4, zstd };

/// What a batch says of all its records.
struct Batch {
  std::uint16_t attributes = 0;
  std::int32_t last_offset_delta = 0;  ///< offset of the last record behind that of the first
  std::int64_t base_ms = 0;            ///< time of the first record, milliseconds since 1970
  std::int64_t max_ms = 0;
  std::int64_t producer_id = -1;
  std::int16_t producer_epoch = -1;
  std::int32_t base_sequence = -1;
  std::int32_t count = 0;
  bytes_view records{};  ///< as they lie there, compressed or not

  /// A number above `zstd` is a codec of a later version.
  [[nodiscard]] Compression compression() const noexcept {
    return static_cast<Compression>(attributes & 7);
  }
  [[nodiscard]] bool has_append_time() const noexcept { return (attributes & 8) != 0; }
  [[nodiscard]] bool is_transactional() const noexcept { return (attributes & 16) != 0; }
  [[nodiscard]] bool is_control() const noexcept { return (attributes & 32) != 0; }
};

/// A name and a value beside a record.
struct Header {
  bytes_view key{};
  std::optional<bytes_view> value{};
};
/// One record of a batch that is not compressed. Its views live as long as the body.
struct Record {
  std::int64_t delta_ms = 0;
  std::int32_t offset_delta = 0;
  std::optional<bytes_view> key{};
  std::optional<bytes_view> value{};
  std::vector<Header> headers{};
};

namespace detail {
inline constexpr std::size_t body_header = 40;
namespace in {  // within a body
inline constexpr std::size_t attributes = 0, last_offset_delta = 2, base_ms = 6, max_ms = 14;
inline constexpr std::size_t producer_id = 22, producer_epoch = 30, base_sequence = 32, count = 36;
}  // namespace in

template <std::integral T>
[[nodiscard]] constexpr T get_be(bytes_view from, std::size_t at) noexcept {
  using U = std::make_unsigned_t<T>;
  U value = 0;
  for (std::size_t i = 0; i < sizeof(T); ++i) {
    value = static_cast<U>(value << 8 | static_cast<U>(from[at + i]));
  }
  return static_cast<T>(value);
}
template <std::integral T>
constexpr void put_be(bytes_span into, std::size_t at, T value) noexcept {
  auto rest = static_cast<std::make_unsigned_t<T>>(value);
  for (std::size_t i = sizeof(T); i-- > 0;) {
    into[at + i] = static_cast<std::byte>(rest & 0xff);
    if constexpr (sizeof(T) > 1) rest = static_cast<decltype(rest)>(rest >> 8);
  }
}

// Signed numbers, small ones short: the sign in the lowest bit, then seven bits a byte.
inline void put_varint(bytes& out, std::int64_t value) {
  auto rest = static_cast<std::uint64_t>(value) << 1 ^ static_cast<std::uint64_t>(value >> 63);
  for (; rest > 127; rest >>= 7) out.push_back(static_cast<std::byte>((rest & 127) | 128));
  out.push_back(static_cast<std::byte>(rest));
}

/// Takes from the front of a view; not `good` any more where it asked for what is not there.
struct Cursor {
  bytes_view rest;
  bool good = true;

  [[nodiscard]] std::int64_t varint(std::size_t most = 10) noexcept {
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < most && i < rest.size(); ++i) {
      auto const byte = static_cast<std::uint64_t>(rest[i]);
      value |= (byte & 127) << 7 * i;
      if (byte > 127) continue;
      rest = rest.subspan(i + 1);
      return static_cast<std::int64_t>(value >> 1) ^ -static_cast<std::int64_t>(value & 1);
    }
    good = false;
    return 0;
  }
  [[nodiscard]] std::int32_t small() noexcept { return static_cast<std::int32_t>(varint(5)); }
  [[nodiscard]] bytes_view take(std::int32_t size) noexcept {
    good = good && size >= 0 && static_cast<std::size_t>(size) <= rest.size();
    if (!good) return {};
    auto const taken = rest.first(static_cast<std::size_t>(size));
    rest = rest.subspan(taken.size());
    return taken;
  }
  /// -1 stands for none.
  [[nodiscard]] std::optional<bytes_view> maybe() noexcept {
    auto const size = small();
    if (size == -1) return {};
    return take(size);
  }
};

// Headers that nobody is told of are gone by: kept, they take many times their bytes.
enum class Headers : bool { kept, gone_by };
[[nodiscard]] inline std::optional<Record> record_in(bytes_view from, Headers headers_are) {
  Cursor at{from};
  Record out;
  static_cast<void>(at.take(1));  // attributes, of which none is used
  out.delta_ms = at.varint();
  out.offset_delta = at.small();
  out.key = at.maybe();
  out.value = at.maybe();
  auto const headers = at.small();
  // Each takes two bytes at least: no memory by a number alone.
  if (headers < 0 || static_cast<std::size_t>(headers) > at.rest.size()) return {};
  for (std::int32_t i = 0; i < headers && at.good; ++i) {
    auto const key = at.take(at.small());
    auto const value = at.maybe();
    if (headers_are == Headers::kept) out.headers.push_back({key, value});
  }
  if (!at.good || !at.rest.empty()) return {};
  return out;
}
inline void put_maybe(bytes& out, std::optional<bytes_view> const& value) {
  put_varint(out, value ? static_cast<std::int64_t>(value->size()) : -1);
  if (value) out.insert(out.end(), value->begin(), value->end());
}
}  // namespace detail

/// The fields of a body; nothing where it is too short for them.
[[nodiscard]] inline std::optional<Batch> batch_in(bytes_view body) noexcept {
  using namespace detail;  // NOLINT(google-build-using-namespace)
  if (body.size() < body_header) return {};
  Batch out;
  out.attributes = get_be<std::uint16_t>(body, in::attributes);
  out.last_offset_delta = get_be<std::int32_t>(body, in::last_offset_delta);
  out.base_ms = get_be<std::int64_t>(body, in::base_ms);
  out.max_ms = get_be<std::int64_t>(body, in::max_ms);
  out.producer_id = get_be<std::int64_t>(body, in::producer_id);
  out.producer_epoch = get_be<std::int16_t>(body, in::producer_epoch);
  out.base_sequence = get_be<std::int32_t>(body, in::base_sequence);
  out.count = get_be<std::int32_t>(body, in::count);
  out.records = body.subspan(body_header);
  return out;
}

namespace detail {
template <class Visit>
[[nodiscard]] bool each_record(bytes_view body, Headers headers_are, Visit visit) {
  auto const batch = batch_in(body);
  if (!batch || batch->last_offset_delta < 0 || batch->count < 0) return false;
  // Compaction may take records away, but not make more of them than there were offsets.
  if (batch->count > std::int64_t{batch->last_offset_delta} + 1) return false;
  if (batch->compression() != Compression::none) return true;
  Cursor at{batch->records};
  std::int32_t seen = 0;
  while (at.good && !at.rest.empty()) {
    auto const own = at.take(at.small());
    if (!at.good) return false;
    auto const record = record_in(own, headers_are);
    if (!record || record->offset_delta < 0 || record->offset_delta > batch->last_offset_delta)
      return false;
    visit(*record);
    ++seen;
  }
  return at.good && seen == batch->count;
}
}  // namespace detail

/// Tells each record. False where a body is not one that may be written: where its counts are
/// wrong, or, if it is not compressed, its records. What is compressed is not opened, so none of it
/// is told.
template <class Visit>
[[nodiscard]] bool each_record(bytes_view body, Visit visit) {
  return detail::each_record(body, detail::Headers::kept, std::move(visit));
}
/// Whether a body is one that may be written, as `each_record` says, in no memory of its own.
[[nodiscard]] inline bool is_writable(bytes_view body) {
  return detail::each_record(body, detail::Headers::gone_by, [](Record const&) {});
}

/// A body with these records, not compressed; their offset deltas are counted here. Of `batch` the
/// attributes, `base_ms` and what says who produced it are taken.
[[nodiscard]] inline bytes body_of(Batch const& batch, std::span<Record const> records) {
  using namespace detail;  // NOLINT(google-build-using-namespace)
  bytes out(body_header);
  bytes own;
  auto max_ms = records.empty() ? batch.max_ms : batch.base_ms;
  std::int32_t delta = 0;
  for (auto const& record : records) {
    own.assign(1, std::byte{0});
    put_varint(own, record.delta_ms);
    put_varint(own, delta++);
    put_maybe(own, record.key);
    put_maybe(own, record.value);
    put_varint(own, static_cast<std::int64_t>(record.headers.size()));
    for (auto const& header : record.headers) {
      put_maybe(own, header.key);
      put_maybe(own, header.value);
    }
    put_varint(out, static_cast<std::int64_t>(own.size()));
    out.insert(out.end(), own.begin(), own.end());
    max_ms = std::max(max_ms, batch.base_ms + record.delta_ms);
  }
  auto const count = static_cast<std::int32_t>(records.size());
  put_be(bytes_span{out}, in::attributes, static_cast<std::uint16_t>(batch.attributes & ~7u));
  put_be(bytes_span{out}, in::last_offset_delta, std::max(count - 1, 0));
  put_be(bytes_span{out}, in::base_ms, batch.base_ms);
  put_be(bytes_span{out}, in::max_ms, max_ms);
  put_be(bytes_span{out}, in::producer_id, batch.producer_id);
  put_be(bytes_span{out}, in::producer_epoch, batch.producer_epoch);
  put_be(bytes_span{out}, in::base_sequence, batch.base_sequence);
  put_be(bytes_span{out}, in::count, count);
  return out;
}
}  // namespace kafka

HOLDFAST_END

#endif

// SPDX-License-Identifier: BSL-1.0
// Kafka's own indexes of a segment, made from its data: `.index` says where in the file an offset
// is, `.timeindex` which offset has a time.
//
// They are what Kafka itself makes when it recovers the segment: an entry for about every 4096
// bytes, and at the end the greatest time. Neither has a checksum, so they are verified against the
// data alone. Built aside, synced, and named in one step.
#ifndef HOLDFAST_LOG_KAFKA_INDEX_HPP
#define HOLDFAST_LOG_KAFKA_INDEX_HPP

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

#include "holdfast/bytes.hpp"
#include "holdfast/config.hpp"
#include "holdfast/file_ops.hpp"
#include "holdfast/file_system.hpp"
#include "holdfast/format/kafka.hpp"
#include "holdfast/recovery/examine.hpp"
#include "holdfast/recovery/plan.hpp"
#include "holdfast/result.hpp"
#include "holdfast/segment.hpp"

HOLDFAST_BEGIN

struct KafkaIndexOptions {
  std::uint64_t interval = 4096;  ///< bytes of the log after which there is an entry
};
/// Both indexes of one segment. An entry of `offsets` is {offset behind the segment's first,
/// place}, 4 bytes each; of `times` {milliseconds since 1970, offset behind the first}, 8 and 4.
struct KafkaIndexes {
  bytes offsets{};
  bytes times{};
  Plan plan{};  ///< of the segment they were made from
};

namespace detail::kafka {
inline constexpr std::size_t offset_entry = 8;
inline constexpr std::size_t time_entry = 12;

/// Collects the entries as batches go by.
class IndexMaker {
 public:
  IndexMaker(KafkaIndexOptions const& options, std::uint64_t base)
      : interval_{options.interval}, base_{base} {}

  void add(Step const& batch, std::uint64_t end) {
    if (batch.time_ns > greatest_ns_) {
      greatest_ns_ = batch.time_ns;
      offset_of_greatest_ = batch.sequence;
    }
    if (batch.begin - indexed_to_ > interval_) {
      put_offset(batch.sequence, batch.begin);
      put_time();
      indexed_to_ = batch.begin;
    }
    last_ = end;
  }
  [[nodiscard]] KafkaIndexes finish(Plan const& plan) {
    if (last_ != 0) put_time();
    made_.plan = plan;
    return std::move(made_);
  }

 private:
  void put_offset(std::uint64_t offset, std::uint64_t place) {
    auto const at = made_.offsets.size();
    made_.offsets.resize(at + offset_entry);
    put_be(bytes_span{made_.offsets}, at, static_cast<std::uint32_t>(offset - base_));
    put_be(bytes_span{made_.offsets}, at + 4, static_cast<std::uint32_t>(place));
  }
  // Only a time that is greater than the one before gets an entry.
  void put_time() {
    if (greatest_ns_ <= put_ns_) return;
    put_ns_ = greatest_ns_;
    auto const at = made_.times.size();
    made_.times.resize(at + time_entry);
    put_be(bytes_span{made_.times}, at, greatest_ns_ / 1'000'000);
    put_be(bytes_span{made_.times}, at + 8,
           static_cast<std::uint32_t>(offset_of_greatest_ - base_));
  }

  static constexpr std::int64_t no_time_ns = -1'000'000;
  std::uint64_t interval_;
  std::uint64_t base_;
  KafkaIndexes made_{};
  std::uint64_t indexed_to_ = 0;
  std::uint64_t last_ = 0;
  std::int64_t greatest_ns_ = no_time_ns;
  std::int64_t put_ns_ = no_time_ns;
  std::uint64_t offset_of_greatest_ = 0;
};
}  // namespace detail::kafka

/// The indexes that the segment must have; `base` is its first offset, as its name says it. They
/// hold an entry for every `interval` bytes in memory. Errors: those of reading, and `too_large`
/// where a place does not fit into 31 bits.
template <segment Segment>
[[nodiscard]] result<KafkaIndexes> kafka_indexes_of(Segment const& from,
                                                    std::uint64_t base,
                                                    KafkaIndexOptions const& options = {}) {
  HOLDFAST_TRY(size, from.size());
  if (size > 0x7fff'ffff) return failure(errc::too_large, "index segment");
  detail::kafka::IndexMaker maker{options, base};
  HOLDFAST_TRY(plan, examine(from, KafkaLog{{.base = base}}, {},
                             [&](Step const& batch, std::uint64_t end) { maker.add(batch, end); }));
  return maker.finish(plan);
}

/// Where to begin to read for `offset`: the place of the last indexed batch that is not behind it;
/// 0 where there is none.
[[nodiscard]] inline std::uint64_t find_in_kafka_index(bytes_view offsets,
                                                       std::uint64_t base,
                                                       std::uint64_t offset) noexcept {
  using namespace detail::kafka;  // NOLINT(google-build-using-namespace)
  std::size_t below = 0;          // entries that are not behind it
  for (auto above = offsets.size() / offset_entry; below < above;) {
    auto const middle = below + (above - below) / 2;
    auto const entry = base + get_be<std::uint32_t>(offsets, middle * offset_entry);
    if (entry <= offset) {
      below = middle + 1;
    } else {
      above = middle;
    }
  }
  return below == 0 ? 0 : get_be<std::uint32_t>(offsets, (below - 1) * offset_entry + 4);
}

namespace detail::kafka {
template <file_system Fs>
[[nodiscard]] result<void> write_index(Fs const& fs, std::string const& path, bytes_view content) {
  auto const aside = path + ".new";
  HOLDFAST_TRYV(detail::remove_if_there(fs, aside));  // of a build that crashed
  HOLDFAST_TRY(file, fs.open(aside, Open::create));
  HOLDFAST_TRYV(fs.write_at(file, 0, content));
  HOLDFAST_TRYV(fs.sync(file));
  return fs.rename(aside, path);
}
template <file_system Fs>
[[nodiscard]] result<void> check_index(Fs const& fs, std::string const& path, bytes_view expected) {
  HOLDFAST_TRY(content, detail::read_file(fs, path, std::uint64_t{1} << 31));
  // Of a segment that is being written, zeros lie behind the entries.
  bool const longer = content.size() >= expected.size() &&
                      std::all_of(content.begin() + static_cast<std::ptrdiff_t>(expected.size()),
                                  content.end(), [](std::byte b) { return b == std::byte{0}; });
  if (longer && std::equal(expected.begin(), expected.end(), content.begin())) return ok();
  return failure(errc::index_mismatch, "verify index", path);
}
}  // namespace detail::kafka

/// Makes both indexes durable beside the segment, as `stem.index` and `stem.timeindex`: `stem` is
/// the path of the segment without its `.log`. The directory is synced.
template <file_system Fs>
[[nodiscard]] result<void> write_kafka_indexes(Fs const& fs,
                                               std::string const& stem,
                                               KafkaIndexes const& made) {
  HOLDFAST_TRYV(detail::kafka::write_index(fs, stem + ".index", made.offsets));
  HOLDFAST_TRYV(detail::kafka::write_index(fs, stem + ".timeindex", made.times));
  return fs.sync_directory(detail::parent_of(stem));
}
/// Compares every entry of both. Errors: `not_found`, `index_mismatch`, those of reading.
template <file_system Fs>
[[nodiscard]] result<void> verify_kafka_indexes(Fs const& fs,
                                                std::string const& stem,
                                                KafkaIndexes const& made) {
  HOLDFAST_TRYV(detail::kafka::check_index(fs, stem + ".index", made.offsets));
  return detail::kafka::check_index(fs, stem + ".timeindex", made.times);
}

HOLDFAST_END

#endif

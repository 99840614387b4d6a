// SPDX-License-Identifier: BSL-1.0
// Indexes beside a segment: where a number, or a time, is to be found in it.
//
// Invariants:
// - An index is made from the data alone, and is the same byte for byte each time: it may be
// missing
//   or be thrown away, and nothing but speed changes.
// - It is built aside, synced, and takes its name in one step. One that fails its check is not
// used.
#ifndef HOLDFAST_LOG_INDEX_HPP
#define HOLDFAST_LOG_INDEX_HPP

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "holdfast/bytes.hpp"
#include "holdfast/checksum.hpp"
#include "holdfast/config.hpp"
#include "holdfast/file_ops.hpp"
#include "holdfast/file_system.hpp"
#include "holdfast/recovery/examine.hpp"
#include "holdfast/recovery/plan.hpp"
#include "holdfast/result.hpp"
#include "holdfast/segment.hpp"

HOLDFAST_BEGIN

enum class IndexKind : std::uint8_t { sequence, time };

struct IndexOptions {
  std::uint32_t every = 64;  ///< one entry for so many records; 1 is dense
};

namespace detail::index {
inline constexpr std::size_t header_size = 32;
inline constexpr std::size_t entry_size = 16;
inline constexpr std::size_t crc_size = 4;
inline constexpr std::uint32_t version = 1;

[[nodiscard]] constexpr std::uint64_t magic(IndexKind kind) noexcept {
  return kind == IndexKind::sequence ? 0x7864'6971'6573'6668   // "hfseqidx"
                                     : 0x7864'696d'6974'6668;  // "hftimidx"
}
[[nodiscard]] constexpr errc damaged(IndexKind kind) noexcept {
  return kind == IndexKind::sequence ? errc::damaged_index : errc::damaged_time_index;
}
[[nodiscard]] inline std::string path_of(std::string const& segment, IndexKind kind) {
  return segment + (kind == IndexKind::sequence ? ".index" : ".times");
}

/// An index piece by piece; `put(at, bytes)` takes each.
template <class Put>
class Stream {
 public:
  Stream(IndexKind kind, IndexOptions options, Put put)
      : kind_{kind}, options_{options}, put_{std::move(put)} {
    buffer_.reserve(most);
  }

  void add(Step const& record) {
    if (records_++ % std::max<std::uint32_t>(options_.every, 1) != 0 || !sound_) return;
    auto const key =
        kind_ == IndexKind::sequence ? record.sequence : static_cast<std::uint64_t>(record.time_ns);
    auto const at = buffer_.size();
    buffer_.resize(at + entry_size);
    put_le(bytes_span{buffer_}, at, key);
    put_le(bytes_span{buffer_}, at + 8, record.begin);
    ++entries_;
    if (buffer_.size() >= most) sound_ = flush();
  }
  [[nodiscard]] result<void> finish(std::uint64_t covered) {
    HOLDFAST_TRYV(sound_);
    HOLDFAST_TRYV(flush());
    std::array<std::byte, header_size> header{};
    put_le(header, 0, magic(kind_));
    put_le(header, 8, version);
    put_le(header, 12, options_.every);
    put_le(header, 16, entries_);
    put_le(header, 24, covered);
    std::array<std::byte, crc_size> crc{};
    put_le(crc, 0, crc32c(header, crc_));
    HOLDFAST_TRYV(put_(at_, bytes_view{crc}));
    return put_(std::uint64_t{0}, bytes_view{header});
  }
  [[nodiscard]] std::uint64_t size() const noexcept { return at_ + crc_size; }

 private:
  static constexpr std::size_t most = std::size_t{64} << 10;
  [[nodiscard]] result<void> flush() {
    crc_ = crc32c(buffer_, crc_);
    HOLDFAST_TRYV(put_(at_, bytes_view{buffer_}));
    at_ += buffer_.size();
    buffer_.clear();
    return ok();
  }

  IndexKind kind_;
  IndexOptions options_;
  Put put_;
  bytes buffer_{};
  std::uint64_t at_ = header_size;
  std::uint64_t records_ = 0;
  std::uint64_t entries_ = 0;
  std::uint32_t crc_ = 0;
  result<void> sound_ = ok();
};

/// An index that has passed its check.
struct Header {
  std::uint32_t every = 0;
  std::uint64_t entries = 0;
  std::uint64_t covered = 0;
};
template <file_system Fs>
[[nodiscard]] result<Header> check(Fs const& fs,
                                   typename Fs::file& file,
                                   std::string const& path,
                                   IndexKind kind) {
  auto const refuse = [&] { return failure(damaged(kind), "read index", path); };
  HOLDFAST_TRY(size, fs.size(file));
  std::array<std::byte, header_size> raw{};
  HOLDFAST_TRY(got, fs.read_at(file, 0, raw));
  if (got != raw.size() || get_le<std::uint64_t>(raw, 0) != magic(kind)) return refuse();
  if (get_le<std::uint32_t>(raw, 8) != version) return refuse();
  Header const header{get_le<std::uint32_t>(raw, 12), get_le<std::uint64_t>(raw, 16),
                      get_le<std::uint64_t>(raw, 24)};
  if (size < header_size + crc_size ||
      (size - header_size - crc_size) / entry_size != header.entries ||
      (size - header_size - crc_size) % entry_size != 0) {
    return refuse();
  }
  std::uint32_t crc = 0;
  bytes buffer(std::size_t{64} << 10);
  auto const end = size - crc_size;
  for (std::uint64_t at = header_size; at < end;) {
    auto const some = bytes_span{buffer}.first(
        static_cast<std::size_t>(std::min<std::uint64_t>(buffer.size(), end - at)));
    HOLDFAST_TRY(read, fs.read_at(file, at, some));
    if (read != some.size()) return refuse();
    crc = crc32c(some, crc);
    at += some.size();
  }
  std::array<std::byte, crc_size> stored{};
  HOLDFAST_TRY(last, fs.read_at(file, end, stored));
  if (last != stored.size() || get_le<std::uint32_t>(stored, 0) != crc32c(raw, crc))
    return refuse();
  return header;
}
}  // namespace detail::index

/// Makes both indexes of a segment from its data, replacing those that are there.
template <file_system Fs, segment Segment, segment_format Format>
[[nodiscard]] result<Plan> build_indexes(Fs const& fs,
                                         Segment const& from,
                                         Format const& format,
                                         std::string const& path,
                                         IndexOptions options = {}) {
  using detail::index::path_of;
  auto const made = [&](IndexKind kind) -> result<typename Fs::file> {
    auto const aside = path_of(path, kind) + ".new";
    HOLDFAST_TRYV(detail::remove_if_there(fs, aside));  // of a build that crashed
    return fs.open(aside, Open::create);
  };
  HOLDFAST_TRY(sequences, made(IndexKind::sequence));
  HOLDFAST_TRY(times, made(IndexKind::time));
  detail::index::Stream by_sequence{
      IndexKind::sequence, options,
      [&](std::uint64_t at, bytes_view piece) { return fs.write_at(sequences, at, piece); }};
  detail::index::Stream by_time{IndexKind::time, options, [&](std::uint64_t at, bytes_view piece) {
                                  return fs.write_at(times, at, piece);
                                }};
  HOLDFAST_TRY(plan, examine(from, format, {}, [&](Step const& record, std::uint64_t) {
                 by_sequence.add(record);
                 by_time.add(record);
               }));
  HOLDFAST_TRYV(by_sequence.finish(plan.kept));
  HOLDFAST_TRYV(by_time.finish(plan.kept));
  HOLDFAST_TRYV(fs.sync(sequences));
  HOLDFAST_TRYV(fs.sync(times));
  for (auto const kind : {IndexKind::sequence, IndexKind::time}) {
    HOLDFAST_TRYV(fs.rename(path_of(path, kind) + ".new", path_of(path, kind)));
  }
  HOLDFAST_TRYV(fs.sync_directory(detail::parent_of(path)));
  return plan;
}

/// Compares every byte of an index with what the data says. Errors: `not_found`, `damaged_index` or
/// `damaged_time_index` (it fails its own check), `index_mismatch` (it is of other data).
template <file_system Fs, segment Segment, segment_format Format>
[[nodiscard]] result<void> verify_index(Fs const& fs,
                                        Segment const& from,
                                        Format const& format,
                                        std::string const& segment_path,
                                        IndexKind kind) {
  auto const path = detail::index::path_of(segment_path, kind);
  HOLDFAST_TRY(file, fs.open(path, Open::read));
  HOLDFAST_TRY(header, detail::index::check(fs, file, path, kind));
  bytes own;
  auto const compare = [&](std::uint64_t at, bytes_view piece) -> result<void> {
    own.resize(piece.size());
    HOLDFAST_TRY(got, fs.read_at(file, at, own));
    if (got == own.size() && std::equal(own.begin(), own.end(), piece.begin())) return ok();
    return failure(error{errc::index_mismatch, "verify index", path}.at(at));
  };
  detail::index::Stream expected{kind, IndexOptions{header.every}, compare};
  HOLDFAST_TRY(plan, examine(from, format, {},
                             [&](Step const& record, std::uint64_t) { expected.add(record); }));
  HOLDFAST_TRYV(expected.finish(plan.kept));
  HOLDFAST_TRY(size, fs.size(file));
  if (size != expected.size()) return failure(errc::index_mismatch, "verify index", path);
  return ok();
}

/// Where to begin to read for the first record at or behind `key`: the place of a record before it.
/// Nothing where it may be anywhere. Errors as of `verify_index`, but for a mismatch, which shows
/// only against the data.
template <file_system Fs>
[[nodiscard]] result<std::optional<std::uint64_t>> find_in_index(Fs const& fs,
                                                                 std::string const& segment_path,
                                                                 IndexKind kind,
                                                                 std::uint64_t key) {
  using namespace detail::index;  // NOLINT(google-build-using-namespace)
  auto const path = path_of(segment_path, kind);
  HOLDFAST_TRY(file, fs.open(path, Open::read));
  HOLDFAST_TRY(header, check(fs, file, path, kind));
  // Times are signed; moved up, they are in the order of unsigned numbers.
  auto const bias = kind == IndexKind::time ? std::uint64_t{1} << 63 : 0;
  std::uint64_t below = 0;  // entries that are before the key
  std::optional<std::uint64_t> place;
  for (auto above = header.entries; below < above;) {
    auto const middle = below + (above - below) / 2;
    std::array<std::byte, entry_size> entry{};
    HOLDFAST_TRY(got, fs.read_at(file, header_size + middle * entry_size, entry));
    if (got != entry.size()) return failure(damaged(kind), "read index", path);
    if ((get_le<std::uint64_t>(entry, 0) ^ bias) < (key ^ bias)) {
      below = middle + 1;
      place = get_le<std::uint64_t>(entry, 8);
    } else {
      above = middle;
    }
  }
  return place;
}

HOLDFAST_END

#endif

// SPDX-License-Identifier: BSL-1.0
// Reads and writes the log format of LevelDB and RocksDB, recycled logs included.
//
// Blocks of 32 KiB hold fragments: {masked CRC32C of type and data, length, type} and, in a
// recycled log, the log's number; then data. A record is one full fragment or a first, middles and
// a last. What is left of a block where no header fits is filler. The format does not tell what was
// synced: a valid fragment in a later block is taken to show that what lies before it was written
// whole.
// Zeros behind the last record, as a file has that was given its space early, are no part of the
// log: it ends before them.
#ifndef HOLDFAST_FORMAT_LEVELDB_HPP
#define HOLDFAST_FORMAT_LEVELDB_HPP

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

namespace detail::leveldb {
inline constexpr std::size_t block_size = 32768;
inline constexpr std::size_t header_size = 7;
inline constexpr std::size_t recycled_header_size = 11;
enum class Type : std::uint8_t { zero, full, first, middle, last };
inline constexpr std::uint8_t recycled = 4;  // full, first ... of a recycled log: 5 to 8

// A checksum of bytes that hold checksums would be weak; LevelDB stores them turned and shifted.
[[nodiscard]] constexpr std::uint32_t masked(std::uint32_t crc) noexcept {
  return (crc >> 15 | crc << 17) + 0xa282ead8;
}

/// One fragment as it lies there.
struct Fragment {
  Type type = Type::zero;
  std::size_t header = header_size;
  std::size_t size = 0;  ///< of its data
  std::uint32_t crc = 0;
  std::uint32_t log_number = 0;
  bool recycles = false;
  bool known = true;  ///< holds data, and not what only a later version understands
};
/// Nothing if no type begins here. `from` has at least a header.
[[nodiscard]] inline std::optional<Fragment> fragment_at(bytes_view from) noexcept {
  auto const type = static_cast<std::uint8_t>(from[6]);
  if (type == 0) return {};
  Fragment out;
  out.known = type <= recycled + static_cast<std::uint8_t>(Type::last);
  // Of RocksDB's later types two have the longer header: sizes of timestamps, and what log came
  // before this one.
  out.recycles = out.known ? type > recycled : type == 11 || type == 131;
  if (out.known) out.type = static_cast<Type>(out.recycles ? type - recycled : type);
  out.header = out.recycles ? recycled_header_size : header_size;
  out.size = get_le<std::uint16_t>(from, 4);
  out.crc = get_le<std::uint32_t>(from, 0);
  return out;
}
[[nodiscard]] inline bool checks(Fragment const& fragment, bytes_view from) noexcept {
  return masked(crc32c(from.subspan(6, fragment.header - 6 + fragment.size))) == fragment.crc;
}
}  // namespace detail::leveldb

/// The format `leveldb`. The records of a log are write batches; here they are bytes. They have no
/// numbers of their own: they are counted.
class LevelDbLog {
 public:
  static constexpr std::uint64_t max_frame = detail::leveldb::block_size;
  static constexpr std::uint64_t searched = detail::leveldb::block_size;

  struct Options {
    /// Of a recycled log, the low 32 bits of its number (RocksDB's file name has it): fragments of
    /// another one end the log. 0 takes the number of the first fragment.
    std::uint32_t log_number = 0;
    bool recycled = false;                                ///< write the longer header
    std::uint64_t max_record = std::uint64_t{256} << 20;  ///< what a record may take in memory
  };
  static constexpr std::uint64_t max_payload = std::uint64_t{256} << 20;

  struct cursor {
    bytes partial{};  ///< of a record whose last fragment has not come
    std::uint64_t begin = 0;
    std::uint64_t count = 0;
    std::uint32_t log_number = 0;
    bool numbered = false;
    bool within = false;
    bool begun = false;     ///< a fragment was read or written
    bool recycled = false;  ///< the first one had the longer header
    bool zeros = false;     ///< behind the last fragment; only zeros may follow
    bool resyncs = false;   ///< behind a gap: the rest of a record whose start is lost is skipped
  };

  LevelDbLog() noexcept : options_{} {}
  explicit LevelDbLog(Options options) noexcept : options_{options} {}

  [[nodiscard]] cursor start() const {
    cursor c;
    c.log_number = options_.log_number;
    c.numbered = options_.log_number != 0;
    return c;
  }

  [[nodiscard]] Step decode(cursor& c, std::uint64_t place, bytes_view window) const {
    using namespace detail::leveldb;  // NOLINT(google-build-using-namespace)
    auto const left = block_size - static_cast<std::size_t>(place % block_size);
    if (left < header_size) return filler(window, left);
    if (window.size() < header_size) return need(header_size);
    auto const found = fragment_at(window);
    if (!found) return zeros(c, window, left);
    if (found->header + found->size > left) return step_of(Step::Kind::bad);
    auto const whole = found->header + found->size;
    if (window.size() < whole) return need(whole);
    if (!checks(*found, window)) return step_of(Step::Kind::bad);
    if (found->recycles) {
      auto const number = get_le<std::uint32_t>(window, header_size);
      if (c.numbered && number != c.log_number) return step_of(Step::Kind::stale);
      // As for RocksDB: a recycled log is one from its first fragment on.
      if (c.begun && !c.recycled) return misplaced();
      c.log_number = number;
      c.numbered = true;
    }
    if (!found->known) return step_of(Step::Kind::newer);
    if (c.zeros) return misplaced();
    if (!c.begun) c.recycled = found->recycles;
    c.begun = true;
    auto step = accept(c, place, *found, window.subspan(found->header, found->size));
    step.used = Step::Kind::bad == step.kind ? 0 : whole;
    step.check = found->crc;
    return step;
  }

  /// Looked for at the starts of blocks, as their readers do.
  [[nodiscard]] std::optional<Witness> witness(cursor const& c,
                                               std::uint64_t place,
                                               bytes_view window) const noexcept {
    using namespace detail::leveldb;  // NOLINT(google-build-using-namespace)
    auto const ahead = (block_size - place % block_size) % block_size;
    for (auto i = static_cast<std::size_t>(ahead); i + header_size <= window.size();
         i += block_size) {
      auto const from = window.subspan(i);
      auto const found = fragment_at(from);
      if (!found || found->header + found->size > std::min(block_size, from.size())) continue;
      if (!checks(*found, from)) continue;
      bool const old =
          found->recycles && c.numbered && get_le<std::uint32_t>(from, header_size) != c.log_number;
      if (!old) return Witness{place + i, place + i};
    }
    return {};
  }
  void resume(cursor& c, std::uint64_t) const noexcept {
    c.within = false;
    c.zeros = false;
    c.resyncs = true;
    c.partial.clear();
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
  [[nodiscard]] result<std::uint64_t> encode(
      cursor& c, std::uint64_t place, bytes_view payload, Stamp const&, bytes& out) const {
    using namespace detail::leveldb;  // NOLINT(google-build-using-namespace)
    if (payload.size() > options_.max_record) return failure(errc::too_large, "append", "a record");
    // What was begun is gone on with, whatever the options say.
    c.recycled = c.begun ? c.recycled : options_.recycled;
    if (c.recycled && !c.numbered) c.log_number = options_.log_number;
    c.numbered = c.numbered || c.recycled;
    c.begun = true;
    c.partial = {};  // of the last record that was read
    auto const header = c.recycled ? recycled_header_size : header_size;
    auto at = place;
    for (bool first = true; first || !payload.empty(); first = false) {
      auto left = block_size - static_cast<std::size_t>(at % block_size);
      if (left < header) {
        out.resize(out.size() + left);
        at += left;
        left = block_size;
      }
      auto const some = payload.first(std::min(payload.size(), left - header));
      payload = payload.subspan(some.size());
      auto const type = payload.empty() ? (first ? Type::full : Type::last)
                                        : (first ? Type::first : Type::middle);
      add(c, type, some, out);
      at += header + some.size();
      if (payload.empty()) break;
    }
    ++c.count;
    return place;
  }

 private:
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
  // Zeros up to the end of the block, which a file that was given its blocks before they were
  // written has behind its last record: within one, or with a fragment behind, they are lost bytes.
  [[nodiscard]] static Step zeros(cursor& c, bytes_view window, std::size_t left) noexcept {
    for (auto const byte : window.first(std::min(left, window.size()))) {
      if (byte != std::byte{0}) return step_of(Step::Kind::bad);
    }
    // No room for the longer header.
    using detail::leveldb::recycled_header_size;
    if (left < recycled_header_size && (c.recycled || !c.begun)) return filler(window, left);
    if (c.within) return step_of(Step::Kind::bad);
    auto const step = filler(window, left);
    c.zeros = step.kind == Step::Kind::padding;
    return step;
  }
  // What is too short for a header may be anything.
  [[nodiscard]] static Step filler(bytes_view window, std::size_t left) noexcept {
    if (window.size() < left) return need(left);
    auto step = step_of(Step::Kind::padding);
    step.used = left;
    return step;
  }

  [[nodiscard]] Step accept(cursor& c,
                            std::uint64_t place,
                            detail::leveldb::Fragment const& found,
                            bytes_view data) const {
    using detail::leveldb::Type;
    bool const begins = found.type == Type::full || found.type == Type::first;
    bool const ends = found.type == Type::full || found.type == Type::last;
    if (c.resyncs && !begins) {
      c.resyncs = !ends;
      return step_of(Step::Kind::padding);
    }
    if (begins == c.within) return misplaced();  // without its start, or its end
    if (!begins && c.partial.size() + data.size() > options_.max_record) {
      return step_of(Step::Kind::bad);
    }
    c.resyncs = false;
    if (begins) {
      c.begin = place;
      c.partial.clear();
    }
    if (found.type != Type::full) c.partial.insert(c.partial.end(), data.begin(), data.end());
    c.within = !ends;
    if (!ends) return step_of(Step::Kind::fragment);
    auto step = step_of(Step::Kind::record);
    step.begin = c.begin;
    step.sequence = c.count++;
    step.payload = found.type == Type::full ? data : bytes_view{c.partial};
    return step;
  }

  static void add(cursor const& c, detail::leveldb::Type type, bytes_view data, bytes& out) {
    using namespace detail::leveldb;  // NOLINT(google-build-using-namespace)
    auto const header = c.recycled ? recycled_header_size : header_size;
    auto const begin = out.size();
    out.resize(begin + header + data.size());
    auto const frame = bytes_span{out}.subspan(begin);
    auto const kind = static_cast<std::uint8_t>(type);
    frame[6] = std::byte(c.recycled ? kind + recycled : kind);
    if (c.recycled) put_le(frame, header_size, c.log_number);
    put_le(frame, 4, static_cast<std::uint16_t>(data.size()));
    std::copy(data.begin(), data.end(), frame.begin() + static_cast<std::ptrdiff_t>(header));
    put_le(frame, 0, masked(crc32c(bytes_view{frame}.subspan(6))));
  }

  Options options_;
};
static_assert(writable_format<LevelDbLog>);

HOLDFAST_END

#endif

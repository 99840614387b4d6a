// SPDX-License-Identifier: BSL-1.0
// Repairs a log from a replica: damaged ranges, and segments that are missing between others.
//
// The order of effects, for each segment: what holds here is compared with what the replica has;
// the bytes that do not hold are set aside, durably; the whole segment is made aside, synced, and
// examined like any other; only then it takes the name, in one step. So a crash leaves the damaged
// segment or the mended one, and the damaged bytes are kept in both.
#ifndef HOLDFAST_LOG_MEND_HPP
#define HOLDFAST_LOG_MEND_HPP

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "holdfast/backend/file_segment.hpp"
#include "holdfast/bytes.hpp"
#include "holdfast/concepts.hpp"
#include "holdfast/config.hpp"
#include "holdfast/event.hpp"
#include "holdfast/file_ops.hpp"
#include "holdfast/file_system.hpp"
#include "holdfast/format/framed.hpp"
#include "holdfast/log/look.hpp"
#include "holdfast/log/options.hpp"
#include "holdfast/log/survey.hpp"
#include "holdfast/posix.hpp"
#include "holdfast/recovery/compare.hpp"
#include "holdfast/recovery/examine.hpp"
#include "holdfast/recovery/plan.hpp"
#include "holdfast/recovery/point.hpp"
#include "holdfast/recovery/told.hpp"
#include "holdfast/result.hpp"
#include "holdfast/segment.hpp"
#include "holdfast/world.hpp"

HOLDFAST_BEGIN

/// Where copies of a log's segments come from: `segment(base)` gives one to read, or `not_found`.
template <class R>
concept log_replica = requires(R const& r, std::uint64_t base) {
  { r.segment(base) } -> some_result;
  requires segment<value_of<decltype(r.segment(base))>>;
};

/// A replica that is a directory of the same file names, such as a backup or a mounted copy.
template <file_system Fs>
class BasicDirectoryReplica {
 public:
  explicit BasicDirectoryReplica(std::string directory, Fs fs = {})
      : directory_{std::move(directory)}, fs_{std::move(fs)} {}
  [[nodiscard]] result<BasicFileSegment<Fs>> segment(std::uint64_t base) const {
    auto path = detail::join(directory_, detail::segment_name(base));
    return BasicFileSegment<Fs>::open_to_read(std::move(path), fs_);
  }

 private:
  std::string directory_;
  Fs fs_;
};
using DirectoryReplica = BasicDirectoryReplica<Posix>;
static_assert(log_replica<DirectoryReplica>);

/// What was done to one segment, or why nothing was.
struct Mended {
  std::uint64_t base = 0;
  std::vector<ByteRange> ranges{};  ///< that were taken from the replica
  bool was_missing = false;         ///< the whole of it was
  std::optional<error> left{};      ///< it is as it was
};

namespace detail {
template <file_system Fs, log_replica Replica, world W>
class Mender {
  using Segment = BasicFileSegment<Fs>;
  using Copy = value_of<decltype(std::declval<Replica const&>().segment(0))>;

 public:
  Mender(std::string const& directory, Replica const& replica, Fs const& fs, W const& w)
      : directory_{directory}, replica_{replica}, fs_{fs}, world_{w} {}

  [[nodiscard]] result<std::vector<Mended>> run(LogOptions const& options) {
    HOLDFAST_TRY(lock, open_or_create(fs_, join(directory_, "LOCK")));
    HOLDFAST_TRY(locked, fs_.try_lock(lock, {}, Mode::exclusive));
    if (!locked) return failure(errc::busy, "mend log", directory_);
    HOLDFAST_TRY(found, survey(fs_, directory_));
    auto const told = [this](std::uint64_t base, Plan const& plan) {
      tell_step(world_, {SegmentStep::Kind::examined, base, plan.kept, name(plan.verdict)});
    };
    HOLDFAST_TRY(plans, look_at_segments(fs_, directory_, found.bases, options, 0, nullptr, told));
    for (std::size_t i = 0; i < found.bases.size(); ++i) {
      bool const last = i + 1 == found.bases.size();
      auto const next = mend(found.bases[i], plans[i], last);
      if (next && !last) fill_hole(found.bases[i], *next, found.bases[i + 1]);
    }
    return std::move(out_);
  }

 private:
  [[nodiscard]] std::string path_of(std::uint64_t base) const {
    return join(directory_, segment_name(base));
  }
  [[nodiscard]] static bool wants_mending(Verdict verdict) noexcept {
    // One whose header has rotted looks foreign. A newer one is not for us to judge.
    return verdict == Verdict::damage || verdict == Verdict::sealed_damage ||
           verdict == Verdict::foreign;
  }

  // The number after its last record; nothing where it does not hold even then.
  [[nodiscard]] std::optional<std::uint64_t> mend(std::uint64_t base,
                                                  Plan const& found,
                                                  bool last) {
    if (found.verdict == Verdict::clean) return found.next_sequence;
    if (!wants_mending(found.verdict)) return {};
    auto const done = mend_one(base, last);
    if (done) return done.assume_value();
    out_.push_back({.base = base, .left = done.error()});
    return {};
  }
  [[nodiscard]] result<std::uint64_t> mend_one(std::uint64_t base, bool last) {
    HOLDFAST_TRY(copy, replica_.segment(base));
    HOLDFAST_TRY(own, Segment::open(path_of(base), fs_));
    Framed const format{{.base = base}};
    HOLDFAST_TRY(point, durable_point(own, format));
    // A frame may say more than the point does.
    HOLDFAST_TRY(found, examine(own, format, {.durable_to = point, .sealed = !last}));
    HOLDFAST_TRY(missing, compare_with(own, copy, format, {found.durable_to, !last}));
    HOLDFAST_TRY(size, own.size());
    for (auto const& range : missing.ranges) {
      auto const end = range.end == missing.end ? size : std::min(range.end, size);
      if (range.begin < end) {
        HOLDFAST_TRYV(own.set_aside(range.begin, end));
      }
    }
    bool const to_the_end = !missing.ranges.empty() && missing.ranges.back().end == missing.end;
    if (!to_the_end && missing.end < size) {
      HOLDFAST_TRYV(own.set_aside(missing.end, size));
    }
    tell_step(world_, {SegmentStep::Kind::set_aside, base, size - found.kept});
    HOLDFAST_TRY(next, replace(base, own, copy, missing, {.durable_to = point, .sealed = !last}));
    out_.push_back({.base = base, .ranges = missing.ranges});
    tell_mended(base, missing.ranges);
    return next;
  }
  void tell_mended(std::uint64_t base, std::vector<ByteRange> const& ranges) const noexcept {
    std::uint64_t bytes = 0;
    for (auto const& range : ranges) bytes += range.end - range.begin;
    tell_step(world_, {SegmentStep::Kind::mended, base, bytes});
  }

  // Makes the segment aside, of what holds here and what holds there, and lets it take the name.
  template <segment Own>
  [[nodiscard]] result<std::uint64_t> replace(std::uint64_t base,
                                              Own const& own,
                                              Copy const& copy,
                                              Missing const& missing,
                                              Known const& known) {
    auto const path = path_of(base);
    auto const aside = path + ".mended";
    HOLDFAST_TRYV(remove_if_there(fs_, aside));  // of a repair that crashed
    std::uint64_t next = 0;
    {
      HOLDFAST_TRY(file, fs_.open(aside, Open::create));
      std::uint64_t at = 0;
      for (auto const& range : missing.ranges) {
        HOLDFAST_TRYV(transfer(own, file, {at, range.begin}));
        HOLDFAST_TRYV(transfer(copy, file, range));
        at = range.end;
      }
      HOLDFAST_TRYV(transfer(own, file, {at, missing.end}));
      HOLDFAST_TRYV(fs_.sync(file));
    }
    {
      HOLDFAST_TRY(made, Segment::open_to_read(aside, fs_));
      HOLDFAST_TRY(plan, examine(made, Framed{{.base = base}}, known));
      if (plan.verdict != Verdict::clean) {
        return failure(error{errc_of(plan.verdict), "mend segment", path}.at(plan.kept));
      }
      next = plan.next_sequence;
    }
    HOLDFAST_TRYV(fs_.rename(aside, path));
    HOLDFAST_TRYV(fs_.sync_directory(directory_));
    return next;
  }
  template <segment From>
  [[nodiscard]] result<void> transfer(From const& from,
                                      typename Fs::file& to,
                                      ByteRange const& range) const {
    constexpr std::uint64_t most = std::uint64_t{256} << 10;
    bytes buffer(static_cast<std::size_t>(std::min(most, range.end - range.begin)));
    for (auto at = range.begin; at < range.end;) {
      auto const piece =
          bytes_span{buffer}.first(static_cast<std::size_t>(std::min(most, range.end - at)));
      HOLDFAST_TRY(got, from.read_at(at, piece));
      if (got != piece.size()) return failure(error{errc::conflict, "mend segment"}.at(at + got));
      HOLDFAST_TRYV(fs_.write_at(to, at, piece));
      at += piece.size();
    }
    return ok();
  }

  // Segments that are missing between two that are there, if the replica has them all, and is one
  // of this log: its copy of the one before begins with the same header.
  void fill_hole(std::uint64_t before, std::uint64_t first, std::uint64_t behind) {
    for (auto base = first; base < behind;) {
      auto const next = take_whole(before, base, behind);
      if (!next) {
        out_.push_back({.base = base, .was_missing = true, .left = next.error()});
        return;
      }
      base = next.assume_value();
    }
  }
  [[nodiscard]] result<std::uint64_t> take_whole(std::uint64_t before,
                                                 std::uint64_t base,
                                                 std::uint64_t behind) {
    HOLDFAST_TRYV(check_kinship(before));
    HOLDFAST_TRY(copy, replica_.segment(base));
    Framed const format{{.base = base}};
    HOLDFAST_TRY(plan, examine(copy, format, {.sealed = true}));
    // One that goes on beyond the next one is of another time.
    if (plan.verdict != Verdict::clean || plan.next_sequence > behind ||
        plan.next_sequence == base) {
      return failure(errc_of(plan.verdict), "take segment from replica", path_of(base));
    }
    Missing const all{.ranges = {{0, plan.kept}}, .end = plan.kept};
    HOLDFAST_TRY(next, replace(base, copy, copy, all, {.sealed = true}));
    out_.push_back({.base = base, .ranges = all.ranges, .was_missing = true});
    tell_mended(base, all.ranges);
    return next;
  }
  [[nodiscard]] result<void> check_kinship(std::uint64_t base) const {
    HOLDFAST_TRY(own, Segment::open_to_read(path_of(base), fs_));
    HOLDFAST_TRY(copy, replica_.segment(base));
    bytes here(Framed::header_size), there(Framed::header_size);
    HOLDFAST_TRY(got, own.read_at(0, here));
    HOLDFAST_TRY(got_there, copy.read_at(0, there));
    bool const same = got == here.size() && got_there == there.size() && here == there;
    return same ? result<void>{ok()} : failure(errc::foreign, "compare with replica", directory_);
  }

  std::string const& directory_;
  Replica const& replica_;
  Fs const& fs_;
  W const& world_;
  std::vector<Mended> out_{};
};
}  // namespace detail

/// Takes from a replica what a log that is not open lacks: bytes whose checksums hold there, in a
/// copy that agrees with all that holds here. What crashed tails lack is left to `Log::open`, and
/// segments behind the last one can't be known to be missing. Gives what was done to each segment
/// that needed it, or why nothing was. Errors: `busy`, those of the directory and of reading it.
template <log_replica Replica, file_system Fs = Posix, world W = Native>
[[nodiscard]] result<std::vector<Mended>> repair_from(std::string const& directory,
                                                      Replica const& replica,
                                                      LogOptions const& options = {},
                                                      Fs const& fs = {},
                                                      W const& w = {}) {
  return detail::Mender<Fs, Replica, W>{directory, replica, fs, w}.run(options);
}

HOLDFAST_END

#endif

// SPDX-License-Identifier: BSL-1.0
// Reads the sealed segments of a log again, at a chosen pace, and tells what has rotted; never
// writes.
#ifndef HOLDFAST_LOG_SCRUB_HPP
#define HOLDFAST_LOG_SCRUB_HPP

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include "holdfast/backend/file_segment.hpp"
#include "holdfast/bytes.hpp"
#include "holdfast/config.hpp"
#include "holdfast/event.hpp"
#include "holdfast/file_ops.hpp"
#include "holdfast/file_system.hpp"
#include "holdfast/format/framed.hpp"
#include "holdfast/log/survey.hpp"
#include "holdfast/posix.hpp"
#include "holdfast/recovery/examine.hpp"
#include "holdfast/recovery/plan.hpp"
#include "holdfast/recovery/point.hpp"
#include "holdfast/recovery/told.hpp"
#include "holdfast/result.hpp"
#include "holdfast/segment.hpp"
#include "holdfast/world.hpp"

HOLDFAST_BEGIN

struct ScrubOptions {
  std::uint64_t bytes_per_second = std::uint64_t{16} << 20;  ///< 0: as fast as it goes
  std::stop_token stop{};
  std::uint64_t from = 0;  ///< where to go on: `ScrubReport::next` of a scrub that was stopped
};

/// A segment that does not hold any more.
struct Rot {
  std::uint64_t base = 0;
  Plan found{};   ///< as it is now; of one that can't be read, nothing
  error cause{};  ///< `damaged`, `hole`, `foreign` or what reading it answered
};

struct ScrubReport {
  std::size_t segments = 0;  ///< that were read
  std::uint64_t bytes = 0;   ///< of them
  std::vector<Rot> rot{};
  std::uint64_t next = 0;  ///< the segment to go on with; 0 where all were read
  bool whole = false;      ///< it was not stopped
};

namespace detail {
/// Lets bytes pass at a rate, by the steady clock of the world.
template <world W>
class Pace {
 public:
  Pace(W const& w, std::uint64_t bytes_per_second, std::stop_token stop)
      : world_{w}, rate_{bytes_per_second}, stop_{std::move(stop)} {}

  /// Waits until so many may pass. Errors: `cancelled`.
  [[nodiscard]] result<void> take(std::uint64_t size) {
    for (auto now = world_.steady_ns();; now = world_.steady_ns()) {
      if (stop_.stop_requested()) return failure(errc::cancelled, "scrub");
      if (rate_ == 0) return ok();
      if (now >= free_ns_) {
        free_ns_ = now + static_cast<std::int64_t>(size * second_ns / rate_);
        return ok();
      }
      world_.wait_until(std::min(free_ns_, now + patience_ns));
    }
  }

 private:
  static constexpr std::uint64_t second_ns = 1'000'000'000;
  static constexpr std::int64_t patience_ns = 100'000'000;  // until it looks whether to stop
  W const& world_;
  std::uint64_t rate_;
  std::stop_token stop_;
  std::int64_t free_ns_ = 0;  // when what has passed so far is paid for
};

/// A segment that is read at a pace and never written.
template <segment Segment, world W>
class PacedSegment {
 public:
  PacedSegment(Segment inner, Pace<W>& pace) : inner_{std::move(inner)}, pace_{&pace} {}

  [[nodiscard]] result<std::uint64_t> size() const { return inner_.size(); }
  [[nodiscard]] result<std::size_t> read_at(std::uint64_t at, bytes_span into) const {
    HOLDFAST_TRYV(pace_->take(into.size()));
    return inner_.read_at(at, into);
  }
  [[nodiscard]] result<void> append(std::uint64_t, bytes_view) { return refuse(); }
  [[nodiscard]] result<void> set_aside(std::uint64_t, std::uint64_t) { return refuse(); }
  [[nodiscard]] result<void> truncate(std::uint64_t) { return refuse(); }
  [[nodiscard]] result<void> rewrite(std::uint64_t, bytes_view) { return refuse(); }
  [[nodiscard]] result<void> sync() { return refuse(); }

 private:
  [[nodiscard]] static result<void> refuse() { return failure(errc::read_only, "scrub"); }
  Segment inner_;
  Pace<W>* pace_;
};

template <file_system Fs, world W>
class Scrub {
 public:
  Scrub(std::string const& directory, ScrubOptions const& options, Fs const& fs, W const& w)
      : directory_{directory}, options_{options}, fs_{fs}, world_{w}, pace_{w, rate(), stop()} {}

  [[nodiscard]] result<ScrubReport> run() {
    HOLDFAST_TRY(found, survey(fs_, directory_));
    auto const& bases = found.bases;
    for (std::size_t i = 0; i + 1 < bases.size(); ++i) {
      if (bases[i] < options_.from) continue;
      auto const seen = look(bases[i]);
      if (!seen && seen.error().code() == errc::cancelled) {
        out_.next = bases[i];
        return std::move(out_);
      }
      judge(bases[i], bases[i + 1], seen);
    }
    out_.whole = true;
    return std::move(out_);
  }

 private:
  [[nodiscard]] std::uint64_t rate() const noexcept { return options_.bytes_per_second; }
  [[nodiscard]] std::stop_token const& stop() const noexcept { return options_.stop; }

  [[nodiscard]] result<Plan> look(std::uint64_t base) {
    using Segment = BasicFileSegment<Fs>;
    HOLDFAST_TRY(file, Segment::open_to_read(join(directory_, segment_name(base)), fs_));
    Framed const format{{.base = base}};
    HOLDFAST_TRY(point, durable_point(file, format));
    PacedSegment<Segment, W> const paced{std::move(file), pace_};
    return examine(paced, format, {.durable_to = point, .sealed = true});
  }
  void judge(std::uint64_t base, std::uint64_t next, result<Plan> const& seen) {
    if (!seen && seen.error().code() == errc::not_found) return;  // retention has removed it
    ++out_.segments;
    if (!seen) return tell(base, {}, seen.error());
    auto const& plan = seen.assume_value();
    out_.bytes += plan.size;
    auto const path = join(directory_, segment_name(base));
    if (plan.verdict != Verdict::clean) {
      return tell(base, plan, error{errc_of(plan.verdict), "scrub", path}.at(plan.kept));
    }
    tell_step(world_, {SegmentStep::Kind::scrubbed, base, plan.size, name(plan.verdict)});
    if (plan.next_sequence >= next) return;
    auto const missing = join(directory_, segment_name(plan.next_sequence));
    tell(plan.next_sequence, {.verdict = Verdict::hole}, error{errc::hole, "scrub", missing});
  }
  void tell(std::uint64_t base, Plan const& found, error const& cause) {
    out_.rot.push_back({base, found, cause});
    tell_step(world_, {SegmentStep::Kind::rotten, base, found.kept, name(found.verdict)}, &cause);
  }

  std::string const& directory_;
  ScrubOptions const& options_;
  Fs const& fs_;
  W const& world_;
  Pace<W> pace_;
  ScrubReport out_{};
};
}  // namespace detail

/// Reads all sealed segments of a log, also of one that is open and written meanwhile: it takes no
/// lock and writes nothing. Blocks; to be run where it is nobody's concern, and stopped by its
/// token. Rot is told to the observer and in the report, and ends nothing. Errors: those of listing
/// the directory.
template <file_system Fs = Posix, world W = Native>
[[nodiscard]] result<ScrubReport> scrub_log(std::string const& directory,
                                            ScrubOptions const& options = {},
                                            Fs const& fs = {},
                                            W const& w = {}) {
  return detail::Scrub<Fs, W>{directory, options, fs, w}.run();
}

HOLDFAST_END

#endif

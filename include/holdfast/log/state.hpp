// SPDX-License-Identifier: BSL-1.0
// Keeps what a log that is open is made of, and runs the order of effects of its recovery, its
// rolls and its retention.
#ifndef HOLDFAST_LOG_STATE_HPP
#define HOLDFAST_LOG_STATE_HPP

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "holdfast/backend/file_segment.hpp"
#include "holdfast/config.hpp"
#include "holdfast/event.hpp"
#include "holdfast/file_ops.hpp"
#include "holdfast/file_system.hpp"
#include "holdfast/format/framed.hpp"
#include "holdfast/log/index.hpp"
#include "holdfast/log/judge.hpp"
#include "holdfast/log/look.hpp"
#include "holdfast/log/options.hpp"
#include "holdfast/log/records.hpp"
#include "holdfast/log/survey.hpp"
#include "holdfast/recoverable.hpp"
#include "holdfast/recovery/told.hpp"
#include "holdfast/result.hpp"
#include "holdfast/world.hpp"

HOLDFAST_BEGIN

namespace detail {
template <file_system Fs, Recovery How, world W>
struct LogState {
  using Segment = BasicFileSegment<Fs>;
  using Active = Recoverable<Segment, Framed, How, W>;
  using Step = SegmentStep::Kind;

  LogState(std::string at, LogOptions o, Fs f, W w)
      : directory{std::move(at)},
        options{std::move(o)},
        fs{std::move(f)},
        world_of_it{std::move(w)} {}

  [[nodiscard]] std::string path_of(std::uint64_t base) const {
    return join(directory, segment_name(base));
  }
  [[nodiscard]] Framed format(std::uint64_t base) const {
    return Framed{{.base = base, .align = options.align}};
  }
  void tell(SegmentStep const& step, error const* cause = nullptr) const noexcept {
    tell_step(world_of_it, step, cause);
  }

  [[nodiscard]] result<void> open() {
    Ending ending{options.progress.get()};
    HOLDFAST_TRYV(make_directories(fs, directory));
    HOLDFAST_TRY(opened, open_or_create(fs, join(directory, "LOCK")));
    lock_file = std::move(opened);
    HOLDFAST_TRY(locked, fs.try_lock(*lock_file, {}, Mode::exclusive));
    if (!locked) return failure(errc::busy, "open log", directory);
    HOLDFAST_TRYV(recover(options.plan, options.progress.get()));
    ending.with(parts(), active->tail().next_sequence);
    return ok();
  }
  // Readers go on with what they were shown until there is something to show in its place.
  [[nodiscard]] result<void> reopen() {
    Ending ending{options.progress.get()};
    HOLDFAST_TRYV(recover({}, nullptr));
    ending.with(parts(), active->tail().next_sequence);
    return ok();
  }

  [[nodiscard]] result<void> check() const {
    if (!active) return failure(errc::poisoned, "use log", directory);
    return ok();
  }
  // Looks at all segments before any is touched.
  [[nodiscard]] result<void> recover(std::optional<std::uint64_t> const& plan,
                                     LogProgress* progress) {
    active.reset();
    sealed.clear();
    report = {};
    HOLDFAST_TRY(found, survey(fs, directory));
    auto const told = [this](std::uint64_t base, Plan const& seen) {
      tell({Step::examined, base, seen.kept, name(seen.verdict)});
    };
    HOLDFAST_TRY(plans, look_at_segments(fs, directory, found.bases, options,
                                         boot_tag(world_of_it.self().boot), progress, told));
    auto judged = LogJudge{directory, How}(found, plans);
    report = std::move(judged.report);
    if (plan && *plan != report.fingerprint) {
      return failure(errc::conflict, "open log as planned", directory);
    }
    if (judged.refused) {
      tell({Step::refused, *judged.where, 0, name(report.verdict)}, &*judged.refused);
      return failure(*judged.refused);
    }
    // From the last to the first, so that a crash leaves no hole.
    for (auto i = found.bases.size(); i > judged.whole; --i) {
      HOLDFAST_TRYV(set_aside(found.bases[i - 1]));
    }
    return open_all(found.bases.empty() ? options.first_sequence : judged.next);
  }
  // A whole segment behind a break gets another name, under which nothing reads it.
  [[nodiscard]] result<void> set_aside(std::uint64_t base) {
    auto const path = path_of(base);
    HOLDFAST_TRY(free, free_name(path + ".aside"));
    // First, and durably: the next segment of this name must not be taken for one that was cut.
    HOLDFAST_TRYV(remove_if_there(fs, path + ".point"));
    HOLDFAST_TRYV(fs.sync_directory(directory));
    HOLDFAST_TRYV(fs.rename(path, free));
    HOLDFAST_TRYV(fs.sync_directory(directory));
    report.set_aside.push_back(free);
    tell({Step::moved, base});
    return ok();
  }
  [[nodiscard]] result<std::string> free_name(std::string const& wanted) const {
    for (std::uint64_t n = 0;; ++n) {
      auto name = n == 0 ? wanted : wanted + "-" + std::to_string(n);
      HOLDFAST_TRY(there, is_there(fs, name));
      if (!there) return name;
    }
  }

  // Applies the plans: to the sealed ones as far as they need it, to the last one always.
  [[nodiscard]] result<void> open_all(std::uint64_t next) {
    for (std::size_t i = 0; i < report.segments.size(); ++i) {
      auto& one = report.segments[i];
      bool const last = i + 1 == report.segments.size();
      if (last) {
        HOLDFAST_TRYV(activate(one.base));
        one.recovered = active->recovered();
      } else if (one.recovered.found.verdict != Verdict::clean) {
        HOLDFAST_TRY(file, Segment::open(path_of(one.base), fs));
        HOLDFAST_TRY(done, apply(file, one.recovered.found, How, true));
        one.recovered = done;
        tell_recovered(world_of_it, one.base, done);
      }
      auto const& found = one.recovered.found;
      auto const skipped = one.recovered.skipped_bytes;
      if (!last) sealed.push_back({one.base, found.kept + skipped, skipped != 0});
      report.records += found.records + (skipped != 0 ? found.salvageable : 0);
      report.cut_bytes += one.recovered.cut_bytes;
      report.skipped_bytes += skipped;
    }
    if (!active) {
      HOLDFAST_TRYV(activate(next));
    }
    if (!active->sealed()) return ok();
    // It was sealed, and the crash came before its successor.
    return has_records() ? succeed() : unseal();
  }
  // A footer behind no record keeps nothing but appends out. The point goes first: it must never
  // be ahead.
  [[nodiscard]] result<void> unseal() {
    active.reset();
    {
      HOLDFAST_TRY(file, Segment::open(path_of(active_base), fs));
      HOLDFAST_TRY(size, file.size());
      HOLDFAST_TRYV(file.set_aside(Framed::header_size, size));
      HOLDFAST_TRYV(lower_point(file, Framed::header_size));
      HOLDFAST_TRYV(file.truncate(Framed::header_size));
      HOLDFAST_TRYV(file.sync());
      auto const cut = size - Framed::header_size;
      report.cut_bytes += cut;
      tell({Step::set_aside, active_base, cut});
      tell({Step::cut, active_base, cut});
    }
    return activate(active_base);
  }
  [[nodiscard]] result<void> activate(std::uint64_t base) {
    HOLDFAST_TRY(file, Segment::open(path_of(base), fs));
    HOLDFAST_TRY(opened, open_recoverable<How>(std::move(file), format(base), {.told_as = base}, {},
                                               world_of_it));
    active = std::make_unique<Active>(std::move(opened));
    active_base = base;
    return ok();
  }

  [[nodiscard]] result<void> roll_if_full() {
    auto const now = active->tail();
    if (active->sealed()) return succeed();  // a roll has failed half-way
    return now.end >= options.segment_size ? roll() : result<void>{ok()};
  }
  // Its successor would have its name.
  [[nodiscard]] bool has_records() const { return active->tail().next_sequence != active_base; }
  [[nodiscard]] result<void> roll() {
    if (!has_records()) return ok();
    HOLDFAST_TRYV(active->seal());
    return succeed();
  }
  [[nodiscard]] result<void> succeed() {
    auto const now = active->tail();
    LogPart const before{active_base, now.end, active->recovered().skipped_bytes != 0};
    HOLDFAST_TRYV(activate(now.next_sequence));
    sealed.push_back(before);
    return ok();
  }

  [[nodiscard]] result<std::size_t> drop_before(std::uint64_t sequence) {
    std::size_t dropped = 0;
    while (!sealed.empty()) {
      auto const next = sealed.size() > 1 ? sealed[1].base : active_base;
      if (next > sequence) break;
      auto const base = sealed.front().base;
      auto const path = path_of(base);
      for (auto const* beside : {".point", ".index", ".times", ""}) {
        HOLDFAST_TRYV(remove_if_there(fs, path + beside));
      }
      // Before the next one goes, so that no crash leaves a hole.
      HOLDFAST_TRYV(fs.sync_directory(directory));
      tell({Step::dropped, base, sealed.front().end});
      sealed.erase(sealed.begin());
      ++dropped;
    }
    return dropped;
  }

  [[nodiscard]] result<std::size_t> index(IndexOptions const& wanted) {
    std::size_t made = 0;
    for (auto& part : sealed) {
      if (part.skips_damage) continue;  // an index is of a whole segment
      auto const path = path_of(part.base);
      HOLDFAST_TRY(file, Segment::open_to_read(path, fs));
      if (!is_indexed(file, part.base, path)) {
        HOLDFAST_TRYV(build_indexes(fs, file, format(part.base), path, wanted));
        tell({Step::indexed, part.base, part.end});
        ++made;
      }
      part.indexed = true;
    }
    return made;
  }
  // Any reason not to trust an index is a reason to make it again.
  [[nodiscard]] bool is_indexed(Segment const& file,
                                std::uint64_t base,
                                std::string const& path) const {
    for (auto const kind : {IndexKind::sequence, IndexKind::time}) {
      if (!verify_index(fs, file, format(base), path, kind)) return false;
    }
    return true;
  }

  [[nodiscard]] std::vector<LogPart> parts() const {
    auto all = sealed;
    if (active)
      all.push_back({active_base, active->tail().end, active->recovered().skipped_bytes != 0});
    return all;
  }

  std::string directory;
  LogOptions options;
  Fs fs;
  W world_of_it;
  std::mutex mutex{};
  std::optional<typename Fs::file> lock_file{};
  std::vector<LogPart> sealed{};
  std::unique_ptr<Active> active{};  // none after a recovery that failed
  std::uint64_t active_base = 0;
  LogReport report{};
};
}  // namespace detail

HOLDFAST_END

#endif

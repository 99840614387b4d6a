// SPDX-License-Identifier: BSL-1.0
// A log: a directory of segments, of which the last is written and all others are sealed.
//
// Invariants:
// - Segment n + 1 begins with the number after the last record of segment n; it is made only after
//   the footer of segment n is durable, and acknowledges nothing before its own header and name
//   are.
// - Names that are not the log's are reported and never touched. A break is never skipped silently:
//   what lies behind it is refused, set aside, or reported as missing.
#ifndef HOLDFAST_LOG_HPP
#define HOLDFAST_LOG_HPP

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "holdfast/backend/file_segment.hpp"
#include "holdfast/bytes.hpp"
#include "holdfast/config.hpp"
#include "holdfast/file_ops.hpp"
#include "holdfast/file_system.hpp"
#include "holdfast/format/framed.hpp"
#include "holdfast/log/index.hpp"
#include "holdfast/log/records.hpp"
#include "holdfast/log/survey.hpp"
#include "holdfast/posix.hpp"
#include "holdfast/recoverable.hpp"
#include "holdfast/result.hpp"
#include "holdfast/world.hpp"

HOLDFAST_BEGIN

struct LogOptions {
  std::uint64_t segment_size = std::uint64_t{64} << 20;  ///< bytes after which a segment is sealed
  std::uint32_t align = 4096;  ///< as in Framed::Options, for segments that are made from now on
};

/// A log in a directory. Any thread may use it; it moves freely. Its destructor syncs nothing.
template <file_system Fs, Recovery How = Recovery::cut, world W = Native>
class BasicLog {
  using Segment = BasicFileSegment<Fs>;
  using Active = Recoverable<Segment, Framed, How, W>;

 public:
  /// Recovers, and makes the directory and the first segment where there are none. Errors: `busy`
  /// while another has it open, `hole`, `damaged`, `foreign` (a segment that is not the one its
  /// name says) and the others of `open_recoverable`, as far as `How` refuses them; nothing was
  /// touched then.
  [[nodiscard]] static result<BasicLog> open(std::string directory,
                                             LogOptions const& options = {},
                                             Fs fs = {},
                                             W w = {}) {
    auto state =
        std::make_unique<State>(std::move(directory), options, std::move(fs), std::move(w));
    HOLDFAST_TRYV(state->open());
    return BasicLog{std::move(state)};
  }

  /// Appends one record, to a new segment where the last is full. Durable after the next `sync`.
  [[nodiscard]] result<Record> append(bytes_view payload) {
    std::scoped_lock const lock{state_->mutex};
    HOLDFAST_TRYV(state_->check());
    HOLDFAST_TRYV(state_->roll_if_full());
    return state_->active->append(payload);
  }
  [[nodiscard]] result<void> sync() {
    std::scoped_lock const lock{state_->mutex};
    HOLDFAST_TRYV(state_->check());
    return state_->active->sync();
  }
  [[nodiscard]] result<void> close() {
    std::scoped_lock const lock{state_->mutex};
    HOLDFAST_TRYV(state_->check());
    return state_->active->close();
  }
  /// Seals the last segment and begins the next one.
  [[nodiscard]] result<void> roll() {
    std::scoped_lock const lock{state_->mutex};
    HOLDFAST_TRYV(state_->check());
    return state_->roll();
  }
  /// Recovers once more; heals after a failed sync.
  [[nodiscard]] result<void> reopen() {
    std::scoped_lock const lock{state_->mutex};
    return state_->recover();
  }
  /// Removes whole sealed segments of which every record is before `sequence`, the oldest first.
  /// Gives how many.
  [[nodiscard]] result<std::size_t> drop_before(std::uint64_t sequence) {
    std::scoped_lock const lock{state_->mutex};
    return state_->drop_before(sequence);
  }

  /// Makes the indexes of all sealed segments whose indexes are missing, damaged or of other data;
  /// each is compared with the data entry by entry. Gives how many segments got new ones.
  [[nodiscard]] result<std::size_t> index(IndexOptions options = {}) {
    std::scoped_lock const lock{state_->mutex};
    return state_->index(options);
  }

  [[nodiscard]] LogReport report() const {
    std::scoped_lock const lock{state_->mutex};
    return state_->report;
  }
  [[nodiscard]] Tail tail() const {
    std::scoped_lock const lock{state_->mutex};
    return state_->active ? state_->active->tail() : Tail{};
  }
  /// The records up to now, each checked again.
  [[nodiscard]] LogRecords<Fs> records(From first = {}) const {
    std::scoped_lock const lock{state_->mutex};
    return state_->records(first);
  }

 private:
  using Part = typename LogRecords<Fs>::Part;
  struct State {
    State(std::string at, LogOptions const& o, Fs f, W w)
        : directory{std::move(at)}, options{o}, fs{std::move(f)}, world_of_it{std::move(w)} {}

    [[nodiscard]] std::string path_of(std::uint64_t base) const {
      return detail::join(directory, detail::segment_name(base));
    }
    [[nodiscard]] Framed format(std::uint64_t base) const {
      return Framed{{.base = base, .align = options.align}};
    }

    [[nodiscard]] result<void> open() {
      HOLDFAST_TRYV(detail::make_directories(fs, directory));
      HOLDFAST_TRY(opened, detail::open_or_create(fs, detail::join(directory, "LOCK")));
      lock_file = std::move(opened);
      HOLDFAST_TRY(locked, fs.try_lock(*lock_file, {}, Mode::exclusive));
      if (!locked) return failure(errc::busy, "open log", directory);
      return recover();
    }

    [[nodiscard]] result<void> check() const {
      if (!active) return failure(errc::poisoned, "use log", directory);
      return ok();
    }
    // Looks at all segments before any is touched.
    [[nodiscard]] result<void> recover() {
      active.reset();
      sealed.clear();
      report = {};
      HOLDFAST_TRY(found, detail::survey(fs, directory));
      report.foreign = found.foreign;
      std::optional<std::uint64_t> expected;
      std::size_t whole = 0;  // segments up to the first break
      for (; whole < found.bases.size(); ++whole) {
        auto const base = found.bases[whole];
        bool const last = whole + 1 == found.bases.size();
        HOLDFAST_TRY(plan, look(base, !last));
        if (expected && base != *expected) {
          HOLDFAST_TRYV(judge_gap(base, *expected));
          if (How == Recovery::quarantine) break;
        }
        report.segments.push_back({base, {.found = plan}});
        note(plan.verdict);
        if (!may_open(plan.verdict, How)) {
          return failure(error{errc_of(plan.verdict), "open log", path_of(base)}.at(plan.kept));
        }
        expected = plan.kept == 0 ? base : plan.next_sequence;
        if (How == Recovery::salvage) *expected += plan.salvageable;
        // What lacks no more than its footer is no break: the next one follows all the same.
        bool const goes_on = !last && plan.next_sequence == found.bases[whole + 1];
        if (How == Recovery::quarantine && plan.verdict != Verdict::clean && !last && !goes_on) {
          ++whole;
          break;
        }
      }
      // From the last to the first, so that a crash leaves no hole.
      for (auto i = found.bases.size(); i > whole; --i) {
        HOLDFAST_TRYV(set_aside(found.bases[i - 1]));
      }
      return open_all(expected.value_or(0));
    }
    void note(Verdict verdict) noexcept {
      if (report.verdict == Verdict::clean) report.verdict = verdict;
    }
    [[nodiscard]] result<Plan> look(std::uint64_t base, bool has_successor) const {
      HOLDFAST_TRY(file, Segment::open_to_read(path_of(base), fs));
      HOLDFAST_TRY(point, detail::durable_point(file, format(base)));
      return examine(file, format(base),
                     {point, has_successor, detail::boot_tag(world_of_it.self().boot)});
    }
    [[nodiscard]] result<void> judge_gap(std::uint64_t base, std::uint64_t expected) {
      // One that begins before the one before it ends is a copy, or was put there by mistake.
      if (base < expected) return failure(errc::foreign, "open log", path_of(base));
      note(Verdict::hole);
      if (How == Recovery::refuse || How == Recovery::cut) {
        return failure(errc::hole, "open log", path_of(expected));
      }
      report.missing_records += base - expected;
      return ok();
    }
    // A whole segment behind a break gets another name, under which nothing reads it.
    [[nodiscard]] result<void> set_aside(std::uint64_t base) {
      auto const path = path_of(base);
      HOLDFAST_TRY(free, free_name(path + ".aside"));
      // First, and durably: the next segment of this name must not be taken for one that was cut.
      HOLDFAST_TRYV(detail::remove_if_there(fs, path + ".point"));
      HOLDFAST_TRYV(fs.sync_directory(directory));
      HOLDFAST_TRYV(fs.rename(path, free));
      HOLDFAST_TRYV(fs.sync_directory(directory));
      report.set_aside.push_back(free);
      return ok();
    }
    [[nodiscard]] result<std::string> free_name(std::string const& wanted) const {
      for (std::uint64_t n = 0;; ++n) {
        auto name = n == 0 ? wanted : wanted + "-" + std::to_string(n);
        HOLDFAST_TRY(there, detail::is_there(fs, name));
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
          HOLDFAST_TRY(done, detail::apply(file, one.recovered.found, How, true));
          one.recovered = done;
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
        HOLDFAST_TRYV(detail::lower_point(file, Framed::header_size));
        HOLDFAST_TRYV(file.truncate(Framed::header_size));
        HOLDFAST_TRYV(file.sync());
        report.cut_bytes += size - Framed::header_size;
      }
      return activate(active_base);
    }
    [[nodiscard]] result<void> activate(std::uint64_t base) {
      HOLDFAST_TRY(file, Segment::open(path_of(base), fs));
      HOLDFAST_TRY(opened,
                   open_recoverable<How>(std::move(file), format(base), {}, {}, world_of_it));
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
      Part const before{active_base, now.end, active->recovered().skipped_bytes != 0};
      HOLDFAST_TRYV(activate(now.next_sequence));
      sealed.push_back(before);
      return ok();
    }

    [[nodiscard]] result<std::size_t> drop_before(std::uint64_t sequence) {
      std::size_t dropped = 0;
      while (!sealed.empty()) {
        auto const next = sealed.size() > 1 ? sealed[1].base : active_base;
        if (next > sequence) break;
        auto const path = path_of(sealed.front().base);
        for (auto const* beside : {".point", ".index", ".times", ""}) {
          HOLDFAST_TRYV(detail::remove_if_there(fs, path + beside));
        }
        // Before the next one goes, so that no crash leaves a hole.
        HOLDFAST_TRYV(fs.sync_directory(directory));
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

    [[nodiscard]] LogRecords<Fs> records(From first) const {
      auto parts = sealed;
      parts.push_back({active_base, active->tail().end, active->recovered().skipped_bytes != 0});
      return {fs, directory, std::move(parts), first};
    }

    std::string directory;
    LogOptions options;
    Fs fs;
    W world_of_it;
    std::mutex mutex{};
    std::optional<typename Fs::file> lock_file{};
    std::vector<Part> sealed{};
    std::unique_ptr<Active> active{};  // none after a recovery that failed
    std::uint64_t active_base = 0;
    LogReport report{};
  };

  explicit BasicLog(std::unique_ptr<State> state) noexcept : state_{std::move(state)} {}

  std::unique_ptr<State> state_;
};

/// On the real file system.
template <Recovery How = Recovery::cut>
using Log = BasicLog<Posix, How>;

HOLDFAST_END

#endif

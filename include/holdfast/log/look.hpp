// SPDX-License-Identifier: BSL-1.0
// Looks at the segments of a log, some at a time; touches nothing.
//
// What is found does not depend on how many are looked at together: they are handed out in their
// order, told in their order, and the first that can't be read is the error.
#ifndef HOLDFAST_LOG_LOOK_HPP
#define HOLDFAST_LOG_LOOK_HPP

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "holdfast/backend/file_segment.hpp"
#include "holdfast/backend/mapped_segment.hpp"
#include "holdfast/config.hpp"
#include "holdfast/file_ops.hpp"
#include "holdfast/file_system.hpp"
#include "holdfast/format/framed.hpp"
#include "holdfast/log/options.hpp"
#include "holdfast/log/survey.hpp"
#include "holdfast/recovery/examine.hpp"
#include "holdfast/recovery/plan.hpp"
#include "holdfast/recovery/point.hpp"
#include "holdfast/result.hpp"

HOLDFAST_BEGIN

namespace detail {
/// What many threads share that look at `count` things. Whoever comes late finds nothing left, and
/// touches nothing that may be gone.
template <class T>
class Crowd {
 public:
  explicit Crowd(std::size_t count) : found_(count), count_{count} {}

  /// Looks at one after another until none is left.
  template <class Look, class Told>
  void serve(Look const& look, Told const& told) {
    for (;;) {
      // Before one is taken: whoever waits for `busy_` waits for it too.
      busy_.fetch_add(1);
      auto const i = next_.fetch_add(1);
      if (i >= count_) break;
      auto found = caught(look, i);
      bool const failed = !found;
      {
        std::scoped_lock const lock{mutex_};
        found_[i].emplace(std::move(found));
      }
      if (failed) next_.store(count_);
      leave();
      told();
    }
    leave();
  }
  /// Hands out no more, and waits until those who look at one are done.
  void dismiss() noexcept {
    next_.store(count_);
    wait();
  }
  void wait() noexcept {
    for (auto busy = busy_.load(); busy != 0; busy = busy_.load()) busy_.wait(busy);
  }
  /// Calls `use(i, found)` for those that are ready, from where it stopped before, up to the first
  /// that is not or that failed.
  template <class Use>
  void each_ready(Use const& use) {
    std::scoped_lock const lock{mutex_};
    for (; told_ < count_ && found_[told_] && found_[told_]->has_value(); ++told_) {
      use(told_, found_[told_]->assume_value());
    }
  }
  [[nodiscard]] result<std::vector<T>> all() {
    std::vector<T> out;
    out.reserve(count_);
    for (auto& one : found_) {
      HOLDFAST_TRY(found, std::move(*one));  // those behind the first error were not looked at
      out.push_back(std::move(found));
    }
    return out;
  }

 private:
  template <class Look>
  [[nodiscard]] static result<T> caught(Look const& look, std::size_t i) noexcept {
    HOLDFAST_MAY_THROW {
      return look(i);
    }
    HOLDFAST_CAUGHT {
      return failure(errc::no_memory, "look at segment");
    }
    return failure(errc::unknown, "look at segment");
  }
  void leave() noexcept {
    if (busy_.fetch_sub(1) == 1) busy_.notify_all();
  }

  std::mutex mutex_;
  std::vector<std::optional<result<T>>> found_;
  std::size_t count_;
  std::size_t told_ = 0;
  std::atomic<std::size_t> next_{0};
  std::atomic<std::size_t> busy_{0};
};

// Where it can't be run the others do it; where it is run late it finds nothing to do. One that
// throws (no thread is to be had) can't run it either.
template <class Work>
[[nodiscard]] bool post_one(LogOptions const& options, Work work) noexcept {
  HOLDFAST_MAY_THROW {
    return options.post(std::move(work)).has_value();
  }
  HOLDFAST_CAUGHT {
    return false;
  }
  return false;
}

/// `look(i)` for each of `count`, some of them on what `options.post` runs; `told(i, found)` hears
/// each, in order, on this thread.
template <class T, class Look, class Told>
[[nodiscard]] result<std::vector<T>> look_at_all(std::size_t count,
                                                 LogOptions const& options,
                                                 Look const& look,
                                                 Told const& told) {
  auto const crowd = std::make_shared<Crowd<T>>(count);
  // What helpers look with lives here: nobody leaves, also by an exception, while one is at it.
  struct Dismissal {
    Crowd<T>& crowd;
    ~Dismissal() { crowd.dismiss(); }
  } const dismissal{*crowd};
  auto const helpers = options.post ? std::min(options.at_once, count) : 1;
  for (std::size_t i = 1; i < helpers; ++i) {
    static_cast<void>(post_one(options, [crowd, at = &look] {
      crowd->serve([at](std::size_t which) { return (*at)(which); }, [] {});
    }));
  }
  crowd->serve(look, [&] { crowd->each_ready(told); });
  crowd->wait();
  crowd->each_ready(told);
  return crowd->all();
}

/// Ends a progress on every way out, so that nobody waits for what will not come.
class Ending {
 public:
  explicit Ending(LogProgress* progress) noexcept : progress_{progress} {}
  Ending(Ending const&) = delete;
  Ending& operator=(Ending const&) = delete;
  ~Ending() {
    if (progress_ != nullptr) progress_->end({}, 0);
  }
  /// Shows these from now on.
  void with(std::vector<LogPart> parts, std::uint64_t next) {
    if (progress_ != nullptr) progress_->end(std::move(parts), next);
  }

 private:
  LogProgress* progress_;
};

/// Tells `progress` of the records as they pass; rarely, since it takes a lock.
class Passing {
 public:
  Passing(LogProgress* progress, std::size_t index, std::uint64_t base, std::uint64_t limit)
      : progress_{progress}, index_{index}, base_{base}, limit_{limit}, next_{base} {}

  void operator()(Step const& record, std::uint64_t end) {
    if (progress_ == nullptr || end > limit_) return;
    end_ = end;
    next_ = record.sequence + 1;
    if (end_ - told_ >= often) tell();
  }
  void tell() {
    if (progress_ == nullptr || end_ == told_) return;
    progress_->advance(index_, base_, end_, next_);
    told_ = end_;
  }

 private:
  static constexpr std::uint64_t often = std::uint64_t{256} << 10;
  LogProgress* progress_;
  std::size_t index_;
  std::uint64_t base_;
  std::uint64_t limit_;  // what lies behind it may not be durable
  std::uint64_t next_;
  std::uint64_t end_ = 0;
  std::uint64_t told_ = 0;
};

// Through a map of the file, where that was asked for and can be had.
template <file_system Fs>
[[nodiscard]] result<Plan> examine_as([[maybe_unused]] Fs const& fs,
                                      BasicFileSegment<Fs> const& file,
                                      Framed const& format,
                                      Known const& known,
                                      [[maybe_unused]] bool mapped,
                                      Passing& passing) {
  auto const pass = [&passing](Step const& record, std::uint64_t end) { passing(record, end); };
  if constexpr (mapping_files<Fs>) {
    if (mapped) {
      HOLDFAST_TRY(map, BasicMappedSegment<Fs>::open_to_read(file.path(), fs));
      return examine(map, format, known, pass);
    }
  }
  return examine(file, format, known, pass);
}

/// Looks at all segments of a survey. `told(base, plan)` hears each, in order, and `progress`,
/// which may be null, in the place of the one that the options name.
template <file_system Fs, class Told>
[[nodiscard]] result<std::vector<Plan>> look_at_segments(Fs const& fs,
                                                         std::string const& directory,
                                                         std::vector<std::uint64_t> const& bases,
                                                         LogOptions const& options,
                                                         std::uint32_t boot,
                                                         LogProgress* progress,
                                                         Told const& told) {
  if (progress != nullptr) progress->begin(bases.size());
  auto const look = [&](std::size_t i) -> result<Plan> {
    auto const base = bases[i];
    bool const last = i + 1 == bases.size();
    HOLDFAST_TRY(file, BasicFileSegment<Fs>::open_to_read(join(directory, segment_name(base)), fs));
    Framed const format{{.base = base}};
    HOLDFAST_TRY(point, durable_point(file, format));
    Passing passing{progress, i, base, last ? point : ~std::uint64_t{0}};
    Known const known{.durable_to = point, .sealed = !last, .boot = boot};
    HOLDFAST_TRY(plan, examine_as(fs, file, format, known, options.map_sealed && !last, passing));
    passing.tell();
    return plan;
  };
  auto const hear = [&](std::size_t i, Plan const& plan) {
    bool const last = i + 1 == bases.size();
    if (progress != nullptr && plan.verdict != Verdict::clean) progress->stop();
    if (progress != nullptr && !last) {
      progress->pass(i, bases[i], plan.kept, plan.next_sequence);
    }
    told(bases[i], plan);
  };
  return look_at_all<Plan>(bases.size(), options, look, hear);
}

/// Equal where the bytes and the names are.
[[nodiscard]] inline std::uint64_t fingerprint(std::vector<std::uint64_t> const& bases,
                                               std::vector<Plan> const& plans) noexcept {
  std::uint64_t all = bases.size();
  for (std::size_t i = 0; i < bases.size(); ++i) {
    all = Plan::mixed(all, bases[i]);
    all = Plan::mixed(all, plans[i].fingerprint());
  }
  return all;
}
}  // namespace detail

HOLDFAST_END

#endif

// SPDX-License-Identifier: BSL-1.0
// Brings a build up to a source that moved on meanwhile: most of it while updates go on, the last
// bounded tail while none can come.
//
// The order of what counts:
//   1. pull, round by round                 until little is left; updates of the home go on
//   2. barrier, shared                      no process updates the home from here on; views go on,
//                                           and who refreshes or opens may wait behind an updater
//   3. marks of the current generation      all that was acknowledged is at or below them
//   4. pull                                 until the build has them too
//   5. seal, commit, and only then the barrier is let go: nothing is acknowledged in between
#ifndef HOLDFAST_STAGED_CATCH_UP_HPP
#define HOLDFAST_STAGED_CATCH_UP_HPP

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "holdfast/config.hpp"
#include "holdfast/detail/manifest.hpp"
#include "holdfast/detail/update_marks.hpp"
#include "holdfast/ids.hpp"
#include "holdfast/result.hpp"

HOLDFAST_BEGIN

/// What a feed is asked for: to write what comes next into the writer that it is given with this.
struct Pull {
  Marks after;                  ///< the build has everything up to here
  std::optional<Marks> upto{};  ///< nothing beyond: what a part that is carried over has
  std::size_t most = 0;         ///< records at most
  bool tail = false;            ///< updates of the home wait until the commit
};
/// What a feed did.
struct Pulled {
  Marks marks{};            ///< the build has everything up to here now
  std::size_t records = 0;  ///< that were written; 0: the source has no more just now
};

/// How a build catches up. The bounds keep a source that is faster than the build from keeping it,
/// or the updates that wait, for ever.
struct CatchUpOptions {
  /// What the writer has already; empty: what a copy began with, or catching up came to before. A
  /// build that was resumed has to be told: keep it in the note.
  Marks from{};
  std::size_t records_a_round = 10'000;
  std::size_t rounds = 1'000;         ///< before the tail
  std::size_t near_records = 1'000;   ///< the tail begins once a round brought no more
  std::size_t tail_records = 10'000;  ///< while updates wait
};

/// How a build caught up.
struct CaughtUp {
  Marks marks;  ///< of all that the build has: the commit gets them
  std::size_t rounds = 0;
  std::size_t records = 0;
  std::size_t tail_records = 0;  ///< of these, while updates waited
};

namespace detail {
/// How far the build has to come, by the marks of what is current.
struct CatchUpGoal {
  bool updates = false;            // somebody may update it
  Marks least{};                   // of all that is current, its commit's among them
  Marks updated{};                 // names that its updates have
  std::optional<Marks> exactly{};  // of what is carried over
};

/// `own` are the marks of each part's updates. `torn` if parts that are carried over differ.
[[nodiscard]] inline result<CatchUpGoal> catch_up_goal(Kept const& current,
                                                       std::vector<std::optional<Marks>> const& own,
                                                       std::vector<bool> const& carries) {
  CatchUpGoal goal;
  std::vector<Marks> parts;
  for (std::size_t i = 0; i < own.size(); ++i) {
    if (!own[i]) continue;
    goal.updates = true;
    parts.push_back(merged(current.marks, *own[i]));
    goal.updated = merged(std::move(goal.updated), *own[i]);
    if (i >= carries.size() || !carries[i]) continue;
    if (goal.exactly && *goal.exactly != parts.back()) {
      return failure(errc::torn, "catch_up: parts that are carried over are at unequal marks");
    }
    goal.exactly = parts.back();
  }
  goal.least = least(parts);
  return goal;
}
/// What the build has to come to. Of names that neither updates nor the feed have, as a commit may
/// give them, nothing is known.
[[nodiscard]] inline Marks wanted_of(CatchUpGoal const& goal, Marks const& at) {
  auto wanted = goal.exactly ? *goal.exactly : goal.least;
  if (at.empty()) return wanted;
  std::erase_if(wanted, [&](auto const& mark) {
    return !at.contains(mark.first) && !goal.updated.contains(mark.first);
  });
  return wanted;
}

/// The first name whose mark is below `wanted`; nothing where all are reached.
[[nodiscard]] inline std::optional<std::string> short_of(Marks const& at, Marks const& wanted) {
  for (auto const& [name, value] : wanted) {
    auto const found = at.find(name);
    if (found == at.end()) return name + ": no mark of " + std::to_string(value);
    if (found->second >= value) continue;
    return name + ": " + std::to_string(found->second) + " of " + std::to_string(value);
  }
  return std::nullopt;
}

/// Where the build is after a round. `invalid` where it did not move on, or moved too far.
[[nodiscard]] inline result<Marks> moved_on(Marks const& at,
                                            Pulled const& pulled,
                                            std::optional<Marks> const& upto) {
  auto next = merged(at, pulled.marks);
  if (auto const back = short_of(next, at)) {
    return failure(errc::invalid, "catch_up: the feed's marks went back", *back);
  }
  if (pulled.records != 0 && next == at) {
    return failure(errc::invalid, "catch_up: the feed gave records without marks for them");
  }
  for (auto const& [name, value] : next) {
    if (!upto) break;
    auto const limit = upto->find(name);
    if (limit == upto->end() || value <= limit->second) continue;
    return failure(errc::invalid, "catch_up: the feed went past what is carried over", name);
  }
  return next;
}

/// One catching up. `Source` tells what is current, and keeps updates out.
template <class Source>
class CatchUp {
 public:
  using Quiet = typename Source::Quiet;

  CatchUp(Source& source,
          Kept const* current,
          std::vector<bool> const& carries,
          CatchUpOptions const& options)
      : source_{source}, current_{current}, carries_{carries}, options_{options} {}

  /// `marks` is where the build is, after an error too. `quiet` is held on success alone.
  template <class Feed>
  [[nodiscard]] result<CaughtUp> run(Feed feed, Marks& marks, Quiet& quiet) {
    if (!options_.from.empty()) marks = options_.from;
    LetGo let_go{quiet};
    HOLDFAST_TRYV(chase_and_end(feed, marks, quiet));
    let_go.armed = false;
    done_.marks = marks;
    return std::move(done_);
  }

 private:
  // Whatever fails or throws, updates go on.
  struct LetGo {
    Quiet& quiet;
    bool armed = true;
    explicit LetGo(Quiet& held) noexcept : quiet{held} {}
    LetGo(LetGo const&) = delete;
    LetGo& operator=(LetGo const&) = delete;
    ~LetGo() {
      if (armed) quiet.reset();
    }
  };

  template <class Feed>
  [[nodiscard]] result<void> chase_and_end(Feed& feed, Marks& marks, Quiet& quiet) {
    // Whoever catches up again holds it already.
    if (!quiet) {
      HOLDFAST_TRYV(chase(feed, marks));
    }
    return end(feed, marks, quiet);
  }

  template <class Feed>
  [[nodiscard]] result<void> chase(Feed& feed, Marks& marks) {
    bool const carrying = std::find(carries_.begin(), carries_.end(), true) != carries_.end();
    for (; done_.rounds < options_.rounds; ++done_.rounds) {
      std::optional<Marks> upto;
      if (carrying) {
        Quiet brief;
        HOLDFAST_TRY(goal, goal_now(brief));
        auto const wanted = wanted_of(goal, marks);
        upto = std::move(goal.exactly);
        if (upto && !short_of(marks, wanted)) return ok();
      }
      Pull const pull{marks, std::move(upto), options_.records_a_round, false};
      HOLDFAST_TRY(records, ask(feed, pull, marks));
      if (records <= options_.near_records) return ok();
    }
    return failure(errc::timed_out, "catch_up: the source is faster than the build",
                   std::to_string(done_.rounds) + " rounds, " + std::to_string(done_.records) +
                       " records: CatchUpOptions::rounds");
  }

  template <class Feed>
  [[nodiscard]] result<void> end(Feed& feed, Marks& marks, Quiet& quiet) {
    HOLDFAST_TRY(goal, goal_now(quiet));
    for (;;) {
      auto const missing = short_of(marks, wanted_of(goal, marks));
      // Without updates there is no telling where the end is, but by the source.
      if (!missing && goal.updates) break;
      if (done_.tail_records >= options_.tail_records) {
        return failure(errc::timed_out, "catch_up: the tail does not end",
                       std::to_string(done_.tail_records) +
                           " records: CatchUpOptions::tail_records" +
                           (missing ? "; " + *missing : std::string{}));
      }
      Pull const pull{marks, goal.exactly, options_.tail_records - done_.tail_records, true};
      HOLDFAST_TRY(records, ask(feed, pull, marks));
      done_.tail_records += records;
      if (records != 0) continue;
      if (!missing) break;
      return failure(errc::invalid, "catch_up: the feed ended before what readers see", *missing);
    }
    if (goal.exactly) marks = merged(std::move(marks), *goal.exactly);
    return ok();
  }

  template <class Feed>
  [[nodiscard]] result<std::size_t> ask(Feed& feed, Pull const& pull, Marks& marks) {
    HOLDFAST_TRY(pulled, feed(pull));
    HOLDFAST_TRY(next, moved_on(marks, pulled, pull.upto));
    marks = std::move(next);
    done_.records += pulled.records;
    return pulled.records;
  }

  [[nodiscard]] result<CatchUpGoal> goal_now(Quiet& quiet) {
    if (current_ == nullptr) return CatchUpGoal{};
    HOLDFAST_TRY(own, source_.own_marks(*current_, quiet));
    return catch_up_goal(*current_, own, carries_);
  }

  Source& source_;
  Kept const* current_;
  std::vector<bool> const& carries_;
  CatchUpOptions const& options_;
  CaughtUp done_{};
};

/// The marks of a commit: those that the build caught up to, and others of the caller's.
[[nodiscard]] inline result<Marks> marks_of_commit(std::optional<Marks> const& caught,
                                                   Marks const& given) {
  if (!caught) return given;
  for (auto const& [name, value] : given) {
    auto const found = caught->find(name);
    if (found == caught->end() || found->second == value) continue;
    return failure(errc::invalid, "commit: another mark than the build caught up to", name);
  }
  return merged(*caught, given);
}
}  // namespace detail

HOLDFAST_END

#endif

// SPDX-License-Identifier: BSL-1.0
// Scenarios over a home that is updated between rebuilds: an updater, followers and rebuilds,
// crashed and judged by what views show of several parts.
#ifndef HOLDFAST_TESTING_UPDATE_HOME_HPP
#define HOLDFAST_TESTING_UPDATE_HOME_HPP

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

#include "holdfast/backend/file_register.hpp"
#include "holdfast/config.hpp"
#include "holdfast/file_ops.hpp"
#include "holdfast/ids.hpp"
#include "holdfast/policy/file_lock.hpp"
#include "holdfast/result.hpp"
#include "holdfast/staged.hpp"
#include "holdfast/testing/files.hpp"
#include "holdfast/testing/scenario.hpp"
#include "holdfast/testing/subject.hpp"
#include "holdfast/testing/update_laws.hpp"
#include "holdfast/testing/update_scenario.hpp"

HOLDFAST_BEGIN

namespace testing {
namespace kit {
template <class Home>
[[nodiscard]] auto files_of_home(SimulatedProcess const& p) {
  if constexpr (requires { Home::files(p); }) {
    return Home::files(p);
  } else {
    return p.files;
  }
}
}  // namespace kit

/// A scenario over a home in /db. `Home` is copyable and says what its store is:
///   parts                          how many parts it has
///   store(process)                 -> an updatable_store of so many parts, placed in /db
///   put(writer, files)             fills every part with these files
///   get(reader, part)              -> result<Files>, in the order of their names
///   batch(files)                   -> an update of all parts that puts these files over others
///   put_over(writer, files)        puts these files over others; only where a build catches up
///   static constexpr bool one_process   its builder is the updater's process: SQLite's log has
///                                       memory that simulated processes can't share
///   static files(process)          -> what all of it goes through; not needed without threads
template <class Home>
class UpdatedHome {
  using Fs = decltype(kit::files_of_home<Home>(std::declval<SimulatedProcess const&>()));
  using W = SimulatedWorld;

 public:
  UpdatedHome(Home home, UpdatePlan const& plan) : home_{std::move(home)}, plan_{plan} {}

  [[nodiscard]] Verdict work(Run& run) const {
    auto process = run.start();
    if (!holdfast::detail::make_directories(process.files, "/db"))
      return laws::update_equal.broken("a directory", "none");
    if (auto broken = build(process)) return broken;
    run.crash_from_here();
    for (std::uint64_t n = 1; n <= plan_.updates;) {
      auto updater = update(process);
      if (!updater) return refused(process, "open_updater", updater.error());
      auto const marks = updater.assume_value().marks();
      if (!marks) return refused(process, "marks", marks.error());
      n = laws::updates_in(marks.assume_value()) + 1;
      for (; n <= plan_.updates && process.alive(); ++n) {
        if constexpr (catches_up) {
          if (n == plan_.rebuild_at) {
            if (auto broken = rebuild(run, process, updater.assume_value(), n)) return broken;
          }
          if (n > plan_.updates) break;
        }
        if (n == plan_.kill_update && !killed(process)) process.kill_after(plan_.kill_after);
        if (auto broken = feed(run, process, updater.assume_value(), n)) return broken;
      }
      if (!process.alive()) process = run.start();
    }
    return {};
  }

  [[nodiscard]] Recovered recover(Run& run) const {
    Recovered out;
    out.broken = recover(run, out);
    return out;
  }

 private:
  using Store =
      decltype(std::declval<Home const&>().store(std::declval<SimulatedProcess const&>()));
  static constexpr bool catches_up =
      requires(Home const& home, writer_of<Store>& writer, Files const& files) {
    home.put_over(writer, files);
  };

  [[nodiscard]] static auto reg(SimulatedProcess const& p) {
    return BasicFileRegister<Fs, W>{"/db/CURRENT", kit::files_of_home<Home>(p), p.world};
  }
  [[nodiscard]] static auto lock(SimulatedProcess const& p, char const* name) {
    return BasicFileLock<Fs, W>{std::string{"/db/"} + name, kit::files_of_home<Home>(p), p.world};
  }
  [[nodiscard]] auto update(SimulatedProcess const& p) const {
    return open_updater(home_.store(p), reg(p), lock(p, "UPDATES"), p.world);
  }
  // Only the first process of the work is killed.
  [[nodiscard]] static bool killed(SimulatedProcess const& p) noexcept {
    return p.world.self().pid != 101;
  }

  [[nodiscard]] Verdict build(SimulatedProcess const& p) const {
    auto db = open_staged(StagedOptions{.publish = false}, home_.store(p), reg(p), lock(p, "LOCK"),
                          p.world);
    if (!db) return laws::update_equal.refused("open", db.error());
    auto stage = db.assume_value().stage();
    if (!stage) return laws::update_equal.refused("stage", stage.error());
    auto const put = home_.put(stage.assume_value().writer(), files_of(1, 0));
    if (!put) return laws::update_equal.refused("put", put.error());
    auto ready = std::move(stage).assume_value().seal();
    if (!ready) return laws::update_equal.refused("seal", ready.error());
    auto const done = std::move(ready).assume_value().commit({.marks = laws::marks_of_update(0)});
    if (!done) return laws::update_equal.refused("commit", done.error());
    return {};
  }

  // One build from the state before update n to its commit, while the updater goes on; n is what
  // comes after it then.
  template <class Opened>
  [[nodiscard]] Verdict rebuild(Run& run,
                                SimulatedProcess const& process,
                                Opened& updater,
                                std::uint64_t& n) const {
    constexpr bool alone = requires {
      requires Home::one_process;
    };
    auto builder = alone ? process : run.start();
    if (!alone && plan_.kill_builder_after != 0) builder.kill_after(plan_.kill_builder_after);
    if (auto broken = build_beside(run, builder, process, updater, n)) return broken;
    auto const moved = updater.refresh();
    if (!moved) return refused(process, "refresh", moved.error());
    auto const marks = updater.marks();
    if (!marks) return refused(process, "marks", marks.error());
    auto const found = laws::updates_in(marks.assume_value());
    n = found + 1;
    return laws::update_is_kept(run.history(), found, true, laws::update_caught_up);
  }

  template <class Opened>
  [[nodiscard]] Verdict build_beside(Run& run,
                                     SimulatedProcess const& builder,
                                     SimulatedProcess const& process,
                                     Opened& updater,
                                     std::uint64_t n) const {
    auto const stopped = [&](char const* operation, error const& cause) -> Verdict {
      if (!builder.alive()) return {};
      return laws::update_caught_up.refused(operation, cause);
    };
    auto db = open_staged(StagedOptions{.publish = false}, home_.store(builder), reg(builder),
                          lock(builder, "LOCK"), builder.world);
    if (!db) return stopped("open", db.error());
    auto stage = db.assume_value().stage();
    if (!stage) return stopped("stage", stage.error());
    auto const put = home_.put(stage.assume_value().writer(), laws::files_after(n - 1));
    if (!put) return stopped("put", put.error());
    if (auto broken = feed(run, process, updater, n++)) return broken;
    Verdict amid;
    auto const pulls = [&](auto& writer, Pull const& pull) -> result<Pulled> {
      auto at = laws::updates_in(pull.after);
      for (; at + 1 < n; ++at) {
        HOLDFAST_TRYV(home_.put_over(writer, laws::files_of_update(at + 1)));
      }
      if (!pull.tail) {
        if (!amid) amid = feed(run, process, updater, n++);
      } else {
        n += feed_if_free(run, process, updater, n);
      }
      return Pulled{laws::marks_of_update(at), at - laws::updates_in(pull.after)};
    };
    auto const caught =
        stage.assume_value().catch_up(pulls, {.from = laws::marks_of_update(n - 2)});
    if (amid) return amid;
    if (!caught) return stopped("catch_up", caught.error());
    auto ready = std::move(stage).assume_value().seal();
    if (!ready) return stopped("seal", ready.error());
    auto const done = std::move(ready).assume_value().commit();
    if (!done) return stopped("commit", done.error());
    return {};
  }
  // 1 if the update was told to be applied; it should not be.
  template <class Opened>
  [[nodiscard]] std::uint64_t feed_if_free(Run& run,
                                           SimulatedProcess const& process,
                                           Opened& updater,
                                           std::uint64_t n) const {
    run.note({Note::Kind::started, n, run.history().size(), 0});
    auto const applied =
        updater.apply(laws::marks_of_update(n), home_.batch(laws::files_of_update(n)));
    if (applied && process.alive()) run.note({Note::Kind::acked, n, 0, 0});
    return applied ? 1 : 0;
  }

  template <class Opened>
  [[nodiscard]] Verdict feed(Run& run,
                             SimulatedProcess const& process,
                             Opened& updater,
                             std::uint64_t n) const {
    run.note({Note::Kind::started, n, run.history().size(), 0});
    auto const applied =
        updater.apply(laws::marks_of_update(n), home_.batch(laws::files_of_update(n)));
    if (!applied) return refused(process, "apply", applied.error());
    if (process.alive()) run.note({Note::Kind::acked, n, 0, 0});
    return {};
  }
  [[nodiscard]] static Verdict refused(SimulatedProcess const& process,
                                       char const* operation,
                                       error const& cause) {
    if (!process.alive()) return {};
    return laws::update_recovers.refused(operation, cause);
  }

  [[nodiscard]] Verdict recover(Run& run, Recovered& out) const {
    auto const process = run.start();
    auto follower = open_view(home_.store(process), reg(process));
    if (!follower) return laws::update_opens.refused("open_view", follower.error());
    std::uint64_t shown = 0;
    // A crash between two parts leaves nothing to show, until the replay.
    if (auto broken = look(follower.assume_value(), shown, true)) return broken;
    auto updater = update(process);
    if (!updater) return laws::update_opens.refused("open_updater", updater.error());
    if (auto broken = look(updater.assume_value(), shown, true)) return broken;
    auto const marks = updater.assume_value().marks();
    if (!marks) return laws::update_opens.refused("marks", marks.error());
    auto const found = laws::updates_in(marks.assume_value());
    out.seen = "update " + std::to_string(found);
    auto const& kept = plan_.rebuild_at != 0 ? laws::update_caught_up : laws::update_durable;
    if (auto broken = laws::update_is_kept(run.history(), found, true, kept)) return broken;
    if (found != 0) run.note({Note::Kind::acked, found, 0, 0});
    for (auto n = found + 1; n <= plan_.updates; ++n) {
      if (auto broken = feed(run, process, updater.assume_value(), n)) return broken;
      if (auto broken = look(updater.assume_value(), shown, false)) return broken;
      if (shown != n) return laws::update_equal.broken(text_of(n), text_of(shown));
    }
    auto const refreshed = follower.assume_value().refresh();
    if (!refreshed) return laws::update_recovers.refused("refresh", refreshed.error());
    if (auto broken = look(follower.assume_value(), shown, false)) return broken;
    out.left = text_of(shown);
    if (shown == plan_.updates) return {};
    return laws::update_recovers.broken(text_of(plan_.updates), out.left);
  }
  [[nodiscard]] static std::string text_of(std::uint64_t n) {
    return "update " + std::to_string(n);
  }

  template <class Reads>
  [[nodiscard]] Verdict look(Reads const& db, std::uint64_t& shown, bool torn) const {
    auto const view = db.view();
    if (!view && torn && view.error().code() == errc::torn) return {};
    if (!view) return laws::update_opens.refused("view", view.error());
    auto const& held = view.assume_value();
    shown = laws::updates_in(held.marks());
    for (std::size_t part = 0; part < Home::parts; ++part) {
      auto const files = home_.get(*held, part);
      if (files && files.assume_value() == laws::files_after(shown)) continue;
      return laws::update_equal.broken("every part in the state of " + text_of(shown),
                                       "part " + std::to_string(part) + " in another");
    }
    return {};
  }

  Home home_;
  UpdatePlan plan_;
};

template <class Home>
[[nodiscard]] Scenario update_home_scenario(std::string name, Home home, UpdatePlan const& plan) {
  UpdatedHome<Home> const work{std::move(home), plan};
  return {std::move(name), plan.sector_size, [work](Run& run) { return work.work(run); },
          [work](Run& run) { return work.recover(run); }};
}

/// What checks the law of several parts on such a home.
template <class Home>
[[nodiscard]] Subject update_home_subject(std::string name, Home home) {
  using namespace laws;  // NOLINT(google-build-using-namespace)
  return {.name = name,
          .laws = {update_equal},
          .trials = {{{update_equal.id}, update_equal.id, [name, home](std::uint64_t number) {
                        return update_home_scenario(name, home, update_plan(number));
                      }}}};
}

/// What checks the law of builds that catch up with updates on such a home.
template <class Home>
[[nodiscard]] Subject caught_up_subject(std::string name, Home home) {
  using namespace laws;  // NOLINT(google-build-using-namespace)
  return {
      .name = name,
      .laws = {update_caught_up},
      .trials = {{{update_caught_up.id}, update_caught_up.id, [name, home](std::uint64_t number) {
                    return update_home_scenario(name, home, caught_up_plan(number));
                  }}}};
}
}  // namespace testing

HOLDFAST_END

#endif

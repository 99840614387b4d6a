// SPDX-License-Identifier: BSL-1.0
// A process that builds in a staged home, judging and reporting what it sees.
#ifndef HOLDFAST_TESTING_STAGED_ACTOR_HPP
#define HOLDFAST_TESTING_STAGED_ACTOR_HPP

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
#include "holdfast/ids.hpp"
#include "holdfast/result.hpp"
#include "holdfast/testing/faults_memory.hpp"
#include "holdfast/testing/files.hpp"
#include "holdfast/testing/scenario.hpp"
#include "holdfast/testing/staged_home.hpp"
#include "holdfast/testing/staged_laws.hpp"

HOLDFAST_BEGIN

namespace testing {
/// What processes in each other's midst must know of each other: a revert under way goes on from
/// whatever a rival commits meanwhile, so it may become any of several happenings.
struct Traffic {
  bool rival = false;  ///< there is one, so that an operation may be beaten
  struct Revert {
    std::uint64_t to = 0;  ///< generation; 0 while none is under way
    std::vector<std::uint64_t> numbers{};
  };
  Revert revert{};
};

/// Slots that a thread remembers are told apart by a random number, and simulated processes draw
/// the same ones again: a new process must not find those of a dead one.
inline void forget_reader_slots() noexcept {
  holdfast::detail::slot_cache = {};
}

/// Can a build of the first part alone be filled?
template <class Home, class Staged>
concept builds_parts = requires(Home const& home,
                                SimulatedProcess const& process,
                                value_of<decltype(std::declval<Staged&>().stage(only<0>))>& stage) {
  home.put(process, stage.writer(), std::size_t{0}, Files{});
};

/// Can a build begin as a copy, of which the parts are then cleared?
template <class Home, class Staged>
concept builds_copies =
    requires(Home const& home,
             SimulatedProcess const& process,
             value_of<decltype(std::declval<Staged&>().stage_from_current())>& stage) {
  home.clear(process, stage.writer(), std::size_t{0});
};

/// A process that builds.
template <class Home>
class StagedActor {
  using Staged =
      value_of<decltype(std::declval<Home&>().open(std::declval<SimulatedProcess const&>()))>;

 public:
  StagedActor(Run& run, Home const& home, SimulatedProcess process, Traffic& traffic)
      : run_{run}, home_{home}, process_{std::move(process)}, traffic_{traffic} {}

  /// From here on errors are fine: another process is in the midst of something.
  void may_be_refused() noexcept { refusable_ = true; }
  [[nodiscard]] bool is_open() const noexcept { return staged_.has_value(); }
  [[nodiscard]] SeenHome const& last() const noexcept { return last_; }
  [[nodiscard]] std::string seen() const {
    return text_of(last_) + (held_ == 0 ? "" : ", on hold for " + std::to_string(held_));
  }

  [[nodiscard]] Verdict open() {
    auto opened = home_.open(process_);
    if (!opened) return refused("open_staged", opened.error());
    staged_.emplace(std::move(opened).assume_value());
    return {};
  }

  /// After errors. A commit that was left uncertain is settled first.
  [[nodiscard]] Verdict recover() {
    if (uncertain_) {
      auto const outcome = staged_->resolve(uncertain_->ticket);
      if (!outcome) return refused("resolve", outcome.error());
      if (outcome.assume_value() == Outcome::unknown)
        return laws::s6.broken("an outcome", "it is unknown");
      bool const happened = outcome.assume_value() == Outcome::committed;
      run_.note({happened ? Note::Kind::acked : Note::Kind::failed, uncertain_->number,
                 uncertain_->base, 0});
      uncertain_.reset();
    }
    auto const recovered = staged_->recover();
    if (!recovered) return refused("recover", recovered.error());
    return {};
  }

  /// If `settles`, nothing is under way: what is seen decides over all that was.
  [[nodiscard]] Verdict look(bool settles) {
    bool current = false;
    while (!current) {
      auto const begun = run_.history().size();
      auto const refreshed = staged_->refresh();
      if (!refreshed) return refused("refresh", refreshed.error());
      auto const view = staged_->view();
      if (!view && view.error().code() != errc::no_generation) return refused("view", view.error());
      last_ = view ? see(home_, view.assume_value()) : SeenHome{};
      if (!process_.alive()) return {};
      if (auto broken = judge_home(run_, last_, begun, number_)) return broken;
      current = laws::PossibleStores{run_.history()}.has(number_);
    }
    if (auto broken = look_at_hold(settles)) return broken;
    if (!settles) return {};
    for (auto const other : laws::PossibleStores{run_.history()}.numbers()) {
      if (other != number_) run_.note({Note::Kind::failed, other, 0, 0});
    }
    return {};
  }

  [[nodiscard]] Verdict commit() {
    auto stage = begin();
    if (!stage) return std::move(broken_);
    return finish(std::move(*stage), {});
  }

  /// The same, beginning as a copy of what is current, where the home can.
  [[nodiscard]] Verdict commit_copy() {
    if constexpr (builds_copies<Home, Staged>) {
      auto const manifest = base();
      if (!manifest || manifest->current.number == 0) return commit();
      broken_ = look(false);
      if (broken_ || !process_.alive()) return std::move(broken_);
      auto copy = staged_->stage_from_current();
      for (std::size_t part = 0; copy && part < Home::parts; ++part) {
        auto const cleared = home_.clear(process_, copy.assume_value().writer(), part);
        if (!cleared) return refused("clear", cleared.error());
      }
      auto stage = fill(std::move(copy), Home::parts);
      if (!stage) return std::move(broken_);
      return finish(std::move(*stage), {});
    } else {
      return commit();
    }
  }

  /// Puts commits on hold for the reason of that number; 0 lets them go on.
  [[nodiscard]] Verdict hold(std::uint64_t reason) {
    auto const before = laws::possible_holds(run_.history());
    auto const turn = run_.history().size();  // the same reason twice is said twice
    run_.note({Note::Kind::setting, reason, turn, 0});
    auto const done = reason == 0 ? staged_->unhold() : staged_->hold(std::to_string(reason));
    SparedAllocations const spared;
    if (!process_.alive()) return {};
    if (done) {
      run_.note({Note::Kind::set, reason, turn, 0});
    } else if (done.error().code() != errc::uncertain && before.size() == 1) {
      run_.note({Note::Kind::set, before.front(), turn, 0});
    }
    return done ? look(false) : refused(reason == 0 ? "unhold" : "hold", done.error());
  }

  /// Builds the first of two parts and carries the other over, where the home can.
  [[nodiscard]] Verdict commit_first() {
    if constexpr (builds_parts<Home, Staged>) {
      auto const manifest = base();
      if (!manifest || manifest->current.number == 0) return commit();
      broken_ = look(false);
      if (broken_ || !process_.alive()) return std::move(broken_);
      auto stage = fill(staged_->stage(only<0>), 1);
      if (!stage) return std::move(broken_);
      auto const now = base();
      auto const* current = now ? holdfast::detail::manifest::find(*now, now->current) : nullptr;
      if (current == nullptr) return {};
      return finish(std::move(*stage), {{"part 1", current->parts[1].number}});
    } else {
      return commit();
    }
  }

  /// S7: builds and gives up, before or after the seal.
  [[nodiscard]] Verdict discard(bool sealed) {
    auto stage = begin();
    if (!stage) return std::move(broken_);
    if (auto broken = look(false)) return broken;
    auto const before = last_;
    auto const acks = acknowledged();
    if (sealed) {
      auto ready = std::move(*stage).seal();
      if (!ready) return refused("seal", ready.error());
      ready.assume_value().discard();
    } else {
      stage->discard();
    }
    if (auto broken = look(false)) return broken;
    bool const others = acks != acknowledged();  // a rival committed meanwhile
    if (!process_.alive() || others || last_ == before) return {};
    return laws::s7.broken(text_of(before), text_of(last_));
  }

  /// To the oldest generation that is retained.
  [[nodiscard]] Verdict revert() {
    if (auto broken = look(false)) return broken;
    auto const manifest = base();
    if (!manifest || manifest->retained.empty()) return {};
    auto const to = manifest->retained.back().generation;
    auto const outer = std::exchange(traffic_.revert, Traffic::Revert{to.number, {}});
    traffic_.revert.numbers = {start(to.number)};
    auto const done = staged_->revert(to);
    SparedAllocations const spared;  // what happened is reported, whatever fails next
    auto const own = std::exchange(traffic_.revert, outer);
    if (!process_.alive()) return {};
    auto const all = laws::happenings(run_.history());
    for (auto const number : own.numbers) {
      auto const at = std::find_if(all.begin(), all.end(),
                                   [&](laws::Happening const& h) { return h.number == number; });
      if (!done && done.error().code() == errc::uncertain) continue;
      bool const became = done && done.assume_value().sequence == at->sequence;
      run_.note({became ? Note::Kind::acked : Note::Kind::failed, number, at->base, 0});
      if (became) overtake(number);
    }
    return done ? look(false) : refused("revert", done.error());
  }

  [[nodiscard]] Verdict collect() {
    auto const collected = staged_->collect();
    if (!collected) return refused("collect", collected.error());
    return {};
  }

  /// S10, as far as generations go.
  [[nodiscard]] Verdict nothing_leaks() {
    auto const status = staged_->status();
    if (!status) return refused("status", status.error());
    auto const lying = home_.generations(process_);
    if (!lying) return refused("generations", lying.error());
    for (auto const g : lying.assume_value()) {
      auto const& manifest = status.assume_value().manifest;
      if (manifest && holdfast::detail::manifest::lists(*manifest, g)) continue;
      return laws::s10.broken("only what is listed", "generation " + std::to_string(g.number));
    }
    return {};
  }

 private:
  using Stage = typename Staged::stage_type;

  [[nodiscard]] Verdict refused(std::string_view operation, error const& cause) const {
    auto const code = cause.code();
    bool const beaten = traffic_.rival && (code == errc::conflict || code == errc::fenced ||
                                           code == errc::busy || code == errc::not_retained);
    auto const holds = laws::possible_holds(run_.history());
    bool const held = code == errc::held && std::any_of(holds.begin(), holds.end(),
                                                        [](auto reason) { return reason != 0; });
    if (beaten || held || refusable_ || !process_.alive()) return {};
    return laws::staged_recovers.refused(operation, cause);
  }

  [[nodiscard]] Verdict look_at_hold(bool settles) {
    auto const& history = run_.history();
    if (laws::possible_holds(history) == std::vector<std::uint64_t>{0}) return {};
    auto const status = staged_->status();
    if (!status) return refused("status", status.error());
    if (!process_.alive()) return {};
    auto const& m = status.assume_value().manifest;
    held_ = m && m->hold ? std::stoull(*m->hold) : 0;
    if (!laws::may_be_in_force(history, held_)) {
      return laws::holds.broken("a reason that was told last or asked for since",
                                std::to_string(held_));
    }
    if (settles) run_.note({Note::Kind::set, held_, history.size(), 0});
    return {};
  }

  template <class AnyStage>
  [[nodiscard]] Verdict finish(AnyStage stage, Marks marks) {
    auto ready = std::move(stage).seal();
    if (!ready) return refused("seal", ready.error());
    auto const g = ready.assume_value().generation().number;
    marks.emplace("built", g);
    auto const number = start(g);
    bool const may = laws::may_be_in_force(run_.history(), 0);
    auto const done = std::move(ready).assume_value().commit({.marks = std::move(marks)});
    if (auto broken = end(number, done)) return broken;
    if (done && !may) return laws::holds.broken("held", "a commit");
    return done ? look(false) : Verdict{};
  }

  // A filled stage; nothing if something went wrong, which `broken_` then has.
  [[nodiscard]] std::optional<Stage> begin() {
    broken_ = look(false);
    if (broken_ || !process_.alive()) return {};
    return fill(staged_->stage(), Home::parts);
  }
  template <class AnyStage>
  [[nodiscard]] std::optional<AnyStage> fill(result<AnyStage> stage, std::size_t parts) {
    if (!stage) {
      broken_ = refused("stage", stage.error());
      return {};
    }
    auto const g = stage.assume_value().generation().number;
    broken_ = laws::generation_is_new(run_.history(), g);
    if (broken_) return {};
    run_.note({Note::Kind::given, g, 0, 0});
    static_cast<void>(base());
    for (std::size_t part = 0; part < parts; ++part) {
      auto const put = home_.put(process_, stage.assume_value().writer(), part, files_of(g, part));
      if (put) continue;
      broken_ = refused("put", put.error());
      return {};
    }
    return std::move(stage).assume_value();
  }

  [[nodiscard]] std::ptrdiff_t acknowledged() const {
    auto const& history = run_.history();
    return std::count_if(history.begin(), history.end(),
                         [](Note const& note) { return note.kind == Note::Kind::acked; });
  }

  // What a build or revert goes on from: a rival may have committed since the last look, or while
  // this asks.
  std::optional<Manifest> base() {
    while (true) {
      auto const begun = run_.history().size();
      auto const status = staged_->status();
      if (begun != run_.history().size()) continue;
      if (!status || !status.assume_value().manifest) return {};
      auto const& manifest = *status.assume_value().manifest;
      number_ = laws::number_of_sequence(run_.history(), manifest.sequence).value_or(number_);
      return manifest;
    }
  }

  // A revert in whose midst this happened goes on from here.
  void overtake(std::uint64_t number) {
    number_ = number;
    if (traffic_.revert.to != 0) traffic_.revert.numbers.push_back(start(traffic_.revert.to));
  }

  std::uint64_t start(std::uint64_t content) {
    std::uint64_t next = 1;
    for (auto const& note : run_.history()) {
      if (note.kind == Note::Kind::started) next = std::max(next, note.number + 1);
    }
    run_.note({Note::Kind::started, next, number_, content});
    return next;
  }
  template <class Done>
  [[nodiscard]] Verdict end(std::uint64_t number, Done const& done) {
    if (!process_.alive()) return {};
    if (done) {
      run_.note({Note::Kind::acked, number, number_, 0});
      overtake(number);
      return {};
    }
    if (done.error().code() != errc::uncertain) {
      run_.note({Note::Kind::failed, number, 0, 0});
    } else if (done.error().ticket() != Ticket{}) {
      uncertain_ = Uncertain{done.error().ticket(), number, number_};
    }
    return refused("commit", done.error());
  }

  Run& run_;
  Home const& home_;
  SimulatedProcess process_;
  std::optional<Staged> staged_{};
  SeenHome last_{};
  struct Uncertain {
    Ticket ticket;
    std::uint64_t number;
    std::uint64_t base;
  };
  std::optional<Uncertain> uncertain_{};
  std::uint64_t number_ = 0;
  std::uint64_t held_ = 0;  // the reason, as seen last
  Verdict broken_{};
  bool refusable_ = false;
  Traffic& traffic_;
};
}  // namespace testing

HOLDFAST_END

#endif

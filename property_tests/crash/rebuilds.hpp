// SPDX-License-Identifier: BSL-1.0
// Crashes the making of a new record at every call: it leaves the old one, the new one, or what can
// be rebuilt again; what is shown is the generation that was chosen, and no number comes twice.
#ifndef HOLDFAST_PROPERTY_TESTS_CRASH_REBUILDS_HPP
#define HOLDFAST_PROPERTY_TESTS_CRASH_REBUILDS_HPP

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

#include "holdfast/file_ops.hpp"
#include "holdfast/staged/rebuild.hpp"
#include "operations.hpp"

namespace crash {
/// A note `acked g`: a record that names g was made; `shown s`: sequence s was seen.
template <class Home, class Fs>
class RebuildWork {
  using Rebuilder = hf::detail::Rebuilder<typename Home::Both, Fs, hf::testing::SimulatedWorld>;

 public:
  /// What is wrong with the record.
  enum Loss : std::uint64_t {
    ring_lost,
    both_lost,
    ring_cut,
    older_copy,
    before_revert,  // an older copy, of which the hint alone tells
    nothing,
    losses
  };

  RebuildWork(Home home, OperationPlan const& plan) : home_{std::move(home)}, plan_{plan} {
    if (plan_.way != Loss::before_revert) return;
    plan_.generations = std::max<std::uint64_t>(plan_.generations, 2);
    home_.options.retain = std::max<std::size_t>(home_.options.retain, 2);
  }

  [[nodiscard]] hf::testing::Verdict work(hf::testing::Run& run) const {
    auto first = plan_;
    first.generations = 1;
    if (auto broken = begin_home(run, home_, first)) return broken;
    auto const clerk = run.start();
    auto older = hf::detail::read_file(Fs{clerk.files}, record(), limit);
    auto rest = plan_;
    rest.generations = plan_.generations - 1;
    if (auto broken = begin_home(run, home_, rest)) return broken;
    if (plan_.way == Loss::before_revert) {
      older = hf::detail::read_file(Fs{clerk.files}, record(), limit);
      auto db = home_.open(clerk);
      if (!db) return operation_whole.refused("open", db.error());
      auto const reverted = db.assume_value().revert({expected()});
      if (!reverted) return operation_whole.refused("revert", reverted.error());
    }
    if (!older) return operation_whole.refused("read the record", older.error());
    auto const lost = lose(Fs{clerk.files}, older.assume_value());
    if (!lost) return operation_whole.refused("lose the record", lost.error());
    run.crash_from_here();
    auto const process = run.start();
    if (plan_.kill_after != 0) process.kill_after(plan_.kill_after);
    auto broken = rebuild(run, process);
    if (process.alive()) return broken;
    return rebuild(run, run.start());
  }

  [[nodiscard]] hf::testing::Recovered recover(hf::testing::Run& run) const {
    hf::testing::forget_reader_slots();
    hf::testing::Recovered out;
    auto const process = run.start();
    out.broken = rebuild(run, process);
    if (!out.broken) out.broken = look(run, process);
    return out;
  }

 private:
  static constexpr std::uint64_t limit = 1 << 20;
  [[nodiscard]] std::string record() const { return home_.path + "/CURRENT"; }
  // What the outside names give.
  [[nodiscard]] std::uint64_t expected() const noexcept {
    return plan_.way == Loss::before_revert ? plan_.generations - 1 : plan_.generations;
  }

  [[nodiscard]] hf::result<void> lose(Fs const& fs, hf::bytes const& older) const {
    if (plan_.way == Loss::nothing) return hf::ok();
    if (plan_.way == Loss::ring_cut) {
      HOLDFAST_TRY(file, fs.open(record(), hf::Open::write));
      HOLDFAST_TRYV(fs.resize(file, 1000));
      return fs.sync(file);
    }
    if (plan_.way == Loss::before_revert) {
      // A hint is never synced. Here the disk has kept it: else nothing tells of the revert.
      HOLDFAST_TRY(hint, fs.open(record() + ".hint", hf::Open::write));
      HOLDFAST_TRYV(fs.sync(hint));
    }
    HOLDFAST_TRYV(fs.remove(record()));
    if (plan_.way == Loss::both_lost) {
      HOLDFAST_TRYV(fs.remove(record() + ".hint"));
    }
    if (plan_.way == Loss::older_copy || plan_.way == Loss::before_revert) {
      HOLDFAST_TRYV(hf::detail::write_new_file(fs, record(), older));
    }
    return fs.sync_directory(home_.path);
  }

  // Where the record can be used that is there already.
  [[nodiscard]] hf::testing::Verdict rebuild(hf::testing::Run& run,
                                             hf::testing::SimulatedProcess const& p) const {
    bool const done = noted(run, hf::testing::Note::Kind::acked);
    Rebuilder rebuilder{home_.path, home_.store(p), Fs{p.files}, p.world};
    auto const plan = rebuilder.plan();
    if (!plan) return refused(p, "plan", plan.error());
    auto const& found = plan.assume_value();
    if (done && found.trouble) return refused(p, "using the new record", *found.trouble);
    if (done || (!found.trouble && plan_.way != Loss::nothing)) return {};
    auto const* const chosen = found.proposal();
    if (chosen == nullptr || chosen->generation.number != expected()) {
      return broken(p, "the generation that was current", found.why);
    }
    auto const rebuilt = rebuilder.rebuild(*chosen, {.replace_usable = plan_.way == Loss::nothing});
    if (!rebuilt) return refused(p, "rebuild", rebuilt.error());
    if (!p.alive()) return {};
    if (!(rebuilt.assume_value().fence > found.fence)) {
      return broken(p, "a greater token", "one that was seen before");
    }
    run.note({hf::testing::Note::Kind::acked, chosen->generation.number, 0, 0});
    return {};
  }

  [[nodiscard]] hf::testing::Verdict look(hf::testing::Run& run,
                                          hf::testing::SimulatedProcess const& p) const {
    auto opened = home_.open(p);
    if (!opened) return operation_whole.refused("open", opened.error());
    auto& db = opened.assume_value();
    hf::testing::SeenHome seen;
    if (auto broken = look_at(home_, db, seen)) return broken;
    if (seen.generation != expected()) {
      return operation_whole.broken("the generation that was chosen", text_of(seen));
    }
    for (auto const& note : run.history()) {
      bool const back = note.kind == hf::testing::Note::Kind::shown && note.number > seen.sequence;
      if (back) return operation_whole.broken("a record not older than before", text_of(seen));
    }
    run.note({hf::testing::Note::Kind::shown, seen.sequence, 0, 0});
    return run.again ? hf::testing::Verdict{} : stage_anew(run, db);
  }

  [[nodiscard]] static hf::testing::Verdict refused(hf::testing::SimulatedProcess const& p,
                                                    char const* operation,
                                                    hf::error const& why) {
    if (!p.alive()) return {};
    return operation_whole.refused(operation, why);
  }
  [[nodiscard]] static hf::testing::Verdict broken(hf::testing::SimulatedProcess const& p,
                                                   char const* expected,
                                                   std::string const& seen) {
    if (!p.alive()) return {};
    return operation_whole.broken(expected, seen);
  }

  Home home_;
  OperationPlan plan_;
};
}  // namespace crash

#endif

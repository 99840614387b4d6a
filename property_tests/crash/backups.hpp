// SPDX-License-Identifier: BSL-1.0
// Crashes a backup at every call: what it leaves is no home, or a whole one that serves; the home
// that it was made of is what it was.
#ifndef HOLDFAST_PROPERTY_TESTS_CRASH_BACKUPS_HPP
#define HOLDFAST_PROPERTY_TESTS_CRASH_BACKUPS_HPP

#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "holdfast/detail/manifest.hpp"
#include "holdfast/staged.hpp"
#include "operations.hpp"

namespace crash {
/// From /db to /copy. A note `acked g`: the backup of generation g returned.
template <class Home>
class BackupWork {
 public:
  BackupWork(Home home, OperationPlan const& plan) : home_{home}, copy_{home}, plan_{plan} {
    copy_.path = "/copy";
  }

  [[nodiscard]] hf::testing::Verdict work(hf::testing::Run& run) const {
    if (auto broken = begin_home(run, home_, plan_)) return broken;
    auto const rival = run.start();
    auto db = home_.open(rival);
    if (!db) return operation_whole.refused("open", db.error());
    run.crash_from_here();
    auto const process = run.start();
    hf::testing::Verdict broken;
    if (plan_.kill_after != 0) process.kill_after(plan_.kill_after);
    run.disk.before_each_call([&, calls = std::uint64_t{0}]() mutable {
      if (++calls != plan_.rival_at) return;
      auto const done = commit_one(home_, rival, db.assume_value());
      if (!done) broken = operation_whole.refused("commit", done.error());
    });
    auto const done = back_up(process);
    run.disk.before_each_call({});
    if (broken) return broken;
    if (!process.alive()) return back_up_again(run.start());
    if (!done) return operation_whole.refused("backup", done.error());
    run.note({hf::testing::Note::Kind::acked, done.assume_value().number, 0, 0});
    return {};
  }

  [[nodiscard]] hf::testing::Recovered recover(hf::testing::Run& run) const {
    hf::testing::forget_reader_slots();
    hf::testing::Recovered out;
    auto const process = run.start();
    out.broken = look_at_source(process);
    if (!out.broken) out.broken = look_at_copy(run, process);
    return out;
  }

 private:
  [[nodiscard]] hf::result<hf::Generation> back_up(hf::testing::SimulatedProcess const& p) const {
    HOLDFAST_TRYV(hf::detail::make_home(p.files, copy_.path));
    hf::detail::Source source{home_.store(p), home_.reg(p)};
    auto to = copy_.store(p);
    auto record = copy_.reg(p);
    return hf::detail::back_up(source, to, record, p.world);
  }

  // Into what another one left: refused, unless that is nothing.
  [[nodiscard]] hf::testing::Verdict back_up_again(hf::testing::SimulatedProcess const& p) const {
    auto to = copy_.store(p);
    auto const left = to.generations();
    if (!left) return operation_whole.refused("generations", left.error());
    auto const loaded = copy_.reg(p).load();
    if (!loaded) return operation_whole.refused("load", loaded.error());
    bool const free = left.assume_value().empty() && !loaded.assume_value();
    auto const done = back_up(p);
    if (free && !done) return operation_whole.refused("backup", done.error());
    if (free || (!done && done.error().code() == hf::errc::exists)) return {};
    return operation_whole.broken("exists", done ? "a backup" : done.error().text());
  }

  [[nodiscard]] hf::testing::Verdict look_at_source(hf::testing::SimulatedProcess const& p) const {
    auto const db = home_.follow(p);
    if (!db) return operation_whole.refused("open the source", db.error());
    hf::testing::SeenHome seen;
    if (auto broken = look_at(home_, db.assume_value(), seen)) return broken;
    if (seen.generation >= plan_.generations) return {};
    return operation_whole.broken("the newest generation", text_of(seen));
  }

  [[nodiscard]] hf::testing::Verdict look_at_copy(hf::testing::Run& run,
                                                  hf::testing::SimulatedProcess const& p) const {
    auto const loaded = copy_.reg(p).load();
    if (!loaded) return operation_whole.refused("load the copy's record", loaded.error());
    if (!loaded.assume_value()) {
      if (noted(run, hf::testing::Note::Kind::acked)) {
        return operation_whole.broken("a home, since the backup returned", "none");
      }
      if (run.again) return {};
      if (auto broken = back_up_again(p)) return broken;
    }
    auto opened = copy_.open(p);
    // A record that nobody had told of may be there all the same; opening settles it.
    bool const none =
        !loaded.assume_value() && !opened && opened.error().code() == hf::errc::register_lost;
    if (none) return {};
    if (!opened) return operation_whole.refused("open the copy", opened.error());
    auto& db = opened.assume_value();
    hf::testing::SeenHome seen;
    if (auto broken = look_at(copy_, db, seen)) return broken;
    if (auto broken = hf::testing::laws::home_is_whole(seen)) return broken;
    if (auto broken = is_complete(db, {seen.generation})) return broken;
    if (run.again) return {};
    auto const stage = db.stage();
    if (!stage) return operation_whole.refused("stage in the copy", stage.error());
    if (stage.assume_value().generation().number > seen.generation) return {};
    return operation_whole.broken("a new number", "an old one");
  }

  // Nothing lies there that its record does not list, and every byte is as its seal says.
  template <class Db>
  [[nodiscard]] hf::testing::Verdict is_complete(Db& db, hf::Generation g) const {
    auto const status = db.status();
    if (!status) return operation_whole.refused("status of the copy", status.error());
    auto const& m = status.assume_value().manifest;
    if (!m || m->retained.size() != 1 || !status.assume_value().foreign.empty()) {
      return operation_whole.broken("one generation", "others");
    }
    auto const parts = db.verify(g);
    if (!parts) return operation_whole.refused("verify the copy", parts.error());
    for (auto const& part : parts.assume_value()) {
      if (!part.found) return operation_whole.refused("verify " + part.part, part.found.error());
    }
    return {};
  }

  Home home_;
  Home copy_;
  OperationPlan plan_;
};
}  // namespace crash

#endif

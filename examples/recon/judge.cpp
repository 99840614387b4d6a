// SPDX-License-Identifier: BSL-1.0
// Looks at a home after a kill: first as a reader would, then after opening it for writing.
#include <algorithm>
#include <filesystem>
#include <set>
#include <utility>

#include "chaos.hpp"
#include "check.hpp"
#include "home.hpp"

namespace recon {
namespace {
namespace files = std::filesystem;

class HoldfastJudge : public Judge {
 public:
  explicit HoldfastJudge(SystemOptions const& options) : options_{options} {}

  hf::result<void> settle() override {
    HOLDFAST_TRY(followed, follow_home(options_.home));
    HOLDFAST_TRY(status, followed.status());
    if (status.manifest) last_ = std::move(*status.manifest);
    return hf::ok();
  }

  Aftermath after_kill() override {
    Aftermath after;
    auto const before = last_;
    note(after, "before recovery", look(after, before, false));
    note(after, "recovery", reopen(after));
    note(after, "after recovery", look(after, before, true));
    return after;
  }

 private:
  static void note(Aftermath& after, std::string const& when, hf::result<void> const& done) {
    if (!done) after.problems.push_back(when + ": " + done.error().text());
  }

  hf::result<void> reopen(Aftermath& after) {
    Stopwatch const clock;
    Watch watch;
    HOLDFAST_TRY(home, open_home(options_, watch));
    after.open_ms = clock.ms();
    if (after.open_ms >= 1000) after.problems.push_back("opening took a second or more");
    return hf::ok();
  }

  hf::result<void> look(Aftermath& after, hf::Manifest const& before, bool recovered) {
    auto const problem = [&](std::string text) {
      after.problems.push_back((recovered ? "after recovery: " : "before recovery: ") + text);
    };
    HOLDFAST_TRY(followed, follow_home(options_.home));
    HOLDFAST_TRY(status, followed.status());
    if (!status.manifest) return hf::failure(hf::errc::no_generation, "look", options_.home);
    auto const& record = *status.manifest;
    HOLDFAST_TRY(view, followed.view());
    auto const generation = view.generation().number;
    {
      auto const& [keys, stats] = *view;
      HOLDFAST_TRY(lease, stats.connection());
      HOLDFAST_TRY(verified, verify({&keys.db(), lease.handle()}));
      for (auto const& difference : verified.differences) problem(difference);
      if (view.marks() != marks_of(verified.counts, verified.digest))
        problem("marks are not its own");
      if (verified.run != generation) problem("it holds the rows of another generation");
    }
    check_step(before, record, problem);
    check_folders(record, recovered, problem);
    // A commit that was cut off between its sync and its notice to readers is completed by
    // recovery; what readers have seen is never taken back.
    if (recovered && generation < after.generation) problem("recovery took a generation back");
    after.generation = generation;
    last_ = record;
    return hf::ok();
  }

  // The record says what it said before the run, or what the run has committed.
  template <class Problem>
  static void check_step(hf::Manifest const& before,
                         hf::Manifest const& record,
                         Problem const& problem) {
    bool const old_one = record.current == before.current && record.sequence == before.sequence;
    bool const new_one =
        record.current.number >= before.next && record.sequence == before.sequence + 1;
    if (!old_one && !new_one) problem("neither the old nor the new generation is current");
    auto const& kept = record.retained;
    auto const was = std::find_if(kept.begin(), kept.end(), [&](hf::Kept const& k) {
      return k.generation == before.current;
    });
    if (was == kept.end()) return problem("the old generation is not retained");
    if (*was != before.retained.front()) problem("the marks of the old generation changed");
  }

  // Before recovery there may be remains of the attempt, which the record lists; after it, none.
  template <class Problem>
  void check_folders(hf::Manifest const& record, bool recovered, Problem const& problem) const {
    std::set<std::uint64_t> may;
    std::set<std::uint64_t> must;
    for (auto const& kept : record.retained) must.insert(kept.generation.number);
    may = must;
    for (auto const& retiring : record.retiring) may.insert(retiring.generation.number);
    if (record.attempt) may.insert(record.attempt->generation.number);
    if (recovered && record.attempt) problem("an attempt is left");
    for (auto const* part : {"keys", "stats"}) {
      std::set<std::uint64_t> there;
      for (auto const& entry : files::directory_iterator{files::path{options_.home} / part}) {
        auto const name = entry.path().filename().string();
        bool const number = name.find_first_not_of("0123456789") == name.npos;
        if (number) there.insert(std::stoull(name));
        // A publish that was cut off leaves its new link until the next one.
        bool const link = name.starts_with("current") && (!recovered || !name.ends_with(".next"));
        if (!number && !link) problem("left over: " + std::string{part} + "/" + name);
      }
      if (!std::includes(may.begin(), may.end(), there.begin(), there.end())) {
        problem(std::string{part} + " holds a generation that the record does not list");
      }
      if (!std::includes(there.begin(), there.end(), must.begin(), must.end())) {
        problem(std::string{part} + " lacks a retained generation");
      }
    }
    static std::set<std::string> const known{"CURRENT",    "CURRENT.hint", "LOCK", "PINS",
                                             "README.txt", "keys",         "stats"};
    for (auto const& entry : files::directory_iterator{options_.home}) {
      auto const name = entry.path().filename().string();
      if (known.count(name) == 0) problem("left over: " + name);
    }
  }

  SystemOptions options_;
  hf::Manifest last_;
};

class ControlJudge : public Judge {
 public:
  explicit ControlJudge(System& system) : system_{system} {}

  hf::result<void> settle() override { return hf::ok(); }

  Aftermath after_kill() override {
    Aftermath after;
    Stopwatch const clock;
    auto const restarted = system_.restart();
    after.open_ms = clock.ms();
    auto done = restarted ? look(after) : restarted;
    if (!done) after.problems.push_back(done.error().text());
    return after;
  }

 private:
  hf::result<void> look(Aftermath& after) {
    HOLDFAST_TRY(reader, system_.reader());
    return reader->read([&](Parts const& parts, Shown const&) -> hf::result<void> {
      HOLDFAST_TRY(verified, verify(parts));
      after.generation = verified.run;
      after.problems = verified.differences;
      return hf::ok();
    });
  }
  System& system_;
};
}  // namespace

std::unique_ptr<Judge> judge_holdfast(SystemOptions const& options) {
  return std::make_unique<HoldfastJudge>(options);
}
std::unique_ptr<Judge> judge_control(System& system) {
  return std::make_unique<ControlJudge>(system);
}

}  // namespace recon

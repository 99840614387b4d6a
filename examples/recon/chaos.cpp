// SPDX-License-Identifier: BSL-1.0
// The command that kills builds at counted system calls, evenly over their phases, and judges what
// each kill leaves.
#include "chaos.hpp"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <filesystem>
#include <optional>

#include "commands.hpp"
#include "tracer.hpp"
#include "walk.hpp"

namespace recon {
namespace {
struct Killed {
  std::int64_t at_ms = 0;  // CLOCK_MONOTONIC
  KillPoint point;
  std::string call;
  Aftermath after;
};

class Random {
 public:
  explicit Random(std::uint64_t seed) noexcept : state_{seed} {}
  /// Below 1 (splitmix64).
  double next() noexcept {
    std::uint64_t z = state_ += 0x9e3779b97f4a7c15;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return static_cast<double>((z ^ z >> 31) >> 11) * 0x1p-53;
  }

 private:
  std::uint64_t state_;
};

class Chaos {
 public:
  Chaos(Args const& args, System& system, std::string root)
      : args_{args},
        root_{std::move(root)},
        options_{system_options(args)},
        random_{args.number("--seed", 1)} {
    options_.grace_ms = 0;  // so that the last phase has something to drop
    bool const holdfast = args.get("--control", "holdfast") == "holdfast";
    judge_ = holdfast ? judge_holdfast(options_) : judge_control(system);
  }

  hf::result<void> run(Progress& progress) {
    HOLDFAST_TRYV(measure());
    auto const wanted = args_.number("--kills", 20);
    progress.expect(wanted);
    for (std::uint64_t i = 0; i < wanted; ++i) {
      progress.step("killing", i);
      HOLDFAST_TRYV(kill_once(profile_[i % profile_.size()]));
    }
    return hf::ok();
  }

  [[nodiscard]] bool right() const { return wrong_ == 0; }
  void put(Json& json) const;
  void print() const;

 private:
  // A tree of two sizes, so that the generations differ; and how many calls each phase has.
  hf::result<void> measure() {
    HOLDFAST_TRY(tree, walk(root_, {.max_files = args_.number("--max-files", 5000)}));
    auto const files = tree.files.size();
    if (files < 3)
      return hf::failure(hf::errc::invalid, "chaos needs a tree of three files", root_);
    sizes_ = {files, files * 2 / 3};
    // Two to have something to retire, then one as all later ones are.
    for (int i = 0; i < 3; ++i) {
      HOLDFAST_TRY(traced, build(std::nullopt));
      profile_ = traced.phases;
    }
    std::erase_if(profile_, [](PhaseCalls const& p) { return p.calls == 0; });
    return hf::ok();
  }

  // One run of the command in a process of its own. One that goes through is a switch.
  hf::result<Traced> build(std::optional<KillPoint> const& kill) {
    size_ = 1 - size_;
    std::vector<std::string> const command{std::filesystem::read_symlink("/proc/self/exe").string(),
                                           "reprocess",
                                           root_,
                                           "--home",
                                           options_.home,
                                           "--control",
                                           args_.get("--control", "holdfast"),
                                           "--quiet",
                                           "--json",
                                           "--grace-ms",
                                           "0",
                                           "--max-files",
                                           std::to_string(sizes_[size_]),
                                           "--phases-to",
                                           std::to_string(phase_descriptor)};
    HOLDFAST_TRY(traced, trace(command, options_.home, kill));
    if (!traced.killed) {
      if (traced.exit_code != 0)
        return hf::failure(hf::errc::backend, "a build failed", traced.complaint);
      auto const at = traced.output.find("\"switch_ms\": ");
      if (at != traced.output.npos) switches_.push_back(std::atof(traced.output.c_str() + at + 13));
      HOLDFAST_TRYV(judge_->settle());
    }
    return std::move(traced);
  }

  hf::result<void> kill_once(PhaseCalls const& phase) {
    auto const place = random_.next();
    // Threads make the number of calls vary: a point that was not reached is tried nearer.
    for (auto calls = phase.calls;; calls = (calls + 1) / 2) {
      KillPoint const point{phase.phase,
                            1 + static_cast<std::uint64_t>(place * static_cast<double>(calls))};
      HOLDFAST_TRY(traced, build(point));
      if (!traced.killed && calls > 1) continue;
      if (!traced.killed)
        return hf::failure(hf::errc::backend, "a phase can't be hit", phase.phase);
      auto const now = std::chrono::steady_clock::now().time_since_epoch();
      Killed killed{std::chrono::duration_cast<std::chrono::milliseconds>(now).count(), point,
                    traced.call, judge_->after_kill()};
      bool const bad = !killed.after.problems.empty();
      wrong_ += bad;
      kills_.push_back(std::move(killed));
      if (!bad) return hf::ok();
      return build(std::nullopt) ? hf::result<void>{hf::ok()}
                                 : hf::failure(hf::errc::backend, "no build after a kill");
    }
  }

  Args const& args_;
  std::string root_;
  SystemOptions options_;
  Random random_;
  std::unique_ptr<Judge> judge_;
  std::array<std::uint64_t, 2> sizes_{};
  std::size_t size_ = 0;
  std::vector<PhaseCalls> profile_;
  std::vector<Killed> kills_;
  std::vector<double> switches_;
  std::uint64_t wrong_ = 0;
};

struct PhaseTally {
  std::uint64_t kills = 0;
  std::uint64_t wrong = 0;
};

PhaseTally tally(std::vector<Killed> const& kills, std::string const& phase) {
  PhaseTally tally;
  for (auto const& killed : kills) {
    if (killed.point.phase != phase) continue;
    tally.kills += 1;
    tally.wrong += !killed.after.problems.empty();
  }
  return tally;
}

double slowest(std::vector<Killed> const& kills) {
  double ms = 0;
  for (auto const& killed : kills) ms = std::max(ms, killed.after.open_ms);
  return ms;
}

void Chaos::put(Json& json) const {
  json.field("kills", kills_.size()).field("bad_restarts", wrong_);
  json.field("slowest_open_ms", slowest(kills_));
  json.key("phases").array([&] {
    for (auto const& phase : profile_) {
      auto const of = tally(kills_, phase.phase);
      json.object([&] {
        json.field("phase", phase.phase).field("calls", phase.calls);
        json.field("kills", of.kills).field("bad_restarts", of.wrong);
      });
    }
  });
  json.key("switch_ms").array([&] {
    for (auto const ms : switches_) json.value(ms);
  });
  json.key("each").array([&] {
    for (auto const& killed : kills_) {
      json.object([&] {
        json.field("at_ms", killed.at_ms).field("phase", killed.point.phase);
        json.field("nth", killed.point.nth).field("call", killed.call);
        json.field("generation", killed.after.generation);
        json.field("open_ms", killed.after.open_ms);
        json.key("problems").array([&] {
          for (auto const& problem : killed.after.problems) json.value(problem);
        });
      });
    }
  });
}

void Chaos::print() const {
  std::printf("%s kills, %s bad restarts; slowest opening %s ms\n", grouped(kills_.size()).c_str(),
              grouped(wrong_).c_str(), fixed(slowest(kills_)).c_str());
  for (auto const& phase : profile_) {
    auto const of = tally(kills_, phase.phase);
    std::printf("  %-11s %5s kills at %5s calls on the home, %s bad\n", phase.phase.c_str(),
                grouped(of.kills).c_str(), grouped(phase.calls).c_str(), grouped(of.wrong).c_str());
  }
  std::uint64_t shown = 0;
  for (auto const& killed : kills_) {
    for (auto const& problem : killed.after.problems) {
      if (++shown > 10) return;
      std::printf("  killed in %s before its call %s (%s): %s\n", killed.point.phase.c_str(),
                  grouped(killed.point.nth).c_str(), killed.call.c_str(), problem.c_str());
    }
  }
}
}  // namespace

int chaos(Args const& args) {
  auto const system = system_of(args);
  auto root = resolve_root(args.operand());
  if (!root) return fail(args, root.error());
  Progress progress{args.has("--quiet")};
  Chaos chaos{args, *system, root.assume_value()};
  auto const done = chaos.run(progress);
  progress.clear();
  answer(
      args, [&](Json& json) { chaos.put(json); }, [&] { chaos.print(); });
  if (!done) return fail(args, done.error());
  return chaos.right() ? Exit::right : Exit::wrong;
}

}  // namespace recon

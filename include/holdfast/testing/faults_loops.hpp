// SPDX-License-Identifier: BSL-1.0
// Puts a protocol through every fault there is, one at a time, and explores the crashes of each
// run.
//
// An ordeal is work in three acts: it prepares without faults; it works while a trouble may strike,
// and takes errors for an answer; once the trouble has ended, everything must succeed again. What
// it reports is judged by the same laws as any crash. A loop repeats the ordeal with the trouble
// one step later each time, until it strikes no more.
#ifndef HOLDFAST_TESTING_FAULTS_LOOPS_HPP
#define HOLDFAST_TESTING_FAULTS_LOOPS_HPP

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <new>
#include <string>
#include <utility>
#include <vector>

#include "holdfast/config.hpp"
#include "holdfast/testing/disk/hash.hpp"
#include "holdfast/testing/explorer.hpp"
#include "holdfast/testing/faults.hpp"
#include "holdfast/testing/faults_memory.hpp"
#include "holdfast/testing/laws.hpp"
#include "holdfast/testing/scenario.hpp"
#include "holdfast/testing/staged_laws.hpp"

HOLDFAST_BEGIN

namespace testing::laws {
inline constexpr Law f6{"F6", "An error leaves no file open."};
}  // namespace testing::laws

namespace testing {
/// What strikes an ordeal.
struct Trouble {
  std::string name;
  std::function<void(Run&)> begin;
  std::function<void(Run&)> end;
  std::function<bool(Run&)> struck;
  bool excuses = true;          ///< operations may answer errors once it has struck
  bool spares_readers = false;  ///< but not those that only read
};

/// Work that a trouble may strike between `begin` and `end`, and how to recover from its crashes.
struct Ordeal {
  std::string name;
  std::size_t sector_size = 4096;
  std::function<Verdict(Run&, Trouble const&)> suffer;
  std::function<Recovered(Run&)> recover;
};

struct FaultLoop {
  std::size_t runs = 0;    ///< in which the trouble struck
  std::size_t states = 0;  ///< crash states of those runs
  std::string report{};    ///< of the first violation; empty if all laws held
};

/// Runs one act of an ordeal under trouble. What threw has not happened, unless
/// `may_have_happened`.
template <class Act>
[[nodiscard]] Verdict under(Trouble const& trouble,
                            Run& run,
                            Act act,
                            bool may_have_happened = false) {
  Verdict broken;
  bool threw = false;
  try {
    broken = act();
  } catch (std::bad_alloc const&) {
    threw = true;
  } catch (CallbackThrew const&) {
    threw = true;
  }
  SparedAllocations const spared;
  if (threw && !trouble.struck(run)) return laws::s13.broken("no exception", "one");
  if (threw && !may_have_happened) {
    auto const history = run.history();
    auto const ended = [&](std::uint64_t number) {
      return std::any_of(history.begin(), history.end(), [&](Note const& note) {
        return note.number == number &&
               (note.kind == Note::Kind::acked || note.kind == Note::Kind::failed);
      });
    };
    for (auto const& note : history) {
      bool const open = note.kind == Note::Kind::started && !ended(note.number);
      if (open) run.note({Note::Kind::failed, note.number, 0, 0});
    }
  }
  if (broken && broken->refused && trouble.excuses && trouble.struck(run)) return {};
  return broken;
}

/// Runs the ordeal with that trouble and explores the crashes from its beginning on. Adds to
/// `loop`; false if the trouble did not strike.
inline bool endure(Ordeal const& ordeal,
                   Trouble const& trouble,
                   ExploreOptions const& options,
                   FaultLoop& loop) {
  bool struck = false;
  Scenario scenario{ordeal.name + ", " + trouble.name, ordeal.sector_size, {}, ordeal.recover};
  scenario.work = [&](Run& run) {
    auto broken = ordeal.suffer(run, trouble);
    struck = trouble.struck(run);
    trouble.end(run);
    auto const open = run.disk.machine().open_files;
    if (!broken && open != 0) broken = laws::f6.broken("none", std::to_string(open) + " open");
    return broken;
  };
  auto const found = explore(scenario, options);
  loop.runs += struck;
  loop.states += found.states;
  if (found.violation) loop.report = found.report;
  return struck;
}

/// The fault at every call in turn: `fault.first` is the loop's.
inline void fail_each_call(Ordeal const& ordeal,
                           Fault fault,
                           ExploreOptions const& options,
                           FaultLoop& loop) {
  bool struck = true;
  for (fault.first = 1; struck && loop.report.empty(); ++fault.first) {
    Trouble trouble;
    trouble.name = "error " + std::to_string(fault.number) +
                   (fault.takes_effect ? " though done" : "") + (fault.half ? " half done" : "") +
                   (fault.times == Fault::always ? " from call " : " at call ") +
                   std::to_string(fault.first);
    trouble.spares_readers = fault.only_changes;
    trouble.begin = [&](Run& run) { run.disk.machine().faults.fail(fault); };
    trouble.end = [](Run& run) { run.disk.machine().faults.heal(); };
    trouble.struck = [](Run& run) { return run.disk.machine().faults.failed != 0; };
    struck = endure(ordeal, trouble, options, loop);
  }
}

/// A disk that is full from some byte on: before each write of the ordeal, in its midst, and one
/// byte before its end.
inline void fill_the_disk(Ordeal const& ordeal, ExploreOptions const& options, FaultLoop& loop) {
  constexpr auto ample_room = Fault::always / 2;
  std::vector<std::uint64_t> writes;
  auto const endure_with = [&](std::uint64_t room) {
    Trouble trouble;
    trouble.name = "disk full after " + std::to_string(room) + " bytes";
    trouble.spares_readers = true;
    trouble.begin = [room](Run& run) { run.disk.machine().faults.fail(disk_full_after(room)); };
    trouble.end = [&, room](Run& run) {
      if (room == ample_room) writes = run.disk.machine().faults.written;
      run.disk.machine().faults.heal();
    };
    trouble.struck = [](Run& run) { return run.disk.machine().faults.failed != 0; };
    endure(ordeal, trouble, options, loop);
  };
  endure_with(ample_room);
  disk::Dice dice{options.seed};
  std::uint64_t before = 0;
  for (auto const size : writes) {
    for (auto const part : {std::uint64_t{0}, 1 + dice.below(size - 1), size - 1}) {
      if (loop.report.empty()) endure_with(before + part);
    }
    before += size;
  }
}

/// Each allocation fails in turn. The program's `operator new` must ask `allocation_fails`.
inline void fail_each_allocation(Ordeal const& ordeal,
                                 ExploreOptions const& options,
                                 FaultLoop& loop) {
  bool struck = true;
  for (std::uint64_t n = 1; struck && loop.report.empty(); ++n) {
    Trouble trouble;
    bool failed = false;
    trouble.name = "allocation " + std::to_string(n) + " fails";
    trouble.begin = [n](Run&) { allocations = {.fail_at = n}; };
    trouble.end = [&](Run&) {
      failed = failed || allocations.failed();
      allocations = {};
    };
    trouble.struck = [&](Run&) { return failed || allocations.failed(); };
    struck = endure(ordeal, trouble, options, loop);
  }
}

/// Each callback of the user throws in turn: whatever calls `Faults::callback` of the machine.
inline void throw_from_each_callback(Ordeal const& ordeal,
                                     ExploreOptions const& options,
                                     FaultLoop& loop) {
  bool struck = true;
  for (std::uint64_t n = 1; struck && loop.report.empty(); ++n) {
    Trouble trouble;
    trouble.name = "callback " + std::to_string(n) + " throws";
    trouble.begin = [n](Run& run) {
      auto& faults = run.disk.machine().faults;
      faults.callbacks = 0;
      faults.throw_at = n;
    };
    trouble.end = [](Run& run) { run.disk.machine().faults.throw_at = 0; };
    trouble.struck = [n](Run& run) { return run.disk.machine().faults.callbacks >= n; };
    struck = endure(ordeal, trouble, options, loop);
  }
}

/// What a clock may do before a call. The steady one only goes on, but may have slept.
struct ClockJump {
  std::int64_t wall_ns = 0;
  std::int64_t steady_ns = 0;
};
inline constexpr ClockJump clock_jumps[] = {
    {400LL * 86'400'000'000'000, 0},   // set a year ahead
    {-400LL * 86'400'000'000'000, 0},  // or back
    {0, 3'600'000'000'000},            // an hour of suspend that the wall clock did not see
    {3'600'000'000'000, 3'600'000'000'000},
};
/// The clocks jump before every call in turn. Nothing may fail for it.
inline void jump_before_each_call(Ordeal const& ordeal,
                                  ClockJump const& jump,
                                  ExploreOptions const& options,
                                  FaultLoop& loop) {
  bool struck = true;
  for (std::uint64_t n = 1; struck && loop.report.empty(); ++n) {
    Trouble trouble;
    std::uint64_t calls = 0;
    trouble.name = "clocks jump before call " + std::to_string(n);
    trouble.excuses = false;
    trouble.begin = [&](Run& run) {
      auto& machine = run.disk.machine();
      machine.faults.spy = [&, n](Call, std::string const&) {
        if (++calls != n) return;
        machine.wall_shift_ns += jump.wall_ns;
        machine.clock_ns += jump.steady_ns;
      };
    };
    trouble.end = [](Run& run) { run.disk.machine().faults.spy = {}; };
    trouble.struck = [&](Run&) { return calls >= n; };
    struck = endure(ordeal, trouble, options, loop);
  }
}
}  // namespace testing

HOLDFAST_END

#endif

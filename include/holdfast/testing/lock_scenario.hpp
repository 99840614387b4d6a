// SPDX-License-Identifier: BSL-1.0
// Scenarios over any lock policy: grants, releases, killed holders and a rival at every call,
// crashed and judged by the laws L1, L2 and L5.
#ifndef HOLDFAST_TESTING_LOCK_SCENARIO_HPP
#define HOLDFAST_TESTING_LOCK_SCENARIO_HPP

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "holdfast/config.hpp"
#include "holdfast/file_ops.hpp"
#include "holdfast/ids.hpp"
#include "holdfast/lock_concepts.hpp"
#include "holdfast/result.hpp"
#include "holdfast/testing/lock_laws.hpp"
#include "holdfast/testing/scenario.hpp"

HOLDFAST_BEGIN

namespace testing {
struct LockPlan {
  std::uint64_t grants = 3;
  std::size_t sector_size = 4096;
  bool rival_at_every_call = false;  ///< a process that tries to acquire, and lets go if it can
  std::uint64_t kill_grant = 0;      ///< while which the holder is killed; 0 = none
  std::uint64_t kill_after = 0;      ///< calls of that grant before
};

/// A scenario over the locks that `make(SimulatedProcess)` opens in the directory /db.
template <class Make>
class LockWork {
  using Policy = decltype(std::declval<Make const&>()(std::declval<SimulatedProcess const&>()));
  using Grant = grant_of<Policy>;

 public:
  LockWork(Make make, LockPlan const& plan) : make_{std::move(make)}, plan_{plan} {}

  [[nodiscard]] Verdict work(Run& run) const {
    if (auto broken = make_home(run)) return broken;
    Verdict broken;
    bool held = false;  // surely, by the process that works
    auto const rival = run.start();
    auto other = make_(rival);
    if (plan_.rival_at_every_call) {
      run.disk.before_each_call([&] {
        if (!broken) broken = intrude(run, rival, other, held);
      });
    }
    auto own = hold(run, held);
    run.disk.before_each_call({});  // its captures end here
    return broken ? std::move(broken) : std::move(own);
  }

  /// After a crash nobody holds it, or nobody once its time is over.
  [[nodiscard]] Recovered recover(Run& run) const {
    Recovered out;
    out.broken = make_home(run);
    if (out.broken) return out;
    auto const process = run.start();
    auto lock = make_(process);
    auto grant = acquire(run, process, lock, out.broken);
    if constexpr (lapsing<Policy>) {  // those that died hold it for their time
      for (std::int64_t wait_ns = 1'000'000'000; !grant && !out.broken && wait_ns < longest_ns;
           wait_ns *= 2) {
        process.world.wait_until(process.world.steady_ns() + wait_ns);
        grant = acquire(run, process, lock, out.broken);
      }
    }
    if (!out.broken && !grant) out.broken = laws::l5.broken("a grant", "busy");
    if (grant && !out.broken) out.broken = release(lock, *grant);
    return out;
  }

 private:
  static constexpr std::int64_t longest_ns = 3'600'000'000'000;
  // A lock expects its directory.
  [[nodiscard]] static Verdict make_home(Run& run) {
    auto const made = holdfast::detail::make_directories(run.start().files, "/db");
    if (!made) return laws::l5.refused("make directory", made.error());
    return {};
  }

  // Nothing while another holds it.
  [[nodiscard]] static std::optional<Grant> acquire(Run& run,
                                                    SimulatedProcess const& process,
                                                    Policy& lock,
                                                    Verdict& broken) {
    auto grant = lock_traits<Policy>::try_acquire(lock, process.world.self(), {});
    if (!process.alive()) return {};
    if (!grant && grant.error().code() == errc::busy) return {};
    if (!grant) {
      broken = laws::l5.refused("acquire", grant.error());
      return {};
    }
    FencingToken const token = grant.assume_value().token;
    broken = laws::token_is_new(run.history(), token);
    run.note({Note::Kind::given, token.number, 0, 0});
    return std::move(grant).assume_value();
  }
  [[nodiscard]] static Verdict release(Policy& lock, Grant& grant) {
    auto const released = lock_traits<Policy>::release(lock, grant);
    if (!released) return laws::l5.refused("release", released.error());
    return {};
  }

  [[nodiscard]] Verdict hold(Run& run, bool& held) const {
    auto process = run.start();
    std::optional<Policy> lock{make_(process)};
    for (std::uint64_t n = 1; n <= plan_.grants; ++n) {
      if (n == plan_.kill_grant) process.kill_after(plan_.kill_after);
      Verdict broken;
      auto grant = acquire(run, process, *lock, broken);
      if (broken) return broken;
      if (grant) {
        held = true;
        static_cast<void>(process.files.list("/"));  // something is done while it is held
        held = false;
        broken = release(*lock, *grant);
        if (broken && process.alive()) return broken;
      }
      if (process.alive()) continue;
      process = run.start();
      lock.emplace(make_(process));
    }
    return {};
  }

  [[nodiscard]] static Verdict intrude(Run& run,
                                       SimulatedProcess const& process,
                                       Policy& lock,
                                       bool held) {
    Verdict broken;
    auto grant = acquire(run, process, lock, broken);
    if (broken || !grant) return broken;
    if (held) return laws::l1.broken("busy", "a grant beside another");
    return release(lock, *grant);
  }

  Make make_;
  LockPlan plan_;
};

template <class Make>
[[nodiscard]] Scenario lock_scenario(std::string name, Make make, LockPlan const& plan) {
  LockWork<Make> const work{std::move(make), plan};
  return {std::move(name), plan.sector_size, [work](Run& run) { return work.work(run); },
          [work](Run& run) { return work.recover(run); }};
}
}  // namespace testing

HOLDFAST_END

#endif

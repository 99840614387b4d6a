// SPDX-License-Identifier: BSL-1.0
// Tries the laws of locks whose grants lapse, on a clock that moves only when it is told to.
#ifndef HOLDFAST_TESTING_LAPSE_PROBES_HPP
#define HOLDFAST_TESTING_LAPSE_PROBES_HPP

#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "holdfast/config.hpp"
#include "holdfast/ids.hpp"
#include "holdfast/lock_concepts.hpp"
#include "holdfast/result.hpp"
#include "holdfast/testing/bench.hpp"
#include "holdfast/testing/disk/hash.hpp"
#include "holdfast/testing/lock_laws.hpp"

HOLDFAST_BEGIN

namespace testing::laws {
/// A process that has, or wants, a lock that lapses.
template <class Make>
class LapseTrial {
  using Policy = MadeBy<Make>;
  using Traits = lock_traits<Policy>;

 public:
  LapseTrial(SimulatedBench const& bench, Make const& make)
      : process_{bench.disk().start()}, lock_{make(process_)} {}

  [[nodiscard]] bool has_it() const { return grant_.has_value(); }
  [[nodiscard]] std::int64_t left_ns() const { return Traits::remaining_ns(lock_, *grant_); }
  [[nodiscard]] Verdict ask(Law const& law) {
    auto got = Traits::try_acquire(lock_, process_.world.self(), {});
    if (got) grant_.emplace(std::move(got).assume_value());
    if (got || got.error().code() == errc::busy) return {};
    return law.refused("acquire", got.error());
  }
  [[nodiscard]] result<void> renew() { return Traits::renew(lock_, *grant_); }
  [[nodiscard]] bool is_shown() {
    auto const seen = Traits::inspect(lock_);
    return seen && seen.assume_value() && seen.assume_value()->token == grant_->token;
  }

 private:
  SimulatedProcess process_;
  Policy lock_;
  std::optional<grant_of<Policy>> grant_{};
};

inline void pass(SimulatedBench const& bench, std::int64_t ns) {
  bench.disk().machine().clock_ns += ns;
}
template <class Make>
[[nodiscard]] Verdict first_grant(LapseTrial<Make>& one, Law const& law) {
  if (auto broken = one.ask(law)) return broken;
  return one.has_it() ? Verdict{} : law.broken("a grant", "busy");
}
/// Asks again and again until it has it, in steps of about a tenth of a time.
template <class Make>
[[nodiscard]] Verdict wait_for_it(SimulatedBench const& bench,
                                  LapseTrial<Make>& other,
                                  std::int64_t time_ns,
                                  std::uint64_t seed,
                                  Law const& law) {
  disk::Dice dice{seed};
  auto const step = static_cast<std::uint64_t>(time_ns / 10);
  for (std::int64_t waited = 0; waited < 2 * time_ns && !other.has_it();) {
    if (auto broken = other.ask(law)) return broken;
    auto const next = static_cast<std::int64_t>(step / 2 + dice.below(step));
    if (!other.has_it()) pass(bench, next);
    waited += next;
  }
  return {};
}

/// L6: renewed in time, it is kept however long another waits; then the other has it only once the
/// holder has no time left.
template <class Make>
[[nodiscard]] Verdict a_live_one_is_kept(Make const& make, std::uint64_t seed) {
  SimulatedBench const bench{seed};
  LapseTrial<Make> one{bench, make};
  LapseTrial<Make> other{bench, make};
  if (auto broken = first_grant(one, l6)) return broken;
  auto const time = one.left_ns();
  disk::Dice dice{seed};
  for (int i = 0; i < 20; ++i) {
    if (auto broken = other.ask(l6)) return broken;
    if (other.has_it()) return l6.broken("busy", "a grant beside a live one");
    pass(bench, static_cast<std::int64_t>(dice.below(static_cast<std::uint64_t>(time))));
    if (auto const renewed = one.renew(); !renewed) return l6.refused("renew", renewed.error());
  }
  if (auto broken = wait_for_it(bench, other, 2 * time, seed, l6)) return broken;
  if (!other.has_it() || one.left_ns() == 0) return {};
  return l6.broken("no time left for the first", std::to_string(one.left_ns()) + " ns");
}

/// L8.
template <class Make>
[[nodiscard]] Verdict a_silent_one_is_replaced(Make const& make, std::uint64_t seed) {
  SimulatedBench const bench{seed};
  LapseTrial<Make> one{bench, make};
  LapseTrial<Make> other{bench, make};
  if (auto broken = first_grant(one, l8)) return broken;
  // What a holder has left is short of its time by a margin, which may be near half of that; who
  // waits adds another.
  if (auto broken = wait_for_it(bench, other, 2 * one.left_ns(), seed, l8)) return broken;
  return other.has_it() ? Verdict{} : l8.broken("a grant", "busy after four times what was left");
}

/// L12.
template <class Make>
[[nodiscard]] Verdict a_late_renewal_takes_nothing(Make const& make, std::uint64_t seed) {
  SimulatedBench const bench{seed};
  LapseTrial<Make> one{bench, make};
  LapseTrial<Make> other{bench, make};
  if (auto broken = first_grant(one, l12)) return broken;
  auto const time = one.left_ns();
  pass(bench, 3 * time);
  if (auto const renewed = one.renew(); !renewed) {
    return l12.refused("renew what nobody took", renewed.error());
  }
  if (auto broken = wait_for_it(bench, other, 2 * time, seed, l12)) return broken;
  if (!other.has_it()) return l12.broken("a grant", "busy");
  if (one.renew()) return l12.broken("refused", "a renewal of what another holds");
  return other.is_shown() ? Verdict{} : l12.broken("the other is shown", "someone else, or nobody");
}
}  // namespace testing::laws

HOLDFAST_END

#endif

// SPDX-License-Identifier: BSL-1.0
// Runs of a lease under several processes that a seed interleaves, kills, cuts off and stops for
// longer than the lease lasts: a live one is never stolen, tokens grow, a late renewal succeeds
// only where nobody came between, and in the end it can be had.
#ifndef HOLDFAST_TESTING_LEASE_SCHEDULE_HPP
#define HOLDFAST_TESTING_LEASE_SCHEDULE_HPP

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "holdfast/config.hpp"
#include "holdfast/ids.hpp"
#include "holdfast/lock_concepts.hpp"
#include "holdfast/testing/disk/hash.hpp"
#include "holdfast/testing/home_schedules.hpp"
#include "holdfast/testing/laws.hpp"
#include "holdfast/testing/scheduled_machine.hpp"

HOLDFAST_BEGIN

namespace testing::laws {
inline constexpr Law lease_token_grows{"L2", "Tokens grow with every grant, also across crashes."};
inline constexpr Law lease_is_kept{"L6", "A live lease is not stolen."};
inline constexpr Law lease_serves{"L8", "Once faults stop, someone acquires within a bound."};
inline constexpr Law lease_renewal{
    "L12", "A late renewal fails unless the register still shows the own grant."};
}  // namespace testing::laws

namespace testing {
/// How the leases of a schedule are made: `make` must use these times.
inline constexpr std::int64_t scheduled_ttl_ms = 10'000;
inline constexpr std::int64_t scheduled_margin_ms = 1'000;

/// One run.
template <class Make>
class LeaseSchedule {
  using Policy = decltype(std::declval<Make&>()(std::declval<ScheduledProcess const&>()));
  using Grant = grant_of<Policy>;
  using Traits = lock_traits<Policy>;

 public:
  LeaseSchedule(Make& make, ScheduledMachine& machine, std::uint64_t seed)
      : make_{make}, machine_{machine}, dice_{disk::mixed(seed, 8)} {}

  [[nodiscard]] Verdict run() {
    auto const processes = 2 + dice_.below(3);
    for (std::uint64_t p = 0; p < processes; ++p) {
      machine_.add([this, p, seed = dice_()] { live(p + 1, disk::Dice{seed}); });
    }
    machine_.run();
    machine_.settle();
    if (machine_.cut()) holds_.clear();  // another boot, whose clock begins anew
    if (!broken_) look_after();
    return broken_;
  }

 private:
  static constexpr std::int64_t ms = 1'000'000;
  static constexpr std::int64_t lasts_ns = (scheduled_ttl_ms - scheduled_margin_ms) * ms;
  static constexpr std::int64_t lapses_ns = (scheduled_ttl_ms + scheduled_margin_ms) * ms;

  struct User {
    std::uint64_t name = 0;
    ScheduledProcess self;
    Policy lease;
  };
  // A grant that has not been let go, and until when its holder surely counts on it.
  struct Holds {
    FencingToken token;
    SimulatedProcess process;
    std::int64_t until_ns;
    bool surely;  ///< nobody is forcing him out, or has died over it
  };

  User user(std::uint64_t name) {
    auto process = machine_.start();
    auto lease = make_(process);
    return {name, std::move(process), std::move(lease)};
  }
  [[nodiscard]] std::int64_t now() const { return machine_.disk().machine().clock_ns; }

  void live(std::uint64_t name, disk::Dice dice) {
    auto one = user(name);
    for (auto left = 3 + dice.below(4); left > 0 && !broken_; --left) {
      if (!one.self.process.alive()) {
        if (machine_.cut() || dice.below(2) == 0) return;
        one = user(name);
      }
      if (dice.below(8) == 0) {
        look(one, dice.below(2) == 0);
      } else if (!hold(one, dice)) {
        wait(one, dice.below(2 * scheduled_ttl_ms));
      }
    }
  }
  void wait(User& one, std::uint64_t for_ms) {
    one.self.world.wait_until(now() + static_cast<std::int64_t>(for_ms) * ms);
  }

  // Whatever happened, it can be had once its holder has been silent for long enough.
  void look_after() {
    auto one = user(9);
    for (int i = 0; i < 3 && !broken_; ++i) {
      disk::Dice dice{1};
      if (hold(one, dice)) return;
      machine_.disk().machine().clock_ns += lapses_ns;
    }
    if (!broken_) broken_ = laws::lease_serves.broken("a grant in the end", text());
  }

  bool hold(User& one, disk::Dice& dice) {
    auto const asked_ns = now();
    auto const before = greatest_;
    auto grant = Traits::try_acquire(one.lease, one.self.world.self(), {});
    if (!one.self.process.alive()) return false;
    if (!grant) {
      refused(one, "acquire", grant.error());
      return false;
    }
    granted(one, grant.assume_value().token, before, asked_ns);
    auto& own = grant.assume_value();
    for (auto left = dice.below(4); left > 0 && !broken_ && one.self.process.alive(); --left) {
      if (dice.below(2) == 0) {
        wait(one, dice.below(scheduled_ttl_ms));
      } else {
        renew(one, own);
      }
      check_view_of(one, own);
    }
    if (dice.below(4) == 0) return true;  // goes silent
    release(one, own);
    return true;
  }

  // An answer may come late: what counts is what was granted before it was asked.
  void granted(User const& one, FencingToken token, FencingToken before, std::int64_t asked_ns) {
    say(one, "granted " + std::to_string(token.number));
    for (auto const& other : holds_) {
      bool const counts = other.surely && other.process.alive() && now() < other.until_ns;
      if (!counts) continue;
      broken_ = laws::lease_is_kept.broken(
          "busy", "a grant beside " + std::to_string(other.token.number) + text());
    }
    if (token <= before || std::find(tokens_.begin(), tokens_.end(), token) != tokens_.end()) {
      broken_ = laws::lease_token_grows.broken("more than " + std::to_string(before.number),
                                               std::to_string(token.number) + text());
    }
    tokens_.push_back(token);
    greatest_ = std::max(greatest_, token);
    bool const forced = std::find(forced_.begin(), forced_.end(), token) != forced_.end();
    holds_.push_back({token, one.self.process, asked_ns + lasts_ns, !forced});
  }
  [[nodiscard]] Holds* held(FencingToken token) {
    auto const found = std::find_if(holds_.begin(), holds_.end(),
                                    [token](Holds const& h) { return h.token == token; });
    return found == holds_.end() ? nullptr : &*found;
  }
  void let_go(FencingToken token) {
    std::erase_if(holds_, [token](Holds const& h) { return h.token == token; });
  }

  void renew(User const& one, Grant& grant) {
    auto const asked_ns = now();
    bool const another_came = greatest_ > grant.token;
    auto const renewed = Traits::renew(const_cast<Policy&>(one.lease), grant);
    if (!one.self.process.alive()) return;
    say(one, "renew " + std::to_string(grant.token.number) + ": " +
                 (renewed ? "done" : std::string{renewed.error().text()}));
    auto* const own = held(grant.token);
    if (renewed && another_came) {
      broken_ = laws::lease_renewal.broken("fenced", "a renewal behind another's grant" + text());
    }
    if (renewed && own != nullptr) own->until_ns = asked_ns + lasts_ns;
    if (renewed || renewed.error().code() == errc::spent) return;
    if (renewed.error().code() != errc::fenced) return refused(one, "renew", renewed.error());
    if (own != nullptr && own->surely && now() < own->until_ns) {
      broken_ = laws::lease_is_kept.broken("no other holder yet", text());
    }
    let_go(grant.token);
  }

  // A holder who goes by his own clock is the last who was granted.
  void check_view_of(User const& one, Grant const& grant) {
    auto const* const own = held(grant.token);
    bool const counts = own != nullptr && own->surely && one.self.process.alive();
    if (!counts || Traits::remaining_ns(one.lease, grant) == 0 || greatest_ == grant.token) return;
    broken_ = laws::lease_is_kept.broken("no time left once another holds it", text());
  }

  void release(User& one, Grant& grant) {
    let_go(grant.token);
    auto const released = Traits::release(one.lease, grant);
    if (!one.self.process.alive()) return;
    say(one, "releases " + std::to_string(grant.token.number));
    if (!released) refused(one, "release", released.error());
  }

  // Looks who has it, and may take it away from him.
  void look(User& one, bool forces) {
    auto const seen = Traits::inspect(one.lease);
    if (!one.self.process.alive()) return;
    if (!seen) return refused(one, "inspect", seen.error());
    if (!forces || !seen.assume_value()) return;
    auto const holder = *seen.assume_value();
    say(one, "forces " + std::to_string(holder.token.number));
    forced_.push_back(holder.token);
    if (auto* const known = held(holder.token)) known->surely = false;
    auto const forced = Traits::force(one.lease, holder, {});
    if (!one.self.process.alive()) return;
    if (forced) {
      let_go(holder.token);
    } else if (forced.error().code() != errc::conflict) {
      refused(one, "force", forced.error());
    }
  }

  // A failed sync is told, and may leave it open what came of a store.
  void refused(User const& one, std::string_view operation, error const& cause) {
    auto const code = cause.code();
    say(one, std::string{operation} + ": " + std::string{cause.text()});
    bool const expected = code == errc::busy || code == errc::sync_failed ||
                          code == errc::uncertain || code == errc::poisoned ||
                          code == errc::timed_out;
    if (!expected) broken_ = laws::lease_serves.broken("an answer", text());
  }

  void say(User const& one, std::string const& what) {
    lines_.push_back("process " + std::to_string(one.name) + " at " + std::to_string(now() / ms) +
                     " ms: " + what);
  }
  [[nodiscard]] std::string text() const {
    std::string out;
    for (auto const& line : lines_) out += "\n    " + line;
    return out;
  }

  Make& make_;
  ScheduledMachine& machine_;
  disk::Dice dice_;
  std::vector<Holds> holds_{};
  std::vector<FencingToken> tokens_{};
  std::vector<FencingToken> forced_{};  // or about to be
  FencingToken greatest_{};
  std::vector<std::string> lines_{};
  Verdict broken_{};
};

/// Runs of the leases that `make(ScheduledProcess)` opens in the directory /db.
template <class Make>
class LeaseSchedules : public HomeSchedules<LeaseSchedule<Make>, Make> {
 public:
  explicit LeaseSchedules(Make make) : HomeSchedules<LeaseSchedule<Make>, Make>{std::move(make)} {}
};
}  // namespace testing

HOLDFAST_END

#endif

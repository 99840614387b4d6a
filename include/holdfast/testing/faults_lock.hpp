// SPDX-License-Identifier: BSL-1.0
// The ordeal of a lock: grants and releases under trouble; who held it before keeps it, and after
// the trouble it is granted again.
#ifndef HOLDFAST_TESTING_FAULTS_LOCK_HPP
#define HOLDFAST_TESTING_FAULTS_LOCK_HPP

#include <optional>
#include <string>
#include <utility>

#include "holdfast/config.hpp"
#include "holdfast/file_ops.hpp"
#include "holdfast/lock_concepts.hpp"
#include "holdfast/testing/faults_loops.hpp"
#include "holdfast/testing/lock_scenario.hpp"

HOLDFAST_BEGIN

namespace testing {
/// Over the locks that `make(SimulatedProcess)` opens in the directory /db.
template <class Make>
class LockOrdeal {
  using Policy = decltype(std::declval<Make const&>()(std::declval<SimulatedProcess const&>()));
  using Grant = grant_of<Policy>;
  struct User {
    SimulatedProcess process;
    Policy lock;
    std::optional<Grant> grant{};
  };

 public:
  explicit LockOrdeal(Make make) : make_{std::move(make)} {}

  [[nodiscard]] Verdict suffer(Run& run, Trouble const& trouble) const {
    auto const home = holdfast::detail::make_directories(run.start().files, "/db");
    if (!home) return laws::s13.refused("make directory", home.error());
    auto holder = user(run);
    auto other = user(run);
    if (auto broken = acquire(run, holder, true)) return broken;
    trouble.begin(run);
    // L1, F6: the error of another takes nothing from the holder.
    auto broken = under(trouble, run, [&] { return acquire(run, other, false); });
    if (!broken && other.grant) broken = laws::l1.broken("busy or an error", "a second grant");
    if (!broken) broken = under(trouble, run, [&] { return release(holder); });
    if (!broken) broken = under(trouble, run, [&] { return acquire(run, other, false); });
    if (!broken) broken = under(trouble, run, [&] { return release(other); });
    trouble.end(run);
    if (broken) return broken;
    holder.grant.reset();
    other.grant.reset();
    if (auto again = acquire(run, other, true)) return again;
    return release(other);
  }
  [[nodiscard]] Recovered recover(Run& run) const { return LockWork<Make>{make_, {}}.recover(run); }

 private:
  [[nodiscard]] User user(Run& run) const {
    auto const process = run.start();
    return {process, make_(process)};
  }
  [[nodiscard]] static Verdict acquire(Run& run, User& user, bool is_free) {
    auto grant = lock_traits<Policy>::try_acquire(user.lock, user.process.world.self(), {});
    if (!grant) {
      bool const busy = grant.error().code() == errc::busy && !is_free;
      return busy ? Verdict{} : laws::s13.refused("acquire", grant.error());
    }
    FencingToken const token = grant.assume_value().token;
    auto broken = laws::token_is_new(run.history(), token);
    run.note({Note::Kind::given, token.number, 0, 0});
    user.grant.emplace(std::move(grant).assume_value());
    return broken;
  }
  [[nodiscard]] static Verdict release(User& user) {
    if (!user.grant) return {};
    auto const released = lock_traits<Policy>::release(user.lock, *user.grant);
    if (!released) return laws::s13.refused("release", released.error());
    user.grant.reset();
    return {};
  }

  Make make_;
};

template <class Make>
[[nodiscard]] Ordeal lock_ordeal(std::string name, Make make, std::size_t sector_size) {
  LockOrdeal<Make> const ordeal{std::move(make)};
  return {std::move(name), sector_size,
          [ordeal](Run& run, Trouble const& trouble) { return ordeal.suffer(run, trouble); },
          [ordeal](Run& run) { return ordeal.recover(run); }};
}
}  // namespace testing

HOLDFAST_END

#endif

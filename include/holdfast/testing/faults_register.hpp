// SPDX-License-Identifier: BSL-1.0
// The ordeal of a register: stores and loads under trouble; after it a reopened register stores
// again.
#ifndef HOLDFAST_TESTING_FAULTS_REGISTER_HPP
#define HOLDFAST_TESTING_FAULTS_REGISTER_HPP

#include <cstddef>
#include <string>
#include <utility>

#include "holdfast/config.hpp"
#include "holdfast/file_ops.hpp"
#include "holdfast/testing/faults_loops.hpp"
#include "holdfast/testing/register_laws.hpp"
#include "holdfast/testing/register_scenario.hpp"

HOLDFAST_BEGIN

namespace testing {
/// Over the registers that `make(SimulatedProcess)` opens in the directory /db. If `absent`, the
/// trouble strikes its creation.
template <class Make>
[[nodiscard]] Ordeal register_ordeal(std::string name,
                                     Make make,
                                     RegisterPlan const& plan,
                                     bool absent) {
  using Register = decltype(make(std::declval<SimulatedProcess const&>()));
  using User = RegisterUser<Register>;
  auto const user = [make, plan](Run& run) {
    auto const process = run.start();
    return User{run, process, make(process), plan.value_size};
  };
  auto const suffer = [user, absent](Run& run, Trouble const& trouble) -> Verdict {
    auto const home = holdfast::detail::make_directories(run.start().files, "/db");
    if (!home) return laws::s13.refused("make directory", home.error());
    auto own = user(run);
    auto reader = user(run);
    for (int n = 0; n < (absent ? 0 : 2); ++n) {
      if (auto broken = own.load()) return broken;
      if (auto broken = own.store()) return broken;
    }
    trouble.begin(run);
    for (int n = 0; n < 2; ++n) {
      if (auto broken = under(trouble, run, [&] { return own.load(); })) return broken;
      if (auto broken = under(
              trouble, run, [&] { return own.store(); }, true))
        return broken;
    }
    trouble.end(run);
    // What others could not be told under trouble, they are told now.
    if (auto broken = own.load()) return broken;
    if (auto broken = reader.load()) return broken;
    // F3: what was poisoned is not trusted before it is reopened; then all is as ever.
    if (auto broken = own.reopen()) return broken;
    if (auto broken = own.load(true)) return broken;
    if (auto broken = own.store()) return broken;
    if (!own.stored()) return laws::s13.broken("a store succeeds", "it did not");
    return reader.load();
  };
  RegisterWork<Make> const work{std::move(make), plan};
  return {std::move(name), plan.sector_size, suffer,
          [work](Run& run) { return work.recover(run); }};
}
}  // namespace testing

HOLDFAST_END

#endif

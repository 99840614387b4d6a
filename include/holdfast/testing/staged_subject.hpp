// SPDX-License-Identifier: BSL-1.0
// Makes of a home the subject that the laws of staged switches are checked on.
#ifndef HOLDFAST_TESTING_STAGED_SUBJECT_HPP
#define HOLDFAST_TESTING_STAGED_SUBJECT_HPP

#include <cstdint>
#include <string>
#include <utility>

#include "holdfast/config.hpp"
#include "holdfast/testing/disk/hash.hpp"
#include "holdfast/testing/staged_damage.hpp"
#include "holdfast/testing/staged_probes.hpp"
#include "holdfast/testing/staged_scenario.hpp"
#include "holdfast/testing/subject.hpp"

HOLDFAST_BEGIN

namespace testing {
namespace kit {
[[nodiscard]] inline StagedPlan staged_plan(std::uint64_t number) {
  using Then = StagedPlan::Then;
  disk::Dice dice{number};
  StagedPlan plan;
  plan.seed = number;
  plan.steps = 2 + dice.below(3);
  plan.sector_size = dice.below(2) == 0 ? 512 : 4096;
  plan.reader_at_every_call = dice.below(3) == 0;
  plan.pinned_reader = dice.below(3) == 0;
  plan.rival_at = dice.below(3) == 0 ? 1 + dice.below(600) : 0;
  plan.kill_step = dice.below(2) == 0 ? 1 + dice.below(plan.steps) : 0;
  plan.kill_after = dice.below(dice.below(2) == 0 ? 30 : 160);
  plan.reader_before_recovery = dice.below(2) == 0;
  constexpr Then then[] = {Then::nothing, Then::nothing, Then::discard, Then::commit, Then::revert};
  plan.then = then[dice.below(5)];
  return plan;
}

template <class Home>
[[nodiscard]] Home varied(Home home, std::uint64_t number) {
  if constexpr (requires { home.options.publish_grace_ms; }) {
    disk::Dice dice{disk::mixed(number)};
    home.options.retain = 1 + dice.below(3);
    home.options.publish = dice.below(2) == 0;
    home.options.publish_grace_ms = dice.below(4) == 0 ? 1000 : 0;
  }
  return home;
}

template <class Home>
[[nodiscard]] Trial staged_trial(std::string const& name, Home const& home) {
  using namespace laws;  // NOLINT(google-build-using-namespace)
  return {{s1.id, s2.id, s3.id, s4.id, s5.id, s6.id, s7.id, s9.id, s10.id, s11.id, s16.id,
           published.id, staged_recovers.id},
          s4.id,
          [name, home](std::uint64_t number) {
            return staged_scenario(name, varied(home, number), staged_plan(number));
          }};
}
}  // namespace kit

/// `home` opens a home on a simulated machine as staged_home.hpp says. If it has `options`
/// (StagedOptions), they are varied.
template <class Home>
[[nodiscard]] Subject staged_subject(std::string name, Home home) {
  using namespace laws;  // NOLINT(google-build-using-namespace)
  Subject subject{.name = name,
                  .laws = {s1,  s2,  s3,  s4,  s5,  s6,  s7,  s8,  s9,        s10,
                           s11, s12, s13, s14, s15, s16, s18, s19, published, staged_recovers},
                  .trials = {kit::staged_trial(name, home)}};
  auto const probe = [&](Law const& law, auto check) {
    subject.probes.push_back({law.id, [home, check](std::uint64_t seed) {
                                return check(kit::varied(home, seed), seed);
                              }});
  };
  probe(s5, one_call_flips<Home>);
  probe(s9, the_pinned_stays<Home>);
  probe(s7, discards_change_nothing<Home>);
  probe(s8, states_follow_the_table<Home>);
  probe(s12, refused_runs_are_discards<Home>);
  probe(s13, errors_leave_old_or_new<Home>);
  probe(s14, one_of_two_wins<Home>);
  probe(s15, damage_shows_nothing_else<Home>);
  probe(s18, the_unlisted_stays<Home>);
  probe(s19, what_follows_changes_nothing<Home>);
  return subject;
}
}  // namespace testing

HOLDFAST_END

#endif

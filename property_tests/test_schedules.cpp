// SPDX-License-Identifier: BSL-1.0
// Interleaves processes at every call by a seed: register and lock keep their laws, each broken
// protocol is found, and the scheduler and the judge of histories are right themselves.
#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "catch.hpp"
#include "holdfast/testing/linearizable.hpp"
#include "schedules/runs.hpp"

namespace {
using namespace hf::testing;  // NOLINT(google-build-using-namespace)
using Call = Observed<RegisterCall>;

Call load(std::uint64_t number, std::uint64_t version, std::uint64_t begin, std::uint64_t end) {
  return {{RegisterCall::Kind::load, number, 0, version}, begin, end, true};
}
Call store(std::uint64_t number,
           std::uint64_t base,
           std::uint64_t version,
           std::uint64_t begin,
           std::uint64_t end) {
  return {{RegisterCall::Kind::store, number, base, version}, begin, end, true};
}
Call perhaps(Call call) {
  call.end = Call::never;
  call.surely = false;
  return call;
}
bool holds(std::vector<Call> const& history) {
  return is_linearizable(history, RegisterState{}, &hf::testing::apply);
}

// Who runs at each step, of three that take five each.
std::string order_of(std::uint64_t seed) {
  Fibers fibers;
  std::string order;
  Scheduler scheduler{fibers, Choice{seed, 15}};
  for (char const name : {'a', 'b', 'c'}) {
    scheduler.add([&order, &scheduler, name] {
      for (int i = 0; i < 5; ++i) {
        order += name;
        scheduler.step();
      }
    });
  }
  scheduler.run();
  return order;
}
}  // namespace

TEST_CASE("one seed gives one order, and seeds give many", "[scheduler]") {
  std::vector<std::string> orders;
  for (std::uint64_t seed = 1; seed <= 100; ++seed) {
    auto order = order_of(seed);
    REQUIRE(order == order_of(seed));
    CHECK(order.size() == 15);
    if (std::find(orders.begin(), orders.end(), order) == orders.end()) orders.push_back(order);
  }
  CHECK(orders.size() > 50);
}

TEST_CASE("who waits goes on only after another has moved", "[scheduler]") {
  for (std::uint64_t seed = 1; seed <= 50; ++seed) {
    Fibers fibers;
    Scheduler scheduler{fibers, Choice{seed, 30}};
    bool ready = false;
    int looks = 0;
    scheduler.add([&] {
      while (!ready) {
        ++looks;
        scheduler.wait();
      }
    });
    scheduler.add([&] {
      for (int i = 0; i < 10; ++i) scheduler.step();
      ready = true;
    });
    scheduler.run();
    CHECK(ready);
    CHECK(looks <= 11);
  }
}

TEST_CASE("where all wait, time passes for all", "[scheduler]") {
  for (std::uint64_t seed = 1; seed <= 50; ++seed) {
    Fibers fibers;
    Scheduler scheduler{fibers, Choice{seed, 30}};
    int ended = 0;
    for (int p = 0; p < 3; ++p) {
      scheduler.add([&] {
        for (int i = 0; i < 5; ++i) scheduler.wait();
        ++ended;
      });
    }
    scheduler.run();
    CHECK(ended == 3);
  }
}

TEST_CASE("a stack serves one run after another", "[scheduler]") {
  Fibers fibers;
  int ended = 0;
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    Scheduler scheduler{fibers, Choice{seed, 4}};
    scheduler.add([&] { scheduler.step(), ++ended; });
    scheduler.add([&] { ++ended; });
    scheduler.run();
  }
  CHECK(ended == 40);
  CHECK(fibers.size() == 2);
}

TEST_CASE("overlapping calls may come in any order, others may not", "[linearizable]") {
  CHECK(holds({}));
  CHECK(holds({store(1, 0, 1, 1, 4), load(1, 1, 2, 3)}));
  CHECK(holds({store(1, 0, 1, 1, 4), load(0, 0, 2, 3)}));
  CHECK(holds({store(1, 0, 1, 1, 2), load(1, 1, 3, 4)}));
  CHECK_FALSE(holds({store(1, 0, 1, 1, 2), load(0, 0, 3, 4)}));      // stale
  CHECK_FALSE(holds({load(1, 1, 1, 2), store(1, 0, 1, 3, 4)}));      // foreseen
  CHECK_FALSE(holds({store(1, 0, 1, 1, 3), store(2, 0, 2, 2, 4)}));  // a lost update
  CHECK(holds({store(1, 0, 1, 1, 3), store(2, 1, 2, 2, 4)}));
  CHECK_FALSE(holds({store(1, 0, 1, 1, 9), load(1, 1, 2, 3), load(0, 0, 4, 5)}));  // taken back
}

TEST_CASE("what is not sure may have happened once, at any time, or never", "[linearizable]") {
  auto const lost = perhaps(store(1, 0, 0, 1, 2));
  CHECK(holds({lost, load(0, 0, 3, 4)}));
  CHECK(holds({lost, load(1, 1, 3, 4)}));
  CHECK(holds({lost, load(0, 0, 3, 4), load(1, 1, 5, 6)}));
  CHECK_FALSE(holds({lost, load(1, 1, 3, 4), load(0, 0, 5, 6)}));
  CHECK_FALSE(holds({lost, store(2, 0, 1, 3, 4), load(1, 2, 5, 6)}));  // ruled out by another
}

TEST_CASE("versions grow with each store, and healing may raise them", "[linearizable]") {
  CHECK(holds({store(1, 0, 1, 1, 2), load(1, 3, 3, 4), load(1, 3, 5, 6)}));
  CHECK_FALSE(holds({store(1, 0, 3, 1, 2), load(1, 2, 3, 4)}));
  CHECK_FALSE(holds({store(1, 0, 3, 1, 2), store(2, 1, 3, 3, 4)}));
}

TEST_CASE("the file register is linearizable under every schedule", "[schedules][register]") {
  auto const tally = schedules::run_register<schedules::MakeRegister<>>(1, 15'000);
  CHECK(tally.report == "");
  CHECK(tally.runs == 15'000);
  CHECK(tally.steps / tally.runs > 50);
}

TEST_CASE("the file lock excludes and numbers under every schedule", "[schedules][lock]") {
  auto const tally = schedules::run_lock<schedules::MakeLock<>>(1, 5'000);
  CHECK(tally.report == "");
  CHECK(tally.runs == 5'000);
  CHECK(tally.steps / tally.runs > 50);
}

TEST_CASE("a live lease is kept, and tokens grow, under every schedule", "[schedules][lease]") {
  auto const tally = schedules::run_lease<schedules::MakeLease<>>(1, 5'000);
  CHECK(tally.report == "");
  CHECK(tally.runs == 5'000);
  CHECK(tally.steps / tally.runs > 50);
}

TEST_CASE("each broken protocol is found by schedules of five seeds", "[schedules][mutant]") {
  for (auto const& mutant : schedules::mutants) {
    CAPTURE(mutant.name);
    for (std::uint64_t seed = 1; seed <= 5; ++seed) {
      CHECK_FALSE(mutant.run(seed * 1'000'000, 10'000).report.empty());
    }
  }
}

TEST_CASE("a run that breaks a law breaks it again", "[schedules][mutant]") {
  auto const& mutant = schedules::mutants[3];
  auto const first = mutant.run(1, 10'000);
  REQUIRE_FALSE(first.report.empty());
  auto const again = mutant.run(first.broken_seed, 1);
  CHECK(again.report == first.report);
}

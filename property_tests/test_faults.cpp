// SPDX-License-Identifier: BSL-1.0
// Puts the register, the directory store, the file lock and a staged home of two directory stores
// through every error of every call, a full disk, a read-only remount and clocks that jump; then
// through the crashes of those runs.
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <string>
#include <vector>

#include "catch.hpp"
#include "holdfast/testing/faults_lock.hpp"
#include "holdfast/testing/faults_register.hpp"
#include "holdfast/testing/faults_staged.hpp"
#include "holdfast/testing/faults_store.hpp"
#include "homes.hpp"

namespace {
using namespace hf::testing;  // NOLINT(google-build-using-namespace)
using Register = crash::OneRegister<SimulatedFiles>;
using Lock = crash::OneLock<SimulatedFiles>;
using Place = crash::OneDirectory<SimulatedFiles>;
using Home = crash::TwoDirectories<SimulatedFiles>;

Home home() {
  Home home;
  home.options.retain = 2;
  return home;
}
std::vector<Ordeal> ordeals() {
  std::vector<Ordeal> all{
      register_ordeal("register", Register{}, {.sector_size = 512}, false),
      register_ordeal("absent register", Register{}, {}, true),
      store_ordeal("directory", Place{.raw = false}, {.sector_size = 512}),
      store_ordeal("raw directory", Place{.raw = true}, {}),
      lock_ordeal("lock", Lock{}, 512),
  };
  for (auto const act : staged_acts) {
    all.push_back(staged_ordeal("staged", home(), {.sector_size = 4096}, act));
  }
  return all;
}
// Believes the second answer of a sync whose first was an error.
struct RetriesSync : SimulatedFiles {
  explicit RetriesSync(SimulatedFiles files) : SimulatedFiles{std::move(files)} {}
  [[nodiscard]] hf::result<void> sync(file& f) const {
    auto const synced = SimulatedFiles::sync(f);
    return synced ? synced : SimulatedFiles::sync(f);
  }
};
// Believes a write that was short.
struct IgnoresShortWrites : SimulatedFiles {
  explicit IgnoresShortWrites(SimulatedFiles files) : SimulatedFiles{std::move(files)} {}
  [[nodiscard]] hf::result<void> write_at(file& f, std::uint64_t at, hf::bytes_view from) const {
    static_cast<void>(SimulatedFiles::write_at(f, at, from));
    return hf::ok();
  }
};
// Takes a lock for granted that it could not ask for.
struct LocksUnasked : SimulatedFiles {
  explicit LocksUnasked(SimulatedFiles files) : SimulatedFiles{std::move(files)} {}
  [[nodiscard]] hf::result<bool> try_lock(file& f, hf::Range range, hf::Mode mode) const {
    auto const locked = SimulatedFiles::try_lock(f, range, mode);
    return locked ? locked : hf::result<bool>{true};
  }
};

ExploreOptions crashes(std::size_t states, std::uint64_t seed = 1) {
  return {.mode = seed % 2 == 0 ? CrashMode::ext4 : CrashMode::any,
          .seed = seed,
          .depth = 1,
          .max_states = states,
          .thin = 4};
}
template <class Loop>
void endure_all(std::size_t least_runs, Loop loop) {
  std::size_t runs = 0;
  for (auto const& ordeal : ordeals()) {
    FaultLoop found;
    loop(ordeal, found);
    INFO(ordeal.name << ": " << found.runs << " runs, " << found.states << " crash states\n"
                     << found.report);
    CHECK(found.report.empty());
    runs += found.runs;
  }
  CHECK(runs >= least_runs);
}
}  // namespace

TEST_CASE("each call fails once with each error: S13, S7, F3, F4, F6", "[faults]") {
  endure_all(5000, [](Ordeal const& ordeal, FaultLoop& found) {
    for (auto const number : fault_numbers) {
      // The first has its crashes explored in earnest, the others a few.
      fail_each_call(ordeal, {.number = number}, crashes(number == EIO ? 30 : 3), found);
    }
  });
}

TEST_CASE("each call is done and answers an error, each write is short", "[faults]") {
  endure_all(1000, [](Ordeal const& ordeal, FaultLoop& found) {
    fail_each_call(ordeal, {.takes_effect = true}, crashes(10), found);
    fail_each_call(ordeal, {.call = Call::write, .number = ENOSPC, .half = true}, crashes(30),
                   found);
  });
}

TEST_CASE("each sync fails, and its pages are clean from then on: F3", "[faults]") {
  endure_all(80, [](Ordeal const& ordeal, FaultLoop& found) {
    for (std::uint64_t seed = 1; seed <= 2; ++seed) {
      fail_each_call(ordeal, {.call = Call::sync}, crashes(200, seed), found);
      fail_each_call(ordeal, {.call = Call::sync_directory}, crashes(50, seed), found);
    }
  });
}

TEST_CASE("from each call on nothing can be changed, and readers go on: F7", "[faults]") {
  endure_all(100, [](Ordeal const& ordeal, FaultLoop& found) {
    fail_each_call(ordeal, remounted_read_only(1), crashes(5), found);
  });
}

TEST_CASE("from each call on no file can be opened: F6", "[faults]") {
  endure_all(100, [](Ordeal const& ordeal, FaultLoop& found) {
    for (auto const call : {Call::open, Call::create}) {
      fail_each_call(ordeal, {.call = call, .times = Fault::always, .number = EMFILE}, crashes(3),
                     found);
    }
  });
}

TEST_CASE("the disk is full after any byte, and cleaning up works: F4, S7", "[faults]") {
  endure_all(100, [](Ordeal const& ordeal, FaultLoop& found) {
    fill_the_disk(ordeal, crashes(5), found);
  });
}

TEST_CASE("clocks jump before each call, and nothing comes of it: F13", "[faults]") {
  endure_all(1000, [](Ordeal const& ordeal, FaultLoop& found) {
    for (auto const& jump : clock_jumps) jump_before_each_call(ordeal, jump, crashes(1), found);
  });
}

TEST_CASE("a sync that is retried after an error is found: F3", "[faults][mutant]") {
  Ordeal const ordeals[] = {
      register_ordeal("register", crash::OneRegister<RetriesSync>{}, {}, false),
      store_ordeal("directory", crash::OneDirectory<RetriesSync>{}, {}),
      staged_ordeal("staged", crash::TwoDirectories<RetriesSync>{}, {}, StagedAct::commit)};
  for (auto const& ordeal : ordeals) {
    FaultLoop found;
    fail_each_call(ordeal, {.call = Call::sync}, crashes(200), found);
    INFO(ordeal.name);
    CHECK_FALSE(found.report.empty());
  }
}

TEST_CASE("a short write that is believed is found: F4", "[faults][mutant]") {
  Ordeal const ordeals[] = {
      register_ordeal("register", crash::OneRegister<IgnoresShortWrites>{}, {}, false),
      store_ordeal("directory", crash::OneDirectory<IgnoresShortWrites>{}, {}),
      staged_ordeal("staged", crash::TwoDirectories<IgnoresShortWrites>{}, {}, StagedAct::commit)};
  for (auto const& ordeal : ordeals) {
    FaultLoop found;
    fill_the_disk(ordeal, crashes(5), found);
    INFO(ordeal.name);
    CHECK_FALSE(found.report.empty());
  }
}

TEST_CASE("a lock that is taken for granted when asking fails is found: L1, F6",
          "[faults][mutant]") {
  FaultLoop found;
  fail_each_call(lock_ordeal("lock", crash::OneLock<LocksUnasked>{}, 512), {.call = Call::lock},
                 crashes(3), found);
  CHECK_THAT(found.report, Catch::Matchers::ContainsSubstring("law HF-LOCK-001 "));
}

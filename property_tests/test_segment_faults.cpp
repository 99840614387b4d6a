// SPDX-License-Identifier: BSL-1.0
// Puts a segment and a log through every error of every call, a full disk, failed allocations and a
// segment that throws; then through the crashes of those runs.
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "catch.hpp"
#include "holdfast/testing/faults_segment.hpp"
#include "one_segment.hpp"

namespace {
using namespace hf::testing;  // NOLINT(google-build-using-namespace)

// Each of its operations is a callback of the user: it may throw before and after it is done.
struct ThrowingSegment : hf::BasicFileSegment<SimulatedFiles> {
  using Base = hf::BasicFileSegment<SimulatedFiles>;
  explicit ThrowingSegment(Base whole) : Base{std::move(whole)} {}

  template <class Do>
  auto around(Do done) const {
    files().calls().callback();
    auto answer = done();
    files().calls().callback();
    return answer;
  }
  [[nodiscard]] hf::result<std::size_t> read_at(std::uint64_t at, hf::bytes_span into) const {
    return around([&] { return Base::read_at(at, into); });
  }
  [[nodiscard]] hf::result<void> append(std::uint64_t at, hf::bytes_view from) {
    return around([&] { return Base::append(at, from); });
  }
  [[nodiscard]] hf::result<void> rewrite(std::uint64_t at, hf::bytes_view from) {
    return around([&] { return Base::rewrite(at, from); });
  }
  [[nodiscard]] hf::result<void> set_aside(std::uint64_t begin, std::uint64_t end) {
    return around([&] { return Base::set_aside(begin, end); });
  }
  [[nodiscard]] hf::result<void> truncate(std::uint64_t size) {
    return around([&] { return Base::truncate(size); });
  }
  [[nodiscard]] hf::result<void> sync() {
    return around([&] { return Base::sync(); });
  }
};
struct ThrowingPlace : crash::OneSegment<SimulatedFiles> {
  using Log = hf::Recoverable<ThrowingSegment, hf::Framed, hf::Recovery::cut, SimulatedWorld>;
  [[nodiscard]] hf::result<Log> open(SimulatedProcess const& process) const {
    HOLDFAST_TRY(file, ThrowingSegment::Base::open(path(), process.files));
    return hf::open_recoverable(ThrowingSegment{std::move(file)}, hf::Framed{}, {}, {},
                                process.world);
  }
};
// Believes the second answer of a sync whose first was an error.
struct RetriesSegmentSync : SimulatedFiles {
  explicit RetriesSegmentSync(SimulatedFiles files) : SimulatedFiles{std::move(files)} {}
  [[nodiscard]] hf::result<void> sync(file& f) const {
    auto const synced = SimulatedFiles::sync(f);
    return synced ? synced : SimulatedFiles::sync(f);
  }
};

ExploreOptions some_crashes(std::size_t states, std::uint64_t seed = 1) {
  return {.mode = seed % 2 == 0 ? CrashMode::ext4 : CrashMode::any,
          .seed = seed,
          .depth = 1,
          .max_states = states,
          .thin = 4};
}
std::vector<Ordeal> log_ordeals() {
  return {segment_ordeal("segment", crash::OneSegment<SimulatedFiles>{}, {.sector_size = 512}),
          segment_ordeal("log", crash::OneLog<SimulatedFiles>{}, {})};
}
template <class Loop>
void endure_logs(std::size_t least_runs, Loop loop) {
  std::size_t runs = 0;
  for (auto const& ordeal : log_ordeals()) {
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

TEST_CASE("each call of a log fails once with each error: F3, F4, F6", "[faults][log]") {
  endure_logs(1000, [](Ordeal const& ordeal, FaultLoop& found) {
    for (auto const number : fault_numbers) {
      fail_each_call(ordeal, {.number = number}, some_crashes(number == EIO ? 10 : 1), found);
    }
  });
}

TEST_CASE("each call of a log is done and answers an error, each write is short", "[faults][log]") {
  endure_logs(100, [](Ordeal const& ordeal, FaultLoop& found) {
    fail_each_call(ordeal, {.takes_effect = true}, some_crashes(5), found);
    fail_each_call(ordeal, {.call = Call::write, .number = ENOSPC, .half = true}, some_crashes(20),
                   found);
  });
}

TEST_CASE("each sync of a log fails, and its pages are clean from then on: F3", "[faults][log]") {
  endure_logs(20, [](Ordeal const& ordeal, FaultLoop& found) {
    for (std::uint64_t seed = 1; seed <= 2; ++seed) {
      fail_each_call(ordeal, {.call = Call::sync}, some_crashes(40, seed), found);
      fail_each_call(ordeal, {.call = Call::sync_directory}, some_crashes(15, seed), found);
    }
  });
}

TEST_CASE("the disk is full after any byte of a log, or can't be written: F4, F7",
          "[faults][log]") {
  endure_logs(20, [](Ordeal const& ordeal, FaultLoop& found) {
    fill_the_disk(ordeal, some_crashes(5), found);
    fail_each_call(ordeal, remounted_read_only(1), some_crashes(3), found);
  });
}

TEST_CASE("each allocation of a log fails: F22", "[faults][log]") {
  endure_logs(100, [](Ordeal const& ordeal, FaultLoop& found) {
    fail_each_allocation(ordeal, {.depth = 0, .max_states = 3}, found);
  });
}

TEST_CASE("each operation of a segment throws, before and after it is done: F21", "[faults][log]") {
  FaultLoop found;
  throw_from_each_callback(segment_ordeal("throwing", ThrowingPlace{}, {}), some_crashes(10),
                           found);
  INFO(found.report);
  CHECK(found.report.empty());
  CHECK(found.runs > 20);
}

TEST_CASE("a sync of a log that is retried after an error is found: F3", "[faults][log][mutant]") {
  FaultLoop found;
  fail_each_call(segment_ordeal("segment", crash::OneSegment<RetriesSegmentSync>{}, {}),
                 {.call = Call::sync}, some_crashes(200), found);
  CHECK_FALSE(found.report.empty());
}

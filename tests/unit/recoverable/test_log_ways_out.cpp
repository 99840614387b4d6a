// SPDX-License-Identifier: BSL-1.0
// Whatever way an opening ends, its helpers are done, its readers are told, and the log is usable.
#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "catch.hpp"
#include "holdfast/log.hpp"
#include "holdfast/log/examine.hpp"
#include "holdfast/log/front.hpp"
#include "holdfast/log/look.hpp"
#include "holdfast/testing/simulated_disk.hpp"

namespace log_ways_out {
using WayFs = hf::testing::SimulatedFiles;
using WayWorld = hf::testing::SimulatedWorld;
using WayLog = hf::BasicLog<WayFs, hf::Recovery::cut, WayWorld>;
using WayFront = hf::BasicLogFront<WayFs>;

// Three segments of two records.
struct WayBench {
  hf::testing::SimulatedDisk disk{};
  hf::testing::SimulatedProcess process = disk.start();

  [[nodiscard]] hf::result<WayLog> open(hf::LogOptions options = {}) const {
    return WayLog::open("/log", std::move(options), process.files, process.world);
  }
  [[nodiscard]] auto examine(hf::LogOptions const& options) const {
    return hf::examine_log("/log", options, process.files);
  }
  WayBench() {
    auto log = open().value();
    for (int i = 0; i < 6; ++i) {
      if (i % 2 == 0) REQUIRE(log.roll());
      REQUIRE(log.append(hf::as_bytes("record")));
    }
    REQUIRE(log.close());
  }
  void damage(std::uint64_t base, std::uint64_t at = 4096) const {
    auto const path = "/log/" + hf::detail::segment_name(base);
    auto file = process.files.open(path, hf::Open::write).value();
    REQUIRE(process.files.write_at(file, at + 41, hf::as_bytes("!")));
  }
};
template <class Records>
std::size_t count_all(Records records) {
  std::size_t count = 0;
  for (auto const& record : records) count += record ? 1 : 0;
  return count;
}
}  // namespace log_ways_out

using namespace log_ways_out;  // NOLINT(google-build-using-namespace)

TEST_CASE("a log that could not be reopened has no records to give, and can be asked", "[log]") {
  WayBench const bench;
  auto log = bench.open().value();
  bench.damage(2);
  REQUIRE_FALSE(log.reopen());
  CHECK(count_all(log.records()) == 0);
  CHECK(log.append(hf::as_bytes("late")).error().code() == hf::errc::poisoned);
}

TEST_CASE("who can't be posted to is done without", "[log][threads]") {
  WayBench const bench;
  auto const expected = bench.examine({}).value();
  for (int fails_at = 0; fails_at < 2; ++fails_at) {
    std::vector<std::function<void()>> posted;
    int calls = 0;
    hf::LogOptions options{.at_once = 3};
    options.post = [&](std::function<void()> work) -> hf::result<void> {
      if (calls++ == fails_at) throw std::system_error(EAGAIN, std::generic_category());
      posted.push_back(std::move(work));
      return hf::ok();
    };
    auto const report = bench.examine(options);
    REQUIRE(report);
    CHECK(report.value().fingerprint == expected.fingerprint);
    CHECK(posted.size() == 1);
    for (auto const& work : posted) work();  // late
  }
}

TEST_CASE("nobody leaves while a helper looks, also where what is told throws", "[log][threads]") {
  std::thread helper;
  std::atomic<bool> looks{false}, thrown{false}, done{false};
  std::function<void()> work;
  hf::LogOptions options{.at_once = 2};
  options.post = [&](std::function<void()> posted) {
    work = std::move(posted);
    return hf::result<void>{hf::ok()};
  };
  auto const look = [&](std::size_t i) -> hf::result<int> {
    if (i == 0) {
      helper = std::thread{work};
      looks.wait(false);
    } else if (i == 1) {
      looks.store(true);
      looks.notify_all();
      thrown.wait(false);
      for (int pass = 0; pass < 1000; ++pass) std::this_thread::yield();
      done.store(true);
    }
    return 0;
  };
  auto const told = [&](std::size_t, int) {
    thrown.store(true);
    thrown.notify_all();
    throw std::runtime_error("told");
  };
  CHECK_THROWS_AS(hf::detail::look_at_all<int>(4, options, look, told), std::runtime_error);
  CHECK(done.load());
  helper.join();
}

TEST_CASE("readers are told of the end, whatever way an opening goes", "[log][front]") {
  WayBench const bench;
  WayFront const front{"/log", bench.process.files};
  SECTION("it is busy") {
    auto const holder = bench.open().value();
    CHECK(bench.open({.progress = front.progress()}).error().code() == hf::errc::busy);
    CHECK(count_all(front.records()) == 0);
  }
  SECTION("it is only examined") {
    REQUIRE(bench.examine({.progress = front.progress()}));
    CHECK(count_all(front.records()) == 6);
  }
  SECTION("there is nothing to examine") {
    REQUIRE_FALSE(hf::examine_log("/none", {.progress = front.progress()}, bench.process.files));
  }
  CHECK(front.verified().ended);
}

TEST_CASE("readers go on with what they were shown while a log is reopened", "[log][front]") {
  WayBench const bench;
  WayFront const front{"/log", bench.process.files};
  auto log = bench.open({.progress = front.progress()}).value();
  auto const more = log.append(hf::as_bytes("more"));
  REQUIRE(more);
  REQUIRE(log.sync());
  int heard = 0;
  bench.process.world.observe([&](hf::Event const& event) {
    if (event.segment.kind != hf::SegmentStep::Kind::examined) return;
    ++heard;
    CHECK(front.verified().ended);
    CHECK(count_all(front.records()) == 6);
  });
  SECTION("and then have what was appended") {
    REQUIRE(log.reopen());
    CHECK(count_all(front.records()) == 7);
    CHECK(front.verified().next_sequence == 7);
  }
  SECTION("also where it is refused") {
    REQUIRE(log.roll());
    bench.damage(4, more.value().begin);  // behind what was shown
    REQUIRE_FALSE(log.reopen());
    CHECK(count_all(front.records()) == 6);
  }
  CHECK(heard != 0);
  CHECK(front.verified().ended);
}

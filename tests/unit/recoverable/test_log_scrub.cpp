// SPDX-License-Identifier: BSL-1.0
// A scrub finds rot in sealed segments, keeps to its pace, can be stopped and goes on, and never
// writes.
#include <cstddef>
#include <cstdint>
#include <functional>
#include <stop_token>
#include <string>
#include <vector>

#include "catch.hpp"
#include "holdfast/log.hpp"
#include "holdfast/log/scrub.hpp"
#include "holdfast/testing/simulated_disk.hpp"

namespace log_scrub {
using ScrubFs = hf::testing::SimulatedFiles;
using ScrubLog = hf::BasicLog<ScrubFs, hf::Recovery::cut, hf::testing::SimulatedWorld>;

// Four segments of ten records, the last is written.
struct ScrubBench {
  hf::testing::SimulatedDisk disk{};
  hf::testing::SimulatedProcess process = disk.start();
  ScrubLog log =
      ScrubLog::open("/log", {.segment_size = 1 << 30, .align = 0}, process.files, process.world)
          .value();

  ScrubBench() {
    for (int i = 0; i < 40; ++i) {
      if (i % 10 == 0) REQUIRE(log.roll());
      REQUIRE(log.append(hf::as_bytes(std::string(100, '.') + std::to_string(i))));
    }
    REQUIRE(log.sync());
  }
  [[nodiscard]] static std::string segment(std::uint64_t base) {
    return "/log/" + hf::detail::segment_name(base);
  }
  void change(std::uint64_t base, std::function<void(hf::bytes&)> const& how) const {
    auto content = hf::detail::read_file(process.files, segment(base), 1 << 20).value();
    how(content);
    auto file = process.files.open(segment(base), hf::Open::write).value();
    REQUIRE(process.files.resize(file, 0));
    REQUIRE(process.files.write_at(file, 0, content));
  }
  [[nodiscard]] hf::ScrubReport scrub(hf::ScrubOptions const& options = {}) const {
    return hf::scrub_log("/log", options, process.files, process.world).value();
  }
  [[nodiscard]] std::uint64_t writes() const {
    auto const& calls = process.files.calls();
    using hf::testing::Call;
    return calls.count(Call::write) + calls.count(Call::resize) + calls.count(Call::rename) +
           calls.count(Call::remove) + calls.count(Call::create) + calls.count(Call::sync);
  }
};
}  // namespace log_scrub

using namespace log_scrub;  // NOLINT(google-build-using-namespace)

TEST_CASE("a scrub reads all sealed segments and writes nothing", "[log][scrub]") {
  ScrubBench bench;
  auto const before = bench.writes();
  std::vector<std::string> told;
  bench.process.world.observe([&](hf::Event const& event) {
    told.push_back(std::string{name(event.segment.kind)} + " " +
                   std::to_string(event.segment.base));
  });
  auto const seen = bench.scrub();
  CHECK(seen.whole);
  CHECK(seen.segments == 3);
  CHECK(seen.rot.empty());
  CHECK(bench.writes() == before);
  CHECK(told == std::vector<std::string>{"scrubbed 0", "scrubbed 10", "scrubbed 20"});
  REQUIRE(bench.log.append(hf::as_bytes("the log is open all the while")));
}

TEST_CASE("a scrub finds every flipped bit of a sealed segment", "[log][scrub]") {
  ScrubBench const bench;
  hf::bytes whole;
  bench.change(10, [&](hf::bytes& content) { whole = content; });
  for (std::size_t at = 0; at < whole.size(); at += 7) {
    bench.change(10, [&](hf::bytes& content) {
      content = whole;
      content[at] ^= std::byte{1} << (at % 8);
    });
    auto const seen = bench.scrub();
    if (seen.rot.size() != 1 || seen.rot.front().base != 10) {
      CAPTURE(at);
      CHECK(seen.rot.size() == 1);
    }
  }
}

TEST_CASE("a scrub tells what is cut short, missing or unreadable, and goes on", "[log][scrub]") {
  ScrubBench const bench;
  bench.change(0, [](hf::bytes& content) { content.resize(content.size() - 40); });
  REQUIRE(bench.process.files.remove(ScrubBench::segment(0) + ".point"));  // it would tell, too
  SECTION("one is missing") {
    REQUIRE(bench.process.files.remove(ScrubBench::segment(20)));
    auto const seen = bench.scrub();
    REQUIRE(seen.rot.size() == 2);
    CHECK(seen.rot[0].cause.code() == hf::errc::damaged);
    CHECK(seen.rot[1].cause.code() == hf::errc::hole);
    CHECK(seen.rot[1].base == 20);
  }
  SECTION("one can't be read") {
    auto& calls = bench.process.files.calls();
    calls.fail({.call = hf::testing::Call::read,
                .path_has = hf::detail::segment_name(10),
                .times = hf::testing::Fault::always});
    auto const seen = bench.scrub();
    calls.heal();
    CHECK(seen.segments == 3);
    REQUIRE(seen.rot.size() == 2);
    CHECK(seen.rot[1].base == 10);
    CHECK(seen.rot[1].cause.code() == hf::errc::io);
  }
  SECTION("retention takes one away meanwhile") {
    auto& calls = bench.process.files.calls();
    calls.spy = [&](hf::testing::Call call, std::string const& path) {
      if (call != hf::testing::Call::open || path != ScrubBench::segment(10)) return;
      calls.spy = {};
      static_cast<void>(bench.process.files.remove(path));
    };
    auto const seen = bench.scrub();
    CHECK(seen.segments == 2);
    CHECK(seen.rot.size() == 1);
  }
}

TEST_CASE("a scrub keeps to its pace by the world's clock", "[log][scrub]") {
  ScrubBench const bench;
  auto const begun = bench.process.world.steady_ns();
  auto const free = bench.scrub({.bytes_per_second = 0});
  CHECK(bench.process.world.steady_ns() == begun);
  auto const seen = bench.scrub({.bytes_per_second = 1000});
  CHECK(seen.bytes == free.bytes);
  // What was read last is not waited for.
  auto const took = bench.process.world.steady_ns() - begun;
  auto const whole = static_cast<std::int64_t>(seen.bytes) * 1'000'000;
  CHECK(took >= whole * 2 / 3);
  CHECK(took <= whole);
}

TEST_CASE("a scrub that is stopped goes on where it was", "[log][scrub]") {
  ScrubBench const bench;
  std::stop_source source;
  auto& calls = bench.process.files.calls();
  calls.spy = [&](hf::testing::Call call, std::string const& path) {
    if (call == hf::testing::Call::read && path == ScrubBench::segment(10)) source.request_stop();
  };
  auto const first = bench.scrub({.stop = source.get_token()});
  CHECK_FALSE(first.whole);
  CHECK(first.segments == 1);
  CHECK(first.next == 10);
  calls.spy = {};
  auto const second = bench.scrub({.from = first.next});
  CHECK(second.whole);
  CHECK(second.segments == 2);
  CHECK(first.bytes + second.bytes == bench.scrub().bytes);
}

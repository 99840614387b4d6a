// SPDX-License-Identifier: BSL-1.0
// How a log is opened: as planned, on many threads, with every step told, and read meanwhile.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "catch.hpp"
#include "holdfast/log.hpp"
#include "holdfast/log/examine.hpp"
#include "holdfast/log/front.hpp"
#include "holdfast/report/metrics.hpp"
#include "holdfast/reprocess/executor.hpp"
#include "holdfast/testing/explorer.hpp"
#include "holdfast/testing/serial_files.hpp"
#include "holdfast/testing/simulated_disk.hpp"

namespace log_opening {
using hf::Recovery;
using hf::Verdict;
using Files = hf::testing::SerialFiles<>;
using World = hf::testing::SimulatedWorld;
using Lines = std::vector<std::string>;

// Six segments of ten records.
struct OpeningBench {
  hf::testing::SimulatedDisk disk{};
  hf::testing::SimulatedProcess process = disk.start();
  Files files{process};

  template <Recovery How = Recovery::cut>
  [[nodiscard]] auto open(hf::LogOptions options = {}) const {
    options.segment_size = 1 << 30;
    return hf::BasicLog<Files, How, World>::open("/log", std::move(options), files, process.world);
  }
  [[nodiscard]] hf::LogReport examine(hf::LogOptions const& options = {}) const {
    return hf::examine_log("/log", options, files).value();
  }
  OpeningBench() {
    auto log = open().value();
    for (int i = 0; i < 60; ++i) {
      if (i % 10 == 0) REQUIRE(log.roll());
      REQUIRE(log.append(hf::as_bytes("record " + std::to_string(i))));
    }
    REQUIRE(log.close());
  }
  [[nodiscard]] static std::string segment(std::uint64_t base) {
    return "/log/" + hf::detail::segment_name(base);
  }
  void change(std::uint64_t base, std::function<void(hf::bytes&)> const& how) const {
    auto content = hf::detail::read_file(files, segment(base), 1 << 24).value();
    how(content);
    auto file = files.open(segment(base), hf::Open::write).value();
    REQUIRE(files.resize(file, 0));
    REQUIRE(files.write_at(file, 0, content));
  }
  void flip(std::uint64_t base, std::size_t at) const {
    change(base, [at](hf::bytes& content) { content[at] ^= std::byte{1}; });
  }
  void tear() const {
    change(50, [](hf::bytes& content) { content.resize(content.size() + 7, std::byte{9}); });
  }
  [[nodiscard]] std::vector<std::pair<std::string, hf::bytes>> all() const {
    std::vector<std::pair<std::string, hf::bytes>> out;
    auto const entries = files.list("/log").value();
    for (auto const& entry : entries) {
      out.emplace_back(entry.name,
                       hf::detail::read_file(files, "/log/" + entry.name, 1 << 24).value());
    }
    return out;
  }
};

template <class All>
std::vector<std::uint64_t> sequences(All all) {
  std::vector<std::uint64_t> out;
  for (auto const& record : all) {
    REQUIRE(record);
    out.push_back(record.value().sequence);
  }
  return out;
}
void check_same(hf::LogReport const& a, hf::LogReport const& b) {
  CHECK(a.verdict == b.verdict);
  CHECK(a.fingerprint == b.fingerprint);
  CHECK(a.records == b.records);
  CHECK(a.foreign == b.foreign);
  CHECK(a.missing_records == b.missing_records);
  REQUIRE(a.segments.size() == b.segments.size());
  for (std::size_t i = 0; i < a.segments.size(); ++i) {
    CHECK(a.segments[i].base == b.segments[i].base);
    CHECK(a.segments[i].recovered.found == b.segments[i].recovered.found);
  }
}
}  // namespace log_opening

using namespace log_opening;  // NOLINT(google-build-using-namespace)

TEST_CASE("a log is opened as planned, or not at all", "[log][plan]") {
  OpeningBench const bench;
  bench.tear();
  auto const planned = bench.examine();
  CHECK(planned.verdict == Verdict::torn_tail);
  CHECK(planned.records == 60);
  SECTION("nothing has changed") {
    auto const log = bench.open({.plan = planned.fingerprint});
    REQUIRE(log);
    CHECK(log.value().report().fingerprint == planned.fingerprint);
    CHECK(log.value().report().cut_bytes == 7);
  }
  SECTION("something has") {
    auto const what = GENERATE(0, 1, 2, 3);
    if (what == 0) bench.tear();
    if (what == 1) bench.flip(20, 4096 + 41);
    if (what == 2) REQUIRE(bench.files.remove(OpeningBench::segment(0)));
    if (what == 3) bench.change(50, [](hf::bytes& content) { content.back() ^= std::byte{1}; });
    auto const before = bench.all();
    auto const refused = bench.open<Recovery::salvage>({.plan = planned.fingerprint});
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code() == hf::errc::conflict);
    CHECK(bench.all() == before);
  }
}

TEST_CASE("segments that are examined together give the report of one after the other",
          "[log][threads]") {
  OpeningBench const bench;
  bench.tear();
  auto const damaged = GENERATE(false, true);
  if (damaged) {
    bench.flip(20, 4096 + 41);
    REQUIRE(bench.files.remove(OpeningBench::segment(40)));
  }
  auto const serial = bench.examine();
  CHECK(serial.segments.size() == (damaged ? 5 : 6));
  for (std::size_t const at_once : {2u, 3u, 16u}) {
    hf::Threads threads{at_once};
    hf::LogOptions together{.at_once = at_once};
    together.post = [&](auto work) { return threads.post(std::move(work)); };
    check_same(bench.examine(together), serial);
  }
  // What is never run is done by the one who waits for it; what is run late touches nothing.
  std::vector<std::function<void()>> late;
  hf::LogOptions later{.at_once = 4};
  later.post = [&](auto work) {
    late.push_back(std::move(work));
    return hf::result<void>{hf::ok()};
  };
  check_same(bench.examine(later), serial);
  REQUIRE(late.size() == 3);
  for (auto const& work : late) work();
  later.post = [](auto const&) -> hf::result<void> { return hf::failure(hf::errc::busy, "post"); };
  check_same(bench.examine(later), serial);
  auto const log = bench.open<Recovery::salvage>(later);
  REQUIRE(log);
  CHECK(log.value().report().fingerprint == serial.fingerprint);
}

TEST_CASE("an unreadable segment refuses the log with the first error, and nothing is touched",
          "[log][threads][faults]") {
  OpeningBench const bench;
  bench.tear();
  auto const before = bench.all();
  for (std::size_t const at_once : {1u, 3u}) {
    hf::Threads threads{at_once};
    hf::LogOptions options{.at_once = at_once};
    options.post = [&](auto work) { return threads.post(std::move(work)); };
    auto& calls = bench.process.files.calls();
    calls.fail(
        {.call = hf::testing::Call::read, .path_has = ".seg", .times = hf::testing::Fault::always});
    auto const log = bench.open<Recovery::salvage>(options);
    calls.heal();
    REQUIRE_FALSE(log);
    CHECK(log.error().code() == hf::errc::io);
    CHECK(bench.all() == before);
  }
}

TEST_CASE("the observer is told every step of a recovery", "[log][observer]") {
  OpeningBench const bench;
  bench.tear();
  Lines told;
  bench.process.world.observe([&](hf::Event const& event) {
    REQUIRE(event.kind == hf::Event::Kind::segment);
    auto const& step = event.segment;
    std::string line{name(step.kind)};
    line += " " + std::to_string(step.base);
    if (!step.verdict.empty()) line += " " + std::string{step.verdict};
    if (event.cause != nullptr) line += ": " + event.cause->text();
    told.push_back(line);
  });
  auto const examined = [](std::string const& third) {
    return Lines{"examined 0 clean",  "examined 10 clean", "examined 20 " + third,
                 "examined 30 clean", "examined 40 clean", "examined 50 torn tail"};
  };
  auto const then = [](Lines first, Lines const& second) {
    first.insert(first.end(), second.begin(), second.end());
    return first;
  };
  SECTION("of a torn tail") {
    auto log = bench.open().value();
    Lines const opened{"examined 50 torn tail", "set_aside 50 torn tail", "cut 50 torn tail",
                       "begun 50"};
    CHECK(told == then(examined("clean"), opened));
    told.clear();
    REQUIRE(log.append(hf::as_bytes("next")));
    REQUIRE(log.roll());
    CHECK(told == Lines{"sealed 50", "examined 61 clean", "begun 61"});
    told.clear();
    CHECK(log.index().value() == 6);
    CHECK(log.drop_before(20).value() == 2);
    CHECK(told == Lines{"indexed 0", "indexed 10", "indexed 20", "indexed 30", "indexed 40",
                        "indexed 50", "dropped 0", "dropped 10"});
  }
  SECTION("of damage that is refused") {
    bench.flip(20, 4096 + 41);
    CHECK_FALSE(bench.open());
    REQUIRE(told.size() == 7);
    CHECK(told.back().starts_with("refused 20 sealed damage: "));
  }
  SECTION("of damage that is set aside") {
    bench.flip(20, 4096 + 41);
    CHECK(bench.open<Recovery::quarantine>());
    Lines const done{
        "moved 50",      "moved 40", "moved 30", "examined 20 damage", "set_aside 20 damage",
        "cut 20 damage", "begun 20"};
    CHECK(told == then(examined("sealed damage"), done));
  }
  SECTION("of damage that is skipped") {
    bench.flip(20, 4096 + 41);
    CHECK(bench.open<Recovery::salvage>());
    REQUIRE(told.size() == 6 + 5);
    CHECK(told[6] == "skipped 20 sealed damage");
  }
}

TEST_CASE("the steps of logs are counted", "[log][observer][metrics]") {
  OpeningBench const bench;
  bench.tear();
  hf::Metrics metrics;
  bench.process.world.observe(metrics.observer());
  REQUIRE(bench.open());
  hf::Prometheus out;
  metrics.put(out);
  for (auto const* line : {"{step=\"examined\"} 7\n", "{step=\"set_aside\"} 1\n",
                           "{step=\"cut\"} 1\n", "{step=\"begun\"} 1\n", "{step=\"mended\"} 0\n"}) {
    CHECK_THAT(std::string{out.text()},
               Catch::Matchers::ContainsSubstring("holdfast_log_steps_total" + std::string{line}));
  }
}

TEST_CASE("what is verified of a log is read while the rest is recovered", "[log][front]") {
  OpeningBench const bench;
  bench.tear();
  hf::BasicLogFront<Files> const front{"/log", bench.files};
  CHECK(sequences(front.records()).empty());
  // After each segment the opener waits until a reader has read what holds by then.
  std::vector<std::pair<std::uint64_t, std::size_t>> read;
  hf::LogOptions options{.progress = front.progress()};
  bench.process.world.observe([&](hf::Event const& event) {
    if (event.segment.kind != hf::SegmentStep::Kind::examined || read.size() == 6) return;
    std::thread{[&] {
      auto const verified = front.verified();
      auto const all = sequences(front.records());
      CHECK(verified.of_segments == 6);
      CHECK_FALSE(verified.ended);
      CHECK(verified.next_sequence == all.size());
      read.emplace_back(all.size(), verified.segments);
    }}.join();
  });
  auto const log = bench.open(options);
  REQUIRE(log);
  decltype(read) const expected{{10, 1}, {20, 2}, {30, 3}, {40, 4}, {50, 5}, {60, 5}};
  CHECK(read == expected);
  CHECK(front.verified().ended);
  CHECK(front.verified().segments == 6);
  CHECK(sequences(front.records({.sequence = 55})).size() == 5);
}

TEST_CASE("a log that is refused still serves what holds before the break", "[log][front]") {
  OpeningBench const bench;
  hf::BasicLogFront<Files> const front{"/log", bench.files};
  std::uint64_t expected = 0;
  SECTION("damage") {
    bench.flip(20, 4096 + 41);
    expected = 20;
  }
  SECTION("a hole") {
    REQUIRE(bench.files.remove(OpeningBench::segment(30)));
    expected = 30;
  }
  SECTION("a segment that lacks its end") {
    bench.change(10, [](hf::bytes& content) { content.resize(4096 + 3 * 56 + 9); });
    expected = 13;
  }
  SECTION("a copy of another segment") {
    auto const other = hf::detail::read_file(bench.files, OpeningBench::segment(10), 1 << 24);
    bench.change(40, [&](hf::bytes& content) { content = other.value(); });
    expected = 40;
  }
  CHECK_FALSE(bench.open({.progress = front.progress()}));
  CHECK(front.verified().ended);
  CHECK(front.verified().next_sequence == expected);
  CHECK(sequences(front.records()).size() == expected);
}

TEST_CASE("of the segment that was written last only what is durable is shown", "[log][front]") {
  OpeningBench const bench;
  {
    auto log = bench.open().value();
    REQUIRE(log.append(hf::as_bytes("synced")));
    REQUIRE(log.sync());
    REQUIRE(log.append(hf::as_bytes("not synced")));
  }
  hf::BasicLogFront<Files> const front{"/log", bench.files};
  static_cast<void>(bench.examine({.progress = front.progress()}));
  CHECK(sequences(front.records()).size() == 61);
  auto const log = bench.open({.progress = front.progress()});
  CHECK(sequences(front.records()).size() == 62);
}

TEST_CASE("what a recovery has shown is there after every crash of it", "[log][front][crash]") {
  using namespace hf::testing;  // NOLINT(google-build-using-namespace)
  using CrashedLog = hf::BasicLog<SimulatedFiles, Recovery::cut, SimulatedWorld>;
  auto const acked = [](Run& run, std::uint64_t n) { run.note({Note::Kind::acked, n, 0, 0}); };
  Scenario scenario{};
  scenario.name = "front";
  scenario.work = [&](Run& run) -> hf::testing::Verdict {
    auto const process = run.start();
    auto log = CrashedLog::open("/log", {.segment_size = 9000}, process.files, process.world);
    for (std::uint64_t n = 1; log && n <= 8; ++n) {
      run.note({Note::Kind::started, n, 0, 0});
      REQUIRE(log.value().append(hf::as_bytes(std::to_string(n))));
      if (n % 3 != 0) continue;
      REQUIRE(log.value().sync());
      for (auto m = n - 2; m <= n; ++m) acked(run, m);
    }
    return {};
  };
  scenario.recover = [&](Run& run) {
    auto const process = run.start();
    hf::BasicLogFront<SimulatedFiles> const front{"/log", process.files};
    process.world.observe([&](hf::Event const& event) {
      if (event.segment.kind != hf::SegmentStep::Kind::examined) return;
      for (auto const& record : front.records()) {
        if (record) acked(run, record.value().sequence + 1);  // a reader may have acted on it
      }
    });
    hf::testing::Recovered out;
    hf::LogOptions const options{.segment_size = 9000, .progress = front.progress()};
    auto const log = CrashedLog::open("/log", options, process.files, process.world);
    std::vector<std::uint64_t> seen;
    if (log) seen = sequences(log.value().records());
    for (auto const n : seen) out.seen += std::to_string(n) + " ";
    out.left = out.seen;
    for (auto const& note : run.history()) {
      bool const there = std::find(seen.begin(), seen.end(), note.number - 1) != seen.end();
      if (note.kind == Note::Kind::acked && !there) {
        out.broken = Violation{"front", std::to_string(note.number), out.seen};
      }
    }
    return out;
  };
  for (auto const mode : {CrashMode::ext4, CrashMode::any}) {
    ExploreOptions options{.mode = mode};
    options.max_states = 1500;
    auto const found = explore(scenario, options);
    INFO(found.states << " states\n" << found.report);
    CHECK(found.report.empty());
    CHECK(found.states > 500);
  }
}

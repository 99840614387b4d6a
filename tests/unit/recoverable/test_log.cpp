// SPDX-License-Identifier: BSL-1.0
// A directory of segments: it rolls, reads on over all of them, and skips no break silently.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <ranges>
#include <string>
#include <vector>

#include "catch.hpp"
#include "holdfast/log.hpp"
#include "holdfast/testing/simulated_disk.hpp"

namespace {
using hf::Recovery;
using hf::Verdict;
using Fs = hf::testing::SimulatedFiles;
using Texts = std::vector<std::string>;

struct LogBench {
  hf::testing::SimulatedDisk disk{};
  hf::testing::SimulatedProcess process = disk.start();

  template <Recovery How = Recovery::cut>
  [[nodiscard]] auto open() const {
    return hf::BasicLog<Fs, How, hf::testing::SimulatedWorld>::open("/log", {.segment_size = 1},
                                                                    process.files, process.world);
  }
  // Five segments of one record each.
  void write() const {
    auto log = open().value();
    for (auto const* text : {"one", "two", "three", "four", "five"}) {
      REQUIRE(log.append(hf::as_bytes(text)));
      REQUIRE(log.sync());
    }
    REQUIRE(log.close());
  }
  [[nodiscard]] static std::string segment(std::uint64_t base) {
    return "/log/" + hf::detail::segment_name(base);
  }
  [[nodiscard]] hf::bytes raw(std::uint64_t base) const {
    return hf::detail::read_file(process.files, segment(base), 1 << 24).value();
  }
  void put(std::string const& path, hf::bytes_view content) const {
    static_cast<void>(hf::detail::remove_if_there(process.files, path));
    REQUIRE(hf::detail::write_new_file(process.files, path, content));
  }
  void flip(std::uint64_t base, std::size_t at) const {
    auto content = raw(base);
    content[at] ^= std::byte{1};
    put(segment(base), content);
  }
  [[nodiscard]] std::vector<std::string> names() const {
    std::vector<std::string> all;
    auto const entries = process.files.list("/log").value();
    for (auto const& entry : entries) all.push_back(entry.name);
    return all;
  }
};

template <class Log>
Texts read_all(Log const& log, hf::From first = {}) {
  Texts all;
  for (auto const& record : log.records(first)) {
    all.emplace_back(record ? std::string{hf::as_text(record.value().payload)}
                            : "error: " + record.error().text());
  }
  return all;
}
template <class Opened>
hf::errc refusal(Opened const& opened) {
  REQUIRE_FALSE(opened);
  return opened.error().code();
}
Texts const all_five = {"one", "two", "three", "four", "five"};
}  // namespace

TEST_CASE("a log rolls, and is read over all its segments", "[log]") {
  LogBench const bench;
  bench.write();
  auto log = bench.open().value();
  CHECK(log.report().verdict == Verdict::clean);
  CHECK(log.report().segments.size() == 5);
  CHECK(log.report().records == 5);
  CHECK(read_all(log) == all_five);
  CHECK(read_all(log, {.sequence = 3}) == Texts{"four", "five"});
  CHECK(read_all(log, {.time_ns = INT64_MAX}).empty());
  CHECK(log.tail().next_sequence == 5);
}

TEST_CASE("records of a log compose with std::ranges", "[log]") {
  LogBench const bench;
  bench.write();
  auto const log = bench.open().value();
  auto all = log.records();
  static_assert(std::input_iterator<decltype(all.begin())>);
  std::uint64_t sum = 0;
  std::ranges::for_each(all, [&](auto const& record) { sum += record.value().payload.size(); });
  CHECK(sum == 3 + 3 + 5 + 4 + 4);
}

TEST_CASE("names that are not the log's are reported and left alone", "[log][R11]") {
  LogBench const bench;
  bench.write();
  for (auto const* name : {"notes.txt", "7.seg", "000000000000000000x1.seg",
                           "99999999999999999999.seg", "00000000000000000001.seg.bak"}) {
    bench.put(std::string{"/log/"} + name, hf::as_bytes("junk"));
  }
  auto const before = bench.names();
  CHECK(bench.open().value().report().foreign.size() == 5);
  CHECK(bench.names() == before);
}

TEST_CASE("a missing segment stops the log", "[log][R8]") {
  LogBench const bench;
  bench.write();
  REQUIRE(bench.process.files.remove(LogBench::segment(2)));
  CHECK(refusal(bench.open<Recovery::refuse>()) == hf::errc::hole);
  CHECK(refusal(bench.open()) == hf::errc::hole);
  SECTION("quarantine sets aside what is behind it") {
    auto log = bench.open<Recovery::quarantine>().value();
    CHECK(log.report().verdict == Verdict::hole);
    CHECK(log.report().set_aside.size() == 2);
    CHECK(read_all(log) == Texts{"one", "two"});
    REQUIRE(log.append(hf::as_bytes("new")));
    REQUIRE(log.sync());
    CHECK(read_all(log) == Texts{"one", "two", "new"});
  }
  SECTION("salvage reads on behind it, and says what is missing") {
    auto const log = bench.open<Recovery::salvage>().value();
    CHECK(log.report().missing_records == 1);
    CHECK(read_all(log) == Texts{"one", "two", "four", "five"});
  }
  SECTION("the first segments may be missing: retention removes them") {
    REQUIRE(bench.process.files.remove(LogBench::segment(0)));
    REQUIRE(bench.process.files.remove(LogBench::segment(1)));
    CHECK(read_all(bench.open().value()) == Texts{"four", "five"});
  }
}

TEST_CASE("a copy of a segment under another name, or a second one, is refused", "[log][R8]") {
  LogBench const bench;
  bench.write();
  auto const whole = bench.raw(1);
  SECTION("beyond the end") {
    bench.put(LogBench::segment(5), whole);
    CHECK(refusal(bench.open<Recovery::salvage>()) == hf::errc::foreign);
  }
  SECTION("in place of another") {
    bench.put(LogBench::segment(3), whole);
    CHECK(refusal(bench.open<Recovery::quarantine>()) == hf::errc::foreign);
  }
  CHECK(bench.raw(1) == whole);
}

TEST_CASE("damage in a sealed segment is refused, set aside, or skipped", "[log][R5]") {
  LogBench const bench;
  bench.write();
  bench.flip(1, 4096 + 41);
  auto const before = bench.names();
  CHECK(refusal(bench.open()) == hf::errc::damaged);
  CHECK(bench.names() == before);
  SECTION("quarantine") {
    auto const log = bench.open<Recovery::quarantine>().value();
    CHECK(log.report().verdict == Verdict::sealed_damage);
    CHECK(log.report().set_aside.size() == 3);
    CHECK(read_all(log) == Texts{"one"});
  }
  SECTION("salvage") {
    auto const log = bench.open<Recovery::salvage>().value();
    CHECK(read_all(log) == Texts{"one", "three", "four", "five"});
    CHECK(log.report().skipped_bytes != 0);
  }
}

TEST_CASE("a sealed segment that was cut short is damage, wherever it was cut", "[log][R5]") {
  LogBench const bench;
  bench.write();
  auto const whole = bench.raw(1);
  for (std::size_t size = 0; size < whole.size(); size += 61) {
    bench.put(LogBench::segment(1), hf::bytes_view{whole}.first(size));
    CHECK(refusal(bench.open()) == hf::errc::damaged);
  }
}

TEST_CASE("retention removes whole segments, the oldest first", "[log]") {
  LogBench const bench;
  bench.write();
  {
    auto log = bench.open().value();
    CHECK(log.drop_before(2).value() == 2);
    CHECK(read_all(log) == Texts{"three", "four", "five"});
    CHECK(log.drop_before(100).value() == 2);
    CHECK(read_all(log) == Texts{"five"});
  }
  auto const log = bench.open().value();
  CHECK(log.tail().next_sequence == 5);
  CHECK(read_all(log) == Texts{"five"});
}

TEST_CASE("two recoverers at once: one is told that it is busy", "[log][R10]") {
  LogBench const bench;
  auto const log = bench.open().value();
  CHECK(refusal(bench.open()) == hf::errc::busy);
}

TEST_CASE("every call that fails leaves a log that recovers with all it acknowledged",
          "[log][faults]") {
  for (std::uint64_t call = 1;; ++call) {
    CAPTURE(call);
    LogBench const bench;
    auto& faults = bench.process.files.calls();
    faults.fail({.first = call, .half = true});
    Texts acknowledged;
    {
      auto log = bench.open();
      for (auto const& text : all_five) {
        if (!log || !log.value().append(hf::as_bytes(text)) || !log.value().sync()) break;
        acknowledged.push_back(text);
      }
    }
    bool const struck = faults.failed != 0;
    faults.heal();
    auto const log = bench.open();
    REQUIRE(log);
    auto const kept = read_all(log.value());
    REQUIRE(kept.size() >= acknowledged.size());
    CHECK(std::equal(acknowledged.begin(), acknowledged.end(), kept.begin()));
    CHECK(std::equal(kept.begin(), kept.end(), all_five.begin()));
    if (!struck) break;
  }
}

TEST_CASE("to roll a segment without records does nothing", "[log]") {
  LogBench const bench;
  {
    auto log = bench.open().value();
    REQUIRE(log.roll());
    REQUIRE(log.append(hf::as_bytes("one")));
    REQUIRE(log.roll());
    REQUIRE(log.roll());
    REQUIRE(log.append(hf::as_bytes("two")));
    REQUIRE(log.sync());
  }
  CHECK(read_all(bench.open().value()) == Texts{"one", "two"});
}

TEST_CASE("a segment that was sealed without records is opened and written", "[log]") {
  LogBench const bench;
  bench.write();
  {
    auto log = bench.open().value();
    REQUIRE(log.roll());
  }
  {
    auto file = hf::BasicFileSegment<Fs>::open(LogBench::segment(5), bench.process.files).value();
    auto empty =
        hf::open_recoverable(std::move(file), hf::Framed{{.base = 5}}, {}, {}, bench.process.world);
    REQUIRE(empty);
    REQUIRE(empty.value().seal());
  }
  for (auto const* text : {"six", "seven"}) {
    auto log = bench.open();
    REQUIRE(log);
    REQUIRE(log.value().append(hf::as_bytes(text)));
    REQUIRE(log.value().sync());
  }
  auto all = all_five;
  all.insert(all.end(), {"six", "seven"});
  CHECK(read_all(bench.open().value()) == all);
}

TEST_CASE("a roll whose footer was not synced is not carried on", "[log][faults]") {
  LogBench const bench;
  auto log = bench.open().value();
  REQUIRE(log.append(hf::as_bytes("one")));
  REQUIRE(log.sync());
  bench.process.files.calls().fail({.call = hf::testing::Call::sync});
  CHECK(refusal(log.roll()) == hf::errc::sync_failed);
  bench.process.files.calls().heal();
  CHECK(refusal(log.append(hf::as_bytes("two"))) == hf::errc::poisoned);
  CHECK(refusal(log.roll()) == hf::errc::poisoned);
  REQUIRE(log.reopen());
  REQUIRE(log.append(hf::as_bytes("two")));
  REQUIRE(log.sync());
  CHECK(read_all(log) == Texts{"one", "two"});
}

TEST_CASE("a segment that lacks only its footer is no break to a quarantine", "[log][R5]") {
  LogBench const bench;
  bench.write();
  auto whole = bench.raw(1);
  whole.resize(whole.size() - 40);
  bench.put(LogBench::segment(1), whole);
  static_cast<void>(
      hf::detail::remove_if_there(bench.process.files, LogBench::segment(1) + ".point"));
  CHECK(refusal(bench.open()) == hf::errc::damaged);
  auto const log = bench.open<Recovery::quarantine>().value();
  CHECK(log.report().verdict == Verdict::sealed_damage);
  CHECK(read_all(log) == all_five);
}

TEST_CASE("a segment that is set aside leaves no point to the next of its name", "[log][R5]") {
  LogBench const bench;
  bench.write();
  bench.flip(0, 4096 + 41);
  REQUIRE(bench.process.files.sync_directory("/log"));
  std::vector<std::string> calls_made;
  auto& calls = bench.process.files.calls();
  calls.spy = [&](hf::testing::Call call, std::string const& of) {
    if (call == hf::testing::Call::remove || call == hf::testing::Call::rename ||
        call == hf::testing::Call::sync_directory) {
      calls_made.push_back(std::string{name(call)} + " " + of);
    }
  };
  REQUIRE(bench.open<Recovery::quarantine>());
  calls.spy = {};
  REQUIRE(calls_made.size() > 4);
  CHECK(calls_made[1] == "remove " + LogBench::segment(4) + ".point");
  CHECK(calls_made[2] == "sync directory /log");
  CHECK(calls_made[3] == "rename " + LogBench::segment(4) + ".aside");
  for (std::uint64_t base = 1; base < 5; ++base) {
    auto const there =
        hf::detail::is_there(bench.process.files, LogBench::segment(base) + ".point");
    CHECK_FALSE(there.value());
  }
}

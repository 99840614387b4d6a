// SPDX-License-Identifier: BSL-1.0
// What a log lacks is taken from a replica, if it is one: whole frames, and whole segments.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "catch.hpp"
#include "holdfast/log.hpp"
#include "holdfast/log/examine.hpp"
#include "holdfast/log/mend.hpp"
#include "holdfast/testing/explorer.hpp"
#include "holdfast/testing/simulated_disk.hpp"

namespace log_mend {
using hf::errc;
using MendFs = hf::testing::SimulatedFiles;
using MendWorld = hf::testing::SimulatedWorld;
using MendLog = hf::BasicLog<MendFs, hf::Recovery::cut, MendWorld>;
using Damage = std::function<void(hf::bytes&)>;

std::string segment_at(std::string const& directory, std::uint64_t base) {
  return directory + "/" + hf::detail::segment_name(base);
}

std::string text_of(std::uint64_t n) {
  return "record " + std::to_string(100 + n);
}

// A log of four segments of five records, and a replica of it.
struct MendBench {
  hf::testing::SimulatedProcess process;

  explicit MendBench(hf::testing::SimulatedProcess in, std::uint64_t records = 20)
      : process{std::move(in)} {
    auto log = open().value();
    for (std::uint64_t i = 0; i < records; ++i) {
      if (i % 5 == 0) REQUIRE(log.roll());
      REQUIRE(log.append(hf::as_bytes(text_of(i))));
      REQUIRE(log.sync());
    }
    copy_to("/replica");
  }
  [[nodiscard]] hf::result<MendLog> open(std::string const& directory = "/log") const {
    return MendLog::open(directory, {.segment_size = 1 << 30, .align = 0}, process.files,
                         process.world);
  }
  [[nodiscard]] hf::bytes raw(std::string const& path) const {
    return hf::detail::read_file(process.files, path, 1 << 20).value();
  }
  void copy_to(std::string const& directory) const {
    REQUIRE(hf::detail::make_directories(process.files, directory));
    auto const entries = process.files.list("/log").value();
    for (auto const& entry : entries) {
      if (!entry.name.ends_with(".seg")) continue;
      auto const to = directory + "/" + entry.name;
      REQUIRE(hf::detail::write_new_file(process.files, to, raw("/log/" + entry.name)));
    }
  }
  void change(std::string const& path, Damage const& how) const {
    auto content = raw(path);
    how(content);
    auto file = process.files.open(path, hf::Open::write).value();
    REQUIRE(process.files.resize(file, 0));
    REQUIRE(process.files.write_at(file, 0, content));
    REQUIRE(process.files.sync(file));
  }
  [[nodiscard]] std::vector<hf::Mended> mend() const {
    hf::BasicDirectoryReplica<MendFs> const replica{"/replica", process.files};
    return hf::repair_from("/log", replica, {}, process.files, process.world).value();
  }
  [[nodiscard]] bool is_aside(hf::bytes_view content) const {
    auto const entries = process.files.list("/log").value();
    return std::any_of(entries.begin(), entries.end(), [&](auto const& entry) {
      auto const whole = raw("/log/" + entry.name);
      return entry.name.find(".aside-") != std::string::npos &&
             std::search(whole.begin(), whole.end(), content.begin(), content.end()) != whole.end();
    });
  }
};
struct MendRun {
  hf::testing::SimulatedDisk disk{};
  MendBench bench{disk.start()};
};

std::size_t count_records(hf::result<MendLog> const& log) {
  REQUIRE(log);
  std::size_t count = 0;
  for (auto const& record : log.value().records()) {
    REQUIRE(record);
    CHECK(hf::as_text(record.value().payload) == text_of(count));
    ++count;
  }
  return count;
}
constexpr std::size_t frame = 56;  // of each record
std::size_t at_record(std::size_t n) {
  return 64 + n * frame;
}
}  // namespace log_mend

using namespace log_mend;  // NOLINT(google-build-using-namespace)

TEST_CASE("damage at any byte of any segment is taken from the replica", "[log][mend]") {
  for (std::uint64_t const base : {5u, 15u}) {
    MendRun const run;
    auto const& bench = run.bench;
    auto const path = segment_at("/log", base);
    auto const whole = bench.raw(path);
    for (std::size_t at = 0; at < whole.size(); at += 13) {
      CAPTURE(base, at);
      bench.change(path, [&](hf::bytes& content) { content[at] ^= std::byte{0x20}; });
      auto const damaged = bench.raw(path);
      auto const done = bench.mend();
      REQUIRE(done.size() == 1);
      CHECK_FALSE(done.front().left);
      CHECK(done.front().base == base);
      CHECK(bench.raw(path) == whole);
      REQUIRE(done.front().ranges.size() == 1);
      auto const range = done.front().ranges.front();
      CHECK(range.begin <= at);
      CHECK(at < range.end);
      CHECK(range.end - range.begin <= 64);
      CHECK(bench.is_aside(
          hf::bytes_view{damaged}.subspan(static_cast<std::size_t>(range.begin),
                                          static_cast<std::size_t>(range.end - range.begin))));
    }
    CHECK(count_records(bench.open()) == 20);
    CHECK(bench.mend().empty());
  }
}

TEST_CASE("records that a replica is too old to have are never cut", "[log][mend]") {
  MendRun const run;
  auto const& bench = run.bench;
  auto const path = segment_at("/log", 15);
  bench.change(segment_at("/replica", 15), [](auto& content) { content.resize(at_record(1)); });
  bench.change(path, [](auto& content) { content[at_record(3) + 45] ^= std::byte{1}; });
  REQUIRE(hf::detail::remove_if_there(bench.process.files, path + ".point"));
  auto const before = bench.raw(path);
  auto const done = bench.mend();
  REQUIRE(done.size() == 1);
  CHECK((done.front().left && done.front().left->code() == errc::damaged));
  CHECK(bench.raw(path) == before);
}

TEST_CASE("ranges, a lost tail and a lost segment are taken from the replica", "[log][mend]") {
  MendRun const run;
  auto const& bench = run.bench;
  auto const path = segment_at("/log", 5);
  auto const whole = bench.raw(path);
  std::vector<hf::ByteRange> ranges;
  SECTION("two ranges") {
    bench.change(path, [](hf::bytes& content) {
      content[at_record(1) + 3] ^= std::byte{1};
      content[at_record(3) + 41] ^= std::byte{1};
    });
    ranges = {{at_record(1), at_record(2)}, {at_record(3), at_record(4)}};
  }
  SECTION("neighbours, and the header with the first record") {
    bench.change(path, [](hf::bytes& content) {
      std::fill_n(content.begin(), at_record(2) - 8, std::byte{0});
    });
    ranges = {{0, at_record(2)}};
  }
  SECTION("the replica is damaged behind that") {
    bench.change(path, [](hf::bytes& content) { content[at_record(1)] ^= std::byte{1}; });
    bench.change(segment_at("/replica", 5),
                 [](hf::bytes& content) { content[at_record(3)] ^= std::byte{1}; });
    ranges = {{at_record(1), at_record(2)}};
  }
  SECTION("the end of a sealed segment") {
    bench.change(path, [](hf::bytes& content) { content.resize(at_record(2) + 9); });
    ranges = {{at_record(2), whole.size()}};
  }
  SECTION("all but the header") {
    bench.change(path, [](hf::bytes& content) { content.resize(64); });
    ranges = {{64, whole.size()}};
  }
  auto const done = bench.mend();
  REQUIRE(done.size() == 1);
  CHECK_FALSE(done.front().left);
  CHECK(done.front().ranges == ranges);
  CHECK(bench.raw(path) == whole);
  CHECK(count_records(bench.open()) == 20);
}

TEST_CASE("segments that are missing between others are taken whole", "[log][mend]") {
  MendRun const run;
  auto const& bench = run.bench;
  REQUIRE(bench.process.files.remove(segment_at("/log", 5)));
  REQUIRE(bench.process.files.remove(segment_at("/log", 10)));
  auto const done = bench.mend();
  REQUIRE(done.size() == 2);
  CHECK(done[0].was_missing);
  CHECK(done[1].base == 10);
  CHECK(count_records(bench.open()) == 20);
}

TEST_CASE("of the segment that was written last no more is taken than was durable", "[log][mend]") {
  MendRun const run;
  auto const& bench = run.bench;
  auto const path = segment_at("/log", 15);
  bench.change(path, [](hf::bytes& content) { content.resize(at_record(3) + 5); });
  // The replica has gone on, in a time of its own.
  {
    REQUIRE(bench.process.files.remove(segment_at("/log", 0)));
    auto other = bench.open("/replica").value();
    REQUIRE(other.append(hf::as_bytes("another time")));
    REQUIRE(other.sync());
  }
  auto const done = bench.mend();
  REQUIRE(done.size() == 1);
  CHECK(done.front().ranges == std::vector<hf::ByteRange>{{at_record(3), at_record(5)}});
  auto const log = bench.open().value();
  CHECK(log.tail().next_sequence == 20);
}

TEST_CASE("what is no replica, or does not hold itself, changes nothing", "[log][mend]") {
  MendRun const run;
  auto const& bench = run.bench;
  auto const path = segment_at("/log", 5);
  auto const other = segment_at("/replica", 5);
  bench.change(path, [](hf::bytes& content) { content[at_record(1)] ^= std::byte{1}; });
  auto expected = errc::damaged;
  SECTION("damaged at the same place") {
    bench.change(other, [](hf::bytes& content) { content[at_record(1) + 50] ^= std::byte{1}; });
  }
  SECTION("damaged elsewhere: what is missing here can't be joined to the rest") {
    bench.change(other, [](hf::bytes& content) { content[at_record(0)] ^= std::byte{1}; });
  }
  SECTION("shorter") {
    bench.change(other, [](hf::bytes& content) { content.resize(at_record(1) + 20); });
  }
  SECTION("of another log") {
    REQUIRE(bench.process.files.remove(other));
    {
      auto log = bench.open("/other").value();
      for (std::uint64_t i = 0; i < 11; ++i) {
        if (i == 5 || i == 10) REQUIRE(log.roll());
        REQUIRE(log.append(hf::as_bytes(text_of(i))));
        REQUIRE(log.sync());
      }
    }
    auto const content = bench.raw(segment_at("/other", 5));
    REQUIRE(hf::detail::write_new_file(bench.process.files, other, content));
    expected = errc::foreign;
  }
  SECTION("another segment under its name") {
    auto const copied = bench.raw(segment_at("/replica", 10));
    bench.change(other, [&](hf::bytes& content) { content = copied; });
    expected = errc::damaged;
  }
  SECTION("not there") {
    REQUIRE(bench.process.files.remove(other));
    expected = errc::not_found;
  }
  auto const before = bench.raw(path);
  auto const done = bench.mend();
  REQUIRE(done.size() == 1);
  REQUIRE(done.front().left);
  CHECK(done.front().left->code() == expected);
  CHECK(bench.raw(path) == before);
  CHECK_FALSE(bench.open());
}

TEST_CASE("another log gives nothing, also where nothing is left to compare", "[log][mend]") {
  MendRun const run;
  auto const& bench = run.bench;
  for (auto const base : {0u, 5u, 10u, 15u}) {
    REQUIRE(bench.process.files.remove(segment_at("/replica", base)));
  }
  {
    auto log = bench.open("/replica").value();
    for (std::uint64_t i = 0; i < 20; ++i) {
      if (i % 5 == 0) REQUIRE(log.roll());
      REQUIRE(log.append(hf::as_bytes(text_of(i))));
    }
    REQUIRE(log.close());
  }
  auto const path = segment_at("/log", 10);
  SECTION("a missing segment") {
    REQUIRE(bench.process.files.remove(path));
  }
  SECTION("zeros") {
    bench.change(
        path, [](hf::bytes& content) { std::fill(content.begin(), content.end(), std::byte{}); });
  }
  auto const done = bench.mend();
  REQUIRE(done.size() == 1);
  REQUIRE(done.front().left);
  CHECK(done.front().left->code() == errc::foreign);
  CHECK_FALSE(bench.open());
}

TEST_CASE("a log that is open is not mended, nor a torn tail", "[log][mend]") {
  MendRun const run;
  auto const& bench = run.bench;
  {
    auto const log = bench.open().value();
    hf::BasicDirectoryReplica<MendFs> const replica{"/replica", bench.process.files};
    auto const done = hf::repair_from("/log", replica, {}, bench.process.files);
    REQUIRE_FALSE(done);
    CHECK(done.error().code() == errc::busy);
  }
  bench.change(segment_at("/log", 15), [](hf::bytes& content) { content.push_back({}); });
  CHECK(bench.mend().empty());
}

TEST_CASE("every call of a repair that fails leaves what can be repaired, and the evidence",
          "[log][mend][faults]") {
  for (bool const half : {false, true}) {
    for (std::uint64_t call = 1;; ++call) {
      CAPTURE(call, half);
      MendRun const run;
      auto const& bench = run.bench;
      auto const path = segment_at("/log", 5);
      bench.change(path, [](hf::bytes& content) { content[at_record(1) + 41] ^= std::byte{1}; });
      REQUIRE(bench.process.files.remove(segment_at("/log", 10)));
      auto const damaged = bench.raw(path);
      auto& faults = bench.process.files.calls();
      faults.fail({.first = call, .half = half});
      hf::BasicDirectoryReplica<MendFs> const replica{"/replica", bench.process.files};
      static_cast<void>(hf::repair_from("/log", replica, {}, bench.process.files));
      bool const struck = faults.failed != 0;
      faults.heal();
      for (auto const& one : bench.mend()) CHECK_FALSE(one.left);
      CHECK(count_records(bench.open()) == 20);
      CHECK(bench.is_aside(hf::bytes_view{damaged}.subspan(at_record(1), frame)));
      if (!struck) break;
    }
  }
}

TEST_CASE("a crash at any call of a repair leaves what can be repaired, and the evidence",
          "[log][mend][crash]") {
  using hf::testing::Run;
  static hf::bytes damaged;
  auto const damage = [](Run& run) {
    MendBench const bench{run.start(), 15};
    auto const path = segment_at("/log", 5);
    bench.change(path, [](hf::bytes& content) { content[at_record(1) + 41] ^= std::byte{1}; });
    damaged = bench.raw(path);
    REQUIRE(bench.process.files.remove(segment_at("/replica", 10)));
    REQUIRE(bench.process.files.sync_directory("/log"));
    REQUIRE(bench.process.files.sync_directory("/replica"));
    REQUIRE(bench.process.files.sync_directory("/"));
  };
  auto const mend = [](hf::testing::SimulatedProcess const& process) {
    hf::BasicDirectoryReplica<MendFs> const replica{"/replica", process.files};
    return hf::repair_from("/log", replica, {}, process.files, process.world);
  };
  hf::testing::Scenario scenario{};
  scenario.name = "mend";
  scenario.work = [&](Run& run) -> hf::testing::Verdict {
    damage(run);
    run.crash_from_here();
    auto const done = mend(run.start());
    if (!done || done.value().size() != 1) return hf::testing::Violation{"mend", "mended", "not"};
    run.note({hf::testing::Note::Kind::acked, 1, 0, 0});
    return {};
  };
  scenario.recover = [&](Run& run) {
    hf::testing::Recovered out;
    auto const process = run.start();
    auto const acked = !run.history().empty();
    auto const done = mend(process);
    auto const again = done ? done.value().size() : 99;
    auto const log = MendLog::open("/log", {.align = 0}, process.files, process.world);
    std::size_t records = 0;
    if (log) {
      for (auto const& record : log.value().records()) records += record ? 1 : 0;
    }
    auto const gone = hf::bytes_view{damaged}.subspan(at_record(1), frame);
    auto const aside = hf::detail::read_file(
        process.files,
        hf::aside_path(segment_at("/log", 5), at_record(1), at_record(2), hf::crc32c(gone)), 4096);
    bool const kept =
        aside && std::equal(gone.begin(), gone.end(), aside.value().begin(), aside.value().end());
    out.seen = out.left = std::to_string(records) + (kept ? " kept" : " lost");
    if (records != 15 || !kept || (acked && again != 0)) {
      out.broken = hf::testing::Violation{"mend", "15 kept", out.seen};
    }
    return out;
  };
  for (auto const mode : {hf::testing::CrashMode::ext4, hf::testing::CrashMode::any}) {
    hf::testing::ExploreOptions options{.mode = mode};
    options.max_states = std::getenv("HOLDFAST_SOAK") != nullptr ? 50'000 : 600;
    auto const found = hf::testing::explore(scenario, options);
    INFO(found.states << " states\n" << found.report);
    CHECK(found.report.empty());
    CHECK(found.states > 100);
  }
}

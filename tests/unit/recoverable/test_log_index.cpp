// SPDX-License-Identifier: BSL-1.0
// Indexes: the same bytes each time, verified entry by entry, and nothing but speed without them.
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "catch.hpp"
#include "holdfast/log.hpp"
#include "holdfast/testing/simulated_disk.hpp"

namespace {
using Fs = hf::testing::SimulatedFiles;
using Log = hf::BasicLog<Fs, hf::Recovery::cut, hf::testing::SimulatedWorld>;

struct IndexBench {
  hf::testing::SimulatedDisk disk{};
  hf::testing::SimulatedProcess process = disk.start();
  std::string segment = "/log/" + hf::detail::segment_name(0);

  [[nodiscard]] Log open() const {
    return Log::open("/log", {.segment_size = 9000, .align = 0}, process.files, process.world)
        .value();
  }
  // Three segments or more.
  void write() const {
    auto log = open();
    for (int i = 0; i < 300; ++i) {
      REQUIRE(log.append(hf::as_bytes("record " + std::to_string(i) + std::string(50, '.'))));
      if (i % 20 == 19) REQUIRE(log.sync());
    }
    REQUIRE(log.close());
  }
  [[nodiscard]] hf::bytes raw(std::string const& path) const {
    return hf::detail::read_file(process.files, path, 1 << 20).value();
  }
  void put(std::string const& path, hf::bytes_view content) const {
    static_cast<void>(hf::detail::remove_if_there(process.files, path));
    REQUIRE(hf::detail::write_new_file(process.files, path, content));
  }
  [[nodiscard]] hf::errc verify(hf::IndexKind kind) const {
    auto const file = hf::BasicFileSegment<Fs>::open_to_read(segment, process.files).value();
    auto const verified = hf::verify_index(process.files, file, hf::Framed{}, segment, kind);
    return verified ? hf::errc::unknown : verified.error().code();
  }
};
std::vector<std::uint64_t> numbers(Log const& log, hf::From first) {
  std::vector<std::uint64_t> all;
  for (auto const& record : log.records(first)) {
    REQUIRE(record);
    all.push_back(record.value().sequence);
  }
  return all;
}
}  // namespace

TEST_CASE("an index changes nothing that is read, only how much", "[log][R3]") {
  IndexBench const bench;
  bench.write();
  for (auto const every : {1u, 7u, 64u, 100000u}) {
    auto plain = bench.open();
    std::vector<std::vector<std::uint64_t>> without;
    std::vector<std::int64_t> times;
    for (auto const& record : plain.records()) times.push_back(record.value().time_ns);
    REQUIRE(times.size() == 300);
    for (std::uint64_t i = 0; i < 302; i += 11) {
      without.push_back(numbers(plain, {.sequence = i}));
      without.push_back(numbers(plain, {.time_ns = times[i % 300]}));
    }
    REQUIRE(plain.index({.every = every}).value() >= 3);
    CHECK(plain.index({.every = every}).value() == 0);
    std::size_t next = 0;
    for (std::uint64_t i = 0; i < 302; i += 11) {
      CHECK(numbers(plain, {.sequence = i}) == without[next++]);
      CHECK(numbers(plain, {.time_ns = times[i % 300]}) == without[next++]);
    }
    REQUIRE(bench.process.files.remove(bench.segment + ".index"));
    CHECK(numbers(plain, {.sequence = 33}) == without[6]);
    REQUIRE(bench.process.files.remove(bench.segment + ".times"));
    // The others are found whole, whatever `every` they were made with.
    CHECK(plain.index({.every = every}).value() == 1);
    auto const names = bench.process.files.list("/log").value();
    for (auto const& entry : names) {
      if (entry.name.ends_with(".index") || entry.name.ends_with(".times")) {
        REQUIRE(bench.process.files.remove("/log/" + entry.name));
      }
    }
  }
}

TEST_CASE("reading from an index skips what is before", "[log]") {
  IndexBench const bench;
  bench.write();
  auto log = bench.open();
  REQUIRE(log.index({.every = 1}));
  // Damage that only a reader of the whole segment meets.
  auto content = bench.raw(bench.segment);
  content[64 + 40] ^= std::byte{1};
  bench.put(bench.segment, content);
  CHECK(numbers(log, {.sequence = 5}).size() == 295);
  auto all = log.records();
  CHECK_FALSE(*all.begin());
}

TEST_CASE("an index is the same byte for byte, and every damage to it is told", "[log][R3]") {
  IndexBench const bench;
  bench.write();
  auto log = bench.open();
  REQUIRE(log.index({.every = 3}));
  for (auto const kind : {hf::IndexKind::sequence, hf::IndexKind::time}) {
    auto const path = hf::detail::index::path_of(bench.segment, kind);
    auto const whole = bench.raw(path);
    CHECK(bench.verify(kind) == hf::errc::unknown);
    REQUIRE(bench.process.files.remove(path));
    CHECK(bench.verify(kind) == hf::errc::not_found);
    CHECK(log.index({.every = 3}).value() == 1);
    CHECK(bench.raw(path) == whole);
    auto const damaged =
        kind == hf::IndexKind::sequence ? hf::errc::damaged_index : hf::errc::damaged_time_index;
    for (std::size_t i = 0; i < whole.size(); ++i) {
      auto content = whole;
      content[i] ^= std::byte{4};
      bench.put(path, content);
      CHECK(bench.verify(kind) == damaged);
      bench.put(path, hf::bytes_view{whole}.first(i));
      CHECK(bench.verify(kind) == damaged);
    }
    bench.put(path, whole);
  }
  // Whole, but of another segment.
  auto const names = bench.process.files.list("/log").value();
  for (auto const& entry : names) {
    if (!entry.name.ends_with(".index") || "/log/" + entry.name == bench.segment + ".index")
      continue;
    bench.put(bench.segment + ".index", bench.raw("/log/" + entry.name));
    CHECK(bench.verify(hf::IndexKind::sequence) == hf::errc::index_mismatch);
    CHECK(log.index({.every = 3}).value() == 1);
    CHECK(bench.verify(hf::IndexKind::sequence) == hf::errc::unknown);
    break;
  }
}

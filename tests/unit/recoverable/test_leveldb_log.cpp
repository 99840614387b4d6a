// SPDX-License-Identifier: BSL-1.0
// The format of LevelDB's and RocksDB's logs: cut anywhere, damaged, recycled.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "catch.hpp"
#include "holdfast/backend/file_segment.hpp"
#include "holdfast/format/leveldb.hpp"
#include "holdfast/recoverable.hpp"
#include "holdfast/testing/files.hpp"
#include "holdfast/testing/simulated_disk.hpp"

namespace {
using hf::Verdict;
using Segment = hf::BasicFileSegment<hf::testing::SimulatedFiles>;
constexpr std::size_t sizes[] = {10, 32761, 0, 5, 40000, 32768 - 14, 90000, 1, 300};

// The bytes of a log with a record of each size, and where each ends.
struct Written {
  hf::bytes whole{};
  std::vector<std::size_t> ends{};
};
Written written(hf::LevelDbLog const& format) {
  Written out;
  auto cursor = format.start();
  std::uint64_t number = 1;
  for (auto const size : sizes) {
    auto value = hf::testing::value_of_number(number++, std::max<std::size_t>(size, 16));
    value.resize(size);
    REQUIRE(format.encode(cursor, out.whole.size(), value, {}, out.whole));
    out.ends.push_back(out.whole.size());
  }
  return out;
}

struct LevelDbBench {
  hf::testing::SimulatedDisk disk{};
  hf::testing::SimulatedProcess process = disk.start();
  [[nodiscard]] Segment with(hf::bytes_view content) const {
    static_cast<void>(hf::detail::remove_if_there(process.files, "/log"));
    REQUIRE(hf::detail::write_new_file(process.files, "/log", content));
    return Segment::open("/log", process.files).value();
  }
};
}  // namespace

TEST_CASE("records of any size are read back from LevelDB's format", "[leveldb]") {
  for (bool const recycled : {false, true}) {
    hf::LevelDbLog const format{{.log_number = recycled ? 77u : 0u, .recycled = recycled}};
    auto const all = written(format);
    LevelDbBench const bench;
    auto log = hf::open_recoverable(bench.with(all.whole), format, {}, {}, bench.process.world);
    REQUIRE(log);
    CHECK(log.value().recovered().found.verdict == Verdict::clean);
    std::size_t i = 0;
    for (auto const& record : log.value().records()) {
      REQUIRE(record);
      REQUIRE(i < std::size(sizes));
      auto value = hf::testing::value_of_number(i + 1, std::max<std::size_t>(sizes[i], 16));
      value.resize(sizes[i]);
      auto const& payload = record.value().payload;
      CHECK(std::equal(payload.begin(), payload.end(), value.begin(), value.end()));
      CHECK(record.value().end == all.ends[i++]);
    }
    CHECK(i == std::size(sizes));
    REQUIRE(log.value().append(hf::as_bytes("more")));
    REQUIRE(log.value().close());
    CHECK(log.value().tail().next_sequence == std::size(sizes) + 1);
  }
}

TEST_CASE("LevelDB's format cut anywhere keeps the whole records before", "[leveldb][R1]") {
  hf::LevelDbLog const format;
  auto const all = written(format);
  LevelDbBench const bench;
  for (std::size_t size = 0; size < all.whole.size();
       size += size % 32768 < 8 || size % 32768 > 32750 ? 1 : 37) {
    auto const segment = bench.with(hf::bytes_view{all.whole}.first(size));
    auto const plan = hf::examine(segment, format);
    REQUIRE(plan);
    auto const next = std::upper_bound(all.ends.begin(), all.ends.end(), size);
    auto const records = static_cast<std::size_t>(next - all.ends.begin());
    CHECK(plan.value().records == records);
    auto const end = records == 0 ? 0 : all.ends[records - 1];
    bool const in_filler = size % 32768 == 0 && size - end < 7;
    CHECK(plan.value().verdict == (size == end || in_filler ? Verdict::clean : Verdict::torn_tail));
    CHECK((in_filler || plan.value().kept == end));
  }
}

TEST_CASE("a flipped bit in LevelDB's format is damage where a later block is whole",
          "[leveldb][R5]") {
  hf::LevelDbLog const format;
  auto const all = written(format);
  LevelDbBench const bench;
  hf::testing::disk::Dice dice{3};
  for (int i = 0; i < 300; ++i) {
    auto content = all.whole;
    auto const at = static_cast<std::size_t>(dice.below(content.size()));
    content[at] ^= std::byte{1} << dice.below(8);
    auto const segment = bench.with(content);
    auto const plan = hf::examine(segment, format);
    REQUIRE(plan);
    auto const& found = plan.value();
    bool const in_filler = found.verdict == Verdict::clean;  // too short for a header: never read
    if (in_filler) {
      CHECK(at % 32768 >= 32768 - 6);
      continue;
    }
    CHECK(found.kept <= at);
    bool const last_block = at / 32768 == (content.size() - 1) / 32768;
    CHECK((found.verdict == Verdict::damage) == !last_block);
  }
}

TEST_CASE("what an earlier use of a recycled log has left is not read", "[leveldb]") {
  hf::LevelDbLog const earlier{{.log_number = 1, .recycled = true}};
  hf::LevelDbLog const now{{.log_number = 2, .recycled = true}};
  auto content = written(earlier).whole;
  auto cursor = now.start();
  hf::bytes fresh;
  REQUIRE(now.encode(cursor, 0, hf::as_bytes("0123456789"), {}, fresh));
  std::copy(fresh.begin(), fresh.end(), content.begin());
  LevelDbBench const bench;
  auto const segment = bench.with(content);
  auto const plan = hf::examine(segment, now);
  REQUIRE(plan);
  CHECK(plan.value().records == 1);
  CHECK(plan.value().verdict == Verdict::torn_tail);
  CHECK(plan.value().kept == fresh.size());
}

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
    // What is too short for a header belongs to nothing, and is kept.
    bool const in_filler = size % 32768 == 0 && size - end < 7;
    CHECK(plan.value().verdict == (size == end || in_filler ? Verdict::clean : Verdict::torn_tail));
    CHECK(plan.value().kept == (in_filler ? size : end));
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

namespace {
// A log of records of these sizes, each filled with its own letter.
hf::bytes filled(hf::LevelDbLog const& format, std::vector<std::size_t> const& lengths) {
  hf::bytes out;
  auto cursor = format.start();
  char letter = 'a';
  for (auto const length : lengths) {
    auto const text = std::string(length, letter++);
    REQUIRE(format.encode(cursor, out.size(), hf::as_bytes(text), {}, out));
  }
  return out;
}
hf::Plan plan_of(Segment const& segment, hf::LevelDbLog const& format = {}) {
  return hf::examine(segment, format).value();
}
template <class Log>
std::vector<std::size_t> lengths_of(Log const& log) {
  std::vector<std::size_t> all;
  for (auto const& record : log.records()) all.push_back(record.value().payload.size());
  return all;
}
hf::bytes fragment(std::uint8_t type, std::size_t header, std::string const& data) {
  hf::bytes out(header);
  out[6] = std::byte{type};
  hf::put_le(hf::bytes_span{out}, 4, static_cast<std::uint16_t>(data.size()));
  for (char const c : data) out.push_back(static_cast<std::byte>(c));
  auto const crc = hf::crc32c(hf::bytes_view{out}.subspan(6));
  hf::put_le(hf::bytes_span{out}, 0, hf::detail::leveldb::masked(crc));
  return out;
}
}  // namespace

TEST_CASE("what was begun at a block's end is cut before anything is appended", "[leveldb][R1]") {
  LevelDbBench const bench;
  auto content = filled({}, {100, 40000});
  content.resize(32768);
  {
    auto log =
        hf::open_recoverable(bench.with(content), hf::LevelDbLog{}, {}, {}, bench.process.world)
            .value();
    CHECK(log.recovered().found.verdict == Verdict::torn_tail);
    REQUIRE(log.append(hf::as_bytes("new")));
    REQUIRE(log.close());
  }
  auto log = hf::open_recoverable(Segment::open("/log", bench.process.files).value(),
                                  hf::LevelDbLog{}, {}, {}, bench.process.world);
  REQUIRE(log);
  CHECK(lengths_of(log.value()) == std::vector<std::size_t>{100, 3});
}

TEST_CASE("a whole record that lies where another one goes on shows damage", "[leveldb][R5]") {
  LevelDbBench const bench;
  auto content = filled({}, {100, 40000});
  content.resize(32768);
  auto const whole = filled({}, {30});
  content.insert(content.end(), whole.begin(), whole.end());
  auto const plan = plan_of(bench.with(content));
  CHECK(plan.verdict == Verdict::damage);
  CHECK(plan.kept == 107);
  CHECK(plan.salvageable == 1);
  auto const log = hf::open_recoverable<hf::Recovery::salvage>(
      Segment::open("/log", bench.process.files).value(), hf::LevelDbLog{}, {}, {},
      bench.process.world);
  REQUIRE(log);
  CHECK(lengths_of(log.value()) == std::vector<std::size_t>{100, 30});
}

TEST_CASE("zeros are no part of a log only where nothing but zeros follows", "[leveldb][R5]") {
  LevelDbBench const bench;
  SECTION("a block of a record") {
    auto content = filled({}, {100, 90000, 7});
    std::fill_n(content.begin() + 32768, 32768, std::byte{0});
    CHECK(plan_of(bench.with(content)).verdict == Verdict::damage);
  }
  SECTION("the rest of a block before a whole one") {
    auto content = filled({}, std::vector<std::size_t>(80, 1017));
    std::fill(content.begin() + 16384, content.begin() + 32768, std::byte{0});
    auto const plan = plan_of(bench.with(content));
    CHECK(plan.verdict == Verdict::damage);
    CHECK(plan.kept == 16384);
    CHECK(plan.salvageable == 48);
  }
  SECTION("space that was given early") {
    auto content = filled({}, {100});
    content.resize(std::size_t{3} * 32768);
    auto const plan = plan_of(bench.with(content));
    CHECK(plan.verdict == Verdict::clean);
    CHECK(plan.kept == 107);
    {
      auto log = hf::open_recoverable(Segment::open("/log", bench.process.files).value(),
                                      hf::LevelDbLog{}, {}, {}, bench.process.world)
                     .value();
      REQUIRE(log.append(hf::as_bytes("new")));
      REQUIRE(log.close());
    }
    auto const log = hf::open_recoverable(Segment::open("/log", bench.process.files).value(),
                                          hf::LevelDbLog{}, {}, {}, bench.process.world);
    REQUIRE(log);
    CHECK(lengths_of(log.value()) == std::vector<std::size_t>{100, 3});
  }
}

TEST_CASE("what does not tell its boot is written again, from a record's first fragment",
          "[leveldb][R1]") {
  LevelDbBench const bench;
  auto const segment = bench.with(filled({}, {100, 40000, 5}));
  CHECK(plan_of(segment).unconfirmed == 0);
  auto const known = hf::examine(segment, hf::LevelDbLog{}, {.durable_to = 107, .boot = 1});
  CHECK(known.value().unconfirmed == 107);
}

TEST_CASE("a recycled log is gone on with under its own number", "[leveldb]") {
  LevelDbBench const bench;
  auto const begun = filled(hf::LevelDbLog{{.log_number = 77, .recycled = true}}, {3});
  for (bool const recycled : {false, true}) {
    {
      auto log = hf::open_recoverable(bench.with(begun), hf::LevelDbLog{{.recycled = recycled}}, {},
                                      {}, bench.process.world)
                     .value();
      REQUIRE(log.append(hf::as_bytes("twotwo")));
      REQUIRE(log.close());
    }
    auto const log = hf::open_recoverable(Segment::open("/log", bench.process.files).value(),
                                          hf::LevelDbLog{{.log_number = 77, .recycled = true}}, {},
                                          {}, bench.process.world);
    REQUIRE(log);
    CHECK(lengths_of(log.value()) == std::vector<std::size_t>{3, 6});
  }
}

TEST_CASE("what is too short for a recycled log's header is filler there", "[leveldb]") {
  hf::LevelDbLog const format{{.log_number = 77, .recycled = true}};
  LevelDbBench const bench;
  for (std::size_t left = 1; left < 20; ++left) {
    CAPTURE(left);
    auto const plan = plan_of(bench.with(filled(format, {32768 - 11 - left, 5, 40000, 3})), format);
    CHECK(plan.verdict == Verdict::clean);
    CHECK(plan.records == 4);
  }
}

TEST_CASE("what only a later RocksDB understands is left alone", "[leveldb]") {
  LevelDbBench const bench;
  struct {
    std::uint8_t type;
    std::size_t header;
  } const types[] = {{9, 7}, {10, 7}, {11, 11}, {130, 7}, {131, 11}, {200, 7}};
  for (auto const& [type, header] : types) {
    CAPTURE(int{type});
    for (bool const first : {true, false}) {
      auto content = first ? hf::bytes{} : filled({}, {20});
      if (header == 11 && !first) {
        content = filled(hf::LevelDbLog{{.log_number = 0, .recycled = true}}, {20});
      }
      auto const unknown = fragment(type, header, "settings");
      content.insert(content.end(), unknown.begin(), unknown.end());
      CHECK(plan_of(bench.with(content)).verdict == Verdict::newer_format);
    }
    auto torn = fragment(type, header, "settings");
    torn.back() ^= std::byte{1};
    CHECK(plan_of(bench.with(torn)).verdict == Verdict::torn_tail);
  }
  auto mixed = filled({}, {20});
  auto const late = filled(hf::LevelDbLog{{.log_number = 5, .recycled = true}}, {20});
  mixed.insert(mixed.end(), late.begin(), late.end());
  CHECK(plan_of(bench.with(mixed)).verdict == Verdict::damage);
}

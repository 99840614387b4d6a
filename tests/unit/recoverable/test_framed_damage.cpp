// SPDX-License-Identifier: BSL-1.0
// A log of 64 KiB cut at every byte and flipped at every bit, odd segments, and what can't be read.
// HOLDFAST_SOAK=1 goes through all of them; else it is a sample.
#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "catch.hpp"
#include "holdfast/format/framed.hpp"
#include "holdfast/log.hpp"
#include "holdfast/log/examine.hpp"
#include "holdfast/recoverable.hpp"
#include "holdfast/testing/disk/hash.hpp"
#include "holdfast/testing/files.hpp"
#include "memory_segment.hpp"
#include "places.hpp"
#include "segment_bench.hpp"

namespace {
using segments::MemorySegment;

bool soaks_framed() {
  return std::getenv("HOLDFAST_SOAK") != nullptr;
}
struct WholeLog {
  struct Piece {
    std::size_t begin = 0;
    std::size_t end = 0;
    hf::bytes payload{};
  };
  hf::bytes content{};
  std::vector<Piece> records{};
  std::size_t durable_to = 0;  // as its frames tell
};
// 64 KiB in records of all sizes, synced now and then, and closed.
WholeLog whole_log(std::uint32_t align, std::size_t size) {
  hf::testing::disk::Dice dice{align};
  WholeLog out;
  hf::Framed const format{{.align = align}};
  auto cursor = format.start();
  hf::Stamp stamp{.time_ns = 1, .synced_to = 64, .nonce = 99, .fresh = true};
  REQUIRE(format.header(cursor, stamp, out.content));
  auto const put = [&](std::uint64_t place, hf::bytes const& frame) {
    out.content.resize(static_cast<std::size_t>(place));
    out.content.insert(out.content.end(), frame.begin(), frame.end());
  };
  for (std::uint64_t n = 1; out.content.size() < size; ++n) {
    auto payload = hf::testing::value_of_number(n, 16 + dice.below(dice.below(4) == 0 ? 4000 : 90));
    hf::bytes frame;
    auto const place = format.encode(cursor, out.content.size(), payload, stamp, frame).value();
    put(place, frame);
    out.records.push_back({static_cast<std::size_t>(place), out.content.size(), payload});
    stamp.fresh = dice.below(3) == 0;
    if (stamp.fresh) stamp.synced_to = out.content.size();
  }
  stamp.synced_to = out.durable_to = out.content.size();
  stamp.fresh = true;
  hf::bytes mark;
  auto const place = format.mark(cursor, out.content.size(), stamp, mark).value();
  put(place, mark);
  return out;
}
template <class Log>
std::size_t records_kept(Log const& log, WholeLog const& all) {
  std::size_t kept = 0;
  for (auto const& record : log.records()) {
    REQUIRE(record);
    REQUIRE(kept < all.records.size());
    auto const& payload = record.value().payload;
    auto const& written = all.records[kept].payload;
    REQUIRE(std::equal(payload.begin(), payload.end(), written.begin(), written.end()));
    ++kept;
  }
  return kept;
}
std::size_t whole_before(WholeLog const& all, std::size_t at) {
  auto const after = std::find_if(all.records.begin(), all.records.end(),
                                  [at](WholeLog::Piece const& piece) { return piece.end > at; });
  return static_cast<std::size_t>(after - all.records.begin());
}
// What is left and what was set aside are what was there.
void check_aside(hf::bytes const& before, std::uint64_t kept, MemorySegment::Aside const& aside) {
  auto const rest = static_cast<std::ptrdiff_t>(std::min<std::uint64_t>(kept, before.size()));
  if (kept >= before.size()) {
    CHECK(aside.empty());
    return;
  }
  REQUIRE(aside.size() == 1);
  CHECK(aside[0].first == kept);
  CHECK(aside[0].second == hf::bytes{before.begin() + rest, before.end()});
}
}  // namespace

TEST_CASE("a log of 64 KiB cut at any byte keeps the longest valid prefix", "[framed][R1][R7]") {
  for (std::uint32_t const align : {0u, 512u}) {
    auto const all = whole_log(align, 65536);
    hf::Framed const format{{.align = align}};
    std::size_t cases = 0;
    for (std::size_t size = 0; size <= all.content.size(); size += soaks_framed() ? 1 : 397) {
      CAPTURE(align, size);
      ++cases;
      hf::bytes const content{all.content.begin(),
                              all.content.begin() + static_cast<std::ptrdiff_t>(size)};
      auto const aside = std::make_shared<MemorySegment::Aside>();
      auto log = hf::open_recoverable(MemorySegment{content, aside}, format);
      REQUIRE(log);
      auto const whole = whole_before(all, size);
      REQUIRE(records_kept(log.value(), all) == whole);
      auto const found = log.value().recovered().found;
      check_aside(content, found.kept, *aside);
      REQUIRE(log.value().reopen());  // the second time there is nothing to do
      CHECK(log.value().recovered().found.verdict == hf::Verdict::clean);
      CHECK(records_kept(log.value(), all) == whole);
      auto const more = log.value().append(hf::as_bytes("more"));
      REQUIRE(more);
      CHECK(more.value().sequence == whole);
      REQUIRE(log.value().reopen());
      CHECK(log.value().tail().next_sequence == whole + 1);
    }
    if (soaks_framed()) WARN(cases << " cuts, align " << align);
  }
}

TEST_CASE("a log of 64 KiB with any bit flipped keeps what was before it, and tells",
          "[framed][R4][R5][R7]") {
  for (std::uint32_t const align : {0u, 512u}) {
    auto const all = whole_log(align, 65536);
    hf::Framed const format{{.align = align}};
    auto content = all.content;
    std::size_t cases = 0;
    for (std::size_t bit = 0; bit < 8 * content.size(); bit += soaks_framed() ? 1 : 8 * 151 + 3) {
      CAPTURE(align, bit);
      ++cases;
      auto const at = bit / 8;
      content[at] ^= std::byte{1} << bit % 8;
      // Refused by all but a quarantine where it was durable; the mark at the end may be torn.
      auto const cut = hf::open_recoverable(MemorySegment{content}, format);
      CHECK(cut.has_value() == (at >= all.durable_to));
      auto const aside = std::make_shared<MemorySegment::Aside>();
      auto const log =
          hf::open_recoverable<hf::Recovery::quarantine>(MemorySegment{content, aside}, format);
      if (log) {
        REQUIRE(records_kept(log.value(), all) == whole_before(all, at));
        auto const kept = log.value().recovered().found.kept;
        check_aside(content, kept, *aside);
      } else {
        CHECK(at < 8);  // its magic, which makes it a file of somebody else
        CHECK(log.error().code() == hf::errc::foreign);
      }
      content[at] ^= std::byte{1} << bit % 8;
    }
    if (soaks_framed()) WARN(cases << " flips, align " << align);
  }
}

TEST_CASE("frames at 4 GiB and behind are as any others", "[framed][R11]") {
  std::uint64_t const boundary = std::uint64_t{1} << 32;
  hf::Framed const format{{.align = 0}};
  hf::bytes header;
  auto writer = format.start();
  REQUIRE(format.header(writer, {.nonce = 5}, header));
  auto reader = format.start();
  REQUIRE(format.decode(reader, 0, header).kind == hf::Step::Kind::mark);
  auto place = boundary - 200;
  for (int i = 0; i < 8; ++i) {
    hf::bytes frame;
    auto const payload = hf::testing::value_of_number(static_cast<std::uint64_t>(i), 24);
    REQUIRE(format.encode(writer, place, payload, {.synced_to = place}, frame).value() == place);
    auto stranger = reader;
    CHECK(format.decode(stranger, place - boundary + 256, frame).kind == hf::Step::Kind::bad);
    auto const step = format.decode(reader, place, frame);
    REQUIRE(step.kind == hf::Step::Kind::record);
    CHECK(step.begin == place);
    CHECK(step.synced_to == place);
    place += step.used;
  }
  CHECK(place > boundary + 200);
}

TEST_CASE("a segment of more than 4 GiB is opened, appended to and read", "[framed][R11]") {
  if (!soaks_framed()) return;
  support::Place const folder;
  auto const path = folder / "segment";
  constexpr std::size_t zeros = std::size_t{16} << 20;
  constexpr std::uint64_t count = 257;
  {
    // The headers of the frames alone: the zeros between are holes of the file.
    hf::Framed const format{{.align = 0}};
    auto file = hf::FileSegment::open(path).value();
    auto cursor = format.start();
    hf::bytes out;
    REQUIRE(format.header(cursor, {.nonce = 5}, out));
    REQUIRE(file.append(0, out));
    hf::bytes const payload(zeros);
    std::uint64_t place = out.size();
    for (std::uint64_t i = 0; i < count; ++i) {
      out.clear();
      REQUIRE(format.encode(cursor, place, payload, {.synced_to = place}, out));
      REQUIRE(file.append(place, hf::bytes_view{out}.first(40)));
      place += out.size();
    }
    REQUIRE(file.truncate(place));
    REQUIRE(place > std::uint64_t{1} << 32);
  }
  auto log = hf::open_recoverable(hf::FileSegment::open(path).value(), hf::Framed{});
  REQUIRE(log);
  CHECK(log.value().recovered().found.records == count);
  REQUIRE(log.value().append(hf::as_bytes("more")));
  REQUIRE(log.value().close());
  REQUIRE(log.value().reopen());
  CHECK(log.value().tail().next_sequence == count + 1);
}

TEST_CASE("a file of zeros is no segment, and is left alone", "[framed][R11]") {
  segments::SegmentBench const bench;
  for (std::size_t const size : {65u, 4096u, 300'000u}) {
    bench.set_raw(hf::bytes(size));
    auto const opened = bench.open<hf::Recovery::salvage>();
    REQUIRE_FALSE(opened);
    CHECK(opened.error().code() == hf::errc::foreign);
    CHECK(bench.raw() == hf::bytes(size));
  }
  bench.set_raw(hf::bytes(64));  // its header was never written
  CHECK(bench.open());
}

TEST_CASE("what has the checksum of what was set aside before is set aside too", "[framed][R7]") {
  segments::SegmentBench const bench;
  std::vector<hf::bytes> torn;
  for (int i = 0; i < 3; ++i) {
    // A header that lost its first half: it ends with its own checksum, so all of these have one.
    hf::bytes header;
    hf::Framed::cursor cursor;
    REQUIRE(hf::Framed{}.header(cursor, {.nonce = static_cast<std::uint64_t>(i)}, header));
    std::fill_n(header.begin(), 32, std::byte{0});
    torn.push_back(header);
    CHECK(hf::crc32c(header) == hf::crc32c(torn[0]));
    bench.set_raw(header);
    REQUIRE(bench.open());
  }
  bench.set_raw(torn[1]);  // once more
  REQUIRE(bench.open());
  std::vector<hf::bytes> kept;
  auto const entries = bench.process.files.list("/").value();
  for (auto const& entry : entries) {
    if (entry.name.find(".aside") == std::string::npos) continue;
    kept.push_back(hf::detail::read_file(bench.process.files, "/" + entry.name, 100).value());
  }
  CHECK(kept.size() == 3);
  CHECK(std::is_permutation(kept.begin(), kept.end(), torn.begin(), torn.end()));
}

TEST_CASE("a segment that can't be read is told by its name, and nothing is touched",
          "[framed][log][faults]") {
  using hf::testing::Call;
  hf::testing::SimulatedDisk disk;
  auto const process = disk.start();
  using OwnLog = hf::BasicLog<segments::Fs, hf::Recovery::salvage, hf::testing::SimulatedWorld>;
  auto const open = [&] { return OwnLog::open("/log", {}, process.files, process.world); };
  {
    auto log = open().value();
    for (int i = 0; i < 3; ++i) {
      REQUIRE(log.append(hf::as_bytes("record")));
      REQUIRE(log.roll());
    }
  }
  auto const listed = [&] {
    std::vector<std::string> names;
    auto const entries = process.files.list("/log").value();
    for (auto const& entry : entries) names.push_back(entry.name);
    return names;
  };
  auto const before = listed();
  auto const second = hf::detail::segment_name(1);
  for (auto const call : {Call::open, Call::read, Call::size}) {
    CAPTURE(name(call));
    disk.machine().faults.fail({.call = call,
                                .path_has = second,
                                .times = hf::testing::Fault::always,
                                .number = call == Call::open ? EACCES : EIO});
    auto const opened = open();
    REQUIRE_FALSE(opened);
    CHECK(opened.error().detail().find(second) != std::string_view::npos);
    CHECK_FALSE(hf::examine_log("/log", {}, process.files));
    CHECK(listed() == before);
    disk.machine().faults.heal();
  }
  CHECK(open());
}

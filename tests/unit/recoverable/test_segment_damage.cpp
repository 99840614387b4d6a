// SPDX-License-Identifier: BSL-1.0
// What damage, other segments and old points look like to the one who recovers a segment.
#include <cstddef>
#include <string>
#include <vector>

#include "catch.hpp"
#include "holdfast/format/framed.hpp"
#include "holdfast/recoverable.hpp"
#include "segment_bench.hpp"

namespace {
using namespace segments;  // NOLINT(google-build-using-namespace)
}  // namespace

TEST_CASE("damage is seen, and salvaged, where the tail behind it is longer than a window",
          "[recoverable][R5]") {
  SegmentBench const bench;
  Texts all;
  {
    auto log = bench.open().value();
    for (int i = 0; i < 60; ++i) append(log, {all.emplace_back(9000, static_cast<char>('A' + i))});
  }
  auto whole = bench.raw();
  REQUIRE(whole.size() > 2 * (std::size_t{256} << 10) + 20000);
  whole[4096 + 12288 + 100] ^= std::byte{1};  // in the second
  bench.set_raw(whole);
  CHECK(hf::examine(bench.segment(), hf::Framed{}).value().verdict == Verdict::damage);
  auto const refused = bench.open();
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code() == hf::errc::damaged);
  auto const log = bench.open<Recovery::salvage>().value();
  all.erase(all.begin() + 1);
  CHECK(read_segment(log) == all);
}

TEST_CASE("a dry run that reads the point plans what recovery then does", "[recoverable]") {
  SegmentBench const bench;
  {
    auto log = bench.open().value();
    for (auto const* text : {"one", "two", "three"}) append(log, {text});
    REQUIRE(log.close());
  }
  auto whole = bench.raw();
  whole[4096 + 41] ^= std::byte{1};
  bench.put_raw(whole);
  auto const apply = [&](hf::Plan const& plan) {
    return hf::open_recoverable<Recovery::quarantine>(bench.segment(), hf::Framed{}, {}, plan,
                                                      bench.process.world);
  };
  SECTION("of this") {
    auto const plan = hf::plan_recovery(bench.segment(), hf::Framed{});
    REQUIRE(plan);
    CHECK(plan.value().verdict == Verdict::damage);
    CHECK(apply(plan.value()));
  }
  SECTION("and so does a look without it, where a frame tells of the damage too") {
    auto const plan = hf::examine(bench.segment(), hf::Framed{}).value();
    CHECK(apply(plan));
  }
  SECTION("of the last batch, which the point alone tells of") {
    whole.resize(8192 + 20);
    whole[4096 + 41] ^= std::byte{1};
    bench.put_raw(whole);
    auto const plan = hf::plan_recovery(bench.segment(), hf::Framed{}).value();
    CHECK(plan.verdict == Verdict::damage);
    CHECK(apply(plan));
  }
}

TEST_CASE("close leaves a mark also where nothing was appended since it was opened",
          "[recoverable][R5]") {
  SegmentBench const bench;
  {
    auto log = bench.open().value();
    append(log, {"one"});
  }
  for (int i = 0; i < 2; ++i) {
    auto log = bench.open().value();
    REQUIRE(log.close());
    CHECK(log.tail().end == 8192 + 40);  // once
  }
  auto whole = bench.raw();
  whole[4096 + 41] ^= std::byte{1};
  bench.set_raw(whole);
  CHECK(hf::examine(bench.segment(), hf::Framed{}).value().verdict == Verdict::damage);
}

TEST_CASE("a segment of another log is left alone also where it has no more than a header",
          "[recoverable]") {
  SegmentBench const bench;
  REQUIRE(bench.open({.log = 7}));
  auto const header = bench.raw();
  REQUIRE(header.size() == 64);
  bench.set_raw(header);
  auto const opened = bench.open<Recovery::salvage>({.log = 8});
  REQUIRE_FALSE(opened);
  CHECK(opened.error().code() == hf::errc::foreign);
  CHECK(bench.raw() == header);
  CHECK(bench.open({.log = 7}));
}

TEST_CASE("a segment that lost its first bytes is not taken for a new one", "[recoverable][R5]") {
  SegmentBench const bench;
  {
    auto log = bench.open().value();
    append(log, {"one"});
    REQUIRE(log.close());
  }
  auto const point = hf::detail::read_file(bench.process.files, "/segment.point", 64).value();
  for (std::size_t const size : {0u, 8u, 60u}) {
    CAPTURE(size);
    auto const whole = bench.raw();
    bench.put_raw(hf::bytes_view{whole}.first(size));
    auto const refused = bench.open();
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code() == hf::errc::damaged);
    CHECK(bench.raw().size() == size);
    {
      auto log = bench.open<Recovery::quarantine>();
      REQUIRE(log);
      append(log.value(), {"new"});
    }
    {
      auto const again = bench.open();
      if (!again) WARN(again.error().text());
      REQUIRE(again);
      CHECK(read_segment(again.value()) == Texts{"new"});
    }
    // What the old point says of the new segment is nothing.
    auto file = bench.process.files.open("/segment.point", hf::Open::write).value();
    REQUIRE(bench.process.files.write_at(file, 0, point));
    auto const later = bench.open();
    if (!later) WARN(later.error().text());
    REQUIRE(later);
    CHECK(later.value().recovered().found.verdict == Verdict::clean);
    REQUIRE(bench.process.files.write_at(file, 0, point));
  }
}

TEST_CASE("a point is lowered durably also where the damage is a cut between two frames",
          "[recoverable][R5]") {
  SegmentBench const bench;
  {
    auto log = bench.open().value();
    append(log, {"one"});
    append(log, {"two"});
  }
  auto file = bench.process.files.open("/segment.point", hf::Open::write).value();
  REQUIRE(bench.process.files.sync(file));
  auto whole = bench.raw();
  whole.resize(4096 + 48);
  bench.put_raw(whole);
  std::vector<std::string> synced;
  auto& calls = bench.process.files.calls();
  calls.spy = [&](hf::testing::Call call, std::string const& of) {
    if (call == hf::testing::Call::sync) synced.push_back(of);
  };
  REQUIRE(bench.open<Recovery::quarantine>());
  calls.spy = {};
  CHECK(synced == Texts{"/segment.point", "/segment"});
}

TEST_CASE("a log that is salvaged twice is not copied twice", "[recoverable]") {
  SegmentBench const bench;
  {
    auto log = bench.open().value();
    for (auto const* text : {"one", "two", "three"}) append(log, {text});
  }
  auto whole = bench.raw();
  whole[4096 + 41] ^= std::byte{1};
  bench.put_raw(whole);
  auto const names = bench.process.files.list("/").value().size();
  for (int i = 0; i < 3; ++i) {
    auto log = bench.open<Recovery::salvage>().value();
    append(log, {"more"});
  }
  CHECK(bench.process.files.list("/").value().size() == names);
  CHECK(read_segment(bench.open<Recovery::salvage>().value()) ==
        Texts{"two", "three", "more", "more", "more"});
}

TEST_CASE("a record is given the time that it is written with, and its number again after a reopen",
          "[recoverable]") {
  SegmentBench const bench;
  auto log = bench.open().value();
  auto const first = log.append(hf::as_bytes("one")).value();
  bench.disk.machine().wall_shift_ns = -1'000'000'000;
  auto const second = log.append(hf::as_bytes("two")).value();
  CHECK(second.time_ns == first.time_ns);
  REQUIRE(log.sync());
  REQUIRE(log.reopen());
  CHECK(log.append(hf::as_bytes("three")).value().sequence == 2);
}

TEST_CASE("frames that were made to be checked in vain end the search with an error",
          "[recoverable][R5]") {
  hf::Framed const format{{.align = 0}};
  auto cursor = format.start();
  hf::bytes content;
  REQUIRE(format.header(cursor, {.nonce = 1}, content));
  // Each says that it is as long as all that follows.
  std::uint64_t const end = 64 + 40 * 60000;
  while (content.size() < end) {
    hf::bytes frame;
    auto const place = content.size();
    REQUIRE(format.mark(cursor, place, {.synced_to = place == 64 ? 64 : place - 40}, frame));
    frame[0] = std::byte{1};
    hf::put_le(hf::bytes_span{frame}, 4, static_cast<std::uint32_t>((end - place - 40) / 8 * 8));
    hf::put_le(hf::bytes_span{frame}, 36,
               hf::crc32c(hf::bytes_view{frame}.first(36), hf::detail::framed::seed(1, place)));
    content.insert(content.end(), frame.begin(), frame.end());
  }
  SegmentBench const bench;
  bench.set_raw(content);
  auto const plan = hf::examine(bench.segment(), format);
  REQUIRE_FALSE(plan);
  CHECK(plan.error().code() == hf::errc::damaged);
}

TEST_CASE("padding that a crash has left belongs to no record", "[recoverable][R5]") {
  SegmentBench const bench;
  {
    auto log = bench.open().value();
    append(log, {"one"});
  }
  auto whole = bench.raw();
  auto const end = whole.size();
  whole.resize(8192);  // the size of what was appended next, and no more
  bench.put_raw(whole);
  {
    auto log = bench.open().value();
    CHECK(log.recovered().found.verdict == Verdict::clean);
    CHECK(log.tail().end == end);
    CHECK(log.tail().durable_to == end);
    REQUIRE(log.sync());
    CHECK(log.tail().durable_to == end);
    CHECK(log.append(hf::as_bytes("two")).value().begin == whole.size());
  }
  whole.resize(12288);  // again
  bench.put_raw(whole);
  auto log = bench.open();
  REQUIRE(log);
  CHECK(log.value().recovered().found.verdict == Verdict::torn_tail);
  append(log.value(), {"three"});
  CHECK(read_segment(log.value()) == Texts{"one", "three"});
}

TEST_CASE("each verdict has its name, its error, and those who may open it", "[recoverable]") {
  struct Expected {
    Verdict verdict;
    std::string_view name;
    hf::errc code;
    int opens;  // by how many of refuse, cut, quarantine, salvage
  };
  for (auto const& [verdict, text, code, opens] :
       {Expected{Verdict::clean, "clean", hf::errc::incomplete, 4},
        Expected{Verdict::torn_tail, "torn tail", hf::errc::incomplete, 3},
        Expected{Verdict::damage, "damage", hf::errc::damaged, 2},
        Expected{Verdict::sealed_damage, "sealed damage", hf::errc::damaged, 2},
        Expected{Verdict::hole, "hole", hf::errc::hole, 0},
        Expected{Verdict::foreign, "foreign", hf::errc::foreign, 0},
        Expected{Verdict::newer_format, "newer format", hf::errc::newer_format, 0}}) {
    CHECK(name(verdict) == text);
    CHECK(errc_of(verdict) == code);
    int opened = 0;
    for (auto const how :
         {Recovery::refuse, Recovery::cut, Recovery::quarantine, Recovery::salvage}) {
      opened += hf::may_open(verdict, how) ? 1 : 0;
    }
    CHECK(opened == opens);
  }
}

// SPDX-License-Identifier: BSL-1.0
// One segment: what is appended comes back, a torn tail is cut, damage is refused, nothing is lost.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "catch.hpp"
#include "holdfast/format/framed.hpp"
#include "holdfast/recoverable.hpp"
#include "segment_bench.hpp"

namespace {
using namespace segments;  // NOLINT(google-build-using-namespace)
}  // namespace

TEST_CASE("what was appended is read back, in this life and the next", "[recoverable]") {
  SegmentBench const bench;
  {
    auto log = bench.open().value();
    CHECK(log.recovered().found.verdict == Verdict::clean);
    append(log, {"one", "", "three"});
    append(log, {std::string(5000, 'x')});
    CHECK(read_segment(log) == Texts{"one", "", "three", std::string(5000, 'x')});
    CHECK(log.tail().next_sequence == 4);
  }
  auto log = bench.open().value();
  CHECK(log.recovered().found.verdict == Verdict::clean);
  CHECK(log.recovered().found.records == 4);
  append(log, {"five"});
  REQUIRE(log.close());
  CHECK(read_segment(log) == Texts{"one", "", "three", std::string(5000, 'x'), "five"});
}

TEST_CASE("every truncation gives the longest valid prefix, and the rest is set aside",
          "[recoverable][R1][R7]") {
  SegmentBench const bench;
  {
    auto log = bench.open({.align = 0}).value();
    append(log, {"one", "two"});
    append(log, {"three"});
  }
  auto const whole = bench.raw();
  for (std::size_t size = 0; size <= whole.size(); ++size) {
    CAPTURE(size);
    bench.set_raw(hf::bytes_view{whole}.first(size));
    std::uint64_t cut = 0;
    Texts kept;
    std::uint64_t begin = 0;
    {
      auto log = bench.open({.align = 0});
      REQUIRE(log);
      auto const done = log.value().recovered();
      kept = read_segment(log.value());
      cut = done.cut_bytes;
      begin = done.found.kept;
      CHECK(begin + cut == size);
      append(log.value(), {"new"});
    }
    auto const expected = size < 64 + 48        ? Texts{}
                          : size < 64 + 2 * 48  ? Texts{"one"}
                          : size < whole.size() ? Texts{"one", "two"}
                                                : Texts{"one", "two", "three"};
    CHECK(kept == expected);
    if (cut != 0) {
      auto const gone = hf::bytes_view{whole}.subspan(begin, cut);
      auto const name = hf::aside_path(path, begin, size, hf::crc32c(gone));
      auto const aside = hf::detail::read_file(bench.process.files, name, 1 << 20);
      REQUIRE(aside);
      CHECK(std::equal(gone.begin(), gone.end(), aside.value().begin(), aside.value().end()));
    }
    auto log = bench.open({.align = 0}).value();
    auto after = expected;
    after.emplace_back("new");
    CHECK(log.recovered().found.verdict == Verdict::clean);
    CHECK(read_segment(log) == after);
  }
}

TEST_CASE("every flipped bit gives the longest valid prefix or reported damage",
          "[recoverable][R4][R5]") {
  SegmentBench const bench;
  hf::Framed::Options const options{.align = 512};
  {
    auto log = bench.open(options).value();
    append(log, {"one", "two"});
    append(log, {"three"});
    append(log, {"four"});
  }
  auto const whole = bench.raw();
  // Where each record ends, and what was durable before which sync: the third batch is the last.
  auto const sound = hf::examine(bench.segment(), hf::Framed{options}).value();
  CHECK(sound.durable_to == 1024 + 48);
  for (std::size_t bit = 0; bit < whole.size() * 8; ++bit) {
    auto damaged = whole;
    damaged[bit / 8] ^= std::byte{1} << (bit % 8);
    bench.set_raw(damaged);
    auto const plan = hf::examine(bench.segment(), hf::Framed{options}).value();
    auto const at = bit / 8;
    bool const durable = at < sound.durable_to;
    bool const right = durable ? plan.verdict == Verdict::damage || plan.verdict == Verdict::foreign
                               : plan.verdict == Verdict::torn_tail;
    bool const prefix = plan.kept <= at && plan.size == whole.size();
    if (!right || !prefix) {
      CAPTURE(at, bit % 8, name(plan.verdict), plan.kept);
      CHECK(right);
      CHECK(prefix);
    }
  }
}

TEST_CASE("damage is refused by default, quarantined or salvaged where that was asked for",
          "[recoverable][R5]") {
  SegmentBench const bench;
  {
    auto log = bench.open().value();
    for (auto const* text : {"one", "two", "three", "four"}) append(log, {text});
    REQUIRE(log.close());
  }
  auto whole = bench.raw();
  whole[8192 + 41] ^= std::byte{1};  // in the payload of the second
  bench.set_raw(whole);
  auto const refused = bench.open();
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code() == hf::errc::damaged);
  CHECK(bench.raw() == whole);
  SECTION("quarantine goes on from before it") {
    auto log = bench.open<Recovery::quarantine>().value();
    CHECK(log.recovered().cut_bytes == whole.size() - (4096 + 48));
    CHECK(read_segment(log) == Texts{"one"});
    append(log, {"2"});
    CHECK(read_segment(log) == Texts{"one", "2"});
  }
  SECTION("salvage keeps what is behind it") {
    {
      auto log = bench.open<Recovery::salvage>().value();
      CHECK(log.recovered().found.salvageable == 2);
      CHECK(read_segment(log) == Texts{"one", "three", "four"});
      append(log, {"five"});
      CHECK(read_segment(log) == Texts{"one", "three", "four", "five"});
    }
    auto log = bench.open<Recovery::salvage>().value();
    CHECK(read_segment(log) == Texts{"one", "three", "four", "five"});
    CHECK(log.tail().next_sequence == 5);
  }
}

TEST_CASE("a plan is applied only to what it was made of", "[recoverable]") {
  SegmentBench const bench;
  {
    auto log = bench.open().value();
    append(log, {"one", "two"});
  }
  auto whole = bench.raw();
  whole.resize(whole.size() - 3);
  bench.set_raw(whole);
  auto const plan = hf::examine(bench.segment(), hf::Framed{}).value();
  CHECK(plan.verdict == Verdict::torn_tail);
  whole.push_back(std::byte{7});
  bench.set_raw(whole);
  auto const late =
      hf::open_recoverable(bench.segment(), hf::Framed{}, {}, plan, bench.process.world);
  REQUIRE_FALSE(late);
  CHECK(late.error().code() == hf::errc::conflict);
  CHECK(bench.raw() == whole);
  whole.pop_back();
  bench.set_raw(whole);
  CHECK(hf::open_recoverable(bench.segment(), hf::Framed{}, {}, plan, bench.process.world));
}

TEST_CASE("what is not a segment of this log is left alone", "[recoverable]") {
  SegmentBench const bench;
  {
    auto log = bench.open({.log = 7, .base = 100}).value();
    append(log, {"one"});
  }
  auto const whole = bench.raw();
  for (auto const& other :
       {hf::Framed::Options{.log = 8, .base = 100}, hf::Framed::Options{.log = 7, .base = 101}}) {
    auto const opened = bench.open<Recovery::salvage>(other);
    REQUIRE_FALSE(opened);
    CHECK(opened.error().code() == hf::errc::foreign);
  }
  auto newer = whole;
  newer[8] = std::byte{2};
  hf::put_le(hf::bytes_span{newer}, 60, hf::crc32c(hf::bytes_view{newer}.first(60)));
  bench.set_raw(newer);
  auto const opened = bench.open<Recovery::salvage>({.log = 7, .base = 100});
  REQUIRE_FALSE(opened);
  CHECK(opened.error().code() == hf::errc::newer_format);
  CHECK(bench.raw() == newer);
}

TEST_CASE("a second one that opens to write is told that it is busy", "[recoverable][R10]") {
  SegmentBench const bench;
  auto const log = bench.open().value();
  auto const second = Segment::open(path, bench.process.files);
  REQUIRE_FALSE(second);
  CHECK(second.error().code() == hf::errc::busy);
}

TEST_CASE("after a failed sync nothing is appended before it was reopened", "[recoverable]") {
  SegmentBench const bench;
  auto log = bench.open().value();
  append(log, {"one"});
  REQUIRE(log.append(hf::as_bytes("two")));
  bench.process.files.calls().fail({.call = hf::testing::Call::sync});
  auto const failed = log.sync();
  REQUIRE_FALSE(failed);
  CHECK(failed.error().code() == hf::errc::sync_failed);
  CHECK(log.append(hf::as_bytes("three")).error().code() == hf::errc::poisoned);
  REQUIRE(log.reopen());
  append(log, {"three"});
  CHECK(read_segment(log) == Texts{"one", "two", "three"});
}

TEST_CASE("where the point was kept, a synced record that is missing is damage",
          "[recoverable][R5]") {
  SegmentBench const bench;
  {
    auto log = bench.open().value();
    append(log, {"one"});
    append(log, {"two"});
    REQUIRE(log.append(hf::as_bytes("three")));  // never synced
  }
  auto whole = bench.raw();
  whole.resize(8192 + 48 + 20);  // into the third
  bench.put_raw(whole);
  CHECK(bench.open().value().recovered().found.verdict == Verdict::torn_tail);
  whole.resize(8192 + 47);
  bench.put_raw(whole);
  auto const opened = bench.open();
  REQUIRE_FALSE(opened);
  CHECK(opened.error().code() == hf::errc::damaged);
  CHECK(bench.open<Recovery::quarantine>());
  CHECK(bench.open().value().recovered().found.verdict == Verdict::clean);
}

// SPDX-License-Identifier: BSL-1.0
// The records of a log and of a segment pipe into std::ranges and into range-v3.
#include <algorithm>
#include <cstdint>
#include <functional>
#include <iterator>
#include <optional>
#include <ranges>
#include <string>
#include <utility>
#include <vector>

#if __has_include(<range/v3/range_fwd.hpp>)
#include <range/v3/algorithm/fold_left.hpp>
#include <range/v3/range/concepts.hpp>
#include <range/v3/range/conversion.hpp>
#include <range/v3/view/filter.hpp>
#include <range/v3/view/take.hpp>
#include <range/v3/view/transform.hpp>
#endif

#include "holdfast/log.hpp"
#include "holdfast/ranges.hpp"
#include "holdfast/testing/simulated_disk.hpp"
#include "segment_bench.hpp"

namespace log_ranges {
using LogHere =
    hf::BasicLog<hf::testing::SimulatedFiles, hf::Recovery::cut, hf::testing::SimulatedWorld>;
using OfLog = decltype(hf::records(std::declval<LogHere const&>()));
using OfSegment = hf::RecordView<hf::Records<segments::Segment, hf::Framed>>;

static_assert(std::input_iterator<OfLog::iterator>);
static_assert(std::sentinel_for<std::default_sentinel_t, OfLog::iterator>);
static_assert(std::ranges::input_range<OfLog>);
static_assert(std::ranges::view<OfLog>);
static_assert(std::ranges::view<OfSegment>);
// What has no second pass must not look as if it had one.
static_assert(!std::ranges::forward_range<OfLog>);

struct RangeBench {
  hf::testing::SimulatedDisk disk{};
  hf::testing::SimulatedProcess process = disk.start();
  LogHere log =
      LogHere::open("/log", {.segment_size = 9000, .align = 0}, process.files, process.world)
          .value();

  RangeBench() {
    for (int i = 0; i < 200; ++i) {
      REQUIRE(log.append(hf::as_bytes(std::to_string(i) + std::string(60, '.'))));
      if (i % 50 != 49) continue;
      REQUIRE(log.sync());
      process.world.wait_until(process.world.steady_ns() + 1'000'000'000);
    }
    REQUIRE(log.close());
  }
};
std::uint64_t number(hf::result<hf::Record> const& record) {
  return record.value().sequence;
}
bool is_even(hf::result<hf::Record> const& record) {
  return number(record) % 2 == 0;
}
using Numbers = std::vector<std::uint64_t>;
}  // namespace log_ranges

using namespace log_ranges;  // NOLINT(google-build-using-namespace)

#if __has_include(<range/v3/range_fwd.hpp>)
static_assert(ranges::input_range<OfLog>);
static_assert(!ranges::forward_range<OfLog>);
static_assert(ranges::view_<OfLog>);
static_assert(ranges::view_<OfSegment>);

TEST_CASE("records of a log compose with range-v3", "[log][ranges]") {
  RangeBench const bench;
  namespace rv = ranges::views;
  auto const some = hf::records(bench.log, {.sequence = 101}) | rv::filter(is_even) |
                    rv::transform(number) | rv::take(3) | ranges::to<std::vector>();
  CHECK(some == Numbers{102, 104, 106});
  auto const size = ranges::fold_left(hf::records(bench.log) | rv::transform([](auto const& r) {
                                        return r.value().payload.size();
                                      }),
                                      std::size_t{0}, std::plus<>{});
  CHECK(size == 200 * 60 + 10 + 90 * 2 + 100 * 3);
}

TEST_CASE("records of a log are taken from a time on", "[log][ranges]") {
  RangeBench const bench;
  std::vector<std::int64_t> times;
  for (auto const& record : hf::records(bench.log)) times.push_back(record.value().time_ns);
  REQUIRE(times.size() == 200);
  REQUIRE(times[49] < times[50]);
  auto const late = hf::records(bench.log, {.time_ns = times[50]}) |
                    ranges::views::transform(number) | ranges::views::take(1) |
                    ranges::to<std::vector>();
  CHECK(late == Numbers{50});
}

TEST_CASE("an error ends the records, and a filter keeps it apart", "[log][ranges]") {
  RangeBench const bench;
  auto const names = bench.process.files.list("/log").value();
  auto const second = "/log/" + std::find_if(names.begin(), names.end(), [](auto const& entry) {
                                  auto const base = hf::detail::base_of(entry.name);
                                  return base && *base != 0;
                                })->name;
  auto all = hf::records(bench.log);
  REQUIRE(bench.process.files.remove(second));
  std::optional<hf::error> cause;
  auto const seen = all | ranges::views::filter(hf::Sound{cause}) |
                    ranges::views::transform(number) | ranges::to<std::vector>();
  CHECK(seen.size() == *hf::detail::base_of(second.substr(5)));
  REQUIRE(cause);
  CHECK(cause->code() == hf::errc::not_found);
}

TEST_CASE("records of one segment are a view too", "[recoverable][ranges]") {
  segments::SegmentBench const bench;
  auto log = bench.open().value();
  segments::append(log, {"one", "two", "three"});
  auto const sizes = hf::records(log, {.sequence = 1}) |
                     ranges::views::transform([](auto const& r) { return r.value().end; }) |
                     ranges::to<std::vector>();
  CHECK(sizes == Numbers{8192 - 4096 + 96, 8192 - 4096 + 144});
}
#endif

TEST_CASE("a view that was made of nothing is empty", "[log][ranges]") {
  OfLog const none;
  CHECK(none.begin() == none.end());
}

// clang 14 refuses std::views over any range that is written by hand.
#if !defined(__clang__) || __clang_major__ > 15
TEST_CASE("records of a log compose with std::views", "[log][ranges]") {
  RangeBench const bench;
  namespace sv = std::views;
  Numbers some;
  for (auto const n : hf::records(bench.log, {.sequence = 101}) | sv::filter(is_even) |
                          sv::transform(number) | sv::take(3)) {
    some.push_back(n);
  }
  CHECK(some == Numbers{102, 104, 106});
  Numbers behind;
  for (auto const n : hf::records(bench.log) | sv::drop(190) | sv::transform(number)) {
    behind.push_back(n);
  }
  CHECK(behind.size() == 10);
  CHECK(behind.front() == 190);
}
#endif

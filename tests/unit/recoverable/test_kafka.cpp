// SPDX-License-Identifier: BSL-1.0
// The format of Kafka's segments: its test vector, cut anywhere, damaged anywhere, and its indexes.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <fstream>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "catch.hpp"
#include "holdfast/format/kafka.hpp"
#include "holdfast/log/kafka_index.hpp"
#include "holdfast/recoverable.hpp"
#include "holdfast/testing/simulated_disk.hpp"
#include "memory_segment.hpp"

namespace {
namespace kafka = hf::kafka;
using segments::MemorySegment;
constexpr std::int64_t kafka_now = 1'700'000'000'000;

// The block of docs/format.md.
hf::bytes kafka_vector() {
  std::string const here = __FILE__;
  std::ifstream page{here.substr(0, here.find("tests/unit/")) + "docs/format.md"};
  hf::bytes out;
  bool within = false;
  for (std::string line; std::getline(page, line);) {
    if (line.substr(0, 3) == "```") within = line == "```hex kafka";
    std::istringstream words{within && line[0] != '`' ? line : ""};
    for (std::string word; words >> word;) {
      out.push_back(static_cast<std::byte>(std::stoul(word, nullptr, 16)));
    }
  }
  return out;
}
struct KafkaBatches {
  hf::bytes whole{};
  std::vector<std::size_t> ends{};
  std::vector<hf::bytes> bodies{};
};
// Batches of one to three records each.
KafkaBatches kafka_batches(hf::KafkaLog const& format, std::size_t count) {
  KafkaBatches out;
  auto cursor = format.start();
  for (std::size_t i = 0; i < count; ++i) {
    auto const text = "value " + std::to_string(i * i);
    std::vector<kafka::Record> const records(1 + i % 3, {.value = hf::as_bytes(text)});
    auto const time = kafka_now + static_cast<std::int64_t>(i % 4);
    out.bodies.push_back(kafka::body_of({.base_ms = time}, records));
    REQUIRE(format.encode(cursor, out.whole.size(), out.bodies.back(), {}, out.whole));
    out.ends.push_back(out.whole.size());
  }
  return out;
}
template <class Log>
std::vector<hf::bytes> bodies_of(Log const& log) {
  std::vector<hf::bytes> all;
  for (auto const& record : log.records()) {
    REQUIRE(record);
    all.emplace_back(record.value().payload.begin(), record.value().payload.end());
  }
  return all;
}
class InOneWindow : public MemorySegment {
 public:
  using MemorySegment::MemorySegment;
  [[nodiscard]] hf::bytes_view mapped() const noexcept { return content(); }
};
hf::Plan kafka_plan(hf::bytes const& content, hf::KafkaLog const& format = {}) {
  return hf::examine(MemorySegment{content}, format).value();
}
}  // namespace

TEST_CASE("docs/format.md has the bytes of a batch that a client of Kafka made", "[kafka]") {
  auto const documented = kafka_vector();
  hf::KafkaLog const format{{.base = 7}};
  auto cursor = format.start();
  auto const step = format.decode(cursor, 0, documented);
  REQUIRE(step.kind == hf::Step::Kind::record);
  CHECK(step.used == documented.size());
  CHECK(step.sequence == 8);
  CHECK(step.time_ns == (kafka_now + 250) * 1'000'000);
  auto const one = hf::as_bytes("1");
  std::vector<kafka::Record> const records{
      {.key = hf::as_bytes("key"), .value = hf::as_bytes("holdfast")},
      {.delta_ms = 250, .value = hf::bytes_view{}, .headers = {{hf::as_bytes("h"), one}}}};
  auto const body = kafka::body_of({.base_ms = kafka_now}, records);
  hf::bytes written;
  cursor = format.start();
  REQUIRE(format.encode(cursor, 0, body, {}, written));
  CHECK(written == documented);
  std::size_t seen = 0;
  CHECK(kafka::each_record(step.payload, [&](kafka::Record const& record) {
    CHECK(record.offset_delta == static_cast<std::int32_t>(seen));
    CHECK(record.key.has_value() == (seen == 0));
    CHECK(record.headers.size() == seen++);
  }));
  CHECK(seen == 2);
}

TEST_CASE("a segment of Kafka cut anywhere keeps the whole batches before", "[kafka][R1][R7]") {
  hf::KafkaLog const format{{.base = 100}};
  auto const all = kafka_batches(format, 5);
  for (std::size_t size = 0; size <= all.whole.size(); ++size) {
    hf::bytes const content{all.whole.begin(),
                            all.whole.begin() + static_cast<std::ptrdiff_t>(size)};
    auto const aside = std::make_shared<MemorySegment::Aside>();
    auto log = hf::open_recoverable(MemorySegment{content, aside}, format);
    REQUIRE(log);
    auto const whole = static_cast<std::size_t>(
        std::upper_bound(all.ends.begin(), all.ends.end(), size) - all.ends.begin());
    auto const end = whole == 0 ? 0 : all.ends[whole - 1];
    CHECK(log.value().tail().end == end);
    CHECK(aside->size() == (size == end ? 0u : 1u));
    if (size != end) CHECK(aside->front().second.size() == size - end);
    auto expected = all.bodies;
    expected.resize(whole);
    CHECK(bodies_of(log.value()) == expected);
    // Goes on with the offset behind the last.
    auto const next = log.value().tail().next_sequence;
    auto const body = kafka::body_of({.base_ms = 1}, std::vector<kafka::Record>(2));
    CHECK(log.value().append(body).value().sequence == (whole == 0 ? 101 : next + 1));
    CHECK(log.value().append(all.bodies[0]).value().sequence == (whole == 0 ? 102 : next + 2));
  }
}

TEST_CASE("a flipped bit of a segment of Kafka never shows another body", "[kafka][R4][R7]") {
  for (bool const dense : {false, true}) {
    hf::KafkaLog const format{{.base = 100, .dense = dense}};
    auto const all = kafka_batches(format, 4);
    std::size_t unseen = 0;  // flips of what no checksum covers
    for (std::size_t bit = 0; bit < 8 * all.whole.size(); ++bit) {
      auto content = all.whole;
      content[bit / 8] ^= std::byte{1} << bit % 8;
      auto const aside = std::make_shared<MemorySegment::Aside>();
      auto const log =
          hf::open_recoverable<hf::Recovery::quarantine>(MemorySegment{content, aside}, format);
      if (!log) {
        // Its first batch says that it is of an older version.
        CHECK(log.error().code() == hf::errc::foreign);
        continue;
      }
      auto const bodies = bodies_of(log.value());
      REQUIRE(bodies.size() <= all.bodies.size());
      CHECK(std::equal(bodies.begin(), bodies.end(), all.bodies.begin()));
      auto const kept = log.value().tail().end;
      CHECK(kept + (aside->empty() ? 0 : aside->front().second.size()) == content.size());
      auto const damaged = static_cast<std::size_t>(
          std::upper_bound(all.ends.begin(), all.ends.end(), bit / 8) - all.ends.begin());
      auto const at = bit / 8 - (damaged == 0 ? 0 : all.ends[damaged - 1]);
      if (bodies.size() <= damaged) continue;
      // The leader's epoch means nothing to a log; of an offset only the order is checked.
      ++unseen;
      INFO("byte " << at << " of batch " << damaged);
      CHECK((at < 8 || (at >= 12 && at < 16)));
      if (dense) CHECK(at >= 12);
      if (at < 8) CHECK((damaged == 3 || bodies.size() == damaged + 1));
    }
    CHECK(unseen >= 4 * 32);
  }
}

TEST_CASE("batches of Kafka that are longer than what is read at once are read", "[kafka]") {
  hf::KafkaLog const format;
  auto log = hf::open_recoverable(MemorySegment{{}}, format).value();
  std::vector<hf::bytes> bodies;
  for (std::size_t const size : {100'000u, 200'000u, 700'000u, 10u, 300'000u}) {
    std::string const text(size, 'v');
    std::vector<kafka::Record> const one{{.value = hf::as_bytes(text)}};
    bodies.push_back(kafka::body_of({}, one));
    REQUIRE(log.append(bodies.back()));
  }
  CHECK(bodies_of(log) == bodies);
}

TEST_CASE("a batch behind zeros is cut, however many of them one window shows", "[kafka]") {
  hf::KafkaLog const format{{.base = 100}};
  auto const all = kafka_batches(format, 2);
  auto const first = all.ends[0];
  constexpr std::size_t window = std::size_t{256} << 10;
  for (auto const gap : {window - 64, window - 20, window - 1, window, window + 20, 3 * window}) {
    CAPTURE(gap);
    auto content = all.whole;
    content.insert(content.begin() + static_cast<std::ptrdiff_t>(first), gap - first, std::byte{0});
    for (bool const sealed : {false, true}) {
      auto const read = hf::examine(MemorySegment{content}, format, {.sealed = sealed}).value();
      auto const seen = hf::examine(InOneWindow{content}, format, {.sealed = sealed}).value();
      CHECK(read.verdict == (sealed ? hf::Verdict::sealed_damage : hf::Verdict::torn_tail));
      CHECK(read.kept == first);
      CHECK(read.fingerprint() == seen.fingerprint());
      CHECK(read.salvageable == seen.salvageable);
    }
    content.resize(gap + 5);  // zeros, but for less than a batch takes
    std::fill(content.begin() + static_cast<std::ptrdiff_t>(first), content.end(), std::byte{0});
    CHECK(kafka_plan(content, format).verdict == hf::Verdict::clean);
  }
}

TEST_CASE("headers that nobody asked for are gone by", "[kafka]") {
  std::vector<kafka::Header> const many(1000);
  std::vector<kafka::Record> const records{{.headers = many}};
  auto body = kafka::body_of({}, records);
  CHECK(kafka::is_writable(body));
  auto at = kafka::detail::Cursor{kafka::batch_in(body)->records};
  auto const own = at.take(at.small());
  CHECK(kafka::detail::record_in(own, kafka::detail::Headers::kept)->headers.size() == 1000);
  CHECK(kafka::detail::record_in(own, kafka::detail::Headers::gone_by)->headers.capacity() == 0);
  body.back() = std::byte{0x7e};  // of the last value: more than there is
  CHECK_FALSE(kafka::is_writable(body));
}

TEST_CASE("what Kafka's format can't have is told apart", "[kafka]") {
  hf::KafkaLog const format{{.base = 100}};
  auto const all = kafka_batches(format, 3);
  auto const second = static_cast<std::ptrdiff_t>(all.ends[0]);
  SECTION("zeros behind the last batch are space that was given early") {
    auto content = all.whole;
    content.resize(content.size() + 5000);
    auto const plan = kafka_plan(content, format);
    CHECK(plan.verdict == hf::Verdict::clean);
    CHECK(plan.kept == all.whole.size());
    content.back() = std::byte{1};
    CHECK(kafka_plan(content, format).verdict == hf::Verdict::torn_tail);
  }
  SECTION("a batch that is there twice") {
    auto content = all.whole;
    content.insert(content.end(), all.whole.begin(), all.whole.begin() + second);
    auto const plan = kafka_plan(content, format);
    CHECK(plan.verdict == hf::Verdict::damage);
    CHECK(plan.records == 3);
  }
  SECTION("a batch that lost its first bytes at the end of a sector") {
    for (std::size_t lost = 1; lost <= 21; ++lost) {
      auto content = all.whole;
      auto const begin = content.begin() + static_cast<std::ptrdiff_t>(all.ends[1]);
      std::fill_n(begin, lost, std::byte{0});
      auto const plan = kafka_plan(content, format);
      // The first seven are zeros anyway.
      CHECK(plan.verdict == (lost < 8 ? hf::Verdict::clean : hf::Verdict::torn_tail));
      CHECK(plan.records == (lost < 8 ? 3 : 2));
    }
  }
  SECTION("a segment under another's name") {
    CHECK(kafka_plan(all.whole, hf::KafkaLog{{.base = 101}}).verdict == hf::Verdict::damage);
  }
  SECTION("a gap, which compaction leaves") {
    hf::bytes content{all.whole.begin(), all.whole.begin() + second};
    content.insert(content.end(), all.whole.begin() + static_cast<std::ptrdiff_t>(all.ends[1]),
                   all.whole.end());
    CHECK(kafka_plan(content, format).verdict == hf::Verdict::clean);
    CHECK(kafka_plan(content, hf::KafkaLog{{.base = 100, .dense = true}}).verdict ==
          hf::Verdict::damage);
  }
  SECTION("an older version") {
    hf::bytes content{all.whole.begin(), all.whole.begin() + second};
    content[14] = std::byte{77};
    content[16] = std::byte{1};
    content[17] ^= std::byte{1};
    CHECK(kafka_plan(content, format).verdict == hf::Verdict::foreign);
  }
  SECTION("what is behind damage in a sealed segment is salvaged") {
    auto content = all.whole;
    content[all.ends[0] + 30] ^= std::byte{1};
    auto const plan = hf::examine(MemorySegment{content}, format, {.sealed = true}).value();
    CHECK(plan.verdict == hf::Verdict::sealed_damage);
    CHECK(plan.records == 1);
    CHECK(plan.salvageable == 1);
    CHECK(plan.salvaged_end == content.size());
  }
  SECTION("a body that is none") {
    auto log = hf::open_recoverable(MemorySegment{{}}, format).value();
    CHECK(log.append(hf::as_bytes("text")).error().code() == hf::errc::invalid);
    auto body = all.bodies[2];
    body.pop_back();
    CHECK(log.append(body).error().code() == hf::errc::invalid);
    hf::put_le(hf::bytes_span{body = all.bodies[0]}, 2, std::uint32_t{0xff});
    CHECK(log.append(body).error().code() == hf::errc::invalid);  // -16777216 behind the first
  }
}

TEST_CASE("the indexes of a segment of Kafka are in its own layout, from the data alone",
          "[kafka][R3]") {
  hf::KafkaLog const format{{.base = 100}};
  auto const all = kafka_batches(format, 30);
  auto const made = hf::kafka_indexes_of(MemorySegment{all.whole}, 100, {.interval = 300}).value();
  // The same once more, as Kafka's documentation of a recovery goes.
  hf::bytes offsets;
  hf::bytes times;
  auto const put = [](hf::bytes& into, std::uint64_t value, int size) {
    while (size-- > 0) into.push_back(static_cast<std::byte>(value >> (8 * size)));
  };
  std::int64_t greatest = -1;
  std::int64_t told = -1;
  std::uint64_t of_greatest = 0;
  std::uint64_t next = 0;
  std::size_t indexed = 0;
  for (std::size_t i = 0; i < 30; ++i) {
    auto const begin = i == 0 ? 0 : all.ends[i - 1];
    auto const last = next + i % 3;
    next = last + 1;
    auto const time = kafka_now + static_cast<std::int64_t>(i % 4);
    if (time > greatest) {
      greatest = time;
      of_greatest = last;
    }
    if (begin - indexed <= 300) continue;
    put(offsets, last, 4);
    put(offsets, begin, 4);
    indexed = begin;
    if (greatest > told) {
      put(times, static_cast<std::uint64_t>(greatest), 8);
      put(times, of_greatest, 4);
    }
    told = greatest;
  }
  CHECK(made.offsets == offsets);
  CHECK(made.times == times);
  CHECK(made.offsets.size() >= 5 * 8);

  for (std::uint64_t offset = 100; offset < 160; ++offset) {
    auto const place = hf::find_in_kafka_index(made.offsets, 100, offset);
    bool const begins = place == 0 || std::count(all.ends.begin(), all.ends.end(), place) == 1;
    CHECK(begins);
    auto cursor = format.start();
    format.resume(cursor, place);
    auto const step = format.decode(
        cursor, place, hf::bytes_view{all.whole}.subspan(static_cast<std::size_t>(place)));
    CHECK((place == 0 || step.sequence <= offset));
  }

  hf::testing::SimulatedDisk disk;
  auto const process = disk.start();
  auto const& fs = process.files;
  REQUIRE(hf::write_kafka_indexes(fs, "/100", made));
  CHECK(hf::verify_kafka_indexes(fs, "/100", made));
  auto longer = made.offsets;
  longer.resize(longer.size() + 800);
  REQUIRE(fs.remove("/100.index"));
  REQUIRE(hf::detail::write_new_file(fs, "/100.index", longer));
  CHECK(hf::verify_kafka_indexes(fs, "/100", made));
  longer[5] ^= std::byte{1};
  REQUIRE(fs.remove("/100.index"));
  REQUIRE(hf::detail::write_new_file(fs, "/100.index", longer));
  CHECK(hf::verify_kafka_indexes(fs, "/100", made).error().code() == hf::errc::index_mismatch);
  REQUIRE(hf::write_kafka_indexes(fs, "/100", made));
  CHECK(hf::verify_kafka_indexes(fs, "/100", made));
}

// SPDX-License-Identifier: BSL-1.0
// Reads the segments that a real client of Kafka encodes, and lets the client read ours.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "catch.hpp"
#include "holdfast/format/kafka.hpp"
#include "holdfast/recoverable.hpp"
#include "memory_segment.hpp"
#include "places.hpp"

namespace {
namespace kafka = hf::kafka;
using segments::MemorySegment;

std::string told_by_client(std::string const& what, std::string const& log) {
  std::string command{HOLDFAST_KAFKA_CLIENT};
  command.append(" ").append(what).append(" ").append(log).append(" > ").append(log).append(
      ".told");
  REQUIRE(std::system(command.c_str()) == 0);
  return support::read_file(log + ".told");
}
std::string hexed(std::optional<hf::bytes_view> const& value) {
  if (!value) return "-";
  std::string out = "=";
  for (auto const byte : *value) {
    out += "0123456789abcdef"[static_cast<unsigned>(byte) >> 4];
    out += "0123456789abcdef"[static_cast<unsigned>(byte) & 15];
  }
  return out;
}
std::string text(hf::Record const& record) {
  auto const batch = kafka::batch_in(record.payload);
  REQUIRE(batch);
  auto const base = record.sequence - static_cast<std::uint64_t>(batch->last_offset_delta);
  CHECK(record.time_ns == batch->max_ms * 1'000'000);
  auto const number = [](auto value) { return " " + std::to_string(value); };
  auto out = "batch" + number(base) + number(record.sequence) + number(batch->attributes) +
             number(batch->max_ms) + number(batch->producer_id) + number(batch->producer_epoch) +
             number(batch->base_sequence) + number(batch->count) + "\n";
  CHECK(kafka::each_record(record.payload, [&](kafka::Record const& own) {
    out += std::to_string(base + static_cast<std::uint64_t>(own.offset_delta)) +
           number(batch->base_ms + own.delta_ms) + " " + hexed(own.key) + " " + hexed(own.value);
    for (auto const& header : own.headers) {
      out += " " + hexed(header.key) + hexed(header.value);
    }
    out += "\n";
  }));
  return out;
}
std::string told_by_ours(std::string const& content) {
  auto const view = hf::as_bytes(content);
  auto const log = hf::open_recoverable<hf::Recovery::refuse>(
      MemorySegment{{view.begin(), view.end()}}, hf::KafkaLog{{.base = 0}});
  REQUIRE(log);
  std::string out;
  for (auto const& record : log.value().records()) out += text(record.value());
  return out;
}
}  // namespace

TEST_CASE("what a client of Kafka encodes is read as it was meant", "[oracle][kafka]") {
  support::Place const place{support::On::memory};
  auto const told = told_by_client("encode", place / "client.log");
  CHECK(told.find("batch 1000 1000") != std::string::npos);
  CHECK(told_by_ours(support::read_file(place / "client.log")) == told);
}

TEST_CASE("a client of Kafka reads what ours encodes", "[oracle][kafka]") {
  support::Place const place{support::On::memory};
  hf::KafkaLog const format{{.base = 5, .epoch = 9}};
  auto log = hf::open_recoverable(MemorySegment{{}}, format);
  REQUIRE(log);
  auto const append = [&](kafka::Batch const& batch, std::vector<kafka::Record> const& records) {
    return log.value().append(kafka::body_of(batch, records));
  };
  auto const key = hf::as_bytes("key");
  auto const value = hf::as_bytes("some value");
  std::vector<kafka::Record> many;
  std::string const long_text(20000, 'x');
  for (int i = 0; i < 100; ++i) {
    many.push_back({.delta_ms = i * 1000 - 5000,
                    .key = key,
                    .value = hf::as_bytes(long_text).first(static_cast<std::size_t>(i * 200))});
  }
  CHECK(append({.base_ms = 1'700'000'000'000}, {{.value = value}}).value().sequence == 5);
  CHECK(append({.base_ms = 1'700'000'000'000}, many).value().sequence == 105);
  REQUIRE(append({.attributes = 16, .base_ms = 1, .producer_id = 7, .producer_epoch = 2},
                 {{.key = key}, {.value = value, .headers = {{key, value}, {value, key}}}}));
  REQUIRE(log.value().sync());
  CHECK(log.value().tail().next_sequence == 108);
  std::string content;
  hf::bytes raw;
  auto cursor = format.start();
  std::string ours;
  for (auto const& record : log.value().records()) {
    ours += text(record.value());
    REQUIRE(format.encode(cursor, raw.size(), record.value().payload, {}, raw));
  }
  support::write_file(place / "ours.log", std::string{hf::as_text(raw)});
  CHECK(told_by_client("decode", place / "ours.log") == ours);
}

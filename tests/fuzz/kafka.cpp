// SPDX-License-Identifier: BSL-1.0
// Fuzzes the decoder of Kafka's segments and of the batches in them.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "holdfast/checksum.hpp"
#include "holdfast/format/kafka.hpp"
#include "segment.hpp"

namespace {
namespace kafka = hf::kafka;

// A body with up to three records, or a compressed one, or any bytes as a batch without records.
hf::bytes body(fuzz::Input& in) {
  std::vector<kafka::Record> records(in.number<std::uint8_t>() % 4);
  for (auto& record : records) {
    record.delta_ms = static_cast<std::int8_t>(in.number<std::uint8_t>());
    if (in.coin()) record.key = in.bytes(in.number<std::uint8_t>());
    if (in.coin()) record.value = in.bytes(in.number<std::uint8_t>());
    record.headers.resize(in.number<std::uint8_t>() % 3);
    for (auto& header : record.headers) header = {in.bytes(3), in.bytes(5)};
  }
  kafka::Batch batch;
  batch.attributes = static_cast<std::uint16_t>(in.number<std::uint8_t>() & ~7);
  batch.base_ms = static_cast<std::int32_t>(in.number<std::uint32_t>());
  auto out = kafka::body_of(batch, records);
  if (!in.coin()) return out;
  auto const packed = in.bytes(in.number<std::uint8_t>());
  out.insert(out.end(), packed.begin(), packed.end());
  out[1] |= std::byte{1};  // gzip, which nobody opens
  return out;
}
// Of the batches that follow one another.
void reseal(hf::bytes& content) {
  using namespace hf::detail::kafka;  // NOLINT(google-build-using-namespace)
  hf::bytes_span const all{content};
  for (std::size_t place = 0; place + smallest <= content.size();) {
    auto const own = all.subspan(place);
    auto const size = get_be<std::uint32_t>(own, at::length);
    if (size > own.size() - before_length || size < smallest - before_length) return;
    auto const whole = before_length + std::size_t{size};
    put_be(own, at::crc, hf::crc32c(own.first(whole).subspan(before_body)));
    // What it tells of its records never reaches behind them.
    static_cast<void>(kafka::each_record(
        own.first(whole).subspan(before_body),
        [](kafka::Record const& record) { fuzz::check(record.offset_delta >= 0, "an offset"); }));
    place += whole;
  }
}
}  // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  fuzz::Input in{data, size};
  hf::KafkaLog::Options options;
  options.base = in.coin() ? 5 : hf::KafkaLog::any_base;
  options.dense = in.coin();
  fuzz::check_segment(in, hf::KafkaLog{options}, body, reseal);
  return 0;
}

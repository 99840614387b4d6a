// SPDX-License-Identifier: BSL-1.0
// Kafka's format for tests that append any bytes.
#ifndef HOLDFAST_TESTS_SUPPORT_KAFKA_VALUES_HPP
#define HOLDFAST_TESTS_SUPPORT_KAFKA_VALUES_HPP

#include <cstdint>
#include <optional>
#include <vector>

#include "holdfast/bytes.hpp"
#include "holdfast/format/kafka.hpp"
#include "holdfast/result.hpp"
#include "holdfast/segment.hpp"

namespace segments {
/// Batches of one record, whose value is what was appended.
struct KafkaValues : hf::KafkaLog {
  using KafkaLog::KafkaLog;
  [[nodiscard]] hf::Step decode(cursor& c, std::uint64_t at, hf::bytes_view window) const {
    auto step = KafkaLog::decode(c, at, window);
    if (step.kind != hf::Step::Kind::record) return step;
    std::optional<hf::bytes_view> value;
    static_cast<void>(hf::kafka::each_record(
        step.payload, [&](hf::kafka::Record const& record) { value = record.value; }));
    step.payload = value.value_or(hf::bytes_view{});
    return step;
  }
  [[nodiscard]] hf::result<std::uint64_t> encode(cursor& c,
                                                 std::uint64_t at,
                                                 hf::bytes_view payload,
                                                 hf::Stamp const& stamp,
                                                 hf::bytes& out) const {
    std::vector<hf::kafka::Record> const one{{.value = payload}};
    return KafkaLog::encode(c, at, hf::kafka::body_of({}, one), stamp, out);
  }
};
static_assert(hf::writable_format<KafkaValues>);
}  // namespace segments

#endif

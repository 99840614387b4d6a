// SPDX-License-Identifier: BSL-1.0
// Our formats keep the laws of logs, as far as a format alone can.
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "catch.hpp"
#include "holdfast/format/framed.hpp"
#include "holdfast/format/kafka.hpp"
#include "holdfast/format/leveldb.hpp"
#include "holdfast/testing/check_laws.hpp"

namespace {
// Batches of one record, whose value is what was appended.
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

template <class Format>
void keeps_laws(Format const& format, hf::testing::LawOutcome crashes) {
  auto const report = hf::testing::check_laws<Format>(format, {.variants = 2, .states = 30});
  INFO(text(report));
  CHECK(report.ok());
  CHECK(report.laws.size() == 9);
  CHECK(report.laws.front().outcome == crashes);
}
}  // namespace

TEST_CASE("a format is checked against the laws of logs", "[recoverable][laws]") {
  using hf::testing::LawOutcome;
  keeps_laws(hf::Framed{}, LawOutcome::held);
  // These are crashed elsewhere, on disks that spoil nothing beside a write.
  keeps_laws(hf::Framed{{.align = 0}}, LawOutcome::unreached);
  keeps_laws(hf::Framed{{.align = 512}}, LawOutcome::unreached);
  keeps_laws(hf::LevelDbLog{}, LawOutcome::unreached);
  keeps_laws(KafkaValues{}, LawOutcome::unreached);
  keeps_laws(hf::LevelDbLog{{.log_number = 9, .recycled = true}}, LawOutcome::unreached);
}

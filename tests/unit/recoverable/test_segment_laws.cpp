// SPDX-License-Identifier: BSL-1.0
// Our formats keep the laws of logs, as far as a format alone can.
#include <string>

#include "catch.hpp"
#include "holdfast/format/framed.hpp"
#include "holdfast/format/leveldb.hpp"
#include "holdfast/testing/check_laws.hpp"
#include "kafka_values.hpp"

namespace {
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
  keeps_laws(segments::KafkaValues{}, LawOutcome::unreached);
  keeps_laws(hf::LevelDbLog{{.log_number = 9, .recycled = true}}, LawOutcome::unreached);
}

// SPDX-License-Identifier: BSL-1.0
// Crashes what appends to a segment, and what recovers it, at every call; each protection is missed
// when it is gone.
#include <cstddef>
#include <cstdint>
#include <string>

#include "catch.hpp"
#include "crash/variants.hpp"
#include "explored.hpp"
#include "forgetful_files.hpp"
#include "kafka_values.hpp"
#include "one_segment.hpp"

namespace {
using namespace hf::testing;  // NOLINT(google-build-using-namespace)
using crash::Lack;
using crash::OneSegment;
constexpr CrashMode power_cuts[] = {CrashMode::ext4, CrashMode::ext4_auto_da, CrashMode::any};

template <Lack Missing = Lack::nothing>
using LevelDbSegment = OneSegment<SimulatedFiles, Missing, hf::LevelDbLog>;

template <Lack Missing = Lack::nothing>
using KafkaSegment = OneSegment<SimulatedFiles, Missing, segments::KafkaValues>;

template <class Place>
std::string breaks(CrashMode mode, Place place = {}, std::uint64_t variants = 10) {
  auto report =
      crash::first_broken(crash::SegmentVariant<Place>{place}, variants, mode, std::size_t{800});
  UNSCOPED_INFO(report);
  return report;
}

// A format that packs its records is safe only on a disk that never spoils what lies beside a
// write.
template <class Place>
std::string breaks_packed(CrashMode mode, std::uint64_t variants = 40) {
  for (std::uint64_t number = 1; number <= variants; ++number) {
    auto options = crash::options_of(number, mode, std::size_t{800});
    options.trash = false;
    auto report = crash::broken(
        crash::SegmentVariant<Place>{}("variant " + std::to_string(number), number), options);
    UNSCOPED_INFO(report);
    if (!report.empty()) return report;
  }
  return {};
}
}  // namespace

TEST_CASE("a segment keeps its laws in every crash state", "[log]") {
  for (auto const mode : crash_modes) {
    CAPTURE(name(mode));
    CHECK(breaks<OneSegment<SimulatedFiles>>(mode).empty());
  }
}

// A failed sync, a power cut that kept a size and not the record, another that took what was
// appended behind the padding: that was taken for damage.
TEST_CASE("a tail behind padding that a crash has left is torn", "[log][found]") {
  auto const scenario = crash::segment_variant<SimulatedFiles>("segment", 131000006);
  auto options = crash::options_of(131000006, CrashMode::any, 1636);
  options.subsets = 512;
  CHECK(crash::broken(scenario, options) == "");
}

TEST_CASE("a segment without a protection is found where power is cut", "[log][mutant]") {
  for (auto const mode : power_cuts) {
    CAPTURE(name(mode));
    CHECK_FALSE(breaks<OneSegment<crash::ForgetsFileSync>>(mode).empty());
    CHECK_FALSE(breaks<OneSegment<SimulatedFiles, Lack::sync>>(mode).empty());
    CHECK_FALSE(breaks<OneSegment<SimulatedFiles, Lack::rewrite>>(mode, {}, 40).empty());
    CHECK_FALSE(breaks<OneSegment<SimulatedFiles, Lack::set_aside>>(mode).empty());
    CHECK_FALSE(breaks<OneSegment<SimulatedFiles, Lack::truncate>>(mode).empty());
    CHECK_FALSE(breaks<OneSegment<SimulatedFiles, Lack::point>>(mode).empty());
  }
}

// An ordered journal hides both: a file's name comes with its data, and data keeps its order.
TEST_CASE("a segment that boasts, or whose directory is not synced, is found without a journal",
          "[log][mutant]") {
  CHECK_FALSE(breaks<OneSegment<crash::ForgetsDirectorySync>>(CrashMode::any).empty());
  CHECK_FALSE(
      breaks<OneSegment<SimulatedFiles, Lack::nothing, crash::Boasting>>(CrashMode::any).empty());
}

TEST_CASE("records that share a sector with what was synced are lost where it is spoilt",
          "[log][mutant]") {
  CHECK_FALSE(breaks<OneSegment<SimulatedFiles>>(CrashMode::any, {{.align = 0}}).empty());
}

TEST_CASE("a log in LevelDB's format keeps its laws in every crash state", "[log]") {
  for (auto const mode : crash_modes) {
    CAPTURE(name(mode));
    CHECK(breaks_packed<LevelDbSegment<>>(mode).empty());
  }
}

TEST_CASE("a log in LevelDB's format without a protection is found where power is cut",
          "[log][mutant]") {
  for (auto const mode : power_cuts) {
    CAPTURE(name(mode));
    CHECK_FALSE(breaks_packed<LevelDbSegment<Lack::sync>>(mode).empty());
    CHECK_FALSE(breaks_packed<LevelDbSegment<Lack::rewrite>>(mode).empty());
  }
}

TEST_CASE("a log in Kafka's format keeps its laws in every crash state", "[log]") {
  for (auto const mode : crash_modes) {
    CAPTURE(name(mode));
    CHECK(breaks_packed<KafkaSegment<>>(mode).empty());
  }
}

TEST_CASE("a log in Kafka's format without a protection is found where power is cut",
          "[log][mutant]") {
  for (auto const mode : power_cuts) {
    CAPTURE(name(mode));
    CHECK_FALSE(breaks_packed<KafkaSegment<Lack::sync>>(mode).empty());
    CHECK_FALSE(breaks_packed<KafkaSegment<Lack::truncate>>(mode).empty());
  }
}

TEST_CASE("a log that rolls keeps its laws in every crash state", "[log]") {
  for (auto const mode : crash_modes) {
    CAPTURE(name(mode));
    CHECK(breaks<crash::OneLog<SimulatedFiles>>(mode).empty());
    CHECK(breaks<crash::OneLog<SimulatedFiles>>(mode, {.segment_size = 9000}).empty());
  }
}

TEST_CASE("a log without syncs is found where power is cut", "[log][mutant]") {
  CHECK_FALSE(breaks<crash::OneLog<crash::ForgetsFileSync>>(CrashMode::any).empty());
  CHECK_FALSE(breaks<crash::OneLog<crash::ForgetsDirectorySync>>(CrashMode::any).empty());
}

// SPDX-License-Identifier: BSL-1.0
// A segment that is mapped is judged as one that is read, whatever is the matter with it.
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "catch.hpp"
#include "holdfast/backend/mapped_segment.hpp"
#include "holdfast/format/leveldb.hpp"
#include "holdfast/log.hpp"
#include "holdfast/log/examine.hpp"
#include "places.hpp"

namespace mapped_segments {
template <class Format>
hf::bytes some_records(Format const& format, std::size_t records) {
  auto cursor = format.start();
  hf::bytes out;
  hf::Stamp stamp{.time_ns = 1, .boot = 1, .nonce = 9};
  REQUIRE(format.header(cursor, stamp, out));
  for (std::size_t i = 0; i < records; ++i) {
    hf::bytes piece;
    hf::bytes const payload(100 + i * 977 % 3000, static_cast<std::byte>(i));
    auto const at = format.encode(cursor, out.size(), payload, stamp, piece).value();
    out.resize(static_cast<std::size_t>(at));
    out.insert(out.end(), piece.begin(), piece.end());
    if (i % 3 == 2) stamp.synced_to = out.size();
  }
  return out;
}
// Cut and flipped at many places.
template <class Format>
void check_same_plans(Format const& format, std::string const& path) {
  auto const whole = some_records(format, 40);
  for (std::size_t at = 0; at <= whole.size(); at += 211) {
    for (bool const cut : {true, false}) {
      auto content = whole;
      if (cut) content.resize(at);
      if (!cut && at < content.size()) content[at] ^= std::byte{0x10};
      hf::Posix const fs;
      static_cast<void>(hf::detail::remove_if_there(fs, path));
      REQUIRE(hf::detail::write_new_file(fs, path, content));
      auto const file = hf::FileSegment::open_to_read(path).value();
      auto const map = hf::MappedSegment::open_to_read(path).value();
      for (bool const sealed : {false, true}) {
        hf::Known const known{.sealed = sealed};
        std::uint64_t sum = 0;
        auto const by_read = hf::examine(
            file, format, known,
            [&](hf::Step const& step, std::uint64_t) { sum += hf::crc32c(step.payload); });
        auto const by_map = hf::examine(
            map, format, known,
            [&](hf::Step const& step, std::uint64_t) { sum -= hf::crc32c(step.payload); });
        bool const same = by_read.value() == by_map.value() && sum == 0;
        if (same) continue;
        CAPTURE(at, cut, sealed);
        CHECK(same);
      }
    }
  }
}
}  // namespace mapped_segments

using namespace mapped_segments;  // NOLINT(google-build-using-namespace)

TEST_CASE("a mapped segment gives the plan of one that is read", "[recoverable][map]") {
  support::Place const place{support::On::memory};
  check_same_plans(hf::Framed{{.align = 512}}, place / "framed");
  check_same_plans(hf::LevelDbLog{}, place / "leveldb");
}

TEST_CASE("a mapped segment refuses every change, and one that became shorter is told",
          "[recoverable][map]") {
  support::Place const place{support::On::memory};
  auto const path = place / "segment";
  hf::Framed const format{{.align = 0}};
  REQUIRE(hf::detail::write_new_file(hf::Posix{}, path, some_records(format, 5)));
  auto map = hf::MappedSegment::open_to_read(path).value();
  CHECK(map.append(0, {}).error().code() == hf::errc::read_only);
  CHECK(map.truncate(0).error().code() == hf::errc::read_only);
  CHECK(map.rewrite(0, {}).error().code() == hf::errc::read_only);
  CHECK(map.set_aside(0, 1).error().code() == hf::errc::read_only);
  CHECK(map.sync().error().code() == hf::errc::read_only);
  // Of a log that thinks that there is more.
  auto const size = map.size().value();
  hf::detail::Frames<hf::MappedSegment, hf::Framed> frames{map, format, size + 8};
  while (frames.at() < size) REQUIRE(frames.next());
  auto const behind = frames.next();
  REQUIRE_FALSE(behind);
  CHECK(behind.error().code() == hf::errc::conflict);
  CHECK_FALSE(hf::MappedSegment::open_to_read(place / "none"));
}

TEST_CASE("a log whose sealed segments are mapped gives the report of one that is read",
          "[log][map]") {
  support::Place const place{support::On::memory};
  auto const directory = place / "log";
  {
    auto log = hf::Log<>::open(directory, {.segment_size = 3000, .align = 0}).value();
    for (int i = 0; i < 100; ++i) REQUIRE(log.append(hf::as_bytes(std::string(100, 'x'))));
    REQUIRE(log.close());
  }
  auto const damaged = GENERATE(false, true);
  if (damaged) {
    auto file = hf::Posix{}.open(directory + "/" + hf::detail::segment_name(0), hf::Open::write);
    REQUIRE(hf::Posix{}.write_at(file.value(), 500, hf::as_bytes("rot")));
  }
  auto const read = hf::examine_log(directory).value();
  auto const mapped = hf::examine_log(directory, {.map_sealed = true}).value();
  CHECK(read.segments.size() > 3);
  CHECK(read.fingerprint == mapped.fingerprint);
  CHECK(read.verdict == (damaged ? hf::Verdict::sealed_damage : hf::Verdict::clean));
  CHECK(mapped.verdict == read.verdict);
  auto const log = hf::Log<>::open(directory, {.plan = read.fingerprint, .map_sealed = true});
  CHECK(log.has_value() != damaged);
}

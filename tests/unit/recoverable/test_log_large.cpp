// SPDX-License-Identifier: BSL-1.0
// Logs beyond what fits anywhere: memory does not grow with them. And logs that grow while they are
// looked at. HOLDFAST_SOAK=1 makes the large one 4 GiB.
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <string>
#include <vector>

#include "catch.hpp"
#include "holdfast/log.hpp"
#include "holdfast/log/examine.hpp"
#include "holdfast/testing/simulated_disk.hpp"
#include "places.hpp"

namespace log_large {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool sanitized = true;
#elif defined(__has_feature)
constexpr bool sanitized = __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) ||
                           __has_feature(memory_sanitizer);
#else
constexpr bool sanitized = false;
#endif

std::uint64_t memory_kib(std::string const& what) {
  std::ifstream status{"/proc/self/status"};
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with(what)) return std::stoull(line.substr(what.size() + 1));
  }
  return 0;
}
// What the most memory since now is compared with.
std::uint64_t begin_to_watch_memory() {
  std::ofstream{"/proc/self/clear_refs"} << "5";
  return memory_kib("VmRSS");
}

// A segment of so many MiB: a small record at the beginning of each, and holes between them.
void write_sparse(hf::FileSegment& file, hf::Framed const& format, std::uint64_t mib) {
  auto cursor = format.start();
  hf::bytes out;
  hf::Stamp stamp{.time_ns = 1, .boot = 1, .nonce = 9, .fresh = true};
  REQUIRE(format.header(cursor, stamp, out));
  REQUIRE(file.append(0, out));
  auto end = static_cast<std::uint64_t>(out.size());
  for (std::uint64_t i = 0; i < mib; ++i) {
    out.clear();
    stamp.time_ns = static_cast<std::int64_t>(i);
    auto const at = format.encode(cursor, end, hf::as_bytes(std::to_string(i)), stamp, out);
    REQUIRE(at);
    REQUIRE(file.append(at.value(), out));
    end = at.value() + out.size();
    stamp.synced_to = end;
  }
  REQUIRE(file.sync());
}
}  // namespace log_large

using namespace log_large;  // NOLINT(google-build-using-namespace)

TEST_CASE("the memory that a log takes does not grow with it", "[log][R9][R11]") {
  auto const* const soak = std::getenv("HOLDFAST_SOAK");
  bool const large = soak != nullptr && std::string{soak} == "1";
  std::uint64_t const mib = large ? 4200 : 24;
  support::Place const place{support::On::disk};
  auto const path = place / hf::detail::segment_name(0);
  hf::Framed const format{{.align = 1 << 20}};
  auto file = hf::FileSegment::open(path).value();
  write_sparse(file, format, mib);
  auto const before = begin_to_watch_memory();

  auto const plan = hf::build_indexes(hf::Posix{}, file, format, path, {.every = 1});
  REQUIRE(plan);
  CHECK(plan.value().verdict == hf::Verdict::clean);
  CHECK(plan.value().records == mib);
  CHECK(plan.value().kept > (mib - 1) << 20);
  for (auto const kind : {hf::IndexKind::sequence, hf::IndexKind::time}) {
    CHECK(hf::find_in_index(hf::Posix{}, path, kind, mib - 1).value() == (mib - 1) << 20);
  }
  {
    auto const log = hf::open_recoverable(std::move(file), format);
    REQUIRE(log);
    CHECK(log.value().tail().next_sequence == mib);
    std::uint64_t count = 0;
    for (auto const& record : log.value().records({.sequence = mib - 1})) {
      REQUIRE(record);
      CHECK(hf::as_text(record.value().payload) == std::to_string(mib - 1));
      ++count;
    }
    CHECK(count == 1);
  }
  // A sanitizer keeps what was given back.
  if (!sanitized) CHECK(memory_kib("VmHWM") < before + 8 * 1024);
}

TEST_CASE("a log that grows while it is looked at is whole, as far as it was", "[log]") {
  hf::testing::SimulatedDisk const disk;
  auto const process = disk.start();
  using Files = hf::testing::SimulatedFiles;
  using FaultyLog = hf::BasicLog<Files, hf::Recovery::cut, hf::testing::SimulatedWorld>;
  auto log =
      FaultyLog::open("/log", {.segment_size = 3000, .align = 0}, process.files, process.world)
          .value();
  std::uint64_t written = 0;
  auto const write = [&] {
    REQUIRE(log.append(hf::as_bytes(std::string(100, 'x'))));
    if (++written % 3 == 0) REQUIRE(log.sync());
  };
  for (int i = 0; i < 20; ++i) write();
  auto& calls = process.files.calls();
  bool within = false;
  // Before each call of the one who looks, another record; sometimes another segment.
  calls.spy = [&](hf::testing::Call, std::string const&) {
    if (within) return;
    within = true;
    write();
    within = false;
  };
  for (int round = 0; round < 20; ++round) {
    auto const before = written;
    auto const found = hf::examine_log("/log", {}, process.files, process.world);
    REQUIRE(found);
    CHECK(found.value().verdict == hf::Verdict::clean);
    CHECK(found.value().records >= before);
    CHECK(found.value().records <= written);
  }
  calls.spy = {};
  CHECK(hf::examine_log("/log", {}, process.files).value().segments.size() > 5);
}

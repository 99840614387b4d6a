// SPDX-License-Identifier: BSL-1.0
// One segment on a simulated disk, for tests that look at its bytes and put others there.
#ifndef HOLDFAST_TESTS_SUPPORT_SEGMENT_BENCH_HPP
#define HOLDFAST_TESTS_SUPPORT_SEGMENT_BENCH_HPP

#include <string>
#include <vector>

#include "catch.hpp"
#include "holdfast/backend/file_segment.hpp"
#include "holdfast/format/framed.hpp"
#include "holdfast/recoverable.hpp"
#include "holdfast/testing/simulated_disk.hpp"

namespace segments {
using hf::Recovery;
using hf::Verdict;
using Fs = hf::testing::SimulatedFiles;
using Segment = hf::BasicFileSegment<Fs>;
inline constexpr char const* path = "/segment";

struct SegmentBench {
  hf::testing::SimulatedDisk disk{};
  hf::testing::SimulatedProcess process = disk.start();

  [[nodiscard]] Segment segment() const { return Segment::open(path, process.files).value(); }
  template <Recovery How = Recovery::cut>
  [[nodiscard]] auto open(hf::Framed::Options options = {}) const {
    return hf::open_recoverable<How>(segment(), hf::Framed{options}, {}, {}, process.world);
  }
  [[nodiscard]] hf::bytes raw() const {
    return hf::detail::read_file(process.files, path, 1 << 24).value();
  }
  // As a crash leaves it that has lost the point, which was never synced.
  void set_raw(hf::bytes_view content) const {
    static_cast<void>(hf::detail::remove_if_there(process.files, std::string{path} + ".point"));
    put_raw(content);
  }
  void put_raw(hf::bytes_view content) const {
    auto file = process.files.open(path, hf::Open::write);
    if (!file) file = process.files.open(path, hf::Open::create);
    REQUIRE(process.files.resize(file.value(), 0));
    REQUIRE(process.files.write_at(file.value(), 0, content));
  }
};

template <class Log>
std::vector<std::string> read_segment(Log const& log) {
  std::vector<std::string> all;
  for (auto const& record : log.records()) {
    all.emplace_back(record ? std::string{hf::as_text(record.value().payload)}
                            : "error: " + record.error().text());
  }
  return all;
}
using Texts = std::vector<std::string>;

template <class Log>
void append(Log& log, Texts const& texts) {
  for (auto const& text : texts) REQUIRE(log.append(hf::as_bytes(text)));
  REQUIRE(log.sync());
}
}  // namespace segments

#endif

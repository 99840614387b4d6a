// SPDX-License-Identifier: BSL-1.0
// Makes subjects of what recovers a log: of any format, of a segment somewhere, of a log of
// several.
#ifndef HOLDFAST_TESTING_SEGMENT_SUBJECT_HPP
#define HOLDFAST_TESTING_SEGMENT_SUBJECT_HPP

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "holdfast/backend/file_segment.hpp"
#include "holdfast/bytes.hpp"
#include "holdfast/config.hpp"
#include "holdfast/recoverable.hpp"
#include "holdfast/testing/segment_laws.hpp"
#include "holdfast/testing/segment_log_probes.hpp"
#include "holdfast/testing/segment_probes.hpp"
#include "holdfast/testing/segment_scenario.hpp"
#include "holdfast/testing/simulated_disk.hpp"
#include "holdfast/testing/subject.hpp"

HOLDFAST_BEGIN

namespace testing {
/// The `Place` of one segment in that format, recovered with `cut`.
template <writable_format Format>
class FormatPlace {
 public:
  using Segment = BasicFileSegment<SimulatedFiles>;

  FormatPlace() = default;
  explicit FormatPlace(Format format) : format_{std::move(format)} {}

  [[nodiscard]] result<Recoverable<Segment, Format, Recovery::cut, SimulatedWorld>> open(
      SimulatedProcess const& process) const {
    HOLDFAST_TRY(from, segment(process));
    return open_recoverable(std::move(from), format_, {}, {}, process.world);
  }
  [[nodiscard]] static result<Segment> segment(SimulatedProcess const& process) {
    return Segment::open(path(), process.files);
  }
  [[nodiscard]] Format const& format() const noexcept { return format_; }
  [[nodiscard]] static std::string path() { return "/segment"; }
  [[nodiscard]] static std::string aside(std::uint64_t begin,
                                         std::uint64_t end,
                                         std::uint32_t crc) {
    return aside_path(path(), begin, end, crc);
  }

 private:
  Format format_{};
};

namespace kit {
inline constexpr char const* shares_sectors =
    "not checked in crash states: its records share disk sectors with those that were synced "
    "before, which a disk may spoil";

/// What is written later never shares a disk sector with what was synced.
template <class Place>
[[nodiscard]] bool keeps_sectors_apart(Place const& place) {
  if constexpr (requires { place.format().options().align; }) {
    return place.format().options().align % 4096 == 0 && place.format().options().align != 0;
  } else if constexpr (requires { place.format(); }) {
    return false;
  } else {
    return true;
  }
}
using PlanOf = SegmentPlan (*)(std::uint64_t number);
template <class Place>
void add_crashes(Subject& subject,
                 Place const& place,
                 std::vector<std::string_view> const& judges,
                 std::vector<PlanOf> const& plans) {
  if (!keeps_sectors_apart(place)) {
    for (auto const id : judges) subject.missing.emplace(id, shares_sectors);
    return;
  }
  for (auto const plan : plans) {
    subject.trials.push_back(
        {judges, laws::r2.id, [name = subject.name, place, plan](std::uint64_t number) {
           return segment_scenario(name, place, plan(number));
         }});
  }
}
}  // namespace kit

/// `place` is that of a segment_scenario with a path, and may have
///   segment(process), format()  what it recovers, for the law of damage
///   allocated()                 bytes asked of the allocator so far, by this thread
template <class Place>
[[nodiscard]] Subject segment_subject(std::string name, Place place) {
  using namespace laws;  // NOLINT(google-build-using-namespace)
  Subject subject{.name = std::move(name), .laws = {r1, r2, r4, r5, r6, r7, r9, r10, r11}};
  kit::add_crashes(subject, place, {r1.id, r2.id, r5.id, r6.id, r7.id},
                   {segment_plan, segment_tail_plan});
  auto const probe = [&subject](Law const& law, auto run) {
    subject.probes.push_back({law.id, std::move(run)});
  };
  probe(r4, [place](std::uint64_t seed) { return damage_is_no_record(place, seed); });
  if constexpr (requires { place.format(); }) {
    probe(r5, [place](std::uint64_t seed) { return damage_is_no_torn_tail(place, seed); });
  }
  probe(r9, [place](std::uint64_t seed) { return any_bytes_end(place, seed); });
  probe(r10, [place](std::uint64_t seed) { return two_recover_as_one(place, seed); });
  probe(r11, [place](std::uint64_t seed) { return odd_segments_open(place, seed); });
  return subject;
}

/// `place` has `open(process)`, which gives a log of several segments (with `roll` and `index`),
/// and `directory()`, where they lie.
template <class Place>
[[nodiscard]] Subject log_subject(std::string name, Place place) {
  using namespace laws;  // NOLINT(google-build-using-namespace)
  Subject subject{.name = std::move(name), .laws = {r1, r2, r3, r5, r6, r8, r10}};
  kit::add_crashes(subject, place, {r1.id, r2.id, r5.id, r6.id}, {segment_plan});
  auto const probe = [&subject](Law const& law, auto run) {
    subject.probes.push_back({law.id, std::move(run)});
  };
  probe(r3, [place](std::uint64_t seed) { return indexes_follow_data(place, seed); });
  probe(r8, [place](std::uint64_t seed) { return segments_follow(place, seed); });
  probe(r10, [place](std::uint64_t seed) { return two_recover_as_one(place, seed); });
  return subject;
}
}  // namespace testing

HOLDFAST_END

#endif

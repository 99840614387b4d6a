// SPDX-License-Identifier: BSL-1.0
// The laws of a log of several segments that need no crash: its indexes, and the order of its
// files.
#ifndef HOLDFAST_TESTING_SEGMENT_LOG_PROBES_HPP
#define HOLDFAST_TESTING_SEGMENT_LOG_PROBES_HPP

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "holdfast/bytes.hpp"
#include "holdfast/config.hpp"
#include "holdfast/file_ops.hpp"
#include "holdfast/log/survey.hpp"
#include "holdfast/recovery/records.hpp"
#include "holdfast/testing/segment_probes.hpp"

HOLDFAST_BEGIN

namespace testing::laws {
/// A log of several sealed segments, and the files of its directory.
template <class Place>
class LogTrial : public SegmentTrial<Place> {
 public:
  using Contents = std::map<std::string, bytes>;

  LogTrial(Place place, std::uint64_t seed) : SegmentTrial<Place>{place, seed}, at_{place} {}

  /// So many segments of three records each, the last one open for more.
  [[nodiscard]] Verdict build(Law const& law, std::uint64_t segments) {
    auto opened = this->open();
    if (!opened) return law.refused("open", opened.error());
    auto& log = opened.assume_value();
    for (std::uint64_t s = 1; s <= segments; ++s) {
      if (auto broken = this->append(law, log, 3 * s)) return broken;
      if (s == segments) break;
      if (auto const rolled = log.roll(); !rolled) return law.refused("roll", rolled.error());
    }
    return {};
  }
  [[nodiscard]] std::string path(std::string const& name) const {
    return holdfast::detail::join(at_.directory(), name);
  }
  /// The files whose name ends so.
  [[nodiscard]] Contents files(std::string_view suffix) const {
    Contents all;
    auto const& fs = this->process().files;
    auto const entries = fs.list(at_.directory());
    if (!entries) return all;
    for (auto const& entry : entries.assume_value()) {
      if (!entry.name.ends_with(suffix)) continue;
      auto content = holdfast::detail::read_file(fs, path(entry.name), 1 << 24);
      if (content) all.emplace(entry.name, std::move(content).assume_value());
    }
    return all;
  }
  [[nodiscard]] result<void> write(std::string const& name, bytes_view content) const {
    auto const& fs = this->process().files;
    HOLDFAST_TRYV(holdfast::detail::remove_if_there(fs, path(name)));
    return holdfast::detail::write_new_file(fs, path(name), content);
  }

 private:
  Place at_;
};

/// HF-LOG-003: whatever has become of the indexes, they are made the same again.
template <class Place>
[[nodiscard]] Verdict indexes_follow_data(Place const& place, std::uint64_t seed) {
  disk::Dice dice{seed};
  LogTrial<Place> trial{place, seed};
  if (auto broken = trial.build(r3, 4)) return broken;
  auto opened = trial.open();
  if (!opened) return r3.refused("open", opened.error());
  auto& log = opened.assume_value();
  auto const tell = [&] {
    std::string seen;
    for (std::uint64_t first = 0; first < 12; ++first) {
      for (auto const& record : log.records(From{.sequence = first})) {
        seen += record ? std::to_string(record.assume_value().sequence) + " " : "error";
      }
    }
    return seen;
  };
  auto const without = tell();
  if (auto const made = log.index({}); !made) return r3.refused("index", made.error());
  auto const index = trial.files(".index");
  auto const times = trial.files(".times");
  if (index.size() != 3 || times.size() != 3)
    return r3.broken("two indexes of each sealed segment", std::to_string(index.size()));
  for (int i = 0; i < 8; ++i) {
    auto const& all = dice.below(2) == 0 ? index : times;
    auto const one = std::next(all.begin(), static_cast<std::ptrdiff_t>(dice.below(3)));
    auto const other = std::next(all.begin(), static_cast<std::ptrdiff_t>(dice.below(3)));
    auto content = dice.below(2) == 0 ? other->second : spoiled(one->second, dice);
    auto const done = dice.below(4) == 0 ? holdfast::detail::remove_if_there(trial.process().files,
                                                                             trial.path(one->first))
                                         : trial.write(one->first, content);
    if (!done) return r3.refused("write", done.error());
    if (dice.below(2) == 0 && tell() != without)
      return r3.broken("the same records, whatever the index is", "others");
    if (auto const made = log.index({}); !made) return r3.refused("index", made.error());
    if (trial.files(".index") != index || trial.files(".times") != times)
      return r3.broken("the indexes as they were before, made again", "others");
    if (tell() != without) return r3.broken("the same records as without indexes", "others");
  }
  return {};
}

/// HF-LOG-008: a segment that is missing, is there twice or lies under another's name.
template <class Place>
[[nodiscard]] Verdict segments_follow(Place const& place, std::uint64_t seed) {
  disk::Dice dice{seed};
  for (int what = 0; what < 4; ++what) {
    LogTrial<Place> trial{place, seed};
    if (auto broken = trial.build(r8, 4)) return broken;
    auto const all = trial.files(".seg");
    if (all.size() != 4) return r8.broken("four segments", std::to_string(all.size()));
    auto const one = std::next(all.begin(), 1 + static_cast<std::ptrdiff_t>(dice.below(2)));
    auto const next = std::next(one);
    auto const& fs = trial.process().files;
    auto done = result<void>{ok()};
    std::string told;
    switch (what) {
      case 0:
        told = "a missing one";
        done = fs.remove(trial.path(one->first));
        break;
      case 1:  // between two others
        told = "a copy under a new name";
        done = trial.write(holdfast::detail::segment_name(1 + 3 * dice.below(3)), one->second);
        break;
      case 2:
        told = "a copy under the name of another";
        done = trial.write(next->first, one->second);
        break;
      default:
        told = "two that have each other's name";
        done = trial.write(next->first, one->second);
        if (done) done = trial.write(one->first, next->second);
    }
    if (!done) return r8.refused("write", done.error());
    auto const before = trial.files(".seg");
    if (trial.open()) return r8.broken(told + " is refused", "it was opened");
    if (trial.files(".seg") != before) return r8.broken("what is refused is not touched", told);
  }
  return {};
}
}  // namespace testing::laws

HOLDFAST_END

#endif

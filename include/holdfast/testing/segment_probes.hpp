// SPDX-License-Identifier: BSL-1.0
// The laws of what recovers a segment that need no crash: its bytes are changed, and it is opened.
#ifndef HOLDFAST_TESTING_SEGMENT_PROBES_HPP
#define HOLDFAST_TESTING_SEGMENT_PROBES_HPP

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "holdfast/bytes.hpp"
#include "holdfast/config.hpp"
#include "holdfast/file_ops.hpp"
#include "holdfast/recovery/examine.hpp"
#include "holdfast/recovery/plan.hpp"
#include "holdfast/testing/codec_subject.hpp"
#include "holdfast/testing/disk/hash.hpp"
#include "holdfast/testing/segment_laws.hpp"
#include "holdfast/testing/simulated_disk.hpp"

HOLDFAST_BEGIN

namespace testing::laws {
/// One log on a machine of its own, whose bytes can be looked at and exchanged.
template <class Place>
class SegmentTrial {
 public:
  static constexpr std::size_t largest = 300;

  SegmentTrial(Place place, std::uint64_t seed) : place_{std::move(place)}, seed_{seed} {}

  [[nodiscard]] SimulatedDisk& disk() noexcept { return disk_; }
  [[nodiscard]] SimulatedProcess const& process() const noexcept { return process_; }
  [[nodiscard]] auto open() const { return place_.open(process_); }
  template <class Log>
  [[nodiscard]] SeenRecords look(Log const& log) const {
    return seen_in(log, seed_, largest);
  }
  /// Appends the records up to the n-th, each made durable.
  template <class Log>
  [[nodiscard]] Verdict append(Law const& law, Log& log, std::uint64_t upto) {
    while (next_ <= upto) {
      auto const added = log.append(value_of_record(seed_, next_, largest));
      if (!added) return law.refused("append", added.error());
      if (auto const synced = log.sync(); !synced) return law.refused("sync", synced.error());
      ++next_;
    }
    return {};
  }
  [[nodiscard]] Verdict fill(Law const& law, std::uint64_t records) {
    auto log = open();
    if (!log) return law.refused("open", log.error());
    if (auto broken = append(law, log.assume_value(), records)) return broken;
    auto const closed = log.assume_value().close();
    if (!closed) return law.refused("close", closed.error());
    return {};
  }
  [[nodiscard]] bytes raw() const {
    auto found = holdfast::detail::read_file(process_.files, place_.path(), limit);
    return found ? std::move(found).assume_value() : bytes{};
  }
  /// Puts other bytes in place of the segment, without what lay beside it.
  [[nodiscard]] result<void> put(bytes_view content) const {
    auto const& fs = process_.files;
    HOLDFAST_TRYV(holdfast::detail::remove_if_there(fs, place_.path() + ".point"));
    HOLDFAST_TRYV(holdfast::detail::remove_if_there(fs, place_.path()));
    HOLDFAST_TRY(file, fs.open(place_.path(), Open::create));
    return fs.write_at(file, 0, content);
  }

 private:
  static constexpr std::uint64_t limit = 1 << 24;
  Place place_;
  std::uint64_t seed_;
  SimulatedDisk disk_{};
  SimulatedProcess process_ = disk_.start();
  std::uint64_t next_ = 1;
};

[[nodiscard]] inline std::vector<std::uint64_t> numbers_to(std::uint64_t last) {
  std::vector<std::uint64_t> all;
  for (std::uint64_t n = 1; n <= last; ++n) all.push_back(n);
  return all;
}
[[nodiscard]] inline bool is_prefix(SeenRecords const& seen, std::uint64_t of) {
  auto const all = numbers_to(of);
  return seen.exact && seen.numbers.size() <= all.size() &&
         std::equal(seen.numbers.begin(), seen.numbers.end(), all.begin());
}

/// HF-LOG-004: a burst of up to 32 bits.
template <class Place>
[[nodiscard]] Verdict damage_is_no_record(Place const& place, std::uint64_t seed) {
  disk::Dice dice{seed};
  SegmentTrial<Place> trial{place, seed};
  auto const records = 2 + dice.below(4);
  if (auto broken = trial.fill(r4, records)) return broken;
  auto const whole = trial.raw();
  for (int i = 0; i < 60; ++i) {
    auto spoilt = whole;
    auto const burst = static_cast<std::uint32_t>(dice()) | 1;
    auto const at = static_cast<std::size_t>(dice.below(8 * spoilt.size()));
    for (std::size_t bit = 0; bit < 32 && at + bit < 8 * spoilt.size(); ++bit) {
      if ((burst >> bit & 1) != 0) spoilt[(at + bit) / 8] ^= std::byte{1} << (at + bit) % 8;
    }
    if (auto const put = trial.put(spoilt); !put) return r4.refused("write", put.error());
    auto const log = trial.open();
    if (!log) continue;
    auto const seen = trial.look(log.assume_value());
    if (!is_prefix(seen, records)) return r4.broken("the first records or none", text(seen));
    bool const clean = log.assume_value().recovered().found.verdict == holdfast::Verdict::clean;
    if (clean && seen.numbers.size() != records) {
      return r4.broken("that something is missing is told", "clean: " + text(seen));
    }
  }
  return {};
}

/// HF-LOG-005: what a frame says was durable is never cut as a torn tail.
template <class Place>
[[nodiscard]] Verdict damage_is_no_torn_tail(Place const& place, std::uint64_t seed) {
  disk::Dice dice{seed};
  SegmentTrial<Place> trial{place, seed};
  auto const records = 2 + dice.below(4);
  if (auto broken = trial.fill(r5, records)) return broken;
  auto const whole = trial.raw();
  auto const durable_to = [&]() -> result<std::uint64_t> {
    HOLDFAST_TRY(segment, place.segment(trial.process()));
    HOLDFAST_TRY(plan, examine(segment, place.format()));
    return plan.durable_to;
  }();
  if (!durable_to) return r5.refused("examine", durable_to.error());
  for (int i = 0; i < 40 && durable_to.assume_value() != 0; ++i) {
    auto spoilt = whole;
    auto const at = static_cast<std::size_t>(dice.below(durable_to.assume_value()));
    spoilt[at] ^= std::byte{1} << dice.below(8);
    if (auto const put = trial.put(spoilt); !put) return r5.refused("write", put.error());
    auto const log = trial.open();
    if (log) {
      auto const& found = log.assume_value().recovered().found;
      return r5.broken("byte " + std::to_string(at) + " was durable: refused",
                       "a " + std::string{name(found.verdict)} + ", opened");
    }
    if (trial.raw() != spoilt) return r5.broken("what is refused is not touched", "it was");
  }
  return {};
}

/// What may be asked of the allocator to open a segment of `size` bytes.
[[nodiscard]] constexpr std::size_t fair_segment_memory(std::size_t size) noexcept {
  return 256 * size + (std::size_t{2} << 20);
}
/// HF-LOG-009.
template <class Place>
[[nodiscard]] Verdict any_bytes_end(Place const& place, std::uint64_t seed) {
  disk::Dice dice{seed};
  SegmentTrial<Place> trial{place, seed};
  if (auto broken = trial.fill(r9, 2 + dice.below(4))) return broken;
  auto const whole = trial.raw();
  for (int i = 0; i < 60; ++i) {
    auto spoilt = dice.below(2) == 0 ? spoiled(whole, dice) : whole;
    // Often all there is to a length.
    if (auto const at = static_cast<std::size_t>(dice.below(whole.size())); at + 4 < spoilt.size())
      put_le(bytes_span{spoilt}, at, static_cast<std::uint32_t>(0x00ff'fff0 + dice.below(16)));
    if (auto const put = trial.put(spoilt); !put) return r9.refused("write", put.error());
    auto const calls = trial.disk().calls();
    std::size_t asked = 0;
    if constexpr (requires { place.allocated(); }) asked = place.allocated();
    static_cast<void>(trial.open());
    if constexpr (requires { place.allocated(); }) asked = place.allocated() - asked;
    auto const most = fair_segment_memory(spoilt.size());
    if (asked > most) {
      return r9.broken("at most " + std::to_string(most) + " bytes of memory",
                       std::to_string(asked));
    }
    auto const made = trial.disk().calls() - calls;
    if (made > 200 + spoilt.size()) {
      return r9.broken("about as many calls as there are bytes", std::to_string(made));
    }
  }
  return {};
}

/// A log whose last bytes are torn off, where it has one file.
template <class Place>
[[nodiscard]] Verdict fill_and_tear(SegmentTrial<Place>& trial,
                                    Place const& place,
                                    Law const& law) {
  if (auto broken = trial.fill(law, 3)) return broken;
  if constexpr (requires { place.path(); }) {
    auto whole = trial.raw();
    whole.resize(whole.size() - 5);
    if (auto const put = trial.put(whole); !put) return law.refused("write", put.error());
  }
  return {};
}
/// HF-LOG-010: the other recovers before the k-th call of the one, for every k.
template <class Place>
[[nodiscard]] Verdict two_recover_as_one(Place const& place, std::uint64_t seed) {
  SegmentTrial<Place> alone{place, seed};
  if (auto broken = fill_and_tear(alone, place, r10)) return broken;
  auto const left = alone.open();
  if (!left) return r10.refused("open", left.error());
  auto expected = alone.look(left.assume_value()).numbers;
  expected.push_back(4);
  for (std::uint32_t k = 1;; ++k) {
    SegmentTrial<Place> trial{place, seed};
    if (auto broken = fill_and_tear(trial, place, r10)) return broken;
    auto const other = trial.disk().start();
    using Opened = decltype(trial.open());
    std::optional<Opened> second;
    std::uint32_t calls = 0;
    trial.disk().before_each_call([&] {
      if (++calls == k) second = place.open(other);
    });
    std::optional<Opened> first{trial.open()};
    trial.disk().before_each_call({});
    if (!second) return {};
    auto const at = " (the second begins before call " + std::to_string(k) + ")";
    if (first->has_value() == second->has_value()) {
      return r10.broken("one of them opens" + at, *first ? "both do" : "neither does");
    }
    auto& won = *first ? first : second;
    if (auto broken = trial.append(r10, won->assume_value(), 4)) return broken;
    first.reset();
    second.reset();
    auto const log = trial.open();
    if (!log) return r10.refused("open after both", log.error());
    auto const seen = trial.look(log.assume_value());
    if (seen.numbers != expected || !seen.exact) {
      return r10.broken("what one would leave, and record 4" + at, text(seen));
    }
  }
}

/// HF-LOG-011.
template <class Place>
[[nodiscard]] Verdict odd_segments_open(Place const& place, std::uint64_t seed) {
  disk::Dice dice{seed};
  auto const opens = [&](SegmentTrial<Place>& trial, std::uint64_t records,
                         std::string const& what) -> Verdict {
    for (auto const upto : {records, records + 1}) {
      auto log = trial.open();
      if (!log) return r11.refused("open of " + what, log.error());
      auto const seen = trial.look(log.assume_value());
      if (seen.numbers != numbers_to(upto) || !seen.exact)
        return r11.broken(what + ": " + std::to_string(upto) + " records", text(seen));
      if (auto broken = trial.append(r11, log.assume_value(), records + 1)) return broken;
    }
    return {};
  };
  SegmentTrial<Place> fresh{place, seed};
  if (auto const log = fresh.open(); !log) return r11.refused("open", log.error());
  auto const header = fresh.raw();
  for (auto const size : {std::size_t{0}, header.size(), header.size() / 2}) {
    SegmentTrial<Place> trial{place, seed};
    auto const put = trial.put(bytes_view{header}.first(size));
    if (!put) return r11.refused("write", put.error());
    auto const what = "the first " + std::to_string(size) + " bytes of a header";
    if (auto broken = opens(trial, 0, what)) return broken;
  }
  SegmentTrial<Place> trial{place, seed};
  auto const records = 1 + dice.below(3);
  if (auto broken = trial.fill(r11, records)) return broken;
  auto longer = trial.raw();
  auto const zeros = std::size_t{1} << dice.below(18);
  longer.resize(longer.size() + zeros);
  if (auto const put = trial.put(longer); !put) return r11.refused("write", put.error());
  return opens(trial, records, std::to_string(zeros) + " zeros behind the last record");
}
}  // namespace testing::laws

HOLDFAST_END

#endif

// SPDX-License-Identifier: BSL-1.0
// What was found in a segment, and what is to be done about it: data, before anything is touched.
#ifndef HOLDFAST_RECOVERY_PLAN_HPP
#define HOLDFAST_RECOVERY_PLAN_HPP

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "holdfast/config.hpp"
#include "holdfast/result.hpp"

HOLDFAST_BEGIN

/// What is the matter with a segment. From `damage` on, no crash alone explains it.
enum class Verdict : std::uint8_t {
  clean,
  torn_tail,      ///< what was being written when it crashed; nobody was told that it is durable
  damage,         ///< bytes that were durable fail their check
  sealed_damage,  ///< the same in a segment that is no longer written
  hole,           ///< a segment of the log is missing
  foreign,        ///< not a segment of this log
  newer_format,   ///< of a newer version; not to be touched
};
[[nodiscard]] constexpr std::string_view name(Verdict verdict) noexcept {
  constexpr std::string_view names[] = {"clean", "torn tail", "damage",      "sealed damage",
                                        "hole",  "foreign",   "newer format"};
  return names[static_cast<std::size_t>(verdict)];
}
/// The error that says so.
[[nodiscard]] constexpr errc errc_of(Verdict verdict) noexcept {
  switch (verdict) {
    case Verdict::clean:
    case Verdict::torn_tail:
      return errc::incomplete;
    case Verdict::damage:
    case Verdict::sealed_damage:
      return errc::damaged;
    case Verdict::hole:
      return errc::hole;
    case Verdict::foreign:
      return errc::foreign;
    case Verdict::newer_format:
      return errc::newer_format;
  }
  return errc::unknown;
}

/// How much recovery may do.
enum class Recovery : std::uint8_t {
  refuse,      ///< nothing: what is not clean is an error
  cut,         ///< cut a torn tail, refuse everything worse
  quarantine,  ///< also set aside everything from the damage on, and go on from before it
  salvage,     ///< also keep the records behind damage, which stays where it is
};
[[nodiscard]] constexpr std::string_view name(Recovery recovery) noexcept {
  constexpr std::string_view names[] = {"refuse", "cut", "quarantine", "salvage"};
  return names[static_cast<std::size_t>(recovery)];
}

/// A segment as it was found. The same bytes give the same plan.
struct Plan {
  Verdict verdict = Verdict::clean;
  std::uint64_t size = 0;           ///< of the segment, in bytes
  std::uint64_t kept = 0;           ///< end of the longest valid prefix
  std::uint64_t durable_to = 0;     ///< bytes that are known to have been durable before
  std::uint64_t witness = 0;        ///< where the frame lies that shows damage; 0 if none does
  std::uint64_t records = 0;        ///< in the prefix
  std::uint64_t salvageable = 0;    ///< records behind the damage
  std::uint64_t salvaged_end = 0;   ///< end of the last of them
  std::uint64_t next_sequence = 0;  ///< of the next record
  std::uint64_t unconfirmed = 0;    ///< first byte that this boot wrote and no sync is known of
  std::int64_t first_time_ns = 0;
  std::int64_t last_time_ns = 0;
  std::uint32_t tail_crc = 0;  ///< of the bytes behind the prefix
  bool sealed = false;         ///< is told to have a successor
  std::uint64_t digest = 0;    ///< of all frames of the prefix

  friend bool operator==(Plan const&, Plan const&) = default;

  /// Equal where the bytes are, whoever looks at them and in whichever boot. The witness is left
  /// out: nobody looks for one where a point has told of the damage already.
  [[nodiscard]] std::uint64_t fingerprint() const noexcept {
    std::uint64_t all = 0;
    for (auto const part :
         {static_cast<std::uint64_t>(verdict), size, kept, records, salvageable, salvaged_end,
          next_sequence, static_cast<std::uint64_t>(tail_crc), digest}) {
      all = mixed(all, part);
    }
    return all;
  }
  [[nodiscard]] static constexpr std::uint64_t mixed(std::uint64_t all,
                                                     std::uint64_t part) noexcept {
    all = (all ^ part) * 0x9e37'79b9'7f4a'7c15;
    return all ^ all >> 29;
  }
};

/// What was done to a segment when it was opened.
struct Recovered {
  Plan found;
  std::uint64_t cut_bytes = 0;      ///< set aside, then cut
  std::uint64_t skipped_bytes = 0;  ///< damaged, left in place and skipped by readers
};

HOLDFAST_END

#endif

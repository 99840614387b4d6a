// SPDX-License-Identifier: BSL-1.0
// Tells which files of a directory are segments of a log, from their names, and how they follow one
// another.
#ifndef HOLDFAST_LOG_SURVEY_HPP
#define HOLDFAST_LOG_SURVEY_HPP

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "holdfast/config.hpp"
#include "holdfast/file_system.hpp"
#include "holdfast/recovery/plan.hpp"
#include "holdfast/result.hpp"

HOLDFAST_BEGIN

/// One segment of a log, as it was found and what was done to it.
struct SegmentReport {
  std::uint64_t base = 0;  ///< the number of its first record, from its name
  Recovered recovered{};
};

/// What opening a log has found and done.
struct LogReport {
  Verdict verdict = Verdict::clean;       ///< of the first segment that is not clean
  std::vector<SegmentReport> segments{};  ///< in their order
  std::vector<std::string> foreign{};     ///< names that are not the log's; left alone
  std::vector<std::string> set_aside{};   ///< whole segments behind a break, under their new names
  std::uint64_t records = 0;              ///< that can be read
  std::uint64_t cut_bytes = 0;
  std::uint64_t skipped_bytes = 0;
  std::uint64_t missing_records = 0;  ///< numbers that no segment has, where salvage goes on
  std::uint64_t fingerprint = 0;      ///< of all that was found: equal where bytes and names are
};

namespace detail {
/// What is to be read of one segment.
struct LogPart {
  std::uint64_t base = 0;
  std::uint64_t end = 0;  ///< bytes
  bool skips_damage = false;
  bool indexed = false;  ///< may have indexes that are of its data
};
}  // namespace detail

namespace detail {
inline constexpr std::size_t digits_of_base = 20;
inline constexpr std::string_view segment_suffix = ".seg";

[[nodiscard]] inline std::string segment_name(std::uint64_t base) {
  auto digits = std::to_string(base);
  return std::string(digits_of_base - digits.size(), '0') + digits + std::string{segment_suffix};
}
/// The base that a name says; nothing if it is not the name of a segment.
[[nodiscard]] inline std::optional<std::uint64_t> base_of(std::string_view name) noexcept {
  if (name.size() != digits_of_base + segment_suffix.size()) return {};
  if (name.substr(digits_of_base) != segment_suffix) return {};
  std::uint64_t base = 0;
  for (char const c : name.substr(0, digits_of_base)) {
    if (c < '0' || c > '9') return {};
    auto const digit = static_cast<std::uint64_t>(c - '0');
    if (base > (~std::uint64_t{0} - digit) / 10) return {};
    base = base * 10 + digit;
  }
  return base;
}
/// What a log or its recovery has put beside a segment.
[[nodiscard]] inline bool is_beside_segment(std::string_view name) noexcept {
  constexpr auto whole = digits_of_base + segment_suffix.size();
  return name.size() > whole && base_of(name.substr(0, whole)) &&
         (name.substr(whole) == ".point" || name.substr(whole) == ".mended" ||
          name.substr(whole, 6) == ".aside" || name.substr(whole, 6) == ".index" ||
          name.substr(whole, 6) == ".times");
}

struct Survey {
  std::vector<std::uint64_t> bases{};
  std::vector<std::string> foreign{};
};
template <file_system Fs>
[[nodiscard]] result<Survey> survey(Fs const& fs, std::string const& directory) {
  Survey out;
  HOLDFAST_TRY(entries, fs.list(directory));
  for (auto const& entry : entries) {
    auto const base = base_of(entry.name);
    if (base && entry.kind == Entry::Kind::file) {
      out.bases.push_back(*base);
    } else if (entry.name != "LOCK" && !is_beside_segment(entry.name)) {
      out.foreign.push_back(entry.name);
    }
  }
  std::sort(out.bases.begin(), out.bases.end());
  return out;
}
}  // namespace detail

HOLDFAST_END

#endif

// SPDX-License-Identifier: BSL-1.0
// Reads a segment that is no longer written through a map of its file: nothing is copied.
//
// Not for a disk that may fail to read: what a map can't give is a signal that ends the process,
// where a call would answer an error.
#ifndef HOLDFAST_BACKEND_MAPPED_SEGMENT_HPP
#define HOLDFAST_BACKEND_MAPPED_SEGMENT_HPP

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

#include "holdfast/bytes.hpp"
#include "holdfast/config.hpp"
#include "holdfast/file_system.hpp"
#include "holdfast/posix.hpp"
#include "holdfast/result.hpp"
#include "holdfast/segment.hpp"

HOLDFAST_BEGIN

/// Can map files. `map(file, size)` gives what has `content()`.
template <class Fs>
concept mapping_files = file_system<Fs> &&
    requires(Fs const& fs, typename Fs::file& file, typename Fs::mapping const& map) {
  { fs.map(file, std::uint64_t{}) } -> std::same_as<result<typename Fs::mapping>>;
  { map.content() } -> std::same_as<bytes_view>;
};

/// Models `mapped_segment`: to read alone, and only while nobody cuts or writes the file.
template <mapping_files Fs>
class BasicMappedSegment {
 public:
  /// Takes no lock. What is appended later is not seen.
  [[nodiscard]] static result<BasicMappedSegment> open_to_read(std::string const& path,
                                                               Fs const& fs = {}) {
    HOLDFAST_TRY(file, fs.open(path, Open::read));
    HOLDFAST_TRY(size, fs.size(file));
    HOLDFAST_TRY(map, fs.map(file, size));
    return BasicMappedSegment{std::move(map)};
  }

  [[nodiscard]] bytes_view mapped() const noexcept { return map_.content(); }
  [[nodiscard]] result<std::uint64_t> size() const { return map_.content().size(); }
  [[nodiscard]] result<std::size_t> read_at(std::uint64_t at, bytes_span into) const {
    auto const all = map_.content();
    auto const begin = static_cast<std::size_t>(std::min<std::uint64_t>(at, all.size()));
    auto const some = all.subspan(begin, std::min(into.size(), all.size() - begin));
    std::copy(some.begin(), some.end(), into.begin());
    return some.size();
  }
  [[nodiscard]] result<void> append(std::uint64_t, bytes_view) { return refuse(); }
  [[nodiscard]] result<void> set_aside(std::uint64_t, std::uint64_t) { return refuse(); }
  [[nodiscard]] result<void> truncate(std::uint64_t) { return refuse(); }
  [[nodiscard]] result<void> rewrite(std::uint64_t, bytes_view) { return refuse(); }
  [[nodiscard]] result<void> sync() { return refuse(); }

 private:
  explicit BasicMappedSegment(typename Fs::mapping map) noexcept : map_{std::move(map)} {}
  [[nodiscard]] static result<void> refuse() {
    return failure(errc::read_only, "write to a mapped segment");
  }
  typename Fs::mapping map_;
};

/// On the real file system.
using MappedSegment = BasicMappedSegment<Posix>;
static_assert(mapped_segment<MappedSegment>);

HOLDFAST_END

#endif

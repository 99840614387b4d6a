// SPDX-License-Identifier: BSL-1.0
// Where a segment under test lies, what it can lack, and which plans are tried on it.
#ifndef HOLDFAST_PROPERTY_TESTS_ONE_SEGMENT_HPP
#define HOLDFAST_PROPERTY_TESTS_ONE_SEGMENT_HPP

#include <cstdint>
#include <string>
#include <utility>

#include "../crash/variants.hpp"
#include "holdfast/backend/file_segment.hpp"
#include "holdfast/format/framed.hpp"
#include "holdfast/format/leveldb.hpp"
#include "holdfast/log.hpp"
#include "holdfast/testing/segment_scenario.hpp"

namespace crash {
/// Protections of a segment, each of which a mutant lacks.
enum class Lack : std::uint8_t { nothing, rewrite, set_aside, truncate, sync, point };

template <class Fs, Lack Missing>
struct LackingSegment : hf::BasicFileSegment<Fs> {
  using Base = hf::BasicFileSegment<Fs>;
  explicit LackingSegment(Base whole) : Base{std::move(whole)} {}
  [[nodiscard]] hf::result<void> rewrite(std::uint64_t at, hf::bytes_view from) {
    return Missing == Lack::rewrite ? hf::ok() : Base::rewrite(at, from);
  }
  [[nodiscard]] hf::result<void> set_aside(std::uint64_t begin, std::uint64_t end) {
    return Missing == Lack::set_aside ? hf::ok() : Base::set_aside(begin, end);
  }
  [[nodiscard]] hf::result<void> truncate(std::uint64_t size) {
    return Missing == Lack::truncate ? hf::ok() : Base::truncate(size);
  }
  [[nodiscard]] hf::result<void> keep_point(hf::bytes_view point) {
    return Missing == Lack::point ? hf::ok() : Base::keep_point(point);
  }
  [[nodiscard]] hf::result<void> sync() { return Missing == Lack::sync ? hf::ok() : Base::sync(); }
};

/// Tells that more was durable than was.
struct Boasting : hf::Framed {
  using Framed::Framed;
  [[nodiscard]] hf::result<std::uint64_t> encode(
      cursor& c, std::uint64_t at, hf::bytes_view payload, hf::Stamp stamp, hf::bytes& out) const {
    stamp.synced_to = at;
    return Framed::encode(c, at, payload, stamp, out);
  }
};

template <class Fs, Lack Missing = Lack::nothing, class Format = hf::Framed>
struct OneSegment {
  typename Format::Options options{};
  [[nodiscard]] auto open(hf::testing::SimulatedProcess const& process) const {
    using Whole = LackingSegment<Fs, Missing>;
    auto opened = Whole::Base::open(path(), Fs{process.files});
    auto const make = [&](auto&& from) {
      return hf::open_recoverable(Whole{std::forward<decltype(from)>(from)}, Format{options}, {},
                                  {}, process.world);
    };
    using Answer = decltype(make(std::move(opened).value()));
    return opened ? make(std::move(opened).value()) : Answer{hf::failure(opened.error())};
  }
  [[nodiscard]] static std::string path() { return "/segment"; }
  [[nodiscard]] static std::string aside(std::uint64_t begin,
                                         std::uint64_t end,
                                         std::uint32_t crc) {
    return hf::aside_path(path(), begin, end, crc);
  }
};

/// A log of small segments.
template <class Fs>
struct OneLog {
  std::uint64_t segment_size = 1;  // a record or two
  [[nodiscard]] auto open(hf::testing::SimulatedProcess const& process) const {
    using Log = hf::BasicLog<Fs, hf::Recovery::cut, hf::testing::SimulatedWorld>;
    return Log::open("/log", {.segment_size = segment_size}, Fs{process.files}, process.world);
  }
};

template <class Place>
struct SegmentVariant {
  Place place{};
  hf::testing::Scenario operator()(std::string name, std::uint64_t number) const {
    return hf::testing::segment_scenario(std::move(name), place, hf::testing::segment_plan(number));
  }
};

template <class Fs>
[[nodiscard]] hf::testing::Scenario segment_variant(std::string name, std::uint64_t number) {
  return SegmentVariant<OneSegment<Fs>>{}(std::move(name), number);
}
template <class Fs>
[[nodiscard]] hf::testing::Scenario log_variant(std::string name, std::uint64_t number) {
  OneLog<Fs> const place{.segment_size = number % 2 == 0 ? std::uint64_t{1} : 9000};
  return SegmentVariant<OneLog<Fs>>{place}(std::move(name), number);
}
}  // namespace crash

#endif

// SPDX-License-Identifier: BSL-1.0
// A segment in the format framed and a log of such, right, or with one flaw.
#ifndef HOLDFAST_PROPERTY_TESTS_MUTANTS_FLAWED_SEGMENT_HPP
#define HOLDFAST_PROPERTY_TESTS_MUTANTS_FLAWED_SEGMENT_HPP

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "flaws.hpp"
#include "holdfast/backend/file_segment.hpp"
#include "holdfast/checksum.hpp"
#include "holdfast/format/framed.hpp"
#include "holdfast/log.hpp"
#include "holdfast/recoverable.hpp"
#include "holdfast/testing/simulated_disk.hpp"
#include "mutant.hpp"

namespace mutants {
class FlawedSegment : public hf::BasicFileSegment<FlawedFiles> {
  using Base = hf::BasicFileSegment<FlawedFiles>;

 public:
  explicit FlawedSegment(Base whole) : Base{std::move(whole)}, flaw_{files().flaw()} {}

  [[nodiscard]] hf::result<void> append(std::uint64_t at, hf::bytes_view from) {
    appended_ = true;
    return Base::append(at, from);
  }
  [[nodiscard]] hf::result<void> sync() {
    if (flaw_ == Flaw::syncs_no_recovery && !appended_) return hf::ok();
    return Base::sync();
  }
  [[nodiscard]] hf::result<void> rewrite(std::uint64_t at, hf::bytes_view from) {
    return flaw_ == Flaw::rewrites_nothing ? hf::ok() : Base::rewrite(at, from);
  }
  [[nodiscard]] hf::result<void> set_aside(std::uint64_t begin, std::uint64_t end) {
    return flaw_ == Flaw::sets_nothing_aside ? hf::ok() : Base::set_aside(begin, end);
  }
  [[nodiscard]] hf::result<void> truncate(std::uint64_t size) {
    return flaw_ == Flaw::cuts_nothing ? hf::ok() : Base::truncate(size);
  }

 private:
  Flaw flaw_;
  bool appended_ = false;  // by this object
};
static_assert(hf::pointed_segment<FlawedSegment>);

class FlawedFormat : public hf::Framed {
 public:
  FlawedFormat(Options options, Flaw flaw) : Framed{options}, flaw_{flaw} {}

  [[nodiscard]] hf::Step decode(cursor& c, std::uint64_t at, hf::bytes_view window) const {
    using namespace hf::detail::framed;  // NOLINT(google-build-using-namespace)
    if (flaw_ == Flaw::reserves_by_any_length && window.size() >= frame_size) {
      room_.reserve(hf::get_le<std::uint32_t>(window, in::length) & 0xff'ffff);
    }
    auto const step = Framed::decode(c, at, window);
    bool const damaged = step.kind == hf::Step::Kind::bad && step.used != 0;
    if (flaw_ != Flaw::believes_payloads || !damaged) return step;
    auto const whole = window.first(static_cast<std::size_t>(step.used));
    room_.assign(whole.begin(), whole.end());
    hf::bytes_span const frame{room_};
    hf::put_le(frame, in::payload_crc, hf::crc32c(whole.subspan(frame_size)));
    hf::put_le(frame, in::crc, hf::crc32c(hf::bytes_view{frame}.first(in::crc), seed(c.salt, at)));
    return Framed::decode(c, at, room_);
  }
  [[nodiscard]] std::optional<hf::Witness> witness(cursor const& c,
                                                   std::uint64_t at,
                                                   hf::bytes_view window) const noexcept {
    if (flaw_ == Flaw::sees_no_witness) return {};
    return Framed::witness(c, at, window);
  }
  [[nodiscard]] hf::result<std::uint64_t> encode(
      cursor& c, std::uint64_t at, hf::bytes_view payload, hf::Stamp stamp, hf::bytes& out) const {
    if (flaw_ == Flaw::packs_records) stamp.fresh = false;
    if (flaw_ == Flaw::boasts) stamp.synced_to = at;
    return Framed::encode(c, at, payload, stamp, out);
  }

 private:
  Flaw flaw_;
  mutable hf::bytes room_{};
};
static_assert(hf::writable_format<FlawedFormat>);

/// Where a segment lies; its records are packed where `align` is 0.
struct SegmentPlace {
  Flaw flaw = Flaw::none;
  std::uint32_t align = 4096;
  using Log =
      hf::Recoverable<FlawedSegment, FlawedFormat, hf::Recovery::cut, hf::testing::SimulatedWorld>;

  [[nodiscard]] hf::result<Log> open(hf::testing::SimulatedProcess const& process) const {
    bool const there = process.files.identity(path()).has_value();
    HOLDFAST_TRY(from, segment(process));
    HOLDFAST_TRY(size, from.size());
    if (flaw == Flaw::calls_the_empty_damaged && there && size == 0) {
      return hf::failure(hf::errc::damaged, "open", path());
    }
    return hf::open_recoverable(std::move(from), format(), {}, {}, process.world);
  }
  [[nodiscard]] hf::result<FlawedSegment> segment(
      hf::testing::SimulatedProcess const& process) const {
    HOLDFAST_TRY(file, hf::BasicFileSegment<FlawedFiles>::open(path(), {process.files, flaw}));
    return FlawedSegment{std::move(file)};
  }
  [[nodiscard]] FlawedFormat format() const { return {{.align = align}, flaw}; }
  [[nodiscard]] static std::string path() { return "/segment"; }
  [[nodiscard]] static std::string aside(std::uint64_t begin,
                                         std::uint64_t end,
                                         std::uint32_t crc) {
    return hf::aside_path(path(), begin, end, crc);
  }
  [[nodiscard]] static std::size_t allocated() noexcept { return mutants::allocated(); }
};

/// A log of small segments.
struct LogPlace {
  Flaw flaw = Flaw::none;
  using Whole = hf::BasicLog<FlawedFiles, hf::Recovery::cut, hf::testing::SimulatedWorld>;
  class Log : public Whole {
   public:
    Log(Whole whole, FlawedFiles files) : Whole{std::move(whole)}, files_{std::move(files)} {}
    [[nodiscard]] hf::result<std::size_t> index(hf::IndexOptions options = {}) {
      auto const first = hf::detail::join(directory(), hf::detail::segment_name(0));
      bool const there = files_.flaw() == Flaw::keeps_any_index &&
                         files_.identity(first + ".index") && files_.identity(first + ".times");
      return there ? hf::result<std::size_t>{std::size_t{0}} : Whole::index(options);
    }

   private:
    FlawedFiles files_;
  };

  [[nodiscard]] hf::result<Log> open(hf::testing::SimulatedProcess const& process) const {
    FlawedFiles const files{process.files, flaw};
    auto opened = Whole::open(directory(), {}, files, process.world);
    while (!opened && flaw == Flaw::removes_what_it_refuses) {
      HOLDFAST_TRYV(files.remove(std::string{opened.error().detail()}));
      opened = Whole::open(directory(), {}, files, process.world);
    }
    HOLDFAST_TRY(whole, std::move(opened));
    return Log{std::move(whole), files};
  }
  [[nodiscard]] static std::string directory() { return "/log"; }
};
}  // namespace mutants

#endif

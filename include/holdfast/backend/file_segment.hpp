// SPDX-License-Identifier: BSL-1.0
// Keeps a segment in one file, and what recovery sets aside in files beside it.
#ifndef HOLDFAST_BACKEND_FILE_SEGMENT_HPP
#define HOLDFAST_BACKEND_FILE_SEGMENT_HPP

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "holdfast/bytes.hpp"
#include "holdfast/checksum.hpp"
#include "holdfast/config.hpp"
#include "holdfast/file_ops.hpp"
#include "holdfast/file_system.hpp"
#include "holdfast/guarantees.hpp"
#include "holdfast/posix.hpp"
#include "holdfast/result.hpp"
#include "holdfast/segment.hpp"

HOLDFAST_BEGIN

/// Where the bytes [begin, end) of a segment are set aside.
[[nodiscard]] inline std::string aside_path(std::string const& path,
                                            std::uint64_t begin,
                                            std::uint64_t end,
                                            std::uint32_t crc) {
  constexpr char const* digits = "0123456789abcdef";
  std::string hex(8, '0');
  for (std::size_t i = 0; i < 8; ++i) hex[7 - i] = digits[crc >> (4 * i) & 15];
  return path + ".aside-" + std::to_string(begin) + "-" + std::to_string(end - begin) + "-" + hex;
}

/// A file that is read and written at explicit offsets, never through a shared position. One that
/// is open to write is locked: a second one is `busy`.
template <file_system Fs>
class BasicFileSegment {
 public:
  static constexpr Guarantees guarantees{.durable = true,
                                         .fenced = false,
                                         .detects_damage = true,
                                         .lifetime = Lifetime::disk,
                                         .reach = Reach::host};

  /// Opens to write, and makes the file where there is none.
  [[nodiscard]] static result<BasicFileSegment> open(std::string path, Fs fs = {}) {
    HOLDFAST_TRY(file, detail::open_or_create(fs, path));
    // Beyond any byte: a lock is of the file, not of what is in it.
    HOLDFAST_TRY(locked, fs.try_lock(file, {std::uint64_t{1} << 62, 1}, Mode::exclusive));
    if (!locked) return failure(errc::busy, "open segment", path);
    HOLDFAST_TRY(held, fs.identity(file));
    HOLDFAST_TRY(named, fs.identity(path));
    if (!(held == named)) return failure(errc::conflict, "open segment", path);
    return BasicFileSegment{std::move(fs), std::move(path), std::move(file)};
  }
  /// Opens to read alone: no lock, and nothing is made.
  [[nodiscard]] static result<BasicFileSegment> open_to_read(std::string path, Fs fs = {}) {
    HOLDFAST_TRY(file, fs.open(path, Open::read));
    return BasicFileSegment{std::move(fs), std::move(path), std::move(file)};
  }

  [[nodiscard]] std::string const& path() const noexcept { return path_; }
  [[nodiscard]] Fs const& files() const noexcept { return fs_; }

  [[nodiscard]] result<std::uint64_t> size() const { return fs_.size(file_); }
  [[nodiscard]] result<std::size_t> read_at(std::uint64_t at, bytes_span into) const {
    return fs_.read_at(file_, at, into);
  }
  [[nodiscard]] result<void> append(std::uint64_t at, bytes_view from) {
    return fs_.write_at(file_, at, from);
  }
  [[nodiscard]] result<void> rewrite(std::uint64_t at, bytes_view from) {
    return fs_.write_at(file_, at, from);
  }
  [[nodiscard]] result<void> truncate(std::uint64_t size) { return fs_.resize(file_, size); }

  [[nodiscard]] result<void> sync() {
    HOLDFAST_TRYV(fs_.sync(file_));
    if (named_) return ok();
    HOLDFAST_TRYV(fs_.sync_directory(detail::parent_of(path_)));
    named_ = true;
    return ok();
  }

  /// The file `path.aside-BEGIN-SIZE-CRC` holds these bytes, and is durable; where one of that name
  /// holds others, `path.aside-BEGIN-SIZE-CRC-1` does, and so on.
  [[nodiscard]] result<void> set_aside(std::uint64_t begin, std::uint64_t end) {
    HOLDFAST_TRY(crc,
                 walk(begin, end, [](std::uint64_t, bytes_view) { return result<void>{ok()}; }));
    auto const wanted = aside_path(path_, begin, end, crc);
    auto name = wanted;
    for (std::uint64_t n = 1;; ++n) {
      HOLDFAST_TRY(there, detail::is_there(fs_, name));
      if (!there) {
        HOLDFAST_TRYV(copy_aside(begin, end, crc, name));
        break;
      }
      // Bytes that end with their own checksum, as a header does, have a CRC in common with others.
      HOLDFAST_TRY(same, is_copy(begin, end, name));
      if (same) break;
      name = wanted + "-" + std::to_string(n);
    }
    // Also where it was there: whoever made it may have crashed before its name was durable.
    return fs_.sync_directory(detail::parent_of(path_));
  }

  [[nodiscard]] result<bytes> point() const {
    auto content = detail::read_file(fs_, path_ + ".point", 4096);
    if (content) return content;
    auto const code = content.error().code();
    if (code == errc::not_found || code == errc::too_large) return bytes{};
    return content;
  }
  [[nodiscard]] result<void> keep_point(bytes_view content) {
    if (!point_) {
      HOLDFAST_TRY(opened, detail::open_or_create(fs_, path_ + ".point"));
      point_ = std::move(opened);
    }
    return fs_.write_at(*point_, 0, content);
  }
  [[nodiscard]] result<void> settle_point() {
    if (!point_) return ok();
    HOLDFAST_TRYV(fs_.sync(*point_));
    return fs_.sync_directory(detail::parent_of(path_));
  }

 private:
  BasicFileSegment(Fs fs, std::string path, typename Fs::file file)
      : fs_{std::move(fs)}, path_{std::move(path)}, file_{std::move(file)} {}

  [[nodiscard]] result<void> copy_aside(std::uint64_t begin,
                                        std::uint64_t end,
                                        std::uint32_t crc,
                                        std::string const& name) const {
    auto const unfinished = name + ".new";
    HOLDFAST_TRYV(detail::remove_if_there(fs_, unfinished));  // a recovery that crashed left it
    HOLDFAST_TRY(copy, fs_.open(unfinished, Open::create));
    HOLDFAST_TRY(written, walk(begin, end, [&](std::uint64_t at, bytes_view some) {
                   return fs_.write_at(copy, at - begin, some);
                 }));
    if (written != crc) return failure(errc::conflict, "set aside", path_);
    HOLDFAST_TRYV(fs_.sync(copy));
    return fs_.rename(unfinished, name);
  }
  [[nodiscard]] result<bool> is_copy(std::uint64_t begin,
                                     std::uint64_t end,
                                     std::string const& name) const {
    HOLDFAST_TRY(copy, fs_.open(name, Open::read));
    HOLDFAST_TRY(size, fs_.size(copy));
    bool same = size == end - begin;
    bytes own;
    HOLDFAST_TRY(walked, walk(begin, end, [&](std::uint64_t at, bytes_view some) -> result<void> {
                   own.resize(some.size());
                   HOLDFAST_TRY(got, fs_.read_at(copy, at - begin, own));
                   same = same && got == some.size() &&
                          std::equal(own.begin(), own.end(), some.begin());
                   return ok();
                 }));
    static_cast<void>(walked);
    return same;
  }

  // Tells each piece, and gives the checksum of all.
  template <class Visit>
  [[nodiscard]] result<std::uint32_t> walk(std::uint64_t begin,
                                           std::uint64_t end,
                                           Visit visit) const {
    bytes buffer(static_cast<std::size_t>(std::min<std::uint64_t>(end - begin, 64 << 10)));
    std::uint32_t crc = 0;
    for (auto at = begin; at < end;) {
      auto const piece = bytes_span{buffer}.first(
          static_cast<std::size_t>(std::min<std::uint64_t>(end - at, buffer.size())));
      HOLDFAST_TRY(got, fs_.read_at(file_, at, piece));
      if (got != piece.size()) return failure(errc::conflict, "set aside", path_);
      crc = crc32c(piece, crc);
      HOLDFAST_TRYV(visit(at, bytes_view{piece}));
      at += piece.size();
    }
    return crc;
  }

  Fs fs_;
  std::string path_;
  mutable typename Fs::file file_;
  std::optional<typename Fs::file> point_;
  bool named_ = false;  // its name has been made durable by this object
};

/// On the real file system.
using FileSegment = BasicFileSegment<Posix>;
static_assert(pointed_segment<FileSegment>);

HOLDFAST_END

#endif

// SPDX-License-Identifier: BSL-1.0
// Says what a SEAL file holds: the generation's number and every name in it with size and digest.
//
// Little-endian: magic "hf SEAL\n", u32 format, u64 generation, u64 parent, u64 count, then a name
// each: u64 size, u8 digested, u32 CRC32C, u32 length, the name. Every format, also a newer one,
// ends in the CRC32C of all bytes before, so that nothing is interpreted unchecked. One encoding
// a seal: names ascend strictly. Format 2 is format 1 of a generation that takes updates, so that
// a library that knows none of them refuses it.
#ifndef HOLDFAST_BACKEND_SEAL_FORMAT_HPP
#define HOLDFAST_BACKEND_SEAL_FORMAT_HPP

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "holdfast/bytes.hpp"
#include "holdfast/checksum.hpp"
#include "holdfast/config.hpp"
#include "holdfast/ids.hpp"
#include "holdfast/result.hpp"

HOLDFAST_BEGIN

/// A name in a sealed generation, relative to its folder. A directory's name ends in '/'.
struct SealedFile {
  std::string name;
  std::uint64_t size = 0;
  std::optional<std::uint32_t> digest;  ///< CRC32C of the whole file, if it was taken
  friend bool operator==(SealedFile const&, SealedFile const&) = default;
};

/// What was sealed, names ascending.
struct Seal {
  Generation generation;
  Generation parent;  ///< what it was cloned from; 0 for one that was built from nothing
  std::vector<SealedFile> files;
  bool updates = false;  ///< may be changed in place, once UPDATED lies beside

  [[nodiscard]] SealedFile const* find(std::string_view name) const noexcept {
    auto const at = std::lower_bound(
        files.begin(), files.end(), name,
        [](SealedFile const& file, std::string_view wanted) { return file.name < wanted; });
    return at != files.end() && at->name == name ? &*at : nullptr;
  }
  friend bool operator==(Seal const&, Seal const&) = default;
};

namespace detail {
inline constexpr std::string_view seal_magic = "hf SEAL\n";
inline constexpr std::uint32_t seal_format = 1;
inline constexpr std::uint32_t updatable_seal_format = 2;
inline constexpr std::size_t seal_head = 8 + 4 + 8 + 8 + 8;
inline constexpr std::size_t seal_entry = 8 + 1 + 4 + 4;  // and the name
inline constexpr std::size_t seal_limit = std::size_t{64} << 20;

/// A name that stays below the folder it is relative to: "a", "a/b"; no "..", no empty component.
[[nodiscard]] constexpr bool is_relative_name(std::string_view name) noexcept {
  if (name.find('\0') != std::string_view::npos) return false;
  for (;;) {
    auto const slash = name.find('/');
    auto const part = name.substr(0, slash);
    if (part.empty() || part == "." || part == "..") return false;
    if (slash == std::string_view::npos) return true;
    name.remove_prefix(slash + 1);
  }
}

[[nodiscard]] inline bytes encode_seal(Seal const& seal) {
  std::size_t size = seal_head + 4;
  for (auto const& file : seal.files) size += seal_entry + file.name.size();
  bytes out(size);
  std::size_t at = 0;
  auto const put = [&](auto number) {
    put_le(bytes_span{out}, at, number);
    at += sizeof number;
  };
  auto const put_text = [&](std::string_view text) {
    std::copy_n(as_bytes(text).begin(), text.size(), out.begin() + static_cast<std::ptrdiff_t>(at));
    at += text.size();
  };
  put_text(seal_magic);
  put(seal.updates ? updatable_seal_format : seal_format);
  put(seal.generation.number);
  put(seal.parent.number);
  put(std::uint64_t{seal.files.size()});
  for (auto const& file : seal.files) {
    put(file.size);
    put(static_cast<std::uint8_t>(file.digest.has_value()));
    put(file.digest.value_or(0));
    put(static_cast<std::uint32_t>(file.name.size()));
    put_text(file.name);
  }
  put(crc32c(bytes_view{out}.first(at)));
  return out;
}

// Reads numbers and names off the front; `good` turns false at the first that is not there.
struct SealCursor {
  bytes_view rest;
  bool good = true;

  template <class T>
  [[nodiscard]] T number() noexcept {
    if (!good || rest.size() < sizeof(T)) return good = false, T{0};
    T const value = get_le<T>(rest, 0);
    rest = rest.subspan(sizeof(T));
    return value;
  }
  [[nodiscard]] std::string_view text(std::size_t size) noexcept {
    if (!good || rest.size() < size) return good = false, std::string_view{};
    auto const value = as_text(rest.first(size));
    rest = rest.subspan(size);
    return value;
  }
};

[[nodiscard]] inline std::optional<SealedFile> decode_sealed_file(SealCursor& from) {
  SealedFile file;
  file.size = from.number<std::uint64_t>();
  auto const digested = from.number<std::uint8_t>();
  auto const digest = from.number<std::uint32_t>();
  auto const length = from.number<std::uint32_t>();
  auto name = from.text(length);
  file.name = name;
  if (digested == 1) file.digest = digest;
  if (name.ends_with('/')) name.remove_suffix(1);
  bool const canonical = digested == 1 || (digested == 0 && digest == 0);
  if (!from.good || !canonical || !is_relative_name(name)) return std::nullopt;
  return file;
}

[[nodiscard]] inline bool has_undigested(Seal const& seal) {
  return std::any_of(seal.files.begin(), seal.files.end(), [](SealedFile const& file) {
    return !file.name.ends_with('/') && !file.digest;
  });
}

/// `path` is for the error alone.
[[nodiscard]] inline result<Seal> decode_seal(bytes_view from, std::string_view path) {
  auto const refuse = [&](errc code) { return failure(code, "read SEAL", path); };
  if (from.size() < seal_magic.size() + 8) return refuse(errc::damaged);
  auto const end = from.size() - 4;
  if (crc32c(from.first(end)) != get_le<std::uint32_t>(from, end)) return refuse(errc::damaged);
  SealCursor cursor{from.first(end)};
  if (cursor.text(seal_magic.size()) != seal_magic) return refuse(errc::damaged);
  auto const format = cursor.number<std::uint32_t>();
  if (format > updatable_seal_format) return refuse(errc::newer_format);
  Seal seal;
  seal.updates = format == updatable_seal_format;
  seal.generation.number = cursor.number<std::uint64_t>();
  seal.parent.number = cursor.number<std::uint64_t>();
  auto const count = cursor.number<std::uint64_t>();
  // A count that can't fit is refused before anything is allocated for it.
  bool const fits = cursor.good && count <= cursor.rest.size() / seal_entry;
  if (format < seal_format || !fits) return refuse(errc::damaged);
  seal.files.reserve(static_cast<std::size_t>(count));
  for (std::uint64_t i = 0; i < count; ++i) {
    auto file = decode_sealed_file(cursor);
    if (!file || (i != 0 && !(seal.files.back().name < file->name))) return refuse(errc::damaged);
    seal.files.push_back(*std::move(file));
  }
  if (!cursor.rest.empty()) return refuse(errc::damaged);
  return seal;
}
}  // namespace detail

HOLDFAST_END

#endif

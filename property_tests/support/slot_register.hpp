// SPDX-License-Identifier: BSL-1.0
// A register in a file of N slots. With sixteen slots it is right; with two it can't heal.
//
// A store writes the next slot and syncs. Whoever opens after an unfinished store makes the newest
// record durable by storing it once more, in the slot after it. With two slots that is the slot of
// the last durable record, while the newest one may be lost: a torn write there leaves neither.
#ifndef HOLDFAST_PROPERTY_TESTS_SLOT_REGISTER_HPP
#define HOLDFAST_PROPERTY_TESTS_SLOT_REGISTER_HPP

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <utility>

#include "holdfast/bytes.hpp"
#include "holdfast/checksum.hpp"
#include "holdfast/concepts.hpp"
#include "holdfast/file_ops.hpp"
#include "holdfast/ids.hpp"
#include "holdfast/result.hpp"

namespace crash {
template <std::size_t N, hf::file_system Fs>
class SlotRegister {
 public:
  explicit SlotRegister(std::string path, Fs fs) : path_{std::move(path)}, fs_{std::move(fs)} {}

  [[nodiscard]] std::size_t max_size() const noexcept { return slot_size - header; }

  [[nodiscard]] hf::result<std::optional<hf::Versioned>> load() {
    auto read = hf::detail::read_file(fs_, path_, N * slot_size);
    if (!read && read.error().code() == hf::errc::not_found) return std::optional<hf::Versioned>{};
    if (!read) return hf::failure(read.error());
    std::optional<hf::Versioned> newest;
    hf::bytes_view const all{read.assume_value()};
    for (std::size_t at = 0; at + slot_size <= all.size(); at += slot_size) {
      auto record = decode(all.subspan(at, slot_size));
      if (record && (!newest || record->version > newest->version)) newest = std::move(record);
    }
    if (!newest) return hf::failure(hf::errc::damaged, "load", path_);
    return newest;
  }

  [[nodiscard]] hf::result<hf::Version> store_if(hf::Version expected, hf::bytes_view value) {
    HOLDFAST_TRY(found, load());
    auto const version = found ? found->version : hf::Version::none;
    if (version != expected) return hf::failure(hf::errc::conflict, "store", path_);
    if (!found) return create(value);
    return put({version.sequence + 1, 1}, value);
  }

  [[nodiscard]] hf::result<void> reopen() {
    HOLDFAST_TRY(found, load());
    if (!found) return hf::ok();
    // Its name may be as fresh as the record.
    HOLDFAST_TRYV(fs_.sync_directory(hf::detail::parent_of(path_)));
    HOLDFAST_TRYV(put({found->version.sequence + 1, 1}, found->value));
    return hf::ok();
  }

 private:
  static constexpr std::size_t slot_size = 4096;  // sectors of its own, of which a write may tear
  static constexpr std::size_t header = 16;       // sequence, length, checksum
  using Slot = std::array<std::byte, slot_size>;

  [[nodiscard]] static Slot encode(hf::Version version, hf::bytes_view value) {
    Slot slot{};
    hf::put_le(slot, 0, version.sequence);
    hf::put_le(slot, 8, static_cast<std::uint32_t>(value.size()));
    std::memcpy(slot.data() + header, value.data(), value.size());
    hf::put_le(slot, 12, checksum(slot));
    return slot;
  }
  [[nodiscard]] static std::uint32_t checksum(hf::bytes_view slot) {
    return hf::crc32c(slot.subspan(header), hf::crc32c(slot.first(12)));
  }
  [[nodiscard]] static std::optional<hf::Versioned> decode(hf::bytes_view slot) {
    auto const sequence = hf::get_le<std::uint64_t>(slot, 0);
    auto const size = hf::get_le<std::uint32_t>(slot, 8);
    bool const whole = sequence != 0 && size <= slot_size - header &&
                       hf::get_le<std::uint32_t>(slot, 12) == checksum(slot);
    if (!whole) return {};
    auto const value = slot.subspan(header, size);
    return hf::Versioned{{sequence, 1}, {value.begin(), value.end()}};
  }

  [[nodiscard]] hf::result<hf::Version> put(hf::Version version, hf::bytes_view value) {
    HOLDFAST_TRY(file, fs_.open(path_, hf::Open::write));
    auto const at = version.sequence % N * slot_size;
    HOLDFAST_TRYV(fs_.write_at(file, at, encode(version, value)));
    HOLDFAST_TRYV(fs_.sync(file));
    return version;
  }
  [[nodiscard]] hf::result<hf::Version> create(hf::bytes_view value) {
    hf::bytes content(N * slot_size);
    auto const slot = encode({1, 1}, value);
    std::memcpy(content.data() + 1 % N * slot_size, slot.data(), slot.size());
    auto const fresh = path_ + ".new";
    auto const removed = fs_.remove(fresh);  // what a crash has left
    if (!removed && removed.error().code() != hf::errc::not_found)
      return hf::failure(removed.error());
    HOLDFAST_TRYV(hf::detail::write_new_file(fs_, fresh, content));
    HOLDFAST_TRYV(fs_.rename(fresh, path_));
    HOLDFAST_TRYV(fs_.sync_directory(hf::detail::parent_of(path_)));
    return hf::Version{1, 1};
  }

  std::string path_;
  Fs fs_;
};
}  // namespace crash

#endif

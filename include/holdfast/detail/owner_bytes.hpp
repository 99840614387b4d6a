// SPDX-License-Identifier: BSL-1.0
// The bytes by which records of locks name a process.
#ifndef HOLDFAST_DETAIL_OWNER_BYTES_HPP
#define HOLDFAST_DETAIL_OWNER_BYTES_HPP

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "holdfast/bytes.hpp"
#include "holdfast/config.hpp"
#include "holdfast/ids.hpp"

HOLDFAST_BEGIN

namespace detail {
inline void put_array(bytes_span into, std::size_t where, auto const& from) noexcept {
  for (std::size_t i = 0; i < from.size(); ++i) into[where + i] = static_cast<std::byte>(from[i]);
}
inline void get_array(bytes_view from, std::size_t where, auto& into) noexcept {
  for (std::size_t i = 0; i < into.size(); ++i) {
    into[i] = static_cast<std::remove_reference_t<decltype(into[0])>>(from[where + i]);
  }
}

// Pid, start time, nonce, boot id, host.
inline constexpr std::size_t owner_size = 8 + 8 + 8 + 16 + 64;

inline void put_owner(bytes_span into, std::size_t where, Owner const& owner) noexcept {
  put_le(into, where, owner.pid);
  put_le(into, where + 8, owner.start_time);
  put_le(into, where + 16, owner.nonce);
  put_array(into, where + 24, owner.boot.id);
  put_array(into, where + 40, owner.host);
}
[[nodiscard]] inline Owner get_owner(bytes_view from, std::size_t where) noexcept {
  Owner owner;
  owner.pid = get_le<std::uint64_t>(from, where);
  owner.start_time = get_le<std::uint64_t>(from, where + 8);
  owner.nonce = get_le<std::uint64_t>(from, where + 16);
  get_array(from, where + 24, owner.boot.id);
  get_array(from, where + 40, owner.host);
  return owner;
}
}  // namespace detail

HOLDFAST_END

#endif

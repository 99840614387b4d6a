// SPDX-License-Identifier: BSL-1.0
// Names the numbers that must not be mixed up: generations, versions, fencing tokens, owners,
// marks.
#ifndef HOLDFAST_IDS_HPP
#define HOLDFAST_IDS_HPP

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>

#include "holdfast/bytes.hpp"
#include "holdfast/config.hpp"

HOLDFAST_BEGIN

/// The n-th published whole of a store. Numbers start at 1 and are never used twice in a home.
struct Generation {
  std::uint64_t number = 0;
  friend auto operator<=>(Generation const&, Generation const&) = default;
};

/// Which write of a register: grows with each one; the nonce tells two writers of one number apart.
struct Version {
  std::uint64_t sequence = 0;
  std::uint64_t nonce = 0;
  static Version const none;  ///< the register is absent
  friend auto operator<=>(Version const&, Version const&) = default;
};
inline constexpr Version Version::none{};

/// What a register holds.
struct Versioned {
  Version version;
  bytes value;
};

/// Grows with every grant of a lock; a resource refuses whoever comes with a smaller one than it
/// has seen.
struct FencingToken {
  std::uint64_t number = 0;
  friend auto operator<=>(FencingToken const&, FencingToken const&) = default;
};

/// One boot of one machine, as its kernel names it.
struct BootId {
  std::array<std::uint8_t, 16> id{};
  friend auto operator<=>(BootId const&, BootId const&) = default;
};

/// Who holds or attempts something: a process that a reused pid can't be mistaken for.
struct Owner {
  std::array<char, 64> host{};  ///< zero-terminated, cut at 63 bytes
  BootId boot;
  std::uint64_t pid = 0;
  std::uint64_t start_time = 0;  ///< of the process, in clock ticks since boot
  std::uint64_t nonce = 0;       ///< drawn once by each process
  [[nodiscard]] std::string_view host_name() const noexcept {
    std::string_view const all{host.data(), host.size()};
    return all.substr(0, all.find('\0'));
  }
  friend bool operator==(Owner const&, Owner const&) = default;
};

/// What a lock shows of its holder.
struct Holder {
  Owner owner;
  FencingToken token;
  std::int64_t acquired_at_ns = 0;  ///< wall clock, for display only
  friend bool operator==(Holder const&, Holder const&) = default;
};

/// Named progress values committed with a generation, e.g. {"offset", 4711}.
using Marks = std::map<std::string, std::uint64_t, std::less<>>;

HOLDFAST_END

#endif

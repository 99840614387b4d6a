// SPDX-License-Identifier: BSL-1.0
// Says what a backend promises, and what a composition of backends can still promise.
#ifndef HOLDFAST_GUARANTEES_HPP
#define HOLDFAST_GUARANTEES_HPP

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "holdfast/config.hpp"

HOLDFAST_BEGIN

/// What outlives what: a process, a boot of the machine, or only the disk itself.
enum class Lifetime : std::uint8_t { process, boot, disk };
/// Who can see it: this process, this machine, many machines.
enum class Reach : std::uint8_t { process, host, cluster };

/// A model's promises; what is not declared is the weakest.
struct Guarantees {
  bool durable = false;         ///< an acknowledged write survives a power cut
  bool fenced = false;          ///< compares fencing tokens and refuses older ones
  bool detects_damage = false;  ///< a flipped bit is an error, never data
  Lifetime lifetime = Lifetime::process;
  Reach reach = Reach::process;
  friend constexpr bool operator==(Guarantees const&, Guarantees const&) = default;
};

/// What a look at every byte of a sealed generation could go by.
enum class Verified : std::uint8_t {
  digests,          ///< every byte of every file, by the digests of the seal
  own_checksums,    ///< every byte of the data, by the backend's own checksums
  names_and_sizes,  ///< nothing more: no digests were taken at seal
  identity,         ///< its number alone: it takes updates, so that what was sealed may change
};
/// As it is written in reports.
[[nodiscard]] constexpr std::string_view name(Verified verified) noexcept {
  constexpr std::string_view names[] = {"digests", "own checksums", "names and sizes", "identity"};
  return names[static_cast<std::size_t>(verified)];
}

/// How many may hold a lock at once.
enum class Mode : std::uint8_t { shared, exclusive };

/// What a generation takes, and what there is, where a store keeps it. Bytes.
struct Space {
  std::uint64_t device = 0;  ///< stores with the same one share what is free
  std::uint64_t free = 0;
  std::uint64_t used = 0;  ///< by the generation that was asked for
};

/// The promises that both keep: what a composition of the two can promise.
[[nodiscard]] constexpr Guarantees weaker(Guarantees a, Guarantees b) noexcept {
  return {a.durable && b.durable, a.fenced && b.fenced, a.detects_damage && b.detects_damage,
          std::min(a.lifetime, b.lifetime), std::min(a.reach, b.reach)};
}

/// The declared guarantees of T, or the weakest.
template <class T>
[[nodiscard]] constexpr Guarantees guarantees_of() noexcept {
  if constexpr (requires { Guarantees{T::guarantees}; }) {
    return T::guarantees;
  } else {
    return {};
  }
}

/// A store must live and reach at least as far as the register that names its generations.
template <class Store, class Register>
inline constexpr bool outlives = guarantees_of<Store>().lifetime >=
                                 guarantees_of<Register>().lifetime&& guarantees_of<Store>().reach
                                 >= guarantees_of<Register>().reach;

HOLDFAST_END

#endif

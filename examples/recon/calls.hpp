// SPDX-License-Identifier: BSL-1.0
// Lists the system calls that change files, how each names what it changes, and a filter that stops
// a traced program at these alone.
#ifndef RECON_CALLS_HPP
#define RECON_CALLS_HPP

#include <cstdint>
#include <vector>

struct sock_filter;  // an instruction of a filter, of <linux/filter.h>

namespace recon {

struct Call {
  /// What its argument is: a descriptor, a path, or a path below the descriptor that stands before
  /// it.
  enum class Names : std::uint8_t { descriptor, path, path_at };
  /// Whether it changes something with these arguments.
  enum class When : std::uint8_t { always, opened_for_writing, locking };

  std::uint32_t number;
  char const* name;
  Names names = Names::descriptor;
  unsigned argument = 0;
  When when = When::always;
};

/// Null for a call that changes no file.
[[nodiscard]] Call const* find_call(std::uint64_t number, std::uint64_t const* arguments) noexcept;

/// For seccomp: tells the tracer of the calls in the list, and lets every other one pass.
[[nodiscard]] std::vector<sock_filter> call_filter();

}  // namespace recon

#endif

// SPDX-License-Identifier: BSL-1.0
// The seam for what is neither data nor file (clocks, randomness, own identity, observer) and the
// real one.
#ifndef HOLDFAST_WORLD_HPP
#define HOLDFAST_WORLD_HPP

#include <fcntl.h>
#include <pthread.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <concepts>
#include <cstdint>
#include <cstdlib>
#include <cstring>

#include "holdfast/config.hpp"
#include "holdfast/event.hpp"
#include "holdfast/ids.hpp"

HOLDFAST_BEGIN

/// What a program stands in. `steady_ns` counts suspended time too where the system can; `wall_ns`
/// is for display only.
template <class W>
concept world = std::copyable<W> && requires(W const& w, Event const& e) {
  { w.wall_ns() }
  noexcept->std::same_as<std::int64_t>;
  { w.steady_ns() }
  noexcept->std::same_as<std::int64_t>;
  { w.wait_until(std::int64_t{}) }
  noexcept->std::same_as<void>;
  { w.random64() }
  noexcept->std::same_as<std::uint64_t>;
  { w.self() }
  noexcept->std::same_as<Owner>;
  { w.on(e) }
  noexcept->std::same_as<void>;
};

namespace detail {
inline std::int64_t clock_ns(clockid_t clock) noexcept {
  timespec now{};
  clock_gettime(clock, &now);
  return std::int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

// Reads a small kernel file; an unreadable one gives an empty text.
inline std::size_t read_kernel_file(char const* path, char* into, std::size_t size) noexcept {
  int const fd = ::open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return 0;
  ssize_t const got = ::read(fd, into, size);
  ::close(fd);
  return got < 0 ? 0 : static_cast<std::size_t>(got);
}

inline BootId read_boot_id() noexcept {
  char text[64] = {};
  std::size_t const size = read_kernel_file("/proc/sys/kernel/random/boot_id", text, sizeof text);
  BootId boot;
  std::size_t digits = 0;
  for (std::size_t i = 0; i < size && digits < 32; ++i) {
    char const c = text[i];
    int const nibble = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
    if (nibble < 0) continue;
    auto& byte = boot.id[digits / 2];
    byte = static_cast<std::uint8_t>(byte << 4 | nibble);
    ++digits;
  }
  return boot;
}

// Field 22 of /proc/self/stat; the second field may hold spaces and brackets, so count from the
// last ')'.
inline std::uint64_t read_start_time() noexcept {
  char text[1024] = {};
  std::size_t const size = read_kernel_file("/proc/self/stat", text, sizeof text - 1);
  char const* at = nullptr;
  for (std::size_t i = 0; i < size; ++i) {
    if (text[i] == ')') at = text + i;
  }
  for (int field = 2; at != nullptr && field < 22; ++field) {
    at = std::strchr(at + 1, ' ');
  }
  return at == nullptr ? 0 : std::strtoull(at + 1, nullptr, 10);
}

inline std::uint64_t kernel_random64() noexcept {
  std::uint64_t value = 0;
  while (::getrandom(&value, sizeof value, 0) != static_cast<ssize_t>(sizeof value)) {
    if (errno != EINTR) std::abort();  // a nonce that is not random is worse than no program
  }
  return value;
}

inline Owner read_self() noexcept {
  Owner self;
  ::gethostname(self.host.data(), self.host.size() - 1);
  self.boot = read_boot_id();
  if (self.boot == BootId{}) {
    // Where the kernel does not tell it: an identity that matches nobody, so that nothing is
    // believed to be of this boot.
    for (auto& byte : self.boot.id) byte = static_cast<std::uint8_t>(kernel_random64());
  }
  self.pid = static_cast<std::uint64_t>(::getpid());
  self.start_time = read_start_time();
  self.nonce = kernel_random64();
  return self;
}

// Read once, and again in a forked child: it is another process, with a pid and a nonce of its own.
inline Owner& own_identity() noexcept {
  static Owner self = read_self();
  return self;
}
inline bool const identity_watched = [] {
  return ::pthread_atfork(nullptr, nullptr, [] { own_identity() = read_self(); }) == 0;
}();
}  // namespace detail

/// The real world; tells no observer. Thread-safe.
struct Native {
  [[nodiscard]] std::int64_t wall_ns() const noexcept { return detail::clock_ns(CLOCK_REALTIME); }
  [[nodiscard]] std::int64_t steady_ns() const noexcept { return detail::clock_ns(CLOCK_BOOTTIME); }
  void wait_until(std::int64_t steady_ns) const noexcept {
    timespec until{};
    until.tv_sec = static_cast<time_t>(steady_ns / 1'000'000'000);
    until.tv_nsec = static_cast<long>(steady_ns % 1'000'000'000);
    while (::clock_nanosleep(CLOCK_BOOTTIME, TIMER_ABSTIME, &until, nullptr) == EINTR) {
    }
  }
  [[nodiscard]] std::uint64_t random64() const noexcept { return detail::kernel_random64(); }
  /// This process.
  [[nodiscard]] Owner self() const noexcept { return detail::own_identity(); }
  void on(Event const&) const noexcept {}
};
static_assert(world<Native>);

/// Does this world listen to events? Where none does, what tells them is left out by the compiler.
template <class W>
inline constexpr bool listens = true;
template <>
inline constexpr bool listens<Native> = false;

namespace detail {
// Gives the event its time; the only way in which anything is told.
template <world W>
void tell([[maybe_unused]] W const& w, [[maybe_unused]] Event event) noexcept {
  if constexpr (listens<W>) {
    event.at_ns = w.steady_ns();
    w.on(event);
  }
}
}  // namespace detail

HOLDFAST_END

#endif

// SPDX-License-Identifier: BSL-1.0
// Keeps one account of the memory that all tasks of a run take: reserved before it is used.
#ifndef HOLDFAST_REPROCESS_BUDGET_HPP
#define HOLDFAST_REPROCESS_BUDGET_HPP

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "holdfast/config.hpp"
#include "holdfast/result.hpp"
#include "holdfast/world.hpp"

HOLDFAST_BEGIN

namespace detail {
// The number after `name` in the text of a kernel file; 0 if there is none.
[[nodiscard]] inline std::uint64_t number_after(std::string_view text, std::string_view name) {
  auto const at = text.find(name);
  if (at == text.npos) return 0;
  return std::strtoull(std::string{text.substr(at + name.size(), 32)}.c_str(), nullptr, 10);
}

[[nodiscard]] inline std::string kernel_text(char const* path) {
  std::string text(4096, '\0');
  text.resize(read_kernel_file(path, text.data(), text.size()));
  return text;
}

/// What this process may still take: of the machine, and of its control group where that has a
/// limit. 0 where the kernel does not tell.
[[nodiscard]] inline std::uint64_t available_memory() {
  auto const free = number_after(kernel_text("/proc/meminfo"), "MemAvailable:") * 1024;
  auto const limit = number_after(kernel_text("/sys/fs/cgroup/memory.max"), "");
  auto const used = number_after(kernel_text("/sys/fs/cgroup/memory.current"), "");
  if (limit == 0) return free;
  auto const left = limit > used ? limit - used : 0;
  return free == 0 ? left : std::min(free, left);
}

/// The account. Thread-safe.
struct Account {
  std::uint64_t limit = 0;  // 0: none
  std::atomic<std::uint64_t> used{0};
};
}  // namespace detail

/// Memory that a task has reserved; given back when this ends.
class [[nodiscard]] Reservation {
 public:
  Reservation(std::shared_ptr<detail::Account> account, std::uint64_t size) noexcept
      : account_{std::move(account)}, size_{size} {}
  Reservation(Reservation&& other) noexcept
      : account_{std::move(other.account_)}, size_{std::exchange(other.size_, 0)} {}
  Reservation& operator=(Reservation&& other) noexcept {
    std::swap(account_, other.account_);
    std::swap(size_, other.size_);
    return *this;
  }
  ~Reservation() {
    if (account_) account_->used.fetch_sub(size_, std::memory_order_relaxed);
  }
  [[nodiscard]] std::uint64_t size() const noexcept { return size_; }

 private:
  std::shared_ptr<detail::Account> account_;
  std::uint64_t size_;
};

namespace detail {
[[nodiscard]] inline result<Reservation> reserve(std::shared_ptr<Account> const& account,
                                                 std::uint64_t size) {
  auto used = account->used.load(std::memory_order_relaxed);
  do {
    auto const limit = account->limit == 0 ? UINT64_MAX : account->limit;
    if (size > limit - std::min(used, limit)) {
      return failure(errc::no_memory, "reserve",
                     std::to_string(size) + " bytes, " + std::to_string(used) +
                         " of the budget of " + std::to_string(limit) + " are taken");
    }
  } while (!account->used.compare_exchange_weak(used, used + size, std::memory_order_relaxed));
  return Reservation{account, size};
}
}  // namespace detail

HOLDFAST_END

#endif

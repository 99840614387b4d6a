// SPDX-License-Identifier: BSL-1.0
// Hashes what must be told apart among millions: 64 bits, the same in every run.
#ifndef HOLDFAST_TESTING_DISK_HASH_HPP
#define HOLDFAST_TESTING_DISK_HASH_HPP

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <vector>

#include "holdfast/bytes.hpp"
#include "holdfast/config.hpp"

HOLDFAST_BEGIN

namespace testing::disk {
/// Spreads every bit of `x` over the whole word (splitmix64).
[[nodiscard]] constexpr std::uint64_t mixed(std::uint64_t x) noexcept {
  x += 0x9e3779b97f4a7c15;
  x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
  x = (x ^ x >> 27) * 0x94d049bb133111eb;
  return x ^ x >> 31;
}
[[nodiscard]] constexpr std::uint64_t mixed(std::uint64_t a, std::uint64_t b) noexcept {
  return mixed(a ^ mixed(b) * 0xff51afd7ed558ccd);
}

[[nodiscard]] inline std::uint64_t hash_of(bytes_view data) noexcept {
  std::uint64_t hash = mixed(data.size());
  while (data.size() >= 8) {
    std::uint64_t word = 0;
    std::memcpy(&word, data.data(), 8);
    hash = (hash ^ word) * 0x9fb21c651e98df25;
    hash ^= hash >> 35;
    data = data.subspan(8);
  }
  std::uint64_t tail = 0;
  if (!data.empty()) std::memcpy(&tail, data.data(), data.size());
  return mixed(hash, tail);
}
[[nodiscard]] inline std::uint64_t hash_of(std::string_view text) noexcept {
  return hash_of(as_bytes(text));
}

/// A seeded sequence of numbers, the same on every machine.
class Dice {
 public:
  explicit Dice(std::uint64_t seed) noexcept : state_{seed} {}
  std::uint64_t operator()() noexcept {
    state_ += 0x9e3779b97f4a7c15;
    return mixed(state_);
  }
  /// One of 0 .. n - 1.
  std::uint64_t below(std::uint64_t n) noexcept { return n == 0 ? 0 : (*this)() % n; }

 private:
  std::uint64_t state_;
};

/// The hashes seen so far. Open addressing: a million lookups are on the path of every exploration.
class SeenSet {
 public:
  /// True the first time.
  bool add(std::uint64_t hash) {
    if (hash == 0) hash = 1;  // 0 marks a free cell
    if ((count_ + 1) * 2 > cells_.size()) grow();
    auto& cell = find(hash);
    if (cell == hash) return false;
    cell = hash;
    ++count_;
    return true;
  }
  [[nodiscard]] std::size_t size() const noexcept { return count_; }

 private:
  std::uint64_t& find(std::uint64_t hash) noexcept {
    std::size_t at = static_cast<std::size_t>(mixed(hash)) & (cells_.size() - 1);
    while (cells_[at] != 0 && cells_[at] != hash) at = (at + 1) & (cells_.size() - 1);
    return cells_[at];
  }
  void grow() {
    std::vector<std::uint64_t> old(cells_.empty() ? 1024 : cells_.size() * 2);
    old.swap(cells_);
    for (auto const hash : old) {
      if (hash != 0) find(hash) = hash;
    }
  }
  std::vector<std::uint64_t> cells_;
  std::size_t count_ = 0;
};
}  // namespace testing::disk

HOLDFAST_END

#endif

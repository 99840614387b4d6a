// SPDX-License-Identifier: BSL-1.0
// Makes the n-th allocation fail, in a program that replaces `operator new` by one that asks here.
//
//   void* operator new(std::size_t size) {
//     if (hf::testing::allocation_fails()) throw std::bad_alloc{};
//     ...
//   }
#ifndef HOLDFAST_TESTING_FAULTS_MEMORY_HPP
#define HOLDFAST_TESTING_FAULTS_MEMORY_HPP

#include <cstdint>

#include "holdfast/config.hpp"

HOLDFAST_BEGIN

namespace testing {
/// The allocations of a thread while a fault is armed.
struct Allocations {
  std::uint64_t fail_at = 0;  ///< the n-th fails; 0 = none
  std::uint64_t seen = 0;
  std::uint32_t spared = 0;  ///< how deep in what is not under test
  [[nodiscard]] bool failed() const noexcept { return fail_at != 0 && seen >= fail_at; }
};
inline thread_local Allocations allocations{};

[[nodiscard]] inline bool allocation_fails() noexcept {
  auto& a = allocations;
  if (a.fail_at == 0 || a.spared != 0) return false;
  return ++a.seen == a.fail_at;
}

/// While it lives no allocation fails: the simulator and the laws are not under test.
class SparedAllocations {
 public:
  SparedAllocations() noexcept { ++allocations.spared; }
  SparedAllocations(SparedAllocations const&) = delete;
  SparedAllocations& operator=(SparedAllocations const&) = delete;
  ~SparedAllocations() { --allocations.spared; }
};
}  // namespace testing

HOLDFAST_END

#endif

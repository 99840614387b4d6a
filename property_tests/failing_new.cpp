// SPDX-License-Identifier: BSL-1.0
// Replaces `operator new` of the property tests, so that any allocation can be made to fail and all
// are counted.
#include <cstddef>
#include <cstdlib>
#include <new>

#include "allocated.hpp"
#include "holdfast/testing/faults_memory.hpp"

void* operator new(std::size_t size) {
  crash::allocated_bytes += size;
  if (hf::testing::allocation_fails()) throw std::bad_alloc{};
  if (void* const memory = std::malloc(size == 0 ? 1 : size)) return memory;
  throw std::bad_alloc{};
}
void operator delete(void* memory) noexcept {
  std::free(memory);
}
void operator delete(void* memory, std::size_t) noexcept {
  std::free(memory);
}

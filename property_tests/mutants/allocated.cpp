// SPDX-License-Identifier: BSL-1.0
// Counts the bytes that each thread asks of the allocator, for codecs that must not trust a length.
#include <cstddef>
#include <cstdlib>
#include <new>

#include "mutant.hpp"

namespace {
thread_local std::size_t allocated_bytes = 0;
}  // namespace

std::size_t mutants::allocated() noexcept {
  return allocated_bytes;
}

void* operator new(std::size_t size) {
  allocated_bytes += size;
  if (void* const memory = std::malloc(size == 0 ? 1 : size)) return memory;
  throw std::bad_alloc{};
}
void operator delete(void* memory) noexcept {
  std::free(memory);
}
void operator delete(void* memory, std::size_t) noexcept {
  std::free(memory);
}

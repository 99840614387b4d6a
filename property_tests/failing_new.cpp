// SPDX-License-Identifier: BSL-1.0
// Replaces `operator new` of the property tests, so that any allocation can be made to fail and all
// are counted.
#include <cstddef>
#include <cstdlib>
#include <new>

#include "allocated.hpp"
#include "holdfast/testing/faults_memory.hpp"

namespace {
void* allocate(std::size_t size) noexcept {
  crash::allocated_bytes += size;
  return hf::testing::allocation_fails() ? nullptr : std::malloc(size == 0 ? 1 : size);
}
}  // namespace

// Every form that ordinary types take: a sanitizer brings forms of its own for those left out,
// whose memory these must not free.
void* operator new(std::size_t size) {
  if (void* const memory = allocate(size)) return memory;
  throw std::bad_alloc{};
}
void* operator new[](std::size_t size) {
  return operator new(size);
}
void* operator new(std::size_t size, std::nothrow_t const&) noexcept {
  return allocate(size);
}
void* operator new[](std::size_t size, std::nothrow_t const&) noexcept {
  return allocate(size);
}
void operator delete(void* memory) noexcept {
  std::free(memory);
}
void operator delete[](void* memory) noexcept {
  std::free(memory);
}
void operator delete(void* memory, std::size_t) noexcept {
  std::free(memory);
}
void operator delete[](void* memory, std::size_t) noexcept {
  std::free(memory);
}

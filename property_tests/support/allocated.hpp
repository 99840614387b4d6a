// SPDX-License-Identifier: BSL-1.0
// Tells how many bytes a thread of the property tests has asked of the allocator.
#ifndef HOLDFAST_PROPERTY_TESTS_ALLOCATED_HPP
#define HOLDFAST_PROPERTY_TESTS_ALLOCATED_HPP

#include <cstddef>

namespace crash {
/// Counted by the `operator new` of failing_new.cpp.
inline thread_local std::size_t allocated_bytes = 0;
}  // namespace crash

#endif

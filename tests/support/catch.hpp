// SPDX-License-Identifier: BSL-1.0
// Catch2, whichever of versions 2 and 3 is installed, under the names of version 3.
#ifndef HOLDFAST_TESTS_SUPPORT_CATCH_HPP
#define HOLDFAST_TESTS_SUPPORT_CATCH_HPP

#if __has_include(<catch2/catch_all.hpp>)

#include <catch2/catch_approx.hpp>
#include <catch2/catch_template_test_macros.hpp>
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators_all.hpp>
#include <catch2/matchers/catch_matchers_all.hpp>

#else

#include <catch2/catch.hpp>

#include <string>

namespace Catch {
using Detail::Approx;

namespace Matchers {
inline auto ContainsSubstring(std::string const& text) {
  return Contains(text);
}
}  // namespace Matchers
}  // namespace Catch

#endif

#endif

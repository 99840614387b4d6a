// SPDX-License-Identifier: BSL-1.0
// Names the namespace and says what the platform offers.
#ifndef HOLDFAST_CONFIG_HPP
#define HOLDFAST_CONFIG_HPP

#ifndef HOLDFAST_ABI_TAG
#define HOLDFAST_ABI_TAG v0
#endif

namespace holdfast {
inline namespace HOLDFAST_ABI_TAG {}
}  // namespace holdfast

/// `hf` is the short name of `holdfast`; define HOLDFAST_NO_SHORT_NAME where the name is taken.
#ifndef HOLDFAST_NO_SHORT_NAME
namespace hf = holdfast;
#endif

#define HOLDFAST_BEGIN \
  namespace holdfast { \
  inline namespace HOLDFAST_ABI_TAG {
#define HOLDFAST_END \
  }                  \
  }

// With exceptions turned off nothing is thrown, and nothing is caught.
#if defined(__cpp_exceptions)
#define HOLDFAST_MAY_THROW try
#define HOLDFAST_CAUGHT catch (...)
#define HOLDFAST_RETHROW throw
#else
#define HOLDFAST_MAY_THROW if constexpr (true)
#define HOLDFAST_CAUGHT else
#define HOLDFAST_RETHROW static_cast<void>(0)
#endif

#endif

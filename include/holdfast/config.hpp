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

#endif

// SPDX-License-Identifier: BSL-1.0
// The library's version: the one place that states it; the build reads it from here.
#ifndef HOLDFAST_VERSION_HPP
#define HOLDFAST_VERSION_HPP

#define HOLDFAST_VERSION_MAJOR 0
#define HOLDFAST_VERSION_MINOR 1
#define HOLDFAST_VERSION_PATCH 0

/// One number to compare in `#if`: 0.1.0 is 100, 1.2.3 is 10203.
#define HOLDFAST_VERSION \
  (HOLDFAST_VERSION_MAJOR * 10000 + HOLDFAST_VERSION_MINOR * 100 + HOLDFAST_VERSION_PATCH)

#endif

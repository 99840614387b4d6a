# SPDX-License-Identifier: BSL-1.0
# Every public header. Written by cmake/update_headers.py, and compared with the tree by a test.
set(HOLDFAST_HEADERS
    include/holdfast/version.hpp)

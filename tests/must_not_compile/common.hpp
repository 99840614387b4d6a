// SPDX-License-Identifier: BSL-1.0
// What the programs here include, so that each compiler reads it once for all of them.
#include <cstddef>
#include <optional>
#include <utility>
#include <vector>

#include "holdfast/backend/directory.hpp"
#include "holdfast/backend/file_register.hpp"
#include "holdfast/backend/memory_register.hpp"
#include "holdfast/backend/memory_store.hpp"
#include "holdfast/policy/exclusive.hpp"
#include "holdfast/staged.hpp"

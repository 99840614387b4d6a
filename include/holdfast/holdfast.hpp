// SPDX-License-Identifier: BSL-1.0
// All of holdfast that needs no client library. Written by cmake/update_headers.py.
#ifndef HOLDFAST_HOLDFAST_HPP
#define HOLDFAST_HOLDFAST_HPP

#include "holdfast/backend/directory.hpp"
#include "holdfast/backend/file_register.hpp"
#include "holdfast/backend/file_tree.hpp"
#include "holdfast/backend/memory_register.hpp"
#include "holdfast/backend/seal_format.hpp"
#include "holdfast/backend/sealed_directory.hpp"
#include "holdfast/bytes.hpp"
#include "holdfast/checksum.hpp"
#include "holdfast/concepts.hpp"
#include "holdfast/config.hpp"
#include "holdfast/detail/fork.hpp"
#include "holdfast/detail/lock_record.hpp"
#include "holdfast/detail/ring.hpp"
#include "holdfast/event.hpp"
#include "holdfast/file_ops.hpp"
#include "holdfast/file_system.hpp"
#include "holdfast/guarantees.hpp"
#include "holdfast/ids.hpp"
#include "holdfast/policy/exclusive.hpp"
#include "holdfast/policy/file_lock.hpp"
#include "holdfast/posix.hpp"
#include "holdfast/result.hpp"
#include "holdfast/version.hpp"
#include "holdfast/world.hpp"

#endif

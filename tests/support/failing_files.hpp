// SPDX-License-Identifier: BSL-1.0
// The real file system whose calls are counted by kind, and of which any can be made to fail.
#ifndef HOLDFAST_TESTS_SUPPORT_FAILING_FILES_HPP
#define HOLDFAST_TESTS_SUPPORT_FAILING_FILES_HPP

#include "holdfast/posix.hpp"
#include "holdfast/testing/faults.hpp"
#include "holdfast/testing/faulty_files.hpp"

namespace support {
using hf::testing::Call;
using hf::testing::Fault;
using Calls = hf::testing::Faults;
using FailingFiles = hf::testing::FaultyFiles<hf::Posix>;
}  // namespace support

#endif

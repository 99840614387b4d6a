// SPDX-License-Identifier: BSL-1.0
// Broken file systems for the simulated disk: one whose files are never synced, one where some are
// not, one whose directories are not.
#ifndef HOLDFAST_PROPERTY_TESTS_FORGETFUL_FILES_HPP
#define HOLDFAST_PROPERTY_TESTS_FORGETFUL_FILES_HPP

#include <string>
#include <string_view>
#include <utility>

#include "holdfast/result.hpp"
#include "holdfast/testing/simulated_disk.hpp"

namespace crash {
/// A protocol over this is the same protocol without the syncs of its files.
struct ForgetsFileSync : hf::testing::SimulatedFiles {
  explicit ForgetsFileSync(hf::testing::SimulatedFiles files) : SimulatedFiles{std::move(files)} {}
  [[nodiscard]] hf::result<void> sync(file&) const { return hf::ok(); }
};

/// The same without the syncs of the files whose paths `Forgotten` tells.
template <bool (*Forgotten)(std::string_view path)>
struct ForgetsSyncOf : hf::testing::SimulatedFiles {
  struct file : SimulatedFiles::file {
    file(SimulatedFiles::file opened, std::string at)
        : SimulatedFiles::file{std::move(opened)}, path{std::move(at)} {}
    std::string path;
  };
  explicit ForgetsSyncOf(hf::testing::SimulatedFiles files) : SimulatedFiles{std::move(files)} {}
  [[nodiscard]] hf::result<file> open(std::string const& path, hf::Open how) const {
    HOLDFAST_TRY(opened, SimulatedFiles::open(path, how));
    return file{std::move(opened), path};
  }
  [[nodiscard]] hf::result<void> sync(file& f) const {
    return Forgotten(f.path) ? hf::ok() : SimulatedFiles::sync(f);
  }
};

/// The same without the syncs of its directories.
struct ForgetsDirectorySync : hf::testing::SimulatedFiles {
  explicit ForgetsDirectorySync(hf::testing::SimulatedFiles files)
      : SimulatedFiles{std::move(files)} {}
  [[nodiscard]] hf::result<void> sync_directory(std::string const&) const { return hf::ok(); }
};
static_assert(hf::file_system<ForgetsFileSync> && hf::file_system<ForgetsDirectorySync>);
}  // namespace crash

#endif

// SPDX-License-Identifier: BSL-1.0
// Tests the simulator by what is known of real disks: each classic way to save a file wrongly is
// found in the modes in which real disks punish it, and the right way is found innocent in all.
#include <cstdint>
#include <string>

#include "catch.hpp"
#include "explored.hpp"
#include "holdfast/file_ops.hpp"
#include "holdfast/testing/files.hpp"
#include "holdfast/testing/register_laws.hpp"
#include "holdfast/testing/scenario.hpp"

namespace {
using namespace hf::testing;  // NOLINT(google-build-using-namespace)

// How a program saves a file that it has saved before.
struct Way {
  bool in_place = false;  // overwrites instead of renaming a new file over the old one
  bool syncs_file = true;
  bool syncs_directory = true;
  bool removes_first = false;  // "clear, then rebuild"
};
constexpr std::size_t size = 600;  // with sectors of 512 bytes, a write in place may tear

hf::result<void> save(SimulatedFiles const& fs, Way way, std::uint64_t number) {
  auto const content = value_of_number(number, size);
  std::string const path = way.in_place ? "/db/file" : "/db/file.new";
  if (way.removes_first) {
    HOLDFAST_TRYV(fs.remove("/db/file"));
  }
  HOLDFAST_TRY(file, fs.open(path, way.in_place ? hf::Open::write : hf::Open::create));
  HOLDFAST_TRYV(fs.write_at(file, 0, content));
  if (way.syncs_file) {
    HOLDFAST_TRYV(fs.sync(file));
  }
  if (!way.in_place) {
    HOLDFAST_TRYV(fs.rename(path, "/db/file"));
  }
  if (way.syncs_directory) {
    HOLDFAST_TRYV(fs.sync_directory("/db"));
  }
  return hf::ok();
}

Verdict work(Run& run, Way way) {
  auto const process = run.start();
  if (!hf::detail::make_directories(process.files, "/db"))
    return laws::register_recovers.broken("", "");
  for (std::uint64_t number = 1; number <= 3; ++number) {
    run.note({Note::Kind::started, number, number - 1, 0});
    auto const saved = save(process.files, number == 1 ? Way{} : way, number);
    if (!saved) return laws::register_recovers.refused("save", saved.error());
    run.note({Note::Kind::acked, number, number - 1, 0});
  }
  return {};
}

// Makes durable what it finds before it shows it: another process may have died before it did.
hf::result<std::uint64_t> find(SimulatedFiles const& fs) {
  auto const removed = fs.remove("/db/file.new");
  if (!removed && removed.error().code() != hf::errc::not_found)
    return hf::failure(removed.error());
  auto file = fs.open("/db/file", hf::Open::read);
  if (!file && file.error().code() == hf::errc::not_found) return std::uint64_t{0};
  if (!file) return hf::failure(file.error());
  HOLDFAST_TRYV(fs.sync(file.assume_value()));
  HOLDFAST_TRYV(fs.sync_directory("/db"));
  HOLDFAST_TRY(content, hf::detail::read_file(fs, "/db/file", size));
  auto const number =
      content.size() < 8 ? ~std::uint64_t{0} : hf::get_le<std::uint64_t>(content, 0);
  return content == value_of_number(number, size) ? number : ~std::uint64_t{0};
}

Recovered recover(Run& run) {
  Recovered out;
  auto const found = find(run.start().files);
  if (!found) {
    out.broken = laws::register_recovers.refused("find", found.error());
    return out;
  }
  out.broken = laws::register_gives(run.history(), found.assume_value());
  run.note({Note::Kind::shown, found.assume_value(), 0, 0});
  out.seen = out.left = std::to_string(found.assume_value());
  return out;
}

bool breaks(Way way, CrashMode mode) {
  Scenario const scenario{"saving a file", 512, [way](Run& run) { return work(run, way); },
                          recover};
  auto const report = crash::broken(scenario, {.mode = mode});
  UNSCOPED_INFO(report);
  return !report.empty();
}
}  // namespace

TEST_CASE("saving beside, syncing, renaming and syncing the directory survives every mode",
          "[simulator]") {
  for (auto const mode : crash_modes) {
    CAPTURE(name(mode));
    CHECK_FALSE(breaks({}, mode));
  }
}

TEST_CASE("overwriting in place is found where power is cut", "[simulator]") {
  CHECK(breaks({.in_place = true}, CrashMode::any));
  CHECK(breaks({.in_place = true}, CrashMode::ext4));
  CHECK(breaks({.in_place = true, .syncs_file = false}, CrashMode::any));
  CHECK(breaks({.in_place = true, .syncs_file = false}, CrashMode::ext4));
}

TEST_CASE("renaming without syncing the directory is found where power is cut", "[simulator]") {
  CHECK(breaks({.syncs_directory = false}, CrashMode::any));
  CHECK(breaks({.syncs_directory = false}, CrashMode::ext4));
  CHECK(breaks({.syncs_directory = false}, CrashMode::ext4_auto_da));
}

TEST_CASE("renaming without syncing the file is found, except where ext4 comes to its rescue",
          "[simulator]") {
  CHECK(breaks({.syncs_file = false}, CrashMode::any));
  CHECK(breaks({.syncs_file = false}, CrashMode::ext4));
  CHECK_FALSE(breaks({.syncs_file = false}, CrashMode::ext4_auto_da));
}

TEST_CASE("SIGKILL alone finds no missing sync, but what is torn apart between calls",
          "[simulator]") {
  CHECK_FALSE(breaks({.syncs_file = false, .syncs_directory = false}, CrashMode::process));
  CHECK(breaks({.removes_first = true}, CrashMode::process));
}

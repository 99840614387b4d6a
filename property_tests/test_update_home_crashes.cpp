// SPDX-License-Identifier: BSL-1.0
// Crashes a home of a SQLite and a RocksDB part at every call of its updater: views show both parts
// at equal marks or nothing, and a replay gives what a run without a crash gives.
#include <cstddef>
#include <cstdint>
#include <string>
#include <tuple>
#include <utility>

#include "catch.hpp"
#include "explored.hpp"
#include "holdfast/adaptor/together.hpp"
#include "holdfast/testing/serial_files.hpp"
#include "holdfast/testing/update_home.hpp"
#include "update_places.hpp"

namespace {
using namespace hf::testing;  // NOLINT(google-build-using-namespace)

struct Databases {
  static constexpr std::size_t parts = 2;
  static constexpr bool one_process = true;
  using Sqlite = crash::UpdatedSqlite<SerialFiles<>>;
  using Rocks = crash::UpdatedRocks<SerialFiles<>>;
  using Store = hf::Together<Sqlite::Store, Rocks::Store>;

  [[nodiscard]] static SerialFiles<> files(SimulatedProcess const& p) { return SerialFiles<>{p}; }
  [[nodiscard]] Store store(SimulatedProcess const& p) const {
    return Store{Sqlite{}.open(p), Rocks{}.open(p)};
  }
  [[nodiscard]] hf::result<void> put(Store::writer& writer, Files const& files) const {
    HOLDFAST_TRYV(crash::put_rows((*std::get<0>(writer)).handle(), files));
    return crash::put_pairs(*std::get<1>(writer), files, crash::RocksWay::puts);
  }
  [[nodiscard]] hf::result<void> put_over(Store::writer& writer, Files const& files) const {
    HOLDFAST_TRYV(Sqlite{}.batch(files).run((*std::get<0>(writer)).handle()));
    return crash::put_pairs(*std::get<1>(writer), files, crash::RocksWay::puts);
  }
  [[nodiscard]] hf::result<Files> get(Store::reader const& reader, std::size_t part) const {
    return part == 0 ? Sqlite{}.get(std::get<0>(reader)) : Rocks{}.get(std::get<1>(reader));
  }
  [[nodiscard]] auto batch(Files const& files) const {
    return std::tuple{Sqlite{}.batch(files), Rocks{}.batch(files)};
  }
};
}  // namespace

TEST_CASE("a home of two databases that take updates keeps its laws in every crash state",
          "[sqlite][rocksdb][updates]") {
  for (auto const mode : {CrashMode::process, CrashMode::ext4, CrashMode::ext4_auto_da}) {
    CAPTURE(name(mode));
    for (std::uint64_t number = 1; number <= 3; ++number) {
      auto const report = crash::broken(
          update_home_scenario("updates", Databases{}, update_plan(number)), {.mode = mode,
                                                                              .seed = number,
                                                                              .subsets = 8,
                                                                              .max_states = 60,
                                                                              .thin = 16,
                                                                              .trash = false});
      CHECK(report == "");
    }
  }
}

TEST_CASE("a build that catches up with the updates of two databases misses none of them",
          "[sqlite][rocksdb][updates][catch_up]") {
  for (auto const mode : {CrashMode::process, CrashMode::ext4}) {
    CAPTURE(name(mode));
    for (std::uint64_t number = 1; number <= 2; ++number) {
      auto const report =
          crash::broken(update_home_scenario("catching up", Databases{}, caught_up_plan(number)),
                        {.mode = mode,
                         .seed = number,
                         .subsets = 8,
                         .max_states = 40,
                         .thin = 32,
                         .trash = false});
      CHECK(report == "");
    }
  }
}

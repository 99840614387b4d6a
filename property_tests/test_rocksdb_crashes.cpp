// SPDX-License-Identifier: BSL-1.0
// Crashes RocksDB stores at every call, through RocksDB's own calls of the file system: the laws B1
// to B5 and S1 to S7 hold, and a missing sync or flush is found.
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "catch.hpp"
#include "crash/database_variants.hpp"
#include "explored_databases.hpp"
#include "forgetful_files.hpp"

namespace {
using namespace hf::testing;  // NOLINT(google-build-using-namespace)

template <class Variant>
std::string variant_breaks(Variant variant, CrashMode mode, crash::Effort const& effort) {
  auto report = crash::first_broken_database(variant, mode, effort);
  UNSCOPED_INFO(report);
  return report;
}
template <class Files>
std::string breaks(CrashMode mode, crash::Effort const& effort = {}) {
  return variant_breaks(crash::rocksdb_variant<SerialFiles<Files>>, mode, effort);
}

// The SEAL alone is synced, neither by RocksDB nor by the seal what it speaks of.
bool is_data(std::string_view path) {
  return path.starts_with("/db/keys/") && !path.ends_with("/SEAL");
}
using ForgetsDataSync = crash::ForgetsSyncOf<is_data>;

// Seals a database whose last writes are in memory alone.
class UnflushedRocks {
 public:
  using Fs = SerialFiles<>;
  using reader = hf::RocksReader;
  struct writer {
    hf::Building building;
    std::unique_ptr<hf::detail::RocksDatabase> database;
  };

  UnflushedRocks(rocksdb::Options options, Fs const& fs)
      : folders_{"keys", fs},
        right_{"keys", {.options = options}, fs},
        options_{std::move(options)} {}
  void place(std::string const& home) {
    folders_.place(home);
    right_.place(home);
  }
  [[nodiscard]] std::string const& name() const noexcept { return folders_.name(); }
  [[nodiscard]] hf::result<writer> create(hf::Generation g) {
    HOLDFAST_TRY(building, folders_.create(g));
    writer made{std::move(building), std::make_unique<hf::detail::RocksDatabase>()};
    auto options = options_;
    options.create_if_missing = true;
    options.avoid_flush_during_shutdown = true;
    HOLDFAST_TRYV(made.database->open(options, made.building.path,
                                      {{rocksdb::kDefaultColumnFamilyName, options}}, false));
    return made;
  }
  [[nodiscard]] hf::result<void> seal(writer& w) {
    if (w.database->get() != nullptr) {
      HOLDFAST_TRYV(w.database->close());
    }
    return folders_.seal(w.building, hf::Digest::none);
  }
  [[nodiscard]] hf::result<reader> open(hf::Generation g) const { return right_.open(g); }
  [[nodiscard]] hf::result<void> drop(hf::Generation g) { return folders_.drop(g); }
  [[nodiscard]] auto generations() const { return folders_.generations(); }
  [[nodiscard]] hf::result<void> publish(hf::Generation g) { return right_.publish(g); }

 private:
  hf::SealedDirectory<Fs> folders_;
  hf::BasicRocksStore<Fs> right_;
  rocksdb::Options options_;
};

struct OneUnflushed {
  using Store = crash::GroundedStore<UnflushedRocks, rocksdb::Env>;
  bool raw = false;

  [[nodiscard]] Store open(SimulatedProcess const& p) const {
    SerialFiles<> const fs{p};
    auto env = crash::rocksdb_env(fs);
    UnflushedRocks store{crash::small_rocksdb(env.get()), fs};
    store.place("/db");
    return Store{std::move(env), std::move(store)};
  }
  [[nodiscard]] hf::result<void> put(SimulatedProcess const&,
                                     Store::writer& writer,
                                     Files const& files) const {
    rocksdb::WriteOptions unlogged;
    unlogged.disableWAL = true;
    for (auto const& file : files) {
      rocksdb::Slice const content{reinterpret_cast<char const*>(file.content.data()),
                                   file.content.size()};
      auto const status = (*writer).database->get()->Put(unlogged, file.name, content);
      if (!status.ok()) return hf::detail::rocks_error(status, "put");
    }
    return hf::ok();
  }
  [[nodiscard]] auto get(Store::reader const& reader) const { return crash::get_pairs(*reader); }
};
}  // namespace

TEST_CASE("a RocksDB store keeps its laws in every crash state", "[rocksdb]") {
  for (auto const mode : crash_modes) {
    CAPTURE(name(mode));
    CHECK(breaks<SimulatedFiles>(mode, {.variants = 4, .subsets = 4, .states = 450}).empty());
  }
}

TEST_CASE("a RocksDB store that seals what nobody synced is found where power is cut",
          "[rocksdb][mutant]") {
  for (auto const mode : {CrashMode::ext4, CrashMode::ext4_auto_da, CrashMode::any}) {
    CAPTURE(name(mode));
    CHECK_FALSE(breaks<ForgetsDataSync>(mode).empty());
  }
  CHECK(breaks<ForgetsDataSync>(CrashMode::process, {.variants = 2, .states = 200}).empty());
}

TEST_CASE("a RocksDB store without directory syncs is found where power is cut",
          "[rocksdb][mutant]") {
  for (auto const mode : {CrashMode::ext4, CrashMode::ext4_auto_da, CrashMode::any}) {
    CAPTURE(name(mode));
    CHECK_FALSE(breaks<crash::ForgetsDirectorySync>(mode).empty());
  }
}

TEST_CASE("a RocksDB store that seals without a flush is found without any crash",
          "[rocksdb][mutant]") {
  auto const report = variant_breaks(crash::database_variant<OneUnflushed>, CrashMode::process, {});
  CHECK_THAT(report, Catch::Matchers::ContainsSubstring("law HF-STORE-001 "));
}

// SPDX-License-Identifier: BSL-1.0
// The first naive control: clear the tables, then build them anew, in place.
#include <stdlib.h>

#include <filesystem>
#include <utility>

#include "../sql.hpp"
#include "naive.hpp"

namespace recon {
namespace {
// Follows the one database, as RocksDB means it for readers in other processes.
class ClearReader : public Reader {
 public:
  explicit ClearReader(std::string home) : home_{std::move(home)} {
    char name[] = "/tmp/recon-reader-XXXXXX";
    if (::mkdtemp(name) != nullptr) logs_ = name;
  }
  ~ClearReader() override {
    keys_.reset();
    std::error_code ignored;
    std::filesystem::remove_all(logs_, ignored);
  }
  hf::result<void> read(Use const& use) override {
    if (!keys_) {
      rocksdb::Options options;
      options.max_open_files = -1;
      rocksdb::DB* raw = nullptr;
      auto const status = rocksdb::DB::OpenAsSecondary(options, home_ + "/keys", logs_, &raw);
      HOLDFAST_TRYV(naive::check(status, "open RocksDB"));
      keys_.reset(raw);
    }
    if (!stats_) {
      HOLDFAST_TRY(stats, naive::open_stats_to_read(home_ + "/stats.sqlite3"));
      stats_ = std::move(stats);
    }
    HOLDFAST_TRYV(naive::check(keys_->TryCatchUpWithPrimary(), "follow RocksDB"));
    return use({keys_.get(), stats_.get()}, {});
  }

 private:
  std::string home_;
  std::string logs_;
  naive::Keys keys_;
  naive::Stats stats_;
};

class ClearRebuild : public System {
 public:
  explicit ClearRebuild(SystemOptions options)
      : home_{std::move(options.home)}, phases_{options.phase_descriptor} {}

  hf::result<Rebuilt> rebuild(RebuildOptions const& what, Progress& progress) override {
    phases_.enter("open");
    HOLDFAST_TRYV(naive::make_folder(home_));
    HOLDFAST_TRY(keys, naive::open_keys(home_ + "/keys"));
    HOLDFAST_TRY(stats, naive::open_stats(home_ + "/stats.sqlite3"));
    HOLDFAST_TRYV(execute(stats.get(), "PRAGMA journal_mode=WAL"));  // readers go on meanwhile
    auto const run = naive::next_run(stats.get());
    Stopwatch const clock;
    phases_.enter("clear");
    auto* const all = keys->DefaultColumnFamily();
    HOLDFAST_TRYV(naive::check(keys->DeleteRange({}, all, "", "\xff"), "clear RocksDB"));
    HOLDFAST_TRYV(execute(stats.get(),
                          "DELETE FROM file_size_histogram; DELETE FROM table_count;"
                          "DELETE FROM origin"));
    phases_.enter("build");
    HOLDFAST_TRY(rebuilt, naive::build(*keys, stats.get(), run, home_, what, progress));
    rebuilt.build_ms = rebuilt.switch_ms = clock.ms();
    return std::move(rebuilt);
  }

  hf::result<void> restart() override {
    HOLDFAST_TRY(keys, naive::open_keys(home_ + "/keys"));
    HOLDFAST_TRY(stats, naive::open_stats(home_ + "/stats.sqlite3"));
    return hf::ok();
  }

  hf::result<std::unique_ptr<Reader>> reader() override {
    return std::unique_ptr<Reader>{std::make_unique<ClearReader>(home_)};
  }

 private:
  std::string home_;
  PhaseLog phases_;
};
}  // namespace

std::unique_ptr<System> make_clear_rebuild(SystemOptions options) {
  return std::make_unique<ClearRebuild>(std::move(options));
}

}  // namespace recon

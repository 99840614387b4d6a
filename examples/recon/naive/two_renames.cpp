// SPDX-License-Identifier: BSL-1.0
// The second naive control: build aside, then rename production out of the way and the new one in,
// for RocksDB and then for SQLite.
#include <sys/stat.h>

#include <cstdio>
#include <filesystem>
#include <utility>

#include "naive.hpp"

namespace recon {
namespace {
struct Place {
  std::string production;
  [[nodiscard]] std::string staging() const { return production + ".staging"; }
  [[nodiscard]] std::string backup() const { return production + ".backup"; }
};

hf::result<void> move(std::string const& from, std::string const& to) {
  if (std::rename(from.c_str(), to.c_str()) == 0) return hf::ok();
  return hf::failure(hf::errc::io, "rename", from, errno);
}

void remove(std::string const& path) {
  std::error_code ignored;
  std::filesystem::remove_all(path, ignored);
}

hf::result<void> replace(Place const& place) {
  remove(place.backup());
  if (naive::exists(place.production)) {
    HOLDFAST_TRYV(move(place.production, place.backup()));
  }
  return move(place.staging(), place.production);
}

// Opens what lies under the names again when that is another one than before.
class RenamesReader : public Reader {
 public:
  RenamesReader(std::string keys, std::string stats)
      : keys_path_{std::move(keys)}, stats_path_{std::move(stats)} {}

  hf::result<void> read(Use const& use) override {
    if (auto const now = inode(keys_path_); !keys_ || (now != 0 && now != keys_inode_)) {
      HOLDFAST_TRY(keys, naive::open_keys_to_read(keys_path_));
      keys_ = std::move(keys);
      keys_inode_ = now;
    }
    if (auto const now = inode(stats_path_); !stats_ || (now != 0 && now != stats_inode_)) {
      HOLDFAST_TRY(stats, naive::open_stats_to_read(stats_path_));
      stats_ = std::move(stats);
      stats_inode_ = now;
    }
    return use({keys_.get(), stats_.get()}, {});
  }

 private:
  static ino_t inode(std::string const& path) {
    struct stat seen {};
    return ::stat(path.c_str(), &seen) == 0 ? seen.st_ino : 0;
  }
  std::string keys_path_;
  std::string stats_path_;
  naive::Keys keys_;
  naive::Stats stats_;
  ino_t keys_inode_ = 0;
  ino_t stats_inode_ = 0;
};

class TwoRenames : public System {
 public:
  explicit TwoRenames(SystemOptions options)
      : home_{std::move(options.home)}, phases_{options.phase_descriptor} {}

  hf::result<Rebuilt> rebuild(RebuildOptions const& what, Progress& progress) override {
    phases_.enter("open");
    HOLDFAST_TRYV(naive::make_folder(home_));
    HOLDFAST_TRYV(restart());
    phases_.enter("build");
    Stopwatch const building;
    HOLDFAST_TRY(rebuilt, build(what, progress));
    rebuilt.build_ms = building.ms();
    phases_.enter("commit");
    Stopwatch const switching;
    HOLDFAST_TRYV(replace(keys_));
    // Production is taken into use again before the next store's turn.
    HOLDFAST_TRYV(naive::open_keys_to_read(keys_.production));
    HOLDFAST_TRYV(replace(stats_));
    rebuilt.switch_ms = switching.ms();
    phases_.enter("collection");
    remove(keys_.backup());
    remove(stats_.backup());
    return std::move(rebuilt);
  }

  // Rolls a store back whose production was moved away, and drops what was being built.
  hf::result<void> restart() override {
    for (auto const& place : {keys_, stats_}) {
      if (!naive::exists(place.production) && naive::exists(place.backup())) {
        HOLDFAST_TRYV(move(place.backup(), place.production));
      }
      remove(place.staging());
    }
    return hf::ok();
  }

  hf::result<std::unique_ptr<Reader>> reader() override {
    return std::unique_ptr<Reader>{
        std::make_unique<RenamesReader>(keys_.production, stats_.production)};
  }

 private:
  hf::result<Rebuilt> build(RebuildOptions const& what, Progress& progress) {
    std::uint64_t run = 1;
    if (naive::exists(stats_.production)) {
      HOLDFAST_TRY(last, naive::open_stats_to_read(stats_.production));
      run = naive::next_run(last.get());
    }
    HOLDFAST_TRY(keys, naive::open_keys(keys_.staging()));
    HOLDFAST_TRY(stats, naive::open_stats(stats_.staging()));
    return naive::build(*keys, stats.get(), run, home_, what, progress);
  }

  std::string home_;
  Place keys_{home_ + "/keys"};
  Place stats_{home_ + "/stats.sqlite3"};
  PhaseLog phases_;
};
}  // namespace

std::unique_ptr<System> make_two_renames(SystemOptions options) {
  return std::make_unique<TwoRenames>(std::move(options));
}

}  // namespace recon

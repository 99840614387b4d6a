// SPDX-License-Identifier: BSL-1.0
// Opens the home of the example with holdfast: RocksDB in HOME/keys, SQLite in HOME/stats.
#ifndef RECON_HOME_HPP
#define RECON_HOME_HPP

#include <atomic>
#include <cstdint>
#include <string>

#include "holdfast/backend/rocksdb.hpp"
#include "holdfast/backend/sqlite.hpp"
#include "holdfast/reprocess.hpp"
#include "holdfast/staged.hpp"
#include "system.hpp"

namespace recon {

/// What the observer of a run keeps: its phases, and when the tasks, the switch's begin and its end
/// were done.
struct Watch {
  explicit Watch(PhaseLog log = PhaseLog{}) noexcept : phases{log} {}
  PhaseLog phases;
  std::atomic<int> tasks_left{0};
  std::int64_t built_ns = 0;
  std::int64_t committing_ns = 0;
  std::int64_t switched_ns = 0;
};

/// The real world, with an observer.
struct Observed : hf::Native {
  Watch* watch = nullptr;
  void on(hf::Event const& event) const noexcept;
};

using Store = hf::Together<hf::RocksStore, hf::SqliteStore>;
using Home = hf::Staged<Store, hf::FileRegister, hf::FileLock, Observed>;
using Job = hf::Reprocess<Home, hf::Threads, Observed>;
using Followed = hf::Follower<Store, hf::FileRegister>;

[[nodiscard]] hf::result<Home> open_home(SystemOptions const& options, Watch& watch);
/// Reads only; the home must exist.
[[nodiscard]] hf::result<Followed> follow_home(std::string const& home);
/// Who builds just now, if anyone does.
[[nodiscard]] hf::result<std::optional<hf::Holder>> holder_of(std::string const& home);

}  // namespace recon

#endif

// SPDX-License-Identifier: BSL-1.0
// Registers and locks that break one rule of their protocol each, for schedules to find: the
// library's own code over a file system or a world that lies in one way.
#ifndef HOLDFAST_PROPERTY_TESTS_SCHEDULES_MUTANTS_HPP
#define HOLDFAST_PROPERTY_TESTS_SCHEDULES_MUTANTS_HPP

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "holdfast/backend/file_register.hpp"
#include "holdfast/policy/file_lock.hpp"
#include "holdfast/policy/lease.hpp"
#include "holdfast/testing/lease_schedule.hpp"
#include "holdfast/testing/lock_schedule.hpp"
#include "holdfast/testing/register_schedule.hpp"

namespace schedules {
using hf::testing::ScheduledFiles;
using hf::testing::ScheduledProcess;
using hf::testing::ScheduledWorld;

inline constexpr char ring_path[] = "/db/CURRENT";
inline constexpr char hint_path[] = "/db/CURRENT.hint";
inline constexpr char lock_path[] = "/db/LOCK";
inline constexpr std::uint64_t guard_at = std::uint64_t{1} << 40;  // of a lock file

/// The register over other files and another world.
template <class Files = ScheduledFiles, class World = ScheduledWorld>
struct MakeRegister {
  hf::BasicFileRegister<Files, World> operator()(ScheduledProcess const& p) const {
    return hf::BasicFileRegister<Files, World>{ring_path, Files{p.files}, World{p.world}};
  }
};
template <class Files = ScheduledFiles>
struct MakeLock {
  hf::BasicFileLock<Files, ScheduledWorld> operator()(ScheduledProcess const& p) const {
    return hf::BasicFileLock<Files, ScheduledWorld>{lock_path, Files{p.files}, p.world};
  }
};

struct Wraps : ScheduledFiles {
  explicit Wraps(ScheduledFiles files) : ScheduledFiles{std::move(files)} {}
};

/// Nobody is locked out: a register compares the version and writes without the ring's lock.
struct LocksNothing : Wraps {
  using Wraps::Wraps;
  [[nodiscard]] hf::result<bool> try_lock(file&, hf::Range, hf::Mode) const { return true; }
};

/// Every sync is said to have succeeded, and none is made.
struct SyncsNothing : Wraps {
  using Wraps::Wraps;
  [[nodiscard]] hf::result<void> sync(file&) const { return hf::ok(); }
};

/// The hint is written once the ring is no longer locked.
class HintsLate : public Wraps {
 public:
  struct file : ScheduledFiles::file {
    explicit file(ScheduledFiles::file opened, bool hint)
        : ScheduledFiles::file{std::move(opened)}, is_hint{hint} {}
    bool is_hint;
  };
  explicit HintsLate(ScheduledFiles files) : Wraps{std::move(files)} {}

  [[nodiscard]] hf::result<file> open(std::string const& path, hf::Open how) const {
    HOLDFAST_TRY(opened, Wraps::open(path, how));
    return file{std::move(opened), path == hint_path};
  }
  [[nodiscard]] hf::result<void> write_at(file& f, std::uint64_t at, hf::bytes_view from) const {
    if (!f.is_hint) return Wraps::write_at(f, at, from);
    *late_ = hf::bytes{from.begin(), from.end()};
    return hf::ok();
  }
  [[nodiscard]] hf::result<void> unlock(file& f, hf::Range range) const {
    HOLDFAST_TRYV(Wraps::unlock(f, range));
    if (!*late_) return hf::ok();
    auto const hint = *std::exchange(*late_, std::nullopt);
    HOLDFAST_TRY(opened, Wraps::open(hint_path, hf::Open::write));
    return Wraps::write_at(opened, 0, hint);
  }

 private:
  std::shared_ptr<std::optional<hf::bytes>> late_ = std::make_shared<std::optional<hf::bytes>>();
};

/// No hint is ever seen: what is durable stays hidden from other processes.
struct HintsNever : Wraps {
  using Wraps::open;
  using Wraps::Wraps;
  [[nodiscard]] hf::result<file> open(std::string const& path, hf::Open how) const {
    if (path == hint_path && how != hf::Open::read) return hf::failure(hf::errc::denied, "mutant");
    return Wraps::open(path, how);
  }
};

/// Each look happens in another boot, so that every record seems to come from the disk.
class TrustsEveryRecord : public ScheduledWorld {
 public:
  explicit TrustsEveryRecord(ScheduledWorld world) : ScheduledWorld{std::move(world)} {}
  [[nodiscard]] hf::Owner self() const noexcept {
    auto owner = ScheduledWorld::self();
    ++*looks_;
    for (std::size_t i = 0; i < 4; ++i) {
      owner.boot.id[i] = static_cast<std::uint8_t>(*looks_ >> (8 * i));
    }
    owner.boot.id[15] = 0xff;  // never the boot of another process
    return owner;
  }

 private:
  std::shared_ptr<std::uint32_t> looks_ = std::make_shared<std::uint32_t>(0);
};

/// Stores whatever the version is.
class ComparesNothing {
  using Inner = hf::BasicFileRegister<ScheduledFiles, ScheduledWorld>;

 public:
  explicit ComparesNothing(ScheduledProcess const& p) : inner_{ring_path, p.files, p.world} {}
  [[nodiscard]] auto load() { return inner_.load(); }
  [[nodiscard]] hf::result<hf::Version> store_if(hf::Version, hf::bytes_view value) {
    HOLDFAST_TRY(found, inner_.load());
    return inner_.store_if(found ? found->version : hf::Version::none, value);
  }
  [[nodiscard]] auto reopen() { return inner_.reopen(); }
  [[nodiscard]] std::size_t max_size() const noexcept { return inner_.max_size(); }

 private:
  Inner inner_;
};

/// Says of a store with an unknown outcome that it surely failed.
class GuessesOutcomes {
  using Inner = hf::BasicFileRegister<ScheduledFiles, ScheduledWorld>;

 public:
  explicit GuessesOutcomes(ScheduledProcess const& p) : inner_{ring_path, p.files, p.world} {}
  [[nodiscard]] auto load() { return inner_.load(); }
  [[nodiscard]] hf::result<hf::Version> store_if(hf::Version expected, hf::bytes_view value) {
    auto stored = inner_.store_if(expected, value);
    if (!stored && stored.error().code() == hf::errc::uncertain) {
      return hf::failure(hf::errc::sync_failed, "mutant");
    }
    return stored;
  }
  [[nodiscard]] auto reopen() { return inner_.reopen(); }
  [[nodiscard]] std::size_t max_size() const noexcept { return inner_.max_size(); }

 private:
  Inner inner_;
};
template <class Register>
struct MakeWrapped {
  Register operator()(ScheduledProcess const& p) const { return Register{p}; }
};

/// A lock whose record is read and written without the guard byte.
struct GuardsNothing : Wraps {
  using Wraps::Wraps;
  [[nodiscard]] hf::result<bool> try_lock(file& f, hf::Range range, hf::Mode mode) const {
    if (range.at == guard_at) return true;
    return Wraps::try_lock(f, range, mode);
  }
};
/// A lock that any number can hold.
struct SharesTheEpoch : Wraps {
  using Wraps::Wraps;
  [[nodiscard]] hf::result<bool> try_lock(file& f, hf::Range range, hf::Mode mode) const {
    return Wraps::try_lock(f, range, range.at == guard_at ? mode : hf::Mode::shared);
  }
};
/// A lock that never sees that another file has the name by now.
struct NeverLooksAtTheName : Wraps {
  using Wraps::Wraps;
  [[nodiscard]] hf::result<hf::FileId> identity(file&) const { return hf::FileId{1, 1}; }
  [[nodiscard]] hf::result<hf::FileId> identity(std::string const&) const {
    return hf::FileId{1, 1};
  }
};

/// The lease over a register.
template <class MakesRegister = MakeRegister<>, class World = ScheduledWorld>
struct MakeLease {
  auto operator()(ScheduledProcess const& p) const {
    return hf::Lease{
        MakesRegister{}(p),
        {.ttl_ms = hf::testing::scheduled_ttl_ms, .margin_ms = hf::testing::scheduled_margin_ms},
        World{p.world}};
  }
};

/// A clock of its own that runs twice as fast.
struct Hurries : ScheduledWorld {
  explicit Hurries(ScheduledWorld world) : ScheduledWorld{std::move(world)} {}
  [[nodiscard]] std::int64_t steady_ns() const noexcept { return 2 * ScheduledWorld::steady_ns(); }
};
/// A clock of its own that runs half as fast.
struct Dawdles : ScheduledWorld {
  explicit Dawdles(ScheduledWorld world) : ScheduledWorld{std::move(world)} {}
  [[nodiscard]] std::int64_t steady_ns() const noexcept { return ScheduledWorld::steady_ns() / 2; }
};
}  // namespace schedules

#endif

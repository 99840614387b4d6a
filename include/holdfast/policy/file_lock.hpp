// SPDX-License-Identifier: BSL-1.0
// Excludes the processes of one machine from each other with a lock of an open file, and numbers
// every grant.
//
// Invariants:
// - A token is epoch << 32 | n. The epoch is durable before it is used; n is not, so the first
//   grant of a boot raises the epoch.
// - Whoever holds has the byte of the current epoch locked; raising the epoch (force) moves the
//   lock to another byte, so an old holder neither blocks nor counts.
// - All changes of the file are made under the guard byte.
#ifndef HOLDFAST_POLICY_FILE_LOCK_HPP
#define HOLDFAST_POLICY_FILE_LOCK_HPP

#include <algorithm>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

#include "holdfast/config.hpp"
#include "holdfast/detail/fork.hpp"
#include "holdfast/detail/lock_record.hpp"
#include "holdfast/detail/lock_wait.hpp"
#include "holdfast/file_ops.hpp"
#include "holdfast/file_system.hpp"
#include "holdfast/lock_concepts.hpp"
#include "holdfast/posix.hpp"
#include "holdfast/result.hpp"
#include "holdfast/world.hpp"

HOLDFAST_BEGIN

/// A lock in the file `path`, which is made when it is missing. It lapses with its process, also
/// with a zombie. Thread-safe. Refuses a file system without working locks (`no_locks`).
template <file_system Fs, world W = Native>
class BasicFileLock {
  using file = typename Fs::file;

 public:
  static constexpr Guarantees guarantees{.durable = true,
                                         .fenced = true,
                                         .detects_damage = true,
                                         .lifetime = Lifetime::disk,
                                         .reach = Reach::host};
  struct Grant {
    FencingToken token;
    std::uint64_t epoch = 0;
    detail::Birthplace born{};
    bool released = false;
  };

  explicit BasicFileLock(std::string path, Fs fs = {}, W world = {})
      : core_{std::make_unique<Core>(std::move(path), std::move(fs), std::move(world))} {}

  /// `busy`, naming the holder, while it is held elsewhere. The token exceeds `above` and every
  /// token before it.
  [[nodiscard]] result<Grant> try_acquire(Owner const& owner, FencingToken above) {
    std::lock_guard const guard{core_->mutex};
    if (core_->born.left()) return fail(errc::forked, "acquire");
    HOLDFAST_TRYV(open_for_writing());
    HOLDFAST_TRY(section, enter(Mode::exclusive));
    HOLDFAST_TRY(seen, read());
    HOLDFAST_TRY(locked,
                 core_->fs.try_lock(*core_->open, byte_of(seen.epoch.number), Mode::exclusive));
    if (!locked || (core_->held_epoch != 0 && core_->held_epoch == seen.epoch.number))
      return busy(seen);
    auto epoch = seen.epoch.number;
    auto last = seen.last ? std::max(seen.last->token, above) : above;
    bool const unknown = !seen.last || seen.epoch.boot != core_->world.self().boot || epoch == 0;
    if (unknown || last.number >> 32 > epoch || (last.number & 0xffffffff) == 0xffffffff) {
      // Whatever comes of it, the byte of the old epoch is let go.
      auto moved = move_to_epoch(seen, std::max(epoch, last.number >> 32) + 1);
      HOLDFAST_TRYV(core_->fs.unlock(*core_->open, byte_of(epoch)));
      HOLDFAST_TRY(raised, std::move(moved));
      if (!raised) return busy(seen);
      epoch = *raised;
    }
    FencingToken const token{std::max(last.number, epoch << 32) + 1};
    core_->held_epoch = epoch;
    core_->held_token = token;
    auto written = write({token, Holder{owner, token, core_->world.wall_ns()}});
    if (!written) {
      core_->held_epoch = 0;
      static_cast<void>(core_->fs.unlock(*core_->open, byte_of(epoch)));
      return detail::failed(written);
    }
    return Grant{token, epoch};
  }

  /// Idempotent; leaves the record of another holder alone. A forked child releases nothing
  /// (`forked`).
  [[nodiscard]] result<void> release(Grant& grant) {
    if (grant.released) return ok();
    if (grant.born.left()) return fail(errc::forked, "release");
    std::lock_guard const guard{core_->mutex};
    grant.released = true;
    if (core_->held_token != grant.token)
      return ok();  // a copy of an old grant: what is held now is another's
    core_->held_epoch = 0;
    core_->held_token = {};
    // The lock is let go even where the record can't be cleared: a record without its lock names
    // nobody.
    auto cleared = clear_record(grant.token);
    HOLDFAST_TRYV(core_->fs.unlock(*core_->open, byte_of(grant.epoch)));
    return cleared;
  }

  /// The holder, if there is one. Needs only permission to read; disturbs nobody.
  [[nodiscard]] result<std::optional<Holder>> inspect() {
    std::lock_guard const guard{core_->mutex};
    auto opened = core_->fs.open(core_->path, Open::read);
    if (!opened && opened.error().code() == errc::not_found) return std::optional<Holder>{};
    HOLDFAST_TRYV(std::move(opened));
    BasicFileLock looker{core_->path, core_->fs, core_->world};
    looker.core_->open = std::move(opened).assume_value();
    HOLDFAST_TRY(section, looker.enter(Mode::shared));
    HOLDFAST_TRY(seen, looker.read());
    HOLDFAST_TRY(nobody,
                 core_->fs.try_lock(*looker.core_->open, byte_of(seen.epoch.number), Mode::shared));
    if (nobody) {
      // Let go before the guard is: whoever acquires next must not find the byte taken by a look.
      HOLDFAST_TRYV(core_->fs.unlock(*looker.core_->open, byte_of(seen.epoch.number)));
      return std::optional<Holder>{};
    }
    if (!seen.last) return std::optional<Holder>{};
    return seen.last->holder;
  }

  /// Force, a new file and a restart of the machine raise the epoch: within one, who had the lock
  /// before has let go of it. No process outlives its machine's boot.
  [[nodiscard]] bool has_ended(Owner const& earlier,
                               FencingToken token,
                               Grant const& ours) const noexcept {
    auto const& self = core_->world.self();
    bool const rebooted = earlier.host == self.host && earlier.boot != self.boot;
    return rebooted || (token < ours.token && token.number >> 32 == ours.token.number >> 32);
  }

  /// Takes the lock away from the holder that was seen (`conflict` if it is another by now). The
  /// old holder is not stopped: raise the fence of what it writes to first.
  [[nodiscard]] result<FencingToken> force(Holder const& seen_holder, FencingToken above) {
    std::lock_guard const guard{core_->mutex};
    if (core_->born.left()) return fail(errc::forked, "force");
    HOLDFAST_TRYV(open_for_writing());
    HOLDFAST_TRY(section, enter(Mode::exclusive));
    HOLDFAST_TRY(seen, read());
    bool const same = seen.last && seen.last->holder &&
                      seen.last->holder->owner == seen_holder.owner &&
                      seen.last->token == seen_holder.token;
    if (!same) return fail(errc::conflict, "force");
    HOLDFAST_TRY(epoch, raise(seen, std::max(seen.epoch.number, above.number >> 32) + 1));
    FencingToken const token{epoch << 32};
    HOLDFAST_TRYV(write({token, {}}));
    return token;
  }

 private:
  struct Core {
    Core(std::string where, Fs files, W around)
        : path{std::move(where)}, fs{std::move(files)}, world{std::move(around)} {}
    std::string path;
    Fs fs;
    W world;
    std::mutex mutex;
    std::optional<file> open;
    // What this object holds: a lock of an open file does not exclude its own threads.
    std::uint64_t held_epoch = 0;
    FencingToken held_token{};
    detail::Birthplace born{};
  };
  struct Seen {
    detail::lock_record::Epoch epoch{};
    std::size_t slot = 0;  // where that epoch lies
    std::optional<detail::lock_record::Last> last{};
  };
  // The guard byte, for as long as the scope lasts.
  struct Section {
    Core* core;
    explicit Section(Core& c) noexcept : core{&c} {}
    Section(Section&& other) noexcept : core{std::exchange(other.core, nullptr)} {}
    Section& operator=(Section&&) = delete;
    ~Section() {
      if (core != nullptr) static_cast<void>(core->fs.unlock(*core->open, guard_byte));
    }
  };
  static constexpr Range guard_byte{std::uint64_t{1} << 40, 1};
  static Range byte_of(std::uint64_t epoch) noexcept {
    return {(std::uint64_t{1} << 41) + epoch, 1};
  }

  [[nodiscard]] auto fail(errc code, char const* where) const noexcept {
    return failure(code, where, core_->path);
  }

  [[nodiscard]] result<Grant> busy(Seen const& seen) const {
    auto text = core_->path;
    if (seen.last && seen.last->holder) {
      auto const& owner = seen.last->holder->owner;
      text.append(" held by pid ")
          .append(std::to_string(owner.pid))
          .append(" on ")
          .append(owner.host_name());
    }
    return failure(errc::busy, "acquire", text);
  }

  // While this object holds a lock the file stays open, whatever happens to its name: closing would
  // let go.
  [[nodiscard]] result<void> open_for_writing() {
    auto& c = *core_;
    if (c.held_epoch != 0) return ok();
    c.open.reset();
    auto opened = c.fs.open(c.path, Open::write);
    if (!opened && opened.error().code() == errc::not_found) {
      opened = c.fs.open(c.path, Open::create);
      if (!opened && opened.error().code() == errc::exists) opened = c.fs.open(c.path, Open::write);
    }
    HOLDFAST_TRYV(std::move(opened));
    c.open = std::move(opened).assume_value();
    return ok();
  }

  // After locking, the open file must still be the one that has the name, else two could hold two
  // files.
  [[nodiscard]] result<Section> enter(Mode mode) {
    auto& c = *core_;
    HOLDFAST_TRY(locked, detail::lock_patiently(c.fs, c.world, *c.open, guard_byte, mode));
    if (!locked) return fail(errc::busy, "guard");
    Section section{c};
    HOLDFAST_TRY(ours, c.fs.identity(*c.open));
    HOLDFAST_TRY(named, c.fs.identity(c.path));
    if (ours != named) return fail(errc::foreign, "lock");
    return section;
  }

  [[nodiscard]] result<Seen> read() {
    namespace record = detail::lock_record;
    std::array<std::byte, record::file_size> content{};
    HOLDFAST_TRY(size, core_->fs.read_at(*core_->open, 0, content));
    static_cast<void>(size);  // what is missing reads as zeros, which no slot accepts
    bytes_view const all{content};
    Seen seen;
    for (std::size_t i = 0; i < 2; ++i) {
      auto const slot = all.subspan(i * record::stride, record::slot_size);
      if (record::newer(slot)) return fail(errc::newer_format, "lock");
      auto const epoch = record::decode_epoch(slot);
      if (!epoch || epoch->number <= seen.epoch.number) continue;
      seen.epoch = *epoch;
      seen.slot = i;
    }
    seen.last = record::decode_last(all.subspan(record::holder_at));
    if (seen.last && seen.last->token.number >> 32 != seen.epoch.number) seen.last.reset();
    return seen;
  }

  // Durable before anyone is granted a token of this epoch: the data, and the name of a file that
  // may be new. It goes over the slot before the one that was read, so that one is written again
  // and synced first: whoever raised it may have died before his sync, and what a power cut then
  // leaves of both would be neither.
  [[nodiscard]] result<std::uint64_t> raise(Seen const& seen, std::uint64_t epoch) {
    namespace record = detail::lock_record;
    auto& c = *core_;
    auto const put = [&c](std::size_t slot, record::Epoch const& value) -> result<void> {
      HOLDFAST_TRYV(c.fs.write_at(*c.open, slot * record::stride, record::encode(value)));
      return c.fs.sync(*c.open);
    };
    if (seen.epoch.number != 0) {
      HOLDFAST_TRYV(put(seen.slot, seen.epoch));
    }
    HOLDFAST_TRYV(put(1 - seen.slot, record::Epoch{epoch, c.world.self().boot}));
    HOLDFAST_TRYV(c.fs.sync_directory(detail::parent_of(c.path)));
    return epoch;
  }

  // Nothing if somebody has the byte of the new epoch already.
  [[nodiscard]] result<std::optional<std::uint64_t>> move_to_epoch(Seen const& seen,
                                                                   std::uint64_t epoch) {
    HOLDFAST_TRYV(raise(seen, epoch));
    HOLDFAST_TRY(locked, core_->fs.try_lock(*core_->open, byte_of(epoch), Mode::exclusive));
    return locked ? std::optional{epoch} : std::nullopt;
  }

  [[nodiscard]] result<void> write(detail::lock_record::Last const& last) {
    return core_->fs.write_at(*core_->open, detail::lock_record::holder_at,
                              detail::lock_record::encode(last));
  }

  [[nodiscard]] result<void> clear_record(FencingToken own) {
    HOLDFAST_TRY(section, enter(Mode::exclusive));
    HOLDFAST_TRY(seen, read());
    if (!seen.last || seen.last->token != own) return ok();
    return write({own, {}});
  }

  std::unique_ptr<Core> core_;
};

/// On the real file system.
using FileLock = BasicFileLock<Posix>;
static_assert(lock_policy<FileLock>);

HOLDFAST_END

#endif

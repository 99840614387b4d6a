// SPDX-License-Identifier: BSL-1.0
// Keeps an atomic register in one file: a ring of 16 slots, one write and one sync a commit, no
// rename.
//
// A failed sync leaves pages that read back but are not on the disk. So nothing is trusted because
// it reads back: a record counts once its writer knew it durable and said so, in the next record or
// in PATH.hint (detail/ring.hpp), and the slot of the last such record is never written again
// before the next one is durable.
#ifndef HOLDFAST_BACKEND_FILE_REGISTER_HPP
#define HOLDFAST_BACKEND_FILE_REGISTER_HPP

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

#include "holdfast/backend/barrier_file.hpp"
#include "holdfast/backend/fresh_files.hpp"
#include "holdfast/backend/hint_file.hpp"
#include "holdfast/backend/pins_file.hpp"
#include "holdfast/bytes.hpp"
#include "holdfast/concepts.hpp"
#include "holdfast/config.hpp"
#include "holdfast/detail/fork.hpp"
#include "holdfast/detail/lock_wait.hpp"
#include "holdfast/detail/ring.hpp"
#include "holdfast/file_ops.hpp"
#include "holdfast/file_system.hpp"
#include "holdfast/posix.hpp"
#include "holdfast/result.hpp"
#include "holdfast/world.hpp"

HOLDFAST_BEGIN

/// An atomic register in the file `path`, with `path`.hint and, for pins, PINS beside it.
/// Thread-safe; processes exclude each other with locks of the open file. Reading needs no write
/// permission and takes no lock.
template <file_system Fs, world W = Native>
class BasicFileRegister {
  using file = typename Fs::file;
  struct Core {
    Core(std::string where, Fs files, W around)
        : path{std::move(where)},
          fs{std::move(files)},
          world{std::move(around)},
          hint{path + ".hint"},
          pins{detail::join(detail::parent_of(path), "PINS"), fs} {}
    std::string path;
    Fs fs;
    W world;
    detail::HintFile<Fs> hint;
    PinsFile<Fs> pins;
    std::mutex mutex;
    std::optional<file> ring;
    FileId ring_id;
    bool ring_writable = false, hint_due = false, poisoned = false;
    Version known{};            // the newest record that this object synced itself
    detail::Birthplace born{};  // a child shares the locks of the ring: they don't exclude it
    std::array<std::byte, detail::ring::slots * detail::ring::slot_size> buffer{};
  };

 public:
  static constexpr Guarantees guarantees{.durable = true,
                                         .fenced = false,
                                         .detects_damage = true,
                                         .lifetime = Lifetime::disk,
                                         .reach = Reach::host};

  explicit BasicFileRegister(std::string path, Fs fs = {}, W world = {})
      : core_{std::make_unique<Core>(std::move(path), std::move(fs), std::move(world))} {}

  /// Bytes that a value may have.
  [[nodiscard]] std::size_t max_size() const noexcept { return detail::ring::max_value; }
  [[nodiscard]] std::string const& path() const noexcept { return core_->path; }

  /// The newest value that no power cut can take back; nothing if the file is absent or holds no
  /// such value yet.
  [[nodiscard]] result<std::optional<Versioned>> load() {
    std::lock_guard const guard{core_->mutex};
    settle_hint();
    HOLDFAST_TRY(found, look(false));
    if (!found || !found->confirmed) return std::optional<Versioned>{};
    auto const& record = *found->confirmed;
    return std::optional{Versioned{record.version, {record.value.begin(), record.value.end()}}};
  }

  /// Writes `value` if the newest version is `expected`; durable on return. After `uncertain` the
  /// object is poisoned.
  [[nodiscard]] result<Version> store_if(Version expected, bytes_view value) {
    std::lock_guard const guard{core_->mutex};
    if (core_->born.left()) return fail(errc::forked, "store");
    if (core_->poisoned) return fail(errc::poisoned, "store");
    if (value.size() > max_size()) return fail(errc::too_large, "store");
    if (expected == Version::none) return create(value);
    HOLDFAST_TRY(lock, lock_ring());
    HOLDFAST_TRY(unchanged, still_newest(expected));
    if (unchanged) return put(expected.sequence, expected.sequence, value);
    HOLDFAST_TRY(found, look(true));
    if (!is_confirmed(*found)) {
      // Left by a writer that died or failed: settle it, so that the caller's next load sees one
      // outcome.
      HOLDFAST_TRYV(put_again(*found));
      return fail(errc::conflict, "store");
    }
    if (found->newest->version != expected) return fail(errc::conflict, "store");
    return put(expected.sequence, expected.sequence, value);
  }

  /// Heals after a failed sync, and makes the newest value durable under a new version. Does
  /// nothing if the file is absent.
  [[nodiscard]] result<void> reopen() {
    std::lock_guard const guard{core_->mutex};
    auto& c = *core_;
    if (c.born.left()) return fail(errc::forked, "reopen");
    c.ring.reset();
    c.hint.close();
    c.poisoned = false;
    HOLDFAST_TRYV(detail::remove_fresh_files(c.fs, c.path));
    HOLDFAST_TRY(hinted, c.hint.exists(c.fs));  // before the ring, which its creator makes first
    auto opened = open_ring(true);
    if (!opened && opened.error().code() == errc::not_found) {
      // A hint without a ring: what the ring named may still exist, so this is never "empty".
      if (hinted || c.known != Version::none) return fail(errc::register_lost, "open");
      return ok();
    }
    HOLDFAST_TRYV(std::move(opened));
    HOLDFAST_TRYV(c.pins.make());
    HOLDFAST_TRY(lock, lock_ring());
    HOLDFAST_TRY(found, look(true));
    if (!is_confirmed(*found)) {
      HOLDFAST_TRYV(put_again(*found));
    } else if (c.hint_due) {
      settle_locked_hint();
    }
    return ok();
  }

  using Hold = typename PinsFile<Fs>::Hold;
  /// See PinsFile.
  [[nodiscard]] result<Hold> pin(Generation g) { return core_->pins.pin(g); }
  /// Only looks.
  [[nodiscard]] result<bool> pinned_elsewhere(Generation g) requires requires(PinsFile<Fs>& pins) {
    pins.pinned_elsewhere(g);
  }
  { return core_->pins.pinned_elsewhere(g); }
  /// `busy` as long as other processes can't be told of the newest record: they may still open what
  /// it retires.
  [[nodiscard]] result<Hold> try_exclude(Generation g) {
    {
      std::lock_guard const guard{core_->mutex};
      settle_hint();
      if (core_->hint_due) return fail(errc::busy, "exclude");
    }
    return core_->pins.try_exclude(g);
  }
  /// Keeps openings of readers and updates apart: a lock in PINS, so that reading needs no
  /// permission to write here either.
  [[nodiscard]] result<BarrierHold<Fs>> enter(Mode how) const {
    auto const path = detail::join(detail::parent_of(core_->path), "PINS");
    return detail::enter_barrier(core_->fs, core_->world, path, how);
  }

 private:
  using Scan = detail::ring::Scan;

  [[nodiscard]] auto fail(errc code, char const* where) const noexcept {
    return failure(code, where, core_->path);
  }

  [[nodiscard]] bool is_confirmed(Scan const& found) const noexcept {
    return found.confirmed && found.confirmed->version == found.newest->version;
  }

  // The file is never replaced by us: another one under the name was put there by someone, and is
  // what counts now.
  [[nodiscard]] result<void> open_ring(bool writable) {
    auto& c = *core_;
    if (c.ring && (c.ring_writable || !writable)) {
      HOLDFAST_TRY(named, c.fs.identity(c.path));
      if (c.ring_id == named) return ok();
    }
    c.ring.reset();
    HOLDFAST_TRY(opened, c.fs.open(c.path, writable ? Open::write : Open::read));
    HOLDFAST_TRY(id, c.fs.identity(opened));
    c.ring = std::move(opened);
    c.ring_id = id;
    c.ring_writable = writable;
    return ok();
  }

  // The hint is read before the ring: a ring read later is at least as new as an honest hint.
  // Without the lock a slot may be seen half written, and early slots be older than late ones, so a
  // bad verdict is believed only when it stays and nothing moves.
  [[nodiscard]] result<std::optional<Scan>> look(bool locked) {
    auto& c = *core_;
    Version before{};
    for (int attempt = locked ? 2 : 0;; ++attempt) {
      HOLDFAST_TRY(hint, c.hint.read(c.fs));
      if (!locked) {
        auto opened = open_ring(false);
        if (!opened && opened.error().code() == errc::not_found) {
          if (hint || c.known != Version::none) return fail(errc::register_lost, "load");
          return std::optional<Scan>{};
        }
        HOLDFAST_TRYV(std::move(opened));
      }
      HOLDFAST_TRY(size, c.fs.read_at(*c.ring, 0, c.buffer));
      auto const found =
          detail::ring::scan(bytes_view{c.buffer}.first(size), hint, c.world.self().boot, c.known);
      if (found.newer_format) return fail(errc::newer_format, "load");
      bool const whole = found.newest && !found.stale;
      if (whole && (locked || !found.gap)) return std::optional{found};
      auto const newest = found.newest ? found.newest->version : Version::none;
      bool const moves = newest != std::exchange(before, newest);
      if (attempt < 2 || (moves && !locked)) continue;
      if (whole) return std::optional{found};  // the slot is damaged: what is left counts
      return fail(found.newest ? errc::stale_register : errc::damaged, "load");
    }
  }

  // Ends with the scope, also where an error returns.
  struct RingLock {
    Core* core;
    explicit RingLock(Core& c) noexcept : core{&c} {}
    RingLock(RingLock&& other) noexcept : core{std::exchange(other.core, nullptr)} {}
    ~RingLock() {
      if (core != nullptr && core->ring) static_cast<void>(core->fs.unlock(*core->ring, Range{}));
    }
  };

  [[nodiscard]] result<RingLock> lock_ring() {
    auto& c = *core_;
    auto opened = open_ring(true);
    if (!opened && opened.error().code() == errc::not_found)
      return fail(errc::register_lost, "lock");
    HOLDFAST_TRYV(std::move(opened));
    HOLDFAST_TRY(locked, detail::lock_patiently(c.fs, c.world, *c.ring, Range{}, Mode::exclusive));
    if (!locked) return fail(errc::busy, "lock");
    RingLock lock{c};
    // It may have been moved aside while this waited: what is written now would be lost.
    HOLDFAST_TRY(named, c.fs.identity(c.path));
    if (named != c.ring_id) return fail(errc::conflict, "lock");
    return lock;
  }

  // The common case without a look at the whole ring: what we made durable ourselves is there, and
  // nothing follows it.
  [[nodiscard]] result<bool> still_newest(Version expected) {
    namespace ring = detail::ring;
    auto& c = *core_;
    if (expected != c.known) return false;
    std::array<std::byte, ring::slot_size> own, next;
    HOLDFAST_TRY(own_size, c.fs.read_at(*c.ring, ring::offset_of(expected.sequence), own));
    HOLDFAST_TRY(next_size, c.fs.read_at(*c.ring, ring::offset_of(expected.sequence + 1), next));
    // Whole slots, checked: a damaged one may be a rival's record, which only the whole ring and
    // the hint can tell.
    ring::Record ours, before;
    auto const first = ring::decode(bytes_view{own}.first(own_size), ours);
    auto const second = ring::decode(bytes_view{next}.first(next_size), before);
    bool const nothing_follows =
        second == ring::Slot::empty ||
        (second == ring::Slot::valid && before.version.sequence < expected.sequence);
    return first == ring::Slot::valid && ours.version == expected && nothing_follows;
  }

  // One write, one sync: the commit. From the first byte written until the sync succeeds the
  // outcome is not known.
  [[nodiscard]] result<Version> put(std::uint64_t last, std::uint64_t confirmed, bytes_view value) {
    auto& c = *core_;
    if (last + 1 - confirmed >= detail::ring::slots) return fail(errc::poisoned, "store");
    detail::ring::Record const record{
        {last + 1, c.world.random64()}, confirmed, c.world.self().boot, value};
    std::array<std::byte, detail::ring::slot_size> slot;
    detail::ring::encode(record, slot);
    auto done = c.fs.write_at(*c.ring, detail::ring::offset_of(record.version.sequence), slot);
    if (done) done = c.fs.sync(*c.ring);
    if (!done) {
      c.poisoned = true;
      return failure(done.error().as(errc::uncertain));
    }
    confirm(record.version);
    return record.version;
  }

  // The newest value once more in the next slot. The directory too: the creator may have crashed
  // before its sync.
  [[nodiscard]] result<void> put_again(Scan const& found) {
    auto& c = *core_;
    bytes const value{found.newest->value.begin(), found.newest->value.end()};
    auto synced = c.fs.sync_directory(detail::parent_of(c.path));
    if (!synced) {
      c.poisoned = true;
      return synced;
    }
    auto const confirmed = found.confirmed ? found.confirmed->version.sequence : 0;
    HOLDFAST_TRY(again, put(found.newest->version.sequence, confirmed, value));
    // Twice: the second names the first as durable. A hint may be lost; without one, each opening
    // would else add a record that nobody may rely on, until the ring is full of them.
    HOLDFAST_TRYV(put(again.sequence, again.sequence, value));
    return ok();
  }

  // Tells readers of other processes; the ring is locked. Without it they see the record only once
  // the next one names it, and nothing is excluded meanwhile: so a hint that can't be written does
  // not make a durable commit fail.
  void confirm(Version version) noexcept {
    core_->known = version;
    core_->hint_due = !core_->hint.write(core_->fs, {version, core_->world.self().boot});
  }

  // Tries again, if the ring is free: a hint written beside a rival's would take back what he has
  // told.
  void settle_hint() {
    auto& c = *core_;
    if (!c.hint_due || c.born.left() || !open_ring(true)) return;
    auto const locked = c.fs.try_lock(*c.ring, Range{}, Mode::exclusive);
    if (!locked || !locked.assume_value()) return;
    RingLock const lock{c};
    settle_locked_hint();
  }
  // Only forwards: a newer record may be of a rival who failed or died before he could tell.
  void settle_locked_hint() {
    auto& c = *core_;
    auto const told = c.hint.read(c.fs);
    if (!told) return;
    auto const& hint = told.assume_value();
    bool const enough =
        hint && hint->boot == c.world.self().boot && hint->version.sequence >= c.known.sequence;
    if (enough) {
      c.hint_due = false;
    } else {
      confirm(c.known);
    }
  }

  // A file that is complete before it has its name, and never takes the place of another.
  [[nodiscard]] result<Version> create(bytes_view value) {
    auto& c = *core_;
    HOLDFAST_TRY(found, look(false));
    if (found) return fail(errc::conflict, "store");
    // Before the ring has its name, so that the ring's directory sync covers it.
    HOLDFAST_TRYV(c.pins.make());
    detail::ring::Record const record{{1, c.world.random64()}, 0, c.world.self().boot, value};
    bytes content(detail::ring::slots * detail::ring::slot_size);
    detail::ring::encode(record,
                         std::span<std::byte, detail::ring::slot_size>{
                             content.data() + detail::ring::slot_size, detail::ring::slot_size});
    auto const fresh = detail::fresh_name(c.path, record.version.nonce);
    auto linked = detail::write_new_file(c.fs, fresh, content);
    if (linked) linked = lock_fresh(fresh);
    if (!linked) {
      static_cast<void>(c.fs.remove(fresh));  // nobody has seen it; the next open tries again
      // A rival who opens has swept it away.
      if (linked.error().code() == errc::not_found) return fail(errc::conflict, "store");
      return detail::failed(linked);
    }
    RingLock const lock{c};
    linked = c.fs.link(fresh, c.path);
    static_cast<void>(
        c.fs.remove(fresh));  // by now a second name, which the next open removes if this did not
    bool const lost = !linked && (linked.error().code() == errc::exists ||
                                  linked.error().code() == errc::not_found);
    if (lost) return fail(errc::conflict, "store");
    // From the link on it may be there, now or after a power cut.
    if (linked) linked = c.fs.sync_directory(detail::parent_of(c.path));
    if (!linked) {
      c.poisoned = true;
      return failure(linked.error().as(errc::uncertain));
    }
    confirm(record.version);
    return record.version;
  }

  // Before others can: they would heal what is not told yet, and loads after this store miss it.
  [[nodiscard]] result<void> lock_fresh(std::string const& path) {
    auto& c = *core_;
    HOLDFAST_TRY(opened, c.fs.open(path, Open::write));
    HOLDFAST_TRY(id, c.fs.identity(opened));
    HOLDFAST_TRY(locked, c.fs.try_lock(opened, Range{}, Mode::exclusive));
    if (!locked) return fail(errc::busy, "lock");
    c.ring = std::move(opened);
    c.ring_id = id;
    c.ring_writable = true;
    return ok();
  }

  std::unique_ptr<Core> core_;
};

/// On the real file system.
using FileRegister = BasicFileRegister<Posix>;
static_assert(pinning_register<FileRegister>);

HOLDFAST_END

#endif

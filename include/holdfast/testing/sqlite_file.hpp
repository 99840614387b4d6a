// SPDX-License-Identifier: BSL-1.0
// One file that SQLite has open on any file system model: reads, writes, syncs and SQLite's locks.
#ifndef HOLDFAST_TESTING_SQLITE_FILE_HPP
#define HOLDFAST_TESTING_SQLITE_FILE_HPP

#include <sqlite3.h>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "holdfast/bytes.hpp"
#include "holdfast/config.hpp"
#include "holdfast/file_ops.hpp"
#include "holdfast/file_system.hpp"
#include "holdfast/result.hpp"
#include "holdfast/testing/sqlite_shared_memory.hpp"

HOLDFAST_BEGIN

namespace testing::sqlite {
/// SQLite's code for an error of the file system; `otherwise` is that of the call that failed.
[[nodiscard]] inline int code_of(error const& cause, int otherwise) noexcept {
  switch (cause.code()) {
    case errc::no_space:
      return SQLITE_FULL;
    case errc::no_memory:
      return SQLITE_IOERR_NOMEM;
    default:
      return otherwise;
  }
}
[[nodiscard]] inline int code_of(result<void> const& outcome, int otherwise) noexcept {
  return outcome ? SQLITE_OK : code_of(outcome.error(), otherwise);
}

/// SQLite is C: no exception may pass through it.
template <class Call>
[[nodiscard]] int guarded(int otherwise, Call&& call) noexcept {
  try {
    return call();
  } catch (std::bad_alloc const&) {
    return SQLITE_IOERR_NOMEM;
  } catch (...) {
    return otherwise;
  }
}

/// Lives in memory that SQLite provides, from a successful xOpen to xClose.
///
/// Locks are on the bytes that SQLite's own file format names, so that they exclude other programs'
/// too: a reader holds some of the shared range, the one that may become a writer the reserved
/// byte, and a writer that waits for readers to leave holds the pending byte against new ones.
template <file_system Fs>
class File : public sqlite3_file {
 public:
  /// `unsettled`: the name is new, and the first sync has to make it durable too.
  File(Fs fs,
       typename Fs::file file,
       std::string path,
       char const* vfs,
       bool unsettled,
       SharedMemories& memories)
      : sqlite3_file{&methods},
        fs_{std::move(fs)},
        file_{std::move(file)},
        path_{std::move(path)},
        vfs_{vfs},
        memories_{&memories},
        unsettled_{unsettled} {}

 private:
  static constexpr Range pending{0x4000'0000, 1};
  static constexpr Range reserved{0x4000'0001, 1};
  static constexpr Range shared{0x4000'0002, 510};
  static constexpr Range all{0x4000'0000, 512};

  [[nodiscard]] static File& of(sqlite3_file* file) noexcept { return *static_cast<File*>(file); }

  int read(void* into, std::size_t size, std::uint64_t at) {
    bytes_span const wanted{static_cast<std::byte*>(into), size};
    auto const got = fs_.read_at(file_, at, wanted);
    if (!got) return code_of(got.error(), SQLITE_IOERR_READ);
    auto const rest = wanted.subspan(got.assume_value());
    if (rest.empty()) return SQLITE_OK;
    std::fill(rest.begin(), rest.end(), std::byte{});  // SQLite relies on it
    return SQLITE_IOERR_SHORT_READ;
  }

  int sync() {
    if (!fs_.sync(file_)) return SQLITE_IOERR_FSYNC;
    if (!unsettled_) return SQLITE_OK;
    // A journal that a crash hides from recovery protects nothing.
    if (!fs_.sync_directory(holdfast::detail::parent_of(path_))) return SQLITE_IOERR_DIR_FSYNC;
    unsettled_ = false;
    return SQLITE_OK;
  }

  int size(sqlite3_int64* out) {
    auto const size = fs_.size(file_);
    if (!size) return code_of(size.error(), SQLITE_IOERR_FSTAT);
    *out = static_cast<sqlite3_int64>(size.assume_value());
    return SQLITE_OK;
  }

  // SQLITE_OK, SQLITE_BUSY or an error.
  int take(Range range, Mode mode) {
    auto const taken = fs_.try_lock(file_, range, mode);
    if (!taken) return code_of(taken.error(), SQLITE_IOERR_LOCK);
    return taken.assume_value() ? SQLITE_OK : SQLITE_BUSY;
  }
  int release(Range range) { return code_of(fs_.unlock(file_, range), SQLITE_IOERR_UNLOCK); }

  int lock(int wanted) {
    if (level_ >= wanted) return SQLITE_OK;
    if (wanted == SQLITE_LOCK_SHARED) return lock_shared();
    if (wanted == SQLITE_LOCK_RESERVED) {
      int const code = take(reserved, Mode::exclusive);
      if (code == SQLITE_OK) level_ = SQLITE_LOCK_RESERVED;
      return code;
    }
    if (level_ < SQLITE_LOCK_PENDING) {
      int const code = take(pending, Mode::exclusive);
      if (code != SQLITE_OK) return code;
      level_ = SQLITE_LOCK_PENDING;  // and stays so while readers have yet to leave
    }
    int const code = take(shared, Mode::exclusive);
    if (code == SQLITE_OK) level_ = SQLITE_LOCK_EXCLUSIVE;
    return code;
  }
  int lock_shared() {
    int code = take(pending, Mode::shared);  // no new reader while a writer waits
    if (code != SQLITE_OK) return code;
    code = take(shared, Mode::shared);
    int const released = release(pending);
    if (code == SQLITE_OK) level_ = SQLITE_LOCK_SHARED;
    return code != SQLITE_OK ? code : released;
  }
  int unlock(int wanted) {
    if (level_ <= wanted) return SQLITE_OK;
    if (wanted == SQLITE_LOCK_SHARED) {
      if (level_ == SQLITE_LOCK_EXCLUSIVE) {
        // Giving up a part of what it holds must not be refused.
        if (take(shared, Mode::shared) != SQLITE_OK) return SQLITE_IOERR_RDLOCK;
      }
      int const code = release({pending.at, pending.size + reserved.size});
      if (code == SQLITE_OK) level_ = wanted;
      return code;
    }
    int const code = release(all);
    if (code == SQLITE_OK) level_ = SQLITE_LOCK_NONE;
    return code;
  }
  int check_reserved(int* out) {
    *out = 1;
    if (level_ >= SQLITE_LOCK_RESERVED) return SQLITE_OK;
    int const code = take(reserved, Mode::shared);
    if (code == SQLITE_BUSY) return SQLITE_OK;
    if (code != SQLITE_OK) return SQLITE_IOERR_CHECKRESERVEDLOCK;
    *out = 0;
    return release(reserved);
  }

  int control(int operation, void* argument) {
    switch (operation) {
      case SQLITE_FCNTL_LOCKSTATE:
        *static_cast<int*>(argument) = level_;
        return SQLITE_OK;
      case SQLITE_FCNTL_VFSNAME:
        *static_cast<char**>(argument) = ::sqlite3_mprintf("%s", vfs_);
        return SQLITE_OK;
      case SQLITE_FCNTL_HAS_MOVED: {
        auto const ours = fs_.identity(file_);
        auto const named = fs_.identity(path_);
        *static_cast<int*>(argument) =
            ours && named && ours.assume_value() == named.assume_value() ? 0 : 1;
        return SQLITE_OK;
      }
      default:
        return SQLITE_NOTFOUND;
    }
  }

  int map(int region, int size, bool extend, void volatile** out) {
    if (!memory_) memory_ = memories_->of(path_);
    *out = memory_->map(region, size, extend);
    return SQLITE_OK;
  }
  int unmap() {
    if (memory_) memory_->give_up_all(holds_);
    memory_.reset();
    return SQLITE_OK;
  }

  static int close(sqlite3_file* file) noexcept {
    static_cast<void>(of(file).unmap());
    of(file).~File();
    return SQLITE_OK;
  }

  // Version 2: no mapped memory of the file. No device characteristics: nothing is safer than a
  // file system says.
  static constexpr sqlite3_io_methods methods{
      .iVersion = 2,
      .xClose = close,
      .xRead =
          [](sqlite3_file* f, void* into, int size, sqlite3_int64 at) {
            return guarded(SQLITE_IOERR_READ, [&] {
              return of(f).read(into, static_cast<std::size_t>(size),
                                static_cast<std::uint64_t>(at));
            });
          },
      .xWrite =
          [](sqlite3_file* f, void const* from, int size, sqlite3_int64 at) {
            return guarded(SQLITE_IOERR_WRITE, [&] {
              bytes_view const content{static_cast<std::byte const*>(from),
                                       static_cast<std::size_t>(size)};
              return code_of(
                  of(f).fs_.write_at(of(f).file_, static_cast<std::uint64_t>(at), content),
                  SQLITE_IOERR_WRITE);
            });
          },
      .xTruncate =
          [](sqlite3_file* f, sqlite3_int64 size) {
            return guarded(SQLITE_IOERR_TRUNCATE, [&] {
              return code_of(of(f).fs_.resize(of(f).file_, static_cast<std::uint64_t>(size)),
                             SQLITE_IOERR_TRUNCATE);
            });
          },
      // The file system knows one sync, of data and size; it is never less than what is asked for.
      .xSync = [](sqlite3_file* f,
                  int) { return guarded(SQLITE_IOERR_FSYNC, [&] { return of(f).sync(); }); },
      .xFileSize =
          [](sqlite3_file* f, sqlite3_int64* size) {
            return guarded(SQLITE_IOERR_FSTAT, [&] { return of(f).size(size); });
          },
      .xLock =
          [](sqlite3_file* f, int level) {
            return guarded(SQLITE_IOERR_LOCK, [&] { return of(f).lock(level); });
          },
      .xUnlock =
          [](sqlite3_file* f, int level) {
            return guarded(SQLITE_IOERR_UNLOCK, [&] { return of(f).unlock(level); });
          },
      .xCheckReservedLock =
          [](sqlite3_file* f, int* out) {
            return guarded(SQLITE_IOERR_CHECKRESERVEDLOCK,
                           [&] { return of(f).check_reserved(out); });
          },
      .xFileControl =
          [](sqlite3_file* f, int operation, void* argument) {
            return guarded(SQLITE_IOERR, [&] { return of(f).control(operation, argument); });
          },
      .xSectorSize = [](sqlite3_file*) { return 4096; },
      .xDeviceCharacteristics = [](sqlite3_file*) { return 0; },
      .xShmMap =
          [](sqlite3_file* f, int region, int size, int extend, void volatile** out) {
            return guarded(SQLITE_IOERR_SHMMAP,
                           [&] { return of(f).map(region, size, extend != 0, out); });
          },
      .xShmLock =
          [](sqlite3_file* f, int first, int count, int flags) {
            return guarded(SQLITE_IOERR_SHMLOCK,
                           [&] { return of(f).memory_->lock(of(f).holds_, first, count, flags); });
          },
      .xShmBarrier = [](sqlite3_file*) { std::atomic_thread_fence(std::memory_order_seq_cst); },
      .xShmUnmap = [](sqlite3_file* f,
                      int) { return guarded(SQLITE_IOERR, [&] { return of(f).unmap(); }); },
      .xFetch = nullptr,
      .xUnfetch = nullptr,
  };

  Fs fs_;
  typename Fs::file file_;
  std::string path_;
  char const* vfs_;
  SharedMemories* memories_;
  std::shared_ptr<SharedMemory> memory_{};
  SharedMemory::Holds holds_{};
  int level_ = SQLITE_LOCK_NONE;
  bool unsettled_;
};
}  // namespace testing::sqlite

HOLDFAST_END

#endif

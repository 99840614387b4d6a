// SPDX-License-Identifier: BSL-1.0
// Runs SQLite on any file system model, in any world: a VFS under a name of its own.
#ifndef HOLDFAST_TESTING_SQLITE_VFS_HPP
#define HOLDFAST_TESTING_SQLITE_VFS_HPP

#include <sqlite3.h>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>

#include "holdfast/config.hpp"
#include "holdfast/file_ops.hpp"
#include "holdfast/file_system.hpp"
#include "holdfast/result.hpp"
#include "holdfast/testing/sqlite_file.hpp"
#include "holdfast/testing/sqlite_shared_memory.hpp"
#include "holdfast/world.hpp"

HOLDFAST_BEGIN

namespace testing {
/// Registered from construction to destruction: connections that were opened by its name must be
/// closed before. If SQLite has no memory to register it, opening by its name is an error. As
/// safe from many threads as `Fs` and `World` are.
template <file_system Fs, world World = Native>
class SqliteVfs {
 public:
  /// `temporary`: the directory of files that SQLite gives no name.
  explicit SqliteVfs(Fs fs, World world = {}, std::string temporary = "/tmp")
      : fs_{std::move(fs)}, world_{std::move(world)}, temporary_{std::move(temporary)} {
    vfs_.zName = name_.c_str();
    vfs_.pAppData = this;
    ::sqlite3_vfs_register(&vfs_, 0);
  }
  SqliteVfs(SqliteVfs const&) = delete;
  SqliteVfs& operator=(SqliteVfs const&) = delete;
  ~SqliteVfs() { ::sqlite3_vfs_unregister(&vfs_); }

  /// For `SqliteOptions::vfs`, or `sqlite3_open_v2`.
  [[nodiscard]] std::string const& name() const noexcept { return name_; }

 private:
  using File = sqlite::File<Fs>;
  static constexpr std::size_t longest_path = 1024;

  [[nodiscard]] static SqliteVfs& of(sqlite3_vfs* vfs) noexcept {
    return *static_cast<SqliteVfs*>(vfs->pAppData);
  }
  [[nodiscard]] static std::string next_name() {
    static std::atomic<std::uint64_t> made{0};
    return "holdfast-" + std::to_string(++made);
  }

  [[nodiscard]] result<typename Fs::file> open_file(std::string const& path, int& flags) const {
    if ((flags & SQLITE_OPEN_READWRITE) == 0) return fs_.open(path, Open::read);
    bool const exclusive = (flags & SQLITE_OPEN_EXCLUSIVE) != 0;
    if (!exclusive) {
      auto file = fs_.open(path, Open::write);
      if (file) return file;
      auto const code = file.error().code();
      if (code == errc::denied || code == errc::read_only) {
        flags = (flags & ~(SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE)) | SQLITE_OPEN_READONLY;
        return fs_.open(path, Open::read);
      }
      if (code != errc::not_found || (flags & SQLITE_OPEN_CREATE) == 0) return file;
    }
    return fs_.open(path, Open::create);
  }

  int open(char const* name, sqlite3_file* into, int flags, int* flags_out) const {
    auto const path =
        name != nullptr
            ? std::string{name}
            : holdfast::detail::join(temporary_, "sqlite-" + std::to_string(world_.random64()));
    bool const creates = (flags & SQLITE_OPEN_CREATE) != 0;
    auto file = open_file(path, flags);
    if (!file) return sqlite::code_of(file.error(), SQLITE_CANTOPEN);
    if ((flags & SQLITE_OPEN_DELETEONCLOSE) != 0) {
      // At once, so that a crash leaves nothing; what is open can still be used.
      auto const removed = fs_.remove(path);
      if (!removed) return sqlite::code_of(removed.error(), SQLITE_IOERR_DELETE);
    }
    constexpr int journals = SQLITE_OPEN_MAIN_JOURNAL | SQLITE_OPEN_SUPER_JOURNAL | SQLITE_OPEN_WAL;
    // As SQLite's own: also where the name is there already, whose creator may have been killed.
    bool const unsettled = creates && (flags & journals) != 0;
    ::new (into)
        File{fs_, std::move(file).assume_value(), path, name_.c_str(), unsettled, memories_};
    if (flags_out != nullptr) *flags_out = flags;
    return SQLITE_OK;
  }

  int remove(char const* path, bool sync_directory) const {
    auto const removed = fs_.remove(path);
    if (!removed) {
      bool const missing = removed.error().code() == errc::not_found;
      return missing ? SQLITE_IOERR_DELETE_NOENT
                     : sqlite::code_of(removed.error(), SQLITE_IOERR_DELETE);
    }
    if (!sync_directory) return SQLITE_OK;
    return fs_.sync_directory(holdfast::detail::parent_of(path)) ? SQLITE_OK
                                                                 : SQLITE_IOERR_DIR_FSYNC;
  }

  int access(char const* path, int wanted, int* out) const {
    *out = 0;
    if (wanted == SQLITE_ACCESS_READWRITE) {
      *out = fs_.open(path, Open::write) ? 1 : 0;
      return SQLITE_OK;
    }
    auto const there = fs_.identity(std::string{path});
    if (!there && there.error().code() != errc::not_found) return SQLITE_IOERR_ACCESS;
    *out = there ? 1 : 0;
    return SQLITE_OK;
  }

  // Follows symlinks in the last component, as a published name is one.
  int full_path(char const* name, std::size_t size, char* out) const {
    std::string path = name;
    int links = 0;
    for (; links < 8; ++links) {
      auto const target = fs_.read_link(path);
      if (!target) break;  // no link, or nothing at all
      auto const& to = target.assume_value();
      path =
          to.starts_with('/') ? to : holdfast::detail::join(holdfast::detail::parent_of(path), to);
    }
    if (path.size() + 1 > size) return SQLITE_CANTOPEN_FULLPATH;
    std::memcpy(out, path.c_str(), path.size() + 1);
    return links == 0 ? SQLITE_OK : SQLITE_OK_SYMLINK;
  }

  int randomness(std::size_t size, char* out) const noexcept {
    for (std::size_t at = 0; at < size; at += sizeof(std::uint64_t)) {
      auto const word = world_.random64();
      std::memcpy(out + at, &word, std::min(sizeof word, size - at));
    }
    return static_cast<int>(size);
  }
  int sleep(int microseconds) const noexcept {
    world_.wait_until(world_.steady_ns() + std::int64_t{microseconds} * 1000);
    return microseconds;
  }
  // Milliseconds since noon of the first day of the Julian calendar's count.
  [[nodiscard]] sqlite3_int64 julian_ms() const noexcept {
    constexpr sqlite3_int64 unix_epoch = 210'866'760'000'000;
    return unix_epoch + world_.wall_ns() / 1'000'000;
  }

  [[nodiscard]] static sqlite3_vfs blank() noexcept {
    sqlite3_vfs vfs{};
    vfs.iVersion = 2;
    vfs.szOsFile = static_cast<int>(sizeof(File));
    vfs.mxPathname = static_cast<int>(longest_path);
    vfs.xOpen = [](sqlite3_vfs* self, char const* name, sqlite3_file* into, int flags, int* out) {
      into->pMethods = nullptr;  // nothing to close, unless it opens
      return sqlite::guarded(SQLITE_CANTOPEN,
                             [&] { return of(self).open(name, into, flags, out); });
    };
    vfs.xDelete = [](sqlite3_vfs* self, char const* path, int sync) {
      return sqlite::guarded(SQLITE_IOERR_DELETE, [&] { return of(self).remove(path, sync != 0); });
    };
    vfs.xAccess = [](sqlite3_vfs* self, char const* path, int wanted, int* out) {
      return sqlite::guarded(SQLITE_IOERR_ACCESS,
                             [&] { return of(self).access(path, wanted, out); });
    };
    vfs.xFullPathname = [](sqlite3_vfs* self, char const* name, int size, char* out) {
      return sqlite::guarded(SQLITE_CANTOPEN_FULLPATH, [&] {
        return of(self).full_path(name, static_cast<std::size_t>(size), out);
      });
    };
    // Extensions are not a matter of the file system under test.
    vfs.xDlOpen = [](sqlite3_vfs*, char const*) -> void* { return nullptr; };
    vfs.xDlError = [](sqlite3_vfs*, int size, char* out) {
      ::sqlite3_snprintf(size, out, "this VFS loads no extensions");
    };
    vfs.xDlClose = [](sqlite3_vfs*, void*) {};
    vfs.xRandomness = [](sqlite3_vfs* self, int size, char* out) {
      return of(self).randomness(static_cast<std::size_t>(size), out);
    };
    vfs.xSleep = [](sqlite3_vfs* self, int microseconds) { return of(self).sleep(microseconds); };
    vfs.xCurrentTime = [](sqlite3_vfs* self, double* out) {
      *out = static_cast<double>(of(self).julian_ms()) / 86'400'000.0;
      return SQLITE_OK;
    };
    vfs.xCurrentTimeInt64 = [](sqlite3_vfs* self, sqlite3_int64* out) {
      *out = of(self).julian_ms();
      return SQLITE_OK;
    };
    vfs.xGetLastError = [](sqlite3_vfs*, int, char*) { return 0; };
    return vfs;
  }

  Fs fs_;
  World world_;
  std::string temporary_;
  std::string name_ = next_name();
  mutable sqlite::SharedMemories memories_{};
  sqlite3_vfs vfs_ = blank();
};
}  // namespace testing

HOLDFAST_END

#endif

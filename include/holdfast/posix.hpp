// SPDX-License-Identifier: BSL-1.0
// The production file system: POSIX calls, with the locks of an open file that Linux has.
#ifndef HOLDFAST_POSIX_HPP
#define HOLDFAST_POSIX_HPP

#include <dirent.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <string>
#include <utility>
#include <vector>

#include "holdfast/config.hpp"
#include "holdfast/file_system.hpp"
#include "holdfast/result.hpp"

HOLDFAST_BEGIN

namespace detail {
[[nodiscard]] constexpr errc errc_of(int number) noexcept {
  switch (number) {
    case ENOENT:
      return errc::not_found;
    case EEXIST:
      return errc::exists;
    case ENOTEMPTY:
      return errc::exists;
    case EACCES:
      return errc::denied;
    case EPERM:
      return errc::denied;
    case EROFS:
      return errc::read_only;
    case ENOSPC:
      return errc::no_space;
    case EDQUOT:
      return errc::no_space;
    case EFBIG:
      return errc::too_large;
    case EMFILE:
      return errc::too_many_files;
    case ENFILE:
      return errc::too_many_files;
    case ENOMEM:
      return errc::no_memory;
    case ELOOP:
      return errc::foreign;  // a symlink stands where a file of ours should
    case ENOTDIR:
      return errc::invalid;
    case EISDIR:
      return errc::invalid;
    case ENAMETOOLONG:
      return errc::invalid;
    case ENOLCK:
      return errc::no_locks;
    default:
      return errc::io;
  }
}

[[nodiscard]] inline auto os_error(char const* where, std::string const& path) noexcept {
  int const number = errno;
  return failure(errc_of(number), where, path, number);
}
[[nodiscard]] inline auto sync_error(char const* where, std::string const& path) noexcept {
  return failure(errc::sync_failed, where, path, errno);
}

template <class Call>
auto retry(Call call) {
  auto answer = call();
  while (answer < 0 && errno == EINTR) answer = call();
  return answer;
}
}  // namespace detail

/// Files of the operating system. Stateless; thread-safe as the system calls are. Descriptors are
/// close-on-exec.
struct Posix {
  /// An open descriptor; closes itself. Keeps its path for error messages.
  class file {
   public:
    file() = default;
    file(int fd, std::string path) noexcept : path_{std::move(path)}, fd_{fd} {}
    file(file&& other) noexcept
        : path_{std::move(other.path_)}, fd_{std::exchange(other.fd_, -1)} {}
    file& operator=(file&& other) noexcept {
      std::swap(fd_, other.fd_);
      std::swap(path_, other.path_);
      return *this;
    }
    ~file() {
      if (fd_ >= 0) ::close(fd_);
    }
    [[nodiscard]] int descriptor() const noexcept { return fd_; }
    [[nodiscard]] std::string const& path() const noexcept { return path_; }

   private:
    std::string path_;
    int fd_ = -1;
  };

  [[nodiscard]] result<file> open(std::string const& path, Open how) const {
    int const flags = how == Open::read    ? O_RDONLY
                      : how == Open::write ? O_RDWR
                                           : O_RDWR | O_CREAT | O_EXCL;
    int const fd =
        detail::retry([&] { return ::open(path.c_str(), flags | O_CLOEXEC | O_NOFOLLOW, 0666); });
    if (fd < 0) return detail::os_error("open", path);
    return file{fd, path};
  }

  [[nodiscard]] result<std::size_t> read_at(file& f, std::uint64_t at, bytes_span into) const {
    std::size_t done = 0;
    while (done < into.size()) {
      auto const got = detail::retry([&] {
        return ::pread(f.descriptor(), into.data() + done, into.size() - done, off(at + done));
      });
      if (got < 0) return detail::os_error("read", f.path());
      if (got == 0) break;
      done += static_cast<std::size_t>(got);
    }
    return done;
  }

  [[nodiscard]] result<void> write_at(file& f, std::uint64_t at, bytes_view from) const {
    std::size_t done = 0;
    while (done < from.size()) {
      auto const put = detail::retry([&] {
        return ::pwrite(f.descriptor(), from.data() + done, from.size() - done, off(at + done));
      });
      if (put < 0) return detail::os_error("write", f.path());
      done += static_cast<std::size_t>(put);
    }
    return ok();
  }

  /// The first bytes of a file, in memory; gives them back when it ends.
  class mapping {
   public:
    explicit mapping(bytes_view content) noexcept : content_{content} {}
    mapping(mapping&& other) noexcept : content_{std::exchange(other.content_, {})} {}
    mapping& operator=(mapping&& other) noexcept {
      std::swap(content_, other.content_);
      return *this;
    }
    ~mapping() {
      if (content_.data() == nullptr) return;
      ::munmap(const_cast<std::byte*>(content_.data()), content_.size());
    }
    [[nodiscard]] bytes_view content() const noexcept { return content_; }

   private:
    bytes_view content_;
  };
  /// Maps `size` bytes, of which the file must have all for as long as they are mapped. What the
  /// disk can't read then is no error but SIGBUS, at the first touch.
  [[nodiscard]] result<mapping> map(file& f, std::uint64_t size) const {
    if (size == 0) return mapping{{}};
    auto const whole = static_cast<std::size_t>(size);
    void* const at = ::mmap(nullptr, whole, PROT_READ, MAP_SHARED, f.descriptor(), 0);
    if (at == MAP_FAILED) return detail::os_error("map", f.path());
    return mapping{bytes_view{static_cast<std::byte const*>(at), whole}};
  }

  [[nodiscard]] result<std::uint64_t> size(file& f) const {
    struct stat status {};
    if (::fstat(f.descriptor(), &status) != 0) return detail::os_error("stat", f.path());
    return static_cast<std::uint64_t>(status.st_size);
  }

  [[nodiscard]] result<void> resize(file& f, std::uint64_t size) const {
    if (detail::retry([&] { return ::ftruncate(f.descriptor(), off(size)); }) != 0) {
      return detail::os_error("resize", f.path());
    }
    return ok();
  }

  // fdatasync writes the size too when it changed; only times are left behind. Never retried: a
  // second call answers success for pages that the first one dropped.
  [[nodiscard]] result<void> sync(file& f) const {
    if (::fdatasync(f.descriptor()) != 0) return detail::sync_error("sync", f.path());
    return ok();
  }

  // Starts to write without waiting; a size of 0 is up to the end. Takes no error away from the
  // sync that follows: the kernel tells a failed write-back to those that wait for it.
  void start_writeback(file& f, Range range) const noexcept {
    ::sync_file_range(f.descriptor(), off(range.at), off(range.size), SYNC_FILE_RANGE_WRITE);
  }

  [[nodiscard]] result<bool> try_lock(file& f, Range range, Mode mode) const {
    short const type = mode == Mode::shared ? F_RDLCK : F_WRLCK;
    if (set_lock(f, range, type) == 0) return true;
    if (errno == EAGAIN || errno == EACCES) return false;
    auto const number = errno;
    bool const unsupported = number == EINVAL || number == EOPNOTSUPP || number == ENOLCK;
    return failure(unsupported ? errc::no_locks : detail::errc_of(number), "lock", f.path(),
                   number);
  }

  [[nodiscard]] result<void> unlock(file& f, Range range) const {
    if (set_lock(f, range, F_UNLCK) != 0) return detail::os_error("unlock", f.path());
    return ok();
  }

  /// Does another open file, in whatever process, hold a lock on any of it? Only looks, and needs
  /// no permission to write.
  [[nodiscard]] result<bool> is_locked(file& f, Range range) const {
    auto lock = lock_of(range, F_WRLCK);
    if (::fcntl(f.descriptor(), F_OFD_GETLK, &lock) != 0) {
      return detail::os_error("look at locks", f.path());
    }
    return lock.l_type != F_UNLCK;
  }

  [[nodiscard]] result<FileId> identity(file& f) const {
    return identity_at(f.descriptor(), "", AT_EMPTY_PATH, f.path());
  }
  [[nodiscard]] result<FileId> identity(std::string const& path) const {
    return identity_at(AT_FDCWD, path.c_str(), AT_SYMLINK_NOFOLLOW, path);
  }

  /// The two names change places in one step.
  [[nodiscard]] result<void> exchange(std::string const& a, std::string const& b) const {
    if (::renameat2(AT_FDCWD, a.c_str(), AT_FDCWD, b.c_str(), RENAME_EXCHANGE) == 0) return ok();
    return detail::os_error("exchange", b);
  }
  /// Bytes that this process may still write below `path`.
  [[nodiscard]] result<std::uint64_t> free_space(std::string const& path) const {
    struct statvfs seen {};
    if (::statvfs(path.c_str(), &seen) != 0) return detail::os_error("statvfs", path);
    return std::uint64_t{seen.f_bavail} * seen.f_frsize;
  }

  /// What a file takes of the disk, without opening it: closing it would drop a database's locks.
  [[nodiscard]] result<std::uint64_t> disk_size(std::string const& path) const {
    struct stat seen {};
    if (::lstat(path.c_str(), &seen) != 0) return detail::os_error("stat", path);
    return static_cast<std::uint64_t>(seen.st_blocks) * 512;
  }

  [[nodiscard]] result<void> make_directory(std::string const& path) const {
    if (::mkdir(path.c_str(), 0777) != 0) return detail::os_error("make directory", path);
    return ok();
  }

  [[nodiscard]] result<void> sync_directory(std::string const& path) const {
    int const fd =
        detail::retry([&] { return ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC); });
    if (fd < 0) return detail::os_error("open directory", path);
    file const closer{fd, path};
    if (::fsync(fd) != 0) return detail::sync_error("sync directory", path);
    return ok();
  }

  [[nodiscard]] result<void> rename(std::string const& from, std::string const& to) const {
    if (::rename(from.c_str(), to.c_str()) != 0) return detail::os_error("rename", from);
    return ok();
  }
  [[nodiscard]] result<void> link(std::string const& from, std::string const& to) const {
    if (::link(from.c_str(), to.c_str()) != 0) return detail::os_error("link", to);
    return ok();
  }
  [[nodiscard]] result<void> symlink(std::string const& target, std::string const& at) const {
    if (::symlink(target.c_str(), at.c_str()) != 0) return detail::os_error("symlink", at);
    return ok();
  }
  [[nodiscard]] result<std::string> read_link(std::string const& path) const {
    std::string target(4096, '\0');
    ssize_t const size = ::readlink(path.c_str(), target.data(), target.size());
    if (size < 0) return detail::os_error("read link", path);
    target.resize(static_cast<std::size_t>(size));
    return target;
  }
  [[nodiscard]] result<void> remove(std::string const& path) const {
    if (::unlink(path.c_str()) == 0) return ok();
    if (errno == EISDIR && ::rmdir(path.c_str()) == 0) return ok();
    return detail::os_error("remove", path);
  }

  [[nodiscard]] result<std::vector<Entry>> list(std::string const& path) const {
    DIR* const directory = ::opendir(path.c_str());
    if (directory == nullptr) return detail::os_error("list", path);
    struct Closer {
      DIR* open;
      ~Closer() { ::closedir(open); }
    } const closer{directory};
    std::vector<Entry> entries;
    for (errno = 0; dirent* const entry = ::readdir(directory); errno = 0) {
      std::string name = entry->d_name;
      if (name == "." || name == "..") continue;
      auto const kind = kind_of(*entry, path);
      entries.push_back({std::move(name), kind});
    }
    if (errno != 0) return detail::os_error("list", path);
    std::sort(entries.begin(), entries.end());
    return entries;
  }

 private:
  // Asks for the inode alone. A stat() asks for times too, and since Linux 6.13 the next write then
  // notes its time exactly, which makes the sync after it half as dear again.
  static result<FileId> identity_at(int at, char const* name, int flags, std::string const& path) {
    struct statx status {};
    if (::statx(at, name, flags, STATX_INO, &status) != 0) return detail::os_error("stat", path);
    return FileId{std::uint64_t{status.stx_dev_major} << 32 | status.stx_dev_minor, status.stx_ino};
  }

  static off_t off(std::uint64_t at) noexcept { return static_cast<off_t>(at); }

  static struct flock lock_of(Range range, short type) noexcept {
    struct flock lock {};
    lock.l_type = type;
    lock.l_whence = SEEK_SET;
    lock.l_start = off(range.at);
    lock.l_len = off(range.size);
    return lock;
  }
  static int set_lock(file& f, Range range, short type) {
    auto lock = lock_of(range, type);
    return detail::retry([&] { return ::fcntl(f.descriptor(), F_OFD_SETLK, &lock); });
  }

  static Entry::Kind kind_of(dirent const& entry, std::string const& parent) {
    switch (entry.d_type) {
      case DT_REG:
        return Entry::Kind::file;
      case DT_DIR:
        return Entry::Kind::directory;
      case DT_LNK:
        return Entry::Kind::symlink;
      case DT_UNKNOWN:
        break;  // some file systems don't tell: ask for each
      default:
        return Entry::Kind::other;
    }
    struct stat status {};
    if (::lstat((parent + '/' + entry.d_name).c_str(), &status) != 0) return Entry::Kind::other;
    return S_ISREG(status.st_mode)   ? Entry::Kind::file
           : S_ISDIR(status.st_mode) ? Entry::Kind::directory
           : S_ISLNK(status.st_mode) ? Entry::Kind::symlink
                                     : Entry::Kind::other;
  }
};
static_assert(file_system<Posix>);

HOLDFAST_END

#endif

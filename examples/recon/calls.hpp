// SPDX-License-Identifier: BSL-1.0
// Tells which system calls change files, and how each names what it changes.
#ifndef RECON_CALLS_HPP
#define RECON_CALLS_HPP

#include <fcntl.h>
#include <sys/syscall.h>

#include <cstdint>

namespace recon {

/// Where a call has the thing it changes: a descriptor, a path, a path below a descriptor.
enum class Names : std::uint8_t { nothing, descriptor, path, path_at };

struct Call {
  char const* name = nullptr;
  Names names = Names::nothing;
  int argument = 0;  // of the descriptor or path; a path_at has its descriptor just before it
};

/// Nothing for a call that changes no file.
[[nodiscard]] inline Call call_of(std::uint64_t number, std::uint64_t const* arguments) noexcept {
  constexpr std::uint64_t writing = O_WRONLY | O_RDWR | O_CREAT | O_TRUNC;
  switch (number) {
    case SYS_write:
      return {"write", Names::descriptor};
    case SYS_pwrite64:
      return {"pwrite", Names::descriptor};
    case SYS_writev:
      return {"writev", Names::descriptor};
    case SYS_pwritev:
      return {"pwritev", Names::descriptor};
    case SYS_fsync:
      return {"fsync", Names::descriptor};
    case SYS_fdatasync:
      return {"fdatasync", Names::descriptor};
    case SYS_sync_file_range:
      return {"sync_file_range", Names::descriptor};
    case SYS_ftruncate:
      return {"ftruncate", Names::descriptor};
    case SYS_fallocate:
      return {"fallocate", Names::descriptor};
    case SYS_flock:
      return {"flock", Names::descriptor};
    case SYS_fcntl:
      if (arguments[1] == F_SETLK || arguments[1] == F_SETLKW || arguments[1] == F_OFD_SETLK ||
          arguments[1] == F_OFD_SETLKW) {
        return {"fcntl lock", Names::descriptor};
      }
      return {};
    case SYS_openat:
      if ((arguments[2] & writing) != 0) return {"openat", Names::path_at, 1};
      return {};
    case SYS_mkdirat:
      return {"mkdirat", Names::path_at, 1};
    case SYS_unlinkat:
      return {"unlinkat", Names::path_at, 1};
    case SYS_symlinkat:
      return {"symlinkat", Names::path_at, 2};
    case SYS_linkat:
      return {"linkat", Names::path_at, 3};
    case SYS_renameat2:
      return {"renameat2", Names::path_at, 3};
    case SYS_truncate:
      return {"truncate", Names::path};
#ifdef SYS_renameat
    case SYS_renameat:
      return {"renameat", Names::path_at, 3};
#endif
#ifdef SYS_rename  // what newer architectures leave out
    case SYS_open:
      if ((arguments[1] & writing) != 0) return {"open", Names::path};
      return {};
    case SYS_mkdir:
      return {"mkdir", Names::path};
    case SYS_rmdir:
      return {"rmdir", Names::path};
    case SYS_unlink:
      return {"unlink", Names::path};
    case SYS_symlink:
      return {"symlink", Names::path, 1};
    case SYS_link:
      return {"link", Names::path, 1};
    case SYS_rename:
      return {"rename", Names::path, 1};
#endif
    default:
      return {};
  }
}

}  // namespace recon

#endif

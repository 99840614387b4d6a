// SPDX-License-Identifier: BSL-1.0
// The list of the system calls that change files.
#include "calls.hpp"

#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/syscall.h>

#include <bit>
#include <cstddef>

namespace recon {
namespace {
using Names = Call::Names;
using When = Call::When;

constexpr Call calls[] = {
    {SYS_write, "write"},
    {SYS_pwrite64, "pwrite"},
    {SYS_writev, "writev"},
    {SYS_pwritev, "pwritev"},
    {SYS_fsync, "fsync"},
    {SYS_fdatasync, "fdatasync"},
    {SYS_sync_file_range, "sync_file_range"},
    {SYS_ftruncate, "ftruncate"},
    {SYS_fallocate, "fallocate"},
    {SYS_flock, "flock"},
    {SYS_fcntl, "fcntl lock", Names::descriptor, 0, When::locking},
    {SYS_openat, "openat", Names::path_at, 1, When::opened_for_writing},
    {SYS_mkdirat, "mkdirat", Names::path_at, 1},
    {SYS_unlinkat, "unlinkat", Names::path_at, 1},
    {SYS_symlinkat, "symlinkat", Names::path_at, 2},
    {SYS_linkat, "linkat", Names::path_at, 3},
    {SYS_renameat2, "renameat2", Names::path_at, 3},
    {SYS_truncate, "truncate", Names::path},
#ifdef SYS_renameat
    {SYS_renameat, "renameat", Names::path_at, 3},
#endif
#ifdef SYS_rename  // newer architectures have none of these
    {SYS_open, "open", Names::path, 0, When::opened_for_writing},
    {SYS_mkdir, "mkdir", Names::path},
    {SYS_rmdir, "rmdir", Names::path},
    {SYS_unlink, "unlink", Names::path},
    {SYS_symlink, "symlink", Names::path, 1},
    {SYS_link, "link", Names::path, 1},
    {SYS_rename, "rename", Names::path, 1},
#endif
};
constexpr std::uint32_t writing = O_WRONLY | O_RDWR | O_CREAT | O_TRUNC;

std::uint32_t offset_of_argument(unsigned argument) noexcept {
  bool const little = std::endian::native == std::endian::little;
  return static_cast<std::uint32_t>(offsetof(seccomp_data, args) + argument * 8 + (little ? 0 : 4));
}
}  // namespace

Call const* find_call(std::uint64_t number, std::uint64_t const* arguments) noexcept {
  for (auto const& call : calls) {
    if (call.number != number) continue;
    auto const word = arguments[call.argument + 1];  // the flags of an open, the command of a fcntl
    if (call.when == When::opened_for_writing && (word & writing) == 0) return nullptr;
    bool const lock =
        word == F_SETLK || word == F_SETLKW || word == F_OFD_SETLK || word == F_OFD_SETLKW;
    if (call.when == When::locking && !lock) return nullptr;
    return &call;
  }
  return nullptr;
}

std::vector<sock_filter> call_filter() {
  constexpr std::uint16_t load = BPF_LD | BPF_W | BPF_ABS;
  constexpr std::uint16_t equal = BPF_JMP | BPF_JEQ | BPF_K;
  constexpr std::uint16_t any_bit = BPF_JMP | BPF_JSET | BPF_K;
  constexpr std::uint16_t give = BPF_RET | BPF_K;
  std::vector<sock_filter> filter;
  filter.push_back({load, 0, 0, offsetof(seccomp_data, nr)});
  for (auto const& call : calls) {
    if (call.when == When::opened_for_writing) {  // a walk opens thousands of folders to read
      filter.push_back({equal, 0, 4, call.number});
      filter.push_back({load, 0, 0, offset_of_argument(call.argument + 1)});
      filter.push_back({any_bit, 0, 1, writing});
      filter.push_back({give, 0, 0, SECCOMP_RET_TRACE});
      filter.push_back({give, 0, 0, SECCOMP_RET_ALLOW});
    } else {
      filter.push_back({equal, 0, 1, call.number});
      filter.push_back({give, 0, 0, SECCOMP_RET_TRACE});
    }
  }
  filter.push_back({give, 0, 0, SECCOMP_RET_ALLOW});
  return filter;
}

}  // namespace recon

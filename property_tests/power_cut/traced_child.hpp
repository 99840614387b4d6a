// SPDX-License-Identifier: BSL-1.0
// Runs work in a child process and counts those of its system calls that may change files, so that
// something can be done after any one of them, whoever made it.
#ifndef HOLDFAST_PROPERTY_TESTS_POWER_CUT_TRACED_CHILD_HPP
#define HOLDFAST_PROPERTY_TESTS_POWER_CUT_TRACED_CHILD_HPP

#include <signal.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <functional>
#include <iterator>
#include <map>

namespace power_cut {
/// A kernel that cannot say which call a traced child is in answers this.
inline constexpr int no_trace = 98;

[[nodiscard]] inline bool may_change_files(std::uint64_t call) noexcept {
  constexpr std::uint64_t calls[] = {
      SYS_openat,    SYS_write,     SYS_pwrite64,  SYS_pwritev, SYS_fsync,
      SYS_fdatasync, SYS_fallocate, SYS_ftruncate, SYS_mkdirat, SYS_renameat2,
      SYS_unlinkat,  SYS_linkat,    SYS_symlinkat,
#ifdef SYS_rename  // the older calls, which newer architectures do not have
      SYS_open,      SYS_rename,    SYS_unlink,    SYS_mkdir,   SYS_rmdir,
      SYS_link,      SYS_symlink,
#endif
#ifdef SYS_renameat
      SYS_renameat,
#endif
  };
  return std::find(std::begin(calls), std::end(calls), call) != std::end(calls);
}

struct Traced {
  std::uint64_t calls = 0;  ///< made
  bool stopped = false;     ///< `then` was run, and the child killed
  int exit_code = 0;        ///< of a child that was not
};

/// Runs `work`, which gives an exit code, in a child; runs `then` once the child has made `after`
/// calls (threads of the child that are not in a call go on meanwhile), then kills it.
class TracedChild {
 public:
  explicit TracedChild(std::function<int()> const& work) : child_{::fork()} {
    if (child_ != 0) return;
    if (::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr) != 0) ::_exit(no_trace);
    ::raise(SIGSTOP);
    ::_exit(work());
  }
  TracedChild(TracedChild const&) = delete;
  ~TracedChild() {
    if (child_ > 0) end();
  }

  [[nodiscard]] Traced run(std::uint64_t after, std::function<void()> const& then) {
    Traced traced;
    int status = 0;
    if (child_ < 0 || ::waitpid(child_, &status, 0) != child_ || !WIFSTOPPED(status) ||
        ::ptrace(PTRACE_SETOPTIONS, child_, nullptr,
                 PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACECLONE | PTRACE_O_EXITKILL) != 0) {
      traced.exit_code = no_trace;
      return traced;
    }
    go_on(child_, 0);
    while (true) {
      pid_t const thread = ::waitpid(-1, &status, __WALL);
      if (thread < 0 && errno == EINTR) continue;
      if (thread < 0) return traced;
      if (WIFEXITED(status) || WIFSIGNALED(status)) {
        if (thread != child_) continue;
        child_ = -1;
        traced.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
        return traced;
      }
      int signal = WSTOPSIG(status);
      if (signal == (SIGTRAP | 0x80)) {
        if (ends_call(thread, traced) && ++traced.calls == after) {
          then();
          end();
          traced.stopped = true;
          return traced;
        }
        signal = 0;
      } else if (signal == SIGTRAP || signal == SIGSTOP) {
        signal = 0;  // a thread was born, or has just begun
      }
      go_on(thread, signal);
    }
  }

 private:
  static void go_on(pid_t thread, int signal) {
    ::ptrace(PTRACE_SYSCALL, thread, nullptr, static_cast<long>(signal));
  }
  // A call that may change files has just been made.
  bool ends_call(pid_t thread, Traced& traced) {
    __ptrace_syscall_info info{};
    if (::ptrace(PTRACE_GET_SYSCALL_INFO, thread, sizeof info, &info) <= 0) {
      traced.exit_code = no_trace;
      return false;
    }
    if (info.op == PTRACE_SYSCALL_INFO_ENTRY) {
      entered_[thread] = info.entry.nr;
      return false;
    }
    return info.op == PTRACE_SYSCALL_INFO_EXIT && may_change_files(entered_[thread]);
  }
  void end() {
    ::kill(child_, SIGKILL);
    int status = 0;
    while (true) {  // the child is reported last, after its threads
      pid_t const thread = ::waitpid(-1, &status, __WALL);
      if (thread < 0 && errno == EINTR) continue;
      if (thread < 0 || thread == child_) break;
    }
    child_ = -1;
  }

  pid_t child_;
  std::map<pid_t, std::uint64_t> entered_{};  // the call that a thread is in
};
}  // namespace power_cut

#endif

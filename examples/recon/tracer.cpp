// SPDX-License-Identifier: BSL-1.0
// Traces a child and all its threads: a filter stops them at calls that change files.
#include "tracer.hpp"

#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <csignal>
#include <string_view>

#include "calls.hpp"

namespace recon {
namespace {
constexpr int cannot_trace = 126;

std::string link_target(std::string const& path) {
  std::array<char, PATH_MAX> target;
  auto const size = ::readlink(path.c_str(), target.data(), target.size());
  return size < 0 ? std::string{} : std::string{target.data(), static_cast<std::size_t>(size)};
}

std::string read_all(int fd) {
  std::string text;
  std::array<char, 4096> part;
  for (::lseek(fd, 0, SEEK_SET);;) {
    auto const size = ::read(fd, part.data(), part.size());
    if (size <= 0) return text;
    text.append(part.data(), static_cast<std::size_t>(size));
  }
}

class Tracer {
 public:
  Tracer(pid_t child, std::string const& folder, std::optional<KillPoint> const& kill)
      : child_{child}, folder_{folder}, kill_{kill} {}

  hf::result<Traced> run() {
    int status = 0;
    if (::waitpid(child_, &status, 0) != child_ || !WIFSTOPPED(status)) return broken("wait");
    // Its threads are traced from their first call on, and it does not outlive this process.
    constexpr auto options = PTRACE_O_TRACESECCOMP | PTRACE_O_TRACECLONE | PTRACE_O_TRACEFORK |
                             PTRACE_O_TRACEVFORK | PTRACE_O_TRACEEXEC | PTRACE_O_EXITKILL;
    if (::ptrace(PTRACE_SETOPTIONS, child_, nullptr, options) != 0) return broken("set options");
    go_on(child_, 0);
    for (;;) {
      pid_t const thread = ::waitpid(-1, &status, __WALL);
      if (thread < 0 && errno == EINTR) continue;
      if (thread < 0) break;  // the last one is gone
      if (thread == child_ && WIFEXITED(status)) traced_.exit_code = WEXITSTATUS(status);
      if (WIFSTOPPED(status) && !traced_.killed) stopped(thread, status);
    }
    return std::move(traced_);
  }

 private:
  static hf::result<Traced> broken(char const* what) {
    return hf::failure(hf::errc::io, "trace", what, errno);
  }

  void go_on(pid_t thread, int signal) {
    // It fails only if the thread has died, which the next wait tells.
    static_cast<void>(::ptrace(PTRACE_CONT, thread, nullptr, signal));
  }

  void stopped(pid_t thread, int status) {
    int const signal = WSTOPSIG(status);
    if (status >> 8 == (SIGTRAP | PTRACE_EVENT_SECCOMP << 8)) at_call(thread);
    if (traced_.killed) return;
    // A new thread or program, which is no signal of its own.
    bool const event = status >> 16 != 0 || signal == SIGSTOP || signal == SIGTRAP;
    go_on(thread, event ? 0 : signal);
  }

  void at_call(pid_t thread) {
    __ptrace_syscall_info info{};
    auto* const size = reinterpret_cast<void*>(sizeof info);
    if (::ptrace(PTRACE_GET_SYSCALL_INFO, thread, size, &info) <= 0) return;
    if (info.op != PTRACE_SYSCALL_INFO_SECCOMP) return;
    std::uint64_t arguments[6];
    std::copy_n(info.seccomp.args, 6, arguments);
    auto const* const call = find_call(info.seccomp.nr, arguments);
    if (call == nullptr) return;
    if (call->names == Call::Names::descriptor && arguments[0] == phase_descriptor) {
      enter(read_text(thread, arguments[1], arguments[2]));
    } else if (concerns(thread, *call, arguments)) {
      count(*call);
    }
  }

  void enter(std::string const& phase) {
    auto const found = std::find_if(traced_.phases.begin(), traced_.phases.end(),
                                    [&](PhaseCalls const& p) { return p.phase == phase; });
    phase_ = static_cast<std::size_t>(found - traced_.phases.begin());
    if (found == traced_.phases.end()) traced_.phases.push_back({phase});
  }

  void count(Call const& call) {
    if (traced_.phases.empty()) return;
    auto& now = traced_.phases[phase_];
    now.calls += 1;
    if (!kill_ || now.phase != kill_->phase || now.calls != kill_->nth) return;
    ::kill(child_, SIGKILL);
    traced_.killed = true;
    traced_.call = call.name;
  }

  bool concerns(pid_t thread, Call const& call, std::uint64_t const* arguments) {
    auto const proc = "/proc/" + std::to_string(thread);
    auto const at = [&](std::uint64_t descriptor) {
      bool const here = static_cast<int>(descriptor) == AT_FDCWD;
      return link_target(proc + (here ? "/cwd" : "/fd/" + std::to_string(descriptor)));
    };
    std::string path;
    if (call.names == Call::Names::descriptor) {
      path = at(arguments[0]);
    } else {
      path = read_text(thread, arguments[call.argument], PATH_MAX);
      bool const relative = !path.starts_with('/');
      auto const here = static_cast<std::uint64_t>(AT_FDCWD);
      if (relative)
        path =
            at(call.names == Call::Names::path ? here : arguments[call.argument - 1]) + '/' + path;
    }
    return path.starts_with(folder_) &&
           (path.size() == folder_.size() || path[folder_.size()] == '/');
  }

  // Up to a zero byte or `most` bytes, from the memory of the thread.
  static std::string read_text(pid_t thread, std::uint64_t address, std::uint64_t most) {
    constexpr std::uint64_t page = 4096;
    std::string text;
    while (text.size() < most) {
      // A read never crosses into a page that may not be there.
      auto const size = std::min(most - text.size(), page - address % page);
      std::array<char, page> part;
      iovec const local{part.data(), size};
      iovec const remote{reinterpret_cast<void*>(address), size};
      if (::process_vm_readv(thread, &local, 1, &remote, 1, 0) != static_cast<ssize_t>(size)) break;
      std::string_view const read{part.data(), size};
      text.append(read.substr(0, read.find('\0')));
      if (read.find('\0') != read.npos) break;
      address += size;
    }
    return text;
  }

  pid_t child_;
  std::string const& folder_;
  std::optional<KillPoint> const& kill_;
  Traced traced_;
  std::size_t phase_ = 0;
};

// Only calls that are safe between fork and exec.
[[noreturn]] void become(char* const* arguments,
                         sock_fprog const& filter,
                         int output,
                         int complaint) {
  int const nowhere = ::open("/dev/null", O_RDWR);
  ::dup2(nowhere, STDIN_FILENO);
  ::dup2(output, STDOUT_FILENO);
  ::dup2(complaint, STDERR_FILENO);
  ::dup2(nowhere, phase_descriptor);
  ::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr);
  ::raise(SIGSTOP);  // until the tracer is ready: the filter fails calls that nobody traces
  ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  if (::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0) ::execv(arguments[0], arguments);
  ::_exit(cannot_trace);
}
}  // namespace

hf::result<Traced> trace(std::vector<std::string> const& command,
                         std::string const& folder,
                         std::optional<KillPoint> const& kill) {
  std::vector<char*> arguments;
  for (auto const& word : command) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  auto instructions = call_filter();
  sock_fprog const filter{static_cast<unsigned short>(instructions.size()), instructions.data()};
  int const output = ::memfd_create("output", MFD_CLOEXEC);
  int const complaint = ::memfd_create("complaint", MFD_CLOEXEC);
  pid_t const child = output < 0 || complaint < 0 ? -1 : ::fork();
  if (child == 0) become(arguments.data(), filter, output, complaint);
  auto traced = child < 0 ? hf::result<Traced>{hf::failure(hf::errc::io, "trace", "fork", errno)}
                          : Tracer{child, folder, kill}.run();
  if (traced) {
    traced.assume_value().output = read_all(output);
    traced.assume_value().complaint = read_all(complaint);
    if (traced.assume_value().exit_code == cannot_trace) {
      traced = hf::failure(hf::errc::backend, "trace", "the kernel takes no filter here");
    }
  }
  ::close(output);
  ::close(complaint);
  return traced;
}

}  // namespace recon

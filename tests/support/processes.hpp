// SPDX-License-Identifier: BSL-1.0
// Runs a piece of a test in a forked child, which answers with a text: empty means all was well.
#ifndef HOLDFAST_TESTS_SUPPORT_PROCESSES_HPP
#define HOLDFAST_TESTS_SUPPORT_PROCESSES_HPP

#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <exception>
#include <functional>
#include <string>

// There only where coverage is counted: _exit would else lose what a child has run.
extern "C" int __llvm_profile_write_file(void) __attribute__((weak));

namespace support {
/// A child that runs `work` and ends without running the destructors of its parent's objects.
class Child {
 public:
  using Work = std::function<std::string()>;

  explicit Child(Work const& work, bool unprivileged = false) {
    int ends[2] = {-1, -1};
    if (::pipe(ends) != 0) std::terminate();
    pid_ = ::fork();
    if (pid_ == 0) {
      ::close(ends[0]);
      finish(ends[1], run(work, unprivileged));
    }
    ::close(ends[1]);
    answer_ = ends[0];
  }
  Child(Child const&) = delete;
  ~Child() {
    if (pid_ > 0) kill();
    ::close(answer_);
  }

  /// Waits for its end and gives its answer.
  [[nodiscard]] std::string answer() {
    std::string text;
    char buffer[512];
    for (;;) {
      auto const got = ::read(answer_, buffer, sizeof buffer);
      if (got < 0 && errno == EINTR) continue;
      if (got <= 0) break;
      text.append(buffer, static_cast<std::size_t>(got));
    }
    int const status = wait();
    if (!WIFEXITED(status)) text += "[ended by signal " + std::to_string(WTERMSIG(status)) + "]";
    return text;
  }
  void kill() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    static_cast<void>(wait());
  }
  [[nodiscard]] pid_t pid() const noexcept { return pid_; }

 private:
  static std::string run(Work const& work, bool unprivileged) {
    constexpr unsigned nobody = 65534;
    if (unprivileged && ::geteuid() == 0 && (::setgid(nobody) != 0 || ::setuid(nobody) != 0)) {
      return "could not become an unprivileged user";
    }
    try {
      return work();
    } catch (std::exception const& thrown) {
      return std::string{"threw "} + thrown.what();
    } catch (...) {
      return "threw";
    }
  }
  [[noreturn]] static void finish(int to, std::string const& text) {
    for (std::size_t done = 0; done < text.size();) {
      auto const put = ::write(to, text.data() + done, text.size() - done);
      if (put <= 0) break;
      done += static_cast<std::size_t>(put);
    }
    if (__llvm_profile_write_file != nullptr) __llvm_profile_write_file();
    ::_exit(0);
  }
  int wait() {
    int status = 0;
    while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
    }
    pid_ = -1;
    return status;
  }

  pid_t pid_ = -1;
  int answer_ = -1;
};

/// What `work` answers in a child.
[[nodiscard]] inline std::string in_child(Child::Work const& work) {
  return Child{work}.answer();
}
/// The same without the rights of root, if this process has them.
[[nodiscard]] inline std::string in_unprivileged_child(Child::Work const& work) {
  return Child{work, true}.answer();
}

/// A line of text to another process, to make it go on.
class Signal {
 public:
  Signal() {
    if (::pipe(ends_) != 0) std::terminate();
  }
  Signal(Signal const&) = delete;
  ~Signal() {
    ::close(ends_[0]);
    ::close(ends_[1]);
  }
  void give() const { static_cast<void>(!::write(ends_[1], "x", 1)); }
  /// False if nobody gave it within 20 seconds.
  [[nodiscard]] bool wait() const {
    pollfd ready{ends_[0], POLLIN, 0};
    while (::poll(&ready, 1, 20'000) < 0) {
      if (errno != EINTR) return false;
    }
    char got = 0;
    return ready.revents != 0 && ::read(ends_[0], &got, 1) == 1;
  }

 private:
  int ends_[2] = {-1, -1};
};
}  // namespace support

#endif

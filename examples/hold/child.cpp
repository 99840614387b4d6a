// SPDX-License-Identifier: BSL-1.0
// Starts, passes signals on to, and reaps a command.
#include "child.hpp"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstdio>

namespace hold {
namespace {
std::atomic<pid_t> running{0};
constexpr int passed_on[] = {SIGTERM, SIGINT, SIGHUP, SIGQUIT};

void pass_on(int signal) {
  auto const group = running.load();
  if (group > 0) ::kill(-group, signal);
}

// That stays so, here and in the command (as under nohup).
bool is_ignored(int signal) {
  struct sigaction now {};
  return ::sigaction(signal, nullptr, &now) == 0 && now.sa_handler == SIG_IGN;
}

void hand_terminal_to(pid_t group) {
  auto* const before = ::signal(SIGTTOU, SIG_IGN);  // it is taken from the group that has it
  ::tcsetpgrp(STDIN_FILENO, group);
  ::signal(SIGTTOU, before);
}

[[noreturn]] void become(std::vector<std::string> const& command,
                         std::string const& token,
                         pid_t parent,
                         bool foreground,
                         int told) {
  ::setpgid(0, 0);
  if (foreground) hand_terminal_to(::getpid());
  // Without its parent nobody renews the lock, or ends the command when it is lost.
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != parent) ::_exit(1);
  ::setenv("HOLDFAST_TOKEN", token.c_str(), 1);
  std::vector<char*> words;
  for (auto const& word : command) words.push_back(const_cast<char*>(word.c_str()));
  words.push_back(nullptr);
  ::execvp(words[0], words.data());
  int const why = errno;
  static_cast<void>(::write(told, &why, sizeof why));
  ::_exit(127);
}
}  // namespace

Child::Child(std::vector<std::string> const& command, std::string const& token) {
  std::array<int, 2> told{};
  if (::pipe2(told.data(), O_CLOEXEC) != 0) {
    errno_ = errno;
    return;
  }
  ::signal(SIGCHLD, SIG_DFL);  // who started this may ignore it; then nothing could be waited for
  auto const parent = ::getpid();
  // In the background the terminal is another's.
  bool const foreground = ::tcgetpgrp(STDIN_FILENO) == ::getpgrp();
  pid_ = ::fork();
  if (pid_ == 0) become(command, token, parent, foreground, told[1]);
  if (pid_ < 0) errno_ = errno;
  ::close(told[1]);
  if (pid_ > 0) {
    ::setpgid(pid_, pid_);  // in both: whoever is first
    running = pid_;
    for (int const signal : passed_on) {
      if (!is_ignored(signal)) ::signal(signal, pass_on);
    }
    // Nothing to read: what held the other end has become the command.
    if (::read(told[0], &errno_, sizeof errno_) != static_cast<ssize_t>(sizeof errno_)) errno_ = 0;
  }
  ::close(told[0]);
}

void Child::kill() const noexcept {
  if (pid_ > 0) ::kill(-pid_, SIGKILL);
}

int Child::wait() const noexcept {
  int status = 0;
  pid_t ended = -1;
  do {
    ended = ::waitpid(pid_, &status, 0);
  } while (ended < 0 && errno == EINTR);
  running = 0;
  if (::tcgetpgrp(STDIN_FILENO) == pid_) hand_terminal_to(::getpgrp());
  if (ended < 0) {
    std::perror("hold: waitpid");
    return 71;
  }
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}
}  // namespace hold

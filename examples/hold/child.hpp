// SPDX-License-Identifier: BSL-1.0
// A command that runs in a process group of its own, and ends with its parent.
#ifndef HOLDFAST_EXAMPLES_HOLD_CHILD_HPP
#define HOLDFAST_EXAMPLES_HOLD_CHILD_HPP

#include <sys/types.h>

#include <string>
#include <vector>

namespace hold {
class Child {
 public:
  /// Starts it, with the token in its environment. What this process is asked to end with is passed
  /// on to it.
  Child(std::vector<std::string> const& command, std::string const& token);
  /// Why it could not be started; 0 if it was.
  [[nodiscard]] int failed() const noexcept { return errno_; }
  /// SIGKILL to all of its group; from any thread.
  void kill() const noexcept;
  /// Its exit code once it has ended, or 128 and the signal that ended it; 71 if that can't be
  /// told.
  [[nodiscard]] int wait() const noexcept;

 private:
  pid_t pid_ = -1;
  int errno_ = 0;
};
}  // namespace hold

#endif

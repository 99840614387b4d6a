// SPDX-License-Identifier: BSL-1.0
// Runs a piece of a law in a forked child, which answers with a text: empty means all was well.
#ifndef HOLDFAST_TESTING_FORKED_HPP
#define HOLDFAST_TESTING_FORKED_HPP

#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <functional>
#include <string>

#include "holdfast/config.hpp"

HOLDFAST_BEGIN

namespace testing {
/// What `work` answers in a child, which ends without running the destructors of its parent's
/// objects.
[[nodiscard]] inline std::string in_child(std::function<std::string()> const& work) {
  int ends[2] = {-1, -1};
  if (::pipe(ends) != 0) return "no pipe to the child";
  auto const child = ::fork();
  if (child < 0) return "no child";
  if (child == 0) {
    std::string answer;
    try {
      answer = work();
    } catch (...) {
      answer = "it threw";
    }
    auto const written = ::write(ends[1], answer.data(), answer.size());  // fits into the pipe
    ::_exit(written == static_cast<::ssize_t>(answer.size()) ? 0 : 1);
  }
  ::close(ends[1]);
  std::string answer;
  char buffer[512];
  for (;;) {
    auto const got = ::read(ends[0], buffer, sizeof buffer);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    answer.append(buffer, static_cast<std::size_t>(got));
  }
  ::close(ends[0]);
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (status != 0) answer += "[the child ended with status " + std::to_string(status) + "]";
  return answer;
}
}  // namespace testing

HOLDFAST_END

#endif

// SPDX-License-Identifier: BSL-1.0
// Draws on standard error, so that what is asked for stays alone on standard output.
#include "progress.hpp"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <utility>

#include "holdfast/report/text.hpp"
#include "holdfast/world.hpp"

namespace tool {

Progress::Progress(std::string doing, std::uint64_t expected_bytes)
    : doing_{std::move(doing)},
      expected_{expected_bytes},
      started_ns_{hf::Native{}.steady_ns()},
      drawn_ns_{started_ns_},
      terminal_{::isatty(STDERR_FILENO) == 1} {}

Progress::~Progress() {
  if (drawn_ && terminal_) std::fputs("\r\033[K", stderr);
}

void Progress::add(std::uint64_t bytes) {
  done_ += bytes;
  auto const now = hf::Native{}.steady_ns();
  if (now - drawn_ns_ < (terminal_ ? 100'000'000 : 10'000'000'000)) return;
  drawn_ns_ = now;
  drawn_ = true;
  auto text = doing_ + ": " + hf::human_bytes(done_);
  if (expected_ != 0) {
    auto const percent = std::min<std::uint64_t>(99, done_ * 100 / expected_);
    text += " of " + hf::human_bytes(expected_) + " (" + std::to_string(percent) + " %)";
  }
  text += ", " + hf::human_time(now - started_ns_);
  std::fprintf(stderr, terminal_ ? "\r\033[K%s" : "%s\n", text.c_str());
}

}  // namespace tool

// SPDX-License-Identifier: BSL-1.0
// Draws the bar on standard error.
#include "progress.hpp"

#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include "text.hpp"

namespace recon {

Progress::Progress(bool quiet, std::uint64_t expected)
    : quiet_{quiet}, terminal_{::isatty(STDERR_FILENO) == 1}, expected_{expected} {}

Progress::~Progress() {
  clear();
}

void Progress::step(std::string_view doing, std::uint64_t done) {
  auto const now = std::chrono::steady_clock::now();
  if (quiet_ || !terminal_ || now - last_ < std::chrono::milliseconds{100}) return;
  last_ = now;
  drawn_ = true;
  std::string bar;
  if (expected_ != 0) {
    constexpr std::uint64_t width = 30;
    auto const full = std::min(width, done * width / expected_);
    bar = " [" + std::string(full, '#') + std::string(width - full, '.') + "]";
  }
  std::fprintf(stderr, "\r\033[K%.*s%s %s", static_cast<int>(doing.size()), doing.data(),
               bar.c_str(), grouped(done).c_str());
  std::fflush(stderr);
}

void Progress::line(std::string const& text) {
  if (quiet_) return;
  clear();
  std::fprintf(stderr, "%s\n", text.c_str());
}

void Progress::clear() {
  if (drawn_) std::fputs("\r\033[K", stderr);
  drawn_ = false;
}

}  // namespace recon

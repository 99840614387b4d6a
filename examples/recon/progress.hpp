// SPDX-License-Identifier: BSL-1.0
// Shows how far the work is: a bar on a terminal, plain lines elsewhere.
#ifndef RECON_PROGRESS_HPP
#define RECON_PROGRESS_HPP

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

namespace recon {

class Progress {
 public:
  /// `expected` is how many steps there may be; 0 where nobody knows.
  explicit Progress(bool quiet, std::uint64_t expected = 0);
  ~Progress();
  Progress(Progress const&) = delete;
  Progress& operator=(Progress const&) = delete;

  void expect(std::uint64_t steps) noexcept { expected_ = steps; }
  /// Drawn ten times a second at most, and on a terminal only.
  void step(std::string_view doing, std::uint64_t done);
  /// A line that stays.
  void line(std::string const& text);
  /// Takes the bar away.
  void clear();

 private:
  bool quiet_;
  bool terminal_;
  bool drawn_ = false;
  std::uint64_t expected_;
  std::chrono::steady_clock::time_point last_{};
};

}  // namespace recon

#endif

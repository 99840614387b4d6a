// SPDX-License-Identifier: BSL-1.0
// What may happen to the bytes of one file: a flipped bit, a cut, another content.
#ifndef HOLDFAST_TESTS_DAMAGE_DAMAGES_HPP
#define HOLDFAST_TESTS_DAMAGE_DAMAGES_HPP

#include <cstddef>
#include <cstdlib>
#include <string>
#include <utility>

namespace damage {
/// All bits and all lengths, or as many as a test has time for.
[[nodiscard]] inline bool soaks() {
  return std::getenv("HOLDFAST_SOAK") != nullptr;
}

/// Calls `judge(what, damaged)` for every bit flipped alone (else one bit of each byte, another one
/// from byte to byte) and every shorter length (else those about every 64th), until it answers
/// false. Gives how many there were.
template <class Judge>
std::size_t each_flip_and_cut(std::string const& content, Judge judge) {
  bool const all = soaks();
  std::size_t count = 0;
  auto damaged = content;
  for (std::size_t at = 0; at < content.size(); ++at) {
    for (unsigned bit = all ? 0 : at * 5 % 8, last = all ? 7 : bit; bit <= last; ++bit) {
      damaged[at] = static_cast<char>(content[at] ^ (1 << bit));
      ++count;
      if (!judge("byte " + std::to_string(at) + " bit " + std::to_string(bit), damaged)) {
        return count;
      }
    }
    damaged[at] = content[at];
  }
  for (std::size_t size = 0; size < content.size(); ++size) {
    if (!all && content.size() > 4096 && size % 64 > 1) continue;
    ++count;
    if (!judge("cut to " + std::to_string(size), content.substr(0, size))) return count;
  }
  return count;
}
}  // namespace damage

#endif

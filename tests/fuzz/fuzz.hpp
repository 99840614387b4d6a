// SPDX-License-Identifier: BSL-1.0
// What every fuzz target needs: a check that stops the fuzzer, and numbers drawn from its input.
#ifndef HOLDFAST_TESTS_FUZZ_FUZZ_HPP
#define HOLDFAST_TESTS_FUZZ_FUZZ_HPP

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include "holdfast/bytes.hpp"
#include "holdfast/ids.hpp"

namespace fuzz {
inline void check(bool holds, char const* what) {
  if (holds) return;
  std::fprintf(stderr, "does not hold: %s\n", what);
  std::abort();
}

/// Takes from the front of the input; zeros after its end.
class Input {
 public:
  Input(std::uint8_t const* data, std::size_t size)
      : rest_{reinterpret_cast<std::byte const*>(data), size} {}

  template <std::unsigned_integral T>
  [[nodiscard]] T number() {
    std::byte own[sizeof(T)] = {};
    auto const got = bytes(sizeof(T));
    std::copy(got.begin(), got.end(), own);
    return hf::get_le<T>(own, 0);
  }
  /// Mostly small, as the numbers of real records are, and sometimes of any size.
  [[nodiscard]] std::uint64_t any() {
    auto const kind = number<std::uint8_t>();
    return kind < 192 ? kind % 48u : number<std::uint64_t>();
  }
  [[nodiscard]] bool coin() { return (number<std::uint8_t>() & 1) != 0; }
  [[nodiscard]] hf::bytes_view bytes(std::size_t most) {
    auto const got = rest_.first(std::min(most, rest_.size()));
    rest_ = rest_.subspan(got.size());
    return got;
  }
  [[nodiscard]] std::string text(std::size_t most) {
    auto const size = number<std::uint8_t>() % (most + 1);
    return std::string{hf::as_text(bytes(size))};
  }
  template <class Array>
  void fill(Array& array) {
    for (auto& one : array) {
      one = static_cast<std::remove_reference_t<decltype(one)>>(number<std::uint8_t>());
    }
  }
  [[nodiscard]] hf::bytes_view rest() const { return rest_; }
  [[nodiscard]] bool empty() const { return rest_.empty(); }

 private:
  hf::bytes_view rest_;
};

[[nodiscard]] inline hf::Owner owner(Input& in) {
  hf::Owner owner;
  auto const host = in.text(63);
  std::copy(host.begin(), host.end(), owner.host.begin());
  in.fill(owner.boot.id);
  owner.pid = in.any();
  owner.start_time = in.any();
  owner.nonce = in.any();
  return owner;
}
}  // namespace fuzz

#endif

// SPDX-License-Identifier: BSL-1.0
// What the scenarios write: bytes that follow from a number, so that any mix or loss shows.
#ifndef HOLDFAST_TESTING_FILES_HPP
#define HOLDFAST_TESTING_FILES_HPP

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "holdfast/bytes.hpp"
#include "holdfast/config.hpp"
#include "holdfast/testing/disk/hash.hpp"

HOLDFAST_BEGIN

namespace testing {
/// A number, then bytes that follow from it.
[[nodiscard]] inline bytes value_of_number(std::uint64_t number, std::size_t size) {
  bytes value(std::max<std::size_t>(size, 16));
  auto word = disk::mixed(number);
  for (std::size_t at = 0; at < value.size(); at += 8, word += word << 7 | 1) {
    auto const next = at == 0 ? number : word;
    std::memcpy(value.data() + at, &next, std::min<std::size_t>(8, value.size() - at));
  }
  return value;
}

struct NamedFile {
  std::string name;
  bytes content;
  friend bool operator==(NamedFile const&, NamedFile const&) = default;
};
using Files = std::vector<NamedFile>;

/// What one part of a generation holds: one to three files whose bytes follow from its number, in
/// the order of their names. One of them always lies in a folder of its own.
[[nodiscard]] inline Files files_of(std::uint64_t generation, std::size_t part) {
  constexpr std::string_view names[] = {"a", "b/c", "d"};
  disk::Dice dice{disk::mixed(generation, part)};
  Files files;
  auto const count = 1 + static_cast<std::size_t>(dice.below(3));
  std::size_t const first = count == 1 ? 1 : 0;
  for (std::size_t i = first; i < first + count; ++i) {
    auto const size = static_cast<std::size_t>(dice.below(8) == 0 ? 5000 : 16 + dice.below(200));
    files.push_back({std::string{names[i]}, value_of_number(generation, size)});
  }
  return files;
}
}  // namespace testing

HOLDFAST_END

#endif

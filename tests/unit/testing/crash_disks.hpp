// SPDX-License-Identifier: BSL-1.0
// Tells in text every disk that a power cut after some calls may leave.
#ifndef HOLDFAST_TESTS_UNIT_TESTING_CRASH_DISKS_HPP
#define HOLDFAST_TESTS_UNIT_TESTING_CRASH_DISKS_HPP

#include <cstddef>
#include <set>
#include <string>

#include "holdfast/file_ops.hpp"
#include "holdfast/testing/disk/crash_states.hpp"
#include "holdfast/testing/disk/subsets.hpp"
#include "holdfast/testing/simulated_disk.hpp"

namespace crash_disks {
using hf::testing::CrashMode;
using hf::testing::SimulatedDisk;
using hf::testing::SimulatedFiles;
inline constexpr std::size_t sector_size = 4;

/// "a=text d/ d/b=text s->target": what a disk shows, in the order of the names.
inline std::string text_of(SimulatedFiles const& fs, std::string const& directory = "/") {
  std::string text;
  auto const entries = fs.list(directory).value();
  for (auto const& entry : entries) {
    auto const path = hf::detail::join(directory, entry.name);
    text += (text.empty() ? "" : " ") + path.substr(1);
    if (entry.kind == hf::Entry::Kind::directory) {
      auto const inner = text_of(fs, path);
      text += inner.empty() ? "/" : "/ " + inner;
    } else if (entry.kind == hf::Entry::Kind::symlink) {
      text += "->" + fs.read_link(path).value();
    } else {
      auto const content = hf::detail::read_file(fs, path, 1000).value();
      text += "=";
      for (auto const byte : content) text += byte == std::byte{} ? '0' : static_cast<char>(byte);
    }
  }
  return text;
}

inline void put(SimulatedFiles const& fs, std::string const& path, std::string const& text) {
  auto file = fs.open(path, hf::Open::create);
  if (!file) file = fs.open(path, hf::Open::write);
  fs.write_at(file.value(), 0, hf::as_bytes(text)).value();
}
inline void sync(SimulatedFiles const& fs, std::string const& path) {
  auto file = fs.open(path, hf::Open::read);
  fs.sync(file.value()).value();
}
inline void resize(SimulatedFiles const& fs, std::string const& path, std::uint64_t size) {
  auto file = fs.open(path, hf::Open::write);
  fs.resize(file.value(), size).value();
}

/// `before` is durable; a power cut may follow the calls of `work`.
template <class Before, class Work>
std::set<std::string> disks(CrashMode mode,
                            Before before,
                            Work work,
                            hf::testing::disk::Damage const& damage = {}) {
  SimulatedDisk const first{sector_size};
  before(first.start().files);
  auto base = first.machine().cache;
  base.settle();
  SimulatedDisk const second{base, 2, 1, 2};
  second.machine().fresh_sectors_show = damage.fill != std::byte{};
  work(second.start().files);
  auto const& log = second.machine().log;
  hf::testing::disk::CrashStates states{base, mode};
  for (auto const& step : log.steps) states.replay(step, log);
  std::set<std::string> found;
  hf::testing::disk::Subsets{states, 0, damage}.for_each(10000, 1, [&](auto const& kept) {
    auto image = hf::testing::disk::image_of(states, kept, damage);
    image.settle();
    found.insert(text_of(SimulatedDisk{image, 3, 1, 3}.start().files));
    return true;
  });
  return found;
}
}  // namespace crash_disks

#endif

// SPDX-License-Identifier: BSL-1.0
// Two places in which laws try out what a factory makes: a simulated machine, or a folder of its
// own on the real file system.
//
// `make(SimulatedProcess const&)` makes the thing in the directory /db of the simulated machine,
// `make(std::string const& folder)` in a real folder. Made again, it is the same thing as another
// process finds it.
#ifndef HOLDFAST_TESTING_BENCH_HPP
#define HOLDFAST_TESTING_BENCH_HPP

#include <concepts>
#include <cstdint>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <system_error>
#include <type_traits>
#include <utility>
#include <vector>

#include "holdfast/bytes.hpp"
#include "holdfast/config.hpp"
#include "holdfast/file_ops.hpp"
#include "holdfast/posix.hpp"
#include "holdfast/testing/simulated_disk.hpp"
#include "holdfast/world.hpp"

HOLDFAST_BEGIN

namespace testing {
template <class Make>
concept makes_simulated = requires(Make const& make, SimulatedProcess const& process) {
  make(process);
};
template <class Make>
concept makes_in_folder = requires(Make const& make, std::string const& folder) {
  make(folder);
};

/// One process of a new machine, with an empty directory /db.
class SimulatedBench {
 public:
  explicit SimulatedBench(std::uint64_t seed) : disk_{4096, seed}, process_{disk_.start()} {
    if (!holdfast::detail::make_directories(process_.files, folder()))
      throw std::runtime_error{"the simulated machine has no directory /db"};
  }
  template <class Make>
  [[nodiscard]] auto made_by(Make const& make) const {
    return make(process_);
  }
  /// By another process than the one before.
  template <class Make>
  [[nodiscard]] auto made_elsewhere_by(Make const& make) const {
    return make(disk_.start());
  }
  [[nodiscard]] SimulatedDisk const& disk() const noexcept { return disk_; }
  [[nodiscard]] SimulatedProcess const& process() const noexcept { return process_; }
  [[nodiscard]] SimulatedFiles const& files() const noexcept { return process_.files; }
  [[nodiscard]] std::string folder() const { return "/db"; }

 private:
  SimulatedDisk disk_;
  SimulatedProcess process_;
};

/// A new empty folder, removed in the end.
class FolderBench {
 public:
  explicit FolderBench(std::uint64_t seed)
      : folder_{
            (std::filesystem::temp_directory_path() /
             ("holdfast-laws-" + std::to_string(seed) + "-" + std::to_string(Native{}.random64())))
                .string()} {
    if (!std::filesystem::create_directory(folder_))
      throw std::runtime_error{"can't make the folder " + folder_};
  }
  FolderBench(FolderBench const&) = delete;
  ~FolderBench() {
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }
  template <class Make>
  [[nodiscard]] auto made_by(Make const& make) const {
    return make(folder_);
  }
  template <class Make>
  [[nodiscard]] auto made_elsewhere_by(Make const& make) const {
    return make(folder_);
  }
  [[nodiscard]] Posix files() const { return {}; }
  [[nodiscard]] std::string const& folder() const noexcept { return folder_; }

 private:
  std::string folder_;
};

/// The bench on which `make` works. Simulated if it can be: nothing there waits for a disk.
template <class Make>
using BenchOf = std::conditional_t<makes_simulated<Make>, SimulatedBench, FolderBench>;

namespace kit {
template <class Make>
auto made_type() {
  if constexpr (makes_simulated<Make>) {
    return std::type_identity<decltype(std::declval<Make const&>()(
        std::declval<SimulatedProcess const&>()))>{};
  } else {
    return std::type_identity<decltype(std::declval<Make const&>()(
        std::declval<std::string const&>()))>{};
  }
}
}  // namespace kit
/// What `make` makes on that bench.
template <class Make>
using MadeBy = typename decltype(kit::made_type<Make>())::type;

/// The path of every file below a folder, in order.
template <file_system Fs>
[[nodiscard]] std::vector<std::string> files_below(Fs const& fs, std::string const& folder) {
  std::vector<std::string> paths;
  auto const entries = fs.list(folder);
  if (!entries) return paths;
  for (auto const& entry : entries.assume_value()) {
    auto const path = holdfast::detail::join(folder, entry.name);
    if (entry.kind == Entry::Kind::file) paths.push_back(path);
    if (entry.kind != Entry::Kind::directory) continue;
    for (auto& below : files_below(fs, path)) paths.push_back(std::move(below));
  }
  return paths;
}

/// Replaces what lies in a file, in place.
template <file_system Fs>
[[nodiscard]] result<void> overwrite(Fs const& fs, std::string const& path, bytes_view content) {
  HOLDFAST_TRY(file, fs.open(path, Open::write));
  HOLDFAST_TRYV(fs.resize(file, content.size()));
  return fs.write_at(file, 0, content);
}
}  // namespace testing

HOLDFAST_END

#endif

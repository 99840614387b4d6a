// SPDX-License-Identifier: BSL-1.0
// Folders for tests, what lies in them, and what a process holds open.
#ifndef HOLDFAST_TESTS_SUPPORT_PLACES_HPP
#define HOLDFAST_TESTS_SUPPORT_PLACES_HPP

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <optional>
#include <ostream>
#include <string>
#include <system_error>
#include <vector>

#include "holdfast/ids.hpp"
#include "holdfast/result.hpp"

namespace support {
namespace fs = std::filesystem;

/// Where the folder of a test lies. In memory, syncs cost nothing: for tests that make thousands,
/// and ask for no durability. Where there is no such place it is the disk all the same.
enum class On : bool { disk, memory };

/// A folder for one test, readable by every user, removed after it.
class Place {
 public:
  explicit Place(On on = On::disk) {
    bool const memory = on == On::memory && ::access("/dev/shm", W_OK) == 0;
    fs::path const parent = memory ? "/dev/shm" : fs::temp_directory_path();
    auto pattern = (parent / "holdfast-unit-XXXXXX").string();
    path_ = ::mkdtemp(pattern.data());
    fs::permissions(path_, fs::perms{0755});
  }
  Place(Place const&) = delete;
  ~Place() {
    std::error_code ignored;
    for (auto const& entry : fs::recursive_directory_iterator{path_, ignored}) {
      if (entry.is_directory() && !entry.is_symlink()) {
        fs::permissions(entry.path(), fs::perms{0755}, ignored);
      }
    }
    fs::remove_all(path_, ignored);
  }
  [[nodiscard]] std::string const& path() const noexcept { return path_; }
  [[nodiscard]] std::string operator/(std::string const& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

inline void write_file(std::string const& path, std::string const& content) {
  std::ofstream{path, std::ios::binary} << content;
}
[[nodiscard]] inline std::string read_file(std::string const& path) {
  std::ifstream file{path, std::ios::binary};
  return {std::istreambuf_iterator<char>{file}, {}};
}
/// Changes one byte where it lies; the file stays the same.
inline void flip(std::string const& path, std::size_t at) {
  std::fstream file{path, std::ios::binary | std::ios::in | std::ios::out};
  file.seekg(static_cast<std::streamoff>(at));
  auto const byte = static_cast<char>(file.get());
  file.seekp(static_cast<std::streamoff>(at));
  file.put(static_cast<char>(byte ^ 0x10));
}

/// Every file with its content, every symlink with its target, every directory.
[[nodiscard]] inline std::map<std::string, std::string> contents(std::string const& root) {
  std::map<std::string, std::string> all;
  for (auto const& entry : fs::recursive_directory_iterator{root}) {
    auto const name = fs::relative(entry.path().parent_path(), root) / entry.path().filename();
    all[name.lexically_normal().string()] =
        entry.is_symlink()     ? "-> " + fs::read_symlink(entry.path()).string()
        : entry.is_directory() ? "/"
                               : read_file(entry.path().string());
  }
  return all;
}

/// The same with what any write would change: inode, size, and the times of content and inode.
[[nodiscard]] inline std::map<std::string, std::string> traces(std::string const& root) {
  std::map<std::string, std::string> all;
  auto const note = [&](fs::path const& path) {
    struct stat s {};
    ::lstat(path.c_str(), &s);
    all[path.string()] = std::to_string(s.st_ino) + ' ' + std::to_string(s.st_size) + ' ' +
                         std::to_string(s.st_nlink) + ' ' + std::to_string(s.st_mtim.tv_sec) + '.' +
                         std::to_string(s.st_mtim.tv_nsec) + ' ' +
                         std::to_string(s.st_ctim.tv_sec) + '.' + std::to_string(s.st_ctim.tv_nsec);
  };
  note(root);
  for (auto const& entry : fs::recursive_directory_iterator{root}) note(entry.path());
  return all;
}

/// The names directly in a folder, sorted; none if there is no folder.
[[nodiscard]] inline std::vector<std::string> names_in(std::string const& folder) {
  std::vector<std::string> names;
  std::error_code ignored;
  for (auto const& entry : fs::directory_iterator{folder, ignored}) {
    names.push_back(entry.path().filename().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

[[nodiscard]] inline std::size_t open_descriptors() {
  return names_in("/proc/self/fd").size();
}

/// The code of a failed result, or "success"; prints as its sentence.
struct Code {
  std::optional<hf::errc> code;
  friend bool operator==(Code const& a, hf::errc b) { return a.code == b; }
  friend bool operator==(Code const&, Code const&) = default;
  friend std::ostream& operator<<(std::ostream& out, Code const& c) {
    return out << (c.code ? hf::message(*c.code) : "success");
  }
};
template <class R>
[[nodiscard]] Code code_of(R const& from) {
  if (from) return {};
  return {from.error().code()};
}
/// What a failed result says to a person; empty for one that succeeded.
template <class R>
[[nodiscard]] std::string text_of(R const& from) {
  return from ? std::string{} : from.error().text();
}
}  // namespace support

#endif

// SPDX-License-Identifier: BSL-1.0
// A folder for one test, removed after it, and a few ways to do damage in it.
#ifndef HOLDFAST_TESTS_UNIT_BACKEND_SCRATCH_HPP
#define HOLDFAST_TESTS_UNIT_BACKEND_SCRATCH_HPP

#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "holdfast/bytes.hpp"
#include "holdfast/ids.hpp"
#include "holdfast/result.hpp"

namespace scratch {
namespace fs = std::filesystem;

class Folder {
 public:
  Folder() {
    auto pattern = (fs::temp_directory_path() / "holdfast-XXXXXX").string();
    path_ = ::mkdtemp(pattern.data());
  }
  Folder(Folder const&) = delete;
  ~Folder() { fs::remove_all(path_); }
  std::string path() const { return path_; }
  std::string operator/(std::string const& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

inline void write(std::string const& path, std::string const& content) {
  std::ofstream{path, std::ios::binary} << content;
}
inline std::string read(std::string const& path) {
  std::ifstream file{path, std::ios::binary};
  return {std::istreambuf_iterator<char>{file}, {}};
}
inline void flip_bit(std::string const& path, std::size_t at) {
  auto content = read(path);
  content.at(at) = static_cast<char>(content.at(at) ^ 4);
  write(path, content);
}
inline std::string text(hf::bytes const& from) {
  return std::string{hf::as_text(from)};
}
inline std::vector<std::uint64_t> numbers(std::vector<hf::Generation> const& from) {
  std::vector<std::uint64_t> all;
  for (auto const g : from) all.push_back(g.number);
  return all;
}
/// The code of a failed result; `unknown` for one that succeeded.
template <class R>
hf::errc code(R const& from) {
  return from ? hf::errc::unknown : from.error().code();
}
/// What a failed result says for a person; empty for one that succeeded.
template <class R>
std::string said(R const& from) {
  return from ? std::string{} : from.error().text();
}
}  // namespace scratch

#endif

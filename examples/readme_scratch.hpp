// SPDX-License-Identifier: BSL-1.0
// A folder for an example to work in, gone afterwards; and a main that tells errors.
#ifndef EXAMPLES_README_SCRATCH_HPP
#define EXAMPLES_README_SCRATCH_HPP

#include <stdlib.h>

#include <cstdio>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <system_error>

#include "holdfast/result.hpp"

namespace readme {

class Scratch {
 public:
  Scratch() : path_{(std::filesystem::temp_directory_path() / "holdfast-XXXXXX").string()} {
    if (::mkdtemp(path_.data()) == nullptr) throw std::runtime_error{"no folder to work in"};
  }
  Scratch(Scratch const&) = delete;
  ~Scratch() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  [[nodiscard]] std::string const& path() const noexcept { return path_; }

 private:
  std::string path_;
};

/// What main returns: 0 if the example went well.
template <class Example>
int run(Example example) {
  hf::result<void> const done = example();
  if (done) return 0;
  std::fprintf(stderr, "%s\n", done.error().text().c_str());
  return 1;
}

}  // namespace readme

#endif

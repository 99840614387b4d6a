// SPDX-License-Identifier: BSL-1.0
// Counts the bytes that long work reads, and shows how far it is.
#ifndef HOLDFAST_TOOL_PROGRESS_HPP
#define HOLDFAST_TOOL_PROGRESS_HPP

#include <cstdint>
#include <memory>
#include <string>

#include "holdfast/posix.hpp"

namespace tool {
namespace hf = holdfast;

/// On a terminal a line that is drawn anew; elsewhere a line every ten seconds. Shared by all who
/// read for one piece of work.
class Progress {
 public:
  Progress(std::string doing, std::uint64_t expected_bytes);
  ~Progress();
  Progress(Progress const&) = delete;
  Progress& operator=(Progress const&) = delete;
  void add(std::uint64_t bytes);

 private:
  std::string doing_;
  std::uint64_t expected_;
  std::uint64_t done_ = 0;
  std::int64_t started_ns_;
  std::int64_t drawn_ns_;
  bool terminal_;
  bool drawn_ = false;
};

/// The files of the system, read under the eyes of a Progress, if there is one.
struct Watched : hf::Posix {
  std::shared_ptr<Progress> progress;

  [[nodiscard]] hf::result<std::size_t> read_at(file& f,
                                                std::uint64_t at,
                                                hf::bytes_span into) const {
    auto got = hf::Posix::read_at(f, at, into);
    if (got && progress) progress->add(got.assume_value());
    return got;
  }
};
static_assert(hf::file_system<Watched>);

}  // namespace tool

#endif

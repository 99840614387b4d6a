// SPDX-License-Identifier: BSL-1.0
// Reads and writes the small file beside a ring that tells other processes which record is durable.
#ifndef HOLDFAST_BACKEND_HINT_FILE_HPP
#define HOLDFAST_BACKEND_HINT_FILE_HPP

#include <optional>
#include <string>
#include <utility>

#include "holdfast/bytes.hpp"
#include "holdfast/config.hpp"
#include "holdfast/detail/ring.hpp"
#include "holdfast/file_ops.hpp"
#include "holdfast/file_system.hpp"
#include "holdfast/result.hpp"

HOLDFAST_BEGIN

namespace detail {
/// Never synced. To the boot that wrote it, it tells what is durable; to a later one, if the disk
/// has kept it, how new the ring must be at least.
template <file_system Fs>
class HintFile {
 public:
  explicit HintFile(std::string path) : path_{std::move(path)} {}

  /// Nothing where the file is absent or holds no whole hint.
  [[nodiscard]] result<std::optional<ring::Hint>> read(Fs const& fs) const {
    auto const content = read_file(fs, path_, ring::hint_size);
    if (content) return ring::decode_hint(content.assume_value());
    auto const code = content.error().code();
    if (code == errc::not_found || code == errc::too_large) return std::optional<ring::Hint>{};
    return failed(content);
  }

  [[nodiscard]] result<bool> exists(Fs const& fs) const { return is_there(fs, path_); }

  /// Stays open between writes, unless another file has its name by now.
  [[nodiscard]] bool write(Fs const& fs, ring::Hint const& hint) noexcept {
    HOLDFAST_MAY_THROW {
      return try_write(fs, hint);
    }
    HOLDFAST_CAUGHT {
      return false;  // out of memory after a commit point: tried again later
    }
  }

  void close() noexcept { file_.reset(); }

 private:
  [[nodiscard]] bool try_write(Fs const& fs, ring::Hint const& hint) {
    auto const named = fs.identity(path_);
    if (!file_ || !named || named.assume_value() != id_) {
      file_.reset();
      auto opened = fs.open(path_, named ? Open::write : Open::create);
      if (!opened) return false;
      auto const id = fs.identity(opened.assume_value());
      if (!id) return false;
      id_ = id.assume_value();
      file_ = std::move(opened).assume_value();
    }
    return fs.write_at(*file_, 0, ring::encode(hint)).has_value();
  }

  std::string path_;
  std::optional<typename Fs::file> file_;
  FileId id_;
};
}  // namespace detail

HOLDFAST_END

#endif

// SPDX-License-Identifier: BSL-1.0
// Says how the namespace and the containers are written as rows of RocksDB: one prefix a table.
//
//   c container        -> files, bytes of the container          (container key count)
//   d directory        -> DirectoryRow                           (namespace summary)
//   f path             -> container of a file                    (key to container)
//   k container path   -> size of a file                         (container to key)
//   o                  -> number of the run, root of the tree    (origin)
//   p path             -> directory
// Numbers are 8 bytes, big endian, so that rows sort by them. Paths are bytes, relative to the
// root.
#ifndef RECON_ROWS_HPP
#define RECON_ROWS_HPP

#include <cstdint>
#include <string>
#include <string_view>

#include "holdfast/result.hpp"
#include "tree.hpp"

namespace recon::rows {

enum Table : char {
  container = 'c',
  directory = 'd',
  key_container = 'f',
  container_key = 'k',
  origin = 'o',
  path = 'p',
};

inline void put_number(std::string& to, std::uint64_t number) {
  for (int shift = 56; shift >= 0; shift -= 8) to += static_cast<char>(number >> shift & 0xff);
}

[[nodiscard]] inline std::string key(Table table) {
  return std::string(1, table);
}
[[nodiscard]] inline std::string key(Table table, std::uint64_t number) {
  auto text = key(table);
  put_number(text, number);
  return text;
}
[[nodiscard]] inline std::string key(Table table, std::string_view name) {
  return key(table).append(name);
}
[[nodiscard]] inline std::string key(Table table, std::uint64_t number, std::string_view name) {
  return key(table, number).append(name);
}

/// Takes numbers off the front of a row; one that is too short is `damaged`.
class Cursor {
 public:
  explicit Cursor(std::string_view row) noexcept : rest_{row} {}
  [[nodiscard]] std::uint64_t number() noexcept {
    if (rest_.size() < 8) {
      short_ = true;
      return 0;
    }
    std::uint64_t value = 0;
    for (char const c : rest_.substr(0, 8)) value = value << 8 | static_cast<unsigned char>(c);
    rest_.remove_prefix(8);
    return value;
  }
  [[nodiscard]] std::string_view rest() const noexcept { return rest_; }
  [[nodiscard]] hf::result<void> check(char const* what) const noexcept {
    if (short_) return hf::failure(hf::errc::damaged, what, "a row is too short");
    return hf::ok();
  }

 private:
  std::string_view rest_;
  bool short_ = false;
};

struct DirectoryRow {
  std::uint64_t parent = 0;
  Counts own{};
  Counts total{};
  std::string path{};
};

[[nodiscard]] std::string encode(DirectoryRow const& row);
[[nodiscard]] hf::result<DirectoryRow> decode_directory(std::string_view value);

[[nodiscard]] std::string encode(Share const& share);
[[nodiscard]] hf::result<Share> decode_share(std::string_view value);

[[nodiscard]] inline std::string encode(std::uint64_t number) {
  std::string value;
  put_number(value, number);
  return value;
}
[[nodiscard]] hf::result<std::uint64_t> decode_number(std::string_view value);

}  // namespace recon::rows

#endif

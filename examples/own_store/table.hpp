// SPDX-License-Identifier: BSL-1.0
// A store of one's own: a sorted table in memory, one checksummed file a generation on disk.
#ifndef EXAMPLES_OWN_STORE_TABLE_HPP
#define EXAMPLES_OWN_STORE_TABLE_HPP

#include <cstddef>
#include <map>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "holdfast/backend/file_blobs.hpp"
#include "holdfast/concepts.hpp"

// [readme]
template <hf::file_system Fs = hf::Posix>
struct TableStore {
  using Table = std::map<std::string, std::string>;
  struct Writer {
    hf::Generation generation;
    Table rows;
  };
  static constexpr hf::Guarantees guarantees = hf::BasicFileBlobs<Fs>::guarantees;

  hf::result<Writer> create(hf::Generation g) {
    HOLDFAST_TRYV(files.create(g));
    return Writer{g, {}};
  }
  hf::result<void> seal(Writer& w) {
    std::ostringstream text;
    for (auto const& [key, value] : w.rows)
      text << key.size() << ' ' << value.size() << ' ' << key << value;
    return files.put(w.generation, hf::as_bytes(text.str()));  // checksummed, synced, sealed
  }
  hf::result<Table> open(hf::Generation g) const {
    HOLDFAST_TRY(content, files.get(g));  // checked
    std::istringstream text{std::string{hf::as_text(content)}};
    Table rows;
    for (std::size_t key_size = 0, value_size = 0; text >> key_size >> value_size;) {
      std::string key(key_size, '\0'), value(value_size, '\0');
      text.get();
      text.read(key.data(), static_cast<std::streamsize>(key_size));
      text.read(value.data(), static_cast<std::streamsize>(value_size));
      rows.emplace(std::move(key), std::move(value));
    }
    return rows;
  }
  hf::result<void> drop(hf::Generation g) { return files.drop(g); }
  hf::result<std::vector<hf::Generation>> generations() const { return files.generations(); }
  std::string name() const { return files.name(); }
  void place(std::string const& home) { files.place(home); }

  hf::BasicFileBlobs<Fs> files;
};
static_assert(hf::placed_store<TableStore<>>);
// [readme]

#endif

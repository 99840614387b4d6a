// SPDX-License-Identifier: BSL-1.0
// A store of one's own: a sorted table in memory, one checksummed file a generation on disk.
#ifndef EXAMPLES_OWN_STORE_TABLE_HPP
#define EXAMPLES_OWN_STORE_TABLE_HPP

#include <iomanip>
#include <map>
#include <sstream>
#include <string>
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
  hf::BasicFileBlobs<Fs> files;
  hf::result<Writer> create(hf::Generation g) {
    HOLDFAST_TRYV(files.create(g));
    return Writer{g, {}};
  }
  hf::result<void> seal(Writer& w) {
    std::ostringstream text;
    for (auto const& [key, value] : w.rows) text << std::quoted(key) << std::quoted(value);
    return files.put(w.generation, hf::as_bytes(text.str()));  // checksummed, synced, sealed
  }
  hf::result<Table> open(hf::Generation g) const {
    HOLDFAST_TRY(content, files.get(g));  // checked
    std::istringstream text{std::string{hf::as_text(content)}};
    Table rows;
    for (std::string k, v; text >> std::quoted(k) >> std::quoted(v);) rows.emplace(k, v);
    return rows;
  }
  hf::result<void> drop(hf::Generation g) { return files.drop(g); }
  hf::result<std::vector<hf::Generation>> generations() const { return files.generations(); }
  std::string name() const { return files.name(); }
  void place(std::string const& home) { files.place(home); }
};
// [readme]
static_assert(hf::placed_store<TableStore<>>);

#endif

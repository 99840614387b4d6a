// SPDX-License-Identifier: BSL-1.0
// Asks the two stores, wherever they lie: the queries of the namespace, containers and counts.
#ifndef RECON_PARTS_HPP
#define RECON_PARTS_HPP

#include <rocksdb/db.h>
#include <sqlite3.h>

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "holdfast/result.hpp"
#include "rows.hpp"
#include "tree.hpp"

namespace recon {

/// Both stores of one generation, borrowed for one question.
struct Parts {
  rocksdb::DB* keys = nullptr;
  sqlite3* stats = nullptr;
};

/// Which build a store comes from, as the store itself remembers.
struct Origin {
  std::uint64_t run = 0;
  std::string root;
  friend bool operator==(Origin const&, Origin const&) = default;
};

// --- RocksDB

[[nodiscard]] hf::result<std::optional<std::string>> find(Parts const& parts, std::string_view key);
/// Every row whose key begins with `prefix`, without the prefix, in order; ends early on an error.
using Row = std::function<hf::result<void>(std::string_view key, std::string_view value)>;
[[nodiscard]] hf::result<void> each(Parts const& parts, std::string_view prefix, Row const& row);

[[nodiscard]] hf::result<Origin> origin_of_keys(Parts const& parts);
/// The directory of this path below the root; `not_found`, naming it.
[[nodiscard]] hf::result<rows::DirectoryRow> directory(Parts const& parts, std::string const& path);

// --- SQLite

[[nodiscard]] hf::result<Origin> origin_of_stats(Parts const& parts);
/// By volume.
[[nodiscard]] hf::result<std::map<std::string, Histogram>> histograms(Parts const& parts);
[[nodiscard]] hf::result<std::map<std::string, Counts>> table_counts(Parts const& parts);

}  // namespace recon

#endif

// SPDX-License-Identifier: BSL-1.0
// Writes a tree into the two stores: namespace and containers as rows of RocksDB, counts as tables
// of SQLite.
#ifndef RECON_FILL_HPP
#define RECON_FILL_HPP

#include <sqlite3.h>

#include <cstdint>
#include <functional>
#include <string_view>

#include "holdfast/result.hpp"
#include "tree.hpp"

namespace recon {

/// Takes one row; rows come in ascending order of their keys.
using PutRow = std::function<hf::result<void>(std::string_view key, std::string_view value)>;

/// `run` is the number under which both stores remember what they were built by.
[[nodiscard]] hf::result<void> fill_keys(Tree const& tree, std::uint64_t run, PutRow const& put);

/// The tables of the SQLite store. `volume` is text, or a blob where its name is not UTF-8.
inline constexpr char const* stats_schema = R"sql(
  CREATE TABLE IF NOT EXISTS file_size_histogram(
    volume, upper_bound INTEGER, files INTEGER, bytes INTEGER, PRIMARY KEY(volume, upper_bound));
  CREATE TABLE IF NOT EXISTS table_count(
    volume, name TEXT, count INTEGER, PRIMARY KEY(volume, name));
  CREATE TABLE IF NOT EXISTS origin(run INTEGER, root);
)sql";

/// In one transaction.
[[nodiscard]] hf::result<void> fill_stats(Tree const& tree, std::uint64_t run, sqlite3* db);

}  // namespace recon

#endif

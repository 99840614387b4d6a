// SPDX-License-Identifier: BSL-1.0
// Writes the rows of RocksDB in the order of their keys, and the tables of SQLite.
#include "fill.hpp"

#include <algorithm>
#include <numeric>
#include <string>
#include <vector>

#include "rows.hpp"
#include "sql.hpp"

namespace recon {
namespace {
using rows::Table;

struct Named {
  std::string path;
  std::uint64_t container;
  std::uint64_t size;
};

// Every file with its container, by container and then path: as the container-to-key rows sort.
std::vector<Named> by_container(Tree const& tree) {
  std::vector<Named> files;
  files.reserve(tree.files.size());
  for (auto const& file : tree.files) {
    files.push_back({tree.path_of(file), container_of(files.size()), file.size});
  }
  for (std::size_t from = 0; from < files.size(); from += container_size) {
    auto const to = std::min<std::size_t>(from + container_size, files.size());
    std::sort(files.begin() + static_cast<std::ptrdiff_t>(from),
              files.begin() + static_cast<std::ptrdiff_t>(to),
              [](Named const& a, Named const& b) { return a.path < b.path; });
  }
  return files;
}

hf::result<void> put_containers(std::vector<Named> const& files, PutRow const& put) {
  for (std::size_t from = 0; from < files.size(); from += container_size) {
    Share share;
    for (auto i = from; i < files.size() && i < from + container_size; ++i) {
      share.files += 1;
      share.bytes += files[i].size;
    }
    HOLDFAST_TRYV(put(rows::key(Table::container, files[from].container), rows::encode(share)));
  }
  return hf::ok();
}

hf::result<void> put_directories(Tree const& tree, PutRow const& put) {
  for (std::size_t id = 0; id < tree.directories.size(); ++id) {
    auto const& from = tree.directories[id];
    HOLDFAST_TRYV(put(rows::key(Table::directory, id),
                      rows::encode({from.parent, from.own, from.total, from.path})));
  }
  return hf::ok();
}

// Puts one row for each of `count` things in the order of the paths that `path_of` gives.
template <class PathOf, class ValueOf>
hf::result<void> put_by_path(
    Table table, std::size_t count, PathOf path_of, ValueOf value_of, PutRow const& put) {
  std::vector<std::size_t> order(count);
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(),
            [&](std::size_t a, std::size_t b) { return path_of(a) < path_of(b); });
  for (auto const i : order) {
    HOLDFAST_TRYV(put(rows::key(table, path_of(i)), rows::encode(value_of(i))));
  }
  return hf::ok();
}
}  // namespace

hf::result<void> fill_keys(Tree const& tree, std::uint64_t run, PutRow const& put) {
  auto const files = by_container(tree);
  HOLDFAST_TRYV(put_containers(files, put));
  HOLDFAST_TRYV(put_directories(tree, put));
  HOLDFAST_TRYV(put_by_path(
      Table::key_container, files.size(),
      [&](std::size_t i) -> std::string const& { return files[i].path; },
      [&](std::size_t i) { return files[i].container; }, put));
  for (auto const& file : files) {
    HOLDFAST_TRYV(
        put(rows::key(Table::container_key, file.container, file.path), rows::encode(file.size)));
  }
  HOLDFAST_TRYV(put(rows::key(Table::origin), rows::encode(run) + tree.root));
  return put_by_path(
      Table::path, tree.directories.size(),
      [&](std::size_t i) -> std::string const& { return tree.directories[i].path; },
      [](std::size_t i) { return std::uint64_t{i}; }, put);
}

hf::result<void> fill_stats(Tree const& tree, std::uint64_t run, sqlite3* db) {
  HOLDFAST_TRYV(execute(db, "BEGIN"));
  {
    HOLDFAST_TRY(bins, prepare(db, "INSERT INTO file_size_histogram VALUES(?, ?, ?, ?)"));
    HOLDFAST_TRY(counts, prepare(db, "INSERT INTO table_count VALUES(?, ?, ?)"));
    HOLDFAST_TRY(origin, prepare(db, "INSERT INTO origin VALUES(?, ?)"));
    for (auto const& volume : tree.volumes) {
      for (auto const& [bound, share] : volume.histogram) {
        HOLDFAST_TRYV(bins.run(volume.name, bound, share.files, share.bytes));
      }
      auto const& of = volume.counts;
      HOLDFAST_TRYV(counts.run(volume.name, "files", of.files));
      HOLDFAST_TRYV(counts.run(volume.name, "directories", of.directories));
      HOLDFAST_TRYV(counts.run(volume.name, "symlinks", of.symlinks));
      HOLDFAST_TRYV(counts.run(volume.name, "other", of.other));
      HOLDFAST_TRYV(counts.run(volume.name, "bytes", of.bytes));
    }
    HOLDFAST_TRYV(origin.run(run, tree.root));
  }
  return execute(db, "COMMIT");
}

}  // namespace recon

// SPDX-License-Identifier: BSL-1.0
// What both naive controls are made of: plain RocksDB and SQLite, opened and filled without
// holdfast.
#ifndef RECON_NAIVE_NAIVE_HPP
#define RECON_NAIVE_NAIVE_HPP

#include <rocksdb/db.h>
#include <sqlite3.h>

#include <memory>
#include <string>

#include "../system.hpp"

namespace recon::naive {

using Keys = std::unique_ptr<rocksdb::DB>;
struct CloseStats {
  void operator()(sqlite3* db) const noexcept { ::sqlite3_close_v2(db); }
};
using Stats = std::unique_ptr<sqlite3, CloseStats>;

[[nodiscard]] hf::result<Keys> open_keys(std::string const& path);
[[nodiscard]] hf::result<Keys> open_keys_to_read(std::string const& path);
[[nodiscard]] hf::result<Stats> open_stats(std::string const& path);
[[nodiscard]] hf::result<Stats> open_stats_to_read(std::string const& path);

[[nodiscard]] hf::result<void> check(rocksdb::Status const& status, char const* where);
[[nodiscard]] hf::result<void> make_folder(std::string const& path);
[[nodiscard]] bool exists(std::string const& path);
/// The number of the run that built these counts, plus one.
[[nodiscard]] std::uint64_t next_run(sqlite3* stats);

/// Reads the tree and writes it into both stores, in batches.
[[nodiscard]] hf::result<Rebuilt> build(rocksdb::DB& keys,
                                        sqlite3* stats,
                                        std::uint64_t run,
                                        std::string const& home,
                                        RebuildOptions const& what,
                                        Progress& progress);

}  // namespace recon::naive

#endif

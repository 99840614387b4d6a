// SPDX-License-Identifier: BSL-1.0
// Fills a build with the content of a RocksDB that other code owns and goes on writing.
//
// Nothing is shared with the source: a checkpoint would link its tables, but flushes the source
// first and needs the same file system. A snapshot read in order into sorted tables does neither.
#ifndef HOLDFAST_BACKEND_ROCKSDB_ADOPT_HPP
#define HOLDFAST_BACKEND_ROCKSDB_ADOPT_HPP

#include <rocksdb/db.h>
#include <rocksdb/env.h>
#include <rocksdb/options.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "holdfast/backend/rocksdb.hpp"
#include "holdfast/backend/rocksdb_copy.hpp"
#include "holdfast/backend/rocksdb_database.hpp"
#include "holdfast/config.hpp"
#include "holdfast/file_ops.hpp"
#include "holdfast/file_system.hpp"
#include "holdfast/result.hpp"

HOLDFAST_BEGIN

namespace detail {
// What is left there would be sealed with the generation.
[[nodiscard]] inline result<void> remove_scratch(rocksdb::Env& env, std::string const& scratch) {
  std::vector<std::string> left;
  auto status = env.GetChildren(scratch, &left);
  if (status.IsNotFound()) return ok();
  for (auto const& name : left) {
    if (status.ok() && name != "." && name != "..") status = env.DeleteFile(join(scratch, name));
  }
  if (status.ok()) status = env.DeleteDir(scratch);
  if (!status.ok()) return rocks_error(status, "adopt: remove scratch");
  return ok();
}

}  // namespace detail

/// Takes over these families (none: the default one) of an open database as they are at one
/// instant. The source is only read; its writers go on.
template <file_system Fs>
[[nodiscard]] result<void> adopt(RocksWriter<Fs>& writer,
                                 rocksdb::DB& source,
                                 std::vector<rocksdb::ColumnFamilyHandle*> families = {}) {
  if (families.empty()) families.push_back(source.DefaultColumnFamily());
  struct Release {
    rocksdb::DB* db;
    void operator()(rocksdb::Snapshot const* snapshot) const { db->ReleaseSnapshot(snapshot); }
  };
  std::unique_ptr<rocksdb::Snapshot const, Release> const instant{source.GetSnapshot(),
                                                                  Release{&source}};
  if (instant == nullptr) return failure(errc::backend, "adopt: no snapshot", source.GetName());
  rocksdb::ReadOptions how;
  how.snapshot = instant.get();
  how.fill_cache = false;
  return detail::adopt_families(writer, source, families, how);
}

/// After an error drop the build: what was taken over so far would be sealed with it. Takes over
/// every family of the database in the folder `source`, which another process may be writing, as
/// its log tells of it now. `options` as its owner's: comparators and merge operators count.
template <file_system Fs>
[[nodiscard]] result<void> adopt(RocksWriter<Fs>& writer,
                                 std::string const& source,
                                 rocksdb::Options options = {}) {
  options.max_open_files = -1;  // what the owner deletes meanwhile can still be read
  if (!options.info_log) options.info_log = std::make_shared<detail::QuietLogger>();
  std::vector<std::string> names;
  auto status = rocksdb::DB::ListColumnFamilies(options, source, &names);
  if (!status.ok()) return detail::rocks_error(status, "adopt: list column families");
  std::vector<rocksdb::ColumnFamilyDescriptor> described;
  described.reserve(names.size());
  for (auto const& name : names) described.emplace_back(name, options);
  // RocksDB wants a place of its own for a second look; it writes nothing into the first.
  auto const scratch = detail::join(writer.db().GetName(), "adopting");
  std::vector<rocksdb::ColumnFamilyHandle*> families;
  rocksdb::DB* raw = nullptr;
  status = rocksdb::DB::OpenAsSecondary(options, source, scratch, described, &families, &raw);
  std::unique_ptr<rocksdb::DB> const second{raw};
  if (status.ok()) status = second->TryCatchUpWithPrimary();
  // It stays as it is until it is told to catch up again: that is the one instant.
  auto done = status.ok() ? detail::adopt_families(writer, *second, families, {})
                          : result<void>{detail::rocks_error(status, "adopt: open")};
  for (auto* const family : families) second->DestroyColumnFamilyHandle(family);
  auto removed = detail::remove_scratch(*writer.db().GetEnv(), scratch);
  return done ? removed : done;  // a build that failed is dropped with all that is in it
}

HOLDFAST_END

#endif

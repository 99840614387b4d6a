// SPDX-License-Identifier: BSL-1.0
// Copies families of an open RocksDB, as a snapshot shows them, into one that is being built.
#ifndef HOLDFAST_BACKEND_ROCKSDB_COPY_HPP
#define HOLDFAST_BACKEND_ROCKSDB_COPY_HPP

#include <rocksdb/db.h>
#include <rocksdb/iterator.h>
#include <rocksdb/options.h>

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "holdfast/backend/rocksdb_bulk.hpp"
#include "holdfast/backend/rocksdb_database.hpp"
#include "holdfast/backend/rocksdb_reader.hpp"
#include "holdfast/backend/rocksdb_updates.hpp"
#include "holdfast/backend/rocksdb_writer.hpp"
#include "holdfast/config.hpp"
#include "holdfast/file_ops.hpp"
#include "holdfast/file_system.hpp"
#include "holdfast/result.hpp"

HOLDFAST_BEGIN

namespace detail {
// The family of that name in the build, made with the source's options if it is not there.
struct RocksFamily {
  rocksdb::DB& db;
  rocksdb::ColumnFamilyHandle* handle = nullptr;
  bool made = false;
  explicit RocksFamily(rocksdb::DB& in) noexcept : db{in} {}
  RocksFamily(RocksFamily const&) = delete;
  ~RocksFamily() {
    if (made) db.DestroyColumnFamilyHandle(handle);
  }
};

template <file_system Fs>
[[nodiscard]] result<void> adopt_family(RocksWriter<Fs>& writer,
                                        rocksdb::DB& source,
                                        rocksdb::ColumnFamilyHandle* from,
                                        rocksdb::ReadOptions const& how,
                                        std::size_t number) {
  RocksFamily to{writer.db()};
  if (auto known = writer.family(from->GetName())) {
    to.handle = known.assume_value();
  } else {
    rocksdb::ColumnFamilyOptions options{source.GetOptions(from)};
    options.cf_paths.clear();  // they lead into the source
    auto const status = to.db.CreateColumnFamily(options, from->GetName(), &to.handle);
    if (!status.ok()) return rocks_error(status, "adopt: create column family");
    to.made = true;
  }
  RocksBulk bulk{to.db, *to.handle,
                 join(to.db.GetName(), "adopted-" + std::to_string(number) + "-")};
  std::unique_ptr<rocksdb::Iterator> const at{source.NewIterator(how, from)};
  for (at->SeekToFirst(); at->Valid(); at->Next()) {
    HOLDFAST_TRYV(
        bulk.put({at->key().data(), at->key().size()}, {at->value().data(), at->value().size()}));
  }
  if (!at->status().ok()) return rocks_error(at->status(), "adopt: read");
  return bulk.ingest();
}

template <file_system Fs>
[[nodiscard]] result<void> adopt_families(RocksWriter<Fs>& writer,
                                          rocksdb::DB& source,
                                          std::vector<rocksdb::ColumnFamilyHandle*> const& families,
                                          rocksdb::ReadOptions const& how) {
  for (std::size_t i = 0; i < families.size(); ++i) {
    HOLDFAST_TRYV(adopt_family(writer, source, families[i], how, i));
  }
  return ok();
}
/// All that a reader shows, but for the marks, which are those of updates of another generation.
template <file_system Fs>
[[nodiscard]] result<void> copy_rocks_state(RocksWriter<Fs>& writer, RocksReader const& shown) {
  std::vector<rocksdb::ColumnFamilyHandle*> families;
  for (auto const& name : shown.families()) {
    if (name == rocks_marks_family) continue;
    HOLDFAST_TRY(family, shown.family(name));
    families.push_back(family);
  }
  auto how = shown.read_options();
  how.fill_cache = false;
  return adopt_families(writer, shown.db(), families, how);
}
}  // namespace detail

HOLDFAST_END

#endif

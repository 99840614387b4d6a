// SPDX-License-Identifier: BSL-1.0
// A RocksDB store on the simulated disk, filled by single puts or by sorted bulks.
#ifndef HOLDFAST_PROPERTY_TESTS_ROCKSDB_PLACE_HPP
#define HOLDFAST_PROPERTY_TESTS_ROCKSDB_PLACE_HPP

#include <rocksdb/cache.h>
#include <rocksdb/env.h>
#include <rocksdb/table.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

#include "database_places.hpp"
#include "holdfast/backend/rocksdb.hpp"
#include "holdfast/testing/rocksdb_file_system.hpp"
#include "holdfast/testing/serial_files.hpp"

namespace crash {
/// Small and quiet, since databases are made by the thousand: little memory, no threads but those
/// that flush.
[[nodiscard]] inline rocksdb::Options small_rocksdb(rocksdb::Env* env) {
  rocksdb::Options options;
  options.env = env;
  options.write_buffer_size = 64 << 10;
  options.arena_block_size = 4096;
  options.max_open_files = -1;
  options.max_file_opening_threads = 1;
  options.max_background_jobs = 2;
  options.max_bgerror_resume_count = 0;
  options.disable_auto_compactions = true;
  options.stats_dump_period_sec = 0;
  options.stats_persist_period_sec = 0;
  options.table_cache_numshardbits = 0;
  options.compression = rocksdb::kNoCompression;
  rocksdb::BlockBasedTableOptions table;
  table.no_block_cache = true;
  options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  return options;
}

/// Over these files. One process may run in the midst of another, whose thread then waits, so there
/// is a thread for each.
template <class Fs>
[[nodiscard]] std::shared_ptr<rocksdb::Env> rocksdb_env(Fs const& fs) {
  std::shared_ptr<rocksdb::Env> env =
      rocksdb::NewCompositeEnv(std::make_shared<hf::testing::RocksFileSystem<Fs>>(fs));
  env->IncBackgroundThreadsIfNeeded(2 + static_cast<int>(std::thread::hardware_concurrency()),
                                    rocksdb::Env::HIGH);
  return env;
}

/// By single puts, by a sorted bulk, or the first by a put and the others by a bulk.
enum class RocksWay : std::uint8_t { puts, bulk, both };
template <class Fs>
[[nodiscard]] hf::result<void> put_pairs(hf::RocksWriter<Fs>& writer,
                                         hf::testing::Files const& files,
                                         RocksWay way) {
  hf::RocksBulk* bulk = nullptr;
  for (auto const& file : files) {
    std::string_view const content{reinterpret_cast<char const*>(file.content.data()),
                                   file.content.size()};
    bool const first = &file == &files.front();
    if (way == RocksWay::puts || (way == RocksWay::both && first)) {
      HOLDFAST_TRYV(writer.put(file.name, content));
      continue;
    }
    if (bulk == nullptr) {
      HOLDFAST_TRY(made, writer.sorted_bulk());
      bulk = made;
    }
    HOLDFAST_TRYV(bulk->put(file.name, content));
  }
  return hf::ok();
}
[[nodiscard]] inline hf::result<hf::testing::Files> get_pairs(hf::RocksReader const& reader) {
  hf::testing::Files files;
  auto const at = reader.iterator();
  for (at->SeekToFirst(); at->Valid(); at->Next()) {
    auto const* const content = reinterpret_cast<std::byte const*>(at->value().data());
    files.push_back({at->key().ToString(), {content, content + at->value().size()}});
  }
  if (!at->status().ok()) return hf::detail::rocks_error(at->status(), "iterate");
  return files;
}

template <class Fs>
struct OneRocks {
  using Store = GroundedStore<hf::BasicRocksStore<Fs>, rocksdb::Env>;
  static constexpr char const* link = "/db/keys/current";

  bool raw = false;  ///< each generation in a way of its own, else all in the plainest

  [[nodiscard]] Store open(hf::testing::SimulatedProcess const& p) const {
    auto const fs = files_for<Fs>(p);
    auto env = rocksdb_env(fs);
    hf::BasicRocksStore<Fs> store{"keys", {.options = small_rocksdb(env.get())}, fs};
    store.place("/db");
    return Store{std::move(env), std::move(store)};
  }
  [[nodiscard]] hf::result<void> put(hf::testing::SimulatedProcess const&,
                                     typename Store::writer& writer,
                                     hf::testing::Files const& files) const {
    auto const number = (*writer).generation().number;
    return put_pairs(*writer, files, raw ? static_cast<RocksWay>(number % 3) : RocksWay::puts);
  }
  [[nodiscard]] auto get(typename Store::reader const& reader) const { return get_pairs(*reader); }
};
}  // namespace crash

#endif

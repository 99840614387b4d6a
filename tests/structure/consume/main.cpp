// SPDX-License-Identifier: BSL-1.0
// A user's program: includes holdfast as users do, and fails if it does not answer.
#include <holdfast/holdfast.hpp>

#ifdef CONSUMER_HAS_SQLITE
#include <holdfast/backend/sqlite.hpp>
#endif
#ifdef CONSUMER_HAS_ROCKSDB
#include <holdfast/backend/rocksdb.hpp>
#endif
#ifdef CONSUMER_HAS_LMDB
#include <holdfast/backend/lmdb.hpp>
#endif

int main() {
  hf::MemoryRegister current;
  auto const stored = current.store_if(hf::Version::none, hf::bytes(3));
  auto const loaded = current.load();
  bool works = HOLDFAST_VERSION >= 100 && stored && loaded && loaded.value()->value.size() == 3;
#ifdef CONSUMER_HAS_SQLITE
  works = works && sqlite3_libversion_number() > 0 && hf::generation_store<hf::SqliteStore>;
#endif
#ifdef CONSUMER_HAS_ROCKSDB
  works = works && hf::generation_store<hf::RocksStore>;
#endif
#ifdef CONSUMER_HAS_LMDB
  works = works && mdb_version(nullptr, nullptr, nullptr) != nullptr &&
          hf::generation_store<hf::LmdbStore>;
#endif
  return works ? 0 : 1;
}

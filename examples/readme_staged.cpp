// SPDX-License-Identifier: BSL-1.0
// The example of the README: RocksDB and SQLite rebuilt aside and switched in one step.
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <string>
#include <utility>

#include "holdfast/backend/rocksdb.hpp"
#include "holdfast/backend/sqlite.hpp"
#include "holdfast/staged.hpp"
#include "readme_scratch.hpp"

namespace {
template <class Writer>
hf::result<void> fill(Writer& writer) {
  auto& [keys, stats] = writer;
  HOLDFAST_TRYV(keys.put("apple", "3"));
  HOLDFAST_TRYV(keys.put("pear", "4"));
  return stats.exec("CREATE TABLE total(n INTEGER); INSERT INTO total VALUES(7)");
}

hf::result<void> report(hf::RocksReader const& keys,
                        hf::SqliteReader const& stats,
                        hf::Generation generation) {
  HOLDFAST_TRY(pears, keys.get("pear"));
  std::printf("generation %d: %s pears, totals in %s\n", static_cast<int>(generation.number),
              pears.c_str(), stats.path().c_str());
  return hf::ok();
}

// [readme]
hf::result<void> rebuild(std::filesystem::path home, std::uint64_t offset) {
  HOLDFAST_TRY(db, hf::open_staged(home, hf::RocksStore{"keys"}, hf::SqliteStore{"stats"}));
  // It has recovered what a crash left.

  HOLDFAST_TRY(stage, db.stage());               // unseen; readers go on
  HOLDFAST_TRYV(fill(stage.writer()));           // a tuple, one writer a store
  HOLDFAST_TRY(ready, std::move(stage).seal());  // durable, still unseen
  HOLDFAST_TRY(done, std::move(ready).commit({.marks = {{"offset", offset}}}));  // all or nothing

  HOLDFAST_TRY(view, db.view());  // both stores, one generation, pinned
  auto const& [keys, stats] = *view;
  return report(keys, stats, done.generation);
}
// [readme]
}  // namespace

int main() {
  readme::Scratch const scratch;
  return readme::run([&]() -> hf::result<void> {
    HOLDFAST_TRYV(rebuild(scratch.path(), 4711));
    return rebuild(scratch.path(), 4712);
  });
}

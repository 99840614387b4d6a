// SPDX-License-Identifier: BSL-1.0
// The stores of databases with every call of the file system around them failing, one at a time.
#include "../unit/backend/fault_sweep.hpp"
#include "holdfast/backend/lmdb.hpp"
#include "holdfast/backend/rocksdb.hpp"
#include "holdfast/backend/sqlite.hpp"

TEST_CASE("whichever call fails, a database is sealed whole or not at all", "[sqlite][faults]") {
  auto const way =
      GENERATE(sweep::Way::refused, sweep::Way::half_done, sweep::Way::done_but_failed);
  scratch::Folder home;
  support::FailingFiles files;
  hf::BasicSqliteStore<support::FailingFiles> store{
      "stats", {.schema = "CREATE TABLE t(v)", .verify_on_open = true}, files};
  store.place(home.path());
  auto const fill = [](auto& writer) { return writer.exec("INSERT INTO t VALUES('kept')"); };
  auto const whole = [](hf::SqliteReader const& reader) {
    auto const lease = reader.connection();
    auto const v = hf::detail::ask_sqlite(lease.value().handle(), "SELECT group_concat(v) FROM t");
    return v && v.value() == "kept";
  };
  sweep::Sweep all{store, files.calls(), fill, whole};
  CHECK(all.run(way, ENOSPC) > 15);
}

TEST_CASE("whichever call fails, a RocksDB is sealed whole or not at all", "[rocksdb][faults]") {
  auto const way =
      GENERATE(sweep::Way::refused, sweep::Way::half_done, sweep::Way::done_but_failed);
  scratch::Folder home;
  support::FailingFiles files;
  hf::BasicRocksStore<support::FailingFiles> store{"keys", {}, files};
  store.place(home.path());
  auto const fill = [](auto& writer) -> hf::result<void> {
    HOLDFAST_TRYV(writer.put("a", "put"));
    HOLDFAST_TRY(bulk, writer.sorted_bulk());
    return bulk->put("b", "bulk");
  };
  auto const whole = [](hf::RocksReader const& reader) {
    auto const a = reader.get("a");
    auto const b = reader.get("b");
    return a && b && a.value() == "put" && b.value() == "bulk";
  };
  sweep::Sweep all{store, files.calls(), fill, whole};
  CHECK(all.run(way, EIO) > 20);
}

TEST_CASE("whichever call fails, an LMDB is sealed whole or not at all", "[lmdb][faults]") {
  auto const way =
      GENERATE(sweep::Way::refused, sweep::Way::half_done, sweep::Way::done_but_failed);
  scratch::Folder home;
  support::FailingFiles files;
  hf::BasicLmdbStore<support::FailingFiles> store{"keys", {.verify_on_open = true}, files};
  store.place(home.path());
  auto const fill = [](auto& writer) -> hf::result<void> {
    HOLDFAST_TRYV(writer.append("a", "append"));
    return writer.put("b", "put");
  };
  auto const whole = [](hf::LmdbReader const& reader) {
    auto const a = reader.get("a");
    auto const b = reader.get("b");
    return a && b && a.value() == "append" && b.value() == "put";
  };
  sweep::Sweep all{store, files.calls(), fill, whole};
  CHECK(all.run(way, ENOSPC) > 15);
}

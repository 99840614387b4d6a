// SPDX-License-Identifier: BSL-1.0
// Updates of RocksDB databases in place: one write with the marks, readers that stay on their
// state, and what is refused.
#include <rocksdb/statistics.h>
#include <rocksdb/write_batch.h>

#include <cerrno>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "catch.hpp"
#include "failing_files.hpp"
#include "holdfast/backend/rocksdb.hpp"
#include "places.hpp"

namespace {
struct Folder {
  support::Place place{support::On::memory};
  [[nodiscard]] hf::RocksStore store(bool updates = true) const { return store_with({}, updates); }
  [[nodiscard]] hf::RocksStore store_with(hf::RocksOptions options, bool updates = true) const {
    options.updates = updates;
    options.families = {{"sums", rocksdb::ColumnFamilyOptions{}}};
    hf::RocksStore made{"keys", std::move(options)};
    made.place(place / "home");
    return made;
  }
};

hf::result<void> build(hf::RocksStore& store, hf::Generation g, int upto) {
  HOLDFAST_TRY(writer, store.create(g));
  for (int i = 1; i <= upto; ++i) {
    HOLDFAST_TRYV(writer.put(std::to_string(i), "built"));
  }
  return store.seal(writer);
}
hf::result<void> feed(hf::RocksStore& store, std::uint64_t i, hf::Generation g = {1}) {
  rocksdb::WriteBatch batch;
  static_cast<void>(batch.Put(std::to_string(i), "fed"));
  return store.apply(g, batch, {{"offset", i}});
}
std::string count(hf::result<hf::RocksReader> const& reader) {
  if (!reader) return reader.error().text();
  int keys = 0;
  auto const at = reader.value().iterator();
  for (at->SeekToFirst(); at->Valid(); at->Next()) ++keys;
  return std::to_string(keys);
}
hf::errc code(auto const& outcome) {
  return outcome ? hf::errc::unknown : outcome.error().code();
}
hf::Marks at(std::uint64_t offset) {
  return {{"offset", offset}};
}
}  // namespace

TEST_CASE("a RocksDB generation takes updates, and readers stay on the state they were opened on",
          "[rocksdb][updates]") {
  Folder const home;
  auto store = home.store();
  REQUIRE(build(store, {1}, 2));
  CHECK(store.updates({1}).value());
  CHECK(store.marks({1}).value().empty());
  auto const before = store.open({1});
  auto elsewhere = home.store();
  auto const other = elsewhere.open({1});
  for (std::uint64_t i = 3; i <= 6; ++i) REQUIRE(feed(store, i));
  CHECK(count(before) == "2");
  CHECK(count(other) == "2");
  CHECK(store.marks_of(before.value()).value().empty());
  auto const after = store.open({1});
  CHECK(count(after) == "6");
  CHECK(after.value().get("6").value() == "fed");
  CHECK(store.marks_of(after.value()).value() == at(6));
  auto const late = elsewhere.open({1});
  CHECK(count(late) == "6");
  CHECK(elsewhere.marks_of(late.value()).value() == at(6));
  REQUIRE(feed(store, 7));
  REQUIRE(after.value().db().Flush({}).ok());
  REQUIRE(after.value().db().CompactRange({}, nullptr, nullptr).ok());
  CHECK(count(after) == "6");
  CHECK(code(after.value().get("7")) == hf::errc::not_found);
  CHECK(count(late) == "6");
  CHECK(count(elsewhere.open({1})) == "7");
  CHECK(store.verify({1}).value() == hf::Verified::own_checksums);
  CHECK(store.publish({1}));
}

TEST_CASE("an updater of a RocksDB generation that went away left all it was told was applied",
          "[rocksdb][updates]") {
  Folder const home;
  {
    auto store = home.store();
    REQUIRE(build(store, {1}, 2));
    REQUIRE(feed(store, 3));
    REQUIRE(feed(store, 4));
    auto second = home.store();
    CHECK_FALSE(feed(second, 5));  // RocksDB has one writer
  }
  auto store = home.store();
  CHECK(count(store.open({1})) == "4");
  CHECK(store.marks({1}).value() == at(4));
  REQUIRE(feed(store, 4));
  REQUIRE(feed(store, 5));
  CHECK(count(store.open({1})) == "5");
  rocksdb::WriteBatch batch;
  REQUIRE(batch.Put(store.open({1}).value().family("sums").value(), "all", "5").ok());
  REQUIRE(store.apply({1}, batch, at(6)));
  auto const reader = store.open({1}).value();
  CHECK(reader.get(reader.family("sums").value(), "all").value() == "5");
  CHECK(code(store.apply({1}, batch, {{"offset", 6}, {"other", 1}})) == hf::errc::invalid);
}

TEST_CASE("RocksDB generations that were sealed without updates take none, and copies are whole",
          "[rocksdb][updates]") {
  Folder const home;
  auto fixed = home.store(false);
  REQUIRE(build(fixed, {1}, 2));
  auto store = home.store();
  CHECK_FALSE(store.updates({1}).value());
  CHECK(code(feed(store, 3)) == hf::errc::invalid);
  CHECK(store.marks({1}).value().empty());
  CHECK_FALSE(store.marks_of(store.open({1}).value()));
  {
    auto cloned = store.clone({1}, {2});
    REQUIRE(cloned);
    REQUIRE(store.seal(cloned.value()));
  }
  REQUIRE(feed(store, 3, {2}));
  CHECK(count(store.open({2})) == "3");
  CHECK(count(fixed.open({1})) == "2");
  CHECK(count(fixed.open({2})) == "3");
  CHECK(code(store.clone({2}, {3})) == hf::errc::invalid);
  CHECK(store.generations().value() == std::vector<hf::Generation>{{1}, {2}});
  REQUIRE(store.drop({2}));
  CHECK(store.generations().value() == std::vector<hf::Generation>{{1}});
}

TEST_CASE("whatever the options, the marks that a RocksDB updater is told are in a table",
          "[rocksdb][updates]") {
  Folder const home;
  hf::RocksOptions options;
  options.options.avoid_flush_during_recovery = true;
  auto store = home.store_with(std::move(options));
  REQUIRE(build(store, {1}, 2));
  REQUIRE(feed(store, 3));
  CHECK_FALSE(store.open({1}).value().db().GetDBOptions().avoid_flush_during_recovery);
}

TEST_CASE("a RocksDB generation that takes updates has no blob files", "[rocksdb][updates]") {
  Folder const home;
  {
    auto plain = home.store();
    REQUIRE(build(plain, {1}, 2));
  }
  hf::RocksOptions options;
  options.options.enable_blob_files = true;
  auto store = home.store_with(options);
  CHECK(code(store.create({2})) == hf::errc::invalid);
  CHECK(code(feed(store, 3)) == hf::errc::invalid);
  auto fixed = home.store_with(options, false);
  CHECK(build(fixed, {2}, 2));
}

TEST_CASE("every byte of a RocksDB generation that takes updates is looked at once an object",
          "[rocksdb][updates]") {
  Folder const home;
  auto feeder = home.store();
  REQUIRE(build(feeder, {1}, 2));
  REQUIRE(feed(feeder, 3));
  hf::RocksOptions options;
  options.verify_on_open = true;
  options.options.statistics = rocksdb::CreateDBStatistics();
  auto const counted = options.options.statistics;
  auto store = home.store_with(std::move(options));
  auto const read = [&] { return counted->getTickerCount(rocksdb::VERIFY_CHECKSUM_READ_BYTES); };
  CHECK(count(store.open({1})) == "3");
  auto const once = read();
  CHECK(once > 0);
  REQUIRE(feed(feeder, 4));
  CHECK(count(store.open({1})) == "4");
  CHECK(read() == once);
}

TEST_CASE("a failed sync of a RocksDB log that was found is not tried again",
          "[rocksdb][updates][faults]") {
  Folder const home;
  auto feeder = home.store();
  REQUIRE(build(feeder, {1}, 2));
  REQUIRE(feed(feeder, 3));
  support::FailingFiles files;
  hf::RocksOptions options;
  options.updates = true;
  hf::BasicRocksStore<support::FailingFiles> store{"keys", std::move(options), files};
  store.place(home.place / "home");
  files.calls().fail({.call = support::Call::sync, .path_has = ".log", .number = EIO});
  CHECK(code(store.open({1})) == hf::errc::sync_failed);
  CHECK(code(store.open({1})) == hf::errc::poisoned);
}

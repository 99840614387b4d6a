// SPDX-License-Identifier: BSL-1.0
// The RocksDB store: databases built unseen, sealed whole, and read without a write.
#include <rocksdb/snapshot.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <thread>

#include "../unit/backend/faulty_files.hpp"
#include "../unit/backend/scratch.hpp"
#include "catch.hpp"
#include "holdfast/backend/rocksdb.hpp"

using Catch::Matchers::ContainsSubstring;
using hf::errc;
using scratch::code;
using scratch::said;

namespace {
hf::RocksStore store_in(scratch::Folder const& home, hf::RocksOptions options = {}) {
  hf::RocksStore store{"keys", std::move(options)};
  store.place(home.path());
  return store;
}
template <class Store>
void build(Store& store, std::uint64_t g, std::string const& value) {
  auto writer = store.create({g});
  INFO(said(writer));
  REQUIRE(writer);
  REQUIRE(writer.value().put("key", value));
  auto const sealed = store.seal(writer.value());
  INFO(said(sealed));
  REQUIRE(sealed);
}
std::string key(int i) {
  auto digits = std::to_string(i);
  return "key" + std::string(8 - digits.size(), '0') + digits;
}
std::vector<std::string> files_in(std::string const& folder) {
  std::vector<std::string> all;
  for (auto const& entry : std::filesystem::directory_iterator{folder}) {
    auto const written = std::filesystem::last_write_time(entry).time_since_epoch().count();
    all.push_back(entry.path().filename().string() + " " + std::to_string(entry.file_size()) + " " +
                  std::to_string(written));
  }
  std::sort(all.begin(), all.end());
  return all;
}
std::string table_in(std::string const& folder) {
  for (auto const& entry : std::filesystem::directory_iterator{folder}) {
    if (entry.path().extension() == ".sst") return entry.path();
  }
  return {};
}
struct CountingLogger : rocksdb::Logger {
  std::atomic<int> lines = 0;
  using rocksdb::Logger::Logv;
  void Logv(char const*, std::va_list) override { ++lines; }
};
}  // namespace

TEST_CASE("a sealed RocksDB is read back", "[rocksdb]") {
  scratch::Folder home;
  auto store = store_in(home);
  build(store, 1, "one");
  build(store, 2, "two");
  auto const reader = store.open({1});
  INFO(said(reader));
  REQUIRE(reader);
  CHECK(reader.value().get("key").value() == "one");
  CHECK(code(reader.value().get("other")) == errc::not_found);
  CHECK(store.open({2}).value().get("key").value() == "two");
  CHECK(store.verify({1}).value() == hf::Verified::own_checksums);
  REQUIRE(store.drop({2}));
  CHECK(scratch::numbers(store.generations().value()) == std::vector<std::uint64_t>{1});
}

TEST_CASE("column families come back with their names, also ones made on the way", "[rocksdb]") {
  scratch::Folder home;
  hf::RocksOptions options;
  options.families = {{"reversed", {}}};
  options.families[0].options.comparator = rocksdb::ReverseBytewiseComparator();
  auto store = store_in(home, options);
  auto writer = store.create({1});
  REQUIRE(writer);
  auto& w = writer.value();
  auto* const reversed = w.family("reversed").value();
  REQUIRE(w.put(reversed, "a", "1"));
  REQUIRE(w.put(reversed, "b", "2"));
  CHECK(code(w.family("none")) == errc::not_found);
  rocksdb::ColumnFamilyHandle* late = nullptr;
  REQUIRE(w.db().CreateColumnFamily({}, "late", &late).ok());
  REQUIRE(w.put(late, "c", "3"));
  REQUIRE(w.db().DestroyColumnFamilyHandle(late).ok());
  REQUIRE(store.seal(w));

  auto const reader = store.open({1});
  INFO(said(reader));
  REQUIRE(reader);
  CHECK(reader.value().families() == std::vector<std::string>{"default", "late", "reversed"});
  auto const at = reader.value().iterator(reader.value().family("reversed").value());
  at->SeekToFirst();
  REQUIRE(at->Valid());
  CHECK(at->key() == "b");
  CHECK(reader.value().get(reader.value().family("late").value(), "c").value() == "3");
}

TEST_CASE("a sorted bulk holds what was put, over many files", "[rocksdb][bulk]") {
  scratch::Folder home;
  hf::RocksOptions options;
  options.options.target_file_size_base = 64 << 10;
  options.options.compression = rocksdb::kNoCompression;
  auto store = store_in(home, options);
  auto writer = store.create({1});
  REQUIRE(writer);
  auto& w = writer.value();
  REQUIRE(w.put(key(5), "put, then covered"));
  REQUIRE(w.put("zzz", "put"));
  auto* const bulk = w.sorted_bulk().value();
  for (int i = 0; i < 5000; ++i) REQUIRE(bulk->put(key(i), std::string(100, 'v')));
  auto moved = std::move(writer).value();
  REQUIRE(bulk->put(key(5000), "after the writer moved"));
  REQUIRE(moved.sorted_bulk().value()->put(key(7), "a later bulk"));
  REQUIRE(store.seal(moved));
  CHECK(code(bulk->put("zzzz", "late")) == errc::spent);
  CHECK(code(moved.sorted_bulk()) == errc::spent);

  auto const reader = store.open({1});
  REQUIRE(reader);
  auto const at = reader.value().iterator();
  int count = 0;
  for (at->SeekToFirst(); at->Valid(); at->Next()) ++count;
  CHECK(at->status().ok());
  CHECK(count == 5002);
  CHECK(reader.value().get(key(5)).value() == std::string(100, 'v'));
  CHECK(reader.value().get(key(7)).value() == "a later bulk");
  CHECK(reader.value().get(key(5000)).value() == "after the writer moved");
  auto const files = files_in(home / "keys/0000000001");
  CHECK(std::count_if(files.begin(), files.end(),
                      [](auto const& name) { return name.find(".sst") != std::string::npos; }) > 5);
  CHECK(std::none_of(files.begin(), files.end(),
                     [](auto const& name) { return name.starts_with("bulk"); }));
}

TEST_CASE("a bulk refuses a key out of order, and goes on", "[rocksdb][bulk]") {
  scratch::Folder home;
  hf::RocksOptions options;
  // Small files, so that the first key of a file is compared with the last of the file before.
  options.options.target_file_size_base = GENERATE(1u, 64u << 20);
  options.options.comparator = rocksdb::ReverseBytewiseComparator();
  auto store = store_in(home, options);
  auto writer = store.create({1});
  REQUIRE(writer);
  auto* const bulk = writer.value().sorted_bulk().value();
  std::string const block(10000, 'x');
  REQUIRE(bulk->put("n", block));
  REQUIRE(bulk->put("m", block));
  auto const refused = bulk->put("o", block);
  CHECK(code(refused) == errc::invalid);
  CHECK_THAT(said(refused), ContainsSubstring("ascend") && ContainsSubstring(": o"));
  CHECK(code(bulk->put("m", "again")) == errc::invalid);
  REQUIRE(bulk->put("", block));
  CHECK(code(bulk->put("", "again")) == errc::invalid);
  CHECK(code(writer.value().sorted_bulk("none")) == errc::not_found);
  REQUIRE(store.seal(writer.value()));
  auto const reader = store.open({1});
  CHECK(reader.value().get("m").value() == block);
  CHECK(reader.value().get("").value() == block);
  CHECK(code(reader.value().get("o")) == errc::not_found);
}

TEST_CASE("a reader writes nothing into the generation", "[rocksdb]") {
  scratch::Folder home;
  auto store = store_in(home);
  build(store, 1, "one");
  auto const before = files_in(home / "keys/0000000001");
  CHECK(std::none_of(before.begin(), before.end(),
                     [](auto const& name) { return name.starts_with("LOG"); }));
  {
    auto const reader = store.open({1});
    REQUIRE(reader);
    CHECK(reader.value().get("key").value() == "one");
    CHECK_FALSE(reader.value().db().Put({}, "key", "changed").ok());
    REQUIRE(store.verify({1}));
  }
  CHECK(files_in(home / "keys/0000000001") == before);
}

TEST_CASE("a reader needs no permission to write", "[rocksdb]") {
  scratch::Folder home;
  auto store = store_in(home);
  build(store, 1, "one");
  std::filesystem::permissions(home.path(), std::filesystem::perms{0755});
  auto const child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    // Root may write everywhere: become nobody. Another user just takes the permission away.
    std::error_code failed;
    if (::geteuid() != 0) {
      std::filesystem::permissions(home / "keys/0000000001", std::filesystem::perms{0555}, failed);
    } else if (::setgid(65534) != 0 || ::setuid(65534) != 0) {
      ::_exit(3);
    }
    auto const reader = store.open({1});
    auto const got = reader && reader.value().get("key").value() == "one";
    ::_exit(got && !store.create({2}) ? 0 : 1);
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  std::filesystem::permissions(home / "keys/0000000001", std::filesystem::perms{0755});
  CHECK(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 0);
}

TEST_CASE("a generation dropped underneath its reader still reads", "[rocksdb]") {
  scratch::Folder home;
  hf::RocksOptions options;
  options.options.target_file_size_base = 1;
  options.options.max_open_files = 20;  // fewer than there are files, if it were heeded
  auto store = store_in(home, options);
  auto writer = store.create({1});
  REQUIRE(writer);
  auto* const bulk = writer.value().sorted_bulk().value();
  for (int i = 0; i < 100; ++i) REQUIRE(bulk->put(key(i), std::string(10000, 'x')));
  REQUIRE(store.seal(writer.value()));
  auto const reader = store.open({1});
  REQUIRE(reader);
  REQUIRE(store.drop({1}));
  for (int i = 0; i < 100; ++i) {
    auto const got = reader.value().get(key(i));
    INFO(said(got));
    REQUIRE(got);
  }
}

TEST_CASE("the caller's logger is kept", "[rocksdb]") {
  scratch::Folder home;
  auto const logger = std::make_shared<CountingLogger>();
  hf::RocksOptions options;
  options.options.info_log = logger;
  auto store = store_in(home, options);
  build(store, 1, "one");
  CHECK(logger->lines > 0);
}

TEST_CASE("logs of other programs are no damage", "[rocksdb]") {
  scratch::Folder home;
  auto store = store_in(home);
  build(store, 1, "one");
  REQUIRE(store.publish({1}));
  rocksdb::DB* other = nullptr;
  REQUIRE(rocksdb::DB::OpenForReadOnly({}, home / "keys/current", &other).ok());
  delete other;
  // Some versions write a log when they open to read.
  scratch::write(home / "keys/current/LOG", "opened");
  scratch::write(home / "keys/current/LOG.old.1700000000", "opened before");
  CHECK(store.open({1}));
  CHECK(code(store.drop({1})) == errc::pinned);
  build(store, 2, "two");
  REQUIRE(store.publish({2}));
  REQUIRE(store.drop({1}));
}

TEST_CASE("a snapshot that is held fails the seal and leaves the writer whole", "[rocksdb]") {
  scratch::Folder home;
  auto store = store_in(home);
  auto writer = store.create({1});
  REQUIRE(writer);
  auto& w = writer.value();
  auto const* const snapshot = w.db().GetSnapshot();
  CHECK(code(store.seal(w)) == errc::busy);
  REQUIRE(w.put("key", "still writing"));
  w.db().ReleaseSnapshot(snapshot);
  REQUIRE(store.seal(w));
  REQUIRE(store.seal(w));
  CHECK(code(w.put("key", "late")) == errc::spent);
  CHECK(store.open({1}).value().get("key").value() == "still writing");
}

TEST_CASE("what is written past the writer is sealed too", "[rocksdb]") {
  scratch::Folder home;
  auto store = store_in(home);
  auto writer = store.create({1});
  REQUIRE(writer);
  rocksdb::WriteOptions logged;
  logged.sync = true;
  REQUIRE(writer.value().db().Put(logged, "key", "logged").ok());
  REQUIRE(writer.value().db().CompactRange({}, nullptr, nullptr).ok());
  REQUIRE(store.seal(writer.value()));
  CHECK(store.open({1}).value().get("key").value() == "logged");
}

TEST_CASE("places outside the generation are refused", "[rocksdb]") {
  scratch::Folder home;
  hf::RocksOptions options;
  SECTION("of the log") {
    options.options.wal_dir = home / "wal";
  }
  SECTION("of the data") {
    options.options.db_paths = {{home / "data", 1 << 20}};
  }
  SECTION("of a family") {
    options.families = {{"f", {}}};
    options.families[0].options.cf_paths = {{home / "data", 1 << 20}};
  }
  auto store = store_in(home, options);
  CHECK(code(store.create({1})) == errc::invalid);
  CHECK(store.generations().value().empty());
}

TEST_CASE("each kind of damage to a RocksDB is refused", "[rocksdb]") {
  scratch::Folder home;
  auto store = store_in(home);
  build(store, 1, "one");
  auto const folder = home / "keys/0000000001";
  auto const table = table_in(folder);
  SECTION("truncated") {
    std::filesystem::resize_file(table, 100);
  }
  SECTION("missing") {
    std::filesystem::remove(table);
  }
  SECTION("extra") {
    scratch::write(folder + "/000099.sst", "x");
  }
  SECTION("extended") {
    std::filesystem::resize_file(folder + "/CURRENT", 100);
  }
  SECTION("the footer") {
    scratch::flip_bit(table, std::filesystem::file_size(table) - 1);
  }
  auto const opened = store.open({1});
  CHECK(code(opened) == errc::damaged);
}

TEST_CASE("a flipped bit in a table is an error, never a value", "[rocksdb]") {
  scratch::Folder home;
  auto store = store_in(home);
  build(store, 1, "one");
  scratch::flip_bit(table_in(home / "keys/0000000001"), 10);
  auto const reader = store.open({1});
  REQUIRE(reader);
  CHECK(code(reader.value().get("key")) == errc::damaged);
  CHECK(code(store.verify({1})) == errc::damaged);
  hf::RocksOptions options;
  options.verify_on_open = true;
  CHECK(code(store_in(home, options).open({1})) == errc::damaged);
}

TEST_CASE("with a digest every byte of every file is verified", "[rocksdb]") {
  scratch::Folder home;
  hf::RocksOptions options;
  options.digest = hf::Digest::read_back;
  auto store = store_in(home, options);
  build(store, 1, "one");
  CHECK(store.verify({1}).value() == hf::Verified::digests);
  scratch::flip_bit(home / "keys/0000000001/IDENTITY", 3);
  CHECK(code(store.verify({1})) == errc::damaged);
}

TEST_CASE("after a failed sync a RocksDB can only be dropped", "[rocksdb][faults]") {
  auto const* const failing = GENERATE("sync CURRENT", "sync SEAL", "settle 0000000001");
  scratch::Folder home;
  FaultyFiles files;
  hf::BasicRocksStore<FaultyFiles> store{"keys", {}, files};
  store.place(home.path());
  auto writer = store.create({1});
  REQUIRE(writer);
  files.faults->failing = {failing};
  files.faults->code = errc::sync_failed;
  CHECK(code(store.seal(writer.value())) == errc::sync_failed);
  CHECK(code(store.seal(writer.value())) == errc::sync_failed);
  CHECK(code(writer.value().put("key", "late")) == errc::sync_failed);
  REQUIRE(store.drop({1}));
}

TEST_CASE("a seal of a RocksDB that failed may be tried again", "[rocksdb][faults]") {
  scratch::Folder home;
  FaultyFiles files;
  hf::BasicRocksStore<FaultyFiles> store{"keys", {}, files};
  store.place(home.path());
  auto writer = store.create({1});
  REQUIRE(writer);
  REQUIRE(writer.value().put("key", "kept"));
  files.faults->failing = {"write SEAL"};
  files.faults->code = errc::no_space;
  CHECK(code(store.seal(writer.value())) == errc::no_space);
  CHECK(code(writer.value().put("key", "late")) == errc::spent);
  REQUIRE(store.seal(writer.value()));
  CHECK(store.open({1}).value().get("key").value() == "kept");
}

TEST_CASE("a RocksDB whose writer was dropped is unsealed", "[rocksdb]") {
  scratch::Folder home;
  auto store = store_in(home);
  {
    auto writer = store.create({1});
    REQUIRE(writer);
    REQUIRE(writer.value().sorted_bulk().value()->put("a", "lost"));
    REQUIRE(writer.value().put("b", "lost"));
  }
  CHECK(code(store.open({1})) == errc::unsealed);
  CHECK(code(store.create({1})) == errc::exists);
  REQUIRE(store.drop({1}));
  build(store, 1, "again");
  hf::RocksStore nowhere{"keys"};
  CHECK(code(nowhere.create({1})) == errc::invalid);
  CHECK(code(nowhere.open({1})) == errc::invalid);
}

TEST_CASE("many threads read one RocksDB", "[rocksdb][threads]") {
  scratch::Folder home;
  auto store = store_in(home);
  build(store, 1, "shared");
  auto const reader = store.open({1});
  REQUIRE(reader);
  std::atomic<int> good = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&good, &r = reader.value()] {
      for (int n = 0; n < 200; ++n) good += r.get("key").value() == "shared";
    });
  }
  for (auto& thread : threads) thread.join();
  CHECK(good == 800);
}

TEST_CASE("a RocksDB may begin as a copy that shares its tables", "[rocksdb]") {
  scratch::Folder home, elsewhere;
  auto store = store_in(home);
  build(store, 1, "one");
  auto const table = table_in(home / "keys/0000000001");
  auto writer = store.clone({1}, {2});
  INFO(said(writer));
  REQUIRE(writer);
  CHECK(std::filesystem::hard_link_count(table) == 2);
  REQUIRE(writer.value().put("other", "two"));
  REQUIRE(store.seal(writer.value()));
  CHECK(code(store.open({1}).value().get("other")) == errc::not_found);
  REQUIRE(store.drop({1}));
  auto const reader = store.open({2});
  REQUIRE(reader);
  CHECK(reader.value().get("key").value() == "one");
  CHECK(reader.value().get("other").value() == "two");
  CHECK(store.verify({2}).value() == hf::Verified::own_checksums);

  auto other = store_in(elsewhere);
  REQUIRE(store.copy({2}, other));
  REQUIRE(store.drop({2}));
  CHECK(other.open({2}).value().get("other").value() == "two");
}

TEST_CASE("a copy of a RocksDB keeps every column family, known or not", "[rocksdb]") {
  scratch::Folder home;
  auto with = store_in(home, {.families = {{"extra", {}}}});
  auto writer = with.create({1}).value();
  REQUIRE(writer.put(writer.family("extra").value(), "k", "v"));
  REQUIRE(with.seal(writer));
  auto without = store_in(home);
  auto copy = without.clone({1}, {2});
  INFO(said(copy));
  REQUIRE(copy);
  REQUIRE(without.seal(copy.value()));
  auto const reader = without.open({2}).value();
  CHECK(reader.get(reader.family("extra").value(), "k").value() == "v");
}

// SPDX-License-Identifier: BSL-1.0
// The LMDB store: environments built unseen, sealed whole, and mapped by many threads.
#include <sys/resource.h>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <thread>

#include "../unit/backend/faulty_files.hpp"
#include "../unit/backend/scratch.hpp"
#include "catch.hpp"
#include "holdfast/backend/directory.hpp"
#include "holdfast/backend/lmdb.hpp"
#include "holdfast/staged.hpp"

using Catch::Matchers::ContainsSubstring;
using hf::errc;
using scratch::code;
using scratch::said;

namespace {
template <class Store = hf::LmdbStore>
Store store_in(std::string const& home, hf::LmdbOptions options = {}) {
  Store store{"keys", options};
  store.place(home);
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
std::string ask(hf::LmdbReader const& reader, std::string_view key) {
  auto const value = reader.get(key);
  INFO(said(value));
  REQUIRE(value);
  return std::string{value.value()};
}
std::string numbered(std::uint64_t i) {
  auto digits = std::to_string(i);
  return std::string(12 - digits.size(), '0') + digits;
}
std::vector<std::string> files_in(std::string const& folder) {
  std::vector<std::string> names;
  for (auto const& entry : std::filesystem::directory_iterator{folder}) {
    names.push_back(entry.path().filename());
  }
  std::sort(names.begin(), names.end());
  return names;
}
template <class T>
void patch(std::string const& path, std::size_t at, T value) {
  auto content = scratch::read(path);
  REQUIRE(content.size() >= at + sizeof value);
  std::memcpy(content.data() + at, &value, sizeof value);
  scratch::write(path, content);
}
// A transaction of the caller's own.
struct Own {
  explicit Own(MDB_env* env, unsigned flags = 0) {
    REQUIRE(::mdb_txn_begin(env, nullptr, flags, &txn) == MDB_SUCCESS);
  }
  ~Own() {
    if (txn != nullptr) ::mdb_txn_abort(txn);
  }
  int put(MDB_dbi dbi, std::string_view key, std::string_view value) const {
    auto k = hf::detail::lmdb_value(key), v = hf::detail::lmdb_value(value);
    return ::mdb_put(txn, dbi, &k, &v, 0);
  }
  int commit() { return ::mdb_txn_commit(std::exchange(txn, nullptr)); }
  MDB_txn* txn = nullptr;
};
}  // namespace

TEST_CASE("a sealed LMDB is read back", "[lmdb]") {
  scratch::Folder home;
  auto store = store_in(home.path());
  build(store, 1, "one");
  build(store, 2, "two");
  auto const reader = store.open({1});
  INFO(said(reader));
  REQUIRE(reader);
  CHECK(ask(reader.value(), "key") == "one");
  CHECK(ask(store.open({2}).value(), "key") == "two");
  CHECK(code(reader.value().get("no key")) == errc::not_found);
  CHECK(files_in(home / "keys/0000000001") == std::vector<std::string>{"SEAL", "data.mdb"});
  CHECK(store.verify({1}).value() == hf::Verified::names_and_sizes);
  REQUIRE(store.drop({1}));
  CHECK(scratch::numbers(store.generations().value()) == std::vector<std::uint64_t>{2});
}

TEST_CASE("an LMDB without a key is sealed and read", "[lmdb]") {
  scratch::Folder home;
  auto store = store_in(home.path());
  auto writer = store.create({1});
  REQUIRE(writer);
  REQUIRE(store.seal(writer.value()));
  auto const reader = store.open({1});
  INFO(said(reader));
  REQUIRE(reader);
  CHECK(code(reader.value().get("key")) == errc::not_found);
  auto cursor = reader.value().cursor();
  REQUIRE(cursor);
  CHECK_FALSE(cursor.value().first().value());
}

TEST_CASE("keys appended in order go in, and others are refused and named", "[lmdb]") {
  scratch::Folder home;
  auto store = store_in(home.path());
  auto writer = store.create({1});
  REQUIRE(writer);
  auto& w = writer.value();
  REQUIRE(w.append("b", "1"));
  REQUIRE(w.append("d", "2"));
  for (auto const* key : {"c", "d"}) {
    auto const refused = w.append(key, "x");
    CHECK(code(refused) == errc::invalid);
    CHECK_THAT(said(refused), ContainsSubstring(key));
  }
  CHECK(code(w.put("", "x")) == errc::invalid);
  CHECK(code(w.put(std::string(512, 'k'), "x")) == errc::invalid);
  REQUIRE(w.put("a", "3"));
  REQUIRE(w.put("d", "4"));
  REQUIRE(w.append("e", "5"));
  REQUIRE(store.seal(w));
  REQUIRE(store.seal(w));
  CHECK(code(w.put("f", "6")) == errc::spent);
  CHECK(code(w.environment()) == errc::spent);

  auto const reader = store.open({1});
  REQUIRE(reader);
  auto cursor = reader.value().cursor();
  REQUIRE(cursor);
  std::string all;
  for (auto there = cursor.value().first(); there.value(); there = cursor.value().next()) {
    all.append(cursor.value().key()).append("=").append(cursor.value().value()).append(" ");
  }
  CHECK(all == "a=3 b=1 d=4 e=5 ");
}

TEST_CASE("a cursor moves both ways and finds what is not before a key", "[lmdb]") {
  scratch::Folder home;
  auto store = store_in(home.path());
  auto writer = store.create({1});
  REQUIRE(writer);
  for (auto const* key : {"b", "d", "f"}) REQUIRE(writer.value().append(key, key));
  REQUIRE(store.seal(writer.value()));
  auto const reader = store.open({1});
  auto made = reader.value().cursor();
  REQUIRE(made);
  auto cursor = std::move(made).value();
  CHECK(cursor.seek("c").value());
  CHECK(cursor.key() == "d");
  CHECK(cursor.next().value());
  CHECK(cursor.value() == "f");
  CHECK_FALSE(cursor.next().value());
  CHECK(cursor.key().empty());
  CHECK(cursor.last().value());
  CHECK(cursor.previous().value());
  CHECK(cursor.key() == "d");
  CHECK_FALSE(cursor.seek("g").value());
  CHECK(cursor.seek("b").value());
  CHECK(cursor.key() == "b");
}

TEST_CASE("the map of a build grows with what is put", "[lmdb]") {
  bool const in_order = GENERATE(true, false);
  scratch::Folder home;
  auto store = store_in(home.path(), {.room = 0, .batch = 64 << 10});
  auto writer = store.create({1});
  REQUIRE(writer);
  auto& w = writer.value();
  constexpr std::uint64_t count = 60'000;
  std::string value(200, 'v');
  for (std::uint64_t i = 0; i < count; ++i) {
    auto const key = numbered(in_order ? i : i * 7919 % count);
    value.replace(0, 12, key);
    auto const written = in_order ? w.append(key, value) : w.put(key, value);
    if (!written) FAIL(said(written));
  }
  REQUIRE(w.put("one value larger than a transaction", std::string(5 << 20, 'x')));
  REQUIRE(store.seal(w));
  auto const reader = store.open({1});
  INFO(said(reader));
  REQUIRE(reader);
  MDB_stat stat{};
  REQUIRE(::mdb_env_stat(reader.value().environment(), &stat) == MDB_SUCCESS);
  CHECK(stat.ms_entries == count + 1);
  for (std::uint64_t i = 0; i < count; i += 997) {
    CHECK(ask(reader.value(), numbered(i)).substr(0, 12) == numbered(i));
  }
  CHECK(ask(reader.value(), "one value larger than a transaction").size() == 5 << 20);
}

TEST_CASE("the caller's own transactions see what was put, and named databases last", "[lmdb]") {
  scratch::Folder home;
  auto store = store_in(home.path(), {.max_dbs = 2});
  auto writer = store.create({1});
  REQUIRE(writer);
  auto& w = writer.value();
  REQUIRE(w.put("a", "put"));
  {
    auto const env = w.environment();
    REQUIRE(env);
    Own own{env.value()};
    CHECK(own.put(w.database(), "a", "own") == MDB_SUCCESS);
    MDB_dbi named = 0;
    REQUIRE(::mdb_dbi_open(own.txn, "named", MDB_CREATE, &named) == MDB_SUCCESS);
    CHECK(own.put(named, "n", "in it") == MDB_SUCCESS);
    // Without locks LMDB itself would not notice.
    CHECK(code(w.put("b", "x")) == errc::busy);
    CHECK(code(w.environment()) == errc::busy);
    CHECK(code(store.seal(w)) == errc::busy);
    REQUIRE(own.commit() == MDB_SUCCESS);
  }
  REQUIRE(w.put("b", "put"));
  REQUIRE(store.seal(w));

  auto const reader = store.open({1});
  REQUIRE(reader);
  CHECK(ask(reader.value(), "a") == "own");
  CHECK(ask(reader.value(), "b") == "put");
  Own const own{reader.value().environment(), MDB_RDONLY};
  MDB_dbi named = 0;
  REQUIRE(::mdb_dbi_open(own.txn, "named", 0, &named) == MDB_SUCCESS);
  auto key = hf::detail::lmdb_value("n");
  MDB_val value{};
  REQUIRE(::mdb_get(own.txn, named, &key, &value) == MDB_SUCCESS);
  CHECK(hf::detail::lmdb_text(value) == "in it");
}

TEST_CASE("a transaction that needs more room than there is fails alone", "[lmdb]") {
  scratch::Folder home;
  auto store = store_in(home.path(), {.room = 4 << 20, .batch = 1 << 10});
  auto writer = store.create({1});
  REQUIRE(writer);
  auto& w = writer.value();
  REQUIRE(w.put("a", "kept"));
  {
    auto const env = w.environment();
    Own const own{env.value()};
    CHECK(own.put(w.database(), "b", std::string(64 << 20, 'x')) == MDB_MAP_FULL);
  }
  REQUIRE(w.put("c", std::string(64 << 20, 'x')));
  REQUIRE(store.seal(w));
  auto const reader = store.open({1});
  REQUIRE(reader);
  CHECK(ask(reader.value(), "a") == "kept");
  CHECK(code(reader.value().get("b")) == errc::not_found);
}

TEST_CASE("pages that were given up do not make a file look damaged", "[lmdb]") {
  scratch::Folder home;
  auto store = store_in(home.path());
  auto writer = store.create({1});
  REQUIRE(writer);
  auto& w = writer.value();
  // With free pages of earlier transactions at hand, LMDB gives the large value's up at once.
  for (auto const* value : {"1", "2", "3", "4"}) {
    REQUIRE(w.put("kept", value));
    REQUIRE(w.environment());
  }
  {
    Own own{w.environment().value()};
    CHECK(own.put(w.database(), "kept", "x") == MDB_SUCCESS);
    CHECK(own.put(w.database(), "large", std::string(1 << 20, 'x')) == MDB_SUCCESS);
    auto key = hf::detail::lmdb_value("large");
    CHECK(::mdb_del(own.txn, w.database(), &key, nullptr) == MDB_SUCCESS);
    REQUIRE(own.commit() == MDB_SUCCESS);
  }
  REQUIRE(store.seal(w));
  auto const reader = store.open({1});
  INFO(said(reader));
  REQUIRE(reader);
  CHECK(ask(reader.value(), "kept") == "x");
}

TEST_CASE("a put that fails loses its transaction, and the build says so", "[lmdb][faults]") {
  scratch::Folder home;
  auto store = store_in(home.path(), {.batch = 64 << 10});
  auto writer = store.create({1});
  REQUIRE(writer);
  auto& w = writer.value();
  rlimit before{};
  REQUIRE(::getrlimit(RLIMIT_FSIZE, &before) == 0);
  auto* const handler = std::signal(SIGXFSZ, SIG_IGN);
  rlimit const small{std::size_t{1} << 20, before.rlim_max};
  REQUIRE(::setrlimit(RLIMIT_FSIZE, &small) == 0);
  hf::result<void> put = hf::ok();
  for (std::uint64_t i = 0; put && i < 100'000; ++i) put = w.append(numbered(i), "some value");
  REQUIRE(::setrlimit(RLIMIT_FSIZE, &before) == 0);
  std::signal(SIGXFSZ, handler);
  INFO(said(put));
  CHECK_FALSE(put);
  CHECK(code(w.put("a", "b")) == code(put));
  CHECK(code(w.environment()) == code(put));
  CHECK(code(store.seal(w)) == code(put));
  CHECK(code(store.open({1})) == errc::unsealed);
  REQUIRE(store.drop({1}));
}

TEST_CASE("each kind of damage to an LMDB is refused before it is mapped", "[lmdb]") {
  scratch::Folder home;
  auto store = store_in(home.path());
  build(store, 1, "one");
  auto const file = home / "keys/0000000001/data.mdb";
  auto const page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  constexpr std::size_t magic = 16, version = 20, page_size = 40, last_page = 136;
  auto const size = std::filesystem::file_size(file);
  auto expected = errc::damaged;
  SECTION("truncated") {
    std::filesystem::resize_file(file, size - page);
  }
  SECTION("a file beside it") {
    scratch::write(home / "keys/0000000001/more.mdb", "x");
  }
  SECTION("missing") {
    std::filesystem::remove(file);
  }
  SECTION("no LMDB") {
    scratch::write(file, std::string(size, 'x'));
  }
  SECTION("one meta page is none") {
    patch(file, page + magic, std::uint32_t{0});
  }
  SECTION("a page size that can't be") {
    patch(file, page_size, std::uint32_t{4097});
  }
  SECTION("two page sizes") {
    patch(file, page + page_size, std::uint32_t{8192});
  }
  SECTION("more pages than bytes") {
    patch(file, last_page, size / page);
    patch(file, page + last_page, size / page);
  }
  SECTION("a newer version") {
    patch(file, version, std::uint32_t{2});
    expected = errc::newer_format;
  }
  CHECK(code(store.open({1})) == expected);
}

TEST_CASE("a flipped bit in an LMDB is found if it was sealed with a digest", "[lmdb]") {
  scratch::Folder home;
  auto store = store_in(home.path(), {.verify_on_open = true});
  build(store, 1, "one");
  REQUIRE(store.open({1}));
  CHECK(store.verify({1}).value() == hf::Verified::digests);
  auto const file = home / "keys/0000000001/data.mdb";
  scratch::flip_bit(file, std::filesystem::file_size(file) - 3);
  CHECK(code(store.open({1})) == errc::damaged);
  CHECK(code(store.verify({1})) == errc::damaged);

  auto plain = store_in(home.path());
  build(plain, 2, "two");
  auto const refused = store.open({2});
  CHECK(code(refused) == errc::invalid);
  CHECK_THAT(said(refused), ContainsSubstring("without digests"));
}

TEST_CASE("publish gives the LMDB a name that other programs can open", "[lmdb]") {
  scratch::Folder home;
  auto store = store_in(home.path());
  build(store, 1, "one");
  build(store, 2, "two");
  REQUIRE(store.publish({1}));
  REQUIRE(store.publish({2}));
  CHECK(std::filesystem::read_symlink(home / "keys/current") == "0000000002");
  {
    // As they do by default: with a lock file, which is no damage.
    auto const other = hf::detail::open_lmdb(home / "keys/current", MDB_RDONLY, 0, 0);
    INFO(said(other));
    REQUIRE(other);
    Own const own{other.value().get(), MDB_RDONLY};
    auto key = hf::detail::lmdb_value("key");
    MDB_val value{};
    auto const dbi = hf::detail::open_lmdb_main(own.txn, 0);
    REQUIRE(::mdb_get(own.txn, dbi.value(), &key, &value) == MDB_SUCCESS);
    CHECK(hf::detail::lmdb_text(value) == "two");
    CHECK(std::filesystem::exists(home / "keys/0000000002/lock.mdb"));
  }
  CHECK(ask(store.open({2}).value(), "key") == "two");
  REQUIRE(store.publish({1}));
  REQUIRE(store.drop({2}));
}

TEST_CASE("many threads read one LMDB, and one process opens it twice", "[lmdb][threads]") {
  scratch::Folder home;
  auto store = store_in(home.path());
  auto writer = store.create({1});
  REQUIRE(writer);
  for (std::uint64_t i = 0; i < 1000; ++i) {
    REQUIRE(writer.value().append(numbered(i), numbered(i * 3)));
  }
  REQUIRE(store.seal(writer.value()));
  auto const first = store.open({1});
  auto const second = store.open({1});
  REQUIRE(first);
  REQUIRE(second);
  std::atomic<int> good = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&good, &r = i % 2 == 0 ? first.value() : second.value()] {
      for (std::uint64_t n = 0; n < 1000; ++n) {
        auto const value = r.get(numbered(n));
        good += value && value.value() == numbered(n * 3);
      }
      auto cursor = r.cursor();
      std::uint64_t seen = 0;
      for (auto there = cursor.value().first(); there.value(); there = cursor.value().next()) {
        ++seen;
      }
      good += seen == 1000;
    });
  }
  for (auto& thread : threads) thread.join();
  CHECK(good == 4 * 1001);
}

TEST_CASE("what a reader of an LMDB gave is valid when the file is dropped underneath", "[lmdb]") {
  scratch::Folder home;
  auto store = store_in(home.path());
  build(store, 1, std::string(10'000, 'v'));
  auto opened = store.open({1});
  REQUIRE(opened);
  auto reader = std::move(opened).value();
  auto const value = reader.get("key");
  REQUIRE(value);
  REQUIRE(store.drop({1}));
  auto const moved = std::move(reader);
  CHECK(value.value() == std::string(10'000, 'v'));
  CHECK(ask(moved, "key").size() == 10'000);
}

TEST_CASE("after a failed sync an LMDB can only be dropped", "[lmdb][faults]") {
  auto const* const failing = GENERATE("sync data.mdb", "sync SEAL", "settle 0000000001");
  scratch::Folder home;
  FaultyFiles files;
  hf::BasicLmdbStore<FaultyFiles> store{"keys", {}, files};
  store.place(home.path());
  auto writer = store.create({1});
  REQUIRE(writer);
  files.faults->failing = {failing};
  files.faults->code = errc::sync_failed;
  CHECK(code(store.seal(writer.value())) == errc::sync_failed);
  CHECK(code(store.seal(writer.value())) == errc::sync_failed);
  CHECK(code(writer.value().put("a", "b")) == errc::sync_failed);
  REQUIRE(store.drop({1}));
}

TEST_CASE("an LMDB whose writer was dropped is unsealed", "[lmdb]") {
  scratch::Folder home;
  auto store = store_in(home.path());
  {
    auto writer = store.create({1});
    REQUIRE(writer);
    REQUIRE(writer.value().put("a", "lost"));
    auto moved = std::move(writer).value();
    REQUIRE(moved.put("b", "too"));
  }
  CHECK(code(store.open({1})) == errc::unsealed);
  CHECK(code(store.create({1})) == errc::exists);
  REQUIRE(store.drop({1}));
  REQUIRE(store.create({1}));
}

TEST_CASE("an LMDB switches together with another store", "[lmdb][staged]") {
  scratch::Folder home;
  auto opened = hf::open_staged(home.path(), hf::LmdbStore{"keys"}, hf::DirectoryStore{"files"});
  INFO(said(opened));
  REQUIRE(opened);
  auto db = std::move(opened).value();
  for (auto const* value : {"one", "two"}) {
    auto stage = db.stage();
    REQUIRE(stage);
    auto& [keys, files] = stage.value().writer();
    REQUIRE(keys.put("key", value));
    REQUIRE(files.put("file", hf::as_bytes(value)));
    auto ready = std::move(stage).value().seal();
    INFO(said(ready));
    REQUIRE(ready);
    REQUIRE(std::move(ready).value().commit());
  }
  auto const view = db.view();
  REQUIRE(view);
  auto const& [keys, files] = *view.value();
  CHECK(ask(keys, "key") == "two");
  CHECK(scratch::text(files.get("file").value()) == "two");
}

TEST_CASE("an LMDB may begin as a copy, and be copied sealed into another store", "[lmdb]") {
  scratch::Folder home, elsewhere;
  auto store = store_in(home.path());
  build(store, 1, "one");
  auto writer = store.clone({1}, {2});
  INFO(said(writer));
  REQUIRE(writer);
  REQUIRE(writer.value().put("other", "two"));
  REQUIRE(store.seal(writer.value()));
  CHECK(code(store.open({1}).value().get("other")) == errc::not_found);
  REQUIRE(store.drop({1}));
  auto const reader = store.open({2}).value();
  CHECK(ask(reader, "key") == "one");
  CHECK(ask(reader, "other") == "two");

  auto other = store_in(elsewhere.path(), {.verify_on_open = true});
  REQUIRE(store.copy({2}, other));
  CHECK(ask(other.open({2}).value(), "other") == "two");
}

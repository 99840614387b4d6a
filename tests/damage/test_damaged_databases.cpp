// SPDX-License-Identifier: BSL-1.0
// Damages every file of a sealed SQLite and RocksDB generation, in every way, under verify_on_open:
// opening or reading it is an error, or gives exactly what was put.
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <utility>

#include "catch.hpp"
#include "damages.hpp"
#include "holdfast/backend/rocksdb.hpp"
#include "holdfast/backend/sqlite.hpp"
#include "places.hpp"

namespace {
using support::Place;
using Rows = std::map<std::string, std::string>;
constexpr std::size_t largest = std::size_t{64} << 10;

Rows rows(std::uint64_t generation = 1) {
  Rows made;
  for (std::uint64_t i = 0; i < 40; ++i) {
    made["key" + std::to_string(i)] = "value " + std::to_string(i * generation);
  }
  return made;
}

hf::SqliteStore sqlite(std::string const& home) {
  hf::SqliteStore store{"sql",
                        {.schema = "CREATE TABLE t(k TEXT PRIMARY KEY, v TEXT) WITHOUT ROWID",
                         .page_size = 512,
                         .verify_on_open = true}};
  store.place(home);
  return store;
}
hf::RocksStore rocks(std::string const& home) {
  hf::RocksOptions options{.verify_on_open = true};
  hf::RocksStore store{"rocks", std::move(options)};
  store.place(home);
  return store;
}

void fill(hf::SqliteStore& store, std::uint64_t generation = 1) {
  auto writer = store.create({generation}).value();
  for (auto const& [key, value] : rows(generation)) {
    REQUIRE(writer.exec("INSERT INTO t VALUES('" + key + "','" + value + "')"));
  }
  REQUIRE(store.seal(writer));
}
void fill(hf::RocksStore& store, std::uint64_t generation = 1) {
  auto writer = store.create({generation}).value();
  for (auto const& [key, value] : rows(generation)) REQUIRE(writer.put(key, value));
  REQUIRE(store.seal(writer));
}

// Everything in it; false for an error.
bool read(hf::SqliteReader const& reader, Rows& into) {
  auto const lease = reader.connection();
  if (!lease) return false;
  auto const add = [](void* to, int, char** row, char**) {
    static_cast<Rows*>(to)->emplace(row[0] != nullptr ? row[0] : "",
                                    row[1] != nullptr ? row[1] : "");
    return 0;
  };
  return ::sqlite3_exec(lease.assume_value().handle(), "SELECT k, v FROM t", add, &into, nullptr) ==
         SQLITE_OK;
}
bool read(hf::RocksReader const& reader, Rows& into) {
  auto const at = reader.iterator();
  for (at->SeekToFirst(); at->Valid(); at->Next()) {
    into.emplace(at->key().ToString(), at->value().ToString());
  }
  return at->status().ok();
}

template <class Make>
void damage_each_file(Make make, std::string const& folder) {
  Place const place{support::On::memory};
  auto store = make(place.path());
  fill(store);
  auto const right = rows();
  std::size_t tried = 0, opened = 0;
  auto const path = place / folder + "/0000000001";
  for (auto const& name : support::names_in(path)) {
    auto const file = path + "/" + name;
    auto const content = support::read_file(file);
    if (content.size() > largest) continue;
    INFO(name << ", " << content.size() << " bytes");
    auto const judge = [&](std::string const& what, std::string const& damaged) {
      support::write_file(file, damaged);
      auto const reader = make(place.path()).open({1});
      Rows found;
      if (!reader || !read(reader.assume_value(), found)) return true;
      ++opened;
      if (found == right) return true;
      FAIL_CHECK(what << ": other rows");
      return false;
    };
    tried += damage::each_flip_and_cut(content, judge);
    support::fs::remove(file);
    CHECK_FALSE(make(place.path()).open({1}));
    support::write_file(file, content);
    REQUIRE(make(place.path()).open({1}));
  }
  WARN("damages of " << folder << " that were judged: " << tried << ", readable: " << opened);
  CHECK(tried > 1000);
}
// A file that another generation has under the same name, or the whole of it.
template <class Make>
void mix_generations(Make make, std::string const& folder) {
  Place const place{support::On::memory};
  auto store = make(place.path());
  fill(store, 1);
  fill(store, 2);
  auto const path = place / folder + "/0000000001/";
  auto const other = place / folder + "/0000000002/";
  auto const names = support::names_in(path);
  for (auto const& name : names) {
    auto const content = support::read_file(path + name);
    auto const stale = support::read_file(other + name);
    if (stale.empty() || stale == content) continue;
    INFO(name);
    support::write_file(path + name, stale);
    auto const reader = make(place.path()).open({1});
    Rows found;
    CHECK((!reader || !read(reader.assume_value(), found) || found == rows(1)));
    support::write_file(path + name, content);
  }
  for (auto const& name : support::names_in(path)) support::fs::remove(path + name);
  for (auto const& name : support::names_in(other)) support::fs::copy(other + name, path + name);
  CHECK_FALSE(make(place.path()).open({1}));
  CHECK(make(place.path()).open({2}));
}
}  // namespace

TEST_CASE("files of another generation are not taken for this one's", "[damage][sqlite][rocksdb]") {
  mix_generations(sqlite, "sql");
  mix_generations(rocks, "rocks");
}

TEST_CASE("a damaged SQLite generation never gives other rows", "[damage][sqlite]") {
  damage_each_file(sqlite, "sql");
}

TEST_CASE("a damaged RocksDB generation never gives other rows", "[damage][rocksdb]") {
  damage_each_file(rocks, "rocks");
}

// SPDX-License-Identifier: BSL-1.0
// Damages every file of a sealed SQLite and RocksDB generation, in every way, under verify_on_open:
// opening or reading it is an error, or gives exactly what was put.
#include <cstddef>
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

Rows const& rows() {
  static Rows const all = [] {
    Rows made;
    for (int i = 0; i < 40; ++i) made["key" + std::to_string(i)] = "value " + std::to_string(i * i);
    return made;
  }();
  return all;
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

void fill(hf::SqliteStore& store) {
  auto writer = store.create({1}).value();
  for (auto const& [key, value] : rows()) {
    REQUIRE(writer.exec("INSERT INTO t VALUES('" + key + "','" + value + "')"));
  }
  REQUIRE(store.seal(writer));
}
void fill(hf::RocksStore& store) {
  auto writer = store.create({1}).value();
  for (auto const& [key, value] : rows()) REQUIRE(writer.put(key, value));
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
void damage_each_file(Make make, std::string const& folder, std::size_t step) {
  Place const place{support::On::memory};
  auto store = make(place.path());
  fill(store);
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
      if (found == rows()) return true;
      FAIL_CHECK(what << ": other rows");
      return false;
    };
    tried += damage::each_flip_and_cut(content, content.size() > 4096 ? step : 1, judge);
    support::fs::remove(file);
    CHECK_FALSE(make(place.path()).open({1}));
    support::write_file(file, content);
    REQUIRE(make(place.path()).open({1}));
  }
  WARN("damages of " << folder << " that were judged: " << tried << ", readable: " << opened);
  CHECK(tried > 1000);
}
}  // namespace

TEST_CASE("a damaged SQLite generation never gives other rows", "[damage][sqlite]") {
  damage_each_file(sqlite, "sql", 1);
}

TEST_CASE("a damaged RocksDB generation never gives other rows", "[damage][rocksdb]") {
  damage_each_file(rocks, "rocks", 16);
}

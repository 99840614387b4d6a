// SPDX-License-Identifier: BSL-1.0
// The memory store: values by generation, unchangeable once sealed.
#include <map>
#include <string>

#include "catch.hpp"
#include "holdfast/backend/memory_store.hpp"
#include "scratch.hpp"

using hf::errc;
using scratch::code;

using Store = hf::MemoryStore<std::map<std::string, int>>;

TEST_CASE("a sealed value is read, an unsealed one is not", "[backend][memory]") {
  Store store;
  auto writer = store.create({1});
  REQUIRE(writer);
  (*writer.value())["a"] = 1;
  writer.value()->emplace("b", 2);
  CHECK(code(store.open({1})) == errc::unsealed);
  REQUIRE(store.seal(writer.value()));
  REQUIRE(store.seal(writer.value()));
  CHECK(store.open({1}).value()->at("b") == 2);
  CHECK((*store.open({1}).value()).size() == 2);
  CHECK(code(store.open({2})) == errc::not_found);
}

TEST_CASE("nothing changes a value after its seal", "[backend][memory]") {
  Store store;
  auto writer = store.create({1});
  REQUIRE(writer);
  auto& value = *writer.value();
  value["a"] = 1;
  REQUIRE(store.seal(writer.value()));
  auto const reader = store.open({1}).value();
  value["a"] = 2;
  REQUIRE(store.seal(writer.value()));
  CHECK(reader->at("a") == 1);
  CHECK(store.open({1}).value()->at("a") == 1);
}

TEST_CASE("a value in memory lives as long as its reader", "[backend][memory]") {
  Store store;
  auto writer = store.create({3});
  REQUIRE(writer);
  (*writer.value())["a"] = 1;
  REQUIRE(store.seal(writer.value()));
  auto const reader = store.open({3}).value();
  auto moved = std::move(store);
  REQUIRE(moved.drop({3}));
  REQUIRE(moved.drop({3}));
  CHECK(reader->at("a") == 1);
  CHECK(moved.generations().value().empty());
}

TEST_CASE("remains in memory are listed, and never reused", "[backend][memory]") {
  Store store;
  auto second = store.create({2});
  REQUIRE(store.create({1}));
  CHECK(code(store.create({2})) == errc::exists);
  CHECK(code(store.create({0})) == errc::invalid);
  CHECK(scratch::numbers(store.generations().value()) == std::vector<std::uint64_t>{1, 2});
  REQUIRE(store.drop({2}));
  CHECK(code(store.seal(second.value())) == errc::not_found);
}

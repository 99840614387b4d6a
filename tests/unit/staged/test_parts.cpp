// SPDX-License-Identifier: BSL-1.0
// Tests builds of some parts of a home, which carry the others over.
#include <cstdint>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "catch.hpp"
#include "file_home.hpp"
#include "memory_home.hpp"
#include "places.hpp"

namespace {
using hf::errc, hf::Generation;
using support::code_of, support::commit_files, support::FileHome;
using Numbers = std::vector<std::uint64_t>;

// Builds the stats alone.
template <class Staged>
hf::result<hf::Committed> commit_stats(Staged& db, std::string_view text) {
  HOLDFAST_TRY(stage, db.stage(hf::only<1>));
  auto& [stats] = stage.writer();
  HOLDFAST_TRYV(stats.put("deep/er/value", hf::as_bytes(text)));
  HOLDFAST_TRY(ready, std::move(stage).seal());
  return std::move(ready).commit({.marks = {{"text", text.size()}}});
}

template <class Reads>
std::string both(Reads const& db) {
  auto const view = db.view();
  if (!view) return std::string{hf::message(view.error().code())};
  auto const& [keys, stats] = *view.value();
  auto const one = keys.get("value").value();
  auto const other = stats.get("deep/er/value").value();
  return std::string{hf::as_text(one)} + " and " + std::string{hf::as_text(other)};
}

template <class Staged>
std::vector<Generation> parts_of_current(Staged& db) {
  auto const m = *db.status().value().manifest;
  return hf::detail::manifest::find(m, m.current)->parts;
}
}  // namespace

TEST_CASE("a build of one part carries the other over", "[staged][parts]") {
  FileHome const home;
  auto db = home.open().value();
  REQUIRE(commit_files(db, "one"));
  auto const done = commit_stats(db, "two");
  REQUIRE(done);
  CHECK(done.value().generation == Generation{2});
  CHECK(both(db) == "one and two");
  CHECK(db.view().value().marks().at("text") == 3);
  CHECK(parts_of_current(db) == std::vector<Generation>{{1}, {2}});
  CHECK(home.in_store("keys") == Numbers{1});
  CHECK(home.in_store("stats") == Numbers{1, 2});

  auto again = home.open();
  REQUIRE(again);
  CHECK(both(again.value()) == "one and two");
  CHECK(both(home.follow().value()) == "one and two");
}

TEST_CASE("a carried part outlives its generation, for as long as anything retained has it",
          "[staged][parts]") {
  FileHome home;
  home.options.retain = 1;
  home.options.publish = false;  // else its outside name keeps it from being dropped
  {
    auto db = home.open().value();
    REQUIRE(commit_files(db, "one"));
    for (std::string const text : {"two", "three", "four"}) REQUIRE(commit_stats(db, text));
    CHECK(both(db) == "one and four");
    CHECK(home.in_store("keys") == Numbers{1});
    CHECK(hf::detail::manifest::carried(*db.status().value().manifest, {1}));
  }
  auto db = home.open().value();  // recovers while nobody reads anything
  CHECK(both(db) == "one and four");
  CHECK(home.in_store("keys") == Numbers{1});

  REQUIRE(commit_files(db, "five"));
  REQUIRE(db.collect());
  CHECK(home.in_store("keys") == Numbers{5});
  CHECK(home.in_store("stats") == Numbers{5});
}

TEST_CASE("a reader in another process keeps the carried part too", "[staged][parts]") {
  FileHome home;
  home.options.retain = 1;
  auto db = home.open().value();
  REQUIRE(commit_files(db, "one"));
  REQUIRE(commit_stats(db, "two"));
  auto const other = home.follow().value();
  {
    auto const view = other.view();
    REQUIRE(view);
    REQUIRE(commit_files(db, "three"));
    auto const collected = db.collect().value();
    CHECK(collected.dropped.empty());
    CHECK(both(other) == "one and two");
  }
}

TEST_CASE("a pin keeps the carried part too, also where a register has no pins",
          "[staged][parts]") {
  using support::TextStore;
  auto db = hf::open_staged(hf::StagedOptions{.retain = 1}, hf::Together{TextStore{}, TextStore{}},
                            hf::MemoryRegister{}, hf::Exclusive{})
                .value();
  auto stage = db.stage().value();
  std::get<0>(stage.writer()).put("one");
  REQUIRE(std::move(stage).seal().value().commit());
  REQUIRE(db.stage(hf::only<1>).value().seal().value().commit());
  auto const pin = db.pin().value();
  REQUIRE(db.stage().value().seal().value().commit());
  CHECK(db.collect().value().dropped.empty());
  CHECK(std::get<0>(*pin).text() == "one");
}

TEST_CASE("revert goes to a mixed generation and back", "[staged][parts]") {
  FileHome home;
  home.options.retain = 3;
  auto db = home.open().value();
  REQUIRE(commit_files(db, "one"));
  REQUIRE(commit_stats(db, "two"));
  REQUIRE(commit_files(db, "three"));
  REQUIRE(db.revert({2}));
  CHECK(both(db) == "one and two");
  REQUIRE(commit_stats(db, "four"));
  CHECK(both(db) == "one and four");
  CHECK(parts_of_current(db) == std::vector<Generation>{{1}, {4}});
  REQUIRE(db.revert({3}));
  CHECK(both(db) == "three and three");
}

TEST_CASE("there is nothing to carry over before the first commit", "[staged][parts]") {
  FileHome const home;
  auto db = home.open().value();
  CHECK(code_of(db.stage(hf::only<1>)) == errc::no_generation);
  CHECK(db.state() == hf::State::none);
  CHECK(!db.status().value().holder);
  auto const done = commit_files(db, "one");
  REQUIRE(done);
  CHECK(done.value().generation == Generation{1});
}

TEST_CASE("a discarded build of one part leaves the other alone", "[staged][parts]") {
  FileHome const home;
  auto db = home.open().value();
  REQUIRE(commit_files(db, "one"));
  {
    auto stage = db.stage(hf::only<0>);
    REQUIRE(stage);
    CHECK(home.in_store("keys") == Numbers{1, 2});
    CHECK(home.in_store("stats") == Numbers{1});
  }
  CHECK(home.in_store("keys") == Numbers{1});
  CHECK(both(db) == "one and one");
}

TEST_CASE("only takes parts that are there, each once", "[staged][parts]") {
  using Store = FileHome::Store;
  STATIC_REQUIRE(hf::detail::selects<Store, 0>);
  STATIC_REQUIRE(hf::detail::selects<Store, 1, 0>);
  STATIC_REQUIRE(!hf::detail::selects<Store, 2>);
  STATIC_REQUIRE(!hf::detail::selects<Store, 1, 1>);
  STATIC_REQUIRE(!hf::detail::selects<Store>);
  STATIC_REQUIRE(!hf::detail::selects<FileHome::Folders, 0>);
}

TEST_CASE("a together within a together has parts of its own generations", "[staged][parts]") {
  using Directories = FileHome::Folders;
  using Inner = hf::Together<Directories, Directories>;
  FileHome const home;
  Inner inner{Directories{"a"}, Directories{"b"}};
  hf::Together<Inner, Directories> both{std::move(inner), Directories{"c"}};
  both.place(home.path);
  CHECK(both.carried(hf::only<1>) == std::vector<bool>{true, true, false});
  CHECK(both.carried(hf::only<0>) == std::vector<bool>{false, false, true});
  auto db = hf::open_staged(home.options, std::move(both), home.reg(), home.lock()).value();
  REQUIRE(db.stage().value().seal().value().commit());
  auto stage = db.stage(hf::only<0>).value();
  auto& [writers] = stage.writer();
  REQUIRE(std::get<1>(writers).put("x", {}));
  REQUIRE(std::move(stage).seal().value().commit());
  CHECK(parts_of_current(db) == std::vector<Generation>{{2}, {2}, {1}});
  auto const view = db.view();
  REQUIRE(view);
  CHECK(std::get<1>(std::get<0>(*view.value())).get("x"));
}

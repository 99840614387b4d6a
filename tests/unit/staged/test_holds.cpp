// SPDX-License-Identifier: BSL-1.0
// Tests that a hold stops commits and nothing else.
#include <string>
#include <utility>

#include "catch.hpp"
#include "memory_home.hpp"
#include "places.hpp"

namespace {
using hf::errc, hf::Generation;
using support::code_of, support::commit_text, support::MemoryHome, support::shown;
}  // namespace

TEST_CASE("while commits are on hold no build starts, and it says why", "[staged][hold]") {
  MemoryHome const home;
  auto db = home.open().value();
  REQUIRE(commit_text(db, "one"));
  REQUIRE(commit_text(db, "two"));
  REQUIRE(db.hold("looking into totals"));
  auto const refused = db.stage();
  REQUIRE(code_of(refused) == errc::held);
  CHECK(refused.error().text().find("looking into totals") != std::string::npos);
  CHECK(db.status().value().manifest->hold == "looking into totals");
  CHECK(!db.status().value().holder);
  CHECK(shown(db) == "two");
  REQUIRE(db.revert({1}));
  CHECK(shown(db) == "one");
  REQUIRE(db.collect());
  REQUIRE(db.unhold());
  CHECK(commit_text(db, "three"));
}

TEST_CASE("a hold stops the commit of a build under way, also from another process",
          "[staged][hold]") {
  MemoryHome const home;
  auto db = home.open().value();
  REQUIRE(commit_text(db, "one"));
  auto ready = db.stage().value().seal().value();
  auto operators = home.open().value();
  REQUIRE(operators.hold("3 a.m."));
  CHECK(code_of(std::move(ready).commit()) == errc::held);
  CHECK(shown(db) == "one");
  CHECK(home.in_store().size() == 1);
  REQUIRE(operators.unhold());
  CHECK(commit_text(db, "two"));
}

TEST_CASE("a hold that came and went still stops the commit it met", "[staged][hold]") {
  MemoryHome const home;
  auto db = home.open().value();
  REQUIRE(commit_text(db, "one"));
  auto ready = db.stage().value().seal().value();
  REQUIRE(db.hold("a moment"));
  REQUIRE(db.unhold());
  CHECK(code_of(std::move(ready).commit()) == errc::conflict);
}

TEST_CASE("a hold outlives the process that asked for it", "[staged][hold]") {
  MemoryHome const home;
  {
    auto db = home.open().value();
    REQUIRE(commit_text(db, "one"));
    REQUIRE(db.hold("until Monday"));
  }
  auto db = home.open().value();
  CHECK(code_of(db.stage()) == errc::held);
  CHECK(shown(db) == "one");
}

TEST_CASE("the reason of a hold has a limit, and any bytes", "[staged][hold]") {
  MemoryHome const home;
  auto db = home.open().value();
  REQUIRE(commit_text(db, "one"));
  CHECK(code_of(db.hold(std::string(121, 'x'))) == errc::too_large);
  std::string const odd = "a b\n%=\xff";
  REQUIRE(db.hold(odd));
  CHECK(db.status().value().manifest->hold == odd);
  REQUIRE(db.hold(""));
  CHECK(db.status().value().manifest->hold == "");
}

TEST_CASE("a fresh home can be opened but has nothing to hold yet", "[staged][hold]") {
  MemoryHome const home;
  auto db = home.open().value();
  CHECK(db.hold("x"));
  CHECK(code_of(db.stage()) == errc::held);
}

// SPDX-License-Identifier: BSL-1.0
// Tests what happens to generations that nobody wants any more, and when there are too many.
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "catch.hpp"
#include "memory_home.hpp"
#include "places.hpp"

namespace {
using hf::errc, hf::Generation;
using support::code_of, support::commit_text, support::MemoryHome, support::Op, support::shown;
using Numbers = std::vector<std::uint64_t>;
}  // namespace

TEST_CASE("when too many old generations are read no build starts; when they go it does",
          "[staged][retirement]") {
  MemoryHome const home;
  auto db = home.open({.retain = 1}).value();
  REQUIRE(commit_text(db, "1"));
  std::vector<decltype(db.pin())> pins;
  int builds = 1;
  for (; builds < 100; ++builds) {
    pins.push_back(db.pin());
    auto const done = commit_text(db, std::to_string(builds + 1));
    if (done) continue;
    CHECK(code_of(done) == errc::full);
    break;
  }
  CHECK(builds == 64);  // as many as the record lists
  CHECK(shown(db) == std::to_string(builds));
  CHECK(db.state() == hf::State::none);
  CHECK(!db.status().value().holder);
  for (std::size_t i = 0; i < pins.size(); ++i) {
    CHECK((*pins[i].value()).text() == std::to_string(i + 1));
  }
  CHECK(code_of(db.stage()) == errc::full);
  pins.erase(pins.begin() + 10);
  CHECK(commit_text(db, "again"));
  CHECK(home.in_store().size() == 64);
  pins.clear();
  REQUIRE(db.collect());
  CHECK(home.in_store().size() == 1);
  CHECK(commit_text(db, "and again"));
}

TEST_CASE("drops that fail for long end in full, and heal when they work again",
          "[staged][retirement]") {
  MemoryHome const home;
  auto db = home.open({.retain = 1}).value();
  home.texts->hook = [](Op op, Generation) -> hf::result<void> {
    if (op == Op::drop) return hf::failure(errc::io, "drop");
    return hf::ok();
  };
  int builds = 0;
  while (commit_text(db, "x") && builds < 100) ++builds;
  CHECK(builds == 64);
  CHECK(code_of(db.stage()) == errc::full);
  home.texts->hook = {};
  CHECK(commit_text(db, "y"));
  CHECK(home.in_store().size() == 1);
}

TEST_CASE("what was dropped leaves the record with the next store, and is not dropped twice",
          "[staged][retirement]") {
  MemoryHome const home;
  auto db = home.open({.retain = 1}).value();
  int drops = 0;
  home.texts->hook = [&](Op op, Generation) -> hf::result<void> {
    drops += op == Op::drop ? 1 : 0;
    return hf::ok();
  };
  for (int i = 0; i < 5; ++i) REQUIRE(commit_text(db, "x"));
  CHECK(drops == 4);
  REQUIRE(db.collect());
  REQUIRE(db.collect());
  CHECK(drops == 4);
  CHECK(db.status().value().manifest->retiring.size() == 1);
  auto next = home.open({.retain = 1}).value();
  CHECK(next.status().value().manifest->retiring.empty());
}

TEST_CASE("two stores of the register a run, none for a view, a pin or a collection",
          "[staged][retirement]") {
  MemoryHome const home;
  auto db = home.open().value();
  REQUIRE(commit_text(db, "x"));
  auto& script = home.reg.script();
  for (int i = 0; i < 5; ++i) {
    auto const before = script.stores;
    REQUIRE(commit_text(db, "x"));
    CHECK(script.stores == before + 2);
    CHECK(db.view());
    CHECK(db.pin());
    CHECK(db.collect());
    CHECK(db.status());
    CHECK(script.stores == before + 2);
  }
}

TEST_CASE(
    "the attempt is recorded before anything of it exists, and dropped before it is forgotten",
    "[staged][retirement]") {
  MemoryHome const home;
  auto db = home.open().value();
  std::vector<std::string> effects;
  home.texts->hook = [&](Op op, Generation g) -> hf::result<void> {
    if (op == Op::create) effects.push_back("create " + std::to_string(g.number));
    if (op == Op::drop) effects.push_back("drop " + std::to_string(g.number));
    return hf::ok();
  };
  home.reg.script().on_store = [&](std::string_view value) {
    effects.push_back(value.find("\nattempt 1 ") == value.npos ? "forget" : "record 1");
    return support::Answer::store;
  };
  db.stage().value().discard();
  CHECK(effects == std::vector<std::string>{"record 1", "create 1", "drop 1", "forget"});
}

TEST_CASE("nothing retires before its successor is durable", "[staged][retirement]") {
  MemoryHome const home;
  auto db = home.open({.retain = 1}).value();
  REQUIRE(commit_text(db, "one"));
  std::vector<std::string> effects;
  home.texts->hook = [&](Op op, Generation g) -> hf::result<void> {
    if (op == Op::drop) effects.push_back("drop " + std::to_string(g.number));
    if (op == Op::open) effects.push_back("open " + std::to_string(g.number));
    return hf::ok();
  };
  home.reg.script().on_store = [&](std::string_view value) {
    if (value.find("\ncurrent 2\n") != value.npos) effects.push_back("commit 2");
    return support::Answer::store;
  };
  REQUIRE(commit_text(db, "two"));
  CHECK(effects == std::vector<std::string>{"open 2", "commit 2", "drop 1"});
}

TEST_CASE("a record that grew too large with what waits out its grace is collected first",
          "[staged][retirement]") {
  support::PublishedHome const home;
  home.reg.script().limit = 4032;
  auto db = home.open({.publish_grace_ms = 3'600'000}).value();
  hf::Marks marks;
  for (int i = 0; i < 18; ++i) marks["a mark with a long name, number " + std::to_string(i)] = 1;
  for (int i = 0; i < 80; ++i) {
    auto const done = commit_text(db, std::to_string(i), marks);
    INFO(i << ": " << support::text_of(done));
    REQUIRE(done);
  }
}

TEST_CASE("a record that would outgrow its register is refused before the build, not after",
          "[staged][retirement]") {
  MemoryHome const home;
  home.reg.script().limit = 900;
  auto db = home.open({.retain = 48}).value();
  int builds = 0;
  hf::result<hf::Committed> last = hf::failure(errc::unknown, "not run");
  for (; builds < 48; ++builds) {
    auto stage = db.stage();
    if (!stage) {
      last = hf::failure(stage.error());
      break;
    }
    auto const done = std::move(stage).value().seal().value().commit();
    REQUIRE(done);
  }
  CHECK(builds > 3);
  CHECK(code_of(last) == errc::too_large);
  CHECK(db.state() == hf::State::none);
  CHECK(!db.status().value().holder);
  home.reg.script().limit = 4032;
  CHECK(commit_text(db, "goes on"));
}

TEST_CASE("what is retained for being young gives way one by one where the record is full",
          "[staged][retirement]") {
  MemoryHome const home;
  home.reg.script().limit = 2000;
  auto db = home.open({.retain = 2, .retain_for_ms = 86'400'000}).value();
  std::size_t before = 0;
  for (int i = 0; i < 60; ++i) {
    REQUIRE(commit_text(db, std::to_string(i), {{"a mark with a rather long name", 1}}));
    auto const now = db.status().value().manifest->retained.size();
    CHECK(now + 2 >= before);  // longer numbers may cost one or two at a time, never all of them
    if (i > 10) CHECK(now > 5);
    before = now;
  }
  CHECK(db.hold(std::string(100, 'h')));  // there is always room for that
  CHECK(db.revert(db.status().value().manifest->retained.back().generation));
}

// SPDX-License-Identifier: BSL-1.0
// Builds that go on where a dead builder has noted that it was.
#include <unistd.h>

#include <cstdint>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "catch.hpp"
#include "file_home.hpp"
#include "processes.hpp"

namespace {
using support::code_of, support::FileHome;

std::vector<std::string> words_of(std::vector<hf::bytes> const& notes) {
  std::vector<std::string> all;
  for (auto const& words : notes) all.emplace_back(hf::as_text(words));
  return all;
}
template <class Stage>
hf::result<void> put_both(Stage& stage, std::string const& name, std::string_view text) {
  HOLDFAST_TRYV(std::get<0>(stage.writer()).put(name, hf::as_bytes(text)));
  return std::get<1>(stage.writer()).put(name, hf::as_bytes(text));
}
template <class View>
std::vector<std::string> names_in_both(View const& view) {
  auto names = std::get<0>(*view).names();
  auto const others = std::get<1>(*view).names();
  if (names != others) return {"parts differ"};
  return names;
}
struct KeptHome : FileHome {
  KeptHome() { options.keep_interrupted = true; }
};
}  // namespace

TEST_CASE("a build goes on from the last note of a process that was killed", "[resume]") {
  KeptHome const home;
  support::commit_some(home, 1);
  support::Signal noted;
  support::Child builder{[&]() -> std::string {
    auto db = home.open();
    if (!db) return db.error().text();
    auto stage = db.value().stage();
    if (!stage) return stage.error().text();
    auto& building = stage.value();
    if (!put_both(building, "a/one", "1") || !building.note(hf::as_bytes("one"))) return "note";
    if (!put_both(building, "a/two", "2") || !building.note(hf::as_bytes("two"))) return "note";
    if (!put_both(building, "b/three", "3")) return "put";
    noted.give();
    for (;;) ::pause();
  }};
  REQUIRE(noted.wait());
  builder.kill();

  auto db = home.open().value();
  CHECK(db.status().value().manifest->attempt.has_value());
  CHECK(support::shown_files(db) == "1");
  auto stage = db.resume().value();
  CHECK(stage.generation() == hf::Generation{2});
  CHECK(words_of(stage.notes()) == std::vector<std::string>{"two", "two"});
  // What came after the note is gone, and may come again.
  REQUIRE(put_both(stage, "b/three", "three"));
  auto ready = std::move(stage).seal().value();
  REQUIRE(std::move(ready).commit({.marks = {{"n", 3}}}));
  auto const view = db.view();
  CHECK(view.value().generation() == hf::Generation{2});
  CHECK(names_in_both(view.value()) == std::vector<std::string>{"a/one", "a/two", "b/three"});
  CHECK(hf::as_text(std::get<0>(*view.value()).get("b/three").value()) == "three");
  auto const verified = db.verify({2}).value();
  for (auto const& part : verified) CHECK(part.found);
}

TEST_CASE("a build that is left goes on in the same object, part by part", "[resume]") {
  KeptHome const home;
  auto db = home.open().value();
  REQUIRE(support::commit_files(db, "first"));
  auto stage = db.stage(hf::only<1>).value();
  REQUIRE(std::get<0>(stage.writer()).put("deep/er/value", hf::as_bytes("first")));
  REQUIRE(stage.note(hf::as_bytes("half")));
  std::move(stage).leave();
  CHECK(db.state() == hf::State::none);
  auto again = db.resume(hf::only<1>).value();
  CHECK(again.generation() == hf::Generation{2});
  CHECK(words_of(again.notes()) == std::vector<std::string>{"half"});
  CHECK(code_of(db.stage()) == hf::errc::busy);
  CHECK(code_of(std::get<0>(again.writer()).put("deep/er/value", {})) == hf::errc::exists);
  REQUIRE(std::move(again).seal().value().commit());
  CHECK(support::shown_files(db) == "first");
}

TEST_CASE("a build of which nothing was noted, or that was sealed, begins anew", "[resume]") {
  KeptHome const home;
  auto db = home.open().value();
  {
    auto stage = db.stage().value();
    REQUIRE(put_both(stage, "lost", "1"));
    std::move(stage).leave();
  }
  {
    auto stage = db.resume().value();
    CHECK(stage.generation() == hf::Generation{2});
    CHECK(words_of(stage.notes()) == std::vector<std::string>{"", ""});
    CHECK(home.in_store("keys") == std::vector<std::uint64_t>{2});
    REQUIRE(stage.note(hf::as_bytes("noted")));
    std::move(stage).leave();
  }
  {
    auto stage = db.stage().value();  // does not want it
    CHECK(stage.generation() == hf::Generation{3});
    CHECK(home.in_store("keys") == std::vector<std::uint64_t>{3});
    REQUIRE(stage.note(hf::as_bytes("noted")));
    REQUIRE(support::fill(stage, "text"));
    auto ready = std::move(stage).seal().value();
    ready.discard();
  }
  auto stage = db.resume().value();
  CHECK(stage.generation() == hf::Generation{4});
  CHECK(words_of(stage.notes()) == std::vector<std::string>{"", ""});
}

TEST_CASE("what was lost beside its note is not gone on with", "[resume]") {
  KeptHome const home;
  auto db = home.open().value();
  auto const leave_one = [&] {
    auto stage = db.stage().value();
    REQUIRE(put_both(stage, "one", "1"));
    REQUIRE(stage.note(hf::as_bytes("one")));
    auto const g = stage.generation().number;
    std::move(stage).leave();
    return g;
  };
  auto g = leave_one();
  support::fs::remove(home.folder("keys", g) + "/one");
  CHECK(db.resume().value().generation().number == g + 1);
  g = leave_one();
  support::write_file(home.folder("stats", g) + "/.holdfast-note", "no note");
  CHECK(db.resume().value().generation().number == g + 1);
  g = leave_one();
  support::fs::remove(home.folder("stats", g) + "/.holdfast-note");
  CHECK(db.resume().value().generation().number == g + 1);
}

TEST_CASE("the build of a builder that may be alive is not gone on with", "[resume]") {
  KeptHome const home;
  auto slow = home.open().value();
  auto stage = slow.stage().value();
  REQUIRE(put_both(stage, "one", "1"));
  REQUIRE(stage.note(hf::as_bytes("one")));
  support::fs::remove(home / "LOCK");  // a second builder gets in
  auto db = home.open().value();
  auto other = db.resume().value();
  CHECK(other.generation() == hf::Generation{2});
  CHECK(words_of(other.notes()) == std::vector<std::string>{"", ""});
  REQUIRE(support::fill(other, "other"));
  REQUIRE(std::move(other).seal().value().commit());
  CHECK_FALSE(std::move(stage).seal());
  CHECK(support::shown_files(db) == "other");
}

TEST_CASE("opening a home as ever drops what a dead builder noted", "[resume]") {
  KeptHome const home;
  {
    auto db = home.open().value();
    auto stage = db.stage().value();
    REQUIRE(stage.note(hf::as_bytes("one")));
    std::move(stage).leave();
  }
  CHECK(home.in_store("keys") == std::vector<std::uint64_t>{1});
  REQUIRE(home.open());
  CHECK(home.in_store("keys") == std::vector<std::uint64_t>{1});
  auto const plain = hf::open_staged(hf::StagedOptions{}, home.store(), home.reg(), home.lock());
  CHECK_FALSE(plain.value().status().value().manifest->attempt);
  CHECK(home.in_store("keys").empty());
}

TEST_CASE("a note is refused by what is sealed, and names nothing twice", "[resume]") {
  KeptHome const home;
  auto db = home.open().value();
  auto stage = db.stage().value();
  auto& folder = std::get<0>(stage.writer());
  CHECK(code_of(folder.put(".holdfast-note", {})) == hf::errc::invalid);
  CHECK(code_of(stage.note(hf::bytes(65'537))) == hf::errc::too_large);
  // Of a file of the caller's own what was there at the note counts.
  support::write_file(folder.path() + "/own", "12345");
  REQUIRE(stage.note(hf::as_bytes("five")));
  support::write_file(folder.path() + "/own", "1234567");
  std::move(stage).leave();
  auto again = db.resume().value();
  CHECK(support::read_file(std::get<0>(again.writer()).path() + "/own") == "12345");
  REQUIRE(support::fill(again, "text"));
  REQUIRE(std::move(again).seal().value().commit());
  CHECK(support::names_in(home.folder("keys", 1)) ==
        std::vector<std::string>{"SEAL", "own", "value"});
  CHECK(code_of(again.note({})) == hf::errc::spent);
}

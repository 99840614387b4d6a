// SPDX-License-Identifier: BSL-1.0
// Tests what an operator does with a home that goes on serving: builds that begin as a copy,
// verify, backup.
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "catch.hpp"
#include "file_home.hpp"
#include "holdfast/backend/memory_store.hpp"
#include "memory_home.hpp"
#include "places.hpp"

namespace {
using hf::errc, hf::Generation;
using support::code_of, support::commit_files, support::FileHome, support::shown_files;
using Numbers = std::vector<std::uint64_t>;
using Folders = hf::DirectoryStore;

void flip(std::string const& path) {
  std::fstream file{path, std::ios::in | std::ios::out | std::ios::binary};
  char const first = static_cast<char>(file.get() ^ 1);
  file.seekp(0);
  file.put(first);
}
}  // namespace

TEST_CASE("a build may begin as a copy of what is current", "[staged][copy]") {
  FileHome const home;
  auto db = home.open().value();
  CHECK(code_of(db.stage_from_current()) == errc::no_generation);
  REQUIRE(commit_files(db, "one"));
  auto stage = db.stage_from_current().value();
  REQUIRE(std::get<0>(stage.writer()).put("another", hf::as_bytes("two")));
  CHECK(code_of(std::get<0>(stage.writer()).put("value", {})) == errc::exists);
  auto ready = std::move(stage).seal().value();
  CHECK(shown_files(db) == "one");
  REQUIRE(std::move(ready).commit());
  CHECK(shown_files(db) == "one");
  auto const view = db.view();
  auto const& [keys, stats] = *view.value();
  CHECK(hf::as_text(keys.get("another").value()) == "two");
  CHECK(stats.names() == std::vector<std::string>{"deep/er/value"});
  CHECK(home.in_store("stats") == Numbers{1, 2});
}

TEST_CASE("a copy of a mixed generation is one whole of its own", "[staged][copy]") {
  FileHome home;
  home.options.retain = 1;
  auto db = home.open().value();
  REQUIRE(commit_files(db, "one"));
  auto stage = db.stage(hf::only<1>).value();
  REQUIRE(std::get<0>(stage.writer()).put("deep/er/value", hf::as_bytes("one")));
  REQUIRE(std::move(stage).seal().value().commit());
  REQUIRE(db.stage_from_current().value().seal().value().commit());
  REQUIRE(db.collect());
  CHECK(shown_files(db) == "one");
  CHECK(home.in_store("keys") == Numbers{3});
  CHECK(home.in_store("stats") == Numbers{3});
}

TEST_CASE("what is damaged is not copied into a new generation", "[staged][copy]") {
  FileHome const home;
  auto db = home.open().value();
  REQUIRE(commit_files(db, "one"));
  flip(home.folder("keys", 1) + "/value");
  auto const stage = db.stage_from_current();
  REQUIRE(code_of(stage) == errc::damaged);
  CHECK(stage.error().text().find("keys") != std::string::npos);
  CHECK(home.in_store("keys") == Numbers{1});
  CHECK(commit_files(db, "two"));
}

TEST_CASE("values in memory can begin as a copy too", "[staged][copy]") {
  using Words = std::map<std::string, int>;
  auto db = hf::open_staged(hf::StagedOptions{}, hf::MemoryStore<Words>{}, hf::MemoryRegister{},
                            hf::Exclusive{})
                .value();
  auto first = db.stage().value();
  (*first.writer())["a"] = 1;
  REQUIRE(std::move(first).seal().value().commit());
  auto second = db.stage_from_current().value();
  (*second.writer())["b"] = 2;
  REQUIRE(std::move(second).seal().value().commit());
  auto const view = db.view();
  CHECK(**view.value() == Words{{"a", 1}, {"b", 2}});
}

TEST_CASE("verify names the part that is damaged, and readers go on", "[staged][verify]") {
  FileHome const home;
  auto db = home.open().value();
  REQUIRE(commit_files(db, "one"));
  REQUIRE(commit_files(db, "two"));
  auto const sound = db.verify({2}).value();
  for (auto const& verdict : sound) {
    CHECK(verdict.found.value() == hf::Verified::digests);
    CHECK(verdict.generation == Generation{2});
  }
  flip(home.folder("stats", 1) + "/deep/er/value");
  auto const verdicts = db.verify({1}).value();
  REQUIRE(verdicts.size() == 2);
  CHECK(verdicts[0].part == "keys");
  CHECK(verdicts[0].found);
  CHECK(verdicts[1].part == "stats");
  CHECK(code_of(verdicts[1].found) == errc::damaged);
  CHECK(code_of(db.verify({9})) == errc::not_retained);
  CHECK(shown_files(db) == "two");
}

TEST_CASE("a backup is a home of its own with the current generation and its marks",
          "[staged][backup]") {
  support::Place const place{support::On::memory};
  auto const home = place / "home", copy = place / "copy";
  auto db = hf::open_staged(home, Folders{"keys"}, Folders{"stats"}).value();
  CHECK(code_of(db.backup(place / "early", Folders{"keys"}, Folders{"stats"})) ==
        errc::no_generation);
  REQUIRE(commit_files(db, "one"));
  REQUIRE(commit_files(db, "two", {{"offset", 7}}));
  CHECK(db.backup(copy, Folders{"keys"}, Folders{"stats"}).value() == Generation{2});
  CHECK(code_of(db.backup(copy, Folders{"keys"}, Folders{"stats"})) == errc::exists);
  REQUIRE(commit_files(db, "three"));

  auto other = hf::open_staged(copy, Folders{"keys"}, Folders{"stats"}).value();
  CHECK(shown_files(other) == "two");
  CHECK(other.view().value().marks() == hf::Marks{{"offset", 7}});
  CHECK(other.status().value().manifest->retained.size() == 1);
  CHECK(other.status().value().manifest->home != db.status().value().manifest->home);
  CHECK(commit_files(other, "four").value().generation == Generation{3});
  CHECK(shown_files(db) == "three");
}

TEST_CASE("a backup of a mixed generation brings what was carried, and drops it in its time",
          "[staged][backup]") {
  support::Place const place{support::On::memory};
  auto const home = place / "home", copy = place / "copy";
  auto db = hf::open_staged(home, Folders{"keys"}, Folders{"stats"}).value();
  REQUIRE(commit_files(db, "one"));
  auto stage = db.stage(hf::only<1>).value();
  REQUIRE(std::get<0>(stage.writer()).put("deep/er/value", hf::as_bytes("one")));
  REQUIRE(std::move(stage).seal().value().commit());
  REQUIRE(db.backup(copy, Folders{"keys"}, Folders{"stats"}));
  auto other = hf::open_staged(copy, hf::StagedOptions{.retain = 1, .publish_grace_ms = 0},
                               Folders{"keys"}, Folders{"stats"})
                   .value();
  CHECK(shown_files(other) == "one");
  REQUIRE(commit_files(other, "two"));
  REQUIRE(other.collect());
  CHECK(support::names_in(copy + "/keys") == std::vector<std::string>{"0000000003", "current"});
}

TEST_CASE("damage is not backed up", "[staged][backup]") {
  support::Place const place{support::On::memory};
  auto const home = place / "home", copy = place / "copy";
  auto db = hf::open_staged(home, Folders{"keys"}, Folders{"stats"}).value();
  REQUIRE(commit_files(db, "one"));
  flip(home + "/stats/0000000001/deep/er/value");
  CHECK(code_of(db.backup(copy, Folders{"keys"}, Folders{"stats"})) == errc::damaged);
  // Cut off before its record: it does not open, and nothing of it is taken for a home.
  CHECK(code_of(hf::open_staged(copy, Folders{"keys"}, Folders{"stats"})) == errc::register_lost);
}

TEST_CASE("a build that finds too little room is refused before anything is made",
          "[staged][headroom]") {
  support::Place const place{support::On::memory};
  auto const home = place / "home";
  auto const open = [&](hf::StagedOptions const& options) {
    return hf::open_staged(home, options, Folders{"keys"}, Folders{"stats"}).value();
  };
  {
    auto db = open({.headroom = 1});
    REQUIRE(commit_files(db, std::string(5000, 'x')));
    CHECK(commit_files(db, std::string(5000, 'y')));
  }
  auto const full = open({.min_free_bytes = std::uint64_t{1} << 60}).stage();
  REQUIRE(code_of(full) == errc::no_space);
  CHECK(full.error().text().find("keys: 1152921504606846976 bytes wanted") != std::string::npos);
  CHECK(support::names_in(home + "/keys").size() == 3);
  // 10 KB are there of the two parts: many times that is more than any disk has.
  auto db = open({.headroom = 1e15});
  CHECK(code_of(db.stage()) == errc::no_space);
  CHECK(code_of(db.stage(hf::only<1>)) == errc::no_space);
  CHECK(!db.status().value().holder);
  CHECK(db.state() == hf::State::none);
  CHECK(open({}).stage());
}

TEST_CASE("room is measured where there is nothing yet", "[staged][headroom]") {
  support::Place const place{support::On::memory};
  Folders store{"keys"};
  store.place(place / "not/there/yet");
  auto const space = store.space({}).value();
  CHECK(space.used == 0);
  CHECK(space.free > 0);
  CHECK(!std::filesystem::exists(place / "not"));
}

TEST_CASE("who only follows a home verifies it and backs it up, and writes nothing to it",
          "[staged][verify][backup]") {
  support::Place const place{support::On::memory};
  auto const home = place / "home", copy = place / "copy";
  {
    auto db = hf::open_staged(home, Folders{"keys"}, Folders{"stats"}).value();
    REQUIRE(commit_files(db, "one", {{"offset", 7}}));
  }
  auto const before = support::traces(home);
  auto const reader = hf::open_view(home, Folders{"keys"}, Folders{"stats"}).value();
  auto const told = reader.verify({1}).value();
  for (auto const& verdict : told) CHECK(verdict.found);
  CHECK(code_of(reader.verify({2})) == errc::not_retained);
  CHECK(reader.backup(copy, Folders{"keys"}, Folders{"stats"}).value() == Generation{1});
  CHECK((support::traces(home) == before));
  auto const other = hf::open_view(copy, Folders{"keys"}, Folders{"stats"}).value();
  CHECK(shown_files(other) == "one");
  CHECK(other.view().value().marks() == hf::Marks{{"offset", 7}});
}

TEST_CASE("damage of what is current does not keep a build from being measured",
          "[staged][headroom]") {
  support::Place const place{support::On::memory};
  auto const home = place / "home";
  auto db =
      hf::open_staged(home, hf::StagedOptions{.headroom = 1.1}, Folders{"keys"}, Folders{"stats"})
          .value();
  REQUIRE(commit_files(db, "one"));
  std::filesystem::remove(home + "/keys/0000000001/SEAL");
  CHECK(commit_files(db, "two"));
}

TEST_CASE("a builder whose file of pins was replaced stops, and drops nothing that others read",
          "[staged][pins]") {
  FileHome home;
  home.options.retain = 1;
  std::optional<FileHome::Staged> db = home.open().value();
  REQUIRE(commit_files(*db, "one"));
  std::filesystem::remove(home / "PINS");
  REQUIRE(home.open());  // makes it anew
  auto const reader = home.follow().value();
  auto const view = reader.view();
  REQUIRE(view);
  auto const refused = commit_files(*db, "two");
  REQUIRE(code_of(refused) == errc::busy);
  CHECK(refused.error().text().find("PINS") != std::string::npos);
  db = home.open().value();
  for (std::string const text : {"two", "three"}) REQUIRE(commit_files(*db, text));
  REQUIRE(db->collect());
  CHECK(support::text_in(view.value()) == "one");
}

TEST_CASE("what a build takes of the disk is told while it is written", "[staged][headroom]") {
  support::Place const place{support::On::memory};
  auto const home = place / "home";
  auto db = hf::open_staged(home, Folders{"keys"}, Folders{"stats"}).value();
  auto stage = db.stage().value();
  CHECK(db.disk_bytes({1}).value() == std::uint64_t{0});
  REQUIRE(std::get<0>(stage.writer()).put("a/b", hf::bytes(40'000)));
  REQUIRE(std::get<1>(stage.writer()).put("a", hf::bytes(40'000)));
  auto const both = db.disk_bytes({1}).value();
  CHECK(both >= std::uint64_t{80'000});
  CHECK(both <= std::uint64_t{100'000});
  CHECK(db.disk_bytes({2}).value() == std::uint64_t{0});
}

TEST_CASE("files beyond what a build may take are refused before they are written",
          "[staged][headroom]") {
  support::Place const place{support::On::memory};
  auto const home = place / "home";
  auto db = hf::open_staged(home, hf::StagedOptions{.build_bytes = 1000}, Folders{"keys"},
                            Folders{"stats"})
                .value();
  auto stage = db.stage().value();
  auto& [keys, stats] = stage.writer();
  REQUIRE(keys.put("a", hf::bytes(900)));
  CHECK(code_of(keys.put("b", hf::bytes(101))) == errc::no_space);
  CHECK(support::names_in(keys.path()) == std::vector<std::string>{"a"});
  REQUIRE(keys.put("b", hf::bytes(100)));
  CHECK(keys.taken().value() == 1000);
  REQUIRE(stats.put("c", hf::bytes(1)));
  CHECK(code_of(std::move(stage).seal()) == errc::no_space);
  stage.discard();
  // What is written beside `put` counts once it is sealed.
  stage = db.stage().value();
  support::write_file(std::get<0>(stage.writer()).path() + "/own", std::string(1001, 'x'));
  CHECK(code_of(std::move(stage).seal()) == errc::no_space);
  stage.discard();
  CHECK(commit_files(db, "fits"));
}

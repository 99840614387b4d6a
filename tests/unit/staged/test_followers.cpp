// SPDX-License-Identifier: BSL-1.0
// Tests readers in other objects and processes: they write nothing, follow switches, and keep what
// they read.
#include <unistd.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "catch.hpp"
#include "file_home.hpp"
#include "processes.hpp"

namespace {
using hf::errc, hf::Generation;
using support::code_of, support::commit_files, support::FileHome, support::shown_files,
    support::traces;
using Numbers = std::vector<std::uint64_t>;
constexpr support::fs::perms shut_folder{0555}, shut_file{0444};
}  // namespace

TEST_CASE("a status tells which generations are open, here and elsewhere", "[staged][follower]") {
  using Pins = std::vector<std::string>;
  auto const pins = [](auto const& of) {
    Pins all;
    auto const status = of.status();
    for (auto const& pin : status.value().pins) {
      all.push_back(std::to_string(pin.generation.number) + (pin.here ? " here" : "") +
                    (pin.elsewhere.value() ? " elsewhere" : ""));
    }
    return all;
  };
  FileHome home;
  home.options.retain = 1;
  auto db = home.open().value();
  REQUIRE(commit_files(db, "one"));
  CHECK(pins(db) == Pins{"1 here"});
  auto follower = home.follow().value();
  auto kept = std::make_unique<decltype(follower)::pin_type>(follower.pin().value());
  REQUIRE(commit_files(db, "two"));
  CHECK(pins(db) == Pins{"2 here", "1 elsewhere"});
  CHECK(pins(follower) == Pins{"2 elsewhere", "1 here"});
  REQUIRE(follower.refresh());
  kept.reset();
  REQUIRE(db.collect());
  CHECK(pins(db).front() == "2 here elsewhere");
  CHECK(support::in_unprivileged_child([&] {
          auto const other = home.follow().value();
          return pins(other).front();
        }) == "2 here elsewhere");
  support::fs::remove(home / "PINS");
  CHECK(!home.follow().value().status().value().pins.front().elsewhere);
}

TEST_CASE("a follower writes nothing, whatever it is asked", "[staged][follower]") {
  FileHome const home;
  auto db = home.open().value();
  REQUIRE(commit_files(db, "one"));
  auto const stage = db.stage();  // a build under way must not be disturbed either
  auto const before = traces(home.path);
  {
    auto follower = home.follow().value();
    CHECK(shown_files(follower) == "one");
    CHECK(!follower.refresh().value());
    CHECK(follower.pin());
    auto const status = follower.status();
    REQUIRE(status);
    CHECK(status.value().manifest->current == Generation{1});
    CHECK(status.value().manifest->attempt);
    CHECK(!status.value().trouble);
  }
  CHECK(traces(home.path) == before);
}

TEST_CASE("a follower of a home that was never written, or is not there, makes nothing",
          "[staged][follower]") {
  FileHome home;
  auto const before = traces(home.place.path());
  {
    auto follower = home.follow();
    REQUIRE(follower);
    CHECK(code_of(follower.value().view()) == errc::no_generation);
    CHECK(!follower.value().refresh().value());
    CHECK(!follower.value().status().value().manifest);
  }
  home.path += "/no/such/folder";
  auto follower = home.follow();
  if (follower) CHECK(code_of(follower.value().view()) == errc::no_generation);
  CHECK(traces(home.place.path()) == before);
}

TEST_CASE("a follower sees the first generation once there is one", "[staged][follower]") {
  FileHome const home;
  auto follower = home.follow().value();
  auto db = home.open().value();
  CHECK(code_of(follower.view()) == errc::no_generation);
  REQUIRE(commit_files(db, "one"));
  CHECK(follower.refresh().value());
  CHECK(shown_files(follower) == "one");
}

TEST_CASE("a follower shows a switch when it refreshes, a revert too", "[staged][follower]") {
  FileHome const home;
  auto db = home.open().value();
  REQUIRE(commit_files(db, "one"));
  auto follower = home.follow().value();
  REQUIRE(commit_files(db, "two"));
  CHECK(shown_files(follower) == "one");
  CHECK(follower.refresh().value());
  CHECK(shown_files(follower) == "two");
  REQUIRE(db.revert({1}));
  CHECK(follower.refresh().value());
  CHECK(shown_files(follower) == "one");
  CHECK(!follower.refresh().value());
}

TEST_CASE("a home is followed without permission to write it", "[staged][follower][process]") {
  FileHome const home;
  auto db = home.open().value();
  REQUIRE(commit_files(db, "one"));
  for (auto const& entry : support::fs::recursive_directory_iterator{home.path}) {
    if (entry.is_symlink()) continue;
    support::fs::permissions(entry.path(), entry.is_directory() ? shut_folder : shut_file);
  }
  support::fs::permissions(home.path, shut_folder);
  auto const before = traces(home.path);
  CHECK(support::in_unprivileged_child([&]() -> std::string {
          auto follower = home.follow();
          if (!follower) return follower.error().text();
          if (shown_files(follower.value()) != "one") return shown_files(follower.value());
          if (!follower.value().status()) return "status";
          auto const builder = home.open();
          if (code_of(builder) != errc::denied) return "open: " + support::text_of(builder);
          return "";
        }) == "");
  CHECK(traces(home.path) == before);
  REQUIRE(db.recover());
}

TEST_CASE("what a follower's process pins is not dropped, and dropped once it lets go",
          "[staged][follower][process]") {
  FileHome home;
  home.options.retain = 1;
  auto db = home.open().value();
  REQUIRE(commit_files(db, "one"));
  support::Signal ready, go_on, refreshed;
  support::Child child{[&]() -> std::string {
    auto follower = home.follow();
    if (!follower) return follower.error().text();
    {
      auto const view = follower.value().view();
      ready.give();
      if (!go_on.wait()) return "nobody answered";
      if (!view || support::text_in(view.value()) != "one") return "not one any more";
    }
    auto const switched = follower.value().refresh();
    if (!switched || !switched.value()) return "nothing new";
    refreshed.give();
    if (!go_on.wait()) return "nobody answered";
    return shown_files(follower.value()) == "three" ? "" : "not three";
  }};
  REQUIRE(ready.wait());
  REQUIRE(commit_files(db, "two"));
  auto const third = commit_files(db, "three");
  REQUIRE(third);
  CHECK(!third.value().housekeeping);  // a pin is no failure
  CHECK(home.in_store("keys") == Numbers{1, 3});
  CHECK(db.collect().value().waiting == std::vector<Generation>{{1}});
  go_on.give();
  REQUIRE(refreshed.wait());
  CHECK(db.collect().value().dropped == std::vector<Generation>{{1}});
  CHECK(home.in_store("keys") == Numbers{3});
  CHECK(home.in_store("stats") == Numbers{3});
  go_on.give();
  CHECK(child.answer() == "");
}

TEST_CASE("pins of a killed reader lapse", "[staged][follower][process]") {
  FileHome home;
  home.options.retain = 1;
  auto db = home.open().value();
  REQUIRE(commit_files(db, "one"));
  support::Signal ready;
  support::Child child{[&]() -> std::string {
    auto follower = home.follow().value();
    auto const view = follower.view();
    ready.give();
    ::pause();
    return "";
  }};
  REQUIRE(ready.wait());
  REQUIRE(commit_files(db, "two"));
  CHECK(home.in_store("keys") == Numbers{1, 2});
  child.kill();
  REQUIRE(db.collect());
  CHECK(home.in_store("keys") == Numbers{2});
}

TEST_CASE("what waits for a reader is dropped by the next to open the home", "[staged][follower]") {
  FileHome home;
  home.options.retain = 1;
  {
    auto follower = [&] {
      auto db = home.open().value();
      commit_files(db, "one").value();
      auto opened = home.follow().value();
      commit_files(db, "two").value();
      return opened;
    }();
    CHECK(home.in_store("keys") == Numbers{1, 2});
    auto const again = home.open();
    REQUIRE(again);
    CHECK(home.in_store("keys") == Numbers{1, 2});
    CHECK(shown_files(follower) == "one");
  }
  REQUIRE(home.open());
  CHECK(home.in_store("keys") == Numbers{2});
}

TEST_CASE("two objects that build in turn see each other's pins", "[staged][follower]") {
  FileHome home;
  home.options.retain = 1;
  auto one = home.open().value();
  REQUIRE(commit_files(one, "one"));
  auto other = home.open().value();
  {
    auto const view = one.view();
    REQUIRE(commit_files(other, "two"));
    REQUIRE(commit_files(other, "three"));
    CHECK(support::text_in(view.value()) == "one");
    CHECK(home.in_store("keys") == Numbers{1, 3});
    CHECK(one.refresh().value());
    CHECK(support::text_in(view.value()) == "one");
  }
  REQUIRE(one.collect());
  CHECK(home.in_store("keys") == Numbers{3});
}

TEST_CASE("a reader process in a loop sees whole generations while another builds",
          "[staged][follower][process]") {
  FileHome home;
  home.options.retain = 1;
  auto db = home.open().value();
  REQUIRE(commit_files(db, "1", {{"n", 1}}));
  support::Signal started;
  support::Child reader{[&]() -> std::string {
    auto follower = home.follow();
    if (!follower) return follower.error().text();
    started.give();
    std::uint64_t last = 0;
    while (last < 12) {
      auto const switched = follower.value().refresh();
      if (!switched) return "refresh: " + switched.error().text();
      auto const view = follower.value().view();
      if (!view) return "view: " + view.error().text();
      auto const number = view.value().generation().number;
      if (number < last) return "went back";
      last = number;
      if (support::text_in(view.value()) != std::to_string(number)) {
        return "shows " + support::text_in(view.value()) + " as " + std::to_string(number);
      }
      if (view.value().marks() != hf::Marks{{"n", number}}) return "marks of another generation";
    }
    return "";
  }};
  REQUIRE(started.wait());
  for (std::uint64_t n = 2; n <= 12; ++n) {
    REQUIRE(commit_files(db, std::to_string(n), {{"n", n}}));
  }
  CHECK(reader.answer() == "");
}

TEST_CASE("a builder that is killed leaves a home that the next one takes over",
          "[staged][process]") {
  FileHome const home;
  {
    auto db = home.open().value();
    REQUIRE(commit_files(db, "one"));
  }
  support::Signal building;
  support::Child child{[&]() -> std::string {
    auto db = home.open().value();
    auto stage = db.stage().value();
    static_cast<void>(support::fill(stage, "unseen"));
    building.give();
    ::pause();
    return "";
  }};
  REQUIRE(building.wait());
  auto waiting = home.open();
  REQUIRE(waiting);
  CHECK(shown_files(waiting.value()) == "one");
  CHECK(code_of(waiting.value().stage()) == errc::busy);
  CHECK(home.in_store("keys") == Numbers{1, 2});
  child.kill();
  auto const done = commit_files(waiting.value(), "three");
  CHECK(support::text_of(done) == "");
  CHECK(shown_files(waiting.value()) == "three");
  CHECK(home.in_store("keys") == Numbers{1, 3});
}

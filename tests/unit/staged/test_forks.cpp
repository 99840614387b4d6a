// SPDX-License-Identifier: BSL-1.0
// Tests that a forked child is refused by what its parent opened, and changes nothing by ending.
#include <string>
#include <utility>
#include <vector>

#include "catch.hpp"
#include "file_home.hpp"
#include "processes.hpp"

namespace {
using hf::errc;
using support::code_of, support::commit_files, support::FileHome, support::shown_files;
using Numbers = std::vector<std::uint64_t>;

template <class R>
std::string unless_forked(char const* what, R const& answer) {
  if (code_of(answer) == errc::forked) return "";
  return std::string{what} + ": " + (answer ? "success" : support::text_of(answer)) + "; ";
}
}  // namespace

TEST_CASE("every operation of a forked child on its parent's home is refused", "[staged][fork]") {
  FileHome const home;
  auto db = home.open().value();
  REQUIRE(commit_files(db, "one"));
  auto const before = support::contents(home.path);
  CHECK(support::in_child([&] {
          return unless_forked("stage", db.stage()) + unless_forked("revert", db.revert({1})) +
                 unless_forked("collect", db.collect()) + unless_forked("recover", db.recover()) +
                 unless_forked("refresh", db.refresh()) +
                 unless_forked("resolve", db.resolve({1, 1, 1}));
        }) == "");
  CHECK(support::contents(home.path) == before);
}

TEST_CASE("a forked child gets no view, pin or status of its parent's home", "[staged][fork]") {
  FileHome const home;
  auto db = home.open().value();
  REQUIRE(commit_files(db, "one"));
  static_cast<void>(db.view());
  CHECK(support::in_child([&] { return unless_forked("view", db.view()); }) == "");
  CHECK(support::in_child([&] { return unless_forked("pin", db.pin()); }) == "");
  CHECK(support::in_child([&] { return unless_forked("status", db.status()); }) == "");
}

TEST_CASE("a forked child can't seal, validate or commit its parent's build", "[staged][fork]") {
  FileHome const home;
  auto db = home.open().value();
  REQUIRE(commit_files(db, "one"));
  auto stage = db.stage().value();
  REQUIRE(support::fill(stage, "two"));
  CHECK(support::in_child([&] { return unless_forked("seal", std::move(stage).seal()); }) == "");
  auto ready = std::move(stage).seal().value();
  auto const before = support::contents(home.path);
  CHECK(support::in_child([&] {
          return unless_forked("validate",
                               std::move(ready).validate([](auto const&) { return true; }));
        }) == "");
  CHECK(support::in_child([&] { return unless_forked("commit", std::move(ready).commit()); }) ==
        "");
  CHECK(support::contents(home.path) == before);
  REQUIRE(std::move(ready).commit());
  CHECK(shown_files(db) == "two");
}

TEST_CASE("handles that end in a forked child discard nothing", "[staged][fork]") {
  FileHome const home;
  auto db = home.open().value();
  REQUIRE(commit_files(db, "one"));
  auto stage = db.stage().value();
  REQUIRE(support::fill(stage, "two"));
  auto const before = support::contents(home.path);
  CHECK(support::in_child([&]() -> std::string {
          {
            auto const theirs = std::move(stage);
            auto const all = std::move(db);
          }
          return "";
        }) == "");
  CHECK(support::contents(home.path) == before);
  auto other = home.open().value();
  CHECK(code_of(other.stage()) == errc::busy);  // the lock is still the parent's
  REQUIRE(std::move(stage).seal().value().commit());
  CHECK(shown_files(db) == "two");
}

TEST_CASE("a forked child opens the home anew and works with it", "[staged][fork]") {
  FileHome const home;
  auto db = home.open().value();
  REQUIRE(commit_files(db, "one"));
  CHECK(support::in_child([&]() -> std::string {
          auto own = home.open();
          if (!own) return own.error().text();
          if (shown_files(own.value()) != "one") return shown_files(own.value());
          return support::text_of(commit_files(own.value(), "two"));
        }) == "");
  CHECK(db.refresh().value());
  CHECK(shown_files(db) == "two");
}

TEST_CASE("a follower in a forked child is refused", "[staged][fork]") {
  FileHome const home;
  auto db = home.open().value();
  REQUIRE(commit_files(db, "one"));
  auto follower = home.follow().value();
  CHECK(support::in_child([&] { return unless_forked("refresh", follower.refresh()); }) == "");
  CHECK(support::in_child([&] { return unless_forked("view", follower.view()); }) == "");
}

TEST_CASE("pins that end in a forked child leave its parent's where they are", "[staged][fork]") {
  FileHome home;
  home.options.retain = 1;
  auto db = home.open().value();
  REQUIRE(commit_files(db, "one"));
  auto pin = db.pin().value();
  auto follower = home.follow().value();
  CHECK(support::in_child([&]() -> std::string {
          {
            auto const theirs = std::move(pin);
            auto const followed = std::move(follower);
            auto const all = std::move(db);
          }
          return "";
        }) == "");
  CHECK(support::in_child([&]() -> std::string {
          auto other = home.open();
          if (!other) return other.error().text();
          auto const done = commit_files(other.value(), "two");
          if (!done) return done.error().text();
          return support::text_of(other.value().collect());
        }) == "");
  CHECK(support::text_in(pin) == "one");
  CHECK(shown_files(follower) == "one");
  CHECK(home.in_store("keys") == Numbers{1, 2});
}

TEST_CASE("a home opened anew in a forked child names the child as its builder", "[staged][fork]") {
  support::Place const place{support::On::memory};
  auto const path = place / "home";
  hf::FileLock lock{place / "home/LOCK"};
  REQUIRE(hf::open_staged(path, hf::DirectoryStore{"files"}));
  support::Signal building, go_on;
  support::Child child{[&]() -> std::string {
    auto db = hf::open_staged(path, hf::DirectoryStore{"files"});
    if (!db) return db.error().text();
    auto const stage = db.value().stage();
    building.give();
    if (!go_on.wait()) return "nobody answered";
    return support::text_of(stage);
  }};
  REQUIRE(building.wait());
  auto const holder = lock.inspect();
  REQUIRE(holder);
  REQUIRE(holder.value());
  CHECK(holder.value()->owner.pid == static_cast<std::uint64_t>(child.pid()));
  CHECK(holder.value()->owner.nonce != hf::Native{}.self().nonce);
  go_on.give();
  CHECK(child.answer() == "");
}

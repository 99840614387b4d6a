// SPDX-License-Identifier: BSL-1.0
// Tests that two builders of one home never both succeed, whatever happens to its lock, and that
// those who only look disturb nobody.
#include <unistd.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "catch.hpp"
#include "file_home.hpp"
#include "processes.hpp"

namespace {
using hf::errc, hf::Generation;
using support::code_of, support::commit_files, support::FileHome, support::shown_files;
using Numbers = std::vector<std::uint64_t>;
}  // namespace

TEST_CASE("a lock file deleted under a builder lets another in, and fences the first out",
          "[staged][lock]") {
  FileHome const home;
  auto one = home.open().value();
  REQUIRE(commit_files(one, "one"));
  auto stage = one.stage().value();
  REQUIRE(support::fill(stage, "of the first"));
  auto ready = std::move(stage).seal().value().validate([](auto const&) { return true; }).value();
  support::fs::remove(home / "LOCK");
  auto other = home.open().value();
  REQUIRE(commit_files(other, "of the other"));
  auto const refused = std::move(ready).commit();
  CHECK(code_of(refused) == errc::fenced);
  CHECK(one.refresh());
  CHECK(shown_files(one) == "of the other");
  CHECK(shown_files(other) == "of the other");
  CHECK(home.in_store("keys") == Numbers{1, 3});
  CHECK(support::text_of(commit_files(one, "again")) == "");
}

TEST_CASE("a builder forced out by the lock's own means is fenced out", "[staged][lock]") {
  FileHome const home;
  auto one = home.open().value();
  auto stage = one.stage().value();
  REQUIRE(support::fill(stage, "of the first"));
  auto const token = stage.token();
  auto lock = home.lock();
  auto const holder = lock.inspect();
  REQUIRE(holder);
  REQUIRE(holder.value());
  REQUIRE(lock.force(*holder.value(), {}));
  auto other = home.open().value();
  auto theirs = other.stage().value();
  CHECK(theirs.token() > token);
  REQUIRE(support::fill(theirs, "of the other"));
  REQUIRE(std::move(theirs).seal().value().commit());
  CHECK(!std::move(stage).seal());
  stage.discard();
  CHECK(shown_files(other) == "of the other");
  CHECK(home.in_store("keys") == Numbers{2});
  CHECK(support::text_of(commit_files(one, "again")) == "");
}

TEST_CASE("a lock file lost with its numbers does not lower the fence", "[staged][lock]") {
  FileHome const home;
  std::uint64_t last = 0;
  for (int i = 0; i < 4; ++i) {
    auto db = home.open().value();
    auto const stage = db.stage();
    REQUIRE(stage);
    CHECK(stage.value().token().number > last);
    last = stage.value().token().number;
    support::fs::remove(home / "LOCK");
  }
}

TEST_CASE("a home is taken over after a boot, with its attempt and its tokens", "[staged][lock]") {
  FileHome home;
  {
    auto db = home.open().value();
    REQUIRE(commit_files(db, "one"));
  }
  hf::FencingToken last{};
  for (std::uint8_t boot = 1; boot < 4; ++boot) {
    home.world = support::TestWorld::after_boot(boot);
    auto db = home.open();
    REQUIRE(db);
    auto stage = db.value().stage();
    REQUIRE(stage);
    CHECK(stage.value().token() > last);
    last = stage.value().token();
    REQUIRE(support::fill(stage.value(), std::to_string(boot)));
    auto ready = std::move(stage).value().seal();
    REQUIRE(std::move(ready).value().commit());
    CHECK(shown_files(db.value()) == std::to_string(boot));
  }
}

TEST_CASE("status in a loop from another process never makes a builder fail",
          "[staged][lock][process]") {
  FileHome const home;
  auto db = home.open().value();
  REQUIRE(commit_files(db, "one"));
  support::Signal started;
  support::Child looker{[&]() -> std::string {
    auto lock = home.lock();
    auto follower = home.follow();
    if (!follower) return follower.error().text();
    started.give();
    for (int i = 0; i < 2000; ++i) {
      auto const holder = lock.inspect();
      if (!holder) return "inspect: " + holder.error().text();
      auto const status = follower.value().status();
      if (!status) return "status: " + status.error().text();
    }
    return "";
  }};
  REQUIRE(started.wait());
  for (int i = 0; i < 150; ++i) {
    auto const stage = db.stage();
    INFO(i << ": " << support::text_of(stage));
    REQUIRE(stage);
  }
  CHECK(looker.answer() == "");
}

TEST_CASE("builders of several processes take turns and lose nothing", "[staged][lock][process]") {
  FileHome const home;
  auto const build = [&](std::string const& name) {
    return [&home, name]() -> std::string {
      for (int done = 0; done < 6;) {
        auto db = home.open();
        if (!db) return "open: " + db.error().text();
        auto const committed = commit_files(db.value(), name);
        if (committed) {
          ++done;
        } else if (committed.error().code() != errc::busy) {
          return "commit: " + committed.error().text();
        }
      }
      return "";
    };
  };
  support::Child one{build("one")}, two{build("two")};
  CHECK(one.answer() == "");
  CHECK(two.answer() == "");
  auto db = home.open().value();
  CHECK(db.view().value().sequence() == 12);
  CHECK(home.in_store("keys").size() == 2);
}

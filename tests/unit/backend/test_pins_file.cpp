// SPDX-License-Identifier: BSL-1.0
// Tests pins between objects and processes: who pins keeps others from excluding, and the reverse.
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <optional>
#include <string>
#include <utility>

#include "catch.hpp"
#include "failing_files.hpp"
#include "holdfast/backend/pins_file.hpp"
#include "holdfast/posix.hpp"
#include "places.hpp"
#include "processes.hpp"

namespace {
using hf::errc, hf::Generation;
using Pins = hf::PinsFile<hf::Posix>;
using support::code_of;

// Whether another process could drop `g` now; it opens the file itself.
bool others_may_drop(std::string const& path, Generation g) {
  return support::in_child([&]() -> std::string {
           Pins theirs{path, {}};
           auto const hold = theirs.try_exclude(g);
           if (hold) return "yes";
           return hold.error().code() == errc::pinned ? "no" : hold.error().text();
         }) == "yes";
}
}  // namespace

TEST_CASE("a pin keeps every other object from excluding its generation alone", "[pins][file]") {
  support::Place place;
  Pins ours{place / "PINS", {}}, theirs{place / "PINS", {}};
  REQUIRE(ours.make());
  {
    auto const pin = ours.pin({7});
    REQUIRE(pin);
    CHECK(code_of(theirs.try_exclude({7})) == errc::pinned);
    CHECK(theirs.try_exclude({6}));
    CHECK(theirs.try_exclude({8}));
    CHECK(theirs.pin({7}));
    CHECK(!others_may_drop(place / "PINS", {7}));
    CHECK(others_may_drop(place / "PINS", {8}));
  }
  CHECK(theirs.try_exclude({7}));
}

TEST_CASE("pins of one object are counted: the last one to end lets go", "[pins][file]") {
  support::Place place;
  Pins ours{place / "PINS", {}}, theirs{place / "PINS", {}};
  REQUIRE(ours.make());
  std::optional first{ours.pin({1}).value()};
  std::optional second{ours.pin({1}).value()};
  first.reset();
  CHECK(code_of(theirs.try_exclude({1})) == errc::pinned);
  CHECK(code_of(ours.try_exclude({1})) == errc::pinned);
  second.reset();
  CHECK(theirs.try_exclude({1}));
}

TEST_CASE("who excludes keeps others from pinning, until it ends", "[pins][file]") {
  support::Place place;
  Pins ours{place / "PINS", {}}, theirs{place / "PINS", {}};
  REQUIRE(ours.make());
  {
    auto const alone = ours.try_exclude({3});
    REQUIRE(alone);
    CHECK(code_of(theirs.pin({3})) == errc::busy);
    CHECK(code_of(theirs.try_exclude({3})) == errc::pinned);
    CHECK(theirs.pin({4}));
  }
  CHECK(theirs.pin({3}));
}

TEST_CASE("who excludes keeps its own object from pinning, too", "[pins][file]") {
  support::Place place;
  Pins pins{place / "PINS", {}};
  REQUIRE(pins.make());
  auto const alone = pins.try_exclude({3});
  REQUIRE(alone);
  CHECK(code_of(pins.pin({3})) == errc::busy);
  CHECK(code_of(pins.try_exclude({3})) == errc::pinned);
}

TEST_CASE("a hold can be moved, and outlives the object it came from", "[pins][file]") {
  support::Place place;
  Pins theirs{place / "PINS", {}};
  std::optional<Pins::Hold> kept;
  {
    Pins ours{place / "PINS", {}};
    REQUIRE(ours.make());
    auto hold = ours.pin({1});
    Pins::Hold moved{std::move(hold).value()};
    kept = std::move(moved);
  }
  CHECK(code_of(theirs.try_exclude({1})) == errc::pinned);
  Pins::Hold empty;
  empty = std::move(*kept);
  kept.reset();
  CHECK(code_of(theirs.try_exclude({1})) == errc::pinned);
  empty = Pins::Hold{};
  CHECK(theirs.try_exclude({1}));
}

TEST_CASE("pins of a process that was killed lapse", "[pins][file][process]") {
  support::Place place;
  Pins ours{place / "PINS", {}};
  REQUIRE(ours.make());
  support::Signal pinned;
  support::Child child{[&]() -> std::string {
    Pins theirs{place / "PINS", {}};
    auto const pin = theirs.pin({5});
    pinned.give();
    ::pause();
    return pin ? "" : "no pin";
  }};
  REQUIRE(pinned.wait());
  CHECK(code_of(ours.try_exclude({5})) == errc::pinned);
  child.kill();
  CHECK(ours.try_exclude({5}));
}

TEST_CASE("pinning needs only permission to read; excluding needs more", "[pins][file][process]") {
  support::Place place;
  REQUIRE(Pins(place / "PINS", {}).make());
  ::chmod((place / "PINS").c_str(), 0444);
  support::Signal pinned, done;
  support::Child child{[&]() -> std::string {
                         Pins theirs{place / "PINS", {}};
                         auto const refused = theirs.try_exclude({2});
                         if (code_of(refused) != errc::denied) return "exclude: not denied";
                         auto const pin = theirs.pin({2});
                         pinned.give();
                         if (!done.wait()) return "nobody answered";
                         return support::text_of(pin);
                       },
                       true};
  REQUIRE(pinned.wait());
  Pins ours{place / "PINS", {}};
  CHECK(code_of(ours.try_exclude({2})) == errc::pinned);
  done.give();
  CHECK(child.answer() == "");
}

TEST_CASE("a pins file that is missing, or a symlink, is an error", "[pins][file]") {
  support::Place place;
  Pins pins{place / "PINS", {}};
  CHECK(code_of(pins.pin({1})) == errc::not_found);
  support::write_file(place / "elsewhere", "");
  support::fs::create_symlink(place / "elsewhere", place / "PINS");
  CHECK(code_of(pins.pin({1})) == errc::foreign);
}

TEST_CASE("making a pins file that is there already leaves it alone", "[pins][file]") {
  support::Place place;
  Pins ours{place / "PINS", {}}, theirs{place / "PINS", {}};
  REQUIRE(ours.make());
  auto const pin = ours.pin({1});
  REQUIRE(theirs.make());
  CHECK(code_of(theirs.try_exclude({1})) == errc::pinned);
}

TEST_CASE("a failed lock leaves no hold behind", "[pins][file]") {
  support::Place place;
  support::FailingFiles files;
  hf::PinsFile<support::FailingFiles> pins{place / "PINS", files};
  REQUIRE(pins.make());
  files.calls().fail({.call = support::Call::lock});
  CHECK(code_of(pins.pin({1})) == errc::io);
  CHECK(pins.try_exclude({1}));
}

TEST_CASE("a hold that ends in a forked child does not end its parent's", "[pins][file][process]") {
  support::Place place;
  Pins ours{place / "PINS", {}};
  REQUIRE(ours.make());
  auto hold = ours.pin({4});
  REQUIRE(hold);
  CHECK(support::in_child([&]() -> std::string {
          { auto const theirs = std::move(hold).value(); }
          if (code_of(ours.pin({5})) != errc::forked) return "pin: not refused";
          return code_of(ours.try_exclude({6})) == errc::forked ? "" : "exclude: not refused";
        }) == "");
  CHECK(!others_may_drop(place / "PINS", {4}));
}

TEST_CASE("a passing failure to open a pins file does not make it read-only", "[pins][file]") {
  support::Place place;
  support::FailingFiles files;
  hf::PinsFile<support::FailingFiles> pins{place / "PINS", files};
  REQUIRE(pins.make());
  files.calls().fail({.call = support::Call::open, .number = EMFILE});
  CHECK(code_of(pins.pin({1})) == errc::too_many_files);
  CHECK(pins.pin({1}));
  CHECK(pins.try_exclude({1}));
}

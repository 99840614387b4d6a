// SPDX-License-Identifier: BSL-1.0
// Tests the register in a file where nothing fails: stores, loads, objects, processes.
#include <atomic>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "catch.hpp"
#include "holdfast/backend/file_register.hpp"
#include "places.hpp"
#include "processes.hpp"
#include "registers.hpp"
#include "test_world.hpp"

namespace {
using hf::errc, hf::FileRegister, hf::Version;
using support::code_of, support::Place, support::value_at, support::value_in, support::version_in;

}  // namespace

TEST_CASE("a file register is absent until the first store", "[register][file]") {
  Place place;
  FileRegister reg{place / "CURRENT"};
  CHECK(value_in(reg) == "(absent)");
  CHECK(reg.reopen());
  CHECK(value_in(reg) == "(absent)");
  CHECK(support::names_in(place.path()).empty());
  CHECK(!reg.store_if({1, 1}, hf::as_bytes("x")));
  REQUIRE(reg.store_if(Version::none, hf::as_bytes("one")));
  CHECK(value_in(reg) == "one");
  CHECK(value_at(place / "CURRENT") == "one");
  CHECK(code_of(reg.store_if(Version::none, hf::as_bytes("two"))) == errc::conflict);
  CHECK(value_in(reg) == "one");
}

TEST_CASE("making a file register leaves nothing but its own files", "[register][file]") {
  Place place;
  FileRegister reg{place / "CURRENT"};
  REQUIRE(reg.store_if(Version::none, hf::as_bytes("one")));
  CHECK(support::names_in(place.path()) ==
        std::vector<std::string>{"CURRENT", "CURRENT.hint", "PINS"});
  CHECK(support::fs::file_size(place / "CURRENT") == 16 * 4096);
}

TEST_CASE("a hundred stores over a ring of sixteen: each is seen by all", "[register][file]") {
  Place place;
  FileRegister reg{place / "CURRENT"}, reader{place / "CURRENT"};
  auto version = reg.store_if(Version::none, hf::as_bytes("value 0")).value();
  for (int i = 1; i <= 100; ++i) {
    auto const value = "value " + std::to_string(i);
    auto const next = reg.store_if(version, hf::as_bytes(value));
    REQUIRE(next);
    CHECK(next.value() > version);
    version = next.value();
    CHECK(value_in(reg) == value);
    CHECK(value_in(reader) == value);
    CHECK(value_at(place / "CURRENT") == value);
    CHECK(version_in(reader) == version);
  }
  CHECK(support::fs::file_size(place / "CURRENT") == 16 * 4096);
}

TEST_CASE("a store over a version that is no longer there is a conflict", "[register][file]") {
  Place place;
  FileRegister one{place / "CURRENT"}, other{place / "CURRENT"};
  auto const first = one.store_if(Version::none, hf::as_bytes("one")).value();
  auto const second = other.store_if(first, hf::as_bytes("two"));
  REQUIRE(second);
  CHECK(code_of(one.store_if(first, hf::as_bytes("late"))) == errc::conflict);
  Version const same_number{second.value().sequence, second.value().nonce + 1};
  CHECK(code_of(one.store_if(same_number, hf::as_bytes("other nonce"))) == errc::conflict);
  CHECK(value_in(one) == "two");
  CHECK(one.store_if(second.value(), hf::as_bytes("three")));
  CHECK(value_in(other) == "three");
}

TEST_CASE("reopening keeps the value, and writes nothing where it is known to be durable",
          "[register][file]") {
  Place place;
  FileRegister reg{place / "CURRENT"};
  auto const version = reg.store_if(Version::none, hf::as_bytes("kept")).value();
  auto const before = support::contents(place.path());
  for (int i = 0; i < 5; ++i) {
    REQUIRE(reg.reopen());
    FileRegister other{place / "CURRENT"};
    REQUIRE(other.reopen());
  }
  CHECK(support::contents(place.path()) == before);
  CHECK(reg.store_if(version, hf::as_bytes("next")));
}

TEST_CASE("reopening makes durable what nobody knows to be, under a greater version",
          "[register][file]") {
  Place place;
  auto version = FileRegister{place / "CURRENT"}.store_if(Version::none, hf::as_bytes("kept"));
  for (int i = 0; i < 40; ++i) {
    support::fs::remove(place / "CURRENT.hint");  // nothing else says that the newest is durable
    FileRegister reg{place / "CURRENT"};
    auto const reopened = reg.reopen();
    INFO(i << ": " << support::text_of(reopened));
    REQUIRE(reopened);
    CHECK(value_in(reg) == "kept");
    CHECK(version_in(reg) > version.value());
    version = version_in(reg);
    CHECK(value_at(place / "CURRENT") == "kept");
  }
}

TEST_CASE("values up to the limit are kept whole, larger ones refused", "[register][file]") {
  Place place;
  FileRegister reg{place / "CURRENT"};
  std::string const empty, largest(reg.max_size(), 'L'), larger(reg.max_size() + 1, 'L');
  CHECK(code_of(reg.store_if(Version::none, hf::as_bytes(larger))) == errc::too_large);
  CHECK(support::names_in(place.path()).empty());
  auto const first = reg.store_if(Version::none, hf::as_bytes(largest)).value();
  CHECK(value_at(place / "CURRENT") == largest);
  CHECK(code_of(reg.store_if(first, hf::as_bytes(larger))) == errc::too_large);
  REQUIRE(reg.store_if(first, hf::as_bytes(empty)));
  CHECK(value_at(place / "CURRENT") == "");
}

TEST_CASE("loading writes nothing and makes nothing", "[register][file]") {
  Place place;
  FileRegister reader{place / "CURRENT"};
  auto before = support::traces(place.path());
  CHECK(value_in(reader) == "(absent)");
  CHECK(support::traces(place.path()) == before);
  REQUIRE(FileRegister{place / "CURRENT"}.store_if(Version::none, hf::as_bytes("one")));
  before = support::traces(place.path());
  CHECK(value_in(reader) == "one");
  CHECK(value_at(place / "CURRENT") == "one");
  CHECK(support::traces(place.path()) == before);
}

TEST_CASE("a register is read without permission to write", "[register][file][process]") {
  Place place;
  REQUIRE(FileRegister{place / "CURRENT"}.store_if(Version::none, hf::as_bytes("one")));
  for (auto const& name : support::names_in(place.path())) {
    support::fs::permissions(place / name, support::fs::perms{0444});
  }
  support::fs::permissions(place.path(), support::fs::perms{0555});
  CHECK(support::in_unprivileged_child([&]() -> std::string {
          FileRegister reg{place / "CURRENT"};
          if (value_in(reg) != "one") return value_in(reg);
          auto const stored = reg.store_if(version_in(reg), hf::as_bytes("two"));
          if (code_of(stored) != errc::denied) return "store: " + support::text_of(stored);
          return value_in(reg) == "one" ? "" : "not one any more";
        }) == "");
}

TEST_CASE("stores of two processes follow each other", "[register][file][process]") {
  Place place;
  FileRegister{place / "CURRENT"}.store_if(Version::none, hf::as_bytes("0")).value();
  auto const count_up = [&]() -> std::string {
    FileRegister reg{place / "CURRENT"};
    for (int done = 0; done < 50;) {
      auto const seen = reg.load();
      if (!seen || !seen.value()) return "load: " + support::text_of(seen);
      auto const next = std::stoi(std::string{hf::as_text(seen.value()->value)}) + 1;
      auto const stored = reg.store_if(seen.value()->version, hf::as_bytes(std::to_string(next)));
      if (stored) {
        ++done;
      } else if (stored.error().code() != errc::conflict) {
        return "store: " + support::text_of(stored);
      }
    }
    return "";
  };
  support::Child one{count_up}, two{count_up};
  CHECK(one.answer() == "");
  CHECK(two.answer() == "");
  CHECK(value_at(place / "CURRENT") == "100");
}

TEST_CASE("stores of threads through one object follow each other", "[register][file][threads]") {
  Place place;
  FileRegister reg{place / "CURRENT"};
  reg.store_if(Version::none, hf::as_bytes("0")).value();
  std::atomic<int> errors{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 3; ++t) {
    threads.emplace_back([&] {
      for (int done = 0; done < 15;) {
        auto const seen = reg.load();
        if (!seen || !seen.value()) {
          ++errors;
          return;
        }
        auto const next = std::stoi(std::string{hf::as_text(seen.value()->value)}) + 1;
        auto const stored = reg.store_if(seen.value()->version, hf::as_bytes(std::to_string(next)));
        done += stored ? 1 : 0;
      }
    });
  }
  for (auto& thread : threads) thread.join();
  CHECK(errors == 0);
  CHECK(value_in(reg) == "45");
}

TEST_CASE("of processes that make a register at once, one wins", "[register][file][process]") {
  for (int round = 0; round < 5; ++round) {
    Place place;
    auto const make = [&](std::string const& name) {
      return [&place, name]() -> std::string {
        FileRegister reg{place / "CURRENT"};
        auto const stored = reg.store_if(Version::none, hf::as_bytes(name));
        return stored ? name : code_of(stored) == errc::conflict ? "" : support::text_of(stored);
      };
    };
    support::Child one{make("one")}, two{make("two")};
    auto const won = one.answer() + two.answer();
    CHECK((won == "one" || won == "two"));
    CHECK(value_at(place / "CURRENT") == won);
    CHECK(support::names_in(place.path()).size() == 3);
  }
}

TEST_CASE("a forked child stores nothing through an object of its parent",
          "[register][file][process]") {
  Place place;
  FileRegister reg{place / "CURRENT"};
  auto const version = reg.store_if(Version::none, hf::as_bytes("one")).value();
  auto const before = support::contents(place.path());
  CHECK(support::in_child([&]() -> std::string {
          auto const stored = reg.store_if(version, hf::as_bytes("child"));
          if (code_of(stored) != errc::forked) return "store: not refused";
          return code_of(reg.reopen()) == errc::forked ? "" : "reopen: not refused";
        }) == "");
  CHECK(support::contents(place.path()) == before);
  CHECK(reg.store_if(version, hf::as_bytes("two")));
}

TEST_CASE("what another boot wrote last counts without its hint", "[register][file]") {
  Place place;
  using Register = hf::BasicFileRegister<hf::Posix, support::TestWorld>;
  Register before{place / "CURRENT"};
  auto const first = before.store_if(Version::none, hf::as_bytes("one")).value();
  REQUIRE(before.store_if(first, hf::as_bytes("two")));
  support::fs::remove(place / "CURRENT.hint");
  Register same_boot{place / "CURRENT"};
  CHECK(value_in(same_boot) == "one");
  Register next_boot{place / "CURRENT", {}, support::TestWorld::after_boot(7)};
  CHECK(value_in(next_boot) == "two");
}

TEST_CASE("a moved register goes on where it was", "[register][file]") {
  Place place;
  FileRegister first{place / "CURRENT"};
  auto const version = first.store_if(Version::none, hf::as_bytes("one")).value();
  FileRegister moved{std::move(first)};
  CHECK(moved.store_if(version, hf::as_bytes("two")));
  CHECK(value_in(moved) == "two");
}

TEST_CASE("a register closes every file it opened", "[register][file]") {
  Place place;
  auto const before = support::open_descriptors();
  {
    FileRegister reg{place / "CURRENT"};
    auto version = reg.store_if(Version::none, hf::as_bytes("one")).value();
    for (int i = 0; i < 20; ++i) {
      version = reg.store_if(version, hf::as_bytes("next")).value();
      REQUIRE(reg.reopen());
      version = version_in(reg);
    }
    auto const pin = reg.pin({1});
    CHECK(pin);
    CHECK(support::open_descriptors() <= before + 3);
  }
  CHECK(support::open_descriptors() == before);
}

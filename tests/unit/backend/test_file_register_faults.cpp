// SPDX-License-Identifier: BSL-1.0
// Tests the register in a file where calls fail: every store has one outcome, and nothing is shown
// that a power cut could take back.
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "catch.hpp"
#include "failing_files.hpp"
#include "holdfast/backend/file_register.hpp"
#include "places.hpp"
#include "registers.hpp"
#include "test_world.hpp"

namespace {
using hf::errc, hf::Version;
using support::Call, support::code_of, support::FailingFiles, support::Place, support::value_at,
    support::value_in, support::version_in;
using Register = hf::BasicFileRegister<FailingFiles>;

// A register with the values "old", then "now", and files that can be made to fail.
struct Started {
  Place place{support::On::memory};
  FailingFiles files;
  std::string path = place / "CURRENT";
  Register reg{path, files};
  Version version = start();

  Version start() {
    auto const first = reg.store_if(Version::none, hf::as_bytes("old")).value();
    return reg.store_if(first, hf::as_bytes("now")).value();
  }
};
}  // namespace

TEST_CASE("after a failed sync the outcome is uncertain, and the object refuses to store",
          "[register][file][fault]") {
  Started s;
  s.files.calls().fail({.call = Call::sync});
  CHECK(code_of(s.reg.store_if(s.version, hf::as_bytes("next"))) == errc::uncertain);
  auto const syncs = s.files.calls().count(Call::sync);
  CHECK(code_of(s.reg.store_if(s.version, hf::as_bytes("again"))) == errc::poisoned);
  CHECK(s.files.calls().count(Call::sync) == syncs);  // never synced again and trusted
}

TEST_CASE("what was not synced is shown to nobody, though it reads back",
          "[register][file][fault]") {
  Started s;
  s.files.calls().fail({.call = Call::sync});
  REQUIRE(!s.reg.store_if(s.version, hf::as_bytes("next")));
  REQUIRE(support::read_file(s.path).find("next") != std::string::npos);
  CHECK(value_in(s.reg) == "now");
  CHECK(value_at(s.path) == "now");
}

TEST_CASE("reopening after a failed sync settles on one outcome for all",
          "[register][file][fault]") {
  Started s;
  s.files.calls().fail({.call = Call::sync});
  REQUIRE(!s.reg.store_if(s.version, hf::as_bytes("next")));
  REQUIRE(s.reg.reopen());
  auto const outcome = value_in(s.reg);
  CHECK((outcome == "now" || outcome == "next"));
  CHECK(value_at(s.path) == outcome);
  CHECK(version_in(s.reg) > s.version);
  REQUIRE(s.reg.store_if(version_in(s.reg), hf::as_bytes("after")));
  CHECK(value_at(s.path) == "after");
  CHECK(code_of(s.reg.store_if(s.version, hf::as_bytes("late"))) == errc::conflict);
}

TEST_CASE("another object that stores after a failed sync settles it first",
          "[register][file][fault]") {
  Started s;
  s.files.calls().fail({.call = Call::sync});
  REQUIRE(!s.reg.store_if(s.version, hf::as_bytes("next")));
  hf::FileRegister other{s.path};
  CHECK(code_of(other.store_if(s.version, hf::as_bytes("mine"))) == errc::conflict);
  auto const settled = value_in(other);
  CHECK((settled == "now" || settled == "next"));
  REQUIRE(other.store_if(version_in(other), hf::as_bytes("mine")));
  CHECK(value_at(s.path) == "mine");
  REQUIRE(s.reg.reopen());
  CHECK(value_in(s.reg) == "mine");
}

TEST_CASE("syncs that fail for ever never overwrite the last durable record",
          "[register][file][fault]") {
  Started s;
  s.files.calls().fail({.call = Call::sync, .times = ~std::uint64_t{0} / 2});
  bool refused = false;
  for (int i = 0; i < 40; ++i) {
    CHECK(!s.reg.store_if(s.version, hf::as_bytes("lost")));
    auto const reopened = s.reg.reopen();
    CHECK(!reopened);
    refused = refused || code_of(reopened) == errc::poisoned;
    REQUIRE(value_at(s.path) == "now");
  }
  CHECK(refused);
  s.files.calls().heal();
}

TEST_CASE("a torn write of a store leaves the value before it", "[register][file][fault]") {
  Started s;
  s.files.calls().fail({.call = Call::write, .half = true});
  CHECK(code_of(s.reg.store_if(s.version, hf::as_bytes(std::string(4000, 'x')))) ==
        errc::uncertain);
  CHECK(value_at(s.path) == "now");
  REQUIRE(s.reg.reopen());
  CHECK(value_in(s.reg) == "now");
  CHECK(s.reg.store_if(version_in(s.reg), hf::as_bytes("next")));
}

TEST_CASE("a hint that can't be written does not fail a durable store", "[register][file][fault]") {
  Started s;
  SECTION("it can't be written") {
    s.files.calls().fail({.call = Call::write, .path_has = ".hint", .times = 1000});
  }
  SECTION("it is gone and can't be made") {
    support::fs::remove(s.path + ".hint");
    s.files.calls().fail({.call = Call::create, .path_has = ".hint", .times = 1000});
  }
  auto const stored = s.reg.store_if(s.version, hf::as_bytes("next"));
  CHECK(support::text_of(stored) == "");
  CHECK(value_in(s.reg) == "next");
  auto const others = value_at(s.path);  // they can't know yet that it is durable
  CHECK((others == "now" || others == "next"));
  s.files.calls().heal();
  REQUIRE(s.reg.reopen());
  CHECK(value_at(s.path) == "next");
}

TEST_CASE("a hint that comes late takes back nothing that a rival has told",
          "[register][file][fault]") {
  Started s;
  s.files.calls().fail({.call = Call::write, .path_has = ".hint"});
  auto const ours = s.reg.store_if(s.version, hf::as_bytes("two"));
  REQUIRE(ours);
  s.files.calls().heal();
  hf::FileRegister rival{s.path};
  REQUIRE(rival.reopen());
  REQUIRE(rival.store_if(version_in(rival), hf::as_bytes("three")));
  CHECK(value_at(s.path) == "three");
  CHECK(value_in(s.reg) == "three");
  CHECK(value_at(s.path) == "three");
}

TEST_CASE("a register whose hint can never be written is opened and stored to for ever",
          "[register][file][fault]") {
  Started s;
  support::fs::remove(s.path + ".hint");
  s.files.calls().fail({.call = Call::create, .path_has = ".hint", .times = 1'000'000});
  for (int i = 0; i < 40; ++i) {
    Register reg{s.path, s.files};
    auto const reopened = reg.reopen();
    INFO(i << ": " << support::text_of(reopened));
    REQUIRE(reopened);
    CHECK(value_in(reg) == "now");
    CHECK(value_at(s.path) == "now");
  }
  Register reg{s.path, s.files};
  REQUIRE(reg.reopen());
  CHECK(reg.store_if(version_in(reg), hf::as_bytes("next")));
}

TEST_CASE("nothing is excluded while others can't be told of the newest record",
          "[register][file][fault]") {
  Started s;
  REQUIRE(s.reg.reopen());
  s.files.calls().fail({.call = Call::write, .path_has = ".hint", .times = 1000});
  REQUIRE(s.reg.store_if(s.version, hf::as_bytes("next")));
  CHECK(code_of(s.reg.try_exclude({1})) == errc::busy);
  CHECK(s.reg.pin({1}));
  s.files.calls().heal();
  CHECK(s.reg.try_exclude({1}));
  CHECK(value_at(s.path) == "next");
}

TEST_CASE("each call of a store fails once, in each way: the error tells the truth",
          "[register][file][fault]") {
  for (bool const takes_effect : {false, true}) {
    for (std::uint64_t n = 1;; ++n) {
      Started s;
      s.files.calls().fail({.first = n, .takes_effect = takes_effect});
      auto const stored = s.reg.store_if(s.version, hf::as_bytes("next"));
      if (s.files.calls().failed == 0) {
        REQUIRE(stored);
        REQUIRE(n > 5);
        break;
      }
      s.files.calls().heal();
      INFO("call " << n << (takes_effect ? " after its effect" : "") << " on "
                   << s.files.calls().last_failed << ": " << support::text_of(stored));
      auto const shown = value_at(s.path);
      if (stored && s.files.calls().last_failed.find(".hint") == std::string::npos) {
        CHECK(shown == "next");
      } else if (!stored && stored.error().code() != errc::uncertain) {
        CHECK(shown == "now");  // an error that is not `uncertain` is surely not applied
      }
      CHECK((shown == "now" || shown == "next"));
      REQUIRE(s.reg.reopen());
      auto const settled = value_in(s.reg);
      CHECK((settled == "next" || (!stored && settled == "now")));
      if (!stored && stored.error().code() != errc::uncertain) CHECK(settled == "now");
      CHECK(value_at(s.path) == settled);
      CHECK(s.reg.store_if(version_in(s.reg), hf::as_bytes("after")));
      CHECK(value_at(s.path) == "after");
    }
  }
}

TEST_CASE("each call of the first store fails once, in each way: the error tells the truth",
          "[register][file][fault]") {
  for (bool const takes_effect : {false, true}) {
    for (std::uint64_t n = 1;; ++n) {
      Place place{support::On::memory};
      FailingFiles files;
      auto const path = place / "CURRENT";
      Register reg{path, files};
      files.calls().fail({.first = n, .takes_effect = takes_effect});
      auto const stored = reg.store_if(Version::none, hf::as_bytes("first"));
      if (files.calls().failed == 0) {
        REQUIRE(stored);
        REQUIRE(n > 5);
        break;
      }
      files.calls().heal();
      INFO("call " << n << (takes_effect ? " after its effect" : "") << " on "
                   << files.calls().last_failed << ": " << support::text_of(stored));
      REQUIRE(reg.reopen());
      auto const settled = value_in(reg);
      CHECK((settled == "first" || settled == "(absent)"));
      if (stored) CHECK(settled == "first");
      if (!stored && stored.error().code() != errc::uncertain) CHECK(settled == "(absent)");
      CHECK(value_at(path) == settled);
      CHECK(reg.store_if(version_in(reg), hf::as_bytes("after")));
      CHECK(value_at(path) == "after");
      for (auto const& name : support::names_in(place.path())) {
        CHECK(name.find(".new-") == std::string::npos);
      }
    }
  }
}

TEST_CASE("each call of a reopening fails once: it can be tried again", "[register][file][fault]") {
  for (bool const takes_effect : {false, true}) {
    for (std::uint64_t n = 1;; ++n) {
      Started s;
      s.files.calls().fail({.first = n, .takes_effect = takes_effect});
      auto const reopened = s.reg.reopen();
      bool const done = s.files.calls().failed == 0;
      s.files.calls().heal();
      if (done) {
        REQUIRE(reopened);
        break;
      }
      INFO("call " << n << " on " << s.files.calls().last_failed);
      CHECK(value_at(s.path) == "now");
      REQUIRE(s.reg.reopen());
      CHECK(value_in(s.reg) == "now");
      CHECK(s.reg.store_if(version_in(s.reg), hf::as_bytes("after")));
    }
  }
}

TEST_CASE("a load whose calls fail is an error or the right value", "[register][file][fault]") {
  Started s;
  for (std::uint64_t n = 1;; ++n) {
    Register reader{s.path, s.files};
    s.files.calls().fail({.first = n});
    auto const loaded = value_in(reader);
    bool const done = s.files.calls().failed == 0;
    s.files.calls().heal();
    CHECK((loaded == "now" || loaded.starts_with("error: ")));
    if (done) break;
    CHECK(value_in(reader) == "now");
  }
}

// SPDX-License-Identifier: BSL-1.0
// Tests the register in a file that someone has damaged, deleted, replaced or restored.
#include <cstddef>
#include <string>
#include <vector>

#include "catch.hpp"
#include "holdfast/backend/file_register.hpp"
#include "places.hpp"

namespace {
using hf::errc, hf::FileRegister, hf::Version;
using support::code_of, support::Place;
namespace ring = hf::detail::ring;

// A register that has stored the values "1" to "20": the newest lies in slot 4.
struct Damaged {
  Place place;
  std::string path = place / "CURRENT";
  Version version = fill();

  Version fill() {
    FileRegister reg{path};
    auto last = Version::none;
    for (int i = 1; i <= 20; ++i) {
      last = reg.store_if(last, hf::as_bytes(std::to_string(i))).value();
    }
    return last;
  }
  [[nodiscard]] std::string value() const {
    FileRegister reg{path};
    auto const loaded = reg.load();
    if (!loaded) return std::string{hf::message(loaded.error().code())};
    if (!loaded.value()) return "(absent)";
    return std::string{hf::as_text(loaded.value()->value)};
  }
  [[nodiscard]] support::Code load() const {
    FileRegister reg{path};
    return code_of(reg.load());
  }
  // What opening to write, storing over the last version, and making it anew each answer.
  void check_refused(errc code) const {
    auto const before = support::contents(place.path());
    {
      FileRegister reg{path};
      CHECK(code_of(reg.reopen()) == code);
    }
    {
      FileRegister reg{path};
      CHECK(!reg.store_if(version, hf::as_bytes("x")));
    }
    {
      FileRegister reg{path};
      CHECK(!reg.store_if(Version::none, hf::as_bytes("x")));
    }
    CHECK(support::contents(place.path()) == before);
  }
};
}  // namespace

TEST_CASE("any byte of an old slot may be damaged without effect", "[register][file][damage]") {
  Damaged d;
  for (std::size_t slot = 0; slot < 16; ++slot) {
    if (slot == 20 % 16) continue;
    for (std::size_t const at : {0u, 8u, 17u, 40u, 57u, 64u}) {
      support::flip(d.path, slot * ring::slot_size + at);
      CHECK(d.value() == "20");
      support::flip(d.path, slot * ring::slot_size + at);
    }
  }
}

TEST_CASE("damage to the newest record is refused, never answered with an older one",
          "[register][file][damage]") {
  Damaged d;
  for (std::size_t const at : {0u, 12u, 16u, 24u, 32u, 57u, 65u}) {
    support::flip(d.path, 4 * ring::slot_size + at);
    CHECK(d.load() == errc::stale_register);
    d.check_refused(errc::stale_register);
    support::flip(d.path, 4 * ring::slot_size + at);
    CHECK(d.value() == "20");
  }
}

TEST_CASE("damage to what a rival stored last is not taken for nothing",
          "[register][file][damage]") {
  for (std::size_t const at : {0u, 8u, 16u, 17u, 24u, 57u, 64u}) {
    Damaged d;
    FileRegister ours{d.path}, rival{d.path};
    auto const version = ours.store_if(d.version, hf::as_bytes("ours")).value();
    REQUIRE(rival.store_if(version, hf::as_bytes("the rival's")));
    support::flip(d.path, 22 % 16 * ring::slot_size + at);
    INFO("byte " << at);
    CHECK(!ours.store_if(version, hf::as_bytes("over it")));
    CHECK(d.load() == errc::stale_register);
  }
}

TEST_CASE("a register whose slots are all damaged is refused", "[register][file][damage]") {
  Damaged d;
  for (std::size_t slot = 0; slot < 16; ++slot) support::flip(d.path, slot * 4096 + 70);
  for (std::size_t slot = 0; slot < 16; ++slot) support::flip(d.path, slot * 4096 + 16);
  CHECK(d.load() == errc::damaged);
  d.check_refused(errc::damaged);
  support::fs::remove(d.path + ".hint");
  CHECK(d.load() == errc::damaged);
  d.check_refused(errc::damaged);
}

TEST_CASE("a register of zeros, or with nothing in it, is refused", "[register][file][damage]") {
  for (std::size_t const size : {std::size_t{0}, std::size_t{100}, 16 * ring::slot_size}) {
    Damaged d;
    support::write_file(d.path, std::string(size, '\0'));
    CHECK(d.load() == errc::damaged);
    d.check_refused(errc::damaged);
    support::fs::remove(d.path + ".hint");
    CHECK(d.load() == errc::damaged);
  }
}

TEST_CASE("a register cut short is refused, or still has its newest record",
          "[register][file][damage]") {
  Damaged const d;
  auto const whole = support::read_file(d.path);
  for (std::size_t size = 0; size < whole.size(); size += 2048) {
    support::write_file(d.path, whole.substr(0, size));
    auto const value = d.value();
    INFO(size << ": " << value);
    if (size >= 5 * ring::slot_size) {
      CHECK(value == "20");
    } else {
      CHECK((d.load() == errc::stale_register || d.load() == errc::damaged));
    }
  }
}

TEST_CASE("a register that was deleted is lost, not absent", "[register][file][damage]") {
  Damaged d;
  support::fs::remove(d.path);
  CHECK(d.load() == errc::register_lost);
  d.check_refused(errc::register_lost);
}

TEST_CASE("a register deleted under an open object is lost to it", "[register][file][damage]") {
  Damaged d;
  FileRegister reg{d.path};
  REQUIRE(reg.reopen());
  auto const version = reg.load().value()->version;
  support::fs::remove(d.path);
  CHECK(code_of(reg.load()) == errc::register_lost);
  CHECK(code_of(reg.store_if(version, hf::as_bytes("x"))) == errc::register_lost);
  CHECK(!support::fs::exists(d.path));
}

TEST_CASE("an older copy of a register put back is stale", "[register][file][damage]") {
  Damaged d;
  auto const older = support::read_file(d.path);
  FileRegister reg{d.path};
  REQUIRE(reg.store_if(d.version, hf::as_bytes("21")));
  SECTION("written over it") {
    support::write_file(d.path, older);
  }
  SECTION("moved in its place") {
    support::write_file(d.path + ".copy", older);
    support::fs::rename(d.path + ".copy", d.path);
  }
  CHECK(code_of(reg.load()) == errc::stale_register);
  CHECK(!reg.store_if(d.version, hf::as_bytes("x")));
  CHECK(d.load() == errc::stale_register);
  d.check_refused(errc::stale_register);
}

TEST_CASE("an older copy put back into its own object is noticed without the hint",
          "[register][file][damage]") {
  Damaged d;
  auto const older = support::read_file(d.path);
  FileRegister reg{d.path};
  auto const next = reg.store_if(d.version, hf::as_bytes("21")).value();
  support::write_file(d.path, older);
  support::fs::remove(d.path + ".hint");
  CHECK(!reg.store_if(d.version, hf::as_bytes("x")));
  CHECK(!reg.store_if(next, hf::as_bytes("x")));
}

TEST_CASE("what an object synced itself counts also after it was opened again",
          "[register][file][damage]") {
  Damaged d;
  auto const older = support::read_file(d.path);
  FileRegister reg{d.path};
  REQUIRE(reg.store_if(d.version, hf::as_bytes("21")));
  SECTION("an older copy without a hint") {
    support::write_file(d.path, older);
    support::fs::remove(d.path + ".hint");
    CHECK(code_of(reg.reopen()) == errc::stale_register);
  }
  SECTION("neither register nor hint") {
    support::fs::remove(d.path);
    support::fs::remove(d.path + ".hint");
    CHECK(code_of(reg.reopen()) == errc::register_lost);
    CHECK(!reg.store_if(Version::none, hf::as_bytes("1")));
    CHECK(!support::fs::exists(d.path));
  }
}

TEST_CASE("a register of another home in its place is stale", "[register][file][damage]") {
  Damaged d;
  Damaged const other;
  support::write_file(d.path, support::read_file(other.path));
  CHECK(d.load() == errc::stale_register);
  d.check_refused(errc::stale_register);
}

TEST_CASE("a register of a newer format is refused and left as it is", "[register][file][damage]") {
  Damaged d;
  auto content = support::read_file(d.path);
  auto const slot = hf::bytes_span{reinterpret_cast<std::byte*>(content.data()) + 5 * 4096, 4096};
  ring::encode({{21, 1}, 20, {}, {}}, slot.first<4096>());
  hf::put_le(slot, ring::at::form, ring::format + 1);
  hf::put_le(slot, ring::at::crc, ring::crc_of(slot, 0));
  support::write_file(d.path, content);
  CHECK(d.load() == errc::newer_format);
  d.check_refused(errc::newer_format);
}

TEST_CASE("a damaged hint is as none; a hint of a newer record makes the ring stale",
          "[register][file][damage]") {
  Damaged d;
  auto const hint = support::read_file(d.path + ".hint");
  for (std::size_t const size : {std::size_t{0}, hint.size() / 2}) {
    support::write_file(d.path + ".hint", hint.substr(0, size));
    CHECK(d.value() == "19");  // the newest that another record confirms
  }
  support::write_file(d.path + ".hint", hint + "more");
  CHECK(d.value() == "19");
  support::write_file(d.path + ".hint", hint);
  support::flip(d.path + ".hint", 20);
  CHECK(d.value() == "19");
  FileRegister reg{d.path};
  REQUIRE(reg.reopen());
  CHECK(d.value() == "20");
  CHECK(support::read_file(d.path + ".hint").size() == hint.size());
}

TEST_CASE("a hint deleted under a writer is made again by its next store",
          "[register][file][damage]") {
  Damaged d;
  FileRegister reg{d.path};
  auto const next = reg.store_if(d.version, hf::as_bytes("21")).value();
  support::fs::remove(d.path + ".hint");
  REQUIRE(reg.store_if(next, hf::as_bytes("22")));
  CHECK(d.value() == "22");
}

TEST_CASE("a symlink, a directory or a device in place of a register is refused",
          "[register][file][damage]") {
  Damaged d;
  auto const real = d.place / "real";
  support::fs::rename(d.path, real);
  auto const before = support::read_file(real);
  SECTION("symlink to the register") {
    support::fs::create_symlink(real, d.path);
    CHECK(d.load() == errc::foreign);
  }
  SECTION("dangling symlink") {
    support::fs::create_symlink(d.place / "nowhere", d.path);
    CHECK(d.load() == errc::foreign);
  }
  SECTION("directory") {
    support::fs::create_directory(d.path);
    CHECK(d.load().code);
  }
  SECTION("a file too large to be one") {
    support::fs::copy_file("/proc/self/exe", d.path);
    CHECK(d.load().code);
  }
  FileRegister reg{d.path};
  CHECK(!reg.reopen());
  CHECK(!reg.store_if(d.version, hf::as_bytes("x")));
  CHECK(!reg.store_if(Version::none, hf::as_bytes("x")));
  CHECK(support::read_file(real) == before);
  CHECK(!support::fs::exists(d.place / "nowhere"));
}

TEST_CASE("a symlink in place of a hint is not followed", "[register][file][damage]") {
  Damaged d;
  support::fs::rename(d.path + ".hint", d.place / "real");
  support::fs::create_symlink(d.place / "real", d.path + ".hint");
  auto const before = support::read_file(d.place / "real");
  CHECK(d.load() == errc::foreign);
  FileRegister reg{d.path};
  static_cast<void>(reg.store_if(d.version, hf::as_bytes("x")));
  CHECK(support::read_file(d.place / "real") == before);
}

TEST_CASE("what a creator that crashed has left is removed by the next to open",
          "[register][file][damage]") {
  Damaged d;
  support::write_file(d.path + ".new-123", "half");
  support::fs::create_hard_link(d.path, d.path + ".new-456");
  support::write_file(d.place / "CURRENT.news", "not ours");
  support::write_file(d.path + ".new-backup", "not ours");
  support::fs::create_directory(d.path + ".new-789");
  FileRegister reg{d.path};
  REQUIRE(reg.reopen());
  CHECK(support::names_in(d.place.path()) ==
        std::vector<std::string>{"CURRENT", "CURRENT.hint", "CURRENT.new-789", "CURRENT.new-backup",
                                 "CURRENT.news", "PINS"});
  CHECK(d.value() == "20");
}

TEST_CASE("a register in a folder that is missing is absent; its making says what is missing",
          "[register][file]") {
  Place place;
  FileRegister reg{place / "no/such/CURRENT"};
  CHECK(reg.load().value() == std::nullopt);
  auto const stored = reg.store_if(Version::none, hf::as_bytes("x"));
  CHECK(code_of(stored) == errc::not_found);
}

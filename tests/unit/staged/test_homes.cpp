// SPDX-License-Identifier: BSL-1.0
// Tests a staged home in a folder: restarts, outside names, and what is refused untouched.
#include <string>
#include <utility>
#include <vector>

#include "catch.hpp"
#include "file_home.hpp"

namespace {
using hf::errc, hf::Generation;
using support::code_of, support::commit_files, support::commit_some, support::contents,
    support::FileHome, support::shown_files;
using Numbers = std::vector<std::uint64_t>;

// Opening is refused with `code`, and every byte but the lock's is as before.
void check_refused(FileHome const& home, errc code) {
  auto before = contents(home.path);
  for (int again = 0; again < 2; ++again) {
    CHECK(code_of(home.open()) == code);
    auto after = contents(home.path);
    after["LOCK"] = before["LOCK"];
    bool const untouched = after == before;
    CHECK(untouched);
  }
}
}  // namespace

TEST_CASE("a home in a folder lives on over restarts", "[staged][home]") {
  FileHome const home;
  for (int i = 1; i <= 5; ++i) {
    auto db = home.open();
    REQUIRE(db);
    auto const before =
        i == 1 ? std::string{hf::message(errc::no_generation)} : std::to_string(i - 1);
    CHECK(shown_files(db.value()) == before);
    REQUIRE(commit_files(db.value(), std::to_string(i), {{"n", static_cast<std::uint64_t>(i)}}));
    CHECK(shown_files(db.value()) == std::to_string(i));
  }
  CHECK(home.in_store("keys") == Numbers{4, 5});
  CHECK(home.in_store("stats") == Numbers{4, 5});
  auto follower = home.follow();
  REQUIRE(follower);
  CHECK(shown_files(follower.value()) == "5");
  CHECK(follower.value().view().value().marks() == hf::Marks{{"n", 5}});
}

TEST_CASE("the outside names give the current generation right after commit and revert",
          "[staged][home]") {
  FileHome const home;
  auto db = home.open().value();
  auto const published = [&](std::string const& store) {
    return support::fs::read_symlink(home / (store + "/current")).string();
  };
  REQUIRE(commit_files(db, "one"));
  CHECK(published("keys") == "0000000001");
  REQUIRE(commit_files(db, "two"));
  CHECK(published("keys") == "0000000002");
  CHECK(published("stats") == "0000000002");
  CHECK(support::read_file(home / "keys/current/value") == "two");
  auto const back = db.revert({1});
  REQUIRE(back);
  CHECK(!back.value().housekeeping);
  CHECK(published("keys") == "0000000001");
  CHECK(published("stats") == "0000000001");
}

TEST_CASE("a published generation outlives its name for the grace that foreign readers get",
          "[staged][home]") {
  FileHome home;
  home.options = {.retain = 1, .publish_grace_ms = 60'000};
  auto db = home.open().value();
  REQUIRE(commit_files(db, "one"));
  REQUIRE(commit_files(db, "two"));
  CHECK(home.in_store("keys") == Numbers{1, 2});
  REQUIRE(db.collect());
  CHECK(home.in_store("keys") == Numbers{1, 2});
  home.world.shift_wall(30'000);
  REQUIRE(db.collect());
  CHECK(home.in_store("keys") == Numbers{1, 2});
  home.world.shift_wall(31'000);
  REQUIRE(db.collect());
  CHECK(home.in_store("keys") == Numbers{2});
}

TEST_CASE("a clock that went back ends the grace, and nothing is kept for ever", "[staged][home]") {
  FileHome home;
  home.options = {.retain = 1, .publish_grace_ms = 60'000};
  auto db = home.open().value();
  REQUIRE(commit_files(db, "one"));
  REQUIRE(commit_files(db, "two"));
  home.world.shift_wall(-3'600'000);
  REQUIRE(db.collect());
  CHECK(home.in_store("keys") == Numbers{2});
}

TEST_CASE("generations that the record does not list are reported and left alone",
          "[staged][home]") {
  FileHome const home;
  commit_some(home, 5);
  support::fs::create_directory(home.folder("keys", 2));
  support::write_file(home.folder("keys", 2) + "/precious", "data");
  auto db = home.open().value();
  CHECK(db.status().value().foreign == std::vector<Generation>{{2}});
  CHECK(!home.world.all(hf::Event::Kind::foreign).empty());
  for (int i = 6; i <= 9; ++i) REQUIRE(commit_files(db, std::to_string(i)));
  REQUIRE(db.collect());
  REQUIRE(db.recover());
  CHECK(support::read_file(home.folder("keys", 2) + "/precious") == "data");
  CHECK(home.in_store("keys") == Numbers{2, 8, 9});
}

TEST_CASE("things in a home that are not ours are left alone", "[staged][home]") {
  FileHome const home;
  commit_some(home, 1);
  support::write_file(home / "notes.txt", "mine");
  support::write_file(home / "keys/notes.txt", "mine");
  support::fs::create_directory(home / "keys/backup");
  support::write_file(home / "keys/backup/1", "mine");
  commit_some(home, 5);
  CHECK(support::read_file(home / "notes.txt") == "mine");
  CHECK(support::read_file(home / "keys/notes.txt") == "mine");
  CHECK(support::read_file(home / "keys/backup/1") == "mine");
}

TEST_CASE("a generation above what the record could have made: the register is stale",
          "[staged][home]") {
  FileHome const home;
  commit_some(home, 2);
  for (std::uint64_t const g : {3u, 4u, 900u}) {
    support::fs::create_directory(home.folder("stats", g));
    support::write_file(home.folder("stats", g) + "/precious", "data");
    check_refused(home, errc::stale_register);
    CHECK(shown_files(home.follow().value()) == "2");
    support::fs::remove_all(home.folder("stats", g));
  }
  CHECK(home.open());
}

TEST_CASE("a generation that appears while the home is open is never dropped", "[staged][home]") {
  FileHome const home;
  auto db = home.open().value();
  REQUIRE(commit_files(db, "1"));
  auto const precious_file = home.folder("keys", 2) + "/precious";
  support::fs::create_directory(home.folder("keys", 2));
  support::write_file(precious_file, "data");
  CHECK(!db.stage());
  CHECK(support::fs::exists(precious_file));
  CHECK(!db.stage());
  CHECK(!db.recover());
  CHECK(!home.open());
  CHECK(support::fs::exists(precious_file));
  CHECK(shown_files(db) == "1");
}

TEST_CASE("a register that was deleted, hint and all, is lost: nothing is touched",
          "[staged][home]") {
  FileHome const home;
  commit_some(home, 3);
  support::fs::remove(home / "CURRENT");
  check_refused(home, errc::register_lost);
  CHECK(code_of(home.follow()) == errc::register_lost);
  support::fs::remove(home / "CURRENT.hint");
  check_refused(home, errc::register_lost);
}

TEST_CASE("a register replaced by an older copy of itself is refused, nothing is touched",
          "[staged][home]") {
  FileHome const home;
  commit_some(home, 2);
  auto const older = support::read_file(home / "CURRENT");
  commit_some(home, 2);
  support::write_file(home / "CURRENT", older);
  check_refused(home, errc::stale_register);
  support::fs::remove(home / "CURRENT.hint");  // now the stores alone tell
  auto const keys = contents(home / "keys"), stats = contents(home / "stats");
  CHECK(code_of(home.open()) == errc::stale_register);
  CHECK(code_of(home.open()) == errc::stale_register);
  bool const untouched = contents(home / "keys") == keys && contents(home / "stats") == stats;
  CHECK(untouched);
}

TEST_CASE("a register that is damaged, of a newer format or not one at all is refused",
          "[staged][home]") {
  FileHome const home;
  commit_some(home, 2);
  SECTION("every slot damaged") {
    auto content = support::read_file(home / "CURRENT");
    for (std::size_t slot = 0; slot < 16; ++slot) content[slot * 4096 + 66] ^= 1;
    support::write_file(home / "CURRENT", content);
    for (int slot = 0; slot < 16; ++slot) content[static_cast<std::size_t>(slot) * 4096 + 17] ^= 1;
    support::write_file(home / "CURRENT", content);
    check_refused(home, errc::damaged);
    support::fs::remove(home / "CURRENT.hint");
    check_refused(home, errc::damaged);
  }
  SECTION("empty") {
    support::write_file(home / "CURRENT", "");
    check_refused(home, errc::damaged);
  }
  SECTION("a symlink to another home's") {
    support::fs::rename(home / "CURRENT", home.place / "elsewhere");
    support::fs::create_symlink(home.place / "elsewhere", home / "CURRENT");
    check_refused(home, errc::foreign);
  }
  SECTION("a newer manifest") {
    support::fs::remove(home / "CURRENT");
    support::fs::remove(home / "CURRENT.hint");
    auto reg = home.reg();
    REQUIRE(
        reg.store_if(hf::Version::none, hf::as_bytes("holdfast-manifest 2\nwhat it will be\n")));
    auto const db = home.open();
    CHECK(code_of(db) == errc::newer_format);
    CHECK(code_of(home.follow()) == errc::newer_format);
    CHECK(home.in_store("keys") == Numbers{1, 2});
  }
  SECTION("no manifest") {
    support::fs::remove(home / "CURRENT");
    support::fs::remove(home / "CURRENT.hint");
    auto reg = home.reg();
    REQUIRE(reg.store_if(hf::Version::none, hf::as_bytes("something else")));
    CHECK(code_of(home.open()) == errc::damaged);
    CHECK(home.in_store("keys") == Numbers{1, 2});
  }
}

TEST_CASE("a home opened with other parts is refused, nothing is touched", "[staged][home]") {
  FileHome home;
  commit_some(home, 2);
  home.names = {"keys", "other"};
  check_refused(home, errc::foreign);
  home.names = {"stats", "keys"};  // the order counts: a view gives the parts by their place
  check_refused(home, errc::foreign);
  home.names = {"keys", "stats"};
  CHECK(shown_files(home.open().value()) == "2");
}

TEST_CASE("a view of a part that the home does not have is an error", "[staged][home]") {
  FileHome home;
  commit_some(home, 2);
  home.names = {"keys", "other"};
  auto const follower = home.follow();
  CHECK((!follower || !follower.value().view()));
  CHECK(!support::fs::exists(home / "other"));
}

TEST_CASE("a current generation that can't be opened is told, and may be reverted",
          "[staged][home]") {
  FileHome const home;
  commit_some(home, 2);
  auto const file = home.folder("stats", 2) + "/SEAL";
  support::flip(file, 3);
  auto db = home.open();
  REQUIRE(db);
  CHECK(!db.value().view());
  CHECK(db.value().status().value().trouble);
  REQUIRE(db.value().revert({1}));
  CHECK(shown_files(db.value()) == "1");
  CHECK(!db.value().status().value().trouble);
  CHECK(commit_files(db.value(), "3"));
}

TEST_CASE("a retained generation that is missing can't be reverted to; the current one serves on",
          "[staged][home]") {
  FileHome const home;
  commit_some(home, 2);
  support::fs::remove_all(home.folder("keys", 1));
  auto db = home.open().value();
  CHECK(!db.revert({1}));
  CHECK(shown_files(db) == "2");
  CHECK(commit_files(db, "3"));
}

TEST_CASE("a crash during a build leaves the generation before it, and no remains",
          "[staged][home]") {
  FileHome const home;
  commit_some(home, 1);
  auto const copy = home.place / "crashed";
  {
    auto db = home.open().value();
    auto stage = db.stage().value();
    REQUIRE(support::fill(stage, "unseen"));
    support::fs::copy(home.path, copy, support::fs::copy_options::recursive);
  }
  support::fs::remove_all(home.path);
  support::fs::rename(copy, home.path);
  REQUIRE(home.in_store("keys") == Numbers{1, 2});
  auto db = home.open();
  REQUIRE(db);
  CHECK(shown_files(db.value()) == "1");
  CHECK(home.in_store("keys") == Numbers{1});
  CHECK(home.in_store("stats") == Numbers{1});
  CHECK(home.world.all(hf::Event::Kind::recovered).size() == 1);
  CHECK(commit_files(db.value(), "3").value().generation == Generation{3});
}

TEST_CASE("two objects on one home of files: the second is told who builds", "[staged][home]") {
  FileHome const home;
  auto one = home.open().value(), other = home.open().value();
  auto const stage = one.stage();
  REQUIRE(stage);
  auto const refused = other.stage();
  CHECK(code_of(refused) == errc::busy);
  auto const pid = std::to_string(home.world.self().pid);
  CHECK(support::text_of(refused).find("pid " + pid) != std::string::npos);
  CHECK(other.status().value().holder->token == stage.value().token());
}

TEST_CASE("the short way to open a home makes what is missing and can be opened again",
          "[staged][home]") {
  support::Place const place;
  auto const home = place / "made/on/the/way";
  {
    auto db = hf::open_staged(home, hf::DirectoryStore{"keys"}, hf::DirectoryStore{"stats"});
    REQUIRE(db);
    REQUIRE(commit_files(db.value(), "one"));
  }
  auto db = hf::open_staged(home, hf::StagedOptions{.retain = 3}, hf::DirectoryStore{"keys"},
                            hf::DirectoryStore{"stats"});
  REQUIRE(db);
  CHECK(shown_files(db.value()) == "one");
  CHECK(!support::read_file(home + "/README.txt").empty());
  auto follower = hf::open_view(home, hf::DirectoryStore{"keys"}, hf::DirectoryStore{"stats"});
  REQUIRE(follower);
  CHECK(shown_files(follower.value()) == "one");
}

TEST_CASE("with one store a view is its reader, not a tuple", "[staged][home]") {
  support::Place const place;
  auto db = hf::open_staged(place / "home", hf::DirectoryStore{"files"}).value();
  auto stage = db.stage().value();
  REQUIRE(stage.writer().put("a", hf::as_bytes("x")));
  REQUIRE(std::move(stage).seal().value().commit());
  auto const view = db.view();
  REQUIRE(view);
  CHECK(hf::as_text((*view.value()).get("a").value()) == "x");
  CHECK(view.value()->names() == std::vector<std::string>{"a"});
}

TEST_CASE("a home whose path is a file, or has no parent that may be made, is an error",
          "[staged][home]") {
  support::Place const place;
  support::write_file(place / "file", "x");
  CHECK(!hf::open_staged(place / "file", hf::DirectoryStore{"files"}));
  CHECK(!hf::open_staged(place / "file/below", hf::DirectoryStore{"files"}));
  CHECK(!hf::open_view(place / "file", hf::DirectoryStore{"files"}));
  CHECK(support::read_file(place / "file") == "x");
  std::string const too_long(300, 'n');
  CHECK(code_of(hf::open_staged(place / too_long, hf::DirectoryStore{"files"})) == errc::invalid);
}

TEST_CASE("two stores of one name are refused before anything is made", "[staged][home]") {
  support::Place const place;
  CHECK(code_of(hf::open_staged(place / "home", hf::DirectoryStore{"a"},
                                hf::DirectoryStore{"a"})) == errc::invalid);
  CHECK(!support::fs::exists(place / "home/a"));
  CHECK(!support::fs::exists(place / "home/CURRENT"));
}

TEST_CASE("a home closes every file that it opened", "[staged][home]") {
  FileHome const home;
  auto const before = support::open_descriptors();
  {
    auto db = home.open().value();
    for (int i = 0; i < 6; ++i) REQUIRE(commit_files(db, std::to_string(i)));
    auto follower = home.follow().value();
    auto const many = support::open_descriptors();
    for (int i = 0; i < 6; ++i) {
      REQUIRE(commit_files(db, std::to_string(i)));
      REQUIRE(follower.refresh());
      auto const stage = db.stage();
      CHECK(db.status());
    }
    CHECK(support::open_descriptors() <= many);
  }
  CHECK(support::open_descriptors() == before);
}

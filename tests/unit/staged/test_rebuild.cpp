// SPDX-License-Identifier: BSL-1.0
// Tests the record of a home that is lost and made again: what is proposed, what is refused, what
// stays, and a crash between any two steps.
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "catch.hpp"
#include "file_home.hpp"
#include "processes.hpp"

namespace {
using hf::errc, hf::Generation;
using support::code_of, support::commit_files, support::commit_some, support::contents,
    support::FileHome, support::shown_files;
using Numbers = std::vector<std::uint64_t>;
using Rebuilder = hf::detail::Rebuilder<FileHome::Store, support::FailingFiles, support::TestWorld>;

Rebuilder rebuilder(FileHome const& home) {
  return {home.path, home.store(), home.files, home.world};
}
hf::RebuildPlan plan_of(FileHome const& home) {
  return rebuilder(home).plan().value();
}
hf::result<hf::Rebuilt> rebuild(FileHome const& home, std::uint64_t g) {
  auto const plan = plan_of(home);
  REQUIRE(plan.find({g}) != nullptr);
  return rebuilder(home).rebuild(*plan.find({g}), {});
}
std::uint64_t commit_one(FileHome const& home, std::string const& text) {
  auto db = home.open().value();
  return commit_files(db, text).value().generation.number;
}
// Builds the second part alone, with the same text.
void commit_stats_alone(FileHome const& home, std::string const& text) {
  auto db = home.open().value();
  auto stage = db.stage(hf::only<1>).value();
  REQUIRE(std::get<0>(stage.writer()).put("deep/er/value", hf::as_bytes(text)));
  REQUIRE(std::move(stage).seal().value().commit());
}
void lose(FileHome const& home) {
  support::fs::remove(home / "CURRENT");
  support::fs::remove(home / "CURRENT.hint");
}
void unname(FileHome const& home) {
  support::fs::remove(home / "keys/current");
  support::fs::remove(home / "stats/current");
}
void name_as(FileHome const& home, std::string const& part, std::string const& folder) {
  support::fs::remove(home / (part + "/current"));
  support::fs::create_symlink(folder, home / (part + "/current"));
}
Numbers numbers(std::vector<hf::RebuildCandidate> const& all) {
  Numbers out;
  for (auto const& each : all) out.push_back(each.generation.number);
  return out;
}
std::uint64_t proposed(hf::RebuildPlan const& plan) {
  return plan.proposal() == nullptr ? 0 : plan.proposal()->generation.number;
}
bool says(std::string const& text, std::string const& part) {
  return text.find(part) != std::string::npos;
}
std::string all_slots_damaged(std::string content) {
  for (std::size_t slot = 0; slot < 16; ++slot) content[slot * 4096 + 70] ^= 1;
  return content;
}
}  // namespace

TEST_CASE("a home with a record that can be used is planned as such, and left alone",
          "[staged][rebuild]") {
  FileHome const home;
  commit_some(home, 3);
  auto const plan = plan_of(home);
  CHECK(!plan.trouble);
  REQUIRE(plan.record);
  CHECK(plan.record->current == Generation{3});
  CHECK(proposed(plan) == 3);
  CHECK(numbers(plan.candidates) == Numbers{3, 2});
  auto before = contents(home.path);
  CHECK(code_of(rebuilder(home).rebuild(*plan.find({2}), {})) == errc::exists);
  auto after = contents(home.path);
  after["LOCK"] = before["LOCK"];
  CHECK((after == before));
  // Unless it is asked for.
  auto const forced = rebuilder(home).rebuild(*plan.find({2}), {.replace_usable = true});
  REQUIRE(forced);
  CHECK(shown_files(home.open().value()) == "2");
}

TEST_CASE("a plan writes nothing, and needs no permission to write", "[staged][rebuild]") {
  FileHome const home;
  commit_some(home, 3);
  lose(home);
  auto const before = support::traces(home.path);
  CHECK(proposed(plan_of(home)) == 3);
  CHECK(support::in_unprivileged_child([&] { return std::to_string(proposed(plan_of(home))); }) ==
        "3");
  CHECK((support::traces(home.path) == before));
}

TEST_CASE("whatever the record suffered, the published generation is proposed and serves again",
          "[staged][rebuild]") {
  FileHome const home;
  commit_some(home, 2);
  auto const older = support::read_file(home / "CURRENT");
  commit_some(home, 3);
  auto const record = support::read_file(home / "CURRENT");
  auto const fence = home.open().value().status().value().manifest->fence;
  std::optional<errc> trouble;
  bool readable = true;
  std::vector<std::string> aside{"CURRENT.replaced-1", "CURRENT.hint.replaced-1"};
  SECTION("CURRENT deleted") {
    support::fs::remove(home / "CURRENT");
    trouble = errc::register_lost;
    readable = false;
    aside = {"CURRENT.hint.replaced-1"};
  }
  SECTION("CURRENT and its hint deleted") {
    lose(home);
    trouble = errc::register_lost;
    readable = false;
    aside = {};
  }
  SECTION("truncated") {
    support::write_file(home / "CURRENT", record.substr(0, 1000));
    trouble = errc::damaged;
    readable = false;
  }
  SECTION("every slot damaged") {
    support::write_file(home / "CURRENT", all_slots_damaged(record));
    trouble = errc::damaged;
    readable = false;
  }
  SECTION("an older copy") {
    support::write_file(home / "CURRENT", older);
    trouble = errc::stale_register;
  }
  SECTION("an older copy, and no hint") {
    support::write_file(home / "CURRENT", older);
    support::fs::remove(home / "CURRENT.hint");
    trouble = errc::stale_register;
    aside = {"CURRENT.replaced-1"};
  }
  SECTION("a symlink to another home's") {
    support::fs::rename(home / "CURRENT", home.place / "elsewhere");
    support::fs::create_symlink(home.place / "elsewhere", home / "CURRENT");
    trouble = errc::foreign;
    readable = false;
  }
  auto const plan = plan_of(home);
  REQUIRE(plan.trouble);
  CHECK(plan.trouble->code() == *trouble);
  CHECK(plan.record.has_value() == readable);
  CHECK(proposed(plan) == 5);
  CHECK(says(plan.why, "committed"));
  CHECK(plan.next == 6);
  CHECK(plan.proposal()->parts[0].found.value() == hf::Verified::digests);

  auto const rebuilt = rebuild(home, 5);
  REQUIRE(rebuilt);
  CHECK(rebuilt.value().moved_aside == aside);
  for (auto const& name : aside) CHECK(support::fs::exists(home / name));
  CHECK(rebuilt.value().fence > fence);
  auto db = home.open().value();
  CHECK(shown_files(db) == "3");
  CHECK(db.view().value().marks().empty());
  auto const status = db.status().value();
  CHECK(status.manifest->retained.size() == 1);
  CHECK(status.foreign == std::vector<Generation>{{4}});
  CHECK(code_of(db.revert({4})) == errc::not_retained);
  CHECK(commit_files(db, "six").value().generation == Generation{6});
  CHECK(home.in_store("keys") == Numbers{4, 5, 6});
}

TEST_CASE("a hint without stores is nothing to rebuild from", "[staged][rebuild]") {
  FileHome const home;
  commit_some(home, 1);
  support::fs::remove(home / "CURRENT");
  support::fs::remove_all(home / "keys");
  support::fs::remove_all(home / "stats");
  auto const plan = plan_of(home);
  CHECK(plan.trouble->code() == errc::register_lost);
  CHECK(!plan.proposed);
  CHECK(says(plan.why, "backup"));
}

TEST_CASE("a place without a home, and stores that are not the home's, are refused",
          "[staged][rebuild]") {
  FileHome home;
  CHECK(code_of(rebuilder(home).plan()) == errc::not_found);
  commit_some(home, 1);
  home.names = {"stats", "keys"};
  CHECK(code_of(rebuilder(home).plan()) == errc::foreign);
}

TEST_CASE("only what is whole in every part is a candidate", "[staged][rebuild]") {
  FileHome home;
  home.options.retain = 4;
  commit_some(home, 4);
  lose(home);
  std::string what;
  errc found = errc::damaged;
  SECTION("no SEAL") {
    support::fs::remove(home.folder("stats", 4) + "/SEAL");
    found = errc::unsealed;
  }
  SECTION("a damaged SEAL") {
    support::flip(home.folder("stats", 4) + "/SEAL", 20);
  }
  SECTION("a damaged file") {
    support::flip(home.folder("stats", 4) + "/deep/er/value", 0);
  }
  SECTION("a missing file") {
    support::fs::remove(home.folder("stats", 4) + "/deep/er/value");
  }
  SECTION("a file too many") {
    support::write_file(home.folder("stats", 4) + "/more", "x");
  }
  SECTION("no folder") {
    support::fs::remove_all(home.folder("stats", 4));
    found = errc::not_found;
  }
  auto const plan = plan_of(home);
  CHECK(numbers(plan.candidates) == Numbers{3, 2, 1});
  REQUIRE(numbers(plan.broken) == Numbers{4});
  CHECK(plan.broken[0].parts[0].found);
  CHECK(code_of(plan.broken[0].parts[1].found) == found);
  CHECK(proposed(plan) == 3);
  CHECK(says(plan.why, "names give generation 4, which is not whole"));
  CHECK(says(plan.why, "nothing says that it was ever committed"));
  CHECK(code_of(rebuilder(home).rebuild(plan.broken[0], {})) == found);
  CHECK(code_of(home.open()) == errc::register_lost);
  REQUIRE(rebuild(home, 3));
  CHECK(shown_files(home.open().value()) == "3");
  CHECK(commit_one(home, "5") == 5);
}

TEST_CASE("a part's folder that is gone leaves no candidate", "[staged][rebuild]") {
  FileHome const home;
  commit_some(home, 2);
  lose(home);
  support::fs::remove_all(home / "keys");
  auto const plan = plan_of(home);
  CHECK(plan.candidates.empty());
  CHECK(numbers(plan.broken) == Numbers{2, 1});
  CHECK(code_of(plan.broken[0].parts[0].found) == errc::not_found);
}

TEST_CASE("a name that lags is believed, and the newer whole one is told", "[staged][rebuild]") {
  FileHome const home;
  commit_some(home, 3);
  lose(home);
  name_as(home, "keys", "0000000002");
  name_as(home, "stats", "0000000002");
  auto const plan = plan_of(home);
  CHECK(proposed(plan) == 2);
  CHECK(says(plan.why, "generation 3 is whole too and newer"));
  // One name of two was moved: a commit of 3 had begun to publish.
  name_as(home, "keys", "0000000003");
  CHECK(proposed(plan_of(home)) == 3);
}

TEST_CASE("without outside names the newest whole one is a guess, unless a record lists it",
          "[staged][rebuild]") {
  FileHome const home;
  commit_some(home, 3);
  unname(home);
  auto const record = support::read_file(home / "CURRENT");
  auto const hint = support::read_file(home / "CURRENT.hint");
  lose(home);
  auto const guess = plan_of(home);
  CHECK(proposed(guess) == 3);
  CHECK(!guess.proposal()->recorded);
  CHECK(says(guess.why, "nothing says that it was ever committed"));
  support::write_file(home / "CURRENT.replaced-1", record);
  CHECK(!plan_of(home).proposal()->recorded);  // without its hint it may not have been durable
  support::write_file(home / "CURRENT.hint.replaced-1", hint);
  auto const known = plan_of(home);
  CHECK(known.proposal()->recorded);
  CHECK(says(known.why, "an old record lists it"));
}

TEST_CASE("a commit that was never durable is no proof, but its numbers are not given out again",
          "[staged][rebuild]") {
  FileHome const home;
  commit_some(home, 2);
  {
    auto db = home.open().value();
    auto stage = db.stage().value();
    REQUIRE(support::fill(stage, "3"));
    auto ready = std::move(stage).seal().value();
    home.files.calls().fail({.call = support::Call::sync, .path_has = "CURRENT", .times = 999});
    CHECK(code_of(std::move(ready).commit()) == errc::uncertain);
  }
  home.files.calls().heal();
  unname(home);
  bool const moved = GENERATE(false, true);
  if (moved) {
    for (std::string const record : {"CURRENT", "CURRENT.hint"}) {
      support::fs::rename(home / record, home / (record + ".replaced-1"));
    }
  }
  auto const plan = plan_of(home);
  REQUIRE(plan.record);
  CHECK(plan.record->current == Generation{2});
  REQUIRE(plan.find({3}) != nullptr);
  CHECK(!plan.find({3})->recorded);
  CHECK(plan.find({2})->recorded);
  CHECK(says(plan.why, "nothing says that it was ever committed, as an old record does of gen"));
  CHECK(plan.next == 4);
  CHECK(plan.sequence == 3);
}

TEST_CASE("a mixed generation is found again by its names, with the parts it carried over",
          "[staged][rebuild]") {
  FileHome const home;
  commit_some(home, 1);
  for (int i = 2; i <= 5; ++i) commit_stats_alone(home, "1");
  lose(home);
  auto const plan = plan_of(home);
  REQUIRE(proposed(plan) == 5);
  CHECK(plan.proposal()->generations() == std::vector<Generation>{{1}, {5}});
  CHECK(plan.proposal()->named);
  REQUIRE(rebuild(home, 5));
  auto db = home.open().value();
  CHECK(shown_files(db) == "1");
  REQUIRE(commit_files(db, "6"));
  REQUIRE(commit_files(db, "7"));
  REQUIRE(db.collect());
  // What was carried over is dropped in its time; what was foreign stays.
  CHECK(home.in_store("keys") == Numbers{6, 7});
  CHECK(home.in_store("stats") == Numbers{4, 6, 7});
}

TEST_CASE("names that could mean two mixes are not believed", "[staged][rebuild]") {
  FileHome home;
  home.options.retain = 4;
  commit_some(home, 2);
  commit_stats_alone(home, "2");
  auto const record = support::read_file(home / "CURRENT");
  auto const hint = support::read_file(home / "CURRENT.hint");
  lose(home);
  name_as(home, "keys", "0000000001");  // its move to 2 failed, or 1 was reverted to
  auto const plan = plan_of(home);
  CHECK(proposed(plan) == 2);
  CHECK(numbers(plan.broken) == Numbers{3});
  CHECK(says(plan.why, "not for sure of which parts"));
  // A record that lists the mix settles it.
  support::write_file(home / "CURRENT.replaced-1", record);
  support::write_file(home / "CURRENT.hint.replaced-1", hint);
  auto const known = plan_of(home);
  REQUIRE(known.find({3}) != nullptr);
  CHECK(known.find({3})->generations() == std::vector<Generation>{{2}, {3}});
  CHECK(proposed(known) == 3);
}

TEST_CASE("numbers and tokens that only a record moved aside tells are not given out again",
          "[staged][rebuild]") {
  FileHome const home;
  commit_some(home, 2);
  for (int i = 0; i < 3; ++i) {
    auto db = home.open().value();
    db.stage().value().discard();
  }
  auto const fence = home.open().value().status().value().manifest->fence;
  support::fs::rename(home / "CURRENT", home / "CURRENT.replaced-7");  // as a crash leaves it
  support::fs::remove(home / "LOCK");
  auto const plan = plan_of(home);
  CHECK(plan.next == 6);
  CHECK(plan.fence == fence);
  auto const rebuilt = rebuild(home, 2);
  REQUIRE(rebuilt);
  CHECK(rebuilt.value().fence > fence);
  CHECK(rebuilt.value().moved_aside == std::vector<std::string>{"CURRENT.hint.replaced-8"});
  CHECK(commit_one(home, "6") == 6);
}

TEST_CASE(
    "a builder keeps the register from being rebuilt, and one that lost his lock can't commit",
    "[staged][rebuild]") {
  FileHome const home;
  commit_some(home, 2);
  auto db = home.open().value();
  auto stage = db.stage().value();
  REQUIRE(support::fill(stage, "late"));
  lose(home);
  CHECK(code_of(rebuild(home, 2)) == errc::busy);
  CHECK(!support::fs::exists(home / "CURRENT"));
  support::fs::remove(home / "LOCK");
  REQUIRE(rebuild(home, 2));
  CHECK(!std::move(stage).seal().value().commit());
  CHECK(shown_files(home.open().value()) == "2");
  CHECK(shown_files(home.follow().value()) == "2");
}

TEST_CASE("a commit between the look and the lock is not replaced", "[staged][rebuild]") {
  FileHome const home;
  commit_some(home, 2);
  auto const plan = plan_of(home);
  bool built = false;
  home.files.calls().spy = [&](support::Call call, std::string const& path) {
    if (built || call != support::Call::lock || !path.ends_with("/LOCK")) return;
    built = true;
    commit_one(home, "3");
  };
  auto const done = rebuilder(home).rebuild(*plan.find({2}), {.replace_usable = true});
  home.files.calls().spy = {};
  REQUIRE(built);
  CHECK(code_of(done) == errc::conflict);
  CHECK(shown_files(home.open().value()) == "3");
}

TEST_CASE("two processes: one builds while the other would rebuild; readers follow the new record",
          "[staged][rebuild]") {
  FileHome const home;
  commit_some(home, 2);
  support::Signal holds, ends;
  support::Child builder{[&] {
    auto db = home.open();
    if (!db) return db.error().text();
    auto stage = db.value().stage();
    holds.give();
    return std::string{stage && ends.wait() ? "" : "no stage"};
  }};
  REQUIRE(holds.wait());
  auto reader = home.follow().value();
  CHECK(shown_files(reader) == "2");
  lose(home);
  auto const refused = rebuild(home, 2);
  REQUIRE(code_of(refused) == errc::busy);
  CHECK(says(refused.error().text(), "held by pid"));
  ends.give();
  CHECK(builder.answer().empty());
  REQUIRE(rebuild(home, 2));
  REQUIRE(commit_one(home, "next") == 3);
  REQUIRE(reader.refresh());
  CHECK(shown_files(reader) == "next");
}

TEST_CASE("an effect that fails leaves a home that can be rebuilt again, never an old record",
          "[staged][rebuild]") {
  using support::Call;
  bool const by_damage = GENERATE(true, false);
  std::uint64_t swept = 0;
  for (std::uint64_t n = 1;; ++n) {
    FileHome const home;
    commit_some(home, 2);
    auto const record = support::read_file(home / "CURRENT");
    REQUIRE(home.open().value().revert({1}));
    // Of the older copy the hint alone knows that it is older.
    support::write_file(home / "CURRENT", by_damage ? all_slots_damaged(record) : record);
    auto const plan = plan_of(home);
    REQUIRE(proposed(plan) == 1);
    home.files.calls().fail({.call = Call::any, .path_has = "CURRENT", .first = n, .times = 999});
    auto const done = rebuilder(home).rebuild(*plan.proposal(), {});
    bool const failed = home.files.calls().failed != 0;
    home.files.calls().heal();
    if (!failed) break;
    ++swept;
    INFO("from call " << n << " on: " << support::text_of(done));
    auto const again = plan_of(home);
    CHECK(again.next == 3);
    if (again.trouble) {
      CHECK(!done);
      CHECK(!home.open());
      REQUIRE(proposed(again) == 1);
      REQUIRE(rebuilder(home).rebuild(*again.proposal(), {}));
    }
    auto db = home.open();
    REQUIRE(db);
    CHECK(shown_files(db.value()) == "1");
    CHECK(commit_files(db.value(), "3").value().generation == Generation{3});
  }
  CHECK(swept > 10);
}

TEST_CASE("the short form works over one store and over several", "[staged][rebuild]") {
  support::Place const place{support::On::memory};
  using Directories = hf::DirectoryStore;
  auto const one = place / "one", two = place / "two";
  {
    auto db = hf::open_staged(one, Directories{"keys"}).value();
    auto stage = db.stage().value();
    REQUIRE(stage.writer().put("value", hf::as_bytes("x")));
    REQUIRE(std::move(stage).seal().value().commit());
  }
  support::fs::remove(one + "/CURRENT");
  auto const plan = hf::plan_rebuild(one, Directories{"keys"}).value();
  CHECK(proposed(plan) == 1);
  REQUIRE(hf::rebuild_register(one, *plan.proposal(), {}, Directories{"keys"}));
  CHECK(hf::open_staged(one, Directories{"keys"}).value().view());
  CHECK(code_of(hf::plan_rebuild(two, Directories{"keys"}, Directories{"stats"})) ==
        errc::not_found);
}

TEST_CASE("a record of a newer format is not replaced, whatever is asked for",
          "[staged][rebuild]") {
  FileHome const home;
  commit_some(home, 2);
  auto const candidate = *plan_of(home).find({2});
  auto record = support::read_file(home / "CURRENT");
  namespace ring = hf::detail::ring;
  auto const slot = hf::bytes_span{reinterpret_cast<std::byte*>(record.data()) + 5 * 4096, 4096};
  ring::encode({{21, 1}, 20, {}, {}}, slot.first<4096>());
  hf::put_le(slot, ring::at::form, ring::format + 1);
  hf::put_le(slot, ring::at::crc, ring::crc_of(slot, 0));
  support::write_file(home / "CURRENT", record);
  REQUIRE(code_of(home.open()) == errc::newer_format);
  CHECK(code_of(rebuilder(home).plan()) == errc::newer_format);
  auto const forced = rebuilder(home).rebuild(candidate, {.replace_usable = true});
  CHECK(code_of(forced) == errc::newer_format);
  CHECK(support::read_file(home / "CURRENT") == record);
}

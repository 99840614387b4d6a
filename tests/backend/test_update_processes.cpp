// SPDX-License-Identifier: BSL-1.0
// Updates, rebuilds, reverts and reads of one home by several processes, with SIGKILLs: no view at
// unequal marks, and what is replayed is what a computation from nothing gives. HOLDFAST_SOAK=1
// makes it 200 kills of each.
#include <rocksdb/write_batch.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <thread>
#include <tuple>
#include <utility>

#include "catch.hpp"
#include "holdfast/backend/rocksdb.hpp"
#include "holdfast/backend/sqlite.hpp"
#include "holdfast/staged.hpp"
#include "places.hpp"
#include "processes.hpp"

namespace {
constexpr std::uint64_t names = 20;

hf::SqliteStore stats() {
  return hf::SqliteStore{
      "stats",
      {.schema = "CREATE TABLE total(count, sum); INSERT INTO total VALUES(0,0)", .updates = true}};
}
hf::RocksStore keys() {
  hf::RocksOptions options;
  options.updates = true;
  options.options.write_buffer_size = 64 << 10;  // tables come and go while others open them
  return hf::RocksStore{"keys", std::move(options)};
}
std::string key_of(std::uint64_t i) {
  return "key " + std::to_string(i % names);
}
hf::Marks at(std::uint64_t offset) {
  return {{"offset", offset}};
}
std::uint64_t offset_in(hf::Marks const& marks) {
  auto const found = marks.find("offset");
  return found == marks.end() ? 0 : found->second;
}
std::string total_at(std::uint64_t offset) {
  return std::to_string(offset) + " " + std::to_string(offset * (offset + 1) / 2);
}

// What is wrong with a view: empty if it is just what its offset computes to.
template <class View>
std::string wrong_in(View const& view) {
  auto const& [sqlite, rocks] = *view;
  auto const offset = offset_in(view.marks());
  auto const lease = sqlite.connection();
  if (!lease) return "no connection: " + lease.error().text();
  auto const total =
      hf::detail::ask_sqlite(lease.value().handle(), "SELECT count || ' ' || sum FROM total");
  if (!total) return "no total: " + total.error().text();
  if (total.value() != total_at(offset)) {
    return "total " + total.value() + " at " + std::to_string(offset);
  }
  for (auto i = offset < names ? 1 : offset - names + 1; i <= offset; ++i) {
    auto const value = rocks.get(key_of(i));
    if (!value) return "no " + key_of(i) + " at " + std::to_string(offset);
    if (value.value() != std::to_string(i)) {
      return key_of(i) + " is " + value.value() + " at " + std::to_string(offset);
    }
  }
  return {};
}

template <class Staged>
hf::result<void> build(Staged& db, std::uint64_t offset) {
  HOLDFAST_TRY(stage, db.stage());
  auto& [sqlite, rocks] = stage.writer();
  HOLDFAST_TRYV(sqlite.exec("UPDATE total SET count = " + std::to_string(offset) +
                            ", sum = " + std::to_string(offset * (offset + 1) / 2)));
  for (auto i = offset < names ? 1 : offset - names + 1; i <= offset; ++i) {
    HOLDFAST_TRYV(rocks.put(key_of(i), std::to_string(i)));
  }
  HOLDFAST_TRY(ready, std::move(stage).seal());
  HOLDFAST_TRYV(std::move(ready).commit({.marks = at(offset)}));
  return hf::ok();
}
std::string sql_of(std::uint64_t i) {
  return "UPDATE total SET count = count + 1, sum = sum + " + std::to_string(i);
}
template <class Updater>
hf::result<hf::Applied> feed(Updater& updater, std::uint64_t i) {
  rocksdb::WriteBatch batch;
  static_cast<void>(batch.Put(key_of(i), std::to_string(i)));
  return updater.apply(at(i), sql_of(i), std::move(batch));
}
auto open_updates(std::string const& home) {
  return hf::open_updater(home, stats(), keys());
}

// Feeds what comes next, for ever; an answer is what was wrong.
std::string update(std::string const& home) {
  auto updater = open_updates(home);
  if (!updater) return "open_updater: " + updater.error().text();
  for (;;) {
    auto const marks = updater.value().marks();
    if (!marks) return "marks: " + marks.error().text();
    auto const applied = feed(updater.value(), offset_in(marks.value()) + 1);
    if (!applied && applied.error().code() == hf::errc::conflict) {
      auto const moved = updater.value().refresh();
      if (!moved) return "refresh: " + moved.error().text();
      continue;
    }
    if (!applied) return "apply: " + applied.error().text();
    if (applied.value().housekeeping) {
      if (applied.value().housekeeping->code() == hf::errc::torn) continue;
      return "show: " + applied.value().housekeeping->text();
    }
    auto const view = updater.value().view();
    if (!view) return "view: " + view.error().text();
    auto wrong = wrong_in(view.value());
    if (!wrong.empty()) return wrong;
  }
}
// Builds from nothing what readers see by now, and goes back to it now and then.
std::string rebuild(std::string const& home, unsigned seed) {
  std::mt19937 dice{seed};
  auto db =
      hf::open_staged(home, hf::StagedOptions{.retain = 3, .publish_grace_ms = 0}, stats(), keys());
  if (!db) return "open_staged: " + db.error().text();
  for (;;) {
    std::this_thread::sleep_for(std::chrono::milliseconds{dice() % 30});
    static_cast<void>(db.value().refresh());  // torn while the updater is being replaced
    std::uint64_t offset = 0;
    std::optional<hf::Generation> shown;
    if (auto const view = db.value().view()) {
      auto wrong = wrong_in(view.value());
      if (!wrong.empty()) return "the builder: " + wrong;
      offset = offset_in(view.value().marks());
      shown = view.value().generation();
    }
    auto const built = build(db.value(), offset);
    if (!built && built.error().code() != hf::errc::full) return "build: " + built.error().text();
    if (dice() % 2 == 0 && shown) {
      auto const back = db.value().revert(*shown);
      if (!back && back.error().code() != hf::errc::torn &&
          back.error().code() != hf::errc::not_retained)
        return "revert: " + back.error().text();
    }
  }
}
std::string read(std::string const& home) {
  auto follower = hf::open_view(home, stats(), keys());
  if (!follower) return "open_view: " + follower.error().text();
  for (;;) {
    auto const moved = follower.value().refresh();
    if (!moved && moved.error().code() != hf::errc::torn) return "refresh: " + moved.error().text();
    auto const view = follower.value().view();
    if (!view) continue;
    auto wrong = wrong_in(view.value());
    if (!wrong.empty()) return "the reader: " + wrong;
  }
}

// Feeds for ever, and looks that no commit takes back what was acknowledged.
std::string update_unbroken(std::string const& home) {
  auto updater = open_updates(home);
  if (!updater) return "open_updater: " + updater.error().text();
  std::uint64_t acknowledged = 0;
  for (;;) {
    auto const marks = updater.value().marks();
    if (!marks) return "marks: " + marks.error().text();
    auto const offset = offset_in(marks.value());
    if (offset < acknowledged) {
      return std::to_string(acknowledged) + " was acknowledged, " + std::to_string(offset) +
             " is there";
    }
    auto const applied = feed(updater.value(), offset + 1);
    if (applied) {
      acknowledged = offset + 1;
    } else if (applied.error().code() == hf::errc::conflict) {
      auto const moved = updater.value().refresh();
      if (!moved) return "refresh: " + moved.error().text();
    } else if (applied.error().code() != hf::errc::timed_out) {
      return "apply: " + applied.error().text();
    }
  }
}
std::string read_forwards(std::string const& home) {
  auto follower = hf::open_view(home, stats(), keys());
  if (!follower) return "open_view: " + follower.error().text();
  for (std::uint64_t last = 0;;) {
    auto const moved = follower.value().refresh();
    if (!moved && moved.error().code() != hf::errc::timed_out) {
      return "refresh: " + moved.error().text();
    }
    auto const view = follower.value().view();
    if (!view) return "view: " + view.error().text();
    auto const offset = offset_in(view.value().marks());
    if (offset < last) return std::to_string(last) + " was shown, then " + std::to_string(offset);
    last = offset;
    auto wrong = wrong_in(view.value());
    if (!wrong.empty()) return "the reader: " + wrong;
  }
}
// From nothing, and by a feed of which there is always more.
hf::result<void> build_catching_up(hf::Staged<hf::Together<hf::SqliteStore, hf::RocksStore>,
                                              hf::FileRegister,
                                              hf::FileLock,
                                              hf::Native>& db) {
  HOLDFAST_TRY(stage, db.stage());
  auto const pulls = [](auto& writer, hf::Pull const& pull) -> hf::result<hf::Pulled> {
    auto& [sqlite, rocks] = writer;
    auto const from = offset_in(pull.after);
    auto const records = std::min<std::size_t>(pull.most, 500);
    HOLDFAST_TRYV(sqlite.exec("BEGIN"));
    for (auto i = from + 1; i <= from + records; ++i) {
      HOLDFAST_TRYV(sqlite.exec(sql_of(i)));
      HOLDFAST_TRYV(rocks.put(key_of(i), std::to_string(i)));
    }
    HOLDFAST_TRYV(sqlite.exec("COMMIT"));
    return hf::Pulled{at(from + records), records};
  };
  HOLDFAST_TRYV(stage.catch_up(pulls, {.tail_records = 1'000'000}));
  HOLDFAST_TRY(ready, std::move(stage).seal());
  HOLDFAST_TRYV(std::move(ready).commit());
  return hf::ok();
}

// A process that goes on until it is killed.
struct Actor {
  std::function<std::string()> work;
  std::unique_ptr<support::Child> child{};
  void start() { child = std::make_unique<support::Child>(work); }
  // One that has ended by itself has something to say.
  void end() const {
    ::kill(child->pid(), SIGKILL);
    CHECK(child->answer() == "[ended by signal 9]");
  }
};
}  // namespace

TEST_CASE("one process updates, one rebuilds and reverts, one reads, and any is killed",
          "[updates][processes]") {
  support::Place const place{support::On::memory};
  auto const home = place / "home";
  {
    auto db = hf::open_staged(home, stats(), keys());
    REQUIRE(db);
    REQUIRE(build(db.value(), 5));
  }
  bool const soak = std::getenv("HOLDFAST_SOAK") != nullptr;
  std::size_t const kills = soak ? 600 : 12;
  std::mt19937 dice{7};
  Actor actors[] = {{[&] { return update(home); }},
                    {[&] { return rebuild(home, static_cast<unsigned>(::getpid())); }},
                    {[&] { return read(home); }}};
  for (auto& actor : actors) actor.start();
  for (std::size_t i = 0; i < kills; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds{50 + dice() % 300});
    auto& actor = actors[i % 3];
    actor.end();
    actor.start();
  }
  for (auto& actor : actors) actor.end();

  auto updater = open_updates(home);
  REQUIRE(updater);
  auto const from = offset_in(updater.value().marks().value());
  REQUIRE(feed(updater.value(), from + 1));
  REQUIRE(feed(updater.value(), from + 2));
  auto const view = updater.value().view();
  REQUIRE(view);
  CHECK(wrong_in(view.value()).empty());
  CHECK(offset_in(view.value().marks()) == from + 2);
  auto follower = hf::open_view(home, stats(), keys());
  REQUIRE(follower);
  auto const theirs = follower.value().view();
  REQUIRE(theirs);
  CHECK(wrong_in(theirs.value()).empty());
  CHECK(offset_in(theirs.value().marks()) == from + 2);
}

TEST_CASE("builds that catch up take back nothing that another process has acknowledged",
          "[updates][catch_up][processes]") {
  support::Place const place{support::On::memory};
  auto const home = place / "home";
  auto db = hf::open_staged(home, hf::StagedOptions{.publish_grace_ms = 0}, stats(), keys());
  REQUIRE(db);
  REQUIRE(build(db.value(), 5));
  Actor updater{[&] { return update_unbroken(home); }};
  Actor reader{[&] { return read_forwards(home); }};
  updater.start();
  reader.start();
  int const builds = std::getenv("HOLDFAST_SOAK") != nullptr ? 200 : 6;
  for (int i = 0; i < builds; ++i) {
    auto const built = build_catching_up(db.value());
    if (built) continue;
    CAPTURE(built.error().text());
    REQUIRE(built.error().code() == hf::errc::full);  // readers hold what retires
    static_cast<void>(db.value().collect());
  }
  updater.end();
  reader.end();
}

TEST_CASE("copies that are made while another process updates are of one instant",
          "[updates][copy][processes]") {
  support::Place const place{support::On::memory};
  auto const home = place / "home";
  auto db = hf::open_staged(home, hf::StagedOptions{.publish_grace_ms = 0}, stats(), keys());
  REQUIRE(db);
  REQUIRE(build(db.value(), 5));
  Actor updater{[&] { return update_unbroken(home); }};
  updater.start();
  for (int i = 0; i < 6; ++i) {
    auto const to = place / ("copy " + std::to_string(i));
    auto const copied = db.value().backup(to, stats(), keys());
    CAPTURE(copied ? std::string{} : copied.error().text());
    REQUIRE(copied);
    auto const follower = hf::open_view(to, stats(), keys());
    REQUIRE(follower);
    auto const view = follower.value().view();
    REQUIRE(view);
    CHECK(wrong_in(view.value()).empty());
  }
  updater.end();
}

TEST_CASE("who may only read a home follows its updates, or is told why not",
          "[updates][processes]") {
  support::Place const place{support::On::memory};
  auto const home = place / "home";
  auto db = hf::open_staged(home, hf::StagedOptions{}, keys());
  REQUIRE(db);
  {
    auto stage = db.value().stage().value();
    REQUIRE(stage.writer().put("a", "1"));
    REQUIRE(std::move(stage).seal().value().commit({.marks = at(1)}));
  }
  auto updater = hf::open_updater(home, keys()).value();
  rocksdb::WriteBatch batch;
  REQUIRE(batch.Put("a", "2").ok());
  REQUIRE(updater.apply(at(2), batch));
  CHECK(support::in_unprivileged_child([&]() -> std::string {
          auto follower = hf::open_view(home, keys());
          if (!follower) return follower.error().text();
          auto const view = follower.value().view();
          if (!view) return view.error().text();
          auto const value = (*view.value()).get("a");
          return value ? value.value() : value.error().text();
        }) == "2");
}

// SPDX-License-Identifier: BSL-1.0
// Updates between rebuilds: data and marks together, replay, rebuilds and reverts under the
// updater, and no view at unequal marks.
#include "holdfast/staged/updater.hpp"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <tuple>
#include <utility>

#include "catch.hpp"
#include "holdfast/backend/memory_register.hpp"
#include "holdfast/backend/memory_store.hpp"
#include "holdfast/policy/exclusive.hpp"
#include "holdfast/staged.hpp"

namespace {
using Table = std::map<std::string, std::uint64_t>;
using Memory = hf::MemoryStore<Table>;

// A part that can be told to fail before an update, or to die with its process after one.
struct Brittle {
  using Inner = Memory;
  using writer = Memory::writer;
  using reader = Memory::reader;
  using batch_type = Memory::batch_type;
  static constexpr hf::Guarantees guarantees{};
  Memory inner;
  std::shared_ptr<bool> fails = std::make_shared<bool>(false);

  [[nodiscard]] std::string const& name() const { return inner.name(); }
  void place(std::string const&) {}
  [[nodiscard]] auto create(hf::Generation g) { return inner.create(g); }
  [[nodiscard]] auto seal(writer& w) { return inner.seal(w); }
  [[nodiscard]] auto open(hf::Generation g) const { return inner.open(g); }
  [[nodiscard]] auto drop(hf::Generation g) { return inner.drop(g); }
  [[nodiscard]] auto generations() const { return inner.generations(); }
  [[nodiscard]] auto updates(hf::Generation g) const { return inner.updates(g); }
  [[nodiscard]] auto marks(hf::Generation g) const { return inner.marks(g); }
  [[nodiscard]] auto marks_of(reader const& from) const { return inner.marks_of(from); }
  [[nodiscard]] hf::result<void> apply(hf::Generation g,
                                       batch_type const& batch,
                                       hf::Marks const& marks) {
    if (*fails) return hf::failure(hf::errc::no_space, "apply");
    return inner.apply(g, batch, marks);
  }
};
static_assert(hf::updatable_store<Brittle>);

// A home in memory; copies of its stores are the same stores, as another process would have them.
struct Home {
  using Store = hf::Together<Memory, Brittle>;
  Memory keys{"keys"};
  Brittle counts{Memory{"counts"}};
  hf::MemoryRegister record;
  hf::Exclusive lock;
  hf::Exclusive updates;

  [[nodiscard]] Store store() const { return Store{keys, counts}; }
  [[nodiscard]] auto open() const {
    return hf::open_staged(hf::StagedOptions{.publish = false}, store(), record, lock);
  }
  [[nodiscard]] auto update() const { return hf::open_updater(store(), record, updates); }
  [[nodiscard]] auto follow() const { return hf::open_view(store(), record); }
};

template <class Staged>
hf::result<hf::Committed> build(Staged& db, std::uint64_t upto) {
  HOLDFAST_TRY(stage, db.stage());
  auto& [keys, counts] = stage.writer();
  for (std::uint64_t i = 1; i <= upto; ++i) (*keys)[std::to_string(i)] = i;
  (*counts)["all"] = upto;
  HOLDFAST_TRY(ready, std::move(stage).seal());
  return std::move(ready).commit({.marks = {{"offset", upto}}});
}
hf::Marks at(std::uint64_t offset) {
  return {{"offset", offset}};
}
template <class Updater>
hf::result<hf::Applied> feed(Updater& updater, std::uint64_t i) {
  return updater.apply(
      at(i),
      [i](Table& keys) -> hf::result<void> {
        keys[std::to_string(i)] = i;
        return hf::ok();
      },
      [](Table& counts) -> hf::result<void> {
        ++counts["all"];
        return hf::ok();
      });
}
// What a view shows, if its parts agree: how many keys.
template <class Reads>
std::string counted(Reads const& db) {
  auto const view = db.view();
  if (!view) return std::string{hf::message(view.error().code())};
  auto const& [keys, counts] = *view.value();
  auto const all = counts->at("all");
  if (keys->size() != all) return "mixed";
  auto const& marks = view.value().marks();
  return std::to_string(all) + (marks == at(all) ? "" : " at other marks");
}
}  // namespace

TEST_CASE("an update is shown with its marks, and other objects see it after a refresh",
          "[updates]") {
  Home const home;
  auto db = home.open().value();
  REQUIRE(build(db, 3));
  auto updater = home.update().value();
  CHECK(updater.marks().value() == at(3));
  CHECK(counted(updater) == "3");
  auto const applied = feed(updater, 4);
  REQUIRE(applied);
  CHECK(applied.value().marks == at(4));
  CHECK_FALSE(applied.value().skipped);
  CHECK_FALSE(applied.value().housekeeping);
  CHECK(counted(updater) == "4");
  CHECK(counted(db) == "3");
  CHECK(db.refresh().value());
  CHECK(counted(db) == "4");
  CHECK_FALSE(db.refresh().value());
  auto follower = home.follow().value();
  CHECK(counted(follower) == "4");
  REQUIRE(feed(updater, 5));
  CHECK(counted(follower) == "4");
  CHECK(follower.refresh().value());
  CHECK(counted(follower) == "5");
  CHECK_FALSE(follower.refresh().value());
}

TEST_CASE("a view held before an update goes on to show what it showed", "[updates]") {
  Home const home;
  auto db = home.open().value();
  REQUIRE(build(db, 3));
  auto updater = home.update().value();
  auto const pin = updater.pin().value();
  REQUIRE(feed(updater, 4));
  CHECK(std::get<0>(*pin)->size() == 3);
  CHECK(pin.marks() == at(3));
  CHECK(counted(updater) == "4");
}

TEST_CASE("a replayed update changes nothing, and one that is half known is refused", "[updates]") {
  Home const home;
  auto db = home.open().value();
  REQUIRE(build(db, 3));
  auto updater = home.update().value();
  REQUIRE(feed(updater, 4));
  for (std::uint64_t i = 1; i <= 4; ++i) {
    auto const again = feed(updater, i);
    REQUIRE(again);
    CHECK(again.value().skipped);
    CHECK(again.value().marks == at(4));
  }
  CHECK(counted(updater) == "4");
  auto const nothing = [](Table&) -> hf::result<void> { return hf::ok(); };
  auto const half = updater.apply({{"offset", 4}, {"part", 1}}, nothing, nothing);
  REQUIRE_FALSE(half);
  CHECK(half.error().code() == hf::errc::invalid);
  auto const unmarked = updater.apply({}, nothing, nothing);
  REQUIRE_FALSE(unmarked);
  CHECK(unmarked.error().code() == hf::errc::invalid);
  CHECK(counted(updater) == "4");
}

TEST_CASE("parts at unequal marks are shown to nobody until the feed was replayed", "[updates]") {
  Home const home;
  auto db = home.open().value();
  REQUIRE(build(db, 3));
  {
    auto updater = home.update().value();
    *home.counts.fails = true;
    auto const stopped = feed(updater, 4);
    REQUIRE_FALSE(stopped);
    CHECK(stopped.error().code() == hf::errc::no_space);
    CHECK(counted(updater) == "3");
    CHECK(updater.marks().value() == at(3));
  }
  *home.counts.fails = false;
  auto follower = home.follow().value();
  CHECK(counted(follower) == hf::message(hf::errc::torn));
  auto const refreshed = db.refresh();
  REQUIRE_FALSE(refreshed);
  CHECK(refreshed.error().code() == hf::errc::torn);
  CHECK(counted(db) == "3");
  auto updater = home.update().value();
  CHECK(counted(updater) == hf::message(hf::errc::torn));
  CHECK(updater.marks().value() == at(3));
  REQUIRE(feed(updater, 4));
  CHECK(counted(updater) == "4");
  CHECK(follower.refresh().value());
  CHECK(counted(follower) == "4");
}

TEST_CASE("one process at a time updates a home, and it needs a generation", "[updates]") {
  Home const home;
  auto db = home.open().value();
  auto const none = home.update();
  REQUIRE_FALSE(none);
  CHECK(none.error().code() == hf::errc::no_generation);
  REQUIRE(build(db, 1));
  {
    auto const first = home.update();
    REQUIRE(first);
    auto const second = home.update();
    REQUIRE_FALSE(second);
    CHECK(second.error().code() == hf::errc::busy);
  }
  CHECK(home.update());
}

TEST_CASE("a generation that is no longer current takes no update", "[updates]") {
  Home const home;
  auto db = home.open().value();
  REQUIRE(build(db, 3));
  auto updater = home.update().value();
  REQUIRE(feed(updater, 4));
  REQUIRE(build(db, 6));
  auto const late = feed(updater, 5);
  REQUIRE_FALSE(late);
  CHECK(late.error().code() == hf::errc::conflict);
  CHECK(counted(updater) == "4");
  CHECK(updater.refresh().value());
  CHECK_FALSE(updater.refresh().value());
  CHECK(updater.marks().value() == at(6));
  CHECK(counted(updater) == "6");
  CHECK(feed(updater, 5).value().skipped);
  REQUIRE(feed(updater, 7));
  CHECK(counted(updater) == "7");
  CHECK(counted(db) == "6");
  REQUIRE(db.refresh());
  CHECK(counted(db) == "7");

  REQUIRE(db.revert({1}));
  CHECK(counted(db) == "4");
  CHECK_FALSE(feed(updater, 8));
  CHECK(updater.refresh().value());
  CHECK(updater.marks().value() == at(4));
  REQUIRE(feed(updater, 5));
  CHECK(counted(updater) == "5");
}

TEST_CASE("a part that is carried over keeps its own marks, and a commit must name them",
          "[updates]") {
  Home const home;
  auto db = home.open().value();
  REQUIRE(build(db, 3));
  {
    auto updater = home.update().value();
    REQUIRE(feed(updater, 4));
  }
  auto stage = db.stage(hf::only<1>).value();
  (*std::get<0>(stage.writer()))["all"] = 4;
  auto ready = std::move(stage).seal().value();
  auto const wrong = std::move(ready).commit({.marks = at(3)});
  REQUIRE_FALSE(wrong);
  CHECK(wrong.error().code() == hf::errc::torn);
  CHECK(counted(db) == "3");
  REQUIRE(std::move(ready).commit({.marks = at(4)}));
  CHECK(counted(db) == "4");
  auto updater = home.update().value();
  CHECK(updater.marks().value() == at(4));
  REQUIRE(feed(updater, 5));
  CHECK(counted(updater) == "5");
}

TEST_CASE("an updater that was moved from is spent", "[updates]") {
  Home const home;
  auto db = home.open().value();
  REQUIRE(build(db, 1));
  auto updater = home.update().value();
  auto const moved = std::move(updater);
  CHECK(updater.marks().error().code() == hf::errc::spent);  // NOLINT(bugprone-use-after-move)
  CHECK(updater.refresh().error().code() == hf::errc::spent);
  CHECK(updater.view().error().code() == hf::errc::spent);
  CHECK(updater.pin().error().code() == hf::errc::spent);
  CHECK(feed(updater, 2).error().code() == hf::errc::spent);
  CHECK(moved.marks().value() == at(1));
}

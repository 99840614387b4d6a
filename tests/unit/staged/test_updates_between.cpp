// SPDX-License-Identifier: BSL-1.0
// Updates beside commits, reverts and handovers: no event is lost, and none is applied twice.
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <tuple>
#include <utility>

#include "catch.hpp"
#include "holdfast/backend/memory_register.hpp"
#include "holdfast/backend/memory_store.hpp"
#include "holdfast/policy/exclusive.hpp"
#include "holdfast/staged.hpp"

namespace {
using Tally = std::map<std::string, std::uint64_t>;
using TallyStore = hf::MemoryStore<Tally>;

// A part of which some generations are sealed without updates, that may be hidden from readers, and
// that tells when its last copy ends.
struct Moody {
  using Inner = TallyStore;
  using writer = Inner::writer;
  using reader = Inner::reader;
  using batch_type = Inner::batch_type;
  static constexpr hf::Guarantees guarantees{};
  Inner inner;
  std::shared_ptr<bool> takes = std::make_shared<bool>(true);
  std::shared_ptr<bool> hidden = std::make_shared<bool>(false);
  std::shared_ptr<void> end{};

  [[nodiscard]] std::string const& name() const { return inner.name(); }
  [[nodiscard]] auto create(hf::Generation g) { return inner.create(g); }
  [[nodiscard]] auto seal(writer& w) { return inner.seal(w); }
  [[nodiscard]] hf::result<reader> open(hf::Generation g) const {
    if (*hidden) return hf::failure(hf::errc::too_many_files, "open");
    return inner.open(g);
  }
  [[nodiscard]] auto drop(hf::Generation g) { return inner.drop(g); }
  [[nodiscard]] auto generations() const { return inner.generations(); }
  [[nodiscard]] hf::result<bool> updates(hf::Generation) const { return *takes; }
  [[nodiscard]] auto marks(hf::Generation g) const { return inner.marks(g); }
  [[nodiscard]] auto marks_of(reader const& from) const { return inner.marks_of(from); }
  [[nodiscard]] auto apply(hf::Generation g, batch_type const& batch, hf::Marks const& marks) {
    return inner.apply(g, batch, marks);
  }
};
static_assert(hf::updatable_store<Moody>);

struct TwoParts {
  using Store = hf::Together<TallyStore, Moody>;
  TallyStore a{"a"};
  Moody b{TallyStore{"b"}};
  hf::MemoryRegister record;
  hf::Exclusive lock;
  hf::Exclusive updates;

  [[nodiscard]] Store store() const { return Store{a, b}; }
  [[nodiscard]] auto open() const {
    return hf::open_staged(hf::StagedOptions{.publish = false}, store(), record, lock);
  }
  [[nodiscard]] auto update() const { return hf::open_updater(store(), record, updates); }
  [[nodiscard]] auto follow() const { return hf::open_view(store(), record); }
};

hf::Marks upto(std::uint64_t event) {
  return {{"event", event}};
}
template <class Staged>
hf::result<hf::Committed> build_both(Staged& db, std::uint64_t event, hf::Marks marks) {
  HOLDFAST_TRY(stage, db.stage());
  auto& [a, b] = stage.writer();
  (*a)["n"] = event;
  (*b)["n"] = event;
  HOLDFAST_TRY(ready, std::move(stage).seal());
  return std::move(ready).commit({.marks = std::move(marks)});
}
template <class Staged>
auto build_first(Staged& db, std::uint64_t event) {
  auto stage = db.stage(hf::only<0>).value();
  (*std::get<0>(stage.writer()))["n"] = event;
  return std::move(stage).seal().value();
}
// Adds so many events to both parts.
template <class Updater>
hf::result<hf::Applied> add(Updater& updater, std::uint64_t event, std::uint64_t events = 1) {
  auto const more = [events](Tally& numbers) -> hf::result<void> {
    numbers["n"] += events;
    return hf::ok();
  };
  return updater.apply(upto(event), more, more);
}
template <class Updater>
hf::errc add_to_first_only(Updater& updater, std::uint64_t event) {
  auto const stopped = updater.apply(
      upto(event),
      [](Tally& numbers) -> hf::result<void> {
        ++numbers["n"];
        return hf::ok();
      },
      [](Tally&) -> hf::result<void> { return hf::failure(hf::errc::no_space, "update"); });
  return stopped ? hf::errc::unknown : stopped.error().code();
}
// Every part has counted the events up to the mark that is told.
template <class Reads>
std::string at_event(Reads const& db) {
  auto const view = db.view();
  if (!view) return std::string{hf::message(view.error().code())};
  auto const& [a, b] = *view.value();
  auto const event = view.value().marks().at("event");
  return a->at("n") == event && b->at("n") == event ? std::to_string(event) : "wrong";
}
}  // namespace

TEST_CASE("a part that is carried over without an update is not taken to be at later marks",
          "[updates]") {
  TwoParts const home;
  auto db = home.open().value();
  REQUIRE(build_both(db, 5, upto(5)));
  auto ready = build_first(db, 9);
  auto const ahead = std::move(ready).commit({.marks = upto(9)});
  REQUIRE_FALSE(ahead);
  CHECK(ahead.error().code() == hf::errc::torn);
  CHECK(ahead.error().detail().find('b') != std::string::npos);
  CHECK(at_event(db) == "5");
  std::move(ready).discard();
  auto updater = home.update().value();
  REQUIRE(add(updater, 6));
  CHECK(at_event(updater) == "6");
}

TEST_CASE(
    "a commit goes by the marks that a carried part has now, not by those it had when looked at",
    "[updates]") {
  TwoParts const home;
  auto db = home.open().value();
  REQUIRE(build_both(db, 5, upto(5)));
  auto updater = home.update().value();
  REQUIRE(add(updater, 6));
  auto ready = build_first(db, 6);
  auto seen = std::move(ready).validate([](auto const&) { return true; });
  REQUIRE(seen);
  REQUIRE(add(updater, 7));
  auto& valid = seen.value();
  auto const late = std::move(valid).commit({.marks = upto(6)});
  REQUIRE_FALSE(late);
  CHECK(late.error().code() == hf::errc::torn);
  CHECK(at_event(home.follow().value()) == "7");
}

TEST_CASE("a revert to a generation that shares an updated part says why it can't be",
          "[updates]") {
  TwoParts const home;
  auto db = home.open().value();
  REQUIRE(build_both(db, 5, upto(5)));
  auto ready = build_first(db, 5);
  REQUIRE(std::move(ready).commit({.marks = upto(5)}));
  auto updater = home.update().value();
  REQUIRE(add(updater, 6));
  auto const back = db.revert({1});
  REQUIRE_FALSE(back);
  CHECK(back.error().code() == hf::errc::torn);
  CHECK(back.error().detail().find("shares a part") != std::string::npos);
  CHECK(db.refresh());
  CHECK(at_event(db) == "6");
  REQUIRE(add(updater, 7));
}

TEST_CASE("while parts differ no update goes past the furthest of them", "[updates]") {
  TwoParts const home;
  auto db = home.open().value();
  REQUIRE(build_both(db, 5, upto(5)));
  {
    auto updater = home.update().value();
    CHECK(add_to_first_only(updater, 6) == hf::errc::no_space);
  }
  auto updater = home.update().value();
  CHECK(updater.marks().value() == upto(5));
  auto const larger = add(updater, 8, 3);
  REQUIRE_FALSE(larger);
  CHECK(larger.error().code() == hf::errc::invalid);
  CHECK(updater.marks().value() == upto(5));
  REQUIRE(add(updater, 6));
  CHECK(at_event(updater) == "6");
  REQUIRE(add(updater, 8, 2));
  CHECK(at_event(updater) == "8");
}

TEST_CASE("a part that was sealed without updates is named before another part is changed",
          "[updates]") {
  TwoParts const home;
  auto db = home.open().value();
  REQUIRE(build_both(db, 5, upto(5)));
  *home.b.takes = false;
  auto const refused = home.update();
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code() == hf::errc::invalid);
  CHECK(refused.error().detail().find('b') != std::string::npos);
  CHECK(at_event(home.follow().value()) == "5");
}

TEST_CASE("a generation whose record has no marks takes no updates", "[updates]") {
  TwoParts const home;
  auto db = home.open().value();
  REQUIRE(build_both(db, 5, {}));
  auto const refused = home.update();
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code() == hf::errc::invalid);
  REQUIRE(build_both(db, 5, upto(5)));
  CHECK(home.update().value().marks().value() == upto(5));
}

TEST_CASE("an updater gives its lock back only after its stores have ended", "[updates]") {
  TwoParts const home;
  auto db = home.open().value();
  REQUIRE(build_both(db, 5, upto(5)));
  auto freed = std::make_shared<bool>(false);
  auto ended = std::make_shared<bool>(false);
  {
    auto store = [&] {
      auto b = home.b;
      auto lock = home.updates;
      b.end = std::shared_ptr<void>{nullptr, [=](void*) {
                                      *ended = true;
                                      *freed = !lock.inspect().value().has_value();
                                    }};
      return TwoParts::Store{home.a, std::move(b)};
    };
    auto updater = hf::open_updater(store(), home.record, home.updates);
    REQUIRE(updater);
    CHECK_FALSE(*ended);
  }
  CHECK(*ended);
  CHECK_FALSE(*freed);
  CHECK(home.update());
}

TEST_CASE("a state that could not be shown once is shown by the next call", "[updates]") {
  TwoParts const home;
  auto db = home.open().value();
  REQUIRE(build_both(db, 5, upto(5)));
  auto updater = home.update().value();
  for (std::uint64_t event = 6; event < 8; ++event) {
    *home.b.hidden = true;
    auto const applied = add(updater, event);
    REQUIRE(applied);
    CHECK(applied.value().housekeeping);
    CHECK(at_event(updater) == std::to_string(event - 1));
    *home.b.hidden = false;
    if (event == 6) {
      CHECK_FALSE(updater.refresh().value());
    } else {
      auto const again = add(updater, event);
      CHECK(again.value().skipped);
      CHECK_FALSE(again.value().housekeeping);
    }
    CHECK(at_event(updater) == std::to_string(event));
  }
}

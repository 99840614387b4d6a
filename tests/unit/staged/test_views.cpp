// SPDX-License-Identifier: BSL-1.0
// Tests views and pins: many at once, across threads, while commits switch.
#include <algorithm>
#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "catch.hpp"
#include "holdfast/backend/memory_store.hpp"
#include "memory_home.hpp"
#include "places.hpp"

namespace {
using hf::errc, hf::Generation;
using support::code_of, support::commit_text, support::MemoryHome, support::shown;
using Numbers = std::vector<std::uint64_t>;

// Opens `depth` views inside each other and runs `inside` in the innermost.
template <class Db>
void nested(Db& db, int depth, std::function<void()> const& inside) {
  if (depth == 0) return inside();
  auto const view = db.view();
  REQUIRE(view);
  auto const before = (*view.value()).text();
  nested(db, depth - 1, inside);
  CHECK((*view.value()).text() == before);
}
}  // namespace

TEST_CASE("views nest deeper than there are slots, and all protect what they show",
          "[staged][view]") {
  MemoryHome const home;
  auto db = home.open({.retain = 1}).value();
  REQUIRE(commit_text(db, "one"));
  for (int round = 0; round < 3; ++round) {
    auto const current = db.view().value().generation().number;
    nested(db, 20, [&] {
      REQUIRE(commit_text(db, "next"));
      CHECK(home.in_store() == Numbers{current, current + 1});
    });
    REQUIRE(db.collect());
    CHECK(home.in_store() == Numbers{current + 1});
  }
}

TEST_CASE("each of many views alone keeps its generation", "[staged][view]") {
  for (std::size_t last = 0; last < 12; ++last) {
    MemoryHome const home;
    auto db = home.open({.retain = 1}).value();
    REQUIRE(commit_text(db, "one"));
    using View = decltype(db.view());
    std::vector<std::unique_ptr<View>> views;
    for (int i = 0; i < 12; ++i) views.emplace_back(new View(db.view()));
    std::swap(views.front(), views[last]);
    while (views.size() > 1) views.pop_back();  // all but one
    REQUIRE(commit_text(db, "two"));
    CHECK(home.in_store() == Numbers{1, 2});
    CHECK((*views.front()->value()).text() == "one");
    views.clear();
    REQUIRE(db.collect());
    CHECK(home.in_store() == Numbers{2});
  }
}

TEST_CASE("views of several objects in one thread keep apart", "[staged][view]") {
  MemoryHome homes[6];
  std::vector<MemoryHome::Staged> dbs;
  for (auto const& home : homes) {
    dbs.push_back(home.open({.retain = 1}).value());
    REQUIRE(commit_text(dbs.back(), "one"));
  }
  using View = decltype(dbs[0].view());
  std::vector<std::unique_ptr<View>> views;
  for (auto& db : dbs) views.emplace_back(new View(db.view()));
  for (auto& db : dbs) REQUIRE(commit_text(db, "two"));
  for (auto const& home : homes) CHECK(home.in_store() == Numbers{1, 2});
  views.erase(views.begin() + 2);
  for (auto& db : dbs) REQUIRE(db.collect());
  for (int i = 0; i < 6; ++i) {
    CHECK(homes[i].in_store() == (i == 2 ? Numbers{2} : Numbers{1, 2}));
  }
}

TEST_CASE("a pin goes to another thread and ends there", "[staged][view]") {
  MemoryHome const home;
  auto db = home.open({.retain = 1}).value();
  REQUIRE(commit_text(db, "one", {{"n", 1}}));
  auto pin = db.pin().value();
  REQUIRE(commit_text(db, "two"));
  CHECK(home.in_store() == Numbers{1, 2});
  std::string seen;
  std::thread{[&seen, held = std::move(pin)] {
    if (held) seen = (*held).text() + held->text() + std::to_string(held.marks().at("n"));
  }}.join();
  CHECK(seen == "oneone1");
  CHECK(!pin);
  REQUIRE(db.collect());
  CHECK(home.in_store() == Numbers{2});
}

TEST_CASE("a pin that is moved and assigned lets go exactly once", "[staged][view]") {
  MemoryHome const home;
  auto db = home.open({.retain = 1}).value();
  REQUIRE(commit_text(db, "one"));
  auto first = db.pin().value();
  REQUIRE(commit_text(db, "two"));
  auto second = db.pin().value();
  CHECK(first.generation() == Generation{1});
  CHECK(second.sequence() == 2);
  first = std::move(second);
  CHECK(first.generation() == Generation{2});
  { auto const ends = std::move(second); }
  REQUIRE(db.collect());
  CHECK(home.in_store() == Numbers{2});
  CHECK((*first).text() == "two");
}

TEST_CASE("a pin keeps alive what it came from", "[staged][view]") {
  MemoryHome const home;
  auto pin = [&] {
    auto db = home.open().value();
    commit_text(db, "one").value();
    return db.pin().value();
  }();
  CHECK((*pin).text() == "one");
}

TEST_CASE("a pin taken while all slots are in use is counted, too", "[staged][view]") {
  MemoryHome const home;
  auto db = home.open({.retain = 1}).value();
  REQUIRE(commit_text(db, "one"));
  std::vector<decltype(db.pin())> pins;
  nested(db, 12, [&] { pins.push_back(db.pin()); });
  REQUIRE(commit_text(db, "two"));
  CHECK(home.in_store() == Numbers{1, 2});
  CHECK((*pins[0].value()).text() == "one");
  pins.clear();
  REQUIRE(db.collect());
  CHECK(home.in_store() == Numbers{2});
}

TEST_CASE("threads that come and go leave nothing pinned", "[staged][view][threads]") {
  MemoryHome const home;
  auto db = home.open({.retain = 1}).value();
  REQUIRE(commit_text(db, "0"));
  std::atomic<int> wrong{0};
  for (int round = 1; round <= 20; ++round) {
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([&] {
        auto const view = db.view();
        if (!view || (*view.value()).text() == "(dropped)") ++wrong;
      });
    }
    if (!commit_text(db, std::to_string(round))) ++wrong;
    for (auto& thread : threads) thread.join();
  }
  CHECK(wrong == 0);
  REQUIRE(db.collect());
  CHECK(home.in_store() == Numbers{21});
}

TEST_CASE("readers that never stop see whole generations, none older than one before",
          "[staged][view][threads]") {
  MemoryHome const home;
  auto db = home.open({.retain = 1}).value();
  REQUIRE(commit_text(db, "1", {{"n", 1}}));
  std::atomic<bool> stop{false};
  std::atomic<int> wrong{0};
  std::atomic<std::uint64_t> reads{0};
  std::vector<std::thread> readers;
  for (int t = 0; t < 3; ++t) {
    readers.emplace_back([&] {
      std::uint64_t last = 0;
      while (!stop) {
        auto const view = db.view();
        if (!view) {
          ++wrong;
          continue;
        }
        auto const number = view.value().generation().number;
        auto const expected = std::to_string(number);
        if ((*view.value()).text() != expected) ++wrong;
        if (view.value().marks().at("n") != number || view.value().sequence() != number) ++wrong;
        if (number < last) ++wrong;
        last = number;
        auto const inner = db.view();
        if (!inner || inner.value().generation().number < number) ++wrong;
        if ((*view.value()).text() != expected) ++wrong;
        ++reads;
      }
    });
  }
  for (std::uint64_t n = 2; n <= 60; ++n) {
    if (!commit_text(db, std::to_string(n), {{"n", n}})) ++wrong;
    std::this_thread::yield();
  }
  stop = true;
  for (auto& reader : readers) reader.join();
  CHECK(wrong == 0);
  CHECK(reads > 0);
  REQUIRE(db.collect());
  CHECK(home.in_store() == Numbers{60});
}

TEST_CASE("pins taken by many threads while commits switch keep what they show",
          "[staged][view][threads]") {
  MemoryHome const home;
  auto db = home.open({.retain = 1}).value();
  REQUIRE(commit_text(db, "1"));
  std::atomic<bool> stop{false};
  std::atomic<int> wrong{0};
  std::vector<std::thread> readers;
  for (int t = 0; t < 2; ++t) {
    readers.emplace_back([&] {
      auto kept = db.pin().value();
      while (!stop) {
        auto next = db.pin().value();
        if ((*kept).text() != std::to_string(kept.generation().number)) ++wrong;
        if (next.generation() < kept.generation()) ++wrong;
        kept = std::move(next);
      }
    });
  }
  for (int n = 2; n <= 60; ++n) {
    if (!commit_text(db, std::to_string(n))) ++wrong;
  }
  stop = true;
  for (auto& reader : readers) reader.join();
  CHECK(wrong == 0);
}

TEST_CASE("reverts, commits, collections and views from many threads leave one truth",
          "[staged][view][threads]") {
  MemoryHome const home;
  auto db = home.open({.retain = 3}).value();
  for (int n = 1; n <= 3; ++n) REQUIRE(commit_text(db, std::to_string(n)));
  std::atomic<bool> stop{false};
  std::atomic<int> wrong{0};
  std::vector<std::thread> threads;
  threads.emplace_back([&] {
    std::uint64_t sequence = 0;
    while (!stop) {
      auto const view = db.view();
      if (!view || (*view.value()).text() != std::to_string(view.value().generation().number)) {
        ++wrong;
      } else if (view.value().sequence() < sequence) {
        ++wrong;  // a revert lowers the generation, never the sequence
      } else {
        sequence = view.value().sequence();
      }
    }
  });
  threads.emplace_back([&] {
    while (!stop) {
      if (!db.collect() || !db.refresh() || !db.status()) ++wrong;
    }
  });
  threads.emplace_back([&] {
    while (!stop) {
      auto const status = db.status();
      auto const reverted = db.revert(status.value().manifest->retained.back().generation);
      if (!reverted && reverted.error().code() != errc::not_retained) ++wrong;
      std::this_thread::yield();
    }
  });
  int committed = 0;
  for (int n = 0; n < 60; ++n) {
    auto stage = db.stage();
    if (!stage) {
      ++wrong;
      continue;
    }
    stage.value().writer().put(std::to_string(stage.value().generation().number));
    auto ready = std::move(stage).value().seal();
    auto const done = std::move(ready).value().commit();
    committed += done ? 1 : 0;
    if (!done && done.error().code() != errc::conflict) ++wrong;
  }
  stop = true;
  for (auto& thread : threads) thread.join();
  CHECK(wrong == 0);
  REQUIRE(db.collect());
  auto const manifest = *db.status().value().manifest;
  Numbers listed;
  for (auto const& kept : manifest.retained) listed.push_back(kept.generation.number);
  std::sort(listed.begin(), listed.end());
  CHECK(home.in_store() == listed);
  CHECK(manifest.sequence >= static_cast<std::uint64_t>(committed));
}

TEST_CASE("a home of the memory store that ships is read while it is built",
          "[staged][view][threads]") {
  using Map = std::map<std::string, int>;
  auto db = hf::open_staged(hf::StagedOptions{}, hf::MemoryStore<Map>{}, hf::MemoryRegister{},
                            hf::Exclusive{})
                .value();
  std::atomic<bool> stop{false};
  std::atomic<int> wrong{0};
  auto const build = [&](int n) -> hf::result<hf::Committed> {
    HOLDFAST_TRY(stage, db.stage());
    for (int i = 0; i < 20; ++i) (*stage.writer())["key " + std::to_string(i)] = n;
    HOLDFAST_TRY(ready, std::move(stage).seal());
    return std::move(ready).commit();
  };
  REQUIRE(build(1));
  std::thread reader{[&] {
    while (!stop) {
      auto const view = db.view();
      auto const& map = **view.value();
      for (auto const& [key, value] : map) {
        if (value != map.begin()->second) ++wrong;
      }
      if (map.size() != 20) ++wrong;
    }
  }};
  for (int n = 2; n <= 40; ++n) {
    if (!build(n)) ++wrong;
  }
  stop = true;
  reader.join();
  CHECK(wrong == 0);
}

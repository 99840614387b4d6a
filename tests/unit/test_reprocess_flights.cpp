// SPDX-License-Identifier: BSL-1.0
// Tests that one run goes on at a time whoever asks, and what becomes of a commit whose answer was
// lost.
#include <atomic>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "catch.hpp"
#include "memory_home.hpp"
#include "places.hpp"
#include "reprocess_home.hpp"

namespace {
using hf::errc, hf::TaskRun;
using support::Answer, support::code_of, support::eventually, support::fills,
    support::ReprocessHome, support::StartedHome;
using Writer = ReprocessHome::Writer;

// A run of one task that works until it is let go.
struct Flying {
  ReprocessHome home{};
  std::atomic<bool> begun{false};
  std::atomic<bool> let_go{false};
  ReprocessHome::Job job = home.job();
  hf::result<hf::ReprocessReport> answer = hf::failure(errc::unknown, "test");
  std::thread thread{};

  Flying() {
    job.add({.name = "keys", .run = [this](Writer& writer, TaskRun&) -> hf::result<void> {
               begun = true;
               if (!eventually([this] { return let_go.load(); }))
                 return hf::failure(errc::unknown, "test");
               *std::get<0>(writer) = "new";
               return hf::ok();
             }});
    job.add(fills<1>("stats"));
    thread = std::thread{[this] { answer = job.run(); }};
    REQUIRE(eventually([this] { return begun.load(); }));
  }
  void land() {
    let_go = true;
    thread.join();
  }
};
}  // namespace

TEST_CASE("a second caller is told that a run is under way", "[reprocess][flight]") {
  Flying flying;
  auto const second = flying.job.run();
  CHECK(code_of(second) == errc::busy);
  CHECK(second.error().detail() == "another run is in tasks");
  CHECK(flying.job.status().running);
  CHECK(flying.home.served() == "old/old/1");
  flying.land();
  REQUIRE(flying.answer);
  CHECK(flying.home.served() == "new/new/-");
  CHECK(flying.home.db.status().value().manifest->next == 3);
}

TEST_CASE("a second caller may join the run and gets its answer", "[reprocess][flight]") {
  bool joined = false;
  for (int round = 0; round < 20 && !joined; ++round) {
    Flying flying;
    hf::result<hf::ReprocessReport> second = hf::failure(errc::unknown, "test");
    std::thread caller{[&] { second = flying.job.run({.join = true}); }};
    std::this_thread::sleep_for(std::chrono::milliseconds{20});
    flying.land();
    caller.join();
    REQUIRE(second);
    REQUIRE(flying.answer);
    auto const of = [](auto const& answer) { return answer.value().committed->generation.number; };
    joined = of(second) == of(flying.answer);
    // Whoever comes too late to join runs by itself.
    CHECK(of(second) == (joined ? 2 : 3));
    CHECK(flying.home.db.status().value().manifest->next == of(second) + 1);
  }
  CHECK(joined);
}

TEST_CASE("a caller that joins may stop waiting without stopping the run", "[reprocess][flight]") {
  Flying flying;
  std::stop_source source;
  std::thread other{[&] {
    std::this_thread::sleep_for(std::chrono::milliseconds{20});
    source.request_stop();
  }};
  auto const joined = flying.job.run({.stop = source.get_token(), .join = true});
  other.join();
  CHECK(code_of(joined) == errc::cancelled);
  flying.land();
  CHECK(flying.answer);
}

TEST_CASE("a run that does fewer tasks is not joined", "[reprocess][flight]") {
  ReprocessHome home;
  auto job = home.job();
  std::atomic<bool> begun{false}, let_go{false};
  auto slow = fills<0>("keys");
  slow.on_start = [&](TaskRun const&) -> hf::result<void> {
    begun = true;
    if (!eventually([&] { return let_go.load(); })) return hf::failure(errc::unknown, "test");
    return hf::ok();
  };
  job.add(slow);
  job.add(fills<1>("stats"));
  std::thread first{[&] {
    static_cast<void>(job.run({.tasks = {"keys"}, .stage = [](auto& db) { return db.stage(); }}));
  }};
  CHECK(eventually([&] { return begun.load(); }));
  CHECK(code_of(job.run({.join = true})) == errc::busy);
  let_go = true;
  first.join();
}

TEST_CASE(
    "of many callers at once each gets the answer of a run or is told busy; no reader sees a mix",
    "[reprocess][flight]") {
  ReprocessHome home;
  auto job = home.job();
  auto const number = [](auto& part, TaskRun const& run) {
    *part = std::to_string(run.generation().number);
  };
  job.add({.name = "keys", .run = [&](Writer& writer, TaskRun& run) -> hf::result<void> {
             number(std::get<0>(writer), run);
             return hf::ok();
           }});
  job.add({.name = "stats", .run = [&](Writer& writer, TaskRun& run) -> hf::result<void> {
             number(std::get<1>(writer), run);
             return hf::ok();
           }});
  std::atomic<bool> over{false};
  std::atomic<int> mixed{0}, committed{0}, other{0};
  std::thread reader{[&] {
    while (!over) {
      auto const view = home.db.view();
      mixed += !view || *std::get<0>(*view.value()) != *std::get<1>(*view.value());
      static_cast<void>(job.status());
    }
  }};
  std::vector<std::thread> callers;
  for (int i = 0; i < 4; ++i) {
    callers.emplace_back([&, i] {
      for (int round = 0; round < 50; ++round) {
        auto const answer = job.run({.join = i % 2 == 0});
        if (answer) {
          ++committed;
        } else {
          other += answer.error().code() != errc::busy;
        }
      }
    });
  }
  for (auto& caller : callers) caller.join();
  over = true;
  reader.join();
  CHECK(mixed == 0);
  CHECK(other == 0);
  CHECK(committed > 0);
  CHECK(home.idle());
  auto const manifest = *home.db.status().value().manifest;
  CHECK(manifest.next == manifest.current.number + 1);  // nothing was begun in vain
}

TEST_CASE("threads run all that is posted, no more at once than allowed", "[reprocess][executor]") {
  std::atomic<int> inside{0}, most{0}, ran{0};
  {
    hf::Threads threads{3};
    for (int i = 0; i < 50; ++i) {
      REQUIRE(threads.post([&] {
        int const now = ++inside;
        int seen = most;
        while (now > seen && !most.compare_exchange_weak(seen, now)) {
        }
        std::this_thread::sleep_for(std::chrono::milliseconds{1});
        --inside;
        ++ran;
      }));
    }
  }
  CHECK(ran == 50);
  CHECK(most <= 3);
  CHECK(most >= 2);
}

namespace {
// One task over a home whose register does as it is told.
struct Scripted {
  StartedHome home{};
  int attempts = 0;
  [[nodiscard]] auto run() {
    hf::Reprocess job{
        home.db, hf::Inline{}, {.retry = {.base_retry_delay_ms = 0}}, {}, home.home.world};
    job.add({.name = "text", .run = [this](auto& writer, TaskRun&) -> hf::result<void> {
               ++attempts;
               writer.put("two");
               return hf::ok();
             }});
    return job.run();
  }
};
}  // namespace

TEST_CASE("a commit whose answer was lost, but that stands, is a success", "[reprocess]") {
  Scripted s;
  support::answer_commit(s.home.home, 2, Answer::stored_and_uncertain);
  auto const report = s.run();
  REQUIRE(report);
  CHECK(report.value().committed->generation == hf::Generation{2});
  CHECK(s.attempts == 1);
  CHECK(support::shown(s.home.db) == "two");
}

TEST_CASE("a commit whose answer was lost, and that does not stand, is tried again",
          "[reprocess]") {
  Scripted s;
  support::answer_commit(s.home.home, 2, Answer::lost_and_uncertain);
  auto const report = s.run();
  REQUIRE(report);
  CHECK(report.value().committed->generation == hf::Generation{3});
  CHECK(report.value().attempts[0].cause->code() == errc::io);
  CHECK(s.attempts == 2);
}

TEST_CASE("a commit that stays uncertain is told with its ticket, and not tried again",
          "[reprocess]") {
  Scripted s;
  support::answer_commit(s.home.home, 2, Answer::stored_and_uncertain);
  s.home.home.reg.script().on_reopen = []() -> hf::result<void> {
    return hf::failure(errc::io, "reopen");
  };
  auto const report = s.run();
  REQUIRE(!report);
  CHECK(report.error().code() == errc::uncertain);
  CHECK(s.attempts == 1);
  s.home.home.reg.script().on_reopen = {};
  CHECK(s.home.db.resolve(report.error().ticket()).value() == hf::Outcome::committed);
  CHECK(support::shown(s.home.db) == "two");
}

// SPDX-License-Identifier: BSL-1.0
// Tests every way in which a run fails: the old generation is served, nothing is left, and the
// answer names the task.
#include <new>
#include <stdexcept>
#include <string>
#include <vector>

#include "catch.hpp"
#include "places.hpp"
#include "reprocess_home.hpp"

namespace {
using hf::errc, hf::TaskRun, hf::TaskState;
using support::code_of, support::endless, support::eventually, support::fails, support::fills,
    support::ReprocessHome;
using Writer = ReprocessHome::Writer;
hf::Retry const never{.auto_retry_enabled = false};

// A run that fails, with everything as it was before. Gives its error.
struct Failed {
  hf::error why;
  hf::ReprocessReport report;
  [[nodiscard]] hf::TaskReport task(std::size_t i) const {
    return report.attempts.back().tasks.at(i);
  }
};
template <class Job>
Failed failed(ReprocessHome& home, Job& job, ReprocessHome::Job::request_type const& what = {}) {
  auto const answer = job.run(what);
  REQUIRE(!answer);
  CHECK(home.served() == "old/old/1");
  CHECK(home.idle());
  CHECK(!home.world.inner().illegal());
  auto const report = job.report();
  REQUIRE(report);
  CHECK(!report->committed);
  return {answer.error(), *report};
}

// A deadline that passes only when a task lets it, noticed at once.
hf::ReprocessOptions const minute{
    .timeout_ms = 60'000, .stop_grace_ms = 60'000, .health_check_interval_ms = 1, .retry = never};

// A task that lets the deadline and the grace pass once the second task is done, and does not end
// before it is let go.
struct Hanging {
  ReprocessHome home{};
  std::atomic<bool> go_on{false};
  std::atomic<bool> ended{false};
  bool obeys = false;
  [[nodiscard]] ReprocessHome::Task task(ReprocessHome::Job const& job) {
    return {.name = "keys", .run = [&](Writer& writer, TaskRun& run) -> hf::result<void> {
              auto const others_done = [&] {
                return job.status().tasks.at(1).state == TaskState::done;
              };
              if (!eventually(others_done)) return hf::failure(errc::unknown, "the other task");
              home.world.skip_ms(60'000);
              auto const told = [&] { return run.stop_token().stop_requested(); };
              if (!eventually(told)) return hf::failure(errc::unknown, "the deadline");
              if (obeys) return run.check();
              home.world.skip_ms(60'000);
              if (!eventually([&] { return go_on.load(); }))
                return hf::failure(errc::unknown, "go");
              *std::get<0>(writer) = "late";
              ended = true;
              return hf::ok();
            }};
  }
};
}  // namespace

TEST_CASE("a task that fails ends the run, and the other tasks are stopped", "[reprocess]") {
  ReprocessHome home;
  auto job = home.job({.retry = never});
  job.add(endless("keys"));
  job.add(fails("stats", hf::error{errc::no_space, "write", "table", 28}));
  auto const run = failed(home, job);
  CHECK(run.why == hf::error{errc::no_space, "", "task stats, write: table", 28});
  REQUIRE(run.report.attempts.size() == 1);
  CHECK(run.report.attempts[0].task == "stats");
  CHECK(run.report.attempts[0].phase == "tasks");
  CHECK(run.task(0).progress.state == TaskState::stopped);
  CHECK(run.task(0).cause->code() == errc::cancelled);
  CHECK(run.task(1).progress.state == TaskState::failed);
  CHECK(run.task(1).cause->native() == 28);
}

TEST_CASE("a task that throws fails like any other", "[reprocess]") {
  ReprocessHome home;
  auto const thrown = [&](auto what) {
    auto job = home.job({.retry = never});
    job.add({.name = "keys", .run = [what](Writer&, TaskRun&) -> hf::result<void> { throw what; }});
    job.add(fills<1>("stats"));
    return failed(home, job).why;
  };
  CHECK(thrown(std::runtime_error{"no such column"}) ==
        hf::error{errc::backend, "", "task keys, task: no such column"});
  CHECK(thrown(std::bad_alloc{}).code() == errc::no_memory);
  CHECK(thrown(7).code() == errc::backend);
}

TEST_CASE("errors of all parallel tasks are kept, and the one that will not pass is told",
          "[reprocess]") {
  ReprocessHome home;
  auto job = home.job();
  std::atomic<int> ready{0};
  auto const together = [&](std::string name, errc code) -> ReprocessHome::Task {
    return {.name = name, .run = [&ready, code](Writer&, TaskRun&) -> hf::result<void> {
              ++ready;
              if (!eventually([&] { return ready == 3; })) return hf::ok();
              return hf::failure(code, "work");
            }};
  };
  job.add(together("a", errc::busy));
  job.add(together("b", errc::damaged));
  job.add(together("c", errc::io));
  auto const run = failed(home, job);
  CHECK(run.why.code() == errc::damaged);
  CHECK(run.report.attempts.size() == 1);  // trying again would not help b
  CHECK(run.task(0).cause->code() == errc::busy);
  CHECK(run.task(1).cause->code() == errc::damaged);
  CHECK(run.task(2).cause->code() == errc::io);
}

TEST_CASE("a run is tried again as the policy says, each time into a new generation",
          "[reprocess]") {
  ReprocessHome home;
  auto job = home.job();
  std::vector<std::uint64_t> generations;
  job.add({.name = "keys", .run = [&](Writer& writer, TaskRun& run) -> hf::result<void> {
             generations.push_back(run.generation().number);
             if (run.attempt() < 3) return hf::failure(errc::sync_failed, "fill");
             *std::get<0>(writer) = "new";
             return hf::ok();
           }});
  job.add(fills<1>("stats"));
  auto const report = job.run();
  REQUIRE(report);
  CHECK(home.served() == "new/new/-");
  CHECK(generations == std::vector<std::uint64_t>{2, 3, 4});
  CHECK(report.value().attempts.size() == 3);
  CHECK(report.value().attempts[0].cause->code() == errc::sync_failed);
  CHECK(!report.value().attempts[2].cause);
  CHECK(home.world.skipped_ms() == Approx(2 * 600'000).margin(200));
  CHECK(
      home.world.told("retrying : a sync failed; what was written can't be trusted (reprocess): "
                      "task keys, fill"));
}

TEST_CASE("after the last attempt its error is the answer", "[reprocess]") {
  ReprocessHome home;
  auto job = home.job();
  job.add(fails("keys", hf::error{errc::io, "read"}));
  auto const run = failed(home, job);
  CHECK(run.why.code() == errc::io);
  CHECK(run.report.attempts.size() == 4);
}

TEST_CASE("a caller may decide which errors are tried again", "[reprocess]") {
  ReprocessHome home;
  hf::ReprocessHooks const hooks{
      .retryable = [](hf::error const& why) { return why.code() == errc::backend; }};
  auto job = home.job({}, hooks);
  job.add(fails("keys", hf::error{errc::backend, "query"}));
  CHECK(failed(home, job).report.attempts.size() == 4);
}

TEST_CASE("a validation that says no rejects the generation, and every one is asked",
          "[reprocess]") {
  ReprocessHome home;
  auto job = home.job();
  auto keys = fills<0>("keys");
  keys.validate = [](ReprocessHome::Reader const& reader) -> hf::result<bool> {
    CHECK(*std::get<0>(reader) == "new");
    return *std::get<1>(reader) == "right";
  };
  auto stats = fills<1>("stats");
  stats.validate = [](ReprocessHome::Reader const&) -> hf::result<bool> {
    throw std::runtime_error{"division by zero"};
  };
  job.add(keys);
  job.add(stats);
  auto const run = failed(home, job);
  CHECK(run.why == hf::error{errc::rejected, "", "task keys, validate"});
  CHECK(run.report.attempts.size() == 1);
  CHECK(run.report.attempts[0].phase == "validate");
  CHECK(run.task(0).progress.state == TaskState::failed);
  CHECK(run.task(0).cause->code() == errc::rejected);
  CHECK(run.task(1).cause->detail() == "division by zero");
}

TEST_CASE("a validation that says yes lets it pass", "[reprocess]") {
  ReprocessHome home;
  auto job = home.job();
  auto keys = fills<0>("keys");
  keys.validate = [](ReprocessHome::Reader const& reader) -> hf::result<bool> {
    return *std::get<0>(reader) == "new";
  };
  job.add(keys);
  REQUIRE(job.run());
  CHECK(home.served() == "new//-");
}

TEST_CASE("a task that takes longer than the deadline is stopped and named", "[reprocess]") {
  Hanging late;
  auto job = late.home.job(minute);
  late.obeys = true;
  job.add(late.task(job));
  job.add(fills<1>("stats"));
  auto const run = failed(late.home, job);
  CHECK(run.why.code() == errc::timed_out);
  CHECK(run.why.detail() == "task keys, task");
  CHECK(run.task(0).progress.state == TaskState::stopped);
  CHECK(run.task(1).progress.state == TaskState::done);
}

TEST_CASE("the deadline holds on the caller's own thread too", "[reprocess]") {
  ReprocessHome home;
  hf::Reprocess job{home.db, hf::Inline{}, {.timeout_ms = 30, .retry = never}, {}, home.world};
  job.add(endless("keys"));
  job.add(fills<1>("stats"));
  auto const run = failed(home, job);
  CHECK(run.why.code() == errc::timed_out);
  CHECK(run.task(0).progress.state == TaskState::stopped);
  CHECK(run.task(1).progress.state == TaskState::stopped);  // it never began
  CHECK(run.task(1).progress.done == 0);
}

TEST_CASE("the time for all attempts together ends a run as well", "[reprocess]") {
  ReprocessHome home;
  auto job = home.job({.retry = {.jitter = 0, .timeout_ms = 30}});
  job.add(endless("keys"));
  auto const run = failed(home, job);
  CHECK(run.why.code() == errc::timed_out);
  CHECK(run.report.attempts.size() == 1);
}

TEST_CASE("a task that hangs is given up and named; no run begins before it has ended",
          "[reprocess]") {
  Hanging hung;
  auto& home = hung.home;
  auto options = minute;
  options.retry = {};  // timed_out can pass, but not while it hangs
  auto job = home.job(options);
  job.add(hung.task(job));
  job.add(fills<1>("stats"));
  auto const answer = job.run();
  REQUIRE(!answer);
  CHECK(answer.error().code() == errc::timed_out);
  CHECK(answer.error().detail() == "task keys, task: it was told to stop and did not");
  CHECK(home.served() == "old/old/1");
  auto const report = *job.report();
  CHECK(report.attempts.size() == 1);
  CHECK(report.attempts[0].tasks[0].progress.state == TaskState::hung);
  CHECK(report.attempts[0].tasks[1].progress.state == TaskState::done);
  auto const again = job.run();
  CHECK(code_of(again) == errc::busy);
  CHECK(again.error().detail() == "tasks of an earlier run have not ended: keys");
  CHECK(home.db.state() == hf::State::processing);  // its stage lives as long as it writes
  hung.go_on = true;
  CHECK(eventually([&] { return home.idle(); }));
  CHECK(home.served() == "old/old/1");
  auto const next = [&] {
    return job.run({.tasks = {"stats"}, .stage = [](auto& db) { return db.stage(); }});
  };
  CHECK(eventually([&] { return code_of(next()) != errc::busy; }));
  CHECK(home.served() == "/new/-");
}

TEST_CASE("the end of the object waits for a task that hangs", "[reprocess]") {
  Hanging hung;
  std::thread lets_go;
  {
    auto job = hung.home.job(minute);
    job.add(hung.task(job));
    job.add(fills<1>("stats"));
    CHECK(code_of(job.run()) == errc::timed_out);
    CHECK(!hung.ended);
    lets_go = std::thread{[&] {
      std::this_thread::sleep_for(std::chrono::milliseconds{50});
      hung.go_on = true;
    }};
  }
  CHECK(hung.ended);
  lets_go.join();
  CHECK(hung.home.idle());
  CHECK(hung.home.served() == "old/old/1");
}

TEST_CASE("a task that exhausts the budget fails, and what it held is given back", "[reprocess]") {
  ReprocessHome home;
  auto job = home.job({.memory_budget_bytes = 100, .retry = never});
  job.first({.name = "source", .run = [](Writer&, TaskRun& run) -> hf::result<void> {
               HOLDFAST_TRY(all, run.reserve(100));
               CHECK(all.size() == 100);
               CHECK(code_of(run.reserve(1)) == errc::no_memory);
               return hf::ok();
             }});
  job.add({.name = "keys", .run = [](Writer&, TaskRun& run) -> hf::result<void> {
             HOLDFAST_TRY(some, run.reserve(60));
             auto moved = std::move(some);
             HOLDFAST_TRY(more, run.reserve(41));
             return hf::ok();
           }});
  auto const run = failed(home, job);
  CHECK(run.why.code() == errc::no_memory);
  CHECK(run.why.detail() == "task keys, reserve: 41 bytes, 60 of the budget of 100 are taken");
  CHECK(job.status().memory_bytes == 0);
}

TEST_CASE("without a figure the budget is the part of the free memory that the factor says",
          "[reprocess]") {
  ReprocessHome home;
  auto const free = hf::detail::available_memory();
  REQUIRE(free > 0);
  auto job = home.job({.memory_factor = 0.25, .retry = never});
  job.add({.name = "keys", .run = [&](Writer&, TaskRun& run) -> hf::result<void> {
             HOLDFAST_TRYV(run.reserve(free / 1000));
             HOLDFAST_TRYV(run.reserve(free));
             return hf::ok();
           }});
  CHECK(failed(home, job).why.code() == errc::no_memory);
  auto const budget = job.status().memory_budget_bytes;
  CHECK(budget > free / 16);
  CHECK(budget < free);
}

TEST_CASE("a run can be cancelled while tasks work", "[reprocess]") {
  for (bool const by_token : {false, true}) {
    ReprocessHome home;
    auto job = home.job();
    std::atomic<bool> begun{false};
    auto task = endless("keys");
    task.on_start = [&](TaskRun const& run) -> hf::result<void> {
      begun = !run.stop_token().stop_requested();
      return hf::ok();
    };
    job.add(task);
    std::stop_source source;
    std::thread other{[&] {
      static_cast<void>(eventually([&] { return begun.load(); }));
      by_token ? source.request_stop() : job.cancel();
    }};
    auto const run = failed(home, job, {.stop = source.get_token()});
    other.join();
    CHECK(run.why.code() == errc::cancelled);
    CHECK(run.report.attempts.size() == 1);
    CHECK(run.task(0).progress.state == TaskState::stopped);
  }
}

TEST_CASE("a run can be cancelled in the delay before its next attempt, or before it began",
          "[reprocess]") {
  ReprocessHome home;
  auto job = home.job();
  std::stop_source source;
  auto task = fails("keys", hf::error{errc::io, "read"});
  task.on_complete = [&](auto const&, auto const&) -> hf::result<void> {
    source.request_stop();
    return hf::ok();
  };
  job.add(task);
  auto const run = failed(home, job, {.stop = source.get_token()});
  CHECK(run.why.code() == errc::cancelled);
  CHECK(run.why.detail() == "input or output failed (reprocess): task keys, read");
  CHECK(run.report.attempts.size() == 1);
  CHECK(failed(home, job, {.stop = source.get_token()}).report.attempts.empty());
}

TEST_CASE("a stop that comes when all tasks are done still keeps the commit away", "[reprocess]") {
  ReprocessHome home;
  auto job = home.job();
  std::stop_source source;
  auto keys = fills<0>("keys");
  keys.validate = [&](ReprocessHome::Reader const&) -> hf::result<bool> {
    source.request_stop();
    return true;
  };
  job.add(keys);
  auto const run = failed(home, job, {.stop = source.get_token()});
  CHECK(run.why.code() == errc::cancelled);
  CHECK(run.task(0).progress.state == TaskState::done);
}

TEST_CASE("a home that another one builds in is busy, and the run is tried again", "[reprocess]") {
  ReprocessHome home;
  auto job = home.job();
  int looks = 0;
  ReprocessHome::Job::request_type what;
  what.stage = [&](ReprocessHome::Db& db) {
    auto lock = home.lock;
    auto grant = lock.try_acquire({}, {});
    auto stage = db.stage();
    if (++looks == 2) REQUIRE(lock.release(grant.value()));
    if (looks == 2) stage = db.stage();
    if (looks == 1) REQUIRE(lock.release(grant.value()));
    return stage;
  };
  job.add(fills<0>("keys"));
  auto const report = job.run(what);
  REQUIRE(report);
  REQUIRE(report.value().attempts.size() == 2);
  CHECK(report.value().attempts[0].phase == "stage");
  CHECK(report.value().attempts[0].cause->code() == errc::busy);
  CHECK(report.value().attempts[0].task.empty());
}

TEST_CASE("an executor that refuses or throws fails the task that it was given", "[reprocess]") {
  struct Refusing {
    bool throws;
    [[nodiscard]] hf::result<void> post(std::function<void()> const&) const {
      if (throws) throw std::runtime_error{"the pool is closed"};
      return hf::failure(errc::full, "pool");
    }
  };
  for (bool const throws : {false, true}) {
    ReprocessHome home;
    hf::Reprocess job{home.db, Refusing{throws}, {.retry = never}, {}, home.world};
    job.add(fills<0>("keys"));
    auto const run = failed(home, job);
    CHECK(run.why.code() == (throws ? errc::backend : errc::full));
    CHECK(run.report.attempts[0].task == "keys");
  }
}

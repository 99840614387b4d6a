// SPDX-License-Identifier: BSL-1.0
// Tests what a run commits: all tasks, their marks, a part of them, and what it tells on the way.
#include <atomic>
#include <stdexcept>
#include <string>
#include <vector>

#include "catch.hpp"
#include "places.hpp"
#include "reprocess_home.hpp"

namespace {
using hf::errc, hf::Generation, hf::TaskRun, hf::TaskState;
using support::code_of, support::fails, support::fills, support::ReprocessHome;
using Writer = ReprocessHome::Writer;

// Begins a stage that has what is served now.
hf::result<ReprocessHome::Db::stage_type> carry_over(ReprocessHome::Db& db) {
  HOLDFAST_TRY(view, db.view());
  HOLDFAST_TRY(stage, db.stage());
  *std::get<0>(stage.writer()) = *std::get<0>(*view);
  *std::get<1>(stage.writer()) = *std::get<1>(*view);
  return std::move(stage);
}
}  // namespace

TEST_CASE("all tasks fill one stage, which becomes current with their marks", "[reprocess]") {
  ReprocessHome home;
  auto job = home.job();
  auto keys = fills<0>("keys");
  keys.run = [](Writer& writer, TaskRun& run) -> hf::result<void> {
    CHECK(run.name() == "keys");
    CHECK(run.generation() == Generation{2});
    CHECK(run.attempt() == 1);
    CHECK(run.batch(100) == 200);
    run.expect(10);
    HOLDFAST_TRYV(run.step(10));
    run.mark("offset", 7);
    *std::get<0>(writer) = "new";
    return hf::ok();
  };
  job.add(keys);
  job.add(fills<1>("stats"));
  CHECK(!job.report());
  auto const report = job.run();
  REQUIRE(report);
  CHECK(home.served() == "new/new/7");
  CHECK(home.idle());
  auto const& done = report.value();
  CHECK(done.committed->generation == Generation{2});
  CHECK(done.marks == hf::Marks{{"offset", 7}});
  REQUIRE(done.attempts.size() == 1);
  CHECK(!done.attempts[0].cause);
  CHECK(done.attempts[0].phase == "commit");
  REQUIRE(done.attempts[0].tasks.size() == 2);
  auto const& first = done.attempts[0].tasks[0].progress;
  CHECK(first.name == "keys");
  CHECK(first.state == TaskState::done);
  CHECK(first.done == 10);
  CHECK(first.total == 10);
  CHECK(first.unit == "rows");
  CHECK(job.report()->committed->generation == Generation{2});
  CHECK(home.world.told("task_started keys"));
  CHECK(home.world.told("task_finished stats"));
  CHECK(!job.status().running);
  CHECK(!job.cancel());
}

TEST_CASE("tasks that come first run alone, one after another", "[reprocess]") {
  ReprocessHome home;
  auto job = home.job();
  std::string order;
  std::string source;
  auto const read = [&](std::string name) -> ReprocessHome::Task {
    return {.name = name, .run = [&, name](Writer&, TaskRun&) -> hf::result<void> {
              order += name + " ";
              source += name;
              return hf::ok();
            }};
  };
  job.first(read("a"));
  job.first(read("b"));
  job.add({.name = "keys", .run = [&](Writer& writer, TaskRun&) -> hf::result<void> {
             *std::get<0>(writer) = source;
             return hf::ok();
           }});
  job.add(fills<1>("stats"));
  REQUIRE(job.run());
  CHECK(order == "a b ");
  CHECK(home.served() == "ab/new/-");
}

TEST_CASE("the executor may be the caller itself", "[reprocess]") {
  ReprocessHome home;
  hf::Reprocess job{home.db, hf::Inline{}, {}, {}, home.world};
  auto const here = std::this_thread::get_id();
  job.add({.name = "keys", .run = [&](Writer& writer, TaskRun&) -> hf::result<void> {
             CHECK(std::this_thread::get_id() == here);
             *std::get<0>(writer) = "new";
             return hf::ok();
           }});
  job.add(fills<1>("stats"));
  REQUIRE(job.run());
  CHECK(home.served() == "new/new/-");
}

TEST_CASE("tasks run at the same time, on as many threads as are allowed", "[reprocess]") {
  for (std::size_t const threads : {std::size_t{1}, std::size_t{2}}) {
    ReprocessHome home;
    auto job = home.job({.thread_pool_size = threads});
    std::atomic<int> inside{0};
    std::atomic<bool> met{false};
    auto const meets = [&](std::string name) -> ReprocessHome::Task {
      return {.name = name, .run = [&](Writer&, TaskRun&) -> hf::result<void> {
                ++inside;
                for (int i = 0; i < (threads == 1 ? 20 : 5000) && !met; ++i) {
                  if (inside == 2) met = true;
                  std::this_thread::sleep_for(std::chrono::milliseconds{1});
                }
                --inside;
                return hf::ok();
              }};
    };
    job.add(meets("a"));
    job.add(meets("b"));
    REQUIRE(job.run());
    CHECK(met == (threads == 2));
  }
}

TEST_CASE("some tasks can be run by name, into a stage that carries the rest over", "[reprocess]") {
  ReprocessHome home;
  auto job = home.job();
  job.add(fills<0>("keys"));
  job.add(fills<1>("stats", "newer"));
  auto const report = job.run({.tasks = {"stats"}, .stage = carry_over});
  REQUIRE(report);
  CHECK(report.value().attempts[0].tasks.size() == 1);
  CHECK(home.served() == "old/newer/-");
  // Without a way to keep what the other tasks wrote there is no such run.
  CHECK(code_of(job.run({.tasks = {"stats"}})) == errc::invalid);
  CHECK(code_of(job.run({.tasks = {"stats", "other"}, .stage = carry_over})) == errc::not_found);
  CHECK(home.served() == "old/newer/-");
  // All of them by name are all of them.
  REQUIRE(job.run({.tasks = {"stats", "keys"}}));
  CHECK(home.served() == "new/newer/-");
}

TEST_CASE("tasks may agree on a mark, and nothing is committed where they do not", "[reprocess]") {
  for (std::uint64_t const other : {7U, 8U}) {
    ReprocessHome home;
    auto job = home.job({.retry = {.auto_retry_enabled = false}});
    auto const marks = [](std::string name, std::uint64_t value) -> ReprocessHome::Task {
      return {.name = name, .run = [value](Writer&, TaskRun& run) -> hf::result<void> {
                run.mark("offset", value);
                return hf::ok();
              }};
    };
    job.add(marks("a", 7));
    job.add(marks("b", other));
    auto const report = job.run();
    CHECK(report.has_value() == (other == 7));
    CHECK(home.served() == (other == 7 ? "//7" : "old/old/1"));
    if (!report) {
      CHECK(report.error().code() == errc::conflict);
      CHECK(report.error().detail() == "task b, mark: offset");
    }
  }
}

TEST_CASE("tasks that make no sense are refused before anything begins", "[reprocess]") {
  ReprocessHome home;
  auto const run_of = [&](std::vector<ReprocessHome::Task> tasks) {
    auto job = home.job();
    for (auto& task : tasks) job.add(task);
    return code_of(job.run());
  };
  CHECK(run_of({}) == errc::invalid);
  CHECK(run_of({{.name = "a"}}) == errc::invalid);
  CHECK(run_of({fills<0>("")}) == errc::invalid);
  CHECK(run_of({fills<0>("a"), fills<1>("a")}) == errc::exists);
  CHECK(home.db.status().value().manifest->next == 2);
}

TEST_CASE("options that make no sense are refused before anything begins", "[reprocess]") {
  ReprocessHome home;
  auto const run_with = [&](auto set) {
    hf::ReprocessOptions options;
    set(options);
    auto job = home.job(options);
    job.add(fills<0>("keys"));
    return code_of(job.run());
  };
  CHECK(run_with([](auto& o) { o.timeout_ms = -1; }) == errc::invalid);
  CHECK(run_with([](auto& o) { o.stop_grace_ms = -1; }) == errc::invalid);
  CHECK(run_with([](auto& o) { o.memory_factor = 0; }) == errc::invalid);
  CHECK(run_with([](auto& o) { o.memory_factor = 1.1; }) == errc::invalid);
  CHECK(run_with([](auto& o) { o.thread_pool_size = 0; }) == errc::invalid);
  CHECK(run_with([](auto& o) { o.batch_size_multiplier = 0; }) == errc::invalid);
  CHECK(run_with([](auto& o) { o.progress_report_interval_ms = 0; }) == errc::invalid);
  CHECK(run_with([](auto& o) { o.health_check_interval_ms = 0; }) == errc::invalid);
  CHECK(run_with([](auto& o) { o.retry.jitter = 2; }) == errc::invalid);
  CHECK(run_with([](auto& o) { o.enabled = false; }) == errc::denied);
  CHECK(home.db.status().value().manifest->next == 2);
}

TEST_CASE("the defaults are those of Recon's staging parameters", "[reprocess]") {
  hf::ReprocessOptions const options;
  CHECK(options.enabled);
  CHECK(options.timeout_ms == 120 * 60 * 1000);
  CHECK(options.memory_factor == 0.5);
  CHECK(options.thread_pool_size == 4);
  CHECK(options.batch_size_multiplier == 2.0);
  CHECK(options.retry.auto_retry_enabled);
  CHECK(options.retry.max_retry_attempts == 3);
  for (int number = 1; number <= 3; ++number) {
    CHECK(hf::detail::delay_ns(options.retry, number, 0.5) == 600'000'000'000);
  }
  CHECK(options.progress_report_interval_ms == 30'000);
  CHECK(options.health_check_interval_ms == 10'000);
}

TEST_CASE("hooks hear the start and the end of their task, and what became of all", "[reprocess]") {
  ReprocessHome home;
  auto job = home.job();
  std::string heard;
  auto task = fills<0>("keys");
  task.on_start = [&](TaskRun const& run) -> hf::result<void> {
    heard += "start " + run.name() + "; ";
    return hf::ok();
  };
  task.on_complete = [&](hf::TaskReport const& of,
                         hf::AttemptReport const& all) -> hf::result<void> {
    heard +=
        "end " + std::string{hf::name(of.progress.state)} + (all.cause ? " failed" : " committed");
    CHECK(home.served() == "new//-");
    return hf::ok();
  };
  job.add(task);
  REQUIRE(job.run());
  CHECK(heard == "start keys; end done committed");
}

TEST_CASE("a hook that fails or throws is reported and changes nothing", "[reprocess]") {
  ReprocessHome home;
  hf::ReprocessHooks hooks;
  hooks.on_progress = [](hf::RunProgress const&) { throw std::runtime_error{"no page"}; };
  hooks.on_health = [](hf::RunProgress const&) { throw 7; };
  auto job = home.job({.progress_report_interval_ms = 1, .health_check_interval_ms = 1}, hooks);
  auto task = fills<0>("keys");
  task.on_start = [](TaskRun const&) -> hf::result<void> { throw std::runtime_error{"no mail"}; };
  task.on_complete = [](auto const&, auto const&) -> hf::result<void> {
    return hf::failure(errc::io, "log");
  };
  auto const quick = task.run;
  task.run = [&](Writer& writer, TaskRun& run) {
    CHECK(support::eventually([&] {
      return home.world.told(
                 "hook_failed : the backend reported an error (on_progress): no page") &&
             home.world.told(
                 "hook_failed : the backend reported an error (on_health): an exception");
    }));
    return quick(writer, run);
  };
  job.add(task);
  auto const report = job.run();
  REQUIRE(report);
  CHECK(home.served() == "new//-");
  auto const& failures = report.value().attempts[0].tasks[0].hook_failures;
  REQUIRE(failures.size() == 2);
  CHECK(failures[0] == hf::error{errc::backend, "on_start", "no mail"});
  CHECK(failures[1] == hf::error{errc::io, "log"});
  CHECK(report.value().hook_failures.size() >= 2);
  CHECK(report.value().hook_failures.size() <= 16);
  CHECK(home.world.told("hook_failed keys: input or output failed (log)"));
}

TEST_CASE("progress is seen while tasks run: how far, how fast, who is silent", "[reprocess]") {
  ReprocessHome home;
  std::vector<hf::RunProgress> heard;
  hf::ReprocessHooks hooks;
  hooks.on_progress = [&](hf::RunProgress const& run) { heard.push_back(run); };
  hooks.disk_bytes = [](Generation g) -> hf::result<std::uint64_t> { return g.number * 100; };
  auto job = home.job({.memory_budget_bytes = 1000, .progress_report_interval_ms = 1}, hooks);
  std::atomic<bool> seen{false};
  job.add({.name = "half",
           .run = [&](Writer&, TaskRun& run) -> hf::result<void> {
             HOLDFAST_TRY(reserved, run.reserve(600));
             run.expect(100);
             run.add(50);
             if (!support::eventually([&] { return seen.load(); })) {
               return hf::failure(errc::unknown, "nobody looked");
             }
             return hf::ok();
           },
           .unit = "rows"});
  std::thread watcher{[&] {
    seen = support::eventually([&] {
      auto const run = job.status();
      return run.running && run.tasks.size() == 1 && run.tasks[0].done == 50 &&
             run.tasks[0].silent_ns > 20'000'000;
    });
    auto const run = job.status();
    CHECK(run.phase == "tasks");
    CHECK(run.generation == Generation{2});
    CHECK(run.ratio() == 0.5);
    CHECK(run.threads == 1);
    CHECK(run.memory_bytes == 600);
    CHECK(run.memory_budget_bytes == 1000);
    CHECK(run.disk_bytes == std::uint64_t{200});
    CHECK(run.eta_ns());
  }};
  auto const report = job.run();
  watcher.join();
  REQUIRE(report);
  REQUIRE(!heard.empty());
  CHECK(heard.back().running);
}

TEST_CASE("a report is told as text and as JSON", "[reprocess]") {
  ReprocessHome home;
  auto job = home.job({.retry = {.max_retry_attempts = 1, .jitter = 0}});
  auto task = fails("keys", hf::error{errc::io, "read", "a\nb", 5});
  task.on_complete = [](auto const&, auto const&) -> hf::result<void> {
    return hf::failure(errc::denied, "mail");
  };
  job.add(task);
  REQUIRE(!job.run());
  auto const text = hf::to_text(*job.report());
  CHECK(text.find("nothing was committed, after 2 attempts") == 0);
  CHECK(text.find("  attempt 2, generation 3: failed in tasks after ") != text.npos);
  CHECK(text.find("      input or output failed (read): a\\x0ab, native code 5\n") != text.npos);
  CHECK(text.find("      a hook failed: permission denied (mail)\n") != text.npos);
  auto const json = hf::to_json(*job.report());
  CHECK(json.find(R"({"committed": false, "marks": {}, "seconds": )") == 0);
  CHECK(json.find(R"("phase": "tasks")") != json.npos);
  CHECK(json.find(R"("detail": "task keys, read: a\u000ab", "native": 5)") != json.npos);
}

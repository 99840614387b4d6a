// SPDX-License-Identifier: BSL-1.0
// Tests what is counted of a home's life, and that Prometheus can read it.
#include <sys/wait.h>

#include <cstdio>
#include <cstdlib>
#include <string>
#include <thread>
#include <vector>

#include "catch.hpp"
#include "exposition.hpp"
#include "holdfast/report/metrics.hpp"
#include "holdfast/report/observer.hpp"
#include "memory_home.hpp"
#include "places.hpp"
#include "reprocess_home.hpp"

namespace {
using hf::errc, hf::Event, hf::Generation, hf::Prometheus, hf::State;
using support::Exposition;

Event transition(State from, State to, std::int64_t at_ns = 0) {
  return {.kind = Event::Kind::transition, .from = from, .to = to, .at_ns = at_ns};
}
Exposition read(hf::Metrics const& metrics) {
  Prometheus out;
  metrics.put(out);
  Exposition read{out.text()};
  CHECK(read.wrong == std::vector<std::string>{});
  return read;
}
constexpr std::int64_t ms = 1'000'000;

// All that there is, with names that want escaping.
std::string everything() {
  support::ReprocessHome home;
  hf::Metrics metrics;
  auto world = hf::observed(metrics.observer(), home.world);
  hf::Reprocess job{home.db, hf::Inline{}, {}, {}, world};
  job.add(support::fills<0>("say \"keys\"\\\n\xff"));
  REQUIRE(job.run());
  metrics.hear(transition(State::none, State::initializing));
  Prometheus out{{{"home", "/srv/\"a\""}}};
  metrics.put(out);
  put(out, job.status());
  put(out, home.db.status().value());
  return out.text();
}
}  // namespace

TEST_CASE("a life of a home is counted", "[report][metrics]") {
  hf::Metrics metrics;
  metrics.hear(transition(State::none, State::initializing, 1000 * ms));
  metrics.hear(transition(State::initializing, State::processing));
  CHECK(read(metrics).samples[R"(holdfast_stage_state{state="processing"})"] == 1);
  metrics.hear(transition(State::processing, State::ready_to_commit));
  metrics.hear(transition(State::ready_to_commit, State::committing, 3000 * ms));
  metrics.hear({.kind = Event::Kind::switched, .at_ns = 3002 * ms});
  metrics.hear(transition(State::committing, State::committed, 3003 * ms));
  metrics.hear(transition(State::committed, State::none, 3004 * ms));
  metrics.hear(transition(State::none, State::initializing, 5000 * ms));
  metrics.hear(transition(State::initializing, State::rolling_back, 5001 * ms));
  metrics.hear(transition(State::rolling_back, State::none, 5050 * ms));
  metrics.hear(transition(State::none, State::initializing, 6000 * ms));
  metrics.hear(transition(State::initializing, State::rolling_back, 6001 * ms));
  metrics.hear(transition(State::rolling_back, State::failed, 6001 * ms));
  metrics.hear({.kind = Event::Kind::switched, .at_ns = 9000 * ms});  // a revert
  auto all = read(metrics).samples;
  CHECK(all["holdfast_stage_operations_total"] == 3);
  CHECK(all["holdfast_stage_operations_successful_total"] == 1);
  CHECK(all["holdfast_stage_operations_failures_total"] == 2);
  CHECK(all["holdfast_stage_rollback_failures_total"] == 1);
  CHECK(all["holdfast_switches_total"] == 2);
  CHECK(all[R"(holdfast_stage_state{state="failed"})"] == 1);
  CHECK(all[R"(holdfast_stage_state{state="none"})"] == 0);
  CHECK(all["holdfast_switch_duration_seconds_count"] == 1);
  CHECK(all["holdfast_switch_duration_seconds_sum"] == Approx(0.002));
  CHECK(all[R"(holdfast_switch_duration_seconds_bucket{le="0.001"})"] == 0);
  CHECK(all[R"(holdfast_switch_duration_seconds_bucket{le="0.005"})"] == 1);
  CHECK(all["holdfast_stage_duration_seconds_count"] == 3);
  CHECK(all["holdfast_stage_duration_seconds_sum"] == Approx(2.003 + 0.05 + 0.001));
  CHECK(all[R"(holdfast_stage_duration_seconds_bucket{le="0.1"})"] == 2);
  CHECK(all[R"(holdfast_stage_duration_seconds_bucket{le="5"})"] == 3);
}

TEST_CASE("housekeeping is counted, and a reader that holds is no failure", "[report][metrics]") {
  hf::Metrics metrics;
  hf::error const pinned{errc::pinned, "drop"}, broken{errc::io, "drop"};
  using Kind = Event::Kind;
  metrics.hear({.kind = Kind::recovered});
  metrics.hear({.kind = Kind::dropped});
  metrics.hear({.kind = Kind::dropped});
  metrics.hear({.kind = Kind::drop_failed, .cause = &pinned});
  metrics.hear({.kind = Kind::drop_failed, .cause = &broken});
  metrics.hear({.kind = Kind::published});
  metrics.hear({.kind = Kind::publish_failed, .cause = &broken});
  metrics.hear({.kind = Kind::lock_failed, .cause = &broken});
  metrics.hear({.kind = Kind::hook_failed, .cause = &broken});
  metrics.hear({.kind = Kind::retrying, .cause = &broken});
  metrics.hear({.kind = Kind::foreign});
  auto all = read(metrics).samples;
  CHECK(all["holdfast_recoveries_total"] == 1);
  CHECK(all["holdfast_drops_total"] == 2);
  CHECK(all["holdfast_drops_postponed_total"] == 1);
  CHECK(all["holdfast_drop_failures_total"] == 1);
  CHECK(all["holdfast_publishes_total"] == 1);
  CHECK(all["holdfast_publish_failures_total"] == 1);
  CHECK(all["holdfast_lock_release_failures_total"] == 1);
  CHECK(all["holdfast_hook_failures_total"] == 1);
  CHECK(all["holdfast_stage_retries_total"] == 1);
}

TEST_CASE("tasks have their own counts and times", "[report][metrics]") {
  hf::Metrics metrics;
  hf::error const broken{errc::io, "read"};
  for (auto const& [task, cause] :
       {std::pair{"keys", static_cast<hf::error const*>(nullptr)}, std::pair{"stats", &broken}}) {
    metrics.hear({.kind = Event::Kind::task_started, .at_ns = 1000 * ms, .task = task});
    metrics.hear(
        {.kind = Event::Kind::task_finished, .at_ns = 1700 * ms, .cause = cause, .task = task});
  }
  auto all = read(metrics).samples;
  CHECK(all[R"(holdfast_task_failures_total{task="keys"})"] == 0);
  CHECK(all[R"(holdfast_task_failures_total{task="stats"})"] == 1);
  CHECK(all[R"(holdfast_task_duration_seconds_bucket{task="keys",le="0.5"})"] == 0);
  CHECK(all[R"(holdfast_task_duration_seconds_bucket{task="keys",le="1"})"] == 1);
  CHECK(all[R"(holdfast_task_duration_seconds_sum{task="stats"})"] == Approx(0.7));
}

TEST_CASE("a home that is observed counts its own commits", "[report][metrics]") {
  hf::Metrics metrics;
  support::MemoryHome const home;
  auto db = hf::open_staged(hf::StagedOptions{.retain = 1}, support::TextStore{home.texts},
                            home.reg, home.lock, hf::observed(metrics.observer()))
                .value();
  for (int i = 0; i < 3; ++i) REQUIRE(support::commit_text(db, "text"));
  { auto const discarded = db.stage(); }
  auto all = read(metrics).samples;
  CHECK(all["holdfast_stage_operations_total"] == 4);
  CHECK(all["holdfast_stage_operations_successful_total"] == 3);
  CHECK(all["holdfast_stage_operations_failures_total"] == 1);
  CHECK(all["holdfast_drops_total"] == 2);
  CHECK(all["holdfast_switch_duration_seconds_count"] == 3);
  CHECK(all[R"(holdfast_stage_state{state="none"})"] == 1);
}

TEST_CASE("nothing is lost when many threads are heard at once", "[report][metrics]") {
  hf::Metrics metrics;
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int n = 0; n < 2000; ++n) {
        metrics.hear({.kind = Event::Kind::dropped});
        metrics.hear({.kind = Event::Kind::task_finished, .at_ns = 5 * ms, .task = "keys"});
        if (n % 500 == 0) static_cast<void>(Prometheus{});
      }
    });
  }
  for (int n = 0; n < 20; ++n) {
    Prometheus out;
    metrics.put(out);
  }
  for (auto& thread : threads) thread.join();
  auto all = read(metrics).samples;
  CHECK(all["holdfast_drops_total"] == 8000);
  CHECK(all[R"(holdfast_task_duration_seconds_count{task="keys"})"] == 8000);
  CHECK(all[R"(holdfast_task_duration_seconds_sum{task="keys"})"] == Approx(40));
}

TEST_CASE("gauges come from the run and the home", "[report][metrics]") {
  hf::RunProgress run{.running = true, .attempt = 2, .threads = 1, .memory_bytes = 5};
  run.disk_bytes = 77;
  run.tasks = {{.name = "a",
                .state = hf::TaskState::running,
                .done = 1,
                .total = 4,
                .unit = "rows",
                .elapsed_ns = ms,
                .silent_ns = 1500 * ms},
               {.name = "b", .state = hf::TaskState::running, .done = 9}};
  hf::Status status;
  status.manifest.emplace();
  status.manifest->current = {3};
  status.manifest->retained = {{{3}, 1, {{"offset", 4711}}, {}}, {{2}, 1, {}, {}}};
  status.manifest->retiring = {{{1}, 0}};
  status.foreign = {{9}};
  status.trouble = hf::error{errc::damaged, "open"};
  status.pins = {{{3}, true, true}, {{2}, false, {}}, {{1}, false, true}};
  Prometheus out;
  put(out, run);
  put(out, status);
  Exposition read{out.text()};
  CHECK(read.wrong == std::vector<std::string>{});
  auto all = read.samples;
  CHECK(all["holdfast_stage_running"] == 1);
  CHECK(all["holdfast_stage_attempt"] == 2);
  CHECK(all["holdfast_stage_progress_ratio"] == 0.125);
  CHECK(all["holdfast_stage_disk_bytes"] == 77);
  CHECK(all["holdfast_stage_memory_bytes"] == 5);
  CHECK(all["holdfast_stage_threads"] == 1);
  CHECK(all[R"(holdfast_task_progress_ratio{task="a"})"] == 0.25);
  CHECK(all.count(R"(holdfast_task_progress_ratio{task="b"})") == 0);
  CHECK(all[R"(holdfast_task_items{task="b",unit=""})"] == 9);
  CHECK(all[R"(holdfast_task_silent_seconds{task="a"})"] == 1.5);
  CHECK(all["holdfast_current_generation"] == 3);
  CHECK(all["holdfast_retained_generations"] == 2);
  CHECK(all["holdfast_retiring_generations"] == 1);
  CHECK(all["holdfast_foreign_generations"] == 1);
  CHECK(all["holdfast_trouble"] == 1);
  CHECK(all[R"(holdfast_pinned_generations{by="this object"})"] == 1);
  CHECK(all[R"(holdfast_pinned_generations{by="others"})"] == 2);
  CHECK(all["holdfast_lock_held"] == 0);
  CHECK(all[R"(holdfast_mark{mark="offset"})"] == 4711);
}

TEST_CASE("numbers and labels are written as the format wants them", "[report][prometheus]") {
  CHECK(Prometheus::number(0) == "0");
  CHECK(Prometheus::number(0.1) == "0.1");
  CHECK(Prometheus::number(4711) == "4711");
  CHECK(Prometheus::number(1e300 * 1e300) == "+Inf");
  CHECK(Prometheus::number(-1e300 * 1e300) == "-Inf");
  CHECK(Prometheus::number(std::numeric_limits<double>::quiet_NaN()) == "NaN");
  Prometheus out{{{"home", "a"}}};
  out.family("x", "gauge", "one \\ line\nof \"help\"").sample(1, {{"l", "\"\\\n\xc3\xa4\xff"}});
  CHECK(out.text() ==
        "# HELP x one \\\\ line\\nof \"help\"\n# TYPE x gauge\n"
        "x{l=\"\\\"\\\\\\n\xc3\xa4\xef\xbf\xbd\",home=\"a\"} 1\n");
}

TEST_CASE("the parser of this test finds what is wrong", "[report][prometheus]") {
  auto const complaints = [](std::string const& text) { return Exposition{text}.wrong.size(); };
  CHECK(complaints("# HELP a b\n# TYPE a gauge\na 1\n") == 0);
  CHECK(complaints("# HELP a b\n# TYPE a gauge\na 1") != 0);
  CHECK(complaints("# TYPE a gauge\na 1\n") != 0);
  CHECK(complaints("# HELP a b\n# TYPE a counter\na 1\n") != 0);
  CHECK(complaints("# HELP a b\n# TYPE a gauge\nb 1\n") != 0);
  CHECK(complaints("# HELP a b\n# TYPE a gauge\na 1\na 2\n") != 0);
  CHECK(complaints("# HELP a b\n# TYPE a gauge\na{l=\"\\x\"} 1\n") != 0);
  CHECK(complaints("# HELP a b\n# TYPE a gauge\na{l=\"\n\"} 1\n") != 0);
  CHECK(complaints("# HELP a b\n# TYPE a gauge\na one\n") != 0);
  std::string const histogram = "# HELP a_seconds b\n# TYPE a_seconds histogram\n";
  CHECK(complaints(histogram + "a_seconds_bucket{le=\"+Inf\"} 1\na_seconds_count 1\n") == 0);
  CHECK(complaints(histogram + "a_seconds_bucket{le=\"1\"} 1\na_seconds_count 1\n") != 0);
  CHECK(complaints(histogram + "a_seconds_bucket{le=\"+Inf\"} 1\na_seconds_count 2\n") != 0);
}

TEST_CASE("all that a home exposes is in order, by our parser and by promtool where it is",
          "[report][prometheus]") {
  auto const text = everything();
  Exposition const read{text};
  CHECK(read.wrong == std::vector<std::string>{});
  CHECK(read.families().size() >= 25);
  if (std::system("command -v promtool >/dev/null 2>&1") != 0) return;
  FILE* const promtool = ::popen("promtool check metrics >&2", "w");
  REQUIRE(promtool != nullptr);
  std::fwrite(text.data(), 1, text.size(), promtool);
  int const status = ::pclose(promtool);
  CHECK(WEXITSTATUS(status) == 0);
}

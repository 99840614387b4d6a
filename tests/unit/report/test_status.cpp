// SPDX-License-Identifier: BSL-1.0
// Tests what is told of a home and of a run: numbers, lines, JSON, and the judgement of its health.
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "catch.hpp"
#include "holdfast/report/health.hpp"
#include "holdfast/report/json.hpp"
#include "holdfast/report/json_status.hpp"
#include "holdfast/report/progress.hpp"
#include "holdfast/report/text.hpp"

namespace {
using hf::errc, hf::Health, hf::Json, hf::TaskProgress, hf::TaskState;
using Verdict = Health::Verdict;
constexpr std::int64_t s = 1'000'000'000;

TaskProgress task(TaskState state, std::uint64_t done, std::uint64_t total, std::int64_t ns) {
  return {.name = "keys",
          .state = state,
          .done = done,
          .total = total,
          .unit = "rows",
          .elapsed_ns = ns};
}

hf::Status serving() {
  hf::Status status;
  status.manifest.emplace();
  auto& m = *status.manifest;
  m.part_names = {"keys", "stats"};
  m.sequence = 4;
  m.next = 6;
  m.fence = {9};
  m.current = {5};
  m.retained = {{{5}, 4, {{"time", 1'000'000}}, {{5}, {5}}}, {{3}, 2, {}, {{3}, {3}}}};
  return status;
}
Health health_of(hf::Status const& status, hf::HealthOptions const& options = {}) {
  return hf::health({.status = status, .wall_ns = 1'000'500 * s}, options);
}
std::vector<std::string> reasons(Health const& health) {
  std::vector<std::string> all;
  for (auto const& reason : health.reasons) all.push_back(reason.what);
  return all;
}
using What = std::vector<std::string>;
}  // namespace

TEST_CASE("JSON takes any bytes and any number", "[report][json]") {
  auto const quoted = [](std::string_view text) { return Json{}.value(text).text(); };
  CHECK(quoted("a\"b\\c") == R"("a\"b\\c")");
  CHECK(quoted("\n\x01") == R"("\u000a\u0001")");
  CHECK(quoted("\xc3\xa4 \xe2\x82\xac \xf0\x9f\x98\x80") ==
        "\"\xc3\xa4 \xe2\x82\xac \xf0\x9f\x98\x80\"");
  CHECK(quoted("\xff\x80z") == R"("\udcff\udc80z")");
  CHECK(quoted("\xed\xa0\x80") == R"("\udced\udca0\udc80")");  // a surrogate
  CHECK(quoted("\xc0\xaf") == R"("\udcc0\udcaf")");            // overlong
  CHECK(quoted("\xe2\x82") == R"("\udce2\udc82")");            // cut
  CHECK(quoted({"\0", 1}) == R"("\u0000")");
  double const inf = std::numeric_limits<double>::infinity();
  Json json;
  json.object([&] {
    json.field("a", 1.5).field("b", inf).field("c", -inf).field("d", inf - inf);
    json.field("e", std::uint64_t{UINT64_MAX}).field("f", INT64_MIN).field("g", true);
    json.field("h", std::optional<int>{}).field("i", std::optional<int>{7}).field("j", "x");
    json.key("k").array([&] { json.value(1).value(2); });
    json.key("l").object([] {});
  });
  CHECK(json.text() ==
        R"({"a": 1.500, "b": null, "c": null, "d": null, "e": 18446744073709551615, )"
        R"("f": -9223372036854775808, "g": true, "h": null, "i": 7, "j": "x", )"
        R"("k": [1, 2], "l": {}})");
}

TEST_CASE("every form of UTF-8 is told from what only looks like it", "[report][text]") {
  for (std::string_view const whole :
       {"", "a", "\xc2\x80", "\xdf\xbf", "\xe0\xa0\x80", "\xed\x9f\xbf", "\xef\xbf\xbf",
        "\xf0\x90\x80\x80", "\xf1\x80\x80\x80", "\xf4\x8f\xbf\xbf"}) {
    CHECK(hf::is_utf8(whole));
    CHECK(hf::utf8_length(whole) == whole.size());
    for (std::size_t size = 1; size < whole.size(); ++size) {
      CHECK_FALSE(hf::is_utf8(whole.substr(0, size)));
      std::string broken{whole};
      broken[size] = 'x';
      CHECK_FALSE(hf::is_utf8(broken));
      broken[size] = '\xc0';
      CHECK_FALSE(hf::is_utf8(broken));
    }
  }
  for (std::string_view const never :
       {"\x80", "\xc1\x80", "\xe0\x9f\xbf", "\xed\xa0\x80", "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80",
        "\xf5\x80\x80\x80", "\xff"}) {
    CHECK_FALSE(hf::is_utf8(never));
  }
}

TEST_CASE("numbers and times are written for people", "[report][text]") {
  CHECK(hf::grouped(0) == "0");
  CHECK(hf::grouped(999) == "999");
  CHECK(hf::grouped(1'234'567) == "1,234,567");
  CHECK(hf::human_bytes(1023) == "1023 B");
  CHECK(hf::human_bytes(4'404'019) == "4.2 MiB");
  CHECK(hf::human_bytes(UINT64_MAX) == "16.0 EiB");
  CHECK(hf::fixed(2.0 / 3) == "0.667");
  CHECK(hf::fixed(1e308, 0).size() == 309);
  CHECK(hf::human_time(0) == "0 ms");
  CHECK(hf::human_time(850'000'000) == "850 ms");
  CHECK(hf::human_time(12'345 * s / 1000) == "12.3 s");
  CHECK(hf::human_time(59'999 * s / 1000) == "59.9 s");
  CHECK(hf::human_time(245 * s) == "4 min 5 s");
  CHECK(hf::human_time(12'000 * s) == "3 h 20 min");
  CHECK(hf::human_time(446'400 * s) == "5 d 4 h");
  CHECK(hf::human_time(-5 * s) == "-5.0 s");
  CHECK(hf::human_time(INT64_MIN) == "-106751 d 23 h");
  CHECK(hf::printable("a\x1b[2J\xff\xc3\xa4\x7f") == "a\\x1b[2J\\xff\xc3\xa4\\x7f");
}

TEST_CASE("progress has a ratio, a rate and a time left where they can be told",
          "[report][progress]") {
  auto const half = task(TaskState::running, 50, 200, 5 * s);
  CHECK(half.ratio() == 0.25);
  CHECK(half.rate() == 10.0);
  CHECK(half.eta_ns() == 15 * s);
  CHECK(line(half) == "keys: running, 50 of 200 rows, 25 %, 10 a second, 15.0 s left");
  auto const endless = task(TaskState::running, 50, 0, 5 * s);
  CHECK(!endless.ratio());
  CHECK(!endless.eta_ns());
  CHECK(line(endless) == "keys: running, 50 rows, 10 a second");
  CHECK(!task(TaskState::running, 0, 10, 5 * s).eta_ns());
  CHECK(task(TaskState::running, 0, 10, 0).rate() == 0);
  auto const more = task(TaskState::running, 30, 20, s);  // the total was a guess
  CHECK(more.ratio() == 1.0);
  CHECK(more.eta_ns() == 0);
  CHECK(task(TaskState::running, 1, UINT64_MAX, INT64_MAX).eta_ns() == INT64_MAX);
  auto const done = task(TaskState::done, 10, 20, s);
  CHECK(done.ratio() == 1.0);
  CHECK(line(task(TaskState::failed, 10, 20, s)) ==
        "keys: failed, 10 of 20 rows, 50 %, 10 a second, took 1.0 s");
  CHECK(line(TaskProgress{.name = "b\n"}) == "b\\x0a: waiting");
  hf::RunProgress run{.running = true,
                      .attempt = 2,
                      .generation = {7},
                      .phase = "tasks",
                      .elapsed_ns = 5 * s,
                      .tasks = {half, done}};
  CHECK(run.ratio() == 0.625);
  CHECK(run.eta_ns() == 15 * s);
  CHECK(lines(run).find("generation 7, attempt 2: tasks, 62 % after 5.0 s, 15.0 s left\n  keys") ==
        0);
  run.tasks.push_back(endless);
  CHECK(!run.eta_ns());
  run.tasks[0].silent_ns = 9 * s;
  run.tasks[2].silent_ns = 2 * s;
  CHECK(run.silent_ns() == 2 * s);
  CHECK(hf::RunProgress{}.ratio() == 0);
}

TEST_CASE("the status of a home is one JSON object", "[report][json]") {
  auto status = serving();
  auto& m = *status.manifest;
  hf::Owner owner;
  owner.host = {'h', '\xff'};
  owner.pid = 77;
  m.attempt = hf::AttemptRecord{{6}, {9}, 1, owner};
  m.retiring = {{{2}, 1'000'400'000}};
  status.holder = hf::Holder{owner, {9}, 1'000'490 * s};
  status.state = hf::State::processing;
  status.foreign = {{1}};
  status.trouble = hf::error{errc::damaged, "open", "a\"b", 5};
  status.pins = {{{5}, true, false}, {{3}, false, false}, {{2}, false, true}, {{1}, true, {}}};
  status.updated = {{5}};
  status.shown = hf::Marks{{"time", 1'000'002}};
  auto const json = to_json(status, 1'000'500 * s);
  CHECK(json ==
        R"({"committed": true, "state": "processing", "current": 5, "sequence": 4, "next": 6, )"
        R"("fence": 9, "parts": ["keys", "stats"], "marks": {"time": 1000000}, )"
        R"("shown_marks": {"time": 1000002}, "retained": )"
        R"([{"generation": 5, "sequence": 4, "marks": {"time": 1000000}, "parts": [5, 5], )"
        R"("updated": true}, )"
        R"({"generation": 3, "sequence": 2, "marks": {}, "parts": [3, 3], )"
        R"("updated": false}], "retiring": )"
        R"([{"generation": 2, "seconds": 100.000}], "holder": {"host": "h\udcff", "pid": 77, )"
        R"("token": 9, "seconds_held": 10.000}, "attempt": {"generation": 6, "token": 9, )"
        R"("host": "h\udcff", "pid": 77, "unattended": false}, "foreign": [1], "pins": )"
        R"([{"generation": 5, "here": true, "elsewhere": false}, )"
        R"({"generation": 2, "here": false, "elsewhere": true}, )"
        R"({"generation": 1, "here": true, "elsewhere": null}], "trouble": )"
        R"({"code": "the bytes fail their check", "where": "open", "detail": "a\"b", )"
        R"("native": 5, "text": "the bytes fail their check (open): a\"b, native code 5"}, )"
        R"("run": null})");
  auto const empty = to_json(hf::Status{}, 0, hf::RunProgress{.phase = "none"});
  CHECK(
      empty.find(
          R"({"committed": false, "state": "none", "holder": null, "attempt": null, )"
          R"("foreign": [], "pins": [], "trouble": null, "run": {"running": false, "attempt": 0)") ==
      0);
}

TEST_CASE("a run's progress is one JSON object", "[report][json]") {
  hf::RunProgress const run{.running = true,
                            .attempt = 1,
                            .generation = {2},
                            .phase = "tasks",
                            .elapsed_ns = 5 * s,
                            .tasks = {task(TaskState::running, 50, 200, 5 * s)}};
  CHECK(to_json(run) ==
        R"({"running": true, "attempt": 1, "generation": 2, "phase": "tasks", "ratio": 0.250, )"
        R"("seconds": 5.000, "seconds_left": 15.000, "threads": 0, "memory_bytes": 0, )"
        R"("memory_budget_bytes": 0, "disk_bytes": null, "tasks": [{"name": "keys", "state": )"
        R"("running", "done": 50, "total": 200, "unit": "rows", "ratio": 0.250, "per_second": )"
        R"(10.000, "seconds": 5.000, "seconds_left": 15.000, "seconds_silent": 0.000}]})");
}

TEST_CASE("a home that serves is up", "[report][health]") {
  auto const health = health_of(serving());
  CHECK(health.verdict == Verdict::up);
  CHECK(health.reasons.empty());
  CHECK(to_text(health) == "up");
  CHECK(to_json(health) == R"({"status": "up", "ratio": null, "reasons": []})");
}

TEST_CASE("a home whose status can't be had, or that is empty, is unknown", "[report][health]") {
  auto const none = hf::health({.status = hf::failure(errc::denied, "status")});
  CHECK(none.verdict == Verdict::unknown);
  CHECK(to_text(none) == "unknown: permission denied (status)");
  CHECK(hf::health({}).verdict == Verdict::unknown);
  CHECK(reasons(health_of({})) == What{"empty"});
  CHECK(health_of({}).verdict == Verdict::unknown);
}

TEST_CASE("trouble and a failed rollback are down", "[report][health]") {
  auto status = serving();
  status.trouble = hf::error{errc::damaged, "open"};
  status.state = hf::State::failed;
  CHECK(health_of(status).verdict == Verdict::down);
  CHECK(reasons(health_of(status)) == What{"trouble", "failed"});
}

TEST_CASE("data that is too old is down, by the mark that holds its time", "[report][health]") {
  CHECK(health_of(serving(), {.age_mark = "time", .max_age_ms = 500'000}).verdict == Verdict::up);
  auto const old = health_of(serving(), {.age_mark = "time", .max_age_ms = 499'999});
  CHECK(old.verdict == Verdict::down);
  CHECK(to_text(old) == "down: the current data is 8 min 20 s old");
  CHECK(health_of(serving(), {.age_mark = "time", .max_age_ms = 0}).verdict == Verdict::up);
  CHECK(health_of(serving(), {.age_mark = "other"}).verdict == Verdict::unknown);
  auto future = serving();
  future.manifest->retained[0].marks["time"] = UINT64_MAX;
  CHECK(health_of(future, {.age_mark = "time"}).verdict == Verdict::up);
}

TEST_CASE("a builder that is silent or holds the lock too long is down", "[report][health]") {
  hf::RunProgress run{.running = true, .tasks = {task(TaskState::running, 1, 4, s)}};
  run.tasks[0].silent_ns = 61 * s;
  hf::HealthInput input{.status = serving(), .run = run, .wall_ns = 1'000'500 * s};
  CHECK(hf::health(input, {.max_silent_ms = 62'000}).verdict == Verdict::up);
  CHECK(hf::health(input).ratio == 0.25);
  auto const silent = hf::health(input, {.max_silent_ms = 60'000});
  CHECK(silent.verdict == Verdict::down);
  CHECK(to_text(silent) == "down: no task made a step for 1 min 1 s");
  input.run->running = false;
  CHECK(hf::health(input, {.max_silent_ms = 60'000}).verdict == Verdict::up);
  auto held = serving();
  held.holder = hf::Holder{{}, {1}, 1'000'400 * s};
  held.holder->owner.pid = 5;
  CHECK(reasons(health_of(held, {.max_held_ms = 99'999})) == What{"held"});
  CHECK(health_of(held, {.max_held_ms = 100'000}).reasons.empty());
  held.holder->acquired_at_ns = 0;  // a lock that does not tell
  CHECK(health_of(held, {.max_held_ms = 1}).reasons.empty());
}

TEST_CASE("what is left for later is told, and leaves a home up", "[report][health]") {
  auto status = serving();
  status.manifest->attempt = hf::AttemptRecord{{6}, {9}, 1, {}};
  status.manifest->retiring.resize(9);
  status.foreign = {{1}};
  hf::HealthInput const input{.status = status,
                              .last_failure = hf::error{errc::io, "read"},
                              .housekeeping = hf::error{errc::denied, "drop"}};
  auto const health = hf::health(input);
  CHECK(health.verdict == Verdict::up);
  CHECK(reasons(health) == What{"unattended", "housekeeping", "retiring", "foreign", "last_run"});
  CHECK(hf::health(input, {.max_retiring = 9}).reasons.size() == 4);
  CHECK(to_json(health).find(R"({"status": "up", "ratio": null, "reasons": [{"status": "up", )"
                             R"("what": "unattended", "text": "generation 6 was begun)") == 0);
}

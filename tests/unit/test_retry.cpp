// SPDX-License-Identifier: BSL-1.0
// Tests what is tried again, when, and what ends it, in a world whose clock stands still otherwise.
#include <cstdint>
#include <limits>
#include <vector>

#include "catch.hpp"
#include "holdfast/policy/retry.hpp"
#include "places.hpp"

namespace {
using hf::errc, hf::Retry, hf::Try, support::code_of;

// Time passes only in `wait_until`; chance is what the test says.
struct StillWorld : hf::Native {
  struct Own {
    std::int64_t now = 5'000'000'000;
    std::uint64_t random = 0;
    std::vector<std::int64_t> waits;  // ms
  };
  Own* own;
  [[nodiscard]] std::int64_t steady_ns() const noexcept { return own->now; }
  [[nodiscard]] std::uint64_t random64() const noexcept { return own->random; }
  void wait_until(std::int64_t ns) const noexcept {
    own->waits.push_back((ns - own->now) / 1'000'000);
    own->now = ns;
  }
};

struct Fixture {
  StillWorld::Own own{};
  StillWorld world{{}, &own};
  int calls = 0;
  // Fails `times` times with `code`, then gives the number of the call.
  [[nodiscard]] auto failing(int times, errc code = errc::busy) {
    return [this, times, code](Try const& attempt) -> hf::result<int> {
      ++calls;
      CHECK(attempt.number == calls);
      if (calls <= times) return hf::failure(code, "work");
      return calls;
    };
  }
};
Retry const exact{.jitter = 0};
}  // namespace

TEST_CASE("what succeeds is tried once and nothing is waited for", "[retry]") {
  Fixture f;
  CHECK(hf::retry({}, f.world, f.failing(0)).value() == 1);
  CHECK(f.own.waits.empty());
}

TEST_CASE("delays grow by the multiplier up to the maximum", "[retry]") {
  Fixture f;
  auto policy = exact;
  policy.max_retry_attempts = 7;
  CHECK(hf::retry(policy, f.world, f.failing(7)).value() == 8);
  CHECK(f.own.waits == std::vector<std::int64_t>{1000, 2000, 4000, 8000, 16000, 30000, 30000});
}

TEST_CASE("a multiplier of one gives fixed delays", "[retry]") {
  Fixture f;
  auto policy = exact;
  policy.backoff_multiplier = 1;
  CHECK(hf::retry(policy, f.world, f.failing(3)));
  CHECK(f.own.waits == std::vector<std::int64_t>{1000, 1000, 1000});
}

TEST_CASE("jitter draws its share of each delay from the world", "[retry]") {
  for (auto const& [random, first] :
       {std::pair{std::uint64_t{0}, 750}, std::pair{std::uint64_t{1} << 63, 875},
        std::pair{~std::uint64_t{0}, 1000}}) {
    Fixture f;
    f.own.random = random;
    CHECK(hf::retry({.jitter = 0.25}, f.world, f.failing(1)));
    CHECK(f.own.waits == std::vector<std::int64_t>{first});
  }
}

TEST_CASE("the last error is the answer once all tries failed", "[retry]") {
  Fixture f;
  CHECK(code_of(hf::retry(exact, f.world, f.failing(9, errc::no_space))) == errc::no_space);
  CHECK(f.calls == 4);
  CHECK(f.own.waits.size() == 3);
}

TEST_CASE("only what can pass is tried again, by its code", "[retry]") {
  int passing = 0;
  for (int code = 0; code <= static_cast<int>(errc::torn); ++code) {
    Fixture f;
    auto const e = static_cast<errc>(code);
    CHECK(code_of(hf::retry(exact, f.world, f.failing(9, e))) == e);
    CHECK(f.calls == (hf::can_pass(e) ? 4 : 1));
    passing += hf::can_pass(e);
  }
  CHECK(passing == 9);
  for (auto const lasting : {errc::uncertain, errc::sync_failed, errc::fenced, errc::damaged,
                             errc::cancelled, errc::invalid, errc::rejected}) {
    CHECK(!hf::can_pass(lasting));
  }
}

TEST_CASE("a caller may decide what is tried again", "[retry]") {
  Fixture f;
  hf::RetryHooks const hooks{.retryable = [](auto const& e) { return e.code() == errc::damaged; }};
  CHECK(hf::retry(exact, f.world, f.failing(2, errc::damaged), hooks).value() == 3);
  Fixture g;
  CHECK(code_of(hf::retry(exact, g.world, g.failing(2, errc::busy), hooks)) == errc::busy);
  CHECK(g.calls == 1);
}

TEST_CASE("retrying can be switched off, or limited to no tries", "[retry]") {
  for (auto const& policy : {Retry{.auto_retry_enabled = false}, Retry{.max_retry_attempts = 0}}) {
    Fixture f;
    CHECK(code_of(hf::retry(policy, f.world, f.failing(1))) == errc::busy);
    CHECK(f.calls == 1);
  }
}

TEST_CASE("no delay starts that would end after the deadline", "[retry]") {
  Fixture f;
  auto policy = exact;
  policy.max_retry_attempts = 100;
  policy.timeout_ms = 7000;  // 1 + 2 s are waited, 4 more s would end just at it
  auto const begun = f.own.now;
  std::vector<bool> last;
  hf::RetryHooks const hooks{.failed = [&](hf::FailedTry const& failed) {
    CHECK(failed.attempt.deadline_ns == begun + 7'000'000'000);
    last.push_back(!failed.delay_ns);
  }};
  CHECK(code_of(hf::retry(policy, f.world, f.failing(99), hooks)) == errc::busy);
  CHECK(f.own.waits == std::vector<std::int64_t>{1000, 2000});
  CHECK(last == std::vector{false, false, true});
}

TEST_CASE("cancelling ends it before a try and within 50 ms of a delay", "[retry]") {
  Fixture f;
  CHECK(code_of(hf::retry(exact, f.world, f.failing(1), {.cancelled = [] { return true; }})) ==
        errc::cancelled);
  CHECK(f.calls == 0);
  auto const begun = f.own.now;
  auto const answer = hf::retry(exact, f.world, f.failing(9, errc::io),
                                {.cancelled = [&] { return f.own.now - begun >= 320'000'000; }});
  CHECK(code_of(answer) == errc::cancelled);
  CHECK(answer.error().detail() == "input or output failed (work)");
  CHECK(f.calls == 1);
  CHECK(f.own.now - begun == 350'000'000);
}

TEST_CASE("each failed try is told with its delay", "[retry]") {
  Fixture f;
  std::vector<std::int64_t> delays;
  hf::RetryHooks const hooks{.failed = [&](hf::FailedTry const& failed) {
    CHECK(failed.cause.code() == errc::busy);
    delays.push_back(failed.delay_ns.value_or(-1));
  }};
  CHECK(!hf::retry(exact, f.world, f.failing(9), hooks));
  CHECK(delays == std::vector<std::int64_t>{1'000'000'000, 2'000'000'000, 4'000'000'000, -1});
}

TEST_CASE("a policy that makes no sense is refused before the first try", "[retry]") {
  double const nan = std::numeric_limits<double>::quiet_NaN();
  for (auto const& policy : {Retry{.max_retry_attempts = -1}, Retry{.base_retry_delay_ms = -1},
                             Retry{.max_retry_delay_ms = -1}, Retry{.backoff_multiplier = 0.5},
                             Retry{.backoff_multiplier = nan}, Retry{.jitter = 1.5},
                             Retry{.jitter = nan}, Retry{.timeout_ms = -1}}) {
    Fixture f;
    CHECK(code_of(hf::retry(policy, f.world, f.failing(0))) == errc::invalid);
    CHECK(f.calls == 0);
  }
}

TEST_CASE("delays never run over", "[retry]") {
  Fixture f;
  Retry const policy{.max_retry_attempts = 1000,
                     .base_retry_delay_ms = INT64_MAX,
                     .max_retry_delay_ms = INT64_MAX,
                     .backoff_multiplier = 1e300,
                     .jitter = 0};
  CHECK(hf::detail::delay_ns(policy, 1000, 1) == hf::detail::ns_of_ms(INT64_MAX));
  auto none = policy;
  none.base_retry_delay_ms = 0;
  CHECK(hf::retry(none, f.world, f.failing(1000)).value() == 1001);
  CHECK(f.own.now == 5'000'000'000);
}

TEST_CASE("a result without a value can be retried", "[retry]") {
  Fixture f;
  auto const answer = hf::retry(exact, f.world, [&](Try const& attempt) -> hf::result<void> {
    if (attempt.number == 1) return hf::failure(errc::io, "work");
    return hf::ok();
  });
  CHECK(answer);
}

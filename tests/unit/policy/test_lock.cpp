// SPDX-License-Identifier: BSL-1.0
// Waits for locks, holds them, lets go of them.
#include <sys/wait.h>
#include <unistd.h>

#include <cstdint>
#include <functional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "catch.hpp"
#include "holdfast/backend/memory_register.hpp"
#include "holdfast/lock.hpp"
#include "holdfast/policy/exclusive.hpp"
#include "holdfast/policy/lease.hpp"
#include "holdfast/testing/simulated_disk.hpp"

namespace {
using hf::errc;
constexpr std::int64_t one_ms = 1'000'000;

/// A process of a simulated machine that wants the same lease as another.
struct Wants {
  hf::testing::SimulatedDisk disk{};
  hf::MemoryRegister reg{};
  [[nodiscard]] auto lock() const {
    auto const p = disk.start();
    return hf::Lock{hf::Lease{reg, {.ttl_ms = 1000, .margin_ms = 100}, p.world}, p.world};
  }
  [[nodiscard]] std::int64_t now_ms() const { return disk.machine().clock_ns / one_ms; }
};

/// A lease that does more where it is told to.
struct Nudged {
  using Inner = hf::Lease<hf::MemoryRegister, hf::testing::SimulatedWorld>;
  struct Grant {
    Inner::Grant inner;
    hf::FencingToken token;
  };
  Inner lease;
  std::function<void()> before_renewed{};  // is told
  std::function<void()> after_remaining{};

  [[nodiscard]] hf::result<Grant> try_acquire(hf::Owner const& owner, hf::FencingToken above) {
    HOLDFAST_TRY(got, lease.try_acquire(owner, above));
    return Grant{got, got.token};
  }
  [[nodiscard]] auto release(Grant& grant) { return lease.release(grant.inner); }
  [[nodiscard]] auto inspect() { return lease.inspect(); }
  [[nodiscard]] auto force(hf::Holder const& seen, hf::FencingToken above) {
    return lease.force(seen, above);
  }
  [[nodiscard]] auto renew(Grant& grant) {
    auto renewed = lease.renew(grant.inner);
    if (before_renewed) before_renewed();
    return renewed;
  }
  [[nodiscard]] std::int64_t remaining_ns(Grant const& grant) const {
    auto const left = lease.remaining_ns(grant.inner);
    if (after_remaining) after_remaining();
    return left;
  }
};
}  // namespace

static_assert(hf::lapsing<hf::Lease<hf::MemoryRegister>> &&
              hf::renewable<hf::Lease<hf::MemoryRegister>>);
static_assert(!hf::lapsing<hf::Exclusive> && !hf::renewable<hf::Exclusive>);

TEST_CASE("a lock is held until its handle ends, wherever it was moved", "[lock]") {
  hf::Lock lock{hf::Exclusive{}};
  {
    auto held = lock.try_acquire({6});
    REQUIRE(held);
    CHECK(held.value().token().number == 7);
    CHECK(held.value().owner() == hf::Native{}.self());
    CHECK_FALSE(held.value().remaining_ns());
    auto moved = std::move(held).value();
    CHECK(lock.inspect().value()->token.number == 7);
    CHECK(lock.try_acquire().error().code() == errc::busy);
    auto const other = hf::Lock{hf::Exclusive{}}.try_acquire();
    CHECK(other);
  }
  CHECK_FALSE(lock.inspect().value());
  auto held = lock.try_acquire().value();
  held = hf::Lock{hf::Exclusive{}}.try_acquire().value();  // the one before is let go
  CHECK(lock.try_acquire());
  REQUIRE(held.release());
  CHECK(held.release());
}

TEST_CASE("a handle outlives its lock object", "[lock]") {
  hf::Exclusive const policy;
  auto held = hf::Lock{policy}.try_acquire().value();
  CHECK(hf::Lock{policy}.try_acquire().error().code() == errc::busy);
}

TEST_CASE("who waits has it once the holder is silent for its time", "[lock][lease]") {
  Wants const wants;
  auto one = wants.lock();
  auto two = wants.lock();
  auto first = one.acquire().value();
  auto const busy = two.acquire({.timeout_ms = 500});
  CHECK(busy.error().code() == errc::timed_out);
  CHECK(busy.error().detail() == "held by pid 101 on simulated");
  CHECK(wants.now_ms() == 500);
  CHECK(two.acquire({.timeout_ms = 0}).error().code() == errc::busy);
  auto second = two.acquire({.max_poll_ms = 50});
  REQUIRE(second);
  CHECK(wants.now_ms() >= 1100);
  CHECK(wants.now_ms() <= 1150);  // from the first look on
  CHECK(second.value().token() > first.token());
  CHECK(*first.remaining_ns() == 0);
  CHECK(first.renew().error().code() == errc::fenced);
  CHECK(*second.value().remaining_ns() == 900 * one_ms);
  REQUIRE(second.value().renew());
  REQUIRE(second.value().release());
  CHECK(*second.value().remaining_ns() == 0);
}

TEST_CASE("a pause while it is looked at makes what is left shorter, not longer", "[lock][lease]") {
  Wants const wants;
  auto const p = wants.disk.start();
  Nudged slow{hf::Lease{wants.reg, {.ttl_ms = 1000, .margin_ms = 100}, p.world}};
  slow.after_remaining = [&wants] { wants.disk.machine().clock_ns += 400 * one_ms; };
  hf::Lock lock{std::move(slow), p.world};
  auto held = lock.acquire().value();
  CHECK(*held.remaining_ns() == 500 * one_ms);
}

TEST_CASE("what was released beside a renewal is not held", "[lock][lease][threads]") {
  Wants const wants;
  auto const p = wants.disk.start();
  std::function<void()> beside;
  Nudged nudged{hf::Lease{wants.reg, {.ttl_ms = 1000, .margin_ms = 100}, p.world}};
  nudged.before_renewed = [&beside] { beside(); };
  hf::Lock lock{std::move(nudged), p.world};
  auto held = lock.acquire().value();
  std::thread lets_go;
  beside = [&] {
    lets_go = std::thread{[&held] { static_cast<void>(held.release()); }};
    while (*held.remaining_ns() != 0) std::this_thread::yield();
  };
  CHECK(held.renew());
  CHECK(*held.remaining_ns() == 0);
  lets_go.join();
  CHECK(*held.remaining_ns() == 0);
  CHECK_FALSE(lock.inspect().value());
}

TEST_CASE("a wait can be cancelled, and ends with any error but busy", "[lock]") {
  Wants const wants;
  auto one = wants.lock();
  auto two = wants.lock();
  auto held = one.acquire().value();
  int asked = 0;
  auto const cancelled =
      two.acquire({.timeout_ms = -1, .cancelled = [&asked] { return ++asked == 5; }});
  CHECK(cancelled.error().code() == errc::cancelled);
  CHECK(wants.now_ms() < 500);
  CHECK(two.acquire({.poll_ms = 0}).error().code() == errc::invalid);
  CHECK(two.acquire({.poll_ms = 9, .max_poll_ms = 8}).error().code() == errc::invalid);
  CHECK(two.acquire({.timeout_ms = INT64_MAX}).error().code() == errc::invalid);

  hf::MemoryRegister reg;
  REQUIRE(reg.store_if({}, hf::as_bytes("of another")));
  CHECK(hf::Lock{hf::Lease{reg}}.acquire().error().code() == errc::foreign);
}

TEST_CASE("a lock is taken from the holder that was seen, and its token rises", "[lock]") {
  hf::Lock lock{hf::Exclusive{}};
  auto held = lock.try_acquire().value();
  auto const seen = *lock.inspect().value();
  auto const token = lock.force_unlock(seen).value();
  CHECK(token > held.token());
  CHECK(lock.force_unlock(seen).error().code() == errc::conflict);
  auto next = lock.try_acquire().value();
  CHECK(next.token() > token);
  CHECK(held.release());
  CHECK(lock.inspect().value()->token == next.token());
}

TEST_CASE("threads that wait for one lock hold it one at a time", "[lock][threads]") {
  hf::Lock lock{hf::Exclusive{}};
  std::uint64_t guarded = 0;  // a race where two hold
  std::vector<std::uint64_t> tokens;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 25; ++i) {
        auto const held = lock.acquire({.timeout_ms = -1, .poll_ms = 1, .max_poll_ms = 2});
        if (!held) return;
        ++guarded;
        tokens.push_back(held.value().token().number);
      }
    });
  }
  for (auto& thread : threads) thread.join();
  CHECK(guarded == 100);
  REQUIRE(tokens.size() == 100);
  for (std::size_t i = 1; i < tokens.size(); ++i) CHECK(tokens[i - 1] < tokens[i]);
}

TEST_CASE("a forked child's handle holds nothing, and lets go of nothing", "[lock][fork]") {
  hf::Lock lock{hf::Lease{hf::MemoryRegister{}}};
  auto held = lock.acquire().value();
  auto const child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    bool const nothing = *held.remaining_ns() == 0 && held.renew().error().code() == errc::forked &&
                         held.release().error().code() == errc::forked;
    ::_exit(nothing ? 0 : 1);
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  CHECK(status == 0);
  CHECK(held.renew());
}

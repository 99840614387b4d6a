// SPDX-License-Identifier: BSL-1.0
// Tests the lock in memory: one holder, growing tokens, force.
#include <atomic>
#include <thread>
#include <vector>

#include "catch.hpp"
#include "holdfast/policy/exclusive.hpp"
#include "places.hpp"

namespace {
using hf::errc, hf::Exclusive, hf::FencingToken;
using support::code_of;

hf::Owner owner(std::uint64_t pid) {
  hf::Owner one;
  one.pid = pid;
  return one;
}
}  // namespace

TEST_CASE("one holds an exclusive lock at a time, through any copy of it", "[lock][exclusive]") {
  Exclusive lock;
  Exclusive copy = lock, another;
  auto grant = lock.try_acquire(owner(1), {});
  REQUIRE(grant);
  CHECK(code_of(lock.try_acquire(owner(2), {})) == errc::busy);
  CHECK(code_of(copy.try_acquire(owner(2), {})) == errc::busy);
  CHECK(another.try_acquire(owner(2), {}));
  CHECK(copy.inspect().value()->owner == owner(1));
  CHECK(copy.inspect().value()->token == grant.value().token);
  REQUIRE(lock.release(grant.value()));
  CHECK(!copy.inspect().value());
  CHECK(copy.try_acquire(owner(2), {}));
}

TEST_CASE("tokens of an exclusive lock grow, above every one that was named", "[lock][exclusive]") {
  Exclusive lock;
  auto last = FencingToken{};
  for (std::uint64_t const above : {0u, 100u, 5u, 101u, 0u}) {
    auto grant = lock.try_acquire(owner(1), {above});
    REQUIRE(grant);
    CHECK(grant.value().token > last);
    CHECK(grant.value().token.number > above);
    last = grant.value().token;
    REQUIRE(lock.release(grant.value()));
  }
}

TEST_CASE("a grant releases itself alone, as often as it likes", "[lock][exclusive]") {
  Exclusive lock;
  auto first = lock.try_acquire(owner(1), {});
  REQUIRE(lock.release(first.value()));
  REQUIRE(lock.release(first.value()));
  REQUIRE(lock.try_acquire(owner(2), {}));
  REQUIRE(lock.release(first.value()));
  CHECK(code_of(lock.try_acquire(owner(3), {})) == errc::busy);
  CHECK(lock.inspect().value()->owner == owner(2));
}

TEST_CASE("force takes an exclusive lock from the holder that was seen, and from no other",
          "[lock][exclusive]") {
  Exclusive lock;
  hf::Holder nobody;
  CHECK(code_of(lock.force(nobody, {})) == errc::conflict);
  auto first = lock.try_acquire(owner(1), {});
  auto const seen = *lock.inspect().value();
  REQUIRE(lock.release(first.value()));
  auto second = lock.try_acquire(owner(2), {});
  CHECK(code_of(lock.force(seen, {})) == errc::conflict);
  auto const now = *lock.inspect().value();
  auto const token = lock.force(now, {50});
  REQUIRE(token);
  CHECK(token.value() > second.value().token);
  CHECK(token.value().number > 50);
  auto third = lock.try_acquire(owner(3), {});
  REQUIRE(third);
  CHECK(third.value().token > token.value());
  REQUIRE(lock.release(second.value()));  // forced away already: releases nobody
  CHECK(lock.inspect().value()->owner == owner(3));
}

TEST_CASE("threads exclude each other by an exclusive lock", "[lock][exclusive][threads]") {
  Exclusive lock;
  std::atomic<int> inside{0}, wrong{0}, grants{0};
  std::vector<std::thread> threads;
  for (std::uint64_t t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int round = 0; round < 500; ++round) {
        auto grant = lock.try_acquire(owner(t), {});
        if (!grant) continue;
        if (++inside != 1) ++wrong;
        ++grants;
        --inside;
        if (!lock.release(grant.value())) ++wrong;
      }
    });
  }
  for (auto& thread : threads) thread.join();
  CHECK(wrong == 0);
  CHECK(grants > 0);
}

// SPDX-License-Identifier: BSL-1.0
// Tests the lock of a file: who excludes whom, how tokens grow, who is named.
#include <unistd.h>

#include <atomic>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "catch.hpp"
#include "holdfast/policy/file_lock.hpp"
#include "places.hpp"
#include "processes.hpp"
#include "test_world.hpp"

namespace {
using hf::errc, hf::FencingToken, hf::FileLock;
using support::code_of, support::Place, support::TestWorld;
using WorldLock = hf::BasicFileLock<hf::Posix, TestWorld>;

hf::Owner self() {
  return hf::Native{}.self();
}
hf::Owner named(std::uint64_t pid) {
  auto owner = self();
  owner.pid = pid;
  return owner;
}
}  // namespace

TEST_CASE("objects of one process exclude each other by a file lock", "[lock][file]") {
  Place place;
  FileLock one{place / "LOCK"}, other{place / "LOCK"}, elsewhere{place / "OTHER"};
  auto grant = one.try_acquire(self(), {});
  REQUIRE(grant);
  CHECK(code_of(other.try_acquire(self(), {})) == errc::busy);
  CHECK(code_of(one.try_acquire(self(), {})) == errc::busy);
  CHECK(elsewhere.try_acquire(self(), {}));
  REQUIRE(one.release(grant.value()));
  auto next = other.try_acquire(self(), {});
  REQUIRE(next);
  CHECK(code_of(one.try_acquire(self(), {})) == errc::busy);
}

TEST_CASE("who is refused is told who holds the lock", "[lock][file]") {
  Place place;
  FileLock one{place / "LOCK"}, other{place / "LOCK"};
  auto const grant = one.try_acquire(named(4711), {});
  auto const refused = other.try_acquire(self(), {});
  CHECK(support::text_of(refused).find("pid 4711") != std::string::npos);
  CHECK(support::text_of(refused).find(self().host_name()) != std::string::npos);
  auto const holder = other.inspect();
  REQUIRE(holder);
  REQUIRE(holder.value());
  CHECK(holder.value()->owner == named(4711));
  CHECK(holder.value()->token == grant.value().token);
  CHECK(holder.value()->acquired_at_ns > 0);
  CHECK(one.inspect().value() == holder.value());
}

TEST_CASE("tokens of a file lock grow over releases and objects", "[lock][file]") {
  Place place;
  auto last = FencingToken{};
  for (int round = 0; round < 10; ++round) {
    FileLock lock{place / "LOCK"};
    for (int again = 0; again < 3; ++again) {
      auto grant = lock.try_acquire(self(), {});
      REQUIRE(grant);
      CHECK(grant.value().token > last);
      last = grant.value().token;
      if (again < 2) REQUIRE(lock.release(grant.value()));  // the third lapses with its object
    }
  }
}

TEST_CASE("tokens of a file lock exceed every one that was named", "[lock][file]") {
  Place place;
  FileLock lock{place / "LOCK"};
  auto last = FencingToken{};
  for (std::uint64_t const above :
       {std::uint64_t{0}, std::uint64_t{100}, (std::uint64_t{7} << 32) + 5, std::uint64_t{1},
        (std::uint64_t{7} << 32) + 0xffffffff, (std::uint64_t{9} << 32) + 0xfffffffe}) {
    auto grant = lock.try_acquire(self(), {above});
    REQUIRE(grant);
    CHECK(grant.value().token.number > above);
    CHECK(grant.value().token > last);
    last = grant.value().token;
    REQUIRE(lock.release(grant.value()));
  }
}

TEST_CASE("the first grant after a boot raises the epoch: lost numbers are not given again",
          "[lock][file]") {
  Place place;
  auto last = FencingToken{};
  for (std::uint8_t boot = 1; boot < 5; ++boot) {
    auto const world = TestWorld::after_boot(boot);
    WorldLock lock{place / "LOCK", {}, world};
    auto grant = lock.try_acquire(world.self(), {});
    REQUIRE(grant);
    CHECK(grant.value().token.number >> 32 > last.number >> 32);
    last = grant.value().token;
    REQUIRE(lock.release(grant.value()));
    auto again = lock.try_acquire(world.self(), {});
    CHECK(again.value().token.number >> 32 == last.number >> 32);
    REQUIRE(lock.release(again.value()));
  }
}

TEST_CASE("a release is idempotent, and a copy of it frees nobody else's lock", "[lock][file]") {
  Place place;
  FileLock lock{place / "LOCK"}, other{place / "LOCK"};
  auto first = lock.try_acquire(self(), {}).value();
  auto copy = first;
  REQUIRE(lock.release(first));
  REQUIRE(lock.release(first));
  auto second = lock.try_acquire(self(), {});
  REQUIRE(second);
  static_cast<void>(lock.release(copy));
  CHECK(code_of(other.try_acquire(self(), {})) == errc::busy);
  CHECK(code_of(lock.try_acquire(self(), {})) == errc::busy);
  REQUIRE(lock.release(second.value()));
  CHECK(other.try_acquire(self(), {}));
}

TEST_CASE("force takes a file lock from the holder that was seen, and from no other",
          "[lock][file]") {
  Place place;
  FileLock one{place / "LOCK"}, other{place / "LOCK"};
  CHECK(code_of(other.force(hf::Holder{}, {})) == errc::conflict);
  auto first = one.try_acquire(named(1), {});
  auto const early = *other.inspect().value();
  REQUIRE(one.release(first.value()));
  auto second = one.try_acquire(named(2), {});
  CHECK(code_of(other.force(early, {})) == errc::conflict);
  CHECK(code_of(other.try_acquire(named(3), {})) == errc::busy);
  auto const token = other.force(*other.inspect().value(), {});
  REQUIRE(token);
  CHECK(token.value() > second.value().token);
  CHECK(!one.inspect().value());
  auto third = other.try_acquire(named(3), {});
  REQUIRE(third);
  CHECK(third.value().token > token.value());
  CHECK(other.inspect().value()->owner == named(3));
  // The old holder neither blocks nor counts, and lets go of nothing that is not its own.
  static_cast<void>(one.release(second.value()));
  CHECK(code_of(one.try_acquire(named(4), {})) == errc::busy);
  CHECK(one.inspect().value()->owner == named(3));
  REQUIRE(other.release(third.value()));
  auto fourth = one.try_acquire(named(4), {});
  REQUIRE(fourth);
  CHECK(fourth.value().token > third.value().token);
}

TEST_CASE("a holder that was forced away may take its lock again", "[lock][file]") {
  Place place;
  FileLock one{place / "LOCK"}, other{place / "LOCK"};
  auto first = one.try_acquire(named(1), {});
  REQUIRE(other.force(*other.inspect().value(), {}));
  auto again = one.try_acquire(named(1), {});
  REQUIRE(again);
  CHECK(code_of(other.try_acquire(named(2), {})) == errc::busy);
  REQUIRE(one.release(first.value()));
  CHECK(code_of(other.try_acquire(named(2), {})) == errc::busy);
  REQUIRE(one.release(again.value()));
  CHECK(other.try_acquire(named(2), {}));
}

TEST_CASE("threads exclude each other by one object of a file lock", "[lock][file][threads]") {
  Place place;
  FileLock shared{place / "LOCK"};
  std::atomic<int> inside{0}, wrong{0}, grants{0};
  std::atomic<std::uint64_t> last{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 3; ++t) {
    threads.emplace_back([&, t] {
      FileLock own{place / "LOCK"};
      FileLock& lock = t == 0 ? own : shared;
      for (int round = 0; round < 100; ++round) {
        auto grant = lock.try_acquire(self(), {});
        if (!grant) {
          if (grant.error().code() != errc::busy) ++wrong;
          continue;
        }
        if (++inside != 1) ++wrong;
        if (last.exchange(grant.value().token.number) >= grant.value().token.number) ++wrong;
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

TEST_CASE("a lock ends with its process, also when it is killed", "[lock][file][process]") {
  Place place;
  FileLock lock{place / "LOCK"};
  support::Signal held;
  support::Child child{[&]() -> std::string {
    FileLock theirs{place / "LOCK"};
    auto const grant = theirs.try_acquire(self(), {});
    held.give();
    ::pause();
    return support::text_of(grant);
  }};
  REQUIRE(held.wait());
  CHECK(code_of(lock.try_acquire(self(), {})) == errc::busy);
  auto const holder = lock.inspect().value();
  REQUIRE(holder);
  child.kill();
  CHECK(!lock.inspect().value());
  auto const grant = lock.try_acquire(self(), {});
  REQUIRE(grant);
  CHECK(grant.value().token > holder->token);
}

TEST_CASE("a forked child releases nothing", "[lock][file][process]") {
  Place place;
  FileLock lock{place / "LOCK"}, other{place / "LOCK"};
  auto grant = lock.try_acquire(self(), {});
  CHECK(support::in_child([&]() -> std::string {
          auto const released = lock.release(grant.value());
          if (code_of(released) != errc::forked) return "not refused";
          FileLock ends{std::move(lock)};
          return "";
        }) == "");
  CHECK(code_of(other.try_acquire(self(), {})) == errc::busy);
  REQUIRE(lock.release(grant.value()));
  CHECK(other.try_acquire(self(), {}));
}

TEST_CASE("a forked child can't take what its parent holds, nor take it for its own",
          "[lock][file][process]") {
  Place place;
  FileLock lock{place / "LOCK"};
  auto grant = lock.try_acquire(self(), {});
  CHECK(support::in_child([&]() -> std::string {
          if (lock.try_acquire(self(), {})) return "took it through the parent's object";
          FileLock own{place / "LOCK"};
          return code_of(own.try_acquire(self(), {})) == errc::busy ? "" : "took it";
        }) == "");
  REQUIRE(lock.release(grant.value()));
}

TEST_CASE("a forked child takes no lock through an object of its parent", "[lock][file][process]") {
  Place place;
  FileLock lock{place / "LOCK"};
  auto grant = lock.try_acquire(self(), {});
  REQUIRE(lock.release(grant.value()));
  CHECK(support::in_child([&]() -> std::string {
          return code_of(lock.try_acquire(self(), {})) == errc::forked ? "" : "not refused";
        }) == "");
}

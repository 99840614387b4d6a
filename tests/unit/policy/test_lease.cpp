// SPDX-License-Identifier: BSL-1.0
// A lease over a register: who is silent is replaced, who is not keeps it, and what comes late or
// never is told as it is.
#include <sys/wait.h>
#include <unistd.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "catch.hpp"
#include "holdfast/backend/memory_register.hpp"
#include "holdfast/lock.hpp"
#include "holdfast/policy/lease.hpp"
#include "holdfast/testing/simulated_disk.hpp"

namespace {
using hf::errc;
using hf::testing::SimulatedDisk;
using hf::testing::SimulatedProcess;
using hf::testing::SimulatedWorld;
constexpr std::int64_t ms = 1'000'000;
constexpr hf::LeaseOptions times{.ttl_ms = 1000, .margin_ms = 100};

/// Does not answer what it did, as long as it is told so.
struct Mumbling {
  enum class How { well, applied, lost, late, refused };
  struct Shared {
    hf::MemoryRegister inner{};
    How how = How::well;
    int reopened = 0;
    std::optional<std::pair<hf::Version, hf::bytes>> under_way{};
    std::function<void()> stored{};  // is told before the answer
  };
  std::shared_ptr<Shared> shared = std::make_shared<Shared>();

  [[nodiscard]] auto load() const { return shared->inner.load(); }
  [[nodiscard]] hf::result<hf::Version> store_if(hf::Version expected, hf::bytes_view value) {
    auto& s = *shared;
    auto const how = std::exchange(s.how, How::well);
    if (how == How::refused) return hf::failure(errc::no_space, "store");
    if (how == How::late) s.under_way.emplace(expected, hf::bytes{value.begin(), value.end()});
    if (how == How::lost || how == How::late) return hf::failure(errc::uncertain, "store");
    auto stored = s.inner.store_if(expected, value);
    if (s.stored) s.stored();
    if (how == How::applied) return hf::failure(errc::uncertain, "store");
    return stored;
  }
  [[nodiscard]] hf::result<void> reopen() {
    ++shared->reopened;
    return hf::ok();
  }
  [[nodiscard]] std::size_t max_size() const noexcept { return shared->inner.max_size(); }
};
static_assert(hf::atomic_register<Mumbling>);

struct Bench {
  SimulatedDisk disk{};
  SimulatedProcess first = disk.start();
  SimulatedProcess second = disk.start();
  Mumbling reg{};

  [[nodiscard]] hf::Lease<Mumbling, SimulatedWorld> lease(SimulatedProcess const& p) const {
    return hf::Lease{reg, times, p.world};
  }
  void pass(std::int64_t for_ms) const { disk.machine().clock_ns += for_ms * ms; }
};
template <class Lease>
auto ask(Lease& lease, SimulatedProcess const& p, hf::FencingToken above = {}) {
  return lease.try_acquire(p.world.self(), above);
}
}  // namespace

TEST_CASE("a holder that is silent is replaced once it was seen silent for its time and a margin",
          "[lease]") {
  Bench const bench;
  auto one = bench.lease(bench.first);
  auto two = bench.lease(bench.second);
  auto grant = ask(one, bench.first).value();
  CHECK(grant.token.number == 1);
  CHECK(one.remaining_ns(grant) == 900 * ms);
  bench.pass(5000);
  CHECK(one.remaining_ns(grant) == 0);
  // What it was before somebody looked does not count: it may have been renewed just now.
  CHECK(ask(two, bench.second).error().code() == errc::busy);
  bench.pass(1099);
  auto const busy = ask(two, bench.second);
  CHECK(busy.error().code() == errc::busy);
  CHECK(busy.error().detail() == "held by pid 101 on simulated");
  bench.pass(1);
  auto const taken = ask(two, bench.second);
  REQUIRE(taken);
  CHECK(taken.value().token.number == 2);
  CHECK(two.inspect().value()->owner == bench.second.world.self());
  CHECK(one.renew(grant).error().code() == errc::fenced);
  CHECK(one.renew(grant).error().code() == errc::spent);
  CHECK(one.release(grant));
  CHECK(two.inspect().value()->token.number == 2);
}

TEST_CASE("a renewal holds it for another whole time, also a late one that nobody forestalled",
          "[lease]") {
  Bench const bench;
  auto one = bench.lease(bench.first);
  auto two = bench.lease(bench.second);
  auto grant = ask(one, bench.first).value();
  for (int i = 0; i < 5; ++i) {
    CHECK_FALSE(ask(two, bench.second));
    bench.pass(800);
    REQUIRE(one.renew(grant));
    CHECK(one.remaining_ns(grant) == 900 * ms);
  }
  bench.pass(60'000);
  CHECK(one.remaining_ns(grant) == 0);
  REQUIRE(one.renew(grant));
  CHECK(one.remaining_ns(grant) == 900 * ms);
  CHECK_FALSE(ask(two, bench.second));
  REQUIRE(one.release(grant));
  CHECK(one.remaining_ns(grant) == 0);
  CHECK(ask(two, bench.second, {41}).value().token.number == 42);
}

TEST_CASE("what came of a store that gave no answer is read back", "[lease]") {
  using How = Mumbling::How;
  Bench const bench;
  auto one = bench.lease(bench.first);
  auto& told = *bench.reg.shared;

  told.how = How::applied;
  auto grant = ask(one, bench.first);
  REQUIRE(grant);
  CHECK(told.reopened == 1);
  for (auto const how : {How::applied, How::lost, How::late}) {
    bench.pass(500);
    told.how = how;
    REQUIRE(one.renew(grant.value()));
    CHECK(one.remaining_ns(grant.value()) == 900 * ms);
  }
  // What was under way comes too late now.
  REQUIRE(told.under_way);
  CHECK(told.inner.store_if(told.under_way->first, told.under_way->second).error().code() ==
        errc::conflict);
  told.how = How::lost;
  REQUIRE(one.release(grant.value()));
  CHECK_FALSE(one.inspect().value());

  told.how = How::refused;
  CHECK(ask(one, bench.first).error().code() == errc::no_space);
  CHECK_FALSE(one.inspect().value());
}

TEST_CASE("a lease is taken only from the holder that was seen", "[lease]") {
  Bench const bench;
  auto one = bench.lease(bench.first);
  auto two = bench.lease(bench.second);
  auto grant = ask(one, bench.first).value();
  auto const holder = *two.inspect().value();
  auto other = holder;
  other.token.number = 9;
  CHECK(two.force(other, {}).error().code() == errc::conflict);
  CHECK(two.force(holder, {6}).value().number == 7);
  CHECK(two.force(holder, {}).error().code() == errc::conflict);
  CHECK(one.renew(grant).error().code() == errc::fenced);
  CHECK(ask(two, bench.second).value().token.number == 8);
}

TEST_CASE("a grant that comes too late is renewed once", "[lease]") {
  Bench const bench;
  auto one = bench.lease(bench.first);
  auto& told = *bench.reg.shared;
  int stores = 0;
  int late = 1;
  told.stored = [&] {
    if (++stores <= late) bench.pass(950);
  };
  auto grant = ask(one, bench.first).value();
  CHECK(stores == 2);
  CHECK(grant.token.number == 1);
  CHECK(one.remaining_ns(grant) == 900 * ms);
  REQUIRE(one.renew(grant));
  REQUIRE(one.release(grant));

  stores = 0;
  late = 2;
  CHECK(ask(one, bench.first).error().code() == errc::timed_out);
  // It lapses; who goes on waiting has it then.
  stores = 0;
  hf::Lock lock{std::move(one), bench.first.world};
  CHECK(lock.acquire({.timeout_ms = 9000}).value().token().number == 4);
}

TEST_CASE("the last token is not followed by the first", "[lease]") {
  Bench const bench;
  auto one = bench.lease(bench.first);
  CHECK(ask(one, bench.first, {UINT64_MAX}).error().code() == errc::full);
  auto grant = ask(one, bench.first, {UINT64_MAX - 1}).value();
  auto const holder = *one.inspect().value();
  CHECK(one.force(holder, {}).error().code() == errc::full);
  REQUIRE(one.release(grant));
  CHECK(ask(one, bench.first).error().code() == errc::full);
}

TEST_CASE("what is no record of a lease is told and left alone", "[lease]") {
  Bench const bench;
  auto& inner = bench.reg.shared->inner;
  auto version = inner.store_if({}, hf::as_bytes("something else")).value();
  auto one = bench.lease(bench.first);
  CHECK(ask(one, bench.first).error().code() == errc::foreign);
  CHECK(one.inspect().error().code() == errc::foreign);
  CHECK(hf::as_text(inner.load().value()->value) == "something else");

  auto bytes = hf::detail::lease_record::encode({{3}, 4, 0, 5, {}});
  bytes[hf::detail::lease_record::at::token] ^= std::byte{1};
  version = inner.store_if(version, bytes).value();
  CHECK(ask(one, bench.first).error().code() == errc::damaged);
  bytes[hf::detail::lease_record::at::form] = std::byte{2};
  version = inner.store_if(version, bytes).value();
  CHECK(ask(one, bench.first).error().code() == errc::newer_format);
}

TEST_CASE("times that can't hold are refused", "[lease]") {
  for (auto const& bad :
       {hf::LeaseOptions{.ttl_ms = 0}, hf::LeaseOptions{.ttl_ms = 2000},
        hf::LeaseOptions{.margin_ms = 0}, hf::LeaseOptions{.ttl_ms = INT64_MAX},
        hf::LeaseOptions{.ttl_ms = INT64_MIN}, hf::LeaseOptions{.margin_ms = INT64_MAX}}) {
    hf::Lease lease{hf::MemoryRegister{}, bad};
    CHECK(lease.try_acquire({}, {}).error().code() == errc::invalid);
  }
  hf::Lease odd{hf::MemoryRegister{}, {.ttl_ms = 20'001, .margin_ms = 10'000}};
  CHECK(odd.try_acquire({}, {}));
}

TEST_CASE("a forked child holds nothing of its parent's lease", "[lease][fork]") {
  hf::Lease lease{hf::MemoryRegister{}};
  auto grant = lease.try_acquire(hf::Native{}.self(), {}).value();
  auto const child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    bool const nothing = lease.remaining_ns(grant) == 0 &&
                         lease.renew(grant).error().code() == errc::forked &&
                         lease.release(grant).error().code() == errc::forked &&
                         lease.inspect().error().code() == errc::forked;
    ::_exit(nothing ? 0 : 1);
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  CHECK(status == 0);
  CHECK(lease.renew(grant));
}

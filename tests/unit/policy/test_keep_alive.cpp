// SPDX-License-Identifier: BSL-1.0
// Renews in time, goes on where a renewal fails, and tells of a loss once.
#include "holdfast/keep_alive.hpp"

#include <cstdint>
#include <functional>
#include <future>
#include <memory>
#include <optional>
#include <stdexcept>
#include <utility>
#include <vector>

#include "catch.hpp"
#include "holdfast/backend/memory_register.hpp"
#include "holdfast/policy/lease.hpp"
#include "holdfast/testing/simulated_disk.hpp"

namespace {
using hf::errc;
constexpr std::int64_t a_ms = 1'000'000;

/// Runs what was posted when it is told to, on its thread.
struct Manual {
  std::function<void()> work{};
  [[nodiscard]] hf::result<void> post(std::function<void()> what) {
    work = std::move(what);
    return hf::ok();
  }
};
struct Refuses {
  [[nodiscard]] hf::result<void> post(std::function<void()> const&) const {
    return hf::failure(errc::no_memory, "post");
  }
};

/// A register of which some loads and stores fail.
struct Ailing {
  struct Shared {
    hf::MemoryRegister inner{};
    std::vector<std::optional<errc>> answers{};  // to come, the last first
    std::vector<std::int64_t> asked_ms{};
    std::int64_t delay_ms = 0;  // of each answer
    bool throws = false;
    hf::testing::SimulatedDisk disk{};
  };
  std::shared_ptr<Shared> shared = std::make_shared<Shared>();
  [[nodiscard]] auto load() const { return shared->inner.load(); }
  [[nodiscard]] hf::result<hf::Version> store_if(hf::Version expected, hf::bytes_view value) {
    auto& s = *shared;
    s.asked_ms.push_back(s.disk.machine().clock_ns / a_ms);
    auto const answer = s.answers.empty() ? std::nullopt : s.answers.back();
    if (!s.answers.empty()) s.answers.pop_back();
    s.disk.machine().clock_ns += s.delay_ms * a_ms;
    if (s.throws) throw std::runtime_error{"thrown"};
    if (answer) return hf::failure(*answer, "store");
    return s.inner.store_if(expected, value);
  }
  [[nodiscard]] auto reopen() { return shared->inner.reopen(); }
  [[nodiscard]] std::size_t max_size() const noexcept { return shared->inner.max_size(); }
};

struct Alive {
  Ailing reg{};
  hf::testing::SimulatedProcess process = reg.shared->disk.start();
  hf::Lock<hf::Lease<Ailing, hf::testing::SimulatedWorld>, hf::testing::SimulatedWorld> lock{
      hf::Lease{reg, {.ttl_ms = 1000, .margin_ms = 100}, process.world}, process.world};
  Manual thread{};
  std::vector<errc> lost{};
  std::vector<errc> failed{};

  [[nodiscard]] auto keep(decltype(lock)::held_type& held) {
    return hf::keep_alive(held, thread,
                          {.lost = [this](hf::error const& e) { lost.push_back(e.code()); },
                           .failed = [this](hf::error const& e) { failed.push_back(e.code()); }},
                          process.world);
  }
};
}  // namespace

TEST_CASE("a lock is renewed after a third of its time, more often while that fails",
          "[lock][keep_alive]") {
  Alive one;
  auto held = one.lock.acquire().value();
  auto keeps = one.keep(held).value();
  CHECK_FALSE(keeps.lost());
  auto& reg = *one.reg.shared;
  reg.asked_ms.clear();
  reg.answers.assign(20, errc::no_space);
  reg.answers.insert(reg.answers.end(), {std::nullopt, errc::busy, std::nullopt});
  one.thread.work();  // until it has no time left
  CHECK(reg.asked_ms ==
        std::vector<std::int64_t>{300, 600, 690, 990, 1080, 1170, 1260, 1350, 1440, 1530, 1590});
  CHECK(one.failed.front() == errc::busy);
  CHECK(one.failed.size() == 8);
  CHECK(one.lost == std::vector{errc::timed_out});
  CHECK(keeps.lost());
  CHECK(*held.remaining_ns() == 0);
}

TEST_CASE("a renewal that comes too late, and a lock without time, are told as lost",
          "[lock][keep_alive]") {
  Alive one;
  auto held = one.lock.acquire().value();
  auto keeps = one.keep(held).value();
  auto& reg = *one.reg.shared;
  reg.asked_ms.clear();
  reg.delay_ms = 2000;
  one.thread.work();
  CHECK(one.lost == std::vector{errc::timed_out});
  CHECK(keeps.lost());
  CHECK(reg.asked_ms == std::vector<std::int64_t>{300});
  auto again = one.keep(held).value();
  one.thread.work();
  CHECK(one.lost.size() == 2);
  CHECK(reg.asked_ms.size() == 1);
}

TEST_CASE("any error but a final one is tried again, also one that is thrown",
          "[lock][keep_alive]") {
  Alive one;
  auto held = one.lock.acquire().value();
  auto keeps = one.keep(held).value();
  one.reg.shared->answers.assign({errc::denied, errc::io, errc::damaged});
  one.reg.shared->throws = true;
  one.thread.work();
  one.reg.shared->throws = false;
  CHECK(one.failed.size() >= 5);
  CHECK(one.lost == std::vector{errc::timed_out});
}

TEST_CASE("work that never began holds up nobody, and touches nothing", "[lock][keep_alive]") {
  Alive one;
  {
    auto held = one.lock.acquire().value();
    auto keeps = one.keep(held).value();
    keeps.stop();
    CHECK_FALSE(keeps.lost());
    auto late = one.keep(held).value();
    one.reg.shared->disk.machine().clock_ns += 2000 * a_ms;
    CHECK_FALSE(late.lost());
    late.stop();
    CHECK(late.lost());
  }
  one.reg.shared->asked_ms.clear();
  one.thread.work();  // the lock is gone
  CHECK(one.lost.empty());
  CHECK(one.reg.shared->asked_ms.empty());
}

TEST_CASE("that a lock is another's is told at the next renewal", "[lock][keep_alive]") {
  Alive one;
  auto held = one.lock.acquire().value();
  auto keeps = one.keep(held).value();
  REQUIRE(one.lock.force_unlock(*one.lock.inspect().value()));
  one.thread.work();
  CHECK(one.lost == std::vector{errc::fenced});
  CHECK(one.failed.empty());
  CHECK(keeps.lost());
  keeps.stop();
}

TEST_CASE("who can't renew is told so", "[lock][keep_alive]") {
  Alive one;
  auto held = one.lock.acquire().value();
  Refuses none;
  CHECK(hf::keep_alive(held, none, {}, one.process.world).error().code() == errc::no_memory);
}

TEST_CASE("a thread renews until it is stopped, and tells of a loss",
          "[lock][keep_alive][threads]") {
  hf::MemoryRegister const reg;
  hf::Lock lock{hf::Lease{reg, {.ttl_ms = 60'000}}};
  hf::Threads threads{2};
  auto first = lock.acquire().value();
  {
    auto keeps = hf::keep_alive(first, threads).value();
    auto moved = std::move(keeps);
    CHECK_FALSE(moved.lost());
  }
  REQUIRE(first.release());

  hf::Lock quick{hf::Lease{hf::MemoryRegister{}, {.ttl_ms = 90, .margin_ms = 30}}};
  auto held = quick.acquire().value();
  std::promise<errc> lost;
  auto const keeps = hf::keep_alive(held, threads,
                                    {.lost =
                                         [&lost](hf::error const& e) {
                                           lost.set_value(e.code());
                                           throw std::runtime_error{"swallowed"};
                                         }})
                         .value();
  REQUIRE(quick.force_unlock(*quick.inspect().value()));
  CHECK(lost.get_future().get() == errc::fenced);
}

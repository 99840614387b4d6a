// SPDX-License-Identifier: BSL-1.0
// Tests the barrier between opening readers and updates: it excludes, lapses, and starves nobody.
#include "holdfast/backend/barrier_file.hpp"

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "catch.hpp"
#include "holdfast/backend/pins_file.hpp"
#include "holdfast/posix.hpp"
#include "holdfast/world.hpp"
#include "places.hpp"
#include "processes.hpp"

namespace {
using hf::Mode;

struct Bar {
  support::Place place{support::On::memory};
  std::string path = place / "PINS";
  Bar() { REQUIRE(hf::PinsFile<hf::Posix>{path, {}}.make()); }
  [[nodiscard]] auto enter(Mode mode) const {
    return hf::detail::enter_barrier(hf::Posix{}, hf::Native{}, path, mode);
  }
  /// Without waiting, as another open file finds it.
  [[nodiscard]] bool is_free(Mode mode) const {
    auto file = hf::Posix{}.open(path, hf::Open::write).value();
    return hf::Posix{}.try_lock(file, hf::detail::barrier_itself, mode).value();
  }
};

// Its time passes at once; notes whether the turn could be had while it waited.
struct Hasty : hf::Native {
  std::string path;
  std::shared_ptr<std::int64_t> now = std::make_shared<std::int64_t>(0);
  std::shared_ptr<int> free_turns = std::make_shared<int>(0);
  explicit Hasty(std::string at) : path{std::move(at)} {}
  [[nodiscard]] std::int64_t steady_ns() const noexcept { return *now; }
  void wait_until(std::int64_t steady_ns) const noexcept {
    *now = steady_ns;
    auto file = hf::Posix{}.open(path, hf::Open::write).value();
    if (hf::Posix{}.try_lock(file, hf::detail::barrier_turn, Mode::exclusive).value()) {
      ++*free_turns;
    }
  }
};
}  // namespace

TEST_CASE("whoever waited in vain lets the others have the turn before it may ask again",
          "[barrier]") {
  Bar const bar;
  auto const reader = bar.enter(Mode::shared);
  REQUIRE(reader);
  Hasty const world{bar.path};
  auto const late = hf::detail::enter_barrier(hf::Posix{}, world, bar.path, Mode::exclusive);
  REQUIRE_FALSE(late);
  CHECK(late.error().code() == hf::errc::timed_out);
  CHECK(*world.free_turns == 1);
}

TEST_CASE("many are within the barrier to read, or one to update", "[barrier]") {
  Bar const bar;
  {
    auto const one = bar.enter(Mode::shared);
    REQUIRE(one);
    auto const other = bar.enter(Mode::shared);
    REQUIRE(other);
    CHECK(bar.is_free(Mode::shared));
    CHECK_FALSE(bar.is_free(Mode::exclusive));
  }
  {
    auto const alone = bar.enter(Mode::exclusive);
    REQUIRE(alone);
    CHECK_FALSE(bar.is_free(Mode::shared));
  }
  CHECK(bar.is_free(Mode::exclusive));
}

TEST_CASE("whoever dies within the barrier leaves it", "[barrier]") {
  Bar const bar;
  support::Signal inside;
  support::Child child{[&]() -> std::string {
    auto const alone = bar.enter(Mode::exclusive);
    inside.give();
    for (;;) std::this_thread::yield();
  }};
  REQUIRE(inside.wait());
  CHECK_FALSE(bar.is_free(Mode::shared));
  child.kill();
  CHECK(bar.enter(Mode::shared));
}

TEST_CASE("a barrier whose file is missing is an error", "[barrier]") {
  support::Place const place;
  auto const none =
      hf::detail::enter_barrier(hf::Posix{}, hf::Native{}, place / "PINS", Mode::shared);
  REQUIRE_FALSE(none);
  CHECK(none.error().code() == hf::errc::not_found);
}

TEST_CASE("an updater at full speed lets readers in, and readers that keep coming an updater",
          "[barrier]") {
  Bar const bar;
  std::atomic<int> updating{0}, reading{0}, updates{0}, reads{0}, wrong{0};
  std::atomic<bool> over{false};
  auto const go = [&](Mode mode, std::atomic<int>& within, std::atomic<int>& done) {
    while (!over) {
      auto const hold = bar.enter(mode);
      if (!hold) {
        ++wrong;
        return;
      }
      ++within;
      if (updating > 1 || (updating > 0 && reading > 0)) ++wrong;
      for (int i = 0; i < 300; ++i) std::atomic_signal_fence(std::memory_order_seq_cst);
      --within;
      ++done;
    }
  };
  std::vector<std::thread> threads;
  threads.emplace_back([&] { go(Mode::exclusive, updating, updates); });
  for (int i = 0; i < 3; ++i) threads.emplace_back([&] { go(Mode::shared, reading, reads); });
  // Each kind has to come in so often, however long that takes; the barrier itself gives up after
  // five seconds.
  for (int i = 0; i < 60'000 && (updates < 30 || reads < 30) && wrong == 0; ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds{1});
  over = true;
  for (auto& thread : threads) thread.join();
  CHECK(wrong == 0);
  CHECK(updates >= 30);
  CHECK(reads >= 30);
}

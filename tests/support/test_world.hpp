// SPDX-License-Identifier: BSL-1.0
// The real world with what a test wants to set or see: the boot, the wall clock, the events.
#ifndef HOLDFAST_TESTS_SUPPORT_TEST_WORLD_HPP
#define HOLDFAST_TESTS_SUPPORT_TEST_WORLD_HPP

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "holdfast/detail/transitions.hpp"
#include "holdfast/event.hpp"
#include "holdfast/ids.hpp"
#include "holdfast/world.hpp"

namespace support {
/// An event without what lives only for the call.
struct Seen {
  hf::Event::Kind kind;
  hf::State from;
  hf::State to;
  hf::Generation generation;
  hf::FencingToken token;
  std::optional<hf::error> cause;
};

/// Copies share one world; a new one is another. Thread-safe but for `boot` and `wall_shift_ns`.
class TestWorld {
 public:
  TestWorld() = default;
  /// A world after another boot of the machine, as a new process.
  [[nodiscard]] static TestWorld after_boot(std::uint8_t boot) {
    TestWorld next;
    next.own_->self.boot.id.fill(boot);
    next.own_->self.nonce ^= boot;
    return next;
  }

  [[nodiscard]] std::int64_t wall_ns() const noexcept {
    return hf::Native{}.wall_ns() + own_->wall_shift_ns;
  }
  [[nodiscard]] std::int64_t steady_ns() const noexcept { return hf::Native{}.steady_ns(); }
  void wait_until(std::int64_t steady_ns) const noexcept { hf::Native{}.wait_until(steady_ns); }
  [[nodiscard]] std::uint64_t random64() const noexcept { return hf::Native{}.random64(); }
  [[nodiscard]] hf::Owner self() const noexcept { return own_->self; }
  void on(hf::Event const& event) const noexcept {
    std::lock_guard const guard{own_->mutex};
    Seen seen{event.kind, event.from, event.to, event.generation, event.token, {}};
    if (event.cause != nullptr) seen.cause = *event.cause;
    own_->seen.push_back(seen);
  }

  void shift_wall(std::int64_t ms) const noexcept { own_->wall_shift_ns += ms * 1'000'000; }
  [[nodiscard]] std::vector<Seen> seen() const {
    std::lock_guard const guard{own_->mutex};
    return own_->seen;
  }
  void forget() const {
    std::lock_guard const guard{own_->mutex};
    own_->seen.clear();
  }
  /// The states that the observer was told, each transition's end; each of them is in the table.
  [[nodiscard]] std::vector<hf::State> path() const {
    std::vector<hf::State> states;
    for (auto const& event : seen()) {
      if (event.kind == hf::Event::Kind::transition) states.push_back(event.to);
    }
    return states;
  }
  /// The first transition that the table does not allow or that does not begin where the one
  /// before it ended.
  [[nodiscard]] std::optional<Seen> illegal() const {
    std::optional<hf::State> at;
    for (auto const& event : seen()) {
      if (event.kind != hf::Event::Kind::transition) continue;
      if (!hf::detail::allowed(event.from, event.to)) return event;
      if (at && *at != event.from) return event;
      at = event.to;
    }
    return {};
  }
  [[nodiscard]] std::vector<Seen> all(hf::Event::Kind kind) const {
    std::vector<Seen> some;
    for (auto const& event : seen()) {
      if (event.kind == kind) some.push_back(event);
    }
    return some;
  }

 private:
  struct Own {
    hf::Owner self = hf::Native{}.self();
    std::int64_t wall_shift_ns = 0;
    mutable std::mutex mutex;
    std::vector<Seen> seen;
  };
  std::shared_ptr<Own> own_ = std::make_shared<Own>();
};
static_assert(hf::world<TestWorld>);
}  // namespace support

#endif

// SPDX-License-Identifier: BSL-1.0
// The world of one process of a simulated machine: a clock that moves only when waited for, seeded
// randomness, an identity.
#ifndef HOLDFAST_TESTING_SIMULATED_WORLD_HPP
#define HOLDFAST_TESTING_SIMULATED_WORLD_HPP

#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>
#include <utility>

#include "holdfast/config.hpp"
#include "holdfast/event.hpp"
#include "holdfast/ids.hpp"
#include "holdfast/testing/disk/hash.hpp"
#include "holdfast/testing/disk/machine.hpp"
#include "holdfast/world.hpp"

HOLDFAST_BEGIN

namespace testing {
/// Models `world`. Copies are of one process: they share its clock and its dice. Not thread-safe.
class SimulatedWorld {
 public:
  SimulatedWorld(std::shared_ptr<disk::Machine> machine, std::uint32_t process)
      : own_{std::make_shared<Own>(std::move(machine), process)} {}

  /// The wall clock says nothing about boots and processes, so that equal runs leave equal disks.
  [[nodiscard]] std::int64_t wall_ns() const noexcept {
    return 1'000'000'000'000'000'000 + own_->machine->clock_ns + own_->machine->wall_shift_ns;
  }
  [[nodiscard]] std::int64_t steady_ns() const noexcept { return own_->machine->clock_ns; }
  void wait_until(std::int64_t steady_ns) const noexcept {
    if (steady_ns > own_->machine->clock_ns) own_->machine->clock_ns = steady_ns;
  }
  [[nodiscard]] std::uint64_t random64() const noexcept { return own_->dice(); }
  [[nodiscard]] Owner self() const noexcept { return own_->owner; }
  void on(Event const& event) const noexcept {
    if (own_->observer) own_->observer(event);
  }
  /// Told every event of this process.
  void observe(std::function<void(Event const&)> observer) const {
    own_->observer = std::move(observer);
  }

 private:
  struct Own {
    Own(std::shared_ptr<disk::Machine> around, std::uint32_t process)
        : machine{std::move(around)},
          dice{disk::mixed(disk::mixed(machine->seed, machine->boot), process)} {
      constexpr std::string_view host = "simulated";
      host.copy(owner.host.data(), host.size());
      auto bits = disk::mixed(machine->boot);
      for (auto& byte : owner.boot.id) {
        byte = static_cast<std::uint8_t>(bits);
        bits = disk::mixed(bits);
      }
      owner.pid = 100 + process;
      owner.start_time = 1000 * machine->boot + process;
      owner.nonce = dice();
      if (machine->disguise) machine->disguise(owner);
    }
    std::shared_ptr<disk::Machine> machine;
    disk::Dice dice;
    Owner owner{};
    std::function<void(Event const&)> observer{};
  };
  std::shared_ptr<Own> own_;
};
static_assert(world<SimulatedWorld>);
}  // namespace testing

HOLDFAST_END

#endif

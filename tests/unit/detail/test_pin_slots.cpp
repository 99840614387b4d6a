// SPDX-License-Identifier: BSL-1.0
// Tests the slots in which readers protect what they read.
#include <algorithm>
#include <atomic>
#include <optional>
#include <set>
#include <thread>
#include <vector>

#include "catch.hpp"
#include "holdfast/detail/pin_slots.hpp"

namespace {
using hf::detail::HazardSlot, hf::detail::PinSlots;

bool has(std::vector<void const*> const& all, void const* one) {
  return std::find(all.begin(), all.end(), one) != all.end();
}
}  // namespace

TEST_CASE("a thread takes eight slots, and one again that it gave up", "[pins]") {
  PinSlots slots{10};
  int value = 0;
  std::vector<HazardSlot*> taken;
  for (int i = 0; i < 8; ++i) {
    taken.push_back(slots.slot());
    REQUIRE(taken.back() != nullptr);
    slots.protect(*taken.back(), &value);
  }
  CHECK(std::set<HazardSlot*>(taken.begin(), taken.end()).size() == 8);
  CHECK(slots.slot() == nullptr);
  taken[5]->store(nullptr);
  CHECK(slots.slot() == taken[5]);
  for (auto* const slot : taken) slot->store(nullptr);
}

TEST_CASE("the quick way finds the thread's own slots, or none", "[pins]") {
  PinSlots slots{12};
  CHECK(slots.quick_slot() == nullptr);
  auto* const mine = slots.slot();
  auto* const quick = slots.quick_slot();
  CHECK((quick == nullptr || quick == mine));
  PinSlots other{14};
  CHECK(other.quick_slot() == nullptr);
}

TEST_CASE("two objects keep their slots apart in one thread", "[pins]") {
  PinSlots one{2}, other{4};
  int first = 0, second = 0;
  one.protect(*one.slot(), &first);
  other.protect(*other.slot(), &second);
  CHECK(has(one.protected_pointers(), &first));
  CHECK(!has(one.protected_pointers(), &second));
  CHECK(has(other.protected_pointers(), &second));
}

TEST_CASE("an object made where one has died does not find its slots", "[pins]") {
  std::optional<PinSlots> slots;
  slots.emplace(100);
  static_cast<void>(slots->slot());
  slots.emplace(200);
  CHECK(slots->quick_slot() == nullptr);
}

TEST_CASE("what a thread protects is seen by another, until it lets go", "[pins]") {
  PinSlots slots{4};
  int value = 0;
  std::atomic<int> step{0};
  std::thread reader{[&] {
    auto* const slot = slots.slot();
    slots.protect_quickly(*slot, &value);
    step = 1;
    while (step != 2) std::this_thread::yield();
    slot->store(nullptr);
    step = 3;
  }};
  while (step != 1) std::this_thread::yield();
  CHECK(has(slots.protected_pointers(), &value));
  step = 2;
  while (step != 3) std::this_thread::yield();
  CHECK(!has(slots.protected_pointers(), &value));
  reader.join();
}

TEST_CASE("slots of a thread that lives are not taken, also while it protects nothing", "[pins]") {
  PinSlots slots{16};
  auto* const mine = slots.slot();
  HazardSlot* theirs = nullptr;
  std::thread{[&] { theirs = slots.slot(); }}.join();
  CHECK(theirs != mine);
}

TEST_CASE("slots of threads that ended are used again", "[pins]") {
  PinSlots slots{6};
  std::set<HazardSlot*> used;
  for (int i = 0; i < 8; ++i) {
    std::thread{[&] { used.insert(slots.slot()); }}.join();
  }
  CHECK(used.size() == 1);
}

TEST_CASE("slots of a thread that ended while it protected something are kept", "[pins]") {
  PinSlots slots{8};
  int value = 0;
  std::thread{[&] { slots.protect(*slots.slot(), &value); }}.join();
  HazardSlot* next = nullptr;
  std::thread{[&] {
    next = slots.slot();
    slots.protect(*next, nullptr);
  }}.join();
  CHECK(next != nullptr);
  CHECK(has(slots.protected_pointers(), &value));
}

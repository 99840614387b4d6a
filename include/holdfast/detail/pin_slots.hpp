// SPDX-License-Identifier: BSL-1.0
// Lets readers protect what they read with one plain store: hazard slots, one cache line a thread
// and object.
//
// Invariants:
// - A reader stores a pointer in its slot, then sees that it is still the published one. The
//   reclaimer unpublishes, then runs a barrier in every thread (membarrier), then reads the slots:
//   so it sees the store, or the reader sees the change.
// - Slots belong to the object, outlive threads, and are used again once their thread is gone. A
//   thread_local only remembers where they are: two libraries may each have their own copy of it,
//   and both find the same slots.
#ifndef HOLDFAST_DETAIL_PIN_SLOTS_HPP
#define HOLDFAST_DETAIL_PIN_SLOTS_HPP

#include <errno.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "holdfast/config.hpp"

HOLDFAST_BEGIN

namespace detail {
using HazardSlot = std::atomic<void const*>;

/// The slots of one thread.
struct alignas(128) ThreadSlots {
  std::array<HazardSlot, 8> hazard{};

  /// A slot that is not in use, or null. Looked for by what is in the slots, not by a mask beside
  /// them: the branches are foreseen, so that one view need not wait for the stores of the view
  /// before.
  [[nodiscard]] HazardSlot* free_slot() noexcept {
    for (auto& slot : hazard) {
      if (slot.load(std::memory_order_relaxed) == nullptr) return &slot;
    }
    return nullptr;
  }
  std::atomic<std::int32_t> owner{0};  // kernel thread id
};

struct SlotCache {
  std::uint64_t object = 0;
  ThreadSlots* slots = nullptr;
};
// One object a thread is remembered: another costs the way through the list.
inline constinit thread_local SlotCache slot_cache{};
// A forked child must not pass for the thread of its parent that had these slots.
inline bool const slot_cache_watched = [] {
  return ::pthread_atfork(nullptr, nullptr, [] { slot_cache = {}; }) == 0;
}();

// From linux/membarrier.h, whose presence is not worth a dependency.
inline constexpr int membarrier_private_expedited = 1 << 3;
inline constexpr int membarrier_register_private_expedited = 1 << 4;
inline long membarrier(int command) noexcept {
#ifdef SYS_membarrier
  return ::syscall(SYS_membarrier, command, 0, 0);
#else
  static_cast<void>(command);
  return -1;
#endif
}

class PinSlots {
 public:
  /// `id` is drawn at random: an object made at the address of a dead one must not find its cached
  /// slots.
  explicit PinSlots(std::uint64_t id) noexcept
      : id_{id | 1}, asymmetric_{membarrier(membarrier_register_private_expedited) == 0} {}
  PinSlots(PinSlots const&) = delete;
  PinSlots& operator=(PinSlots const&) = delete;

  /// One of the first slots of this thread for the fast path, where a plain store protects. Null:
  /// take the slow one.
  [[nodiscard]] HazardSlot* quick_slot() const noexcept {
    if (slot_cache.object != id_) [[unlikely]] {
      return nullptr;
    }
    auto& slots = slot_cache.slots->hazard;
    if (slots[0].load(std::memory_order_relaxed) == nullptr) [[likely]] {
      return &slots[0];
    }
    if (slots[1].load(std::memory_order_relaxed) == nullptr) return &slots[1];
    if (slots[2].load(std::memory_order_relaxed) == nullptr) return &slots[2];
    return nullptr;
  }

  /// Protects `pointer` with a slot from `quick_slot` before the next load of the published
  /// pointer.
  static void protect_quickly(HazardSlot& slot, void const* pointer) noexcept {
    slot.store(pointer, std::memory_order_release);
    std::atomic_signal_fence(std::memory_order_seq_cst);  // the reclaimer's barrier does the rest
  }

  /// A slot of this thread, found or made; null if all of them are in use.
  [[nodiscard]] HazardSlot* slot() {
    return slot_cache.object == id_ ? slot_cache.slots->free_slot() : find().free_slot();
  }

  /// The same for any slot.
  void protect(HazardSlot& slot, void const* pointer) const noexcept {
    if (asymmetric_) {
      protect_quickly(slot, pointer);
    } else {
      slot.exchange(pointer, std::memory_order_seq_cst);
    }
  }

  /// Every pointer that some thread protects, among those unpublished before the call.
  [[nodiscard]] std::vector<void const*> protected_pointers() {
    if (asymmetric_) {
      membarrier(membarrier_private_expedited);
    } else {
      std::atomic_thread_fence(std::memory_order_seq_cst);
    }
    std::lock_guard const guard{mutex_};
    std::vector<void const*> out;
    for (auto const& slots : all_) {
      for (auto const& hazard : slots->hazard) {
        auto const* pointer = hazard.load(std::memory_order_acquire);
        if (pointer != nullptr) out.push_back(pointer);
      }
    }
    return out;
  }

 private:
  // Those it has used before, else some of a thread that is gone, else new ones.
  [[nodiscard]] ThreadSlots& find() {
    auto const self = static_cast<std::int32_t>(::syscall(SYS_gettid));
    std::lock_guard const guard{mutex_};
    ThreadSlots* slots_of_self = nullptr;
    for (auto const& slots : all_) {
      if (slots->owner.load(std::memory_order_relaxed) == self) slots_of_self = slots.get();
    }
    for (std::size_t i = 0; slots_of_self == nullptr && i < all_.size(); ++i) {
      if (orphaned(*all_[i])) slots_of_self = all_[i].get();
    }
    if (slots_of_self == nullptr) {
      all_.push_back(std::make_unique<ThreadSlots>());
      slots_of_self = all_.back().get();
    }
    slots_of_self->owner.store(self, std::memory_order_relaxed);
    if (asymmetric_) slot_cache = {id_, slots_of_self};  // not found there = not quick
    return *slots_of_self;
  }

  // A thread that ended with a view still open (a leak of its program) keeps its slots for ever.
  static bool orphaned(ThreadSlots const& slots) noexcept {
    for (auto const& slot : slots.hazard) {
      if (slot.load(std::memory_order_relaxed) != nullptr) return false;
    }
    auto const owner = slots.owner.load(std::memory_order_relaxed);
    return ::syscall(SYS_tgkill, ::getpid(), owner, 0) != 0 && errno == ESRCH;
  }

  std::uint64_t id_;
  bool asymmetric_;
  std::mutex mutex_;
  std::vector<std::unique_ptr<ThreadSlots>> all_;
};
}  // namespace detail

HOLDFAST_END

#endif

// SPDX-License-Identifier: BSL-1.0
// Shows readers one generation of everything, switches it in one store, and closes old ones when
// nobody holds them.
#ifndef HOLDFAST_STAGED_READERS_HPP
#define HOLDFAST_STAGED_READERS_HPP

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "holdfast/config.hpp"
#include "holdfast/detail/fork.hpp"
#include "holdfast/detail/manifest.hpp"
#include "holdfast/detail/pin_slots.hpp"
#include "holdfast/ids.hpp"
#include "holdfast/result.hpp"

HOLDFAST_BEGIN

namespace detail {
/// An open generation: its reader, what the record says of it, and the hold that keeps other
/// processes from dropping it.
template <class Reader, class Hold>
struct Shown {
  Shown(Kept what, Reader&& opened, Hold&& held)
      : kept{std::move(what)}, hold{std::move(held)}, reader{std::move(opened)} {}
  Kept kept;
  bool moves = false;  // its generation takes updates: `kept.marks` are those that it shows
  Hold hold;           // before the reader: let go only after it is closed
  Reader reader;
  std::atomic<std::uint64_t> pins{0};
  std::unique_ptr<Shown> next{};  // in the list of what is open
};

/// Where a view keeps its protection: a slot of its thread, or a count when the slots are all in
/// use.
template <class Shown>
struct Protection {
  Shown* shown = nullptr;
  HazardSlot* slot = nullptr;

  void release() const noexcept {
    if (slot != nullptr) [[likely]] {
      slot->store(nullptr, std::memory_order_release);
    } else if (shown != nullptr) {
      shown->pins.fetch_sub(1, std::memory_order_release);
    }
  }
};

template <class Reader, class Hold>
class Readers {
 public:
  using Shown = detail::Shown<Reader, Hold>;

  explicit Readers(std::uint64_t id) : slots_{id} {}

  [[nodiscard]] Birthplace const& born() const noexcept { return born_; }
  [[nodiscard]] Shown* current() const noexcept { return current_.load(std::memory_order_acquire); }

  /// Protects the current generation for this thread; nothing is shown when there is none. Never
  /// waits.
  [[nodiscard]] Protection<Shown> protect() {
    HazardSlot* const slot = slots_.quick_slot();
    if (slot != nullptr) [[likely]] {
      Shown* const shown = current_.load(std::memory_order_acquire);
      PinSlots::protect_quickly(*slot, shown);
      if (shown == current_.load(std::memory_order_acquire) && shown != nullptr) [[likely]] {
        return {shown, slot};
      }
      slot->store(nullptr, std::memory_order_release);
    }
    return protect_slowly();
  }

  /// The switch: from here on readers get `shown`. Allocates nothing: it can't fail after a commit.
  void show(std::unique_ptr<Shown> shown) noexcept {
    std::lock_guard const guard{mutex_};
    shown->next = std::move(open_);
    open_ = std::move(shown);
    current_.store(open_.get(), std::memory_order_seq_cst);
  }

  /// Closes what is neither current nor held. Returns at once; what is held is closed by a later
  /// call.
  void reclaim() {
    std::unique_ptr<Shown> closing;  // closed outside the lock: closing a database takes time
    {
      std::lock_guard const guard{mutex_};
      if (!open_ || !open_->next) return;
      auto const held = slots_.protected_pointers();
      // The slots are read before the counts: a pin is counted before its view gives up the slot.
      auto const keep = [&](Shown const& shown) {
        return &shown == current_.load(std::memory_order_relaxed) ||
               std::find(held.begin(), held.end(), &shown) != held.end() ||
               shown.pins.load(std::memory_order_acquire) != 0;
      };
      for (auto* at = &open_; *at;) {
        if (keep(**at)) {
          at = &(*at)->next;
          continue;
        }
        auto gone = std::exchange(*at, std::move((*at)->next));
        gone->next = std::move(closing);
        closing = std::move(gone);
      }
    }
  }

  /// Is this generation, or a part of it, open in this object?
  [[nodiscard]] bool is_open(Generation g) {
    std::lock_guard const guard{mutex_};
    auto const* shown = open_.get();
    while (shown != nullptr && !manifest::has_parts_of(shown->kept, g)) shown = shown->next.get();
    return shown != nullptr;
  }

 private:
  // The first view of a thread or of a forked child, a switch in between, nested views beyond the
  // slots, a kernel without membarrier.
  [[gnu::noinline]] Protection<Shown> protect_slowly() {
    if (born_.left()) return {};  // nobody would see what a child protects
    HazardSlot* const slot = slots_.slot();
    if (slot == nullptr) return count();
    Shown* shown = current_.load(std::memory_order_acquire);
    while (shown != nullptr) {
      slots_.protect(*slot, shown);
      Shown* const again =
          current_.load(std::memory_order_seq_cst);  // not before a barrier of our own
      if (again == shown) return {shown, slot};
      shown = again;
    }
    slot->store(nullptr, std::memory_order_release);
    return {};
  }

  Protection<Shown> count() {
    std::lock_guard const guard{mutex_};
    Shown* const shown = current_.load(std::memory_order_relaxed);
    if (shown != nullptr) shown->pins.fetch_add(1, std::memory_order_relaxed);
    return {shown, nullptr};
  }

  std::atomic<Shown*> current_{nullptr};
  PinSlots slots_;
  Birthplace born_;
  std::mutex mutex_;
  std::unique_ptr<Shown> open_;  // the newest first
};
}  // namespace detail

HOLDFAST_END

#endif

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
  Hold hold;  // before the reader: let go only after it is closed
  Reader reader;
  std::atomic<std::uint64_t> pins{0};
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

  /// Makes room for one more, so that `show` can't fail.
  void reserve() {
    std::lock_guard const guard{mutex_};
    open_.reserve(open_.size() + 1);
  }

  /// The switch: from here on readers get `next`. Room was made by `reserve`.
  void show(std::unique_ptr<Shown> next) noexcept {
    std::lock_guard const guard{mutex_};
    current_.store(next.get(), std::memory_order_seq_cst);
    open_.push_back(std::move(next));
  }

  /// Closes what is neither current nor held. Returns at once; what is held is closed by a later
  /// call.
  void reclaim() {
    std::vector<std::unique_ptr<Shown>>
        closing;  // closed outside the lock: closing a database takes time
    {
      std::lock_guard const guard{mutex_};
      if (open_.size() < 2) return;
      closing.reserve(open_.size());  // nothing may throw between the two lists
      auto const held = slots_.protected_pointers();
      // The slots are read before the counts: a pin is counted before its view gives up the slot.
      auto const keep = [&](std::unique_ptr<Shown> const& shown) {
        return shown.get() == current_.load(std::memory_order_relaxed) ||
               std::find(held.begin(), held.end(), shown.get()) != held.end() ||
               shown->pins.load(std::memory_order_acquire) != 0;
      };
      auto const first = std::partition(open_.begin(), open_.end(), keep);
      std::move(first, open_.end(), std::back_inserter(closing));
      open_.erase(first, open_.end());
    }
  }

  /// Is this generation open in this object?
  [[nodiscard]] bool is_open(Generation g) {
    std::lock_guard const guard{mutex_};
    return std::any_of(open_.begin(), open_.end(),
                       [g](auto const& shown) { return shown->kept.generation == g; });
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
  std::vector<std::unique_ptr<Shown>> open_;
};
}  // namespace detail

HOLDFAST_END

#endif

// SPDX-License-Identifier: BSL-1.0
// Gives the two ways to hold a generation while reading it: a guard for the stack and a handle that
// moves.
#ifndef HOLDFAST_STAGED_VIEW_HPP
#define HOLDFAST_STAGED_VIEW_HPP

#include <atomic>
#include <memory>
#include <utility>

#include "holdfast/config.hpp"
#include "holdfast/ids.hpp"
#include "holdfast/staged/readers.hpp"

HOLDFAST_BEGIN

/// One generation of everything, held for a scope. Stays on the thread and stack that made it and
/// ends before the object it came from. `*view` is the const reader (a tuple of them for
/// `Together`), valid as long as the view.
template <class Shown>
class [[nodiscard]] View {
 public:
  using Reader = decltype(Shown::reader);
  explicit View(detail::Protection<Shown> protection) noexcept : protection_{protection} {}
  View(View const&) = delete;
  View& operator=(View const&) = delete;
  ~View() { protection_.release(); }

  [[nodiscard]] Reader const& operator*() const& noexcept { return protection_.shown->reader; }
  Reader const& operator*() const&& = delete;  // the reader would outlive its view
  [[nodiscard]] Reader const* operator->() const& noexcept { return &protection_.shown->reader; }
  Reader const* operator->() const&& = delete;
  [[nodiscard]] Generation generation() const noexcept {
    return protection_.shown->kept.generation;
  }
  /// Of the commit or revert that made this generation current.
  [[nodiscard]] std::uint64_t sequence() const noexcept { return protection_.shown->kept.sequence; }
  [[nodiscard]] Marks const& marks() const& noexcept { return protection_.shown->kept.marks; }

 private:
  detail::Protection<Shown> protection_;
};

/// One generation of everything, held until the handle ends: for coroutines and other threads.
/// Keeps alive what it came from.
template <class Shown>
class [[nodiscard]] Pin {
 public:
  using Reader = decltype(Shown::reader);
  Pin(std::shared_ptr<void> keeper, Shown* shown) noexcept
      : keeper_{std::move(keeper)}, shown_{shown} {}
  Pin(Pin&& other) noexcept
      : keeper_{std::move(other.keeper_)}, shown_{std::exchange(other.shown_, nullptr)} {}
  Pin& operator=(Pin&& other) noexcept {
    std::swap(keeper_, other.keeper_);
    std::swap(shown_, other.shown_);
    return *this;
  }
  ~Pin() {
    if (shown_ != nullptr) shown_->pins.fetch_sub(1, std::memory_order_release);
  }

  /// False after it was moved from; reading it then is an error of the program.
  explicit operator bool() const noexcept { return shown_ != nullptr; }
  [[nodiscard]] Reader const& operator*() const& noexcept { return shown_->reader; }
  Reader const& operator*() const&& = delete;
  [[nodiscard]] Reader const* operator->() const& noexcept { return &shown_->reader; }
  Reader const* operator->() const&& = delete;
  [[nodiscard]] Generation generation() const noexcept { return shown_->kept.generation; }
  [[nodiscard]] std::uint64_t sequence() const noexcept { return shown_->kept.sequence; }
  [[nodiscard]] Marks const& marks() const& noexcept { return shown_->kept.marks; }

 private:
  std::shared_ptr<void> keeper_;
  Shown* shown_;
};

HOLDFAST_END

#endif

// SPDX-License-Identifier: BSL-1.0
// Runs a function on a stack of its own, so that it can be left in its midst and gone on with
// later.
#ifndef HOLDFAST_TESTING_FIBER_HPP
#define HOLDFAST_TESTING_FIBER_HPP

#include <sys/mman.h>
#include <ucontext.h>

#include <cstddef>
#include <functional>
#include <new>
#include <utility>

#include "holdfast/config.hpp"

#if defined(__SANITIZE_ADDRESS__)
#define HOLDFAST_FIBER_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HOLDFAST_FIBER_ASAN 1
#endif
#endif
#if defined(__SANITIZE_THREAD__)
#define HOLDFAST_FIBER_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define HOLDFAST_FIBER_TSAN 1
#endif
#endif

// What the sanitizers want to be told of every change of stack (their common_interface_defs.h and
// tsan_interface.h, which not every compiler installs).
extern "C" {
#ifdef HOLDFAST_FIBER_ASAN
void __sanitizer_start_switch_fiber(void** fake_stack, void const* bottom, std::size_t size);
void __sanitizer_finish_switch_fiber(void* fake_stack, void const** bottom, std::size_t* size);
#endif
#ifdef HOLDFAST_FIBER_TSAN
void* __tsan_get_current_fiber(void);
void* __tsan_create_fiber(unsigned flags);
void __tsan_destroy_fiber(void* fiber);
void __tsan_switch_to_fiber(void* fiber, unsigned flags);
#endif
}

HOLDFAST_BEGIN

namespace testing {
/// A place to go on at: what swapcontext(3) keeps, and what a sanitizer knows of its stack.
struct FiberPlace {
  ucontext_t context{};
  void const* bottom = nullptr;
  std::size_t size = 0;
  void* fake_stack = nullptr;
  void* known = nullptr;
};

/// Leaves `from` and goes on at `to`; comes back when somebody goes on at `from`. `ends`: nobody
/// will.
inline void switch_fiber(FiberPlace& from, FiberPlace& to, bool ends = false) noexcept {
  static_cast<void>(ends);
#ifdef HOLDFAST_FIBER_ASAN
  __sanitizer_start_switch_fiber(ends ? nullptr : &from.fake_stack, to.bottom, to.size);
#endif
#ifdef HOLDFAST_FIBER_TSAN
  from.known = __tsan_get_current_fiber();
  __tsan_switch_to_fiber(to.known, 0);
#endif
  ::swapcontext(&from.context, &to.context);
#ifdef HOLDFAST_FIBER_ASAN
  __sanitizer_finish_switch_fiber(from.fake_stack, nullptr, nullptr);
#endif
}

/// A stack that can serve one function after another. A page that must not be touched lies below
/// it.
class Fiber {
 public:
  Fiber() {
    stack_ = ::mmap(nullptr, stack_size, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (stack_ == MAP_FAILED) throw std::bad_alloc{};
    ::mprotect(stack_, guard_size, PROT_NONE);
  }
  Fiber(Fiber const&) = delete;
  Fiber& operator=(Fiber const&) = delete;
  ~Fiber() {
    forget();
    ::munmap(stack_, stack_size);
  }

  /// The function starts when somebody goes on at `place()`. It must never return and never throw:
  /// its last act is a switch that ends.
  void prepare(std::function<void()> body, FiberPlace& first_from) {
    forget();
    body_ = std::move(body);
    from_ = &first_from;
    place_ = {};
    ::getcontext(&place_.context);
    place_.context.uc_stack.ss_sp = static_cast<char*>(stack_) + guard_size;
    place_.context.uc_stack.ss_size = stack_size - guard_size;
    place_.context.uc_link = nullptr;
    place_.bottom = place_.context.uc_stack.ss_sp;
    place_.size = place_.context.uc_stack.ss_size;
#ifdef HOLDFAST_FIBER_TSAN
    place_.known = __tsan_create_fiber(0);
#endif
    // makecontext(3) hands over only integers of int's width.
    starting() = this;
    ::makecontext(&place_.context, &Fiber::start, 0);
  }
  [[nodiscard]] FiberPlace& place() noexcept {
    return place_;
  }
  /// To be told before the first switch to a fiber that was prepared.
  void about_to_start() noexcept {
    starting() = this;
  }

 private:
  static constexpr std::size_t guard_size = 4096;
  static constexpr std::size_t stack_size = std::size_t{256} << 10;

  static Fiber*& starting() noexcept {
    thread_local Fiber* fiber = nullptr;
    return fiber;
  }
  static void start() {
    auto* const self = starting();
#ifdef HOLDFAST_FIBER_ASAN
    // The stack that it all began on is known only now.
    void const* bottom = nullptr;
    std::size_t size = 0;
    __sanitizer_finish_switch_fiber(nullptr, &bottom, &size);
    if (self->from_->bottom == nullptr) {
      self->from_->bottom = bottom;
      self->from_->size = size;
    }
#endif
    self->body_();
  }
  void forget() noexcept {
#ifdef HOLDFAST_FIBER_TSAN
    if (place_.known != nullptr) __tsan_destroy_fiber(place_.known);
    place_.known = nullptr;
#endif
  }

  void* stack_ = nullptr;
  std::function<void()> body_{};
  FiberPlace place_{};
  FiberPlace* from_ = nullptr;
};
}  // namespace testing

HOLDFAST_END

#endif

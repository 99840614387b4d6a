// SPDX-License-Identifier: BSL-1.0
// Says what runs work, and gives the two simplest: the caller itself, and a few threads.
#ifndef HOLDFAST_REPROCESS_EXECUTOR_HPP
#define HOLDFAST_REPROCESS_EXECUTOR_HPP

#include <algorithm>
#include <concepts>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <exception>
#include <functional>
#include <mutex>
#include <new>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

#include "holdfast/concepts.hpp"
#include "holdfast/config.hpp"
#include "holdfast/result.hpp"

HOLDFAST_BEGIN

/// Runs each piece of work once, at some time, on some thread; perhaps before `post` returns. An
/// error: it will not be run. The work does not throw.
template <class E>
concept executor = std::destructible<E> && requires(E& e, std::function<void()> work) {
  { e.post(std::move(work)) } -> gives<void>;
};

/// Runs work at once, on the thread that posts it.
struct Inline {
  [[nodiscard]] result<void> post(std::function<void()> const& work) const {
    work();
    return ok();
  }
};
static_assert(executor<Inline>);

/// At most so many threads, started when there is work for them, joined at the end. Thread-safe.
class Threads {
 public:
  explicit Threads(std::size_t most) : most_{std::max<std::size_t>(most, 1)} {}
  Threads(Threads const&) = delete;
  Threads& operator=(Threads const&) = delete;
  /// Runs what is posted already, and joins.
  ~Threads() {
    {
      std::lock_guard const guard{mutex_};
      ending_ = true;
    }
    changed_.notify_all();
    for (auto& thread : threads_) thread.join();
  }

  [[nodiscard]] result<void> post(std::function<void()> work) {
    std::lock_guard const guard{mutex_};
    queue_.push_back(std::move(work));
    changed_.notify_one();
    if (idle_ >= queue_.size() || threads_.size() == most_) return ok();
    HOLDFAST_MAY_THROW {
      threads_.emplace_back([this] { serve(); });
    }
    HOLDFAST_CAUGHT {
      if (!threads_.empty()) return ok();  // another thread will come to it
      queue_.pop_back();
      return failure(errc::no_memory, "start a thread");
    }
    return ok();
  }

 private:
  void serve() {
    std::unique_lock lock{mutex_};
    for (;;) {
      ++idle_;
      changed_.wait(lock, [this] { return ending_ || !queue_.empty(); });
      --idle_;
      if (queue_.empty()) return;
      auto work = std::move(queue_.front());
      queue_.pop_front();
      lock.unlock();
      work();
      work = nullptr;  // what it holds on to ends here, not under the lock
      lock.lock();
    }
  }

  std::size_t const most_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::function<void()>> queue_;
  std::vector<std::thread> threads_;
  std::size_t idle_ = 0;
  bool ending_ = false;
};
static_assert(executor<Threads>);

namespace detail {
/// Calls what may throw: an exception is an error like any other.
template <class F>
[[nodiscard]] std::invoke_result_t<F&> guarded(char const* where, F&& f) noexcept {
#if !defined(__cpp_exceptions)
  static_cast<void>(where);
  return f();
#else
  try {
    return f();
  } catch (std::bad_alloc const&) {
    return failure(errc::no_memory, where, "std::bad_alloc");
  } catch (std::exception const& why) {
    return failure(errc::backend, where, why.what());
  } catch (...) {
    return failure(errc::backend, where, "an exception");
  }
#endif
}
}  // namespace detail

HOLDFAST_END

#endif

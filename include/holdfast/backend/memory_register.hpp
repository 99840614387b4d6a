// SPDX-License-Identifier: BSL-1.0
// Keeps an atomic register in memory, for stores that live in memory and for tests.
#ifndef HOLDFAST_BACKEND_MEMORY_REGISTER_HPP
#define HOLDFAST_BACKEND_MEMORY_REGISTER_HPP

#include <cstddef>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>

#include "holdfast/bytes.hpp"
#include "holdfast/concepts.hpp"
#include "holdfast/config.hpp"
#include "holdfast/guarantees.hpp"
#include "holdfast/ids.hpp"
#include "holdfast/result.hpp"

HOLDFAST_BEGIN

/// An atomic register that lives as long as its copies do: a copy is another handle on the same
/// register. Thread-safe.
class MemoryRegister {
 public:
  static constexpr Guarantees guarantees{.durable = false,
                                         .fenced = false,
                                         .detects_damage = false,
                                         .lifetime = Lifetime::process,
                                         .reach = Reach::process};

  MemoryRegister() : cell_{std::make_shared<Cell>()} {}

  [[nodiscard]] result<std::optional<Versioned>> load() const {
    std::lock_guard const guard{cell_->mutex};
    return cell_->held;
  }

  [[nodiscard]] result<Version> store_if(Version expected, bytes_view value) {
    bytes copy{
        value.begin(),
        value.end()};  // before the lock and the change: nothing is half done if memory runs out
    std::lock_guard const guard{cell_->mutex};
    auto const version = cell_->held ? cell_->held->version : Version::none;
    if (version != expected) {
      return failure(errc::conflict, "store", "memory register");
    }
    Version const next{version.sequence + 1, 0};
    cell_->held.emplace(Versioned{next, std::move(copy)});
    return next;
  }

  /// Nothing can fail halfway here, so there is nothing to heal.
  [[nodiscard]] result<void> reopen() { return ok(); }
  [[nodiscard]] std::size_t max_size() const noexcept { return std::size_t{1} << 20; }

 private:
  struct Cell {
    std::mutex mutex;
    std::optional<Versioned> held;
  };
  std::shared_ptr<Cell> cell_;
};
static_assert(atomic_register<MemoryRegister>);

HOLDFAST_END

#endif

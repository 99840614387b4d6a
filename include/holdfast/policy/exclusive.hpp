// SPDX-License-Identifier: BSL-1.0
// Excludes the threads of one process from each other: the lock policy for stores in memory.
#ifndef HOLDFAST_POLICY_EXCLUSIVE_HPP
#define HOLDFAST_POLICY_EXCLUSIVE_HPP

#include <algorithm>
#include <memory>
#include <mutex>
#include <optional>

#include "holdfast/config.hpp"
#include "holdfast/guarantees.hpp"
#include "holdfast/ids.hpp"
#include "holdfast/lock_concepts.hpp"
#include "holdfast/result.hpp"

HOLDFAST_BEGIN

/// One holder at a time in this process. A copy is another handle on the same lock. Thread-safe.
class Exclusive {
 public:
  static constexpr Guarantees guarantees{.durable = false,
                                         .fenced = true,
                                         .detects_damage = false,
                                         .lifetime = Lifetime::process,
                                         .reach = Reach::process};
  struct Grant {
    FencingToken token;
  };

  Exclusive() : cell_{std::make_shared<Cell>()} {}

  /// `busy` while another grant is out; its token exceeds `above` and every token before.
  [[nodiscard]] result<Grant> try_acquire(Owner const& owner, FencingToken above) {
    std::lock_guard const guard{cell_->mutex};
    if (cell_->holder) return failure(errc::busy, "acquire", "exclusive lock");
    cell_->last = {std::max(cell_->last, above).number + 1};
    cell_->holder = Holder{owner, cell_->last, 0};
    return Grant{cell_->last};
  }

  /// Idempotent; a grant that was forced away is released already.
  [[nodiscard]] result<void> release(Grant& grant) {
    std::lock_guard const guard{cell_->mutex};
    if (cell_->holder && cell_->holder->token == grant.token) cell_->holder.reset();
    return ok();
  }

  [[nodiscard]] result<std::optional<Holder>> inspect() const {
    std::lock_guard const guard{cell_->mutex};
    return cell_->holder;
  }

  /// Takes it from the holder that was seen (`conflict` if it is another by now); the token is
  /// greater than its.
  [[nodiscard]] result<FencingToken> force(Holder const& seen, FencingToken above) {
    std::lock_guard const guard{cell_->mutex};
    if (!cell_->holder || cell_->holder->token != seen.token)
      return failure(errc::conflict, "force", "exclusive lock");
    cell_->holder.reset();
    cell_->last = {std::max(cell_->last, above).number + 1};
    return cell_->last;
  }

 private:
  struct Cell {
    std::mutex mutex;
    std::optional<Holder> holder;
    FencingToken last{};
  };
  std::shared_ptr<Cell> cell_;
};
static_assert(lock_policy<Exclusive>);

HOLDFAST_END

#endif

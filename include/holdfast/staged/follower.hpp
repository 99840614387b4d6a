// SPDX-License-Identifier: BSL-1.0
// Reads a home that other processes build: shows what they committed, and writes nothing.
#ifndef HOLDFAST_STAGED_FOLLOWER_HPP
#define HOLDFAST_STAGED_FOLLOWER_HPP

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "holdfast/concepts.hpp"
#include "holdfast/config.hpp"
#include "holdfast/ids.hpp"
#include "holdfast/result.hpp"
#include "holdfast/staged/housekeeping.hpp"
#include "holdfast/staged/operations.hpp"
#include "holdfast/staged/source.hpp"

HOLDFAST_BEGIN

/// A home opened for reading; made by `open_view`. Movable; handles stay valid. May be used from
/// any thread. What it shows is kept from being dropped, where the register can do that. Views must
/// end before it does.
template <generation_store Store, atomic_register Register>
class Follower {
  using Source = detail::Source<Store, Register>;

 public:
  using view_type = View<typename Source::Shown>;
  using pin_type = Pin<typename Source::Shown>;

  explicit Follower(std::shared_ptr<Source> source) noexcept : source_{std::move(source)} {}

  /// The generation shown by the last `refresh`, for this scope. Never waits.
  [[nodiscard, gnu::always_inline]] result<view_type> view() const {
    if (!source_) [[unlikely]] {
      return failure(errc::spent, "view");
    }
    return source_->view();
  }
  /// The same, for as long as the handle lives.
  [[nodiscard]] result<pin_type> pin() const {
    if (!source_) return failure(errc::spent, "pin");
    return source_->pin(source_);
  }
  /// Shows what is current now. True if that changed something.
  [[nodiscard]] result<bool> refresh() {
    if (!source_) return failure(errc::spent, "refresh");
    HOLDFAST_TRY(shown, source_->refresh());
    return shown.has_value();
  }
  /// Looks at every byte of a retained generation, part by part; readers and builds go on.
  [[nodiscard]] result<std::vector<PartVerdict>> verify(Generation g) const {
    if (!source_) return failure(errc::spent, "verify");
    return detail::verify_generation(*source_, g);
  }
  /// Copies the current generation into a new home, as that of `open_staged` does.
  template <class... Stores>
  requires copying_store<Store>
  [[nodiscard]] result<Generation> backup(std::string const& to, Stores... stores) const {
    if (!source_) return failure(errc::spent, "backup");
    return detail::back_up_to<Store>(*source_, to, std::move(stores)...);
  }
  /// What the record says. Who builds is not told here: ask the lock.
  [[nodiscard]] result<Status> status() const {
    if (!source_) return failure(errc::spent, "status");
    if (source_->born().left()) return failure(errc::forked, "status");
    HOLDFAST_TRY(loaded, source_->load());
    Status status;
    if (loaded) status.manifest = std::move(loaded->manifest);
    status.trouble = source_->trouble();
    detail::add_pins(*source_, status);
    detail::add_updated(*source_, status);
    status.shown = source_->shown_marks();
    return status;
  }

 private:
  std::shared_ptr<Source> source_;
};

HOLDFAST_END

#endif

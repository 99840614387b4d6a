// SPDX-License-Identifier: BSL-1.0
// Takes the place of what could not be opened, so that the line that says why stays the only error.
#ifndef HOLDFAST_STAGED_REFUSED_HPP
#define HOLDFAST_STAGED_REFUSED_HPP

#include <concepts>

#include "holdfast/config.hpp"
#include "holdfast/result.hpp"
#include "holdfast/staged/housekeeping.hpp"

HOLDFAST_BEGIN

namespace detail {
/// What a factory gives after `explain` has spoken: accepts every further use, so that the line
/// stays the only one.
struct refused {
  template <class... Args>
  constexpr refused(Args&&...) noexcept {}
  template <class T>
  requires(!std::same_as<T, refused>) operator T&() const;
  [[nodiscard]] constexpr explicit operator bool() const noexcept { return false; }
  [[nodiscard]] constexpr bool has_value() const noexcept { return false; }
  [[nodiscard]] constexpr bool has_error() const noexcept { return true; }
  [[nodiscard]] refused value() const noexcept { return {}; }
  [[nodiscard]] refused assume_value() const noexcept { return {}; }
  [[nodiscard]] holdfast::error error() const noexcept { return {}; }
  [[nodiscard]] holdfast::error assume_error() const noexcept { return {}; }
  refused operator*() const noexcept { return {}; }
  refused const* operator->() const noexcept { return this; }
  template <class... Args>
  refused stage(Args&&...) const noexcept {
    return {};
  }
  refused writer() const noexcept { return {}; }
  refused seal() const noexcept { return {}; }
  template <class... Args>
  refused validate(Args&&...) const noexcept {
    return {};
  }
  refused commit(CommitOptions const& = {}) const noexcept { return {}; }
  refused view() const noexcept { return {}; }
  refused pin() const noexcept { return {}; }
  refused refresh() const noexcept { return {}; }
  refused collect() const noexcept { return {}; }
  refused recover() const noexcept { return {}; }
  refused status() const noexcept { return {}; }
  refused marks() const noexcept { return {}; }
  template <class... Args>
  refused apply(Args&&...) const noexcept {
    return {};
  }
  template <class... Args>
  refused revert(Args&&...) const noexcept {
    return {};
  }
  template <class... Args>
  refused resolve(Args&&...) const noexcept {
    return {};
  }
};
}  // namespace detail

HOLDFAST_END

#endif

// SPDX-License-Identifier: BSL-1.0
// The laws of a register that a run without crashes can check, each a function over a factory.
#ifndef HOLDFAST_TESTING_REGISTER_PROBES_HPP
#define HOLDFAST_TESTING_REGISTER_PROBES_HPP

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "holdfast/concepts.hpp"
#include "holdfast/config.hpp"
#include "holdfast/testing/bench.hpp"
#include "holdfast/testing/disk/hash.hpp"
#include "holdfast/testing/files.hpp"
#include "holdfast/testing/register_laws.hpp"

HOLDFAST_BEGIN

namespace testing::laws {
/// One handle on a register, which keeps in mind what it must hold.
template <class Register>
class RegisterTrial {
  using Traits = register_traits<Register>;

 public:
  explicit RegisterTrial(Register made)
      : register_{std::move(made)}, size_{std::min<std::size_t>(64, Traits::max_size(register_))} {}

  [[nodiscard]] Register& get() noexcept { return register_; }
  [[nodiscard]] Version version() const noexcept { return version_; }

  /// Loads, and compares with the value of store `number`; 0: nothing.
  [[nodiscard]] Verdict holds(Law const& law, std::uint64_t number) {
    auto const loaded = Traits::load(register_);
    if (!loaded) return law.refused("load", loaded.error());
    auto const& found = loaded.assume_value();
    version_ = found ? found->version : Version::none;
    bool const same = number == 0 ? !found : found && found->value == value_of(number);
    if (same) return {};
    return law.broken(number == 0 ? "nothing" : text_of({number}),
                      found ? "another value" : "none");
  }
  /// Stores against what was loaded or stored last.
  [[nodiscard]] Verdict store(Law const& law, std::uint64_t number) {
    auto const stored = Traits::store_if(register_, version_, value_of(number));
    if (!stored) return law.refused("store", stored.error());
    if (stored.assume_value().sequence <= version_.sequence) {
      return law.broken("a version above " + std::to_string(version_.sequence),
                        "version " + std::to_string(stored.assume_value().sequence));
    }
    version_ = stored.assume_value();
    return {};
  }
  /// Stores against a version that is not the one there.
  [[nodiscard]] Verdict conflicts(Law const& law, Version other, std::uint64_t number) {
    auto const stored = Traits::store_if(register_, other, value_of(number));
    if (stored) return law.broken("conflict", "the store succeeded");
    if (stored.error().code() == errc::conflict) return {};
    return law.broken("conflict", stored.error().text());
  }
  [[nodiscard]] Verdict reopen(Law const& law) {
    auto const reopened = Traits::reopen(register_);
    if (!reopened) return law.refused("reopen", reopened.error());
    return {};
  }

 private:
  [[nodiscard]] bytes value_of(std::uint64_t number) const {
    return value_of_number(number, size_);
  }
  Register register_;
  std::size_t size_;
  Version version_{};
};

template <class Make>
[[nodiscard]] auto register_on(BenchOf<Make> const& bench, Make const& make) {
  return RegisterTrial<MadeBy<Make>>{bench.made_by(make)};
}

/// Linear without crashes or rivals: nothing, then each value in turn, also after it was reopened.
template <class Make>
[[nodiscard]] Verdict loads_what_was_stored(Make const& make, std::uint64_t seed) {
  BenchOf<Make> const bench{seed};
  auto own = register_on(bench, make);
  if (auto broken = own.holds(register_linear, 0)) return broken;
  for (std::uint64_t n = seed; n < seed + 20; ++n) {
    if (auto broken = own.store(register_linear, n)) return broken;
    if (n % 3 == 0) {
      if (auto broken = own.reopen(register_linear)) return broken;
    }
    if (auto broken = own.holds(register_linear, n)) return broken;
  }
  return {};
}

/// Version grows, of one writer alone.
template <class Make>
[[nodiscard]] Verdict versions_grow(Make const& make, std::uint64_t seed) {
  BenchOf<Make> const bench{seed};
  auto own = register_on(bench, make);
  for (std::uint64_t n = seed; n < seed + 20; ++n) {
    if (auto broken = own.store(register_version_grows, n)) return broken;
    auto const stored = own.version();
    if (auto broken = own.holds(register_version_grows, n)) return broken;
    if (own.version().sequence < stored.sequence) {
      return register_version_grows.broken("version " + std::to_string(stored.sequence),
                                           std::to_string(own.version().sequence));
    }
  }
  return {};
}

/// Compares: against every version that was there before, against none, and against one to come.
template <class Make>
[[nodiscard]] Verdict other_versions_conflict(Make const& make, std::uint64_t seed) {
  auto const& law = register_compares;
  BenchOf<Make> const bench{seed};
  auto own = register_on(bench, make);
  // What was never there may answer that it is lost.
  auto const nowhere = register_traits<MadeBy<Make>>::store_if(own.get(), {7, 7}, bytes(16));
  if (nowhere) return law.broken("an error", "a store that succeeds against a version of nothing");
  if (auto broken = own.holds(law, 0)) return broken;
  Version before = Version::none;
  for (std::uint64_t n = seed; n < seed + 4; ++n) {
    if (auto broken = own.store(law, n)) return broken;
    auto const now = own.version();
    Version const next{now.sequence + 1, now.nonce};
    for (auto const other : {before, Version::none, next}) {
      if (auto broken = own.conflicts(law, other, n + 100)) return broken;
      if (auto broken = own.holds(law, n)) return broken;
    }
    before = now;
  }
  return {};
}

/// Pins, between two handles: of two processes where the bench has them.
template <class Make>
[[nodiscard]] Verdict pins_exclude(Make const& make, std::uint64_t seed) {
  auto const& law = register_pins;
  BenchOf<Make> const bench{seed};
  auto own = register_on(bench, make);
  RegisterTrial<MadeBy<Make>> other{bench.made_elsewhere_by(make)};
  using Traits = register_traits<MadeBy<Make>>;
  if (auto broken = own.store(law, seed)) return broken;
  for (auto* handle : {&own, &other}) {
    if (auto broken = handle->reopen(law)) return broken;
  }
  Generation const g{seed};
  {
    auto const pinned = Traits::pin(own.get(), g);
    if (!pinned) return law.refused("pin", pinned.error());
    auto const twice = Traits::pin(other.get(), g);
    if (!twice) return law.refused("pin by a second reader", twice.error());
    for (auto* handle : {&own, &other}) {
      auto const alone = Traits::try_exclude(handle->get(), g);
      if (alone) return law.broken("pinned", "it is given alone");
    }
    auto const another = Traits::try_exclude(other.get(), {seed + 1});
    if (!another) return law.refused("excluding another generation", another.error());
  }
  auto const alone = Traits::try_exclude(other.get(), g);
  if (!alone) return law.refused("excluding what nobody pins any more", alone.error());
  if (Traits::pin(own.get(), g)) return law.broken("busy", "a pin of what is given alone");
  return {};
}
}  // namespace testing::laws

HOLDFAST_END

#endif

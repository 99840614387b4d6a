// SPDX-License-Identifier: BSL-1.0
// The laws of a lock that a run without crashes can check, each a function over a factory.
#ifndef HOLDFAST_TESTING_LOCK_PROBES_HPP
#define HOLDFAST_TESTING_LOCK_PROBES_HPP

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "holdfast/config.hpp"
#include "holdfast/file_ops.hpp"
#include "holdfast/lock_concepts.hpp"
#include "holdfast/testing/bench.hpp"
#include "holdfast/testing/disk/hash.hpp"
#include "holdfast/testing/forked.hpp"
#include "holdfast/testing/lock_laws.hpp"
#include "holdfast/world.hpp"

HOLDFAST_BEGIN

namespace testing::laws {
/// One handle on a lock, used in the name of an owner of its own.
template <class Policy>
class LockTrial {
  using Traits = lock_traits<Policy>;

 public:
  using Grant = grant_of<Policy>;

  LockTrial(Policy made, std::uint64_t pid) : lock_{std::move(made)} {
    owner_ = Native{}.self();
    owner_.pid = pid;
    owner_.nonce = disk::mixed(pid);
  }
  [[nodiscard]] Owner const& owner() const noexcept { return owner_; }
  [[nodiscard]] std::optional<Grant>& grant() noexcept { return grant_; }
  [[nodiscard]] FencingToken token() const { return grant_->token; }

  [[nodiscard]] Verdict acquire(Law const& law, FencingToken above = {}) {
    auto got = Traits::try_acquire(lock_, owner_, above);
    if (!got) return law.refused("acquire", got.error());
    grant_.emplace(std::move(got).assume_value());
    return {};
  }
  [[nodiscard]] Verdict is_busy(Law const& law) {
    auto const got = Traits::try_acquire(lock_, owner_, {});
    if (got) return law.broken("busy", "a grant beside another");
    if (got.error().code() == errc::busy) return {};
    return law.broken("busy", got.error().text());
  }
  [[nodiscard]] Verdict release(Law const& law) {
    auto const released = Traits::release(lock_, *grant_);
    if (!released) return law.refused("release", released.error());
    return {};
  }
  /// The same by a copy, of whatever became of the grant itself.
  void release_copy(Grant copy) { static_cast<void>(Traits::release(lock_, copy)); }
  [[nodiscard]] auto release_result() { return Traits::release(lock_, *grant_); }
  [[nodiscard]] auto acquire_result() { return Traits::try_acquire(lock_, owner_, {}); }

  [[nodiscard]] result<std::optional<Holder>> inspect() { return Traits::inspect(lock_); }
  [[nodiscard]] Verdict shows(Law const& law, std::optional<Owner> const& expected) {
    auto const seen = inspect();
    if (!seen) return law.refused("inspect", seen.error());
    auto const& holder = seen.assume_value();
    bool const same = expected ? holder && holder->owner == *expected : !holder;
    if (same) return {};
    return law.broken(expected ? "pid " + std::to_string(expected->pid) : "nobody",
                      holder ? "pid " + std::to_string(holder->owner.pid) : "nobody");
  }
  [[nodiscard]] result<FencingToken> force(Holder const& from, FencingToken above = {}) {
    return Traits::force(lock_, from, above);
  }

 private:
  Policy lock_;
  Owner owner_;
  std::optional<Grant> grant_{};
};

template <class Make>
[[nodiscard]] auto lock_on(BenchOf<Make> const& bench, Make const& make, std::uint64_t pid) {
  return LockTrial<MadeBy<Make>>{bench.made_elsewhere_by(make), pid};
}
[[nodiscard]] inline Verdict grows(Law const& law, FencingToken after, FencingToken before) {
  if (after > before) return {};
  return law.broken("a token above " + std::to_string(before.number), std::to_string(after.number));
}

/// L1 and L5 between two handles, without crashes.
template <class Make>
[[nodiscard]] Verdict one_holds(Make const& make, std::uint64_t seed, Law const& law) {
  BenchOf<Make> const bench{seed};
  auto one = lock_on(bench, make, 1);
  auto other = lock_on(bench, make, 2);
  for (int round = 0; round < 3; ++round) {
    if (auto broken = one.acquire(law)) return broken;
    if (auto broken = other.is_busy(law)) return broken;
    if (auto broken = one.is_busy(law)) return broken;
    if (auto broken = one.release(law)) return broken;
    if (auto broken = other.acquire(law)) return broken;
    if (auto broken = other.release(law)) return broken;
  }
  return {};
}

/// L2 without crashes: across releases, handles, and what a grant is asked to exceed.
template <class Make>
[[nodiscard]] Verdict tokens_grow(Make const& make, std::uint64_t seed) {
  BenchOf<Make> const bench{seed};
  auto one = lock_on(bench, make, 1);
  auto other = lock_on(bench, make, 2);
  FencingToken last{};
  for (std::uint64_t const above :
       {std::uint64_t{0}, seed + 100, (seed << 32) + 5, std::uint64_t{1}}) {
    for (auto* handle : {&one, &other}) {
      if (auto broken = handle->acquire(l2, {above})) return broken;
      if (auto broken = grows(l2, handle->token(), std::max(last, FencingToken{above})))
        return broken;
      last = handle->token();
      if (auto broken = handle->release(l2)) return broken;
    }
  }
  return {};
}

/// L7: a second release, and a copy of a grant that is over, let go of nothing.
template <class Make>
[[nodiscard]] Verdict release_lets_go_of_its_own(Make const& make, std::uint64_t seed) {
  BenchOf<Make> const bench{seed};
  auto one = lock_on(bench, make, 1);
  auto other = lock_on(bench, make, 2);
  if (auto broken = one.acquire(l7)) return broken;
  auto const early = *one.grant();
  for (int again = 0; again < 2; ++again) {
    if (auto broken = one.release(l7)) return broken;
  }
  if (auto broken = other.acquire(l7)) return broken;
  if (auto broken = one.release(l7)) return broken;
  one.release_copy(early);
  if (auto broken = one.is_busy(l7)) return broken;
  if (auto broken = other.shows(l7, other.owner())) return broken;
  if (auto broken = other.release(l7)) return broken;
  if (auto broken = one.acquire(l7)) return broken;
  one.release_copy(early);
  if (auto broken = other.is_busy(l7)) return broken;
  return one.shows(l7, one.owner());
}

/// L9.
template <class Make>
[[nodiscard]] Verdict force_takes_from_whom_it_saw(Make const& make, std::uint64_t seed) {
  BenchOf<Make> const bench{seed};
  auto one = lock_on(bench, make, 1);
  auto other = lock_on(bench, make, 2);
  if (auto broken = one.acquire(l9)) return broken;
  auto const early = one.inspect();
  if (!early || !early.assume_value()) return l9.broken("the holder is shown", "nobody");
  if (auto broken = one.release(l9)) return broken;
  if (auto broken = one.acquire(l9)) return broken;
  auto const held = one.token();
  if (other.force(*early.assume_value()))
    return l9.broken("conflict", "it takes from another grant than was seen");
  if (auto broken = other.is_busy(l9)) return broken;
  auto const now = one.inspect();
  if (!now || !now.assume_value()) return l9.broken("the holder is shown", "nobody");
  auto const forced = other.force(*now.assume_value(), {seed});
  if (!forced) return l9.refused("force", forced.error());
  if (auto broken = grows(l9, forced.assume_value(), held)) return broken;
  if (auto broken = other.acquire(l9)) return broken;
  if (auto broken = grows(l9, other.token(), forced.assume_value())) return broken;
  static_cast<void>(one.release_result());  // what was forced away is over, whatever it answers
  if (auto broken = one.is_busy(l9)) return broken;
  return one.shows(l9, other.owner());
}

/// L11, where processes can be killed: the dead is not shown, and his lock is free at once; the
/// living keeps his.
template <class Make>
[[nodiscard]] Verdict the_dead_hold_nothing(Make const& make, std::uint64_t seed) {
  SimulatedBench const bench{seed};
  auto const process = bench.disk().start();
  LockTrial<MadeBy<Make>> one{make(process), 1};
  auto other = lock_on(bench, make, 2);
  if (auto broken = one.acquire(l11)) return broken;
  if (auto broken = other.shows(l11, one.owner())) return broken;
  if (auto broken = other.is_busy(l11)) return broken;
  process.kill();
  if (auto broken = other.shows(l11, std::nullopt)) return broken;
  if (auto broken = other.acquire(l11)) return broken;
  auto third = lock_on(bench, make, 3);
  return third.shows(l11, other.owner());
}

/// L13: whatever a file of the lock holds, a look answers the holder, nobody, or an error.
template <class Make>
[[nodiscard]] Verdict damage_names_nobody_else(Make const& make, std::uint64_t seed) {
  BenchOf<Make> const bench{seed};
  auto one = lock_on(bench, make, 0x0102030405);
  if (auto broken = one.acquire(l13)) return broken;
  auto other = lock_on(bench, make, 2);
  auto const fs = bench.files();
  disk::Dice dice{seed};
  for (auto const& path : files_below(fs, bench.folder())) {
    auto const read = holdfast::detail::read_file(fs, path, std::uint64_t{1} << 20);
    if (!read) return l13.refused("read " + path, read.error());
    auto const& content = read.assume_value();
    for (std::size_t at = static_cast<std::size_t>(dice.below(8)); at < content.size(); at += 8) {
      auto damaged = content;
      damaged[at] ^= static_cast<std::byte>(1u << dice.below(8));
      auto const written = overwrite(fs, path, damaged);
      if (!written) return l13.refused("damage " + path, written.error());
      auto const seen = other.inspect();
      if (!seen || !seen.assume_value() || seen.assume_value()->owner == one.owner()) continue;
      return l13.broken("the holder, nobody or an error",
                        "another owner with a bit flipped in byte " + std::to_string(at));
    }
    auto const healed = overwrite(fs, path, content);
    if (!healed) return l13.refused("heal " + path, healed.error());
  }
  return {};
}

/// L14, with a real child: it lets go of nothing and takes nothing by what its parent opened.
template <class Make>
[[nodiscard]] Verdict a_child_holds_nothing(Make const& make, std::uint64_t seed) {
  using Trial = LockTrial<decltype(make(std::string{}))>;
  FolderBench const bench{seed};
  Trial one{make(bench.folder()), 1};
  Trial other{make(bench.folder()), 2};
  if (auto broken = one.acquire(l14)) return broken;
  auto const answer = in_child([&]() -> std::string {
    if (one.release_result()) return "a release that succeeds";
    if (one.acquire_result()) return "a grant by the parent's object";
    Trial ends{std::move(one)};  // its end lets go of nothing either
    return "";
  });
  if (!answer.empty()) return l14.broken("a child is refused", answer);
  if (auto broken = other.is_busy(l14)) return broken;
  if (auto broken = one.release(l14)) return broken;
  return other.acquire(l14);
}
}  // namespace testing::laws

HOLDFAST_END

#endif

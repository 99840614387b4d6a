// SPDX-License-Identifier: BSL-1.0
// Builds a generation once for every call on the file system, each time with that call failing.
//
// Checks, whichever call it is: a seal that succeeded opens with exactly what was put; one that
// failed never opens as something else; unless a sync failed, it succeeds when tried again; the
// generation before stays as it was; and what is left can be dropped.
#ifndef HOLDFAST_TESTS_UNIT_BACKEND_FAULT_SWEEP_HPP
#define HOLDFAST_TESTS_UNIT_BACKEND_FAULT_SWEEP_HPP

#include <cerrno>
#include <cstdint>

#include "catch.hpp"
#include "failing_files.hpp"
#include "holdfast/concepts.hpp"
#include "scratch.hpp"

namespace sweep {
enum class Way { refused, half_done, done_but_failed };

/// `fill(writer)` gives a result; `whole(reader)` is whether all of it is there.
template <class Store, class Fill, class Whole>
struct Sweep {
  Store& store;
  support::Calls& calls;
  Fill fill;
  Whole whole;

  // True if there is nothing else to be read as g.
  bool honest(std::uint64_t g) {
    auto const reader = store.open({g});
    return !reader || whole(reader.value());
  }

  // The error of the first step that failed, after which seal was tried again.
  hf::errc build(std::uint64_t g) {
    auto writer = store.create({g});
    if (!writer) return scratch::code(writer);
    auto const filled = fill(writer.value());
    if (!filled) return scratch::code(filled);
    auto const sealed = store.seal(writer.value());
    if (sealed) {
      auto const reader = store.open({g});
      CHECK((calls.failed > 0 || reader.has_value()));
      return hf::errc::unknown;
    }
    CHECK(honest(g));
    auto const again = store.seal(writer.value());
    bool const sync_failed = scratch::code(sealed) == hf::errc::sync_failed;
    CHECK(again.has_value() != sync_failed);
    CHECK((!sync_failed || scratch::code(again) == hf::errc::sync_failed));
    return scratch::code(sealed);
  }

  /// How many calls were made to fail.
  std::uint64_t run(Way way, int number) {
    REQUIRE(build(1) == hf::errc::unknown);
    for (std::uint64_t call = 1;; ++call) {
      REQUIRE(call < 1000);
      calls.fail({.first = call,
                  .times = 1,
                  .number = number,
                  .takes_effect = way == Way::done_but_failed,
                  .half = way == Way::half_done});
      auto const code = build(2);
      auto const failed = calls.failed;
      auto const what = calls.last_failed;
      calls.heal();
      INFO("call " << call << " on " << what << ": " << hf::message(code));
      CHECK(honest(2));
      auto const first = store.open({1});
      CHECK((first && whole(first.value())));
      auto const dropped = store.drop({2});
      CHECK(scratch::said(dropped) == "");
      CHECK(scratch::numbers(store.generations().value()) == std::vector<std::uint64_t>{1});
      if (failed == 0) return call - 1;
    }
  }
};
template <class Store, class Fill, class Whole>
Sweep(Store&, support::Calls&, Fill, Whole) -> Sweep<Store, Fill, Whole>;
}  // namespace sweep

#endif

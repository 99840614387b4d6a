// SPDX-License-Identifier: BSL-1.0
// The laws of locks that lapse, on one that can't be renewed and whose margin is near half its
// time.
#include <algorithm>
#include <cstdint>
#include <memory>

#include "catch.hpp"
#include "holdfast/backend/memory_register.hpp"
#include "holdfast/policy/lease.hpp"
#include "holdfast/testing/lock_subject.hpp"

namespace {
/// A lease without renewals.
struct Ticket {
  using Inner = hf::Lease<hf::MemoryRegister, hf::testing::SimulatedWorld>;
  using Grant = Inner::Grant;
  static constexpr auto guarantees = Inner::guarantees;
  Inner inner;
  [[nodiscard]] auto try_acquire(hf::Owner const& owner, hf::FencingToken above) {
    return inner.try_acquire(owner, above);
  }
  [[nodiscard]] auto release(Grant& grant) { return inner.release(grant); }
  [[nodiscard]] auto inspect() { return inner.inspect(); }
  [[nodiscard]] auto force(hf::Holder const& seen, hf::FencingToken above) {
    return inner.force(seen, above);
  }
  [[nodiscard]] std::int64_t remaining_ns(Grant const& grant) const {
    return inner.remaining_ns(grant);
  }
};
static_assert(hf::lapsing<Ticket> && !hf::renewable<Ticket>);

struct Tickets {
  std::int64_t margin_ms = 0;
  std::shared_ptr<hf::MemoryRegister> reg = std::make_shared<hf::MemoryRegister>();
  [[nodiscard]] Ticket operator()(hf::testing::SimulatedProcess const& p) const {
    return {hf::Lease{*reg, {.ttl_ms = 1000, .margin_ms = margin_ms}, p.world}};
  }
};
}  // namespace

TEST_CASE("what lapses need not be renewable, and is replaced whatever its margin is",
          "[lock][laws]") {
  using namespace hf::testing::laws;  // NOLINT(google-build-using-namespace)
  auto const subject = hf::testing::lock_subject("tickets", Tickets{100});
  auto const has = [&subject](hf::testing::Law const& law) {
    return std::any_of(subject.laws.begin(), subject.laws.end(),
                       [&law](auto const& one) { return one.id == law.id; });
  };
  CHECK(has(l8));
  CHECK_FALSE(has(l6));
  CHECK_FALSE(has(l12));
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    CHECK_FALSE(a_silent_one_is_replaced(Tickets{499}, seed));
    CHECK_FALSE(a_silent_one_is_replaced(Tickets{1}, seed));
  }
}

// SPDX-License-Identifier: BSL-1.0
// A lease with one flaw, on a simulated disk.
#ifndef HOLDFAST_PROPERTY_TESTS_MUTANTS_FLAWED_LEASE_HPP
#define HOLDFAST_PROPERTY_TESTS_MUTANTS_FLAWED_LEASE_HPP

#include <cstdint>

#include "flaws.hpp"
#include "holdfast/backend/file_register.hpp"
#include "holdfast/lock_concepts.hpp"
#include "holdfast/policy/lease.hpp"
#include "holdfast/testing/simulated_disk.hpp"

namespace mutants {
class FlawedLease {
  using World = hf::testing::SimulatedWorld;
  using Register = hf::BasicFileRegister<hf::testing::SimulatedFiles, World>;
  using Whole = hf::Lease<Register, World>;

 public:
  using Grant = Whole::Grant;
  static constexpr hf::Guarantees guarantees = Whole::guarantees;

  FlawedLease(hf::testing::SimulatedProcess const& p, Flaw flaw)
      : whole_{Register{"/db/LEASE", p.files, p.world}, {}, p.world}, flaw_{flaw} {}

  [[nodiscard]] hf::result<Grant> try_acquire(hf::Owner const& owner, hf::FencingToken above) {
    auto grant = whole_.try_acquire(owner, above);
    bool const refused = !grant && grant.error().code() == hf::errc::busy;
    if (flaw_ == Flaw::never_replaces && gave_up_) return hf::failure(hf::errc::busy, "mutant");
    gave_up_ = gave_up_ || refused;
    if (flaw_ != Flaw::steals_live_leases || !refused || ++refusals_ % 4 != 0) return grant;
    HOLDFAST_TRY(holder, whole_.inspect());
    if (holder) {
      HOLDFAST_TRYV(whole_.force(*holder, above));
    }
    return whole_.try_acquire(owner, above);
  }
  [[nodiscard]] hf::result<void> release(Grant& grant) { return whole_.release(grant); }
  [[nodiscard]] auto inspect() { return whole_.inspect(); }
  [[nodiscard]] auto force(hf::Holder const& seen, hf::FencingToken above) {
    return whole_.force(seen, above);
  }
  [[nodiscard]] hf::result<void> renew(Grant& grant) {
    auto renewed = whole_.renew(grant);
    return flaw_ == Flaw::renews_what_is_lost ? hf::ok() : renewed;
  }
  [[nodiscard]] std::int64_t remaining_ns(Grant const& grant) const noexcept {
    return whole_.remaining_ns(grant);
  }

 private:
  Whole whole_;
  Flaw flaw_;
  int refusals_ = 0;
  bool gave_up_ = false;
};
static_assert(hf::renewable<FlawedLease> && hf::lapsing<FlawedLease>);
}  // namespace mutants

#endif

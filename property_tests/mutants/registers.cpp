// SPDX-License-Identifier: BSL-1.0
// Mutants for the laws of registers.
#include <cstdint>
#include <string>
#include <utility>

#include "../support/slot_register.hpp"
#include "flawed_register.hpp"
#include "flaws.hpp"
#include "holdfast/backend/file_register.hpp"
#include "holdfast/testing/register_subject.hpp"
#include "mutant.hpp"
#include "plain_register.hpp"

namespace mutants {
namespace {
using hf::testing::Law, hf::testing::register_subject, hf::testing::SimulatedProcess;

struct Plain {
  Flaw flaw = Flaw::none;
  [[nodiscard]] PlainRegister operator()(SimulatedProcess const& p) const {
    return {FlawedFiles{p.files, flaw}, flaw};
  }
};
Mutant plain(Law const& law, char const* name, Flaw flaw) {
  return {law.id, name, register_subject("mutant", Plain{flaw}),
          register_subject("a register by rename", Plain{})};
}

// The library's own, over files with a flaw, or with a flaw of its own.
struct Ring {
  Flaw flaw = Flaw::none;
  [[nodiscard]] FlawedRegister operator()(SimulatedProcess const& p) const {
    return FlawedRegister{FlawedFiles{p.files, flaw}, p.world, flaw};
  }
};
Mutant ring(Law const& law, char const* name, Flaw flaw) {
  return {law.id, name, register_subject("mutant", Ring{flaw}),
          register_subject("the file register", Ring{})};
}

// The same where a sync of the register's file fails once, and leaves its pages clean.
struct FailingDisk {
  Ring ring{};
  [[nodiscard]] FlawedRegister operator()(SimulatedProcess const& p) const {
    auto& faults = p.files.calls();
    if (!faults.fault && faults.count(hf::testing::Call::sync) == 0) {
      faults.fail({.call = hf::testing::Call::sync, .path_has = "CURRENT", .first = 4});
    }
    return ring(p);
  }
};

// Runs with crashes alone: in one without, each store must succeed.
hf::testing::Subject on_failing_disk(char const* name, Flaw flaw) {
  auto subject = register_subject(name, FailingDisk{{flaw}});
  subject.probes.clear();
  return subject;
}

template <std::size_t N>
struct Slots : crash::SlotRegister<N, hf::testing::SimulatedFiles> {
  using crash::SlotRegister<N, hf::testing::SimulatedFiles>::SlotRegister;
  static constexpr hf::Guarantees guarantees = PlainRegister::guarantees;
};
template <std::size_t N>
struct MakeSlots {
  [[nodiscard]] Slots<N> operator()(SimulatedProcess const& p) const {
    return Slots<N>{"/db/SLOTS", p.files};
  }
};
}  // namespace

Mutants of_registers() {
  using namespace hf::testing::laws;  // NOLINT(google-build-using-namespace)
  return {
      ring(register_linear, "no file sync", Flaw::no_file_sync),
      ring(register_linear, "no directory sync", Flaw::no_directory_sync),
      {register_linear.id, "fsync retried after EIO",
       on_failing_disk("mutant", Flaw::syncs_again_after_a_failure),
       on_failing_disk("the file register on a failing disk", Flaw::none)},
      plain(register_one_outcome, "an unknown outcome told as a failure",
            Flaw::tells_unknown_as_failed),
      plain(register_no_dirty_read, "act on an unconfirmed record", Flaw::shows_the_unconfirmed),
      plain(register_version_grows, "a version given twice", Flaw::repeats_versions),
      {register_recovers.id, "heal over the last confirmed slot",
       register_subject("mutant", MakeSlots<2>{}),
       register_subject("sixteen slots", MakeSlots<16>{})},
      plain(register_again, "an unfinished store is finished on closing",
            Flaw::finishes_when_it_closes),
      plain(register_compares, "version not compared", Flaw::compares_no_version),
      plain(register_linear, "two-step rename", Flaw::renames_in_two_steps),
      ring(register_pins, "another generation is pinned", Flaw::pins_another)};
}
}  // namespace mutants

// SPDX-License-Identifier: BSL-1.0
// Every law there is, in the order of the ids. docs/laws.md has a section for each.
#ifndef HOLDFAST_TESTING_CATALOGUE_HPP
#define HOLDFAST_TESTING_CATALOGUE_HPP

#include <array>
#include <string_view>

#include "holdfast/config.hpp"
#include "holdfast/testing/codec_subject.hpp"
#include "holdfast/testing/file_laws.hpp"
#include "holdfast/testing/laws.hpp"
#include "holdfast/testing/lock_laws.hpp"
#include "holdfast/testing/register_laws.hpp"
#include "holdfast/testing/segment_laws.hpp"
#include "holdfast/testing/staged_laws.hpp"
#include "holdfast/testing/store_laws.hpp"
#include "holdfast/testing/update_laws.hpp"

HOLDFAST_BEGIN

namespace testing {
inline constexpr std::array catalogue{
    laws::file_reads,
    laws::file_durable,
    laws::file_rename,
    laws::file_refuses,
    laws::file_locks,
    laws::register_linear,
    laws::register_one_outcome,
    laws::register_no_dirty_read,
    laws::register_version_grows,
    laws::register_recovers,
    laws::register_again,
    laws::register_compares,
    laws::register_pins,
    laws::codec_round,
    laws::codec_bounded,
    laws::codec_canonical,
    laws::b1,
    laws::b2,
    laws::b3,
    laws::b4,
    laws::b5,
    laws::b6,
    laws::b7,
    laws::store_damage,
    laws::store_again,
    laws::update_atomic,
    laws::update_durable,
    laws::update_replay,
    laws::update_recovers,
    laws::update_opens,
    laws::update_stays,
    laws::update_equal,
    laws::update_caught_up,
    laws::s1,
    laws::s2,
    laws::s3,
    laws::s4,
    laws::s5,
    laws::s6,
    laws::s7,
    laws::s8,
    laws::s9,
    laws::s10,
    laws::s11,
    laws::s12,
    laws::s13,
    laws::s14,
    laws::s15,
    laws::s16,
    laws::s18,
    laws::s19,
    laws::published,
    laws::staged_recovers,
    laws::resumes,
    laws::l1,
    laws::l2,
    laws::l5,
    laws::l6,
    laws::l7,
    laws::l8,
    laws::l9,
    laws::l11,
    laws::l12,
    laws::l13,
    laws::l14,
    laws::r1,
    laws::r2,
    laws::r3,
    laws::r4,
    laws::r5,
    laws::r6,
    laws::r7,
    laws::r8,
    laws::r9,
    laws::r10,
    laws::r11,
};

/// The law of that id; nothing if there is none.
[[nodiscard]] inline Law const* find_law(std::string_view id) noexcept {
  for (auto const& law : catalogue) {
    if (law.id == id) return &law;
  }
  return nullptr;
}
}  // namespace testing

HOLDFAST_END

#endif

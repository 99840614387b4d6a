// SPDX-License-Identifier: BSL-1.0
// Mutants for the laws of what recovers a log.
#include <string>

#include "flawed_segment.hpp"
#include "holdfast/testing/segment_subject.hpp"
#include "mutant.hpp"

namespace mutants {
namespace {
using hf::testing::Law, hf::testing::log_subject, hf::testing::segment_subject;

Mutant one(Law const& law, char const* name, Flaw flaw) {
  return {law.id, name, segment_subject("mutant", SegmentPlace{flaw}),
          segment_subject("a framed segment", SegmentPlace{})};
}
// Short, so that damage meets each of its bytes.
Mutant packed(Law const& law, char const* name, Flaw flaw) {
  return {law.id, name, segment_subject("mutant", SegmentPlace{flaw, 0}),
          segment_subject("a packed segment", SegmentPlace{Flaw::none, 0})};
}
Mutant of_log(Law const& law, char const* name, Flaw flaw) {
  return {law.id, name, log_subject("mutant", LogPlace{flaw}),
          log_subject("a framed log", LogPlace{})};
}
}  // namespace

Mutants of_segments() {
  using namespace hf::testing::laws;  // NOLINT(google-build-using-namespace)
  return {one(r1, "no file sync", Flaw::no_file_sync),
          one(r1, "no directory sync", Flaw::no_directory_sync),
          one(r1, "records share a sector with what was synced", Flaw::packs_records),
          of_log(r1, "a log whose directory is not synced", Flaw::no_directory_sync),
          one(r1, "what recovery shows is not synced", Flaw::syncs_no_recovery),
          one(r1, "what a failed sync has lost is not written again", Flaw::rewrites_nothing),
          one(r2, "what is torn stays behind what is written", Flaw::cuts_nothing),
          of_log(r3, "any index that is there is kept", Flaw::keeps_any_index),
          packed(r4, "a payload is believed unchecked", Flaw::believes_payloads),
          one(r5, "more is told to be durable than is", Flaw::boasts),
          one(r5, "nobody looks behind the damage", Flaw::sees_no_witness),
          one(r6, "what is torn is not cut", Flaw::cuts_nothing),
          one(r7, "what is cut is not set aside", Flaw::sets_nothing_aside),
          of_log(r8, "what is refused is removed", Flaw::removes_what_it_refuses),
          packed(r9, "memory by an unchecked length", Flaw::reserves_by_any_length),
          one(r10, "every lock is granted", Flaw::grants_every_lock),
          one(r11, "an empty file is called damaged", Flaw::calls_the_empty_damaged)};
}
}  // namespace mutants

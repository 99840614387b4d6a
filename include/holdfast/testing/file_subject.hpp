// SPDX-License-Identifier: BSL-1.0
// Makes of a factory of file systems the subject that the laws of file systems are checked on.
#ifndef HOLDFAST_TESTING_FILE_SUBJECT_HPP
#define HOLDFAST_TESTING_FILE_SUBJECT_HPP

#include <cstdint>
#include <string>
#include <utility>

#include "holdfast/config.hpp"
#include "holdfast/testing/bench.hpp"
#include "holdfast/testing/disk/hash.hpp"
#include "holdfast/testing/file_laws.hpp"
#include "holdfast/testing/file_scenario.hpp"
#include "holdfast/testing/subject.hpp"

HOLDFAST_BEGIN

namespace testing {
/// `make(SimulatedProcess const&)` gives the file system of that process, perhaps through an
/// adaptor of yours; `make(std::string const& folder)` one that can write in that folder.
template <class Make>
[[nodiscard]] Subject file_subject(std::string name, Make make) {
  using namespace laws;  // NOLINT(google-build-using-namespace)
  Subject subject{.name = name,
                  .laws = {file_reads, file_refuses, file_locks, file_durable, file_rename}};
  subject.probes = {
      {file_reads.id, [make](std::uint64_t seed) { return reads_what_was_written(make, seed); }},
      {file_refuses.id,
       [make](std::uint64_t seed) { return refused_calls_change_nothing(make, seed); }},
      {file_locks.id, [make](std::uint64_t seed) { return locks_exclude(make, seed); }}};
  if constexpr (makes_simulated<Make>) {
    subject.trials.push_back(
        {{file_durable.id, file_rename.id}, {}, [name, make](std::uint64_t number) {
           disk::Dice dice{number};
           FilePlan plan{.seed = number};
           plan.files = 2 + dice.below(3);
           plan.sector_size = dice.below(2) == 0 ? 512 : 4096;
           plan.reader_at_every_call = dice.below(2) == 0;
           return file_scenario(name, make, plan);
         }});
  } else {
    for (auto const& law : {file_durable, file_rename}) {
      subject.missing.emplace(law.id,
                              "the power of a real machine can't be cut from here: write "
                              "the adaptor over any hf::file_system, and let "
                              "make(SimulatedProcess const&) put it over process.files");
    }
  }
  return subject;
}
}  // namespace testing

HOLDFAST_END

#endif

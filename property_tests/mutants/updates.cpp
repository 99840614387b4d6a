// SPDX-License-Identifier: BSL-1.0
// Mutants for the laws of updates in place.
#include <cstddef>
#include <string>
#include <tuple>
#include <utility>

#include "flawed_updates.hpp"
#include "holdfast/adaptor/together.hpp"
#include "holdfast/backend/barrier_file.hpp"
#include "holdfast/testing/simulated_files.hpp"
#include "holdfast/testing/store_subject.hpp"
#include "holdfast/testing/update_home.hpp"
#include "mutant.hpp"

namespace mutants {
namespace {
using hf::testing::Files, hf::testing::Law, hf::testing::SimulatedProcess;
using hf::testing::store_subject;

struct States {
  UpdateFlaw flaw = UpdateFlaw::none;
  [[nodiscard]] StateStore operator()(SimulatedProcess const& p) const {
    StateStore store{"states", p.files, flaw};
    store.remember(hf::testing::files_of(1, 0));
    return store;
  }
  [[nodiscard]] hf::result<void> put(StateStore::writer& writer, Files const& files) const {
    writer.files = files;
    return hf::ok();
  }
  [[nodiscard]] hf::result<Files> get(StateStore::reader const& reader) const {
    bool const follows = flaw == UpdateFlaw::readers_follow && *reader.newest;
    return follows ? reader.newest->value().files : reader.state.files;
  }
  [[nodiscard]] Files batch(Files const& files) const { return files; }
};

// Whoever enters the barrier beside others finds it free, and takes nothing.
struct UnbarredFiles : hf::testing::SimulatedFiles {
  explicit UnbarredFiles(SimulatedFiles files) : SimulatedFiles{std::move(files)} {}
  [[nodiscard]] hf::result<bool> try_lock(file& f, hf::Range range, hf::Mode mode) const {
    bool const beside = range.at == hf::detail::barrier_itself.at && mode == hf::Mode::shared;
    return beside ? hf::result<bool>{true} : SimulatedFiles::try_lock(f, range, mode);
  }
};

// A home of two such stores.
struct TwoStates {
  static constexpr std::size_t parts = 2;
  using Store = hf::Together<StateStore, StateStore>;

  UpdateFlaw flaw = UpdateFlaw::none;
  [[nodiscard]] Store store(SimulatedProcess const& p) const {
    return Store{StateStore{"keys", p.files, flaw}, StateStore{"stats", p.files, flaw}};
  }
  [[nodiscard]] hf::result<void> put(Store::writer& writer, Files const& files) const {
    std::get<0>(writer).files = std::get<1>(writer).files = files;
    return hf::ok();
  }
  [[nodiscard]] hf::result<void> put_over(Store::writer& writer, Files const& files) const {
    std::get<0>(writer).put_over(files);
    std::get<1>(writer).put_over(files);
    return hf::ok();
  }
  [[nodiscard]] hf::result<Files> get(Store::reader const& reader, std::size_t part) const {
    return part == 0 ? std::get<0>(reader).state.files : std::get<1>(reader).state.files;
  }
  [[nodiscard]] std::tuple<Files, Files> batch(Files const& files) const { return {files, files}; }
};

struct UnbarredStates : TwoStates {
  [[nodiscard]] static UnbarredFiles files(SimulatedProcess const& p) {
    return UnbarredFiles{p.files};
  }
};

Mutant one(Law const& law, char const* name, UpdateFlaw flaw) {
  return {law.id, name, store_subject("mutant", States{flaw}),
          store_subject("the store of states", States{})};
}
}  // namespace

Mutants of_updates() {
  using namespace hf::testing::laws;  // NOLINT(google-build-using-namespace)
  return {
      one(update_atomic, "marks are written before the data", UpdateFlaw::marks_before_data),
      one(update_durable, "no sync", UpdateFlaw::no_sync),
      one(update_replay, "what was applied is applied again", UpdateFlaw::applies_again),
      one(update_recovers, "a new process goes on from what was sealed",
          UpdateFlaw::goes_on_from_the_seal),
      one(update_opens, "the state before is removed first", UpdateFlaw::removes_before_it_writes),
      one(update_opens, "files change before UPDATED says so",
          UpdateFlaw::changes_without_saying_so),
      one(update_stays, "readers follow", UpdateFlaw::readers_follow),
      {update_equal.id, "readers do not tell their marks",
       hf::testing::update_home_subject("mutant", TwoStates{UpdateFlaw::readers_without_marks}),
       hf::testing::update_home_subject("a home of two stores of states", TwoStates{})},
      {update_caught_up.id, "the tail keeps no update out",
       hf::testing::caught_up_subject("mutant", UnbarredStates{}),
       hf::testing::caught_up_subject("a home of two stores of states that catches up",
                                      TwoStates{})}};
}
}  // namespace mutants

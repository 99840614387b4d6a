// SPDX-License-Identifier: BSL-1.0
// Makes of a factory of stores the subject that the laws of stores are checked on.
#ifndef HOLDFAST_TESTING_STORE_SUBJECT_HPP
#define HOLDFAST_TESTING_STORE_SUBJECT_HPP

#include <concepts>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "holdfast/concepts.hpp"
#include "holdfast/config.hpp"
#include "holdfast/guarantees.hpp"
#include "holdfast/testing/bench.hpp"
#include "holdfast/testing/disk/hash.hpp"
#include "holdfast/testing/files.hpp"
#include "holdfast/testing/store_probes.hpp"
#include "holdfast/testing/store_scenario.hpp"
#include "holdfast/testing/subject.hpp"
#include "holdfast/testing/update_laws.hpp"
#include "holdfast/testing/update_probes.hpp"
#include "holdfast/testing/update_scenario.hpp"
#include "holdfast/update_concepts.hpp"

HOLDFAST_BEGIN

namespace testing {
namespace kit {
inline constexpr std::string_view needs_simulator =
    "crash states need the simulator: template the store over hf::file_system (BasicFileBlobs<Fs> "
    "and BasicDirectoryStore<Fs> are) and let make(SimulatedProcess const&) make it over "
    "process.files";
inline constexpr std::string_view needs_folder =
    "the simulator runs one thread: let make(std::string const& folder) make the store in a real "
    "folder too";

/// A factory of stores with a way to fill and read them: its own `put` and `get`, or those of a
/// writer with `put(name, bytes)` and a reader with `names()` and `get(name)`.
template <class Make>
struct StoreKit {
  using make_type = Make;
  Make make;

  template <class Writer>
  [[nodiscard]] result<void> put(Writer& writer, Files const& files) const {
    if constexpr (requires { make.put(writer, files); }) {
      return make.put(writer, files);
    } else {
      for (auto const& file : files) {
        HOLDFAST_TRYV(writer.put(file.name, file.content));
      }
      return ok();
    }
  }
  template <class Reader>
  [[nodiscard]] result<Files> get(Reader const& reader) const {
    if constexpr (requires { make.get(reader); }) {
      return make.get(reader);
    } else {
      Files files;
      for (auto const& name : reader.names()) {
        HOLDFAST_TRY(content, reader.get(name));
        files.push_back({name, content});
      }
      return files;
    }
  }
};

/// The same as a `Place` of a store_scenario.
template <class Kit>
struct KitPlace {
  Kit kit;
  [[nodiscard]] auto open(SimulatedProcess const& process) const { return kit.make(process); }
  template <class Writer>
  [[nodiscard]] auto put(SimulatedProcess const&, Writer& writer, Files const& files) const {
    return kit.put(writer, files);
  }
  template <class Reader>
  [[nodiscard]] auto get(Reader const& reader) const {
    return kit.get(reader);
  }
  [[nodiscard]] auto batch(Files const& files) const { return kit.make.batch(files); }
};

/// The same factory for real folders alone: for what threads must share.
template <class Make>
struct InFolder {
  Make make;
  [[nodiscard]] auto operator()(std::string const& folder) const { return make(folder); }
  template <class Writer>
  requires requires(Make const& m, Writer& writer, Files const& files) { m.put(writer, files); }
  [[nodiscard]] auto put(Writer& writer, Files const& files) const {
    return make.put(writer, files);
  }
  template <class Reader>
  requires requires(Make const& m, Reader const& reader) { m.get(reader); }
  [[nodiscard]] auto get(Reader const& reader) const { return make.get(reader); }
};

[[nodiscard]] inline StorePlan store_plan(std::uint64_t number) {
  disk::Dice dice{number};
  StorePlan plan;
  plan.seed = number;
  plan.generations = 1 + dice.below(5);
  plan.sector_size = dice.below(2) == 0 ? 512 : 4096;
  plan.kill_generation = dice.below(2) == 0 ? 1 + dice.below(plan.generations) : 0;
  plan.kill_after = dice.below(dice.below(2) == 0 ? 10 : 60);
  plan.drop_unsealed = dice.below(2) == 0;
  return plan;
}

template <class Kit>
[[nodiscard]] Trial store_trial(std::string const& name, Kit const& kit) {
  using namespace laws;  // NOLINT(google-build-using-namespace)
  return {{b1.id, b2.id, b3.id, b4.id, b5.id, store_again.id},
          store_again.id,
          [name, kit](std::uint64_t number) {
            return store_scenario(name, KitPlace<Kit>{kit}, store_plan(number));
          }};
}

template <class Kit>
[[nodiscard]] Trial update_trial(std::string const& name, Kit const& kit) {
  using namespace laws;  // NOLINT(google-build-using-namespace)
  return {{update_atomic.id, update_durable.id, update_recovers.id, update_opens.id},
          update_recovers.id,
          [name, kit](std::uint64_t number) {
            return update_scenario(name, KitPlace<Kit>{kit}, update_plan(number));
          }};
}

/// Takes updates, and the factory says what one is.
template <class Make>
concept makes_updates = updatable_store<MadeBy<Make>> &&
    requires(Make const& make, Files const& files) {
  { make.batch(files) } -> std::convertible_to<batch_of<MadeBy<Make>>>;
};

// Whatever they ask beyond those of a store.
template <makes_updates Make>
void add_update_laws(Subject& subject, StoreKit<Make> const& kit) {
  using namespace laws;  // NOLINT(google-build-using-namespace)
  subject.laws.insert(subject.laws.end(), {update_atomic, update_durable, update_replay,
                                           update_recovers, update_opens, update_stays});
  auto const probe = [&subject](Law const& law, auto run) {
    subject.probes.push_back({law.id, std::move(run)});
  };
  probe(update_replay, [kit](std::uint64_t seed) { return replay_changes_nothing(kit, seed); });
  probe(update_stays, [kit](std::uint64_t seed) { return readers_stay(kit, seed); });
  if constexpr (makes_simulated<Make> && guarantees_of<MadeBy<Make>>().durable) {
    subject.trials.push_back(update_trial(subject.name, kit));
  } else {
    for (auto const& law : {update_atomic, update_durable, update_recovers, update_opens})
      subject.missing.emplace(law.id, needs_simulator);
  }
}
}  // namespace kit

/// `make` makes stores as bench.hpp says, and may have `put(writer, files)` and `get(reader)`; with
/// `batch(files)`, the store's own update that puts these files over others, the laws of updates
/// too.
template <class Make>
[[nodiscard]] Subject store_subject(std::string name, Make make) {
  using namespace laws;  // NOLINT(google-build-using-namespace)
  constexpr auto guarantees = guarantees_of<MadeBy<Make>>();
  kit::StoreKit<Make> const kit{make};
  Subject subject{.name = name, .laws = {b1, b2, b3, b4, b5, b6}};
  auto const probe = [&subject](Law const& law, auto run) {
    subject.probes.push_back({law.id, std::move(run)});
  };
  probe(b1, [kit](std::uint64_t seed) { return sealed_opens_as_put(kit, seed); });
  probe(b2, [kit](std::uint64_t seed) { return sealing_again_changes_nothing(kit, seed); });
  probe(b3, [kit](std::uint64_t seed) { return drop_takes_one(kit, seed); });
  probe(b4, [kit](std::uint64_t seed) { return remains_are_listed(kit, seed); });
  probe(b5, [kit](std::uint64_t seed) { return unsealed_is_no_data(kit, seed); });
  probe(b6, [kit](std::uint64_t seed) { return writing_leaves_others_alone(kit, seed); });
  subject.laws.push_back(b7);
  if constexpr (makes_in_folder<Make>) {
    kit::StoreKit<kit::InFolder<Make>> const real{{make}};
    probe(b7, [real](std::uint64_t seed) { return threads_share_a_reader(real, seed); });
  } else {
    subject.missing.emplace(b7.id, kit::needs_folder);
  }
  if constexpr (guarantees.detects_damage && guarantees.lifetime == Lifetime::disk) {
    subject.laws.push_back(store_damage);
    probe(store_damage, [kit](std::uint64_t seed) { return damage_is_no_data(kit, seed); });
  }
  if constexpr (guarantees.durable) {
    subject.laws.push_back(store_again);
    if constexpr (makes_simulated<Make>) {
      subject.trials.push_back(kit::store_trial(name, kit));
    } else {
      for (auto const& law : {b1, b3, b4, b5, store_again})
        subject.missing.emplace(law.id, kit::needs_simulator);
    }
  }
  if constexpr (kit::makes_updates<Make>) kit::add_update_laws(subject, kit);
  return subject;
}
}  // namespace testing

HOLDFAST_END

#endif

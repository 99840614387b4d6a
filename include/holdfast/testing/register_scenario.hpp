// SPDX-License-Identifier: BSL-1.0
// Scenarios over any register: stores, loads in their midst, rivals, killed writers; all of them
// crashed and judged by the register's laws.
#ifndef HOLDFAST_TESTING_REGISTER_SCENARIO_HPP
#define HOLDFAST_TESTING_REGISTER_SCENARIO_HPP

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>

#include "holdfast/bytes.hpp"
#include "holdfast/concepts.hpp"
#include "holdfast/config.hpp"
#include "holdfast/file_ops.hpp"
#include "holdfast/testing/disk/hash.hpp"
#include "holdfast/testing/files.hpp"
#include "holdfast/testing/register_laws.hpp"
#include "holdfast/testing/scenario.hpp"

HOLDFAST_BEGIN

namespace testing {
struct RegisterPlan {
  std::uint64_t seed = 1;
  std::size_t stores = 4;
  std::size_t value_size = 40;        ///< bytes, at least 16
  std::size_t sector_size = 4096;     ///< a smaller one tears larger values
  bool reader_at_every_call = false;  ///< a process that loads before every call of the writer
  std::uint64_t rival_at = 0;         ///< a process that stores before that call; 0 = none
  std::uint64_t kill_store = 0;       ///< the store in which the writer is killed; 0 = none
  std::uint64_t kill_after = 0;       ///< calls of that store before
  bool store_after = false;           ///< recovery goes on to store
};

/// One process at work on a register, judging and reporting what it does.
template <class Register>
class RegisterUser {
 public:
  RegisterUser(Run& run, SimulatedProcess process, Register opened, std::size_t value_size)
      : run_{run},
        process_{std::move(process)},
        register_{std::move(opened)},
        value_size_{value_size} {}

  /// Loads. If `settles`, no store is under way: what is there decides over all that was.
  [[nodiscard]] Verdict load(bool settles = false) {
    auto const begun = run_.history().size();
    auto loaded = register_traits<Register>::load(register_);
    if (!process_.alive()) return {};
    if (!loaded) return laws::register_recovers.refused("load", loaded.error());
    auto const& found = loaded.assume_value();
    version_ = found ? found->version : Version::none;
    number_ = found && found->value.size() >= 8 ? get_le<std::uint64_t>(found->value, 0) : 0;
    if (found && found->value != value_of_number(number_, value_size_)) {
      return laws::register_linear.broken("bytes as stored", "other bytes");
    }
    auto const judge = [&](History const& history) {
      auto broken = laws::register_gives(history, number_);
      return broken ? broken : laws::register_version_stays(history, number_, version_);
    };
    if (auto broken = laws::agrees_since(run_.history(), begun, judge)) return broken;
    if (judge(run_.history())) return {};  // overtaken while it looked
    run_.note({Note::Kind::shown, number_, 0, 0});
    run_.note({Note::Kind::given, version_.sequence, 0, number_});
    if (!settles) return {};
    for (auto const other : laws::PossibleStores{run_.history()}.numbers()) {
      if (other != number_) run_.note({Note::Kind::failed, other, 0, 0});
    }
    return {};
  }

  /// Replaces what was loaded last.
  [[nodiscard]] Verdict store() {
    std::uint64_t next = 1;
    for (auto const& note : run_.history()) {
      if (note.kind == Note::Kind::started) next = std::max(next, note.number + 1);
    }
    run_.note({Note::Kind::started, next, number_, 0});
    auto const stored = register_traits<Register>::store_if(register_, version_,
                                                            value_of_number(next, value_size_));
    if (!process_.alive()) return {};
    if (stored) {
      if (auto broken = laws::register_gives(run_.history(), next)) return broken;
      auto const version = stored.assume_value();
      if (auto broken = laws::register_version_is_new(run_.history(), next, version)) return broken;
      run_.note({Note::Kind::acked, next, number_, 0});
      run_.note({Note::Kind::given, version.sequence, 0, next});
      version_ = version;
      number_ = next;
    } else if (stored.error().code() != errc::uncertain) {
      run_.note({Note::Kind::failed, next, 0, 0});
    }
    stored_ = stored.has_value();
    return {};
  }

  [[nodiscard]] Verdict reopen() {
    auto const reopened = register_traits<Register>::reopen(register_);
    if (!reopened && process_.alive())
      return laws::register_recovers.refused("reopen", reopened.error());
    return {};
  }
  [[nodiscard]] bool stored() const noexcept { return stored_; }
  [[nodiscard]] std::string seen() const { return laws::text_of({number_}); }

 private:
  Run& run_;
  SimulatedProcess process_;
  Register register_;
  std::size_t value_size_;
  Version version_{};
  std::uint64_t number_ = 0;
  bool stored_ = false;
};

/// A scenario over the registers that `make(SimulatedProcess)` opens in the directory /db.
template <class Make>
class RegisterWork {
  using Register = decltype(std::declval<Make&>()(std::declval<SimulatedProcess const&>()));
  using User = RegisterUser<Register>;

 public:
  RegisterWork(Make make, RegisterPlan const& plan) : make_{std::move(make)}, plan_{plan} {}

  [[nodiscard]] Verdict work(Run& run) const {
    if (auto unmade = make_home(run)) return unmade;
    Verdict broken;  // by whoever runs in between
    auto reader = user(run, run.start());
    auto rival = user(run, run.start());
    if (plan_.reader_at_every_call || plan_.rival_at != 0) {
      run.disk.before_each_call([&, calls = std::uint64_t{0}]() mutable {
        if (broken) return;
        if (plan_.reader_at_every_call) broken = reader.load();
        if (!broken && ++calls == plan_.rival_at) broken = rival.load();
        if (!broken && calls == plan_.rival_at) broken = rival.store();
      });
    }
    auto own = write(run);
    run.disk.before_each_call({});  // its captures end here
    return broken ? std::move(broken) : std::move(own);
  }

  [[nodiscard]] Recovered recover(Run& run) const {
    Recovered out;
    out.broken = recover(run, out);
    return out;
  }

 private:
  [[nodiscard]] User user(Run& run, SimulatedProcess const& process) const {
    return User{run, process, make_(process), plan_.value_size};
  }

  // A register expects its directory.
  [[nodiscard]] static Verdict make_home(Run& run) {
    auto const made = holdfast::detail::make_directories(run.start().files, "/db");
    if (!made) return laws::register_recovers.refused("make directory", made.error());
    return {};
  }

  [[nodiscard]] Verdict write(Run& run) const {
    auto process = run.start();
    std::optional<User> writer{user(run, process)};
    for (std::uint64_t n = 1; n <= plan_.stores; ++n) {
      if (auto broken = writer->load()) return broken;
      if (n == plan_.kill_store) process.kill_after(plan_.kill_after);
      if (auto broken = writer->store()) return broken;
      if (process.alive()) continue;
      // The next process finds the page cache as the dead one left it.
      process = run.start();
      writer.emplace(user(run, process));
      if (plan_.seed % 2 == 0) {
        if (auto broken = writer->reopen()) return broken;
      }
    }
    return {};
  }

  [[nodiscard]] Verdict recover(Run& run, Recovered& out) const {
    if (auto unmade = make_home(run)) return unmade;
    auto owner = user(run, run.start());
    if (plan_.reader_at_every_call && !run.again) {
      if (auto broken = user(run, run.start()).load()) return broken;
    }
    if (auto broken = owner.reopen()) return broken;
    if (auto broken = owner.load(true)) return broken;
    out.seen = out.left = owner.seen();
    if (!plan_.store_after || run.again) return {};
    if (auto broken = owner.store()) return broken;
    if (!owner.stored()) return laws::register_recovers.broken("a store succeeds", "it did not");
    out.left = owner.seen();
    return {};
  }

  Make make_;
  RegisterPlan plan_;
};

template <class Make>
[[nodiscard]] Scenario register_scenario(std::string name, Make make, RegisterPlan const& plan) {
  RegisterWork<Make> const work{std::move(make), plan};
  return {std::move(name), plan.sector_size, [work](Run& run) { return work.work(run); },
          [work](Run& run) { return work.recover(run); }};
}
}  // namespace testing

HOLDFAST_END

#endif

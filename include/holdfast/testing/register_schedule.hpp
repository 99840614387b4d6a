// SPDX-License-Identifier: BSL-1.0
// Runs of a register under several processes that a seed interleaves, kills and cuts off, judged as
// one linearizable history.
//
// Stores are numbered from 1; 0 is "absent" or what was there at first. The model's state is the
// number of the store whose value is there and the version it was last seen with: healing may give
// the same value a greater version, and nothing else may.
#ifndef HOLDFAST_TESTING_REGISTER_SCHEDULE_HPP
#define HOLDFAST_TESTING_REGISTER_SCHEDULE_HPP

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "holdfast/bytes.hpp"
#include "holdfast/concepts.hpp"
#include "holdfast/config.hpp"
#include "holdfast/file_ops.hpp"
#include "holdfast/testing/disk/hash.hpp"
#include "holdfast/testing/files.hpp"
#include "holdfast/testing/laws.hpp"
#include "holdfast/testing/linearizable.hpp"
#include "holdfast/testing/schedule_result.hpp"
#include "holdfast/testing/scheduled_machine.hpp"

HOLDFAST_BEGIN

namespace testing {
/// One call of a register, for the model.
struct RegisterCall {
  enum class Kind : std::uint8_t { load, store };
  Kind kind = Kind::load;
  std::uint64_t number = 0;   ///< the store whose value was loaded, or which this is
  std::uint64_t base = 0;     ///< of a store: what it replaces
  std::uint64_t version = 0;  ///< that came with it; 0 = not known
};
/// What a register holds.
struct RegisterState {
  std::uint64_t number = 0;
  std::uint64_t least = 0;  ///< the version it has at least
  friend auto operator<=>(RegisterState const&, RegisterState const&) = default;
};
[[nodiscard]] inline std::optional<RegisterState> apply(RegisterState const& state,
                                                        RegisterCall const& call) {
  if (call.kind == RegisterCall::Kind::load) {
    if (call.number != state.number || call.version < state.least) return {};
    return RegisterState{state.number, call.version};
  }
  if (call.base != state.number) return {};
  if (call.version == 0) return RegisterState{call.number, state.least + 1};
  if (call.version <= state.least) return {};
  return RegisterState{call.number, call.version};
}

namespace laws {
inline constexpr Law register_schedule_linear{
    "register.linear", "What overlapping calls see could have come one after another."};
inline constexpr Law register_schedule_serves{
    "register.recovers",
    "Whatever others do, a call is answered, and in the end a store succeeds."};
inline constexpr Law register_schedule_bytes{"register.linear",
                                             "A load gives a whole stored value."};
inline constexpr Law register_conflicts{"register.conflicts",
                                        "A store conflicts only if another came before it."};
}  // namespace laws

/// One run.
template <class Make>
class RegisterSchedule {
  using Register = decltype(std::declval<Make&>()(std::declval<ScheduledProcess const&>()));
  using Call = Observed<RegisterCall>;

 public:
  RegisterSchedule(Make& make, ScheduledMachine& machine, std::uint64_t seed)
      : make_{make}, machine_{machine}, dice_{disk::mixed(seed, 4)}, first_{0, 0} {}

  [[nodiscard]] Verdict run() {
    if (auto broken = look_before()) return broken;
    auto const processes = 2 + dice_.below(3);
    // Now and then one of them stores so often that the ring comes round while another reads it.
    auto const rounds = dice_.below(8) == 0 ? std::uint64_t{20} : 0;
    for (std::uint64_t p = 0; p < processes; ++p) {
      machine_.add([this, p, rounds, seed = dice_()] {
        live(p + 1, disk::Dice{seed}, p == 0 ? rounds : 0);
      });
    }
    machine_.run();
    machine_.settle();
    if (!broken_) look_after();
    if (!broken_ && !is_linearizable(history_, first_, &apply)) {
      broken_ = laws::register_schedule_linear.broken("an order of all calls", "none:" + text());
    }
    return broken_;
  }
  /// Every call of the run, one a line.
  [[nodiscard]] std::string text() const {
    std::string out;
    for (auto const& line : lines_) out += "\n    " + line;
    return out;
  }

 private:
  struct User {
    std::uint64_t name = 0;
    ScheduledProcess self;
    Register at;
    Version version{};
    std::uint64_t number = 0;
    std::uint64_t seen_at = 0;  ///< when the load of `version` began
    bool usable = true;         ///< no reopen is due
  };

  User user(std::uint64_t name) {
    auto process = machine_.start();
    auto at = make_(process);
    return {name, std::move(process), std::move(at)};
  }

  // What is there before anybody is interleaved.
  [[nodiscard]] Verdict look_before() {
    auto one = user(0);
    auto const found = register_traits<Register>::load(one.at);
    if (!found) return laws::register_schedule_serves.refused("load", found.error());
    if (found.assume_value()) first_.least = found.assume_value()->version.sequence;
    return {};
  }

  void live(std::uint64_t name, disk::Dice dice, std::uint64_t rounds) {
    auto one = user(name);
    for (auto left = 2 + dice.below(3) + rounds; left > 0 && !broken_; --left) {
      if (!one.self.process.alive()) {
        if (machine_.cut() || dice.below(2) == 0) return;
        one = user(name);  // the next process finds what the killed one left
      }
      auto const what = left <= rounds ? 7 : dice.below(8);
      if (!one.usable || what == 0) {
        reopen(one);
      } else if (what < 3) {
        load(one);
      } else {
        if (what < 6 || one.seen_at == 0) load(one);
        store(one);
      }
    }
  }

  // What is left in the end, for a new process.
  void look_after() {
    auto one = user(9);
    reopen(one);
    load(one);
    auto const stores = next_number_;
    store(one);
    load(one);
    if (!broken_ && one.number != stores) {
      broken_ = laws::register_schedule_serves.broken("the last store", text());
    }
  }

  void load(User& one) {
    Call call;
    call.begin = ++now_;
    auto loaded = register_traits<Register>::load(one.at);
    call.end = ++now_;
    if (!one.self.process.alive()) return;
    if (!loaded) return refused(one, "load", loaded.error());
    auto const& found = loaded.assume_value();
    one.version = found ? found->version : Version::none;
    one.number = found ? number_in(found->value) : 0;
    one.seen_at = call.begin;
    call.what.number = one.number;
    call.what.version = one.version.sequence;
    history_.push_back(call);
    say(one, call, "load", std::to_string(one.number) + " v" + std::to_string(call.what.version));
    if (found && found->value != value_of(one.number)) {
      broken_ = laws::register_schedule_bytes.broken("bytes as stored", "other bytes" + text());
    }
  }

  void store(User& one) {
    auto const number = next_number_++;
    Call call;
    call.what = {RegisterCall::Kind::store, number, one.number, 0};
    call.begin = ++now_;
    auto const change = begin_change(one);
    auto const stored = register_traits<Register>::store_if(one.at, one.version, value_of(number));
    auto const ended = changes_[change].end = ++now_;
    auto const what = "store " + std::to_string(number) + " over " + std::to_string(one.number);
    bool const told = one.self.process.alive();
    if (stored && told) {
      call.end = ended;
      call.what.version = stored.assume_value().sequence;
      history_.push_back(call);
      one.version = stored.assume_value();
      one.number = number;
      one.seen_at = call.begin;
      return say(one, call, what, "v" + std::to_string(call.what.version));
    }
    auto const code = stored ? errc::uncertain : stored.error().code();
    if (!told || code == errc::uncertain) {
      call.surely = false;
      history_.push_back(call);
      changes_[change].end = Call::never;
      one.usable = false;
      return say(one, call, what, told ? "uncertain" : "killed");
    }
    call.end = ended;
    say(one, call, what, stored.error().text());
    if (code != errc::conflict) return refused(one, "store", stored.error());
    if (!was_disturbed(one, ended)) {
      broken_ = laws::register_conflicts.broken("no conflict", text());
    }
  }

  void reopen(User& one) {
    auto const change = begin_change(one);
    auto const reopened = register_traits<Register>::reopen(one.at);
    auto const ended = ++now_;
    bool const told = one.self.process.alive();
    if (told && reopened) changes_[change].end = ended;
    say(one, {{}, changes_[change].begin, ended}, "reopen", reopened ? "done" : "failed");
    if (!told) return;
    one.usable = reopened.has_value();
    // Healing stores once more, which may fail as any store.
    if (!reopened && reopened.error().code() != errc::uncertain) {
      refused(one, "reopen", reopened.error());
    }
  }

  // Waiting ends after some seconds of the clock; a failed sync is told, and poisons from the
  // commit on.
  void refused(User& one, std::string_view operation, error const& cause) {
    bool const expected = cause.code() == errc::busy || cause.code() == errc::poisoned ||
                          cause.code() == errc::sync_failed;
    one.usable = one.usable && cause.code() != errc::poisoned;
    if (!expected) {
      broken_ = laws::register_schedule_serves.broken(std::string{operation} + " is answered",
                                                      std::string{cause.text()} + text());
    }
  }

  std::size_t begin_change(User const& one) {
    changes_.push_back({one.name, ++now_, Call::never});
    return changes_.size() - 1;
  }
  // Has anybody changed something, or perhaps, since the version was loaded?
  [[nodiscard]] bool was_disturbed(User const& one, std::uint64_t ended) const {
    return std::any_of(changes_.begin(), changes_.end(), [&](Change const& c) {
      return (c.by != one.name || c.end == Call::never) && c.begin < ended && c.end > one.seen_at;
    });
  }

  static bytes value_of(std::uint64_t number) { return value_of_number(number, 24); }
  static std::uint64_t number_in(bytes_view value) {
    return value.size() < 8 ? 0 : get_le<std::uint64_t>(value, 0);
  }
  void say(User const& one, Call const& call, std::string_view what, std::string_view answer) {
    auto const end = call.end == Call::never ? std::string{"?"} : std::to_string(call.end);
    lines_.push_back("process " + std::to_string(one.name) + " [" + std::to_string(call.begin) +
                     ", " + end + "] " + std::string{what} + ": " + std::string{answer});
  }

  struct Change {
    std::uint64_t by;
    std::uint64_t begin;
    std::uint64_t end;
  };
  Make& make_;
  ScheduledMachine& machine_;
  disk::Dice dice_;
  RegisterState first_;
  std::uint64_t now_ = 0;
  std::uint64_t next_number_ = 1;
  std::vector<Call> history_{};
  std::vector<Change> changes_{};
  std::vector<std::string> lines_{};
  Verdict broken_{};
};

/// Runs of the registers that `make(ScheduledProcess)` opens in the directory /db. Not thread-safe:
/// each thread has its own.
template <class Make>
class RegisterSchedules {
 public:
  explicit RegisterSchedules(Make make) : make_{std::move(make)} {
    for (auto const stores : {0, 1, 14, 15, 16, 30}) {  // a ring is about to come round, or has
      for (std::size_t const sector : {std::size_t{512}, std::size_t{4096}}) {
        starts_.push_back(prepare(stores, sector));
      }
    }
  }

  [[nodiscard]] ScheduleResult run(std::uint64_t seed) {
    disk::Dice dice{disk::mixed(seed, 5)};
    auto const fate = fate_of(seed);
    auto const& start = starts_[2 * dice.below(starts_.size() / 2) + (fate.sector_size == 4096)];
    ScheduledMachine machine{fibers_, start, 1 + dice.below(2), fate};
    RegisterSchedule<Make> one{make_, machine, seed};
    auto broken = one.run();
    return {machine.steps(), std::move(broken)};
  }

 private:
  // The value of number 0 is what the run finds.
  disk::Image prepare(int stores, std::size_t sector_size) {
    SimulatedDisk const disk{sector_size, 1};
    auto const process = disk.start();
    auto const made = holdfast::detail::make_directories(process.files, "/db");
    ScheduledProcess const self{process,
                                ScheduledFiles{process.files, std::make_shared<ScheduledFaults>()},
                                ScheduledWorld{process.world, nullptr}};
    auto at = make_(self);
    Version last{};
    for (int i = 0; made && i < stores; ++i) {
      auto const stored = register_traits<decltype(at)>::store_if(at, last, value_of_number(0, 24));
      if (stored) last = stored.assume_value();
    }
    return disk.machine().cache;
  }

  Make make_;
  Fibers fibers_{};
  std::vector<disk::Image> starts_{};
};
}  // namespace testing

HOLDFAST_END

#endif

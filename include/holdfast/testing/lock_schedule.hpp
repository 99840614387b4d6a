// SPDX-License-Identifier: BSL-1.0
// Runs of a lock under several processes that a seed interleaves, kills and cuts off: one holder at
// a time, tokens that grow, nobody refused who need not be.
//
// Now and then somebody takes the whole file away, who first locked all of it. Then the greatest
// token that was granted stands for the fence of the register beside the lock: everybody asks for
// more. Else the lock alone must see to it that tokens grow.
#ifndef HOLDFAST_TESTING_LOCK_SCHEDULE_HPP
#define HOLDFAST_TESTING_LOCK_SCHEDULE_HPP

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "holdfast/config.hpp"
#include "holdfast/ids.hpp"
#include "holdfast/lock_concepts.hpp"
#include "holdfast/testing/disk/hash.hpp"
#include "holdfast/testing/home_schedules.hpp"
#include "holdfast/testing/laws.hpp"
#include "holdfast/testing/scheduled_machine.hpp"

HOLDFAST_BEGIN

namespace testing::laws {
inline constexpr Law lock_excludes{"L1", "One holder at a time."};
inline constexpr Law lock_token_grows{"L2", "Tokens grow with every grant, also across crashes."};
inline constexpr Law lock_serves{"L5", "Who is free to have the lock is never refused."};
}  // namespace testing::laws

namespace testing {
/// One run.
template <class Make>
class LockSchedule {
  using Policy = decltype(std::declval<Make&>()(std::declval<ScheduledProcess const&>()));
  using Grant = grant_of<Policy>;

 public:
  LockSchedule(Make& make, ScheduledMachine& machine, std::uint64_t seed)
      : make_{make}, machine_{machine}, dice_{disk::mixed(seed, 6)} {}

  [[nodiscard]] Verdict run() {
    auto const processes = 2 + dice_.below(3);
    removes_ = dice_.below(4) == 0;
    for (std::uint64_t p = 0; p < processes; ++p) {
      machine_.add([this, p, seed = dice_()] { live(p + 1, disk::Dice{seed}); });
    }
    machine_.run();
    machine_.settle();
    if (!broken_) look_after();
    return broken_;
  }

 private:
  struct User {
    std::uint64_t name = 0;
    ScheduledProcess self;
    Policy lock;
  };
  // Who holds it, until he lets go, is forced out or dies.
  struct Holds {
    FencingToken token;
    SimulatedProcess process;
    bool surely = true;  ///< nobody is forcing him out, or has died over it
  };

  User user(std::uint64_t name) {
    auto process = machine_.start();
    auto lock = make_(process);
    return {name, std::move(process), std::move(lock)};
  }

  void live(std::uint64_t name, disk::Dice dice) {
    auto one = user(name);
    for (auto left = 2 + dice.below(3); left > 0 && !broken_; --left) {
      if (!one.self.process.alive()) {
        if (machine_.cut() || dice.below(2) == 0) return;
        one = user(name);
      }
      auto const what = dice.below(8);
      if (what == 0) {
        look(one, dice.below(2) == 0);
      } else if (what == 1 && removes_) {
        remove_file(one);
      } else {
        hold(one, dice.below(3));
      }
    }
  }

  // Whatever happened, the lock can be had.
  void look_after() {
    auto one = user(9);
    if (!hold(one, 1) && !broken_) {
      broken_ = laws::lock_serves.broken("a grant in the end", text());
    }
  }

  bool hold(User& one, std::uint64_t calls) {
    auto const others = begin(one);
    // A new file knows of no earlier token: the fence is all that its grants must exceed.
    auto const floor = removes_ ? greatest_ : FencingToken{};
    auto grant = lock_traits<Policy>::try_acquire(one.lock, one.self.world.self(), floor);
    bool const others_moved = end(others);
    if (!one.self.process.alive()) return false;
    if (!grant) {
      refused(one, "acquire", grant.error(), others_moved);
      return false;
    }
    granted(one, grant.assume_value().token, removes_ ? floor : greatest_);
    // Something is done while it is held.
    for (; calls > 0; --calls) static_cast<void>(one.self.files.list("/"));
    let_go(grant.assume_value().token);
    auto const releasing = begin(one);
    auto const released = lock_traits<Policy>::release(one.lock, grant.assume_value());
    static_cast<void>(end(releasing));
    if (!released && one.self.process.alive()) refused(one, "release", released.error(), true);
    return true;
  }

  void granted(User const& one, FencingToken token, FencingToken floor) {
    say(one, "granted " + std::to_string(token.number));
    if (held_ && held_->surely && held_->process.alive()) {
      broken_ = laws::lock_excludes.broken("busy", "a grant beside another" + text());
    } else if (token <= floor) {
      broken_ = laws::lock_token_grows.broken("more than " + std::to_string(floor.number),
                                              std::to_string(token.number) + text());
    }
    held_ = Holds{token, one.self.process};
    greatest_ = std::max(greatest_, token);
  }
  void let_go(FencingToken token) {
    if (held_ && held_->token == token) held_.reset();
  }

  // Looks who holds it, and may take it away from him.
  void look(User& one, bool forces) {
    auto const looking = begin(one);
    auto const seen = lock_traits<Policy>::inspect(one.lock);
    static_cast<void>(end(looking));
    if (!one.self.process.alive()) return;
    if (!seen) return refused(one, "inspect", seen.error(), true);
    if (!forces || !seen.assume_value()) return;
    auto const holder = *seen.assume_value();
    bool const known = held_ && held_->token == holder.token;
    if (known) held_->surely = false;
    say(one, "forces " + std::to_string(holder.token.number));
    auto const forcing = begin(one);
    auto const forced =
        lock_traits<Policy>::force(one.lock, holder, removes_ ? greatest_ : FencingToken{});
    static_cast<void>(end(forcing));
    if (forced) let_go(holder.token);
    say(one, "force: " + (forced ? "done" : std::string{forced.error().text()}));
    if (!forced && one.self.process.alive() && forced.error().code() != errc::conflict) {
      refused(one, "force", forced.error(), true);
    }
  }

  // As whoever clears a home away should: with all of the file locked, so that nobody holds it.
  void remove_file(User& one) {
    auto const& files = one.self.files;
    auto const removing = begin(one);
    auto file = files.open("/db/LOCK", Open::write);
    if (!file) return static_cast<void>(end(removing));
    auto const all = files.try_lock(file.assume_value(), Range{0, 0}, Mode::exclusive);
    auto const own = files.identity(file.assume_value());
    auto const named = files.identity("/db/LOCK");
    bool const may =
        all && all.assume_value() && own && named && own.assume_value() == named.assume_value();
    if (may && files.remove("/db/LOCK")) say(one, "removes the file");
    static_cast<void>(end(removing));
  }

  // Others make `busy` a right answer, if they hold or are at it at any time of a call. A removed
  // file, a passed deadline and a failed sync are answered too.
  void refused(User const& one, std::string_view operation, error const& cause, bool others) {
    auto const code = cause.code();
    say(one, std::string{operation} + ": " + std::string{cause.text()});
    bool const expected =
        code == errc::sync_failed || (code == errc::busy && others) ||
        (removes_ && (code == errc::foreign || code == errc::not_found || code == errc::exists));
    if (!expected) broken_ = laws::lock_serves.broken("an answer", text());
  }

  struct Call {
    std::uint64_t by;
    std::uint64_t id;
    bool moved;
  };
  // Notes that a call is under way: it and all that overlap it are not alone.
  std::uint64_t begin(User const& one) {
    bool const alone = calls_.empty() && !(held_ && held_->process.alive());
    for (auto& call : calls_) call.moved = true;
    calls_.push_back({one.name, ++last_call_, !alone});
    return last_call_;
  }
  [[nodiscard]] bool end(std::uint64_t id) {
    auto const own =
        std::find_if(calls_.begin(), calls_.end(), [id](Call const& c) { return c.id == id; });
    bool const moved = own->moved;
    calls_.erase(own);
    return moved;
  }

  void say(User const& one, std::string const& what) {
    lines_.push_back("process " + std::to_string(one.name) + " " + what);
  }
  [[nodiscard]] std::string text() const {
    std::string out;
    for (auto const& line : lines_) out += "\n    " + line;
    return out;
  }

  Make& make_;
  ScheduledMachine& machine_;
  disk::Dice dice_;
  bool removes_ = false;
  std::optional<Holds> held_{};
  FencingToken greatest_{};
  std::uint64_t last_call_ = 0;
  std::vector<Call> calls_{};
  std::vector<std::string> lines_{};
  Verdict broken_{};
};

/// Runs of the locks that `make(ScheduledProcess)` opens as /db/LOCK.
template <class Make>
class LockSchedules : public HomeSchedules<LockSchedule<Make>, Make> {
 public:
  explicit LockSchedules(Make make) : HomeSchedules<LockSchedule<Make>, Make>{std::move(make)} {}
};
}  // namespace testing

HOLDFAST_END

#endif

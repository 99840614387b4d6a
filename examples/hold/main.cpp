// SPDX-License-Identifier: BSL-1.0
// Runs a command while it holds a lock, as flock(1) does, and gives it a fencing token.
//
//   hold POLICY [--wait S] [--ttl S] -- COMMAND [ARGS...]
//   hold status POLICY [--json]
//   hold force-unlock POLICY [--json]
//
// POLICY is file:PATH (a lock of that file, between the processes of this machine) or sqlite:PATH
// (a lease in that database, which lapses --ttl seconds after its holder went silent). Without
// --wait it waits for ever; --wait 0 tries once. The command finds its token in HOLDFAST_TOKEN:
// what it writes to should refuse a smaller one than it has seen. If the lock is lost the command
// is killed, with all of its process group: before another can have it, but for pauses (of hold, of
// the disk) longer than a tenth of --ttl. The lease of a holder that died is had only by who waits
// for longer than 1.1 of the dead one's --ttl.
//
// Exit code: that of the command (128 and a signal's number if one ended it), or 64 wrong
// arguments, 69 the lock can't be used, 75 held by another for too long, 76 lost, 126 and 127 the
// command can't be started. `status`: 0 free, 1 held.
#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "args.hpp"
#include "child.hpp"
#include "holdfast/backend/sqlite_register.hpp"
#include "holdfast/keep_alive.hpp"
#include "holdfast/lock.hpp"
#include "holdfast/policy/file_lock.hpp"
#include "holdfast/policy/lease.hpp"
#include "holdfast/posix.hpp"
#include "holdfast/report/json.hpp"
#include "holdfast/report/text.hpp"

namespace {
using hold::Args;
enum Exit : int { wrong = 64, unusable = 69, too_long = 75, lost = 76 };

int complain(hf::error const& cause) {
  std::fprintf(stderr, "hold: %s\n", cause.text().c_str());
  bool const held = cause.code() == hf::errc::busy || cause.code() == hf::errc::timed_out;
  return held ? too_long : unusable;
}
int cant_start(std::string const& command, int number) {
  std::fprintf(stderr, "hold: can't start %s: %s\n", command.c_str(), std::strerror(number));
  return number == ENOENT ? 127 : 126;
}

template <class Held>
int run_alive(Held& held, hold::Child const& child) {
  hf::Threads threads{1};
  auto keeps =
      hf::keep_alive(held, threads, {.lost = [&child](hf::error const& cause) {
                       child.kill();
                       std::fprintf(stderr, "hold: the lock is lost: %s\n", cause.text().c_str());
                     }});
  if (!keeps) child.kill();
  int const code = child.wait();
  if (!keeps) return complain(keeps.error());
  keeps.assume_value().stop();
  if (!keeps.assume_value().lost()) return code;
  std::fprintf(stderr, "hold: the command ended with %d, and the lock was lost\n", code);
  return lost;
}

template <class Lock>
int run(Lock lock, Args const& args) {
  hf::Acquire how{.max_poll_ms = 200};
  how.timeout_ms = args.wait_s ? static_cast<std::int64_t>(*args.wait_s * 1000) : -1;
  auto held = lock.acquire(how);
  if (!held) return complain(held.error());
  hold::Child const child{args.command, std::to_string(held.assume_value().token().number)};
  if (child.failed() != 0) return cant_start(args.command.front(), child.failed());
  int code = 0;
  if constexpr (requires { held.assume_value().renew(); }) {
    code = run_alive(held.assume_value(), child);
  } else {
    code = child.wait();
  }
  // It ends with the process anyway; whoever waits has it sooner.
  if (auto const released = held.assume_value().release(); !released) {
    std::fprintf(stderr, "hold: can't let go: %s\n", released.error().text().c_str());
  }
  return code;
}

void show(std::optional<hf::Holder> const& holder, bool json) {
  if (json) {
    hf::Json out;
    out.object([&] {
      out.field("held", holder.has_value());
      if (!holder) return;
      auto const& owner = holder->owner;
      out.field("host", owner.host_name()).field("pid", owner.pid);
      out.field("start_time", owner.start_time).field("token", holder->token.number);
      out.field("acquired_at_ns", holder->acquired_at_ns);
    });
    std::printf("%s\n", out.text().c_str());
  } else if (holder) {
    auto const since = hf::Native{}.wall_ns() - holder->acquired_at_ns;
    std::printf("held by pid %llu on %s, token %llu, for %s\n",
                static_cast<unsigned long long>(holder->owner.pid),
                std::string{holder->owner.host_name()}.c_str(),
                static_cast<unsigned long long>(holder->token.number),
                hf::human_time(since).c_str());
  } else {
    std::printf("free\n");
  }
}
template <class Lock>
int show_status(Lock lock, Args const& args) {
  auto const holder = lock.inspect();
  if (!holder) return complain(holder.error());
  show(holder.assume_value(), args.json);
  return holder.assume_value() ? 1 : 0;
}
template <class Lock>
int force_unlock(Lock lock, Args const& args) {
  auto const holder = lock.inspect();
  if (!holder) return complain(holder.error());
  show(holder.assume_value(), args.json);
  if (!holder.assume_value()) return 0;
  auto const forced = lock.force_unlock(*holder.assume_value());
  if (!forced) return complain(forced.error());
  std::fprintf(stderr, "hold: taken away; tokens below %llu are of no use from now on\n",
               static_cast<unsigned long long>(forced.assume_value().number));
  return 0;
}

template <class Lock>
int act(Lock lock, Args const& args) {
  if (args.what == Args::What::status) return show_status(std::move(lock), args);
  if (args.what == Args::What::force_unlock) return force_unlock(std::move(lock), args);
  return run(std::move(lock), args);
}

int act_on_database(Args const& args) {
  // Only a run makes it.
  if (args.what != Args::What::run) {
    if (auto const there = hf::Posix{}.identity(args.path); !there) return complain(there.error());
  } else if (args.wait_s && *args.wait_s < 1.1 * args.ttl_s) {
    std::fprintf(stderr,
                 "hold: --wait %g is less than 1.1 times --ttl %g: the lease of a holder that died "
                 "will not be had\n",
                 *args.wait_s, args.ttl_s);
  }
  auto const ttl_ms = static_cast<std::int64_t>(args.ttl_s * 1000);
  // While it waits for other writers no loss can be told: not for longer than the margin.
  auto const patience_ms = std::min<std::int64_t>(std::max<std::int64_t>(ttl_ms / 10, 50), 5'000);
  hf::SqliteRegister reg{args.path, {.busy_timeout_ms = static_cast<int>(patience_ms)}};
  return act(hf::Lock{hf::Lease{std::move(reg), {.ttl_ms = ttl_ms, .margin_ms = ttl_ms / 10}}},
             args);
}
}  // namespace

int main(int argc, char** argv) {
  auto const parsed = hold::parse({argv + 1, argv + argc});
  if (auto const* const what = std::get_if<std::string>(&parsed)) {
    std::fprintf(stderr, "hold: %s\n%s", what->c_str(),
                 "usage: hold POLICY [--wait S] [--ttl S] -- COMMAND [ARGS...]\n"
                 "       hold status|force-unlock POLICY [--json]\n");
    return wrong;
  }
  auto const& args = std::get<Args>(parsed);
  if (args.scheme == "file") return act(hf::Lock{hf::FileLock{args.path}}, args);
  return act_on_database(args);
}

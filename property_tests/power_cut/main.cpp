// SPDX-License-Identifier: BSL-1.0
// Cuts the power of a real file system after random calls of a process that switches a staged home
// of RocksDB, SQLite and LMDB, mounts it again, and checks that the laws hold.
//
//   power_cut [--cuts N] [--only ext4|xfs] [--seed S] [--scratch DIR] [--mutant]
//
// It mounts an image file through a loop device, in a mount namespace of its own, and cuts by the
// file system's shutdown ioctl. What it can't do here it skips, and says why. `--mutant` forgets to
// sync files, which must be found. Exit code: 0 all laws held or skipped, 1 a violation, 2 wrong
// arguments.
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <new>
#include <optional>
#include <string>
#include <vector>

#include "home.hpp"
#include "traced_child.hpp"
#include "volume.hpp"

namespace {
using power_cut::Ledger;

volatile sig_atomic_t interrupted = 0;
void interrupt(int) {
  interrupted = 1;
}

struct Arguments {
  std::uint64_t cuts = 200;
  std::uint64_t seed = 1;
  std::string only{};
  std::string scratch = "/tmp";
  bool mutant = false;
};

enum class Outcome { held, violated, skipped };

// Memory that the children share, and that outlives them.
Ledger* shared_ledger() {
  void* const memory =
      ::mmap(nullptr, sizeof(Ledger), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  return memory == MAP_FAILED ? nullptr : ::new (memory) Ledger{};
}

int code_of(char const* operation, hf::result<void> const& outcome) {
  if (outcome) return 0;
  std::fprintf(stderr, "%s: %s\n", operation, outcome.error().text().c_str());
  return 1;
}

// Works and is cut, again and again, on one file system.
template <class Fs>
class Cutter {
 public:
  Cutter(Arguments const& arguments, power_cut::Volume& volume, Ledger& ledger)
      : arguments_{arguments},
        volume_{volume},
        home_{volume.place() + "/home", ledger},
        dice_{arguments.seed} {}

  Outcome run() {
    while (cuts_ < arguments_.cuts && interrupted == 0) {
      auto const outcome = cut_once();
      if (outcome != Outcome::held) return outcome;
    }
    return Outcome::held;
  }
  [[nodiscard]] std::uint64_t cuts() const noexcept { return cuts_; }
  [[nodiscard]] std::uint64_t calls() const noexcept { return calls_; }

 private:
  Outcome cut_once() {
    auto const seed = dice_();
    auto const after = 1 + dice_.below(longest_ + longest_ / 8);
    power_cut::Refusal refused;
    power_cut::TracedChild child{[&] { return code_of("working", home_.work(seed, 4)); }};
    auto const traced = child.run(after, [&] { refused = volume_.cut(); });
    if (traced.exit_code == power_cut::no_trace) return skip("a child can't be traced");
    if (!traced.stopped && traced.exit_code != 0) return Outcome::violated;
    longest_ = std::max(longest_, traced.calls);
    if (!traced.stopped) refused = volume_.cut();  // it was done before; the cut comes all the same
    if (refused) return cuts_ == 0 ? skip(*refused) : fail(*refused);
    ++cuts_;
    calls_ += traced.calls;
    if (auto failed = volume_.unmount()) return fail(*failed);
    if (auto failed = volume_.mount()) return fail(*failed);
    return verify(after);
  }

  // In a process of its own, so that nothing of it is open when the next cut comes.
  Outcome verify(std::uint64_t after) {
    auto const child = ::fork();
    if (child == 0) ::_exit(code_of("violated", home_.verify()));
    int status = 0;
    while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    if (child > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0) return Outcome::held;
    std::printf("cut %llu, after call %llu: the laws do not hold\n",
                static_cast<unsigned long long>(cuts_), static_cast<unsigned long long>(after));
    return Outcome::violated;
  }
  static Outcome skip(std::string const& why) {
    std::printf("skipped: %s\n", why.c_str());
    return Outcome::skipped;
  }
  static Outcome fail(std::string const& why) {
    std::printf("failed: %s\n", why.c_str());
    return Outcome::violated;
  }

  Arguments const& arguments_;
  power_cut::Volume& volume_;
  power_cut::Home<Fs> home_;
  hf::testing::disk::Dice dice_;
  std::uint64_t cuts_ = 0;
  std::uint64_t calls_ = 0;
  std::uint64_t longest_ = 2000;  // calls of a child that was not cut, at least
};

template <class Fs>
Outcome cut_power(Arguments const& arguments, std::string const& type) {
  std::printf("power cuts on %s: ", type.c_str());
  std::fflush(stdout);
  auto* const ledger = shared_ledger();
  power_cut::Scratch const scratch{arguments.scratch};
  power_cut::Volume volume{type, scratch.path()};
  auto refused = ledger == nullptr || scratch.path().empty()
                     ? power_cut::refusal("no scratch in " + arguments.scratch)
                     : volume.make();
  if (refused) {
    std::printf("skipped: %s\n", refused->c_str());
    return Outcome::skipped;
  }
  auto const begun = std::chrono::steady_clock::now();
  Cutter<Fs> cutter{arguments, volume, *ledger};
  auto const outcome = cutter.run();
  if (outcome == Outcome::skipped) return outcome;
  std::chrono::duration<double> const seconds = std::chrono::steady_clock::now() - begun;
  std::printf("%llu cuts after %llu calls, %llu commits, %s, %.1f s\n",
              static_cast<unsigned long long>(cutter.cuts()),
              static_cast<unsigned long long>(cutter.calls()),
              static_cast<unsigned long long>(ledger->acked_sequence.load()),
              outcome == Outcome::held ? "0 violations" : "1 violation", seconds.count());
  return outcome;
}

std::optional<Arguments> parse(std::vector<std::string> const& words) {
  Arguments arguments;
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (words[i] == "--mutant") {
      arguments.mutant = true;
      continue;
    }
    if (i + 1 == words.size()) return {};
    auto const& word = words[i];
    auto const& value = words[++i];
    char* end = nullptr;
    auto const number = std::strtoull(value.c_str(), &end, 10);
    bool const is_number = !value.empty() && *end == '\0';
    if (word == "--cuts" && is_number) {
      arguments.cuts = number;
    } else if (word == "--seed" && is_number) {
      arguments.seed = number;
    } else if (word == "--only" && (value == "ext4" || value == "xfs")) {
      arguments.only = value;
    } else if (word == "--scratch" && !value.empty()) {
      arguments.scratch = value;
    } else {
      return {};
    }
  }
  return arguments;
}
}  // namespace

int main(int argc, char** argv) {
  auto const arguments = parse({argv + 1, argv + argc});
  if (!arguments) {
    std::fprintf(stderr,
                 "usage: power_cut [--cuts N] [--only ext4|xfs] [--seed S] [--scratch DIR] "
                 "[--mutant]\n");
    return 2;
  }
  struct sigaction action {};
  action.sa_handler = interrupt;
  for (int const signal : {SIGINT, SIGTERM, SIGHUP}) ::sigaction(signal, &action, nullptr);
  if (auto const refused = power_cut::hide_mounts()) {
    std::printf("power cuts: skipped: %s\n", refused->c_str());
    return 0;
  }
  bool violated = false;
  for (std::string const type : {"ext4", "xfs"}) {
    if (interrupted != 0 || (!arguments->only.empty() && arguments->only != type)) continue;
    auto const outcome = arguments->mutant ? cut_power<power_cut::ForgetsSync>(*arguments, type)
                                           : cut_power<hf::Posix>(*arguments, type);
    violated = violated || outcome == Outcome::violated;
  }
  return violated ? 1 : 0;
}

// SPDX-License-Identifier: BSL-1.0
// Reads /proc/PID/stat, and the lock lines of /proc/PID/fdinfo.
#include "processes.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <limits>
#include <sstream>
#include <string_view>

#include "holdfast/posix.hpp"
#include "holdfast/world.hpp"

namespace tool {
namespace {
namespace fs = std::filesystem;

std::string read_text(std::string const& path) {
  std::ifstream file{path, std::ios::binary};
  return {std::istreambuf_iterator<char>{file}, {}};
}

struct Stat {
  Process process;
  std::uint64_t start_time = 0;
};
std::optional<Stat> read_stat(std::uint64_t pid) {
  auto const text = read_text("/proc/" + std::to_string(pid) + "/stat");
  auto const open = text.find('('), close = text.rfind(')');
  if (open == text.npos || close == text.npos || close < open) return {};
  Stat stat;
  stat.process.name = text.substr(open + 1, close - open - 1);
  std::istringstream rest{text.substr(close + 1)};
  rest >> stat.process.state;
  std::string skipped;
  for (int field = 4; field < 22; ++field) rest >> skipped;
  if (!(rest >> stat.start_time)) return {};
  auto const ticks = static_cast<std::uint64_t>(::sysconf(_SC_CLK_TCK));
  auto const since = static_cast<std::int64_t>(stat.start_time * (1'000'000'000 / ticks));
  stat.process.up_ns = hf::Native{}.steady_ns() - since;
  return stat;
}

std::optional<std::uint64_t> number_of(std::string_view text) {
  std::uint64_t number = 0;
  auto const [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || end != text.data() + text.size()) return {};
  return number;
}

// The bytes of a file that one open descriptor has locked.
struct Locked {
  std::uint64_t first = 0;
  std::uint64_t last = 0;
};
// "lock:\t1: OFDLCK  ADVISORY  READ -1 08:02:123 5 5": the last two words say where.
std::vector<Locked> locks_of(std::string const& fdinfo) {
  std::vector<Locked> all;
  std::istringstream lines{read_text(fdinfo)};
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with("lock:")) continue;
    std::istringstream in{line};
    std::vector<std::string> const words{std::istream_iterator<std::string>{in}, {}};
    if (words.size() < 2) continue;
    auto const first = number_of(words[words.size() - 2]);
    auto const last =
        words.back() == "EOF" ? std::numeric_limits<std::uint64_t>::max() : number_of(words.back());
    if (first && last) all.push_back({*first, *last});
  }
  return all;
}

bool same_file(struct stat const& a, struct stat const& b) {
  return a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

// Adds the process to every pin that it holds; false if it may not be looked at.
bool look_at(std::uint64_t pid, struct stat const& file, std::vector<Pin>& pins) {
  auto const folder = "/proc/" + std::to_string(pid);
  std::error_code denied;
  for (auto const& entry : fs::directory_iterator{folder + "/fd", denied}) {
    struct stat seen {};
    if (::stat(entry.path().c_str(), &seen) != 0 || !same_file(seen, file)) continue;
    for (auto const& lock : locks_of(folder + "/fdinfo/" + entry.path().filename().string())) {
      for (auto& pin : pins) {
        auto const at = pin.generation.number;
        if (at < lock.first || at > lock.last) continue;
        bool const known = std::any_of(pin.holders.begin(), pin.holders.end(),
                                       [pid](PinHolder const& one) { return one.pid == pid; });
        if (!known) pin.holders.push_back({pid, find_process(pid)});
      }
    }
  }
  return denied != std::errc::permission_denied;
}
}  // namespace

bool of_this_boot(hf::Owner const& owner) {
  auto const self = hf::Native{}.self();
  return owner.boot == self.boot;
}

std::optional<Process> find_process(std::uint64_t pid) {
  auto const stat = read_stat(pid);
  if (!stat) return {};
  return stat->process;
}
std::optional<Process> find_process(hf::Owner const& owner) {
  if (!of_this_boot(owner)) return {};
  auto const stat = read_stat(owner.pid);
  if (!stat || stat->start_time != owner.start_time) return {};
  return stat->process;
}

Pins find_pins(std::string const& path, std::vector<hf::Generation> const& generations) {
  Pins out;
  auto opened = hf::Posix{}.open(path, hf::Open::read);
  if (!opened) {
    out.missing = opened.error().code() == hf::errc::not_found;
    return out;
  }
  int const fd = opened.assume_value().descriptor();
  for (auto const g : generations) {
    // A question only: whether an exclusive lock would be refused.
    struct flock lock {};
    lock.l_type = F_WRLCK;
    lock.l_whence = SEEK_SET;
    lock.l_start = static_cast<off_t>(g.number);
    lock.l_len = 1;
    if (::fcntl(fd, F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK) out.pins.push_back({g, {}});
  }
  struct stat file {};
  if (out.pins.empty() || ::fstat(fd, &file) != 0) return out;
  std::error_code ignored;  // no /proc: nobody is named
  for (auto const& entry : fs::directory_iterator{"/proc", ignored}) {
    auto const pid = number_of(entry.path().filename().string());
    if (pid && !look_at(*pid, file, out.pins)) ++out.hidden;
  }
  return out;
}

}  // namespace tool

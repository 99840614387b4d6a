// SPDX-License-Identifier: BSL-1.0
// Models a running machine: the page cache over a disk, the log of what is done to it, locks of
// open files, processes and a clock.
#ifndef HOLDFAST_TESTING_DISK_MACHINE_HPP
#define HOLDFAST_TESTING_DISK_MACHINE_HPP

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "holdfast/bytes.hpp"
#include "holdfast/config.hpp"
#include "holdfast/file_system.hpp"
#include "holdfast/ids.hpp"
#include "holdfast/result.hpp"
#include "holdfast/testing/disk/image.hpp"
#include "holdfast/testing/disk/log.hpp"
#include "holdfast/testing/faults.hpp"

HOLDFAST_BEGIN

namespace testing::disk {
inline constexpr std::uint64_t page_size = 4096;  ///< by which a write makes a file grow

struct FileLock {
  InodeId inode = root;
  std::uint32_t process = 0;
  std::uint64_t file = 0;  ///< the open file that holds it
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
  Mode mode = Mode::shared;
};

struct ProcessState {
  bool alive = true;
  std::uint64_t calls_left = ~std::uint64_t{0};  ///< killed before the call that finds 0
};

/// Where a path leads. `name` is empty for the root; it points into the path (or a link's target).
struct Place {
  InodeId directory = root;
  std::string_view name{};
  InodeId target = no_inode;
  bool exists = false;
};

struct Machine {
  Machine(Image image, std::uint64_t boot_number, std::uint64_t seed_of_all)
      : cache{std::move(image)}, boot{boot_number}, seed{seed_of_all} {
    log.steps.reserve(128);  // what a recovery takes; machines are made by the million
    log.effects.reserve(128);
  }

  /// Held by whatever uses the machine while a process of it has threads (SerialFiles), and by what
  /// may run beside them: notes, starts and kills. It may be taken again within itself.
  std::recursive_mutex mutex{};
  Image cache;
  Log log{};
  std::vector<FileLock> locks{};
  std::vector<ProcessState> processes{};
  std::uint32_t first_process = 1;  ///< number of processes[0]
  std::uint32_t calls = 0;
  std::uint64_t files_opened = 0;
  std::uint64_t boot;
  std::uint64_t seed;
  std::int64_t clock_ns = 0;
  std::int64_t wall_shift_ns = 0;          ///< someone set the wall clock
  std::function<void(Owner&)> disguise{};  ///< what a process that starts takes itself for
  std::size_t open_files = 0;
  Faults faults{};                  ///< of the calls of all processes
  bool fresh_sectors_show = false;  ///< what was never written does not always read as zeros
  /// A sync has failed in this boot: writing the same bytes once more may bring back lost ones.
  bool rewrites_show = false;
  std::function<void()> before_call{};  ///< lets others run in the midst of an operation
  bool in_hook = false;
  std::size_t crashes_from = 0;  ///< step of the log before which no crash is explored

  ProcessState& process(std::uint32_t number) { return processes[number - first_process]; }

  /// False if the process is dead: then the call has no effect and answers an error. An error and
  /// not an exception: it unwinds any library code on its ordinary paths, also through noexcept.
  [[nodiscard]] bool enter(std::uint32_t number) {
    if (before_call && !in_hook && process(number).alive) {
      in_hook = true;
      before_call();
      in_hook = false;
    }
    auto& own = process(number);
    if (!own.alive) return false;
    if (own.calls_left == 0) {
      kill(number);
      return false;
    }
    --own.calls_left;
    ++calls;
    return true;
  }
  void kill(std::uint32_t number) {
    process(number).alive = false;
    std::erase_if(locks, [&](FileLock const& lock) { return lock.process == number; });
    Step step;
    step.kind = Step::Kind::kill;
    step.process = number;
    step.call = calls;
    step.operation = "killed";
    log.steps.push_back(std::move(step));
  }

  // ---- the log

  Step& record(Step::Kind kind,
               std::uint32_t number,
               char const* operation,
               std::string_view path,
               std::string_view to_path = {}) {
    if (kind == Step::Kind::sync_failed) rewrites_show = true;
    auto& step = log.steps.emplace_back();
    step.kind = kind;
    step.process = number;
    step.call = calls;
    step.first = log.effects.size();
    step.operation = operation;
    step.path = path;
    step.to_path = to_path;
    return step;
  }
  /// Adds an effect to the last step, and to what everyone reads from now on.
  void issue(Effect effect) {
    cache.expect(effect);
    cache.apply(effect);
    log.effects.push_back(std::move(effect));
    ++log.steps.back().count;
  }

  // ---- paths

  [[nodiscard]] result<Place> resolve(std::string_view path) const {
    Chain above;
    return walk(path, above, 0);
  }

  // ---- locks of open files

  [[nodiscard]] bool lock(FileLock const& wanted) {
    for (auto const& held : locks) {
      bool const apart = held.inode != wanted.inode || held.file == wanted.file ||
                         held.end <= wanted.begin || wanted.end <= held.begin;
      if (!apart && (held.mode == Mode::exclusive || wanted.mode == Mode::exclusive)) return false;
    }
    unlock(wanted.file, wanted.begin, wanted.end);  // what it holds there already is converted
    locks.push_back(wanted);
    return true;
  }
  void unlock(std::uint64_t file, std::uint64_t begin, std::uint64_t end) {
    std::vector<FileLock> rests;
    std::erase_if(locks, [&](FileLock const& held) {
      if (held.file != file || held.end <= begin || end <= held.begin) return false;
      if (held.begin < begin) {
        rests.push_back(held);
        rests.back().end = begin;
      }
      if (end < held.end) {
        rests.push_back(held);
        rests.back().begin = end;
      }
      return true;
    });
    locks.insert(locks.end(), rests.begin(), rests.end());
  }

 private:
  // The directories down to where a walk stands.
  struct Chain {
    std::array<InodeId, 64> all{root};
    std::size_t size = 1;
    [[nodiscard]] InodeId back() const noexcept { return all[size - 1]; }
  };

  [[nodiscard]] result<Place> walk(std::string_view path, Chain& above, int links) const {
    if (!path.empty() && path.front() == '/') above.size = 1;
    Place place{root, {}, above.back(), true};
    while (true) {
      while (!path.empty() && path.front() == '/') path.remove_prefix(1);
      if (path.empty()) return place;
      auto const name = path.substr(0, path.find('/'));
      path.remove_prefix(name.size());
      bool const last = path.find_first_not_of('/') == std::string_view::npos;
      auto const here = above.back();
      if (cache.at(here).kind != Entry::Kind::directory)
        return failure(errc::invalid, "simulated", name);
      if (name == ".") continue;
      if (name == "..") {
        if (above.size > 1) --above.size;
        place = {root, {}, above.back(), true};
        continue;
      }
      if (above.size == above.all.size()) return failure(errc::invalid, "simulated", name);
      auto const target = cache.at(here).find(name);
      place = {here, name, target, target != no_inode};
      if (last) return place;
      if (target == no_inode) return failure(errc::not_found, "simulated", name);
      if (cache.at(target).kind == Entry::Kind::symlink) {
        if (links == 8) return failure(errc::foreign, "simulated", name);
        HOLDFAST_TRY(behind, walk(cache.at(target).link_target, above, links + 1));
        if (!behind.exists) return failure(errc::not_found, "simulated", name);
        // A link to a link: the walk above stopped before the last one.
        if (cache.at(behind.target).kind == Entry::Kind::symlink)
          return failure(errc::foreign, "simulated", name);
        if (above.back() == behind.target) continue;
        above.all[above.size++] = behind.target;
      } else {
        above.all[above.size++] = target;
      }
    }
  }
};
}  // namespace testing::disk

HOLDFAST_END

#endif

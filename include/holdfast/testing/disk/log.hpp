// SPDX-License-Identifier: BSL-1.0
// Records what the processes of a run did to a disk, and what they told the outside world.
#ifndef HOLDFAST_TESTING_DISK_LOG_HPP
#define HOLDFAST_TESTING_DISK_LOG_HPP

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "holdfast/config.hpp"
#include "holdfast/testing/disk/image.hpp"

HOLDFAST_BEGIN

namespace testing {
/// Something that a scenario reports and that no crash may make untrue. What the numbers mean is
/// the law's business.
struct Note {
  enum class Kind : std::uint8_t {
    started,   ///< from here on `number` may become visible
    acked,     ///< `number` was acknowledged
    failed,    ///< `number` surely does not become visible
    shown,     ///< someone was shown `number`
    given,     ///< `number` was given out and must not be given out again
    dropping,  ///< from here on `number` may be gone
    dropped,   ///< `number` is gone for good
    setting,   ///< from here on `number` may be in force
    set,       ///< `number` is in force, and nothing that was before
  };
  Kind kind = Kind::started;
  std::uint64_t number = 0;
  std::uint64_t base = 0;   ///< what `number` follows
  std::uint64_t value = 0;  ///< whatever else belongs to it, e.g. the seed of its content
  friend bool operator==(Note const&, Note const&) = default;
};
[[nodiscard]] constexpr char const* name(Note::Kind kind) noexcept {
  constexpr char const* names[] = {"started",  "acked",   "failed",  "shown", "given",
                                   "dropping", "dropped", "setting", "set"};
  return names[static_cast<std::size_t>(kind)];
}
using History = std::vector<Note>;

/// The last of a history for a person.
[[nodiscard]] inline std::string text(History const& history) {
  constexpr std::size_t most = 16;
  std::string out = history.size() > most ? " ..." : "";
  for (std::size_t i = history.size() > most ? history.size() - most : 0; i < history.size(); ++i) {
    out += std::string{i == 0 ? " " : ", "} + name(history[i].kind) + " " +
           std::to_string(history[i].number);
  }
  return out;
}
}  // namespace testing

namespace testing::disk {
/// One thing that happened. Calls that change nothing are counted, not kept.
struct Step {
  enum class Kind : std::uint8_t {
    call,         ///< issued effects [first, first + count) of the log
    sync,         ///< made what is pending on `inode` durable
    sync_failed,  ///< told that the data pending on `inode` is lost, and forgot that it is
    close,        ///< closed a file that had been cut to nothing
    note,         ///< reported `note`
    kill,         ///< a process was killed
  };
  Kind kind = Kind::call;
  std::uint32_t process = 0;
  std::uint32_t call = 0;  ///< its number among all calls of the run
  std::size_t first = 0;
  std::size_t count = 0;
  InodeId inode = root;
  Note note{};
  char const* operation = "";
  std::string path{};
  std::string to_path{};
};

struct Log {
  std::vector<Step> steps;
  std::vector<Effect> effects;
};

/// A call for a person: "#17 (process 2) rename /db/a -> /db/b".
[[nodiscard]] inline std::string text(Step const& step) {
  if (step.kind == Step::Kind::note) {
    return std::string{"note: "} + name(step.note.kind) + " " + std::to_string(step.note.number);
  }
  auto out = "#" + std::to_string(step.call) + " (process " + std::to_string(step.process) + ") " +
             step.operation + " " + step.path;
  if (!step.to_path.empty()) out += " -> " + step.to_path;
  return out;
}

/// An effect for a person.
[[nodiscard]] inline std::string text(Effect const& effect) {
  auto const number = std::to_string(effect.value);
  switch (effect.kind) {
    case Effect::Kind::data:
      return "sector " + number;
    case Effect::Kind::size:
      return "size " + number;
    case Effect::Kind::cut:
      return "cut to " + number;
    case Effect::Kind::entry:
      return effect.target == no_inode ? "name gone" : "name";
    case Effect::Kind::move:
    case Effect::Kind::exchange:
      break;
  }
  return "names";
}
}  // namespace testing::disk

HOLDFAST_END

#endif

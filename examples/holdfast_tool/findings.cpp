// SPDX-License-Identifier: BSL-1.0
// Judges a look at a home; no I/O but for asking which processes live.
#include "findings.hpp"

#include <algorithm>

#include "holdfast/report/text.hpp"

namespace tool {
namespace {
using hf::errc, hf::Generation;

std::string number(Generation g) {
  return std::to_string(g.number);
}

class Judge {
 public:
  Judge(Look const& look, std::int64_t silent_ns) : look_{look}, silent_ns_{silent_ns} {}

  std::vector<Finding> judge() {
    surroundings();
    if (look_.trouble) {
      record_trouble(*look_.trouble);
    } else if (!look_.record) {
      note("empty", "nothing was ever committed here", "build");
    }
    if (look_.record && !look_.trouble) {  // one that is too old says nothing of what is there
      retained();
      attempt();
      if (look_.record->hold) held();
      outside_names();
      retiring();
      foreign();
    }
    small_things();
    std::vector<Finding> sorted;
    for (bool const attention : {true, false}) {
      for (auto const& one : all_) {
        if (one.attention == attention) sorted.push_back(one);
      }
    }
    return sorted;
  }

 private:
  void tell(std::string code, std::string text, std::string next) {
    all_.push_back({std::move(code), true, std::move(text), std::move(next)});
  }
  void note(std::string code, std::string text, std::string next = {}) {
    all_.push_back({std::move(code), false, std::move(text), std::move(next)});
  }
  [[nodiscard]] std::string command(std::string const& name) const {
    return tool_command(name, look_);
  }

  void surroundings() {
    if (look_.disk.read_only) {
      tell("read_only", "the file system is mounted read-only: nothing can be built or dropped",
           "find out why (dmesg), then mount it for writing");
    }
    if (!look_.lock_trouble) return;
    auto const& why = *look_.lock_trouble;
    if (why.code() == errc::no_locks) {
      tell("no_locks", "this file system has no working locks: " + why.text(),
           "move the home to a local file system");
    } else if (why.code() == errc::newer_format) {
      tell("lock_newer", "the lock was written by a newer version: " + why.text(),
           "use the newer holdfast_tool");
    } else {
      tell("lock_unreadable", "who builds can't be told: " + why.text(),
           "run this as the owner of the home");
    }
  }

  void record_trouble(hf::error const& why) {
    auto const rebuild = command("rebuild-register") + "    (shows what it would do)";
    switch (why.code()) {
      case errc::register_lost:
        return tell("register_lost", "CURRENT is missing beside stores with data", rebuild);
      case errc::stale_register:
        return tell("register_stale", "CURRENT is an older copy of itself: " + why.text(), rebuild);
      case errc::damaged:
        return tell("register_damaged", "CURRENT can't be read: " + why.text(), rebuild);
      case errc::foreign:
      case errc::invalid:
        return tell("register_foreign", "CURRENT is no file of a home: " + why.text(), rebuild);
      case errc::newer_format:
        return tell("register_newer", "CURRENT was written by a newer version",
                    "use the newer holdfast_tool; don't rebuild the register");
      case errc::denied:
        return tell("register_denied", "CURRENT may not be read: " + why.text(),
                    "run this as the owner of the home");
      default:
        return tell("register_unreadable", "CURRENT can't be read: " + why.text(),
                    "look for errors of the disk (dmesg), then " + rebuild);
    }
  }

  void retained() {
    auto const& m = *look_.record;
    for (auto const& kept : m.retained) {
      auto const wrong = look_.wrong_with(kept);
      if (wrong.empty()) continue;
      bool const current = kept.generation == m.current;
      auto const text = "generation " + number(kept.generation) +
                        (current ? ", the current one, can't be opened: " : " can't be opened: ");
      auto const best = best_revert(look_);
      if (!current) {
        tell("damaged_retained", text + wrong,
             "don't revert to it; it goes with the next commits. Look for errors of the disk");
      } else if (best != 0) {
        tell("damaged_current", text + wrong, command("revert") + " " + std::to_string(best));
      } else {
        tell("damaged_current", text + wrong,
             "build anew, or restore a backup; no retained generation is whole");
      }
    }
  }

  void attempt() {
    auto const& m = *look_.record;
    if (!m.attempt) {
      if (look_.holder) note("locked", "the lock is held by " + describe(look_.holder->owner));
      return;
    }
    auto const g = "generation " + number(m.attempt->generation);
    auto const attempt = attempt_of(look_);
    if (!look_.holder) {
      if (look_.lock_trouble) return;  // told already; who builds is not known
      return tell("attempt_abandoned",
                  "a build of " + g + " ended without an end: its process died",
                  command("collect") + "    (the next open of the program does it too)");
    }
    auto const& owner = look_.holder->owner;
    auto const process = find_process(owner);
    auto const hold = command("hold") + " 'why'    (stops its commit); then look at the process";
    auto const by = g + " is built by " + describe(owner);
    auto const silence = hf::human_time(attempt.silent_ns);
    if (process && (process->state == 'T' || process->state == 't')) {
      tell("builder_stopped", by + ", which is stopped by a signal", hold);
    } else if (attempt.silent_ns > silent_ns_) {
      tell("builder_silent", by + " (" + attempt.phase + "), and nothing changed for " + silence,
           hold);
    } else {
      note("building", by + " (" + attempt.phase + ", silent for " + silence + ")");
    }
    if (!of_this_boot(owner)) {
      note("builder_elsewhere",
           "the builder runs on " + std::string{owner.host_name()} + ": look at its process there");
    }
  }

  void held() {
    tell("held", "commits are on hold: " + hf::printable(*look_.record->hold),
         "when the reason is gone: " + command("unhold"));
  }

  void outside_names() {
    auto const& m = *look_.record;
    auto const* const kept = hf::detail::manifest::find(m, m.current);
    if (kept == nullptr) return;
    for (std::size_t i = 0; i < look_.parts.size() && i < kept->parts.size(); ++i) {
      for (auto const& [link, target] : look_.parts[i].names) {
        auto const g = hf::detail::generation_named_by(target);
        if (!g || *g == kept->parts[i]) continue;
        bool const gone = look_.parts[i].generations.count(*g) == 0;
        tell(gone ? "name_dangles" : "name_lags",
             look_.parts[i].name + "/" + link + " gives generation " + number(*g) +
                 (gone ? ", which is gone" : "") + "; current is " + number(kept->parts[i]),
             command("collect") + "    (publishes too)");
      }
    }
  }

  void retiring() {
    for (auto const& [g, since_ms] : look_.droppable()) {
      auto const* const pin = look_.pin(g);
      auto const waits = look_.now_ns - since_ms * 1'000'000;
      auto const size = hf::human_bytes(look_.bytes_of(g));
      auto const text = "generation " + number(g) + " (" + size + ") retires";
      if (pin == nullptr) {
        note("reclaimable", text + " and could be dropped", command("collect"));
      } else if (since_ms != 0 && waits > silent_ns_) {
        tell("pinned_long",
             text + " for " + hf::human_time(waits) + ", but is still read by " +
                 describe(pin->holders, look_.pins.hidden),
             "let these readers refresh or end them, then " + command("collect"));
      } else {
        note("pinned", text + ", and is read by " + describe(pin->holders, look_.pins.hidden));
      }
    }
    auto const& m = *look_.record;
    auto const listed = m.retained.size() + m.retiring.size();
    if (listed + 4 > hf::detail::manifest::max_listed) {
      tell("full",
           std::to_string(listed) + " generations are listed; at " +
               std::to_string(hf::detail::manifest::max_listed) + " no build starts",
           command("plan"));
    }
  }

  void foreign() {
    std::vector<std::string> numbers;
    std::uint64_t bytes = 0;
    for (auto const g : look_.generations()) {
      if (!look_.foreign(g)) continue;
      numbers.push_back(number(g));
      bytes += look_.bytes_of(g);
    }
    if (numbers.empty()) return;
    tell("foreign",
         "generations that the record does not list (" + hf::human_bytes(bytes) +
             "): " + joined(numbers, ", "),
         "nothing drops them; when nobody misses what is in them, delete their folders by hand");
  }

  void small_things() {
    auto const& m = look_.record;
    if (m && m->current.number != 0) {
      auto const bytes = look_.bytes_of(m->current);
      if (look_.disk.free < bytes) {
        tell("no_space",
             "free are " + hf::human_bytes(look_.disk.free) + ", the current generation has " +
                 hf::human_bytes(bytes) + ": a build of all of it would not fit",
             command("plan") + "    (what can be dropped), or make room");
      }
    }
    if (m && look_.pins.missing) {
      tell("pins_missing", "PINS is missing: no other process can open the home for reading",
           command("collect") + "    (opening for writing makes it again)");
    }
    if (m && look_.hint_missing) {
      note("hint_missing",
           "CURRENT.hint is missing: the next commit makes it, until then others may lag by one");
    }
    if (!look_.aside.empty()) {
      note("records_aside", "records that were replaced: " + joined(look_.aside, ", "),
           "delete them once the home has served well for a while");
    }
  }

  Look const& look_;
  std::int64_t silent_ns_;
  std::vector<Finding> all_;
};
}  // namespace

std::vector<Finding> findings_of(Look const& look, std::int64_t silent_ns) {
  return Judge{look, silent_ns}.judge();
}
bool needs_attention(std::vector<Finding> const& findings) {
  return std::any_of(findings.begin(), findings.end(),
                     [](auto const& one) { return one.attention; });
}

AttemptLook attempt_of(Look const& look) {
  AttemptLook out;
  auto const& attempt = *look.record->attempt;
  std::size_t there = 0, sealed = 0;
  std::int64_t touched_ns = look.holder ? look.holder->acquired_at_ns : 0;
  for (auto const& part : look.parts) {
    auto const at = part.generations.find(attempt.generation);
    if (at == part.generations.end()) continue;
    ++there;
    sealed += at->second.sealed ? 1 : 0;
    touched_ns = std::max(touched_ns, at->second.touched_ns);
  }
  out.phase = there == 0       ? "starting"
              : sealed == 0    ? "filling"
              : sealed < there ? "sealing"
                               : "sealed";
  out.silent_ns = touched_ns == 0 ? 0 : std::max<std::int64_t>(0, look.now_ns - touched_ns);
  out.held = look.holder && look.holder->token == attempt.token;
  return out;
}

std::uint64_t best_revert(Look const& look) {
  for (auto const& kept : look.record->retained) {
    if (kept.generation != look.record->current && look.wrong_with(kept).empty()) {
      return kept.generation.number;
    }
  }
  return 0;
}

std::string describe(std::vector<PinHolder> const& holders, std::size_t hidden) {
  std::vector<std::string> all;
  for (auto const& holder : holders) {
    auto text = "pid " + std::to_string(holder.pid);
    if (holder.process) {
      bool const stopped = holder.process->state == 'T' || holder.process->state == 't';
      text += " (" + hf::printable(holder.process->name) + (stopped ? ", stopped" : "") + ", up " +
              hf::human_time(holder.process->up_ns) + ")";
    }
    all.push_back(std::move(text));
  }
  if (all.empty()) {
    all.push_back(hidden == 0 ? "a process that is not seen from here"
                              : "one of " + std::to_string(hidden) +
                                    " processes that may not be looked at; ask as root");
  }
  return joined(all, ", ");
}

std::string describe(hf::Owner const& owner) {
  auto text = "pid " + std::to_string(owner.pid) + " on " + hf::printable(owner.host_name());
  if (auto const process = find_process(owner)) {
    text += " (" + hf::printable(process->name) + ", up " + hf::human_time(process->up_ns) + ")";
  }
  return text;
}

std::string quoted(std::string const& word) {
  bool const plain = !word.empty() && word.find_first_not_of(
                                          "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                          "0123456789_./-+:,@") == word.npos;
  if (plain) return word;
  std::string out = "'";
  for (char const c : word) out += c == '\'' ? std::string{"'\\''"} : std::string{c};
  return out + "'";
}

std::string tool_command(std::string const& command, Look const& look) {
  return "holdfast_tool " + command + " " + quoted(look.home);
}

std::string joined(std::vector<std::string> const& words, char const* between) {
  std::string all;
  for (auto const& word : words) all.append(all.empty() ? "" : between).append(word);
  return all;
}

}  // namespace tool

// SPDX-License-Identifier: BSL-1.0
// One line a thing for people; the same things as fields for programs.
#include "show.hpp"

#include <cstdio>

#include "holdfast/report/text.hpp"

namespace tool {
namespace {
using hf::Generation;

void line(char const* name, std::string const& text) {
  std::printf("%-10s %s\n", name, text.c_str());
}
std::string number(Generation g) {
  return std::to_string(g.number);
}
std::string age(Look const& look, std::int64_t since_ms) {
  return hf::human_time(look.now_ns - since_ms * 1'000'000) + " ago";
}

// "5", or "5[keys 1, stats 5]" where parts were carried over.
std::string describe(Look const& look, hf::Kept const& kept) {
  std::vector<std::string> parts;
  bool mixed = false;
  for (std::size_t i = 0; i < kept.parts.size(); ++i) {
    mixed = mixed || kept.parts[i] != kept.generation;
    parts.push_back(hf::printable(look.record->part_names[i]) + " " + number(kept.parts[i]));
  }
  return number(kept.generation) + (mixed ? "[" + joined(parts, ", ") + "]" : "");
}

std::uint64_t all_bytes(Look const& look) {
  std::uint64_t all = 0;
  for (auto const g : look.generations()) all += look.bytes_of(g);
  return all;
}
std::uint64_t reclaimable(Look const& look) {
  std::uint64_t all = 0;
  for (auto const& retiring : look.droppable()) {
    if (look.pin(retiring.generation) == nullptr) all += look.bytes_of(retiring.generation);
  }
  return all;
}

void print_record(Look const& look) {
  auto const& m = *look.record;
  auto const* const kept = hf::detail::manifest::find(m, m.current);
  if (kept == nullptr) {
    line("current", "none was committed yet");
  } else {
    line("current", describe(look, *kept) + ", committed " + age(look, kept->committed_ms) + ", " +
                        hf::human_bytes(look.bytes_of(m.current)));
    std::vector<std::string> marks;
    for (auto const& [name, value] : kept->marks) {
      marks.push_back(hf::printable(name) + "=" + std::to_string(value));
    }
    line("marks", (marks.empty() ? "none" : joined(marks, " ")) +
                      (look.updated(*kept) ? " and later: it took updates since" : ""));
  }
  std::vector<std::string> retained, retiring;
  for (auto const& each : m.retained) retained.push_back(describe(look, each));
  for (auto const& each : m.retiring) retiring.push_back(number(each.generation));
  line("retained", joined(retained, ", "));
  if (!retiring.empty()) line("retiring", joined(retiring, ", "));
  line("hold", m.hold ? hf::printable(*m.hold) : "none");
}

void print_attempt(Look const& look) {
  if (!look.record || !look.record->attempt) {
    return line("attempt",
                look.holder ? "none, but the lock is held by " + tool::describe(look.holder->owner)
                            : "none");
  }
  auto const attempt = attempt_of(look);
  auto const g = number(look.record->attempt->generation);
  auto const by = look.holder ? tool::describe(look.holder->owner) : "nobody any more";
  line("attempt", g + ", " + attempt.phase + ", by " + by + ", silent for " +
                      hf::human_time(attempt.silent_ns));
}

void print_names(Look const& look) {
  std::vector<std::string> names;
  for (auto const& part : look.parts) {
    for (auto const& [link, target] : part.names) {
      names.push_back(hf::printable(part.name + "/" + link + " -> " + target));
    }
  }
  line("names", names.empty() ? "none" : joined(names, ", "));
}

void print_generations(Look const& look) {
  std::printf("\n%-12s %-12s %12s  %s\n", "generation", "part", "bytes", "state");
  for (auto const& part : look.parts) {
    for (auto const& [g, remains] : part.generations) {
      auto const state = !remains.wrong ? std::string{"whole, by names and sizes"}
                                        : hf::printable(remains.wrong->text());
      std::printf("%-12s %-12s %12s  %s%s\n", number(g).c_str(), hf::printable(part.name).c_str(),
                  hf::human_bytes(remains.bytes).c_str(), look.foreign(g) ? "foreign; " : "",
                  state.c_str());
    }
  }
}

void print_findings(std::vector<Finding> const& findings) {
  for (bool const attention : {true, false}) {
    bool first = true;
    for (auto const& finding : findings) {
      if (finding.attention != attention) continue;
      if (first) std::printf("\n%s:\n", attention ? "needs attention" : "worth knowing");
      first = false;
      std::printf("  %s: %s\n", finding.code.c_str(), hf::printable(finding.text).c_str());
      if (!finding.next.empty()) std::printf("    next: %s\n", finding.next.c_str());
    }
  }
  if (!needs_attention(findings)) std::printf("\nall is well\n");
}

// ---- JSON

void put_marks(hf::Json& json, hf::Marks const& marks) {
  json.key("marks").object([&] {
    for (auto const& [name, value] : marks) json.field(name, value);
  });
}
void put_kept(hf::Json& json, Look const& look, hf::Kept const& kept) {
  json.object([&] {
    json.field("generation", kept.generation.number).field("sequence", kept.sequence);
    json.key("parts").object([&] {
      for (std::size_t i = 0; i < kept.parts.size(); ++i) {
        json.field(look.record->part_names[i], kept.parts[i].number);
      }
    });
    json.field("committed_ms", kept.committed_ms)
        .field("age_ms", look.now_ns / 1'000'000 - kept.committed_ms)
        .field("bytes", look.bytes_of(kept.generation))
        .field("updated", look.updated(kept))
        .field("wrong", look.wrong_with(kept));
    put_marks(json, kept.marks);
  });
}
void put_process(hf::Json& json, std::optional<Process> const& process) {
  json.field("alive", process.has_value())
      .field("name", process ? process->name : "")
      .field("state", process ? std::string{process->state} : "")
      .field("up_ms", process ? process->up_ns / 1'000'000 : 0);
}
void put_holder(hf::Json& json, Look const& look) {
  json.key("holder").object([&] {
    if (!look.holder) return;
    auto const& owner = look.holder->owner;
    json.field("pid", owner.pid)
        .field("host", owner.host_name())
        .field("this_boot", of_this_boot(owner))
        .field("token", look.holder->token.number)
        .field("held_ms", (look.now_ns - look.holder->acquired_at_ns) / 1'000'000);
    put_process(json, find_process(owner));
  });
}
void put_attempt(hf::Json& json, Look const& look) {
  json.key("attempt").object([&] {
    if (!look.record || !look.record->attempt) return;
    auto const attempt = attempt_of(look);
    json.field("generation", look.record->attempt->generation.number)
        .field("phase", attempt.phase)
        .field("bytes", look.bytes_of(look.record->attempt->generation))
        .field("silent_ms", attempt.silent_ns / 1'000'000)
        .field("pid", look.record->attempt->owner.pid)
        .field("holds_the_lock", attempt.held);
  });
}
void put_record(hf::Json& json, Look const& look) {
  auto const& m = *look.record;
  json.field("current", m.current.number)
      .field("next", m.next)
      .field("sequence", m.sequence)
      .field("fence", m.fence.number)
      .field("hold", m.hold);
  json.key("retained").array([&] {
    for (auto const& kept : m.retained) put_kept(json, look, kept);
  });
  json.key("retiring").array([&] {
    for (auto const& retiring : m.retiring) {
      auto const g = retiring.generation;
      json.object([&] {
        json.field("generation", g.number)
            .field("bytes", look.bytes_of(g))
            .field("since_ms", retiring.since_ms)
            .field("pinned", look.pin(g) != nullptr)
            .field("carried", hf::detail::manifest::carried(m, g));
      });
    }
  });
}
void put_pins(hf::Json& json, Look const& look) {
  json.key("pins").array([&] {
    for (auto const& pin : look.pins.pins) {
      json.object([&] {
        json.field("generation", pin.generation.number);
        json.key("holders").array([&] {
          for (auto const& holder : pin.holders) {
            json.object([&] {
              json.field("pid", holder.pid);
              put_process(json, holder.process);
            });
          }
        });
      });
    }
  });
  json.field("hidden_processes", look.pins.hidden);
}
void put_parts(hf::Json& json, Look const& look, bool every) {
  json.key("parts").array([&] {
    for (auto const& part : look.parts) {
      json.object([&] {
        json.field("name", part.name);
        json.key("names").object([&] {
          for (auto const& [link, target] : part.names) json.field(link, target);
        });
        if (!every) return;
        json.key("generations").array([&] {
          for (auto const& of : part.generations) {
            auto const g = of.first;
            auto const& remains = of.second;
            json.object([&] {
              json.field("generation", g.number)
                  .field("bytes", remains.bytes)
                  .field("sealed", remains.sealed)
                  .field("foreign", look.foreign(g))
                  .field("wrong", remains.wrong ? remains.wrong->text() : "");
            });
          }
        });
      });
    }
  });
}
}  // namespace

void print(Look const& look, std::vector<Finding> const& findings, bool every) {
  std::vector<std::string> parts;
  for (auto const& name : look.part_names) parts.push_back(hf::printable(name));
  line("home", hf::printable(look.home) + "  (" + (look.parts_told ? "" : "folders: ") +
                   joined(parts, ", ") + ")");
  if (look.record) print_record(look);
  print_attempt(look);
  for (auto const& pin : look.pins.pins) {
    line("pinned", number(pin.generation) + " by " + tool::describe(pin.holders, look.pins.hidden));
  }
  print_names(look);
  line("disk", hf::human_bytes(all_bytes(look)) + " in generations, " +
                   hf::human_bytes(reclaimable(look)) + " reclaimable, " +
                   hf::human_bytes(look.disk.free) + " free");
  if (every) print_generations(look);
  print_findings(findings);
}

void put(hf::Json& json, hf::error const& why) {
  json.object([&] {
    json.field("code", hf::message(why.code()))
        .field("where", why.where())
        .field("detail", why.detail())
        .field("native", why.native())
        .field("text", why.text());
  });
}

void put(hf::Json& json, Look const& look, std::vector<Finding> const& findings, bool every) {
  json.field("home", look.home).field("well", !needs_attention(findings));
  json.key("part_names").array([&] {
    for (auto const& name : look.part_names) json.value(name);
  });
  json.field("has_record", look.record.has_value())
      .field("trouble", look.trouble ? look.trouble->text() : "");
  if (look.record) put_record(json, look);
  put_holder(json, look);
  put_attempt(json, look);
  put_pins(json, look);
  put_parts(json, look, every);
  json.key("foreign").array([&] {
    for (auto const g : look.generations()) {
      if (look.foreign(g)) json.value(g.number);
    }
  });
  json.key("moved_aside").array([&] {
    for (auto const& name : look.aside) json.value(name);
  });
  json.field("bytes", all_bytes(look))
      .field("reclaimable_bytes", reclaimable(look))
      .field("free_bytes", look.disk.free)
      .field("read_only", look.disk.read_only);
  json.key("findings").array([&] {
    for (auto const& finding : findings) {
      json.object([&] {
        json.field("code", finding.code)
            .field("attention", finding.attention)
            .field("text", finding.text)
            .field("next", finding.next);
      });
    }
  });
}

}  // namespace tool

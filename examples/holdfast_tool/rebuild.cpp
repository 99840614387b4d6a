// SPDX-License-Identifier: BSL-1.0
// Gives a home that lost its record a new one: shows the plan, and does it only if told to.
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "any_store.hpp"
#include "commands.hpp"
#include "findings.hpp"
#include "holdfast/report/text.hpp"
#include "holdfast/staged.hpp"
#include "show.hpp"

namespace tool {
namespace {
using hf::Generation, hf::RebuildCandidate, hf::RebuildPlan;

std::string number(Generation g) {
  return std::to_string(g.number);
}

// The parts as the command line names them, else as the home tells.
hf::result<PartNames> parts_of(Args const& args) {
  auto const given = args.get("--parts");
  if (given.empty()) return part_names_of(args.home());
  PartNames parts{.names = {}, .told = true};
  for (std::size_t at = 0; at <= given.size();) {
    auto const end = std::min(given.find(',', at), given.size());
    parts.names.push_back(given.substr(at, end - at));
    at = end + 1;
  }
  return parts;
}

std::string certainty(RebuildCandidate const& candidate) {
  if (candidate.named) return "committed: the outside names give it";
  if (candidate.recorded) return "committed: an old record lists it";
  return "perhaps never committed";
}

void print(RebuildCandidate const& candidate, bool proposed) {
  std::printf("%s generation %s (%s)\n", proposed ? "->" : "  ",
              number(candidate.generation).c_str(), certainty(candidate).c_str());
  for (auto const& part : candidate.parts) {
    auto const found = part.found ? "whole, by " + std::string{hf::name(part.found.assume_value())}
                                  : part.found.error().text();
    std::printf("     %-12s %6s  %s\n", hf::printable(part.part).c_str(),
                number(part.generation).c_str(), hf::printable(found).c_str());
  }
}

void print(RebuildPlan const& plan, RebuildCandidate const* chosen) {
  std::printf("record: %s\n", plan.trouble ? hf::printable(plan.trouble->text()).c_str()
                                           : "can be used; nothing has to be rebuilt");
  if (plan.record) {
    std::printf("the newest that can still be read says: current %s, commit %llu\n",
                number(plan.record->current).c_str(),
                static_cast<unsigned long long>(plan.record->sequence));
  }
  for (auto const& candidate : plan.candidates) print(candidate, &candidate == chosen);
  if (!plan.broken.empty()) std::printf("not whole:\n");
  for (auto const& broken : plan.broken) print(broken, false);
  auto const* const proposed = plan.proposal();
  std::printf("proposal: %s%s\n",
              proposed == nullptr ? "" : (number(proposed->generation) + ", because ").c_str(),
              hf::printable(plan.why).c_str());
}

void put(hf::Json& json, RebuildCandidate const& candidate) {
  json.object([&] {
    json.field("generation", candidate.generation.number)
        .field("named", candidate.named)
        .field("recorded", candidate.recorded)
        .field("whole", candidate.whole());
    json.key("parts").array([&] {
      for (auto const& part : candidate.parts) {
        json.object([&] {
          json.field("name", part.part)
              .field("generation", part.generation.number)
              .field("whole_by", part.found ? std::string{hf::name(part.found.assume_value())} : "")
              .field("wrong", part.found ? "" : part.found.error().text());
        });
      }
    });
  });
}
void put(hf::Json& json, RebuildPlan const& plan) {
  json.field("trouble", plan.trouble ? plan.trouble->text() : "")
      .field("proposed", plan.proposal() == nullptr ? 0 : plan.proposal()->generation.number)
      .field("why", plan.why)
      .field("next", plan.next);
  json.key("candidates").array([&] {
    for (auto const& candidate : plan.candidates) put(json, candidate);
  });
  json.key("broken").array([&] {
    for (auto const& broken : plan.broken) put(json, broken);
  });
}

std::string apply_command(Args const& args,
                          PartNames const& parts,
                          RebuildPlan const& plan,
                          RebuildCandidate const& chosen) {
  auto command =
      "holdfast_tool rebuild-register " + quoted(args.home()) + " " + number(chosen.generation);
  if (!parts.told || args.has("--parts")) command += " --parts " + quoted(joined(parts.names, ","));
  if (args.has("--marks")) command += " --marks " + quoted(args.get("--marks"));
  if (!plan.trouble) command += " --force";
  return command + " --apply";
}

struct Applied {
  hf::Rebuilt rebuilt;
  bool done = false;
};

int answer(Args const& args,
           PartNames const& parts,
           RebuildPlan const& plan,
           RebuildCandidate const* chosen,
           Applied const& applied) {
  auto const next = chosen == nullptr ? std::string{} : apply_command(args, parts, plan, *chosen);
  if (args.has("--json")) {
    hf::Json json;
    json.object([&] {
      put(json, plan);
      json.field("applied", applied.done).field("next_command", applied.done ? "" : next);
      json.field("generation", applied.rebuilt.generation.number)
          .field("fence", applied.rebuilt.fence.number);
      json.key("moved_aside").array([&] {
        for (auto const& name : applied.rebuilt.moved_aside) json.value(name);
      });
    });
    std::printf("%s\n", json.text().c_str());
  } else {
    print(plan, chosen);
    if (applied.done) {
      bool const marked = !applied.rebuilt.marks.empty();
      std::printf(
          "done: generation %s is current. %s\n"
          "Programs that had the home open for writing must open it again. Other generations "
          "stay,\n"
          "and are foreign from now on. The old record: %s\n",
          number(applied.rebuilt.generation).c_str(),
          marked ? "It has the marks that were given, and takes updates."
                 : "Its marks are lost: set them with the next commit.\n"
                   "It takes no updates before that.",
          applied.rebuilt.moved_aside.empty() ? "there was none"
                                              : joined(applied.rebuilt.moved_aside, ", ").c_str());
    } else if (chosen != nullptr) {
      if (!parts.told && parts.names.size() > 1) {
        std::printf(
            "the order of the parts is a guess: give that in which the program names them\n");
      }
      std::printf("nothing was changed. To do it: %s\n", next.c_str());
    }
  }
  if (applied.done) return Exit::fine;
  return plan.trouble ? Exit::attention : Exit::fine;
}
}  // namespace

int rebuild_register(Args const& args) {
  auto const look = look_at(args.home());
  if (!look) return refuse(args, look.error());
  auto const parts = parts_of(args);
  if (!parts) return refuse(args, parts.error());
  auto const& names = parts.assume_value();
  std::uint64_t bytes = 0;
  for (auto const g : look.assume_value().generations()) bytes += look.assume_value().bytes_of(g);
  if (names.names.empty()) {
    return refuse(args, hf::error{hf::errc::not_found, "rebuild the register",
                                  "no folder holds generations; name them with --parts"});
  }
  auto const found = hf::plan_rebuild(
      args.home(), AnyStore{names.names, std::make_shared<Progress>("verifying", bytes)});
  if (!found) return refuse(args, found.error());
  auto const& plan = found.assume_value();
  auto const* chosen = plan.proposal();
  if (auto const wanted = args.generation()) {
    chosen = plan.find({*wanted});
    if (chosen == nullptr) {
      return refuse(args, hf::error{hf::errc::not_found, "rebuild the register",
                                    "generation " + args.operand() + " is not whole here"});
    }
  }
  Applied applied;
  if (args.has("--apply")) {
    if (chosen == nullptr) {
      return refuse(args, hf::error{hf::errc::not_found, "rebuild the register", plan.why});
    }
    if (!names.told && names.names.size() > 1) {
      return refuse(args,
                    hf::error{hf::errc::invalid, "rebuild the register",
                              "the order of the parts is not known; give it with --parts A,B"});
    }
    auto done = hf::rebuild_register(
        args.home(), *chosen, {.replace_usable = args.has("--force"), .marks = *args.marks()},
        AnyStore{names.names});
    if (!done) return refuse(args, done.error());
    applied = {std::move(done).assume_value(), true};
  }
  return answer(args, names, plan, chosen, applied);
}

}  // namespace tool

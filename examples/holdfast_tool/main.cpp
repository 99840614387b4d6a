// SPDX-License-Identifier: BSL-1.0
// holdfast_tool: looks at a home, says what is wrong and what to do, and does it; whichever
// backends its parts have.
#include <cstdio>
#include <exception>
#include <string>
#include <vector>

#include "args.hpp"
#include "commands.hpp"

namespace {
using tool::Command, tool::Option, tool::Exit;

constexpr Option json{"--json", "", "one JSON object on standard output"};
constexpr Option silent{"--silent", "N",
                        "seconds a build may change nothing, or a reader keep what retires (600)"};
constexpr Option grace{
    "--grace", "N",
    "seconds that readers by the outside names have, if the program gives them more than 1"};

std::vector<Command> const& commands() {
  static std::vector<Command> const all{
      {"status",
       "",
       {json, silent},
       "what is current, who builds, who reads, what is wrong",
       tool::status},
      {"inspect", "", {json, silent}, "the same, and each generation of each part", tool::inspect},
      {"plan", "", {json, grace}, "what collect would drop, and why the rest waits", tool::plan},
      {"verify",
       "[G]",
       {json},
       "look at every byte of a retained generation (the current one)",
       tool::verify},
      {"backup", "DEST", {json}, "copy the current generation to a new home", tool::backup},
      {"collect",
       "",
       {json, grace},
       "recover what a crash left, drop what retires, publish",
       tool::collect},
      {"revert", "G", {json, grace}, "make a retained generation current again", tool::revert},
      {"hold",
       "REASON",
       {json, grace},
       "stop every commit, also one that is under way",
       tool::hold},
      {"unhold", "", {json, grace}, "let commits go on", tool::unhold},
      {"upgrade",
       "",
       {json, {"--apply", "", "do it; without, only what it would do is shown"}},
       "write what an older version left in the formats of this one",
       tool::upgrade},
      {"rebuild-register",
       "[G]",
       {json,
        {"--apply", "", "do it; without, only what it would do is shown"},
        {"--force", "", "also where the record can be used"},
        {"--parts", "A,B", "the parts, in the order in which the program names its stores"},
        {"--marks", "NAME=N,...", "those of the commit, as the program logged them; don't guess"}},
       "give a home that lost its record a new one (G: other than proposed)",
       tool::rebuild_register},
  };
  return all;
}

void print_help(Command const& command) {
  std::printf("usage: holdfast_tool %s HOME%s%s [OPTIONS]\n  %s\n\n", command.name.data(),
              command.operand.empty() ? "" : " ", command.operand.data(), command.help.data());
  for (auto const& option : command.options) {
    auto name = std::string{option.name} + (option.value.empty() ? "" : " ");
    name += option.value;
    std::printf("  %-14s %s\n", name.c_str(), option.help.data());
  }
}

void print_help() {
  std::printf(
      "usage: holdfast_tool COMMAND HOME ... [--json]; holdfast_tool COMMAND --help for more\n\n");
  for (auto const& command : commands()) {
    auto const name = std::string{command.name} + " HOME " + std::string{command.operand};
    std::printf("  %-26s %s\n", name.c_str(), command.help.data());
  }
  std::printf(
      "\nExit codes: 0 fine, or done; 1 something needs attention, or was done but for what is\n"
      "told; 2 the command line is wrong; 3 refused or impossible, and why is on standard error.\n"
      "status, inspect, plan, verify and backup write nothing to the home and need no permission\n"
      "to write there. What each finding means is in docs/runbook.md.\n");
}

int misuse(std::string const& why) {
  std::fprintf(stderr, "holdfast_tool: %s; holdfast_tool --help tells more\n", why.c_str());
  return Exit::misused;
}

int run(std::vector<std::string_view> words) {
  if (words.empty()) return misuse("it needs a command");
  auto const name = words.front();
  if (name == "--help" || name == "-h" || name == "help") {
    print_help();
    return Exit::fine;
  }
  words.erase(words.begin());
  for (auto const& command : commands()) {
    if (command.name != name) continue;
    if (!words.empty() && (words.front() == "--help" || words.front() == "-h")) {
      print_help(command);
      return Exit::fine;
    }
    std::string why;
    auto const args = tool::Args::read(command, words, why);
    if (!args) return misuse(std::string{name} + ": " + why);
    return command.run(*args);
  }
  return misuse("there is no command " + std::string{name});
}
}  // namespace

int main(int argc, char** argv) {
  try {
    return run({argv + 1, argv + argc});
  } catch (std::exception const& e) {
    std::fprintf(stderr, "holdfast_tool: %s\n", e.what());
    return Exit::refused;
  }
}

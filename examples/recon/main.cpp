// SPDX-License-Identifier: BSL-1.0
// recon: derives a namespace summary, a container map, a size histogram and counts from a directory
// tree, in RocksDB and SQLite, switched together.
#include <cstdio>
#include <cstring>
#include <exception>
#include <string>
#include <vector>

#include "args.hpp"
#include "commands.hpp"

namespace {
using recon::Command;
using recon::Option;

constexpr Option home{"--home", "H", "the folder that keeps the derived data"};
constexpr Option json{"--json", "", "one JSON object on standard output"};
constexpr Option control{"--control", "NAME", "holdfast (default), or a naive way: clear, renames"};
constexpr Option retain{"--retain", "N", "generations that stay revertible (2)"};
constexpr Option grace{"--grace-ms", "N",
                       "how long a published generation outlives its successor (1000)"};
constexpr Option max_files{"--max-files", "N", "stop reading after so many files"};
constexpr Option quiet{"--quiet", "", "no progress"};
constexpr Option seed{"--seed", "N", "of the random choices (1)"};

std::vector<Command> const& commands() {
  static std::vector<Command> const all{
      {"reprocess",
       "DIR",
       {home,
        json,
        retain,
        grace,
        max_files,
        control,
        {"--slow-us", "N", "sleep so long for each entry, to watch a build"},
        {"--phases-to", "N", "write the name of each phase to this descriptor"},
        quiet},
       "read DIR, build both stores aside, switch to them in one step",
       recon::reprocess},
      {"status", "", {home, json}, "what is current, retained, being built", recon::status},
      {"summary", "PATH", {home, json, control}, "totals of a folder of the tree", recon::summary},
      {"histogram",
       "",
       {home, json, control, {"--volume", "NAME", "one top folder alone; '.' is the root's own"}},
       "files and bytes by size",
       recon::histogram},
      {"container",
       "ID",
       {home, json, control, {"--limit", "N", "files to show (20)"}},
       "the files of one container (1000 files in the order they were read)",
       recon::container},
      {"verify",
       "",
       {home, json, control},
       "add up every row of both stores and compare; 1 if anything differs",
       recon::verify},
      {"revert",
       "",
       {home, json, retain, grace, {"--to", "N", "this generation; else the last one before"}},
       "make a retained generation current again",
       recon::revert},
      {"recover",
       "",
       {home, json, retain, grace, control},
       "open for writing, which puts right what a crash left",
       recon::recover},
      {"watch",
       "",
       {home,
        json,
        control,
        {"--seconds", "N", "until then (10), or until SIGINT or SIGTERM"},
        {"--pause-us", "N", "between two answers (0)"},
        {"--stay", "", "ask the generation that was current at first, whatever is switched"}},
       "ask both stores in a loop; 1 if an answer failed or was mixed",
       recon::watch},
      {"chaos",
       "DIR",
       {home, json, max_files, control, seed, quiet, {"--kills", "N", "how many (20)"}},
       "kill builds at counted system calls on the home; 1 if a restart was not right",
       recon::chaos},
  };
  return all;
}

void print_help(Command const& command) {
  std::printf("usage: recon %.*s%s%.*s [OPTIONS]\n  %.*s\n\n",
              static_cast<int>(command.name.size()), command.name.data(),
              command.operand.empty() ? "" : " ", static_cast<int>(command.operand.size()),
              command.operand.data(), static_cast<int>(command.help.size()), command.help.data());
  for (auto const& option : command.options) {
    auto name = std::string{option.name} + (option.value.empty() ? "" : " ");
    name += option.value;
    std::printf("  %-16s %.*s\n", name.c_str(), static_cast<int>(option.help.size()),
                option.help.data());
  }
}

void print_help() {
  std::printf(
      "usage: recon COMMAND ... --home H [--json]; recon COMMAND --help for its options\n\n");
  for (auto const& command : commands()) {
    auto const name = std::string{command.name} + " " + std::string{command.operand};
    std::printf("  %-16s %.*s\n", name.c_str(), static_cast<int>(command.help.size()),
                command.help.data());
  }
  std::printf(
      "\nExit codes: 0 done and right; 1 done, and the answer is that something is wrong;\n"
      "2 the command line is wrong; 3 it could not be done, and why is on standard error.\n"
      "Asking (status, summary, histogram, container, verify, watch) writes nothing to the home\n"
      "and needs no permission to write there.\n");
}

int misuse(std::string const& why) {
  std::fprintf(stderr, "recon: %s; recon --help tells more\n", why.c_str());
  return recon::Exit::misused;
}

int run(std::vector<std::string_view> words) {
  if (words.empty()) return misuse("it needs a command");
  auto const name = words.front();
  if (name == "--help" || name == "-h" || name == "help") {
    print_help();
    return recon::Exit::right;
  }
  words.erase(words.begin());
  for (auto const& command : commands()) {
    if (command.name != name) continue;
    if (!words.empty() && (words.front() == "--help" || words.front() == "-h")) {
      print_help(command);
      return recon::Exit::right;
    }
    std::string why;
    auto const args = recon::Args::read(command, words, why);
    if (!args) return misuse(std::string{name} + ": " + why);
    auto const chosen = args->get("--control", "holdfast");
    if (!recon::make_system(chosen, {})) return misuse("--control: there is no " + chosen);
    return command.run(*args);
  }
  return misuse("there is no command " + std::string{name});
}
}  // namespace

int main(int argc, char** argv) {
  try {
    return run({argv + 1, argv + argc});
  } catch (std::exception const& e) {
    std::fprintf(stderr, "recon: %s\n", e.what());
    return recon::Exit::failed;
  }
}

// SPDX-License-Identifier: BSL-1.0
// Looks at a log, says what is the matter with it, and repairs it as far as it is told to.
//
//   log_doctor check|plan|repair|index|dump|append|scrub|mend PATH --format framed|leveldb|kafka
//              [--recovery refuse|cut|quarantine|salvage] [--fingerprint N] [--jobs N]
//              [--every N] [--from N] [--segment-size N] [--rate N] [--replica DIR]
//              [--json] [--progress]
//
// PATH is the directory of a framed log, or one file of another format.
//   check, plan  touch nothing: what is the matter, and what --recovery (default: cut) would do
//   repair       does it; with --fingerprint (of a plan) only if the log is still as it was then
//   index        makes the indexes that are missing or wrong, one entry for --every records (64)
//   dump         prints the records that hold, from number --from on; touches nothing
//   append       adds each line of its input as one record, in segments of --segment-size bytes
//   scrub        reads the sealed segments of a log that may be in use, at --rate bytes a second
//   mend         takes what is damaged or missing from the copy of the log in --replica
// `index` and `append` open the log as `repair` does. --jobs segments are examined at once.
//
// Exit code: 0 clean (or done, with nothing to repair), 1 repaired or repairable (or indexes were
// made), 2 refused: nothing was touched; also for rot that a scrub has found, for what a replica
// could not mend, and for wrong arguments.
#include <algorithm>
#include <cstddef>
#include <cstdio>
#include <iostream>
#include <optional>
#include <string>

#include "args.hpp"
#include "formats.hpp"
#include "show.hpp"

namespace {
// Calls `use(log, report)` with the opened log.
template <class Kind, class Use>
hf::result<void> with_log(Args const& args, hf::LogReport const* planned, Use use) {
  switch (args.recovery) {
    case hf::Recovery::refuse:
      return Kind::template open<hf::Recovery::refuse>(args, planned, use);
    case hf::Recovery::cut:
      return Kind::template open<hf::Recovery::cut>(args, planned, use);
    case hf::Recovery::quarantine:
      return Kind::template open<hf::Recovery::quarantine>(args, planned, use);
    case hf::Recovery::salvage:
      return Kind::template open<hf::Recovery::salvage>(args, planned, use);
  }
  return hf::failure(hf::errc::invalid, "recovery");
}

template <class Kind>
int check(Args const& args) {
  auto const found = Kind::look(args);
  if (!found) return fail(found.error());
  show(found.value(), args);
  return judged(found.value().verdict, args.recovery);
}

// What was looked at is what is repaired, or nothing is. A path that does not exist is not made:
// that is for `append`.
template <class Kind>
int repair(Args args) {
  auto const found = Kind::look(args);
  if (!found) return fail(found.error());
  if (args.fingerprint && *args.fingerprint != found.value().fingerprint) {
    return fail(hf::error{hf::errc::conflict, "repair as planned", args.path});
  }
  args.fingerprint = found.value().fingerprint;
  auto const done =
      with_log<Kind>(args, &found.value(), [&args](auto&, hf::LogReport const& report) {
        show(report, args);
        return hf::result<void>{hf::ok()};
      });
  if (!done) return fail(done.error());
  return found.value().verdict == hf::Verdict::clean ? clean : repairable;
}

template <class Kind>
int index(Args const& args) {
  auto const found = Kind::look(args);
  if (!found) return fail(found.error());
  std::size_t made = 0;
  auto const done =
      with_log<Kind>(args, nullptr, [&](auto& log, hf::LogReport const&) -> hf::result<void> {
        HOLDFAST_TRY(count, Kind::index(log, args));
        made = count;
        return hf::ok();
      });
  if (!done) return fail(done.error());
  if (args.json) {
    hf::Json out;
    out.object([&] { out.field("indexed", made); });
    std::puts(out.text().c_str());
  } else {
    std::printf("indexes made for %zu segments\n", made);
  }
  return made == 0 && found.value().verdict == hf::Verdict::clean ? clean : repairable;
}

template <class Kind>
int dump(Args const& args) {
  auto const found = Kind::look(args);
  if (!found) return fail(found.error());
  auto const printed = Kind::read(args, found.value(), [&](auto all) -> hf::result<void> {
    for (auto const& record : all) {
      if (!record) return hf::failure(record.error());
      print(record.value(), args.json);
    }
    return hf::ok();
  });
  if (!printed) return fail(printed.error());
  return judged(found.value().verdict, args.recovery);
}

template <class Kind>
int append(Args const& args) {
  auto const done =
      with_log<Kind>(args, nullptr, [](auto& log, hf::LogReport const&) -> hf::result<void> {
        for (std::string line; std::getline(std::cin, line);) {
          HOLDFAST_TRYV(log.append(Kind::payload_of(line)));
        }
        return log.close();
      });
  return done ? clean : fail(done.error());
}

template <class Kind>
int scrub(Args const& args) {
  auto const seen = Kind::scrub(args);
  if (!seen) return fail(seen.error());
  show(seen.value(), args.json);
  return seen.value().rot.empty() ? clean : refused;
}

template <class Kind>
int mend(Args const& args) {
  auto const done = Kind::mend(args);
  if (!done) return fail(done.error());
  show(done.value(), args.json);
  auto const& all = done.value();
  if (all.empty()) return clean;
  bool const left = std::any_of(all.begin(), all.end(), [](auto const& one) { return one.left; });
  return left ? refused : repairable;
}

template <class Kind>
std::optional<int> run(Args const& args) {
  if (args.command == "check" || args.command == "plan") return check<Kind>(args);
  if (args.command == "repair") return repair<Kind>(args);
  if (args.command == "index") return index<Kind>(args);
  if (args.command == "dump") return dump<Kind>(args);
  if (args.command == "append") return append<Kind>(args);
  if (args.command == "scrub") return scrub<Kind>(args);
  if (args.command == "mend" && !args.replica.empty()) return mend<Kind>(args);
  return {};
}

int usage() {
  std::fprintf(stderr,
               "usage: log_doctor check|plan|repair|index|dump|append|scrub|mend PATH --format %s\n"
               "       [--recovery refuse|cut|quarantine|salvage] [--fingerprint N] [--jobs N]\n"
               "       [--every N] [--from N] [--segment-size N] [--rate N] [--replica DIR]\n"
               "       [--json] [--progress]\n"
               "exit: 0 clean, 1 repaired or repairable, 2 refused (nothing was touched)\n",
               formats);
  return refused;
}
}  // namespace

int main(int count, char** values) {
  auto const args = Parser{count, values}.parse();
  if (!args) return usage();
  auto const done = with_format(
      args->format, [&args]<class Kind>(Kind) { return run<Kind>(*args).value_or(-1); });
  return done && *done >= 0 ? *done : usage();
}

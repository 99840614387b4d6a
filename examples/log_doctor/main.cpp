// SPDX-License-Identifier: BSL-1.0
// Looks at a log, says what is the matter with it, and repairs it as far as it is told to.
//
//   log_doctor check|plan|repair|dump|append PATH --format framed|leveldb
//              [--recovery refuse|cut|quarantine|salvage] [--fingerprint N] [--json]
//
// PATH is the directory of a framed log, or one file of LevelDB's format. `check` and `plan` touch
// nothing; `repair` does what --recovery (default: cut) allows, with --fingerprint only if `plan`
// still says the same; `dump` prints the records; `append` adds each line of its input as one.
// Exit code: 0 clean, 1 repaired or repairable, 2 refused (nothing was touched), or wrong
// arguments.
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "holdfast/format/leveldb.hpp"
#include "holdfast/log.hpp"
#include "holdfast/log/examine.hpp"
#include "holdfast/report/json.hpp"

namespace {
enum Exit : int { clean = 0, repairable = 1, refused = 2 };

struct Args {
  std::string command{};
  std::string path{};
  std::string format{"framed"};
  hf::Recovery recovery = hf::Recovery::cut;
  std::optional<std::uint64_t> fingerprint{};
  bool json = false;
};

std::optional<hf::Recovery> recovery_named(std::string_view name) {
  for (auto const one :
       {hf::Recovery::refuse, hf::Recovery::cut, hf::Recovery::quarantine, hf::Recovery::salvage}) {
    if (hf::name(one) == name) return one;
  }
  return {};
}

std::optional<Args> parse(int count, char** values) {
  Args args;
  std::vector<std::string_view> plain;
  for (int i = 1; i < count; ++i) {
    std::string_view const one = values[i];
    bool const has_value = i + 1 < count;
    if (one == "--json") {
      args.json = true;
    } else if (one == "--format" && has_value) {
      args.format = values[++i];
    } else if (one == "--recovery" && has_value) {
      auto const named = recovery_named(values[++i]);
      if (!named) return {};
      args.recovery = *named;
    } else if (one == "--fingerprint" && has_value) {
      char* end = nullptr;
      args.fingerprint = std::strtoull(values[++i], &end, 10);
      if (end == values[i] || *end != '\0') return {};
    } else if (one.substr(0, 2) == "--") {
      return {};
    } else {
      plain.push_back(one);
    }
  }
  bool const known = args.format == "framed" || args.format == "leveldb";
  if (plain.size() != 2 || !known) return {};
  args.command = plain[0];
  args.path = plain[1];
  return args;
}

int fail(hf::error const& cause) {
  std::fprintf(stderr, "log_doctor: %s\n", cause.text().c_str());
  return refused;
}

// ---- what there is to say

void write(hf::Json& out, hf::SegmentReport const& one) {
  auto const& plan = one.recovered.found;
  out.object([&] {
    out.field("base", one.base).field("verdict", hf::name(plan.verdict));
    out.field("size", plan.size).field("kept", plan.kept).field("records", plan.records);
    out.field("salvageable", plan.salvageable).field("witness", plan.witness);
    out.field("cut_bytes", one.recovered.cut_bytes);
    out.field("skipped_bytes", one.recovered.skipped_bytes);
  });
}
void show_json(hf::LogReport const& report) {
  hf::Json out;
  out.object([&] {
    out.field("verdict", hf::name(report.verdict)).field("records", report.records);
    out.field("missing_records", report.missing_records);
    // A text: more digits than a reader's numbers may have.
    out.field("fingerprint", std::to_string(fingerprint(report)));
    out.key("segments").array([&] {
      for (auto const& one : report.segments) write(out, one);
    });
    out.key("foreign").array([&] {
      for (auto const& name : report.foreign) out.value(name);
    });
    out.key("set_aside").array([&] {
      for (auto const& name : report.set_aside) out.value(name);
    });
  });
  std::puts(out.text().c_str());
}
void show(hf::LogReport const& report, bool json) {
  if (json) return show_json(report);
  for (auto const& one : report.segments) {
    auto const& plan = one.recovered.found;
    std::printf(
        "%020llu  %s: %llu records, %llu of %llu bytes hold",
        static_cast<unsigned long long>(one.base), std::string{hf::name(plan.verdict)}.c_str(),
        static_cast<unsigned long long>(plan.records), static_cast<unsigned long long>(plan.kept),
        static_cast<unsigned long long>(plan.size));
    if (plan.salvageable != 0) {
      std::printf(", %llu records behind the damage",
                  static_cast<unsigned long long>(plan.salvageable));
    }
    std::puts("");
  }
  for (auto const& name : report.foreign) std::printf("left alone: %s\n", name.c_str());
  for (auto const& name : report.set_aside) std::printf("set aside: %s\n", name.c_str());
  std::printf("%s: %llu records, fingerprint %llu\n", std::string{hf::name(report.verdict)}.c_str(),
              static_cast<unsigned long long>(report.records),
              static_cast<unsigned long long>(fingerprint(report)));
}
// To those who watch, not to the programs that read.
void progress(std::size_t done, std::size_t all) {
  if (done % 64 == 63) std::fprintf(stderr, "\r%zu of %zu segments", done + 1, all);
}

bool opens(hf::Verdict verdict, hf::Recovery recovery) {
  bool const passes_holes =
      recovery == hf::Recovery::quarantine || recovery == hf::Recovery::salvage;
  return verdict == hf::Verdict::hole ? passes_holes : hf::may_open(verdict, recovery);
}
int judged(hf::Verdict verdict, hf::Recovery recovery) {
  if (verdict == hf::Verdict::clean) return clean;
  return opens(verdict, recovery) ? repairable : refused;
}

// ---- the two kinds of log

hf::result<hf::LogReport> look(Args const& args) {
  if (args.format == "framed") return hf::examine_log(args.path, progress);
  HOLDFAST_TRY(file, hf::FileSegment::open_to_read(args.path));
  HOLDFAST_TRY(plan, hf::examine(file, hf::LevelDbLog{}));
  hf::LogReport report;
  report.verdict = plan.verdict;
  report.records = plan.records;
  report.segments.push_back({0, {.found = plan}});
  return report;
}

// Calls `use` with the opened log.
template <hf::Recovery How, class Use>
hf::result<void> with_log(Args const& args, Use use) {
  if (args.format == "framed") {
    HOLDFAST_TRY(log, hf::Log<How>::open(args.path));
    return use(log, log.report());
  }
  HOLDFAST_TRY(file, hf::FileSegment::open(args.path));
  HOLDFAST_TRY(log, hf::open_recoverable<How>(std::move(file), hf::LevelDbLog{}));
  hf::LogReport report;
  report.segments.push_back({0, log.recovered()});
  report.verdict = report.segments.front().recovered.found.verdict;
  report.records = report.segments.front().recovered.found.records;
  return use(log, report);
}
template <class Use>
hf::result<void> with_recovery(Args const& args, Use use) {
  switch (args.recovery) {
    case hf::Recovery::refuse:
      return with_log<hf::Recovery::refuse>(args, use);
    case hf::Recovery::cut:
      return with_log<hf::Recovery::cut>(args, use);
    case hf::Recovery::quarantine:
      return with_log<hf::Recovery::quarantine>(args, use);
    case hf::Recovery::salvage:
      return with_log<hf::Recovery::salvage>(args, use);
  }
  return hf::failure(hf::errc::invalid, "recovery");
}

// ---- the commands

int check(Args const& args) {
  auto const found = look(args);
  if (!found) return fail(found.error());
  show(found.value(), args.json);
  return judged(found.value().verdict, args.recovery);
}

// A path that does not exist is not made: that is for `append`.
int repair(Args const& args) {
  auto const found = look(args);
  if (!found) return fail(found.error());
  if (args.fingerprint && *args.fingerprint != fingerprint(found.value())) {
    return fail(hf::error{hf::errc::conflict, "repair as planned", args.path});
  }
  auto const done = with_recovery(args, [&args](auto&, hf::LogReport const& report) {
    show(report, args.json);
    return hf::result<void>{hf::ok()};
  });
  if (!done) return fail(done.error());
  return found.value().verdict == hf::Verdict::clean ? clean : repairable;
}

void print(hf::Record const& record) {
  std::printf("%llu at %llu, %zu bytes: ", static_cast<unsigned long long>(record.sequence),
              static_cast<unsigned long long>(record.begin), record.payload.size());
  for (char const c : hf::as_text(record.payload).substr(0, 60)) {
    std::putchar(c >= ' ' && c <= '~' ? c : '.');
  }
  std::puts(record.payload.size() > 60 ? " ..." : "");
}
template <class All>
hf::result<void> print_all(All all) {
  for (auto const& record : all) {
    if (!record) return hf::failure(record.error());
    print(record.value());
  }
  return hf::ok();
}
// Reads what holds, without a lock and without recovering anything.
hf::result<void> dump_what_holds(Args const& args, hf::LogReport const& report) {
  if (args.format == "framed") {
    std::vector<hf::LogRecords<hf::Posix>::Part> parts;
    for (auto const& one : report.segments) {
      parts.push_back({one.base, one.recovered.found.kept, false});
      if (one.recovered.found.verdict != hf::Verdict::clean) break;
    }
    return print_all(hf::LogRecords<hf::Posix>{{}, args.path, std::move(parts), {}});
  }
  HOLDFAST_TRY(file, hf::FileSegment::open_to_read(args.path));
  auto const from = std::make_shared<hf::FileSegment const>(std::move(file));
  auto const end = report.segments.front().recovered.found.kept;
  return print_all(hf::Records<hf::FileSegment, hf::LevelDbLog>{from, {}, end, {}, false});
}
int dump(Args const& args) {
  auto const found = look(args);
  if (!found) return fail(found.error());
  auto const printed = dump_what_holds(args, found.value());
  if (!printed) return fail(printed.error());
  return judged(found.value().verdict, args.recovery);
}

int append(Args const& args) {
  auto const done = with_recovery(args, [](auto& log, hf::LogReport const&) -> hf::result<void> {
    for (std::string line; std::getline(std::cin, line);) {
      HOLDFAST_TRYV(log.append(hf::as_bytes(line)));
    }
    return log.close();
  });
  return done ? clean : fail(done.error());
}
}  // namespace

int main(int count, char** values) {
  auto const args = parse(count, values);
  if (args && (args->command == "check" || args->command == "plan")) return check(*args);
  if (args && args->command == "repair") return repair(*args);
  if (args && args->command == "dump") return dump(*args);
  if (args && args->command == "append") return append(*args);
  std::fputs(
      "usage: log_doctor check|plan|repair|dump|append PATH --format framed|leveldb\n"
      "       [--recovery refuse|cut|quarantine|salvage] [--fingerprint N] [--json]\n",
      stderr);
  return refused;
}

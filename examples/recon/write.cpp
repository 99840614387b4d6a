// SPDX-License-Identifier: BSL-1.0
// The commands that write: reprocess, recover, revert.
#include "commands.hpp"
#include "home.hpp"
#include "walk.hpp"

namespace recon {
namespace {
void put(Json& json, Skipped const& skipped) {
  json.key("skipped").object([&] {
    json.field("vanished", skipped.vanished)
        .field("denied", skipped.denied)
        .field("failed", skipped.failed);
    json.key("examples").array([&] {
      for (auto const& example : skipped.examples) json.value(example);
    });
  });
}

void tell(Progress& progress, Skipped const& skipped) {
  if (skipped.all() == 0) return;
  progress.line("skipped: " + grouped(skipped.vanished) + " vanished, " + grouped(skipped.denied) +
                " denied, " + grouped(skipped.failed) + " failed; such as");
  for (auto const& example : skipped.examples) progress.line("  " + printable(example));
}

// How many entries the last build read: what the bar of this one is measured by.
std::uint64_t last_entries(System& system) {
  std::uint64_t entries = 0;
  auto reader = system.reader();
  if (!reader) return 0;
  auto const read = reader.assume_value()->read([&](Parts const&, Shown const& shown) {
    if (shown.marks && shown.marks->count("entries") != 0) entries = shown.marks->at("entries");
    return hf::result<void>{hf::ok()};
  });
  return read ? entries : 0;
}
}  // namespace

int reprocess(Args const& args) {
  auto const system = system_of(args);
  auto const root = resolve_root(args.operand());
  if (!root) return fail(args, root.error());
  Progress progress{args.has("--quiet")};
  bool const holdfast = args.get("--control", "holdfast") == "holdfast";
  if (holdfast && !args.has("--max-files")) progress.expect(last_entries(*system));
  Stopwatch const clock;
  auto const built = system->rebuild({.root = root.assume_value(),
                                      .max_files = args.number("--max-files", 0),
                                      .slow_us = args.number("--slow-us", 0)},
                                     progress);
  if (!built) return fail(args, built.error());
  auto const& done = built.assume_value();
  tell(progress, done.skipped);
  if (!done.housekeeping.empty()) progress.line("left for later: " + done.housekeeping);
  answer(
      args,
      [&](Json& json) {
        json.field("generation", done.generation).field("sequence", done.sequence);
        put(json, done.counts);
        json.field("containers", done.containers).field("cut", done.cut);
        put(json, done.skipped);
        json.field("build_ms", done.build_ms)
            .field("switch_ms", done.switch_ms)
            .field("total_ms", clock.ms())
            .field("housekeeping", done.housekeeping);
      },
      [&] {
        std::printf("generation %s: %s in %s containers; built in %s ms, switched in %s ms\n",
                    grouped(done.generation).c_str(), describe(done.counts).c_str(),
                    grouped(done.containers).c_str(), fixed(done.build_ms).c_str(),
                    fixed(done.switch_ms).c_str());
      });
  return Exit::right;
}

int recover(Args const& args) {
  auto const system = system_of(args);
  Stopwatch const clock;
  auto const restarted = system->restart();
  if (!restarted) return fail(args, restarted.error());
  double const ms = clock.ms();
  answer(
      args, [&](Json& json) { json.field("open_ms", ms); },
      [&] { std::printf("opened and recovered in %s ms\n", fixed(ms).c_str()); });
  return Exit::right;
}

int revert(Args const& args) {
  Watch watch;
  auto home = open_home(system_options(args), watch);
  if (!home) return fail(args, home.error());
  auto const status = home.assume_value().status();
  if (!status) return fail(args, status.error());
  // Without --to: the newest one that is not current.
  auto to = args.number("--to", 0);
  if (to == 0 && status.assume_value().manifest) {
    auto const& manifest = *status.assume_value().manifest;
    for (auto const& kept : manifest.retained) {
      if (to == 0 && kept.generation != manifest.current) to = kept.generation.number;
    }
  }
  if (to == 0) {
    return fail(args, hf::error{hf::errc::not_retained, "revert", "there is no earlier one"});
  }
  auto const done = home.assume_value().revert({to});
  if (!done) return fail(args, done.error());
  answer(
      args,
      [&](Json& json) {
        json.field("generation", to).field("sequence", done.assume_value().sequence);
      },
      [&] { std::printf("generation %s is current again\n", grouped(to).c_str()); });
  return Exit::right;
}

}  // namespace recon

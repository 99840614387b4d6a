// SPDX-License-Identifier: BSL-1.0
// What the commands share.
#include "commands.hpp"

#include <filesystem>
#include <system_error>

namespace recon {

std::string home_of(Args const& args) {
  std::error_code ignored;
  auto const home = std::filesystem::weakly_canonical(args.get("--home"), ignored);
  if (ignored) return std::filesystem::absolute(args.get("--home")).string();
  return home.string();
}

SystemOptions system_options(Args const& args) {
  return {.home = home_of(args),
          .retain = args.number("--retain", 2),
          .grace_ms = static_cast<std::int64_t>(args.number("--grace-ms", 1000)),
          .phase_descriptor =
              args.has("--phases-to") ? static_cast<int>(args.number("--phases-to", 0)) : -1,
          .stay = args.has("--stay")};
}

std::unique_ptr<System> system_of(Args const& args) {
  return make_system(args.get("--control", "holdfast"), system_options(args));
}

void answer(Args const& args,
            std::function<void(Json&)> const& json,
            std::function<void()> const& text) {
  if (!args.has("--json")) return text();
  Json out;
  out.object([&] { json(out); });
  std::printf("%s\n", out.text().c_str());
}

int fail(Args const& args, hf::error const& why) {
  std::fprintf(stderr, "recon: %s\n", printable(why.text()).c_str());
  if (args.has("--json")) {
    answer(
        args, [&](Json& json) { json.field("error", why.text()); }, [] {});
  }
  return Exit::failed;
}

void put(Json& json, Counts const& counts) {
  json.field("entries", counts.entries())
      .field("files", counts.files)
      .field("directories", counts.directories)
      .field("symlinks", counts.symlinks)
      .field("other", counts.other)
      .field("bytes", counts.bytes);
}

std::string describe(Counts const& counts) {
  return grouped(counts.files) + " files, " + human_bytes(counts.bytes) + " (" +
         grouped(counts.bytes) + " bytes), " + grouped(counts.directories) + " folders, " +
         grouped(counts.symlinks) + " symlinks, " + grouped(counts.other) + " other";
}

}  // namespace recon

// SPDX-License-Identifier: BSL-1.0
// Kills a publisher at every call, then lets another process drop what the name gave before: in no
// crash state may the name give what is gone.
#include <cstdint>
#include <string>

#include "catch.hpp"
#include "crash/variants.hpp"
#include "explored.hpp"

namespace {
using namespace hf::testing;  // NOLINT(google-build-using-namespace)
using Place = crash::OneDirectory<SimulatedFiles>;

Verdict build(Place const& place, SimulatedProcess const& process, std::uint64_t g) {
  auto store = place.open(process);
  auto writer = store.create({g});
  if (!writer) return laws::b1.refused("create", writer.error());
  auto const sealed = store.seal(writer.assume_value());
  if (!sealed) return laws::b1.refused("seal", sealed.error());
  return {};
}

Scenario publisher_killed_after(std::uint64_t calls) {
  Place const place{};
  auto const work = [=](Run& run) -> Verdict {
    auto const builder = run.start();
    for (std::uint64_t g = 1; g <= 2; ++g) {
      if (auto broken = build(place, builder, g)) return broken;
    }
    auto const first = place.open(builder).publish({1});
    if (!first) return laws::published.refused("publish", first.error());
    auto const killed = run.start();
    killed.kill_after(calls);
    static_cast<void>(place.open(killed).publish({2}));
    // Refused while the name still gives it, which is as it must be.
    static_cast<void>(place.open(run.start()).drop({1}));
    return {};
  };
  auto const recover = [=](Run& run) {
    Recovered out;
    auto const process = run.start();
    auto const target = process.files.read_link("/db/keys/current");
    if (!target) return out;  // not published yet
    hf::Generation const g{std::stoull(target.assume_value())};
    auto const opened = place.open(process).open(g);
    out.seen = out.left = target.assume_value();
    if (!opened) out.broken = laws::published.refused("opening what is published", opened.error());
    return out;
  };
  return {"publish", 4096, work, recover};
}
}  // namespace

TEST_CASE("a name that a killed publisher moved never gives what was dropped", "[directory]") {
  for (auto const mode : crash_modes) {
    for (std::uint64_t calls = 0; calls < 24; ++calls) {
      CAPTURE(name(mode), calls);
      CHECK(crash::broken(publisher_killed_after(calls), {.mode = mode, .depth = 1}) == "");
    }
  }
}

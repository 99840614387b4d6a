// SPDX-License-Identifier: BSL-1.0
// The commands that write nothing to a home: status, inspect, plan, verify, backup.
#include <cstdio>
#include <memory>
#include <string>

#include "any_store.hpp"
#include "commands.hpp"
#include "findings.hpp"
#include "holdfast/backend/file_register.hpp"
#include "holdfast/report/text.hpp"
#include "holdfast/staged.hpp"
#include "show.hpp"

namespace tool {
namespace {
using hf::Generation, hf::detail::join;

int show(Args const& args, bool every) {
  auto const look = look_at(args.home());
  if (!look) return refuse(args, look.error());
  auto const& seen = look.assume_value();
  auto const silent_ns = static_cast<std::int64_t>(args.number("--silent", 600)) * 1'000'000'000;
  auto const findings = findings_of(seen, silent_ns);
  if (args.has("--json")) {
    hf::Json json;
    json.object([&] { put(json, seen, findings, every); });
    std::printf("%s\n", json.text().c_str());
  } else {
    print(seen, findings, every);
  }
  return needs_attention(findings) ? Exit::attention : Exit::fine;
}

// What would become of one generation that is to be dropped.
struct Fate {
  Generation generation;
  std::uint64_t bytes = 0;
  bool drops = false;
  std::string why;
};
bool in_grace(Look const& look, std::int64_t since_ms, std::int64_t grace_ms) {
  auto const age_ms = look.now_ns / 1'000'000 - since_ms;
  return age_ms >= 0 && age_ms < grace_ms;
}
std::vector<Fate> fates(Look const& look, std::int64_t grace_ms) {
  std::vector<Fate> all;
  auto const& m = *look.record;
  for (auto const& [g, since_ms] : m.retiring) {
    Fate fate{g, look.bytes_of(g), false, {}};
    if (fate.bytes == 0) continue;  // dropped already; the next store takes it out of the record
    auto const* const pin = look.pin(g);
    if (hf::detail::manifest::carried(m, g)) {
      fate.why = "a retained generation has parts of it";
    } else if (pin != nullptr) {
      fate.why = "read by " + describe(pin->holders, look.pins.hidden);
    } else if (in_grace(look, since_ms, grace_ms)) {
      fate.why = "in its grace, for readers of the outside names";
    } else {
      fate.drops = true;
      fate.why = "retires for " + hf::human_time(look.now_ns - since_ms * 1'000'000);
    }
    all.push_back(std::move(fate));
  }
  if (m.attempt) {
    auto const g = m.attempt->generation;
    Fate fate{g, look.bytes_of(g), !look.holder && !look.lock_trouble, {}};
    fate.why = fate.drops ? "its builder died" : "it is being built";
    all.push_back(std::move(fate));
  }
  for (auto const g : look.generations()) {
    if (look.foreign(g)) all.push_back({g, look.bytes_of(g), false, "the record does not list it"});
  }
  return all;
}

// Opens the home for reading; what is read goes by `progress`.
auto follow(Look const& look, std::shared_ptr<Progress> progress) {
  AnyStore store{look.part_names, std::move(progress)};
  store.place(look.home);
  return hf::open_view(std::move(store), hf::FileRegister{join(look.home, "CURRENT")});
}
}  // namespace

int inspect(Args const& args) {
  return show(args, true);
}
int status(Args const& args) {
  return show(args, false);
}

int plan(Args const& args) {
  auto const look = look_at(args.home());
  if (!look) return refuse(args, look.error());
  auto const& seen = look.assume_value();
  if (seen.trouble) return refuse(args, *seen.trouble);
  if (!seen.record) return refuse(args, hf::error{hf::errc::no_generation, "plan", args.home()});
  auto const all = fates(seen, args.grace_ms());
  std::uint64_t freed = 0;
  for (auto const& fate : all) freed += fate.drops ? fate.bytes : 0;
  if (args.has("--json")) {
    hf::Json json;
    json.object([&] {
      json.key("generations").array([&] {
        for (auto const& fate : all) {
          json.object([&] {
            json.field("generation", fate.generation.number)
                .field("bytes", fate.bytes)
                .field("drops", fate.drops)
                .field("why", fate.why);
          });
        }
      });
      json.field("would_free_bytes", freed);
    });
    std::printf("%s\n", json.text().c_str());
    return Exit::fine;
  }
  for (auto const& fate : all) {
    std::printf("%-6s generation %llu, %s: %s\n", fate.drops ? "drop" : "keep",
                static_cast<unsigned long long>(fate.generation.number),
                hf::human_bytes(fate.bytes).c_str(), hf::printable(fate.why).c_str());
  }
  std::printf("collect would free %s\n", hf::human_bytes(freed).c_str());
  return Exit::fine;
}

int verify(Args const& args) {
  auto const look = look_at(args.home());
  if (!look) return refuse(args, look.error());
  auto const& seen = look.assume_value();
  if (!seen.record) {
    return refuse(args, seen.trouble.value_or(hf::error{hf::errc::no_generation, "verify"}));
  }
  Generation const g{args.generation().value_or(seen.record->current.number)};
  auto followed = follow(seen, std::make_shared<Progress>("verifying", seen.bytes_of(g)));
  if (!followed) return refuse(args, followed.error());
  auto const verdicts = followed.assume_value().verify(g);
  if (!verdicts) return refuse(args, verdicts.error());
  bool whole = true, only_names = false;
  hf::Json json;
  json.object([&] {
    json.field("generation", g.number);
    json.key("parts").array([&] {
      for (auto const& verdict : verdicts.assume_value()) {
        whole = whole && verdict.found;
        auto const found = verdict.found ? verdict.found.assume_value() : hf::Verified::digests;
        only_names =
            only_names || found == hf::Verified::names_and_sizes || found == hf::Verified::identity;
        auto const by = verdict.found ? std::string{hf::name(verdict.found.assume_value())} : "";
        json.object([&] {
          json.field("name", verdict.part)
              .field("generation", verdict.generation.number)
              .field("whole_by", by)
              .field("wrong", verdict.found ? "" : verdict.found.error().text());
        });
        if (args.has("--json")) continue;
        std::printf("%s, generation %llu: %s\n", hf::printable(verdict.part).c_str(),
                    static_cast<unsigned long long>(verdict.generation.number),
                    verdict.found ? ("whole, by " + by).c_str()
                                  : hf::printable(verdict.found.error().text()).c_str());
      }
    });
    json.field("whole", whole);
  });
  if (args.has("--json")) {
    std::printf("%s\n", json.text().c_str());
  } else if (whole && only_names) {
    std::printf(
        "where no digests were taken, damage inside a file of the right size is found by the\n"
        "program's own verify alone\n");
  }
  return whole ? Exit::fine : Exit::attention;
}

int backup(Args const& args) {
  auto const look = look_at(args.home());
  if (!look) return refuse(args, look.error());
  auto const& seen = look.assume_value();
  if (!seen.record) {
    return refuse(args, seen.trouble.value_or(hf::error{hf::errc::no_generation, "backup"}));
  }
  auto const bytes = seen.bytes_of(seen.record->current);
  auto const progress = std::make_shared<Progress>("copying", bytes);
  auto followed = follow(seen, progress);
  if (!followed) return refuse(args, followed.error());
  auto const copied = followed.assume_value().backup(args.operand(), AnyStore{seen.part_names});
  if (!copied) return refuse(args, copied.error());
  if (args.has("--json")) {
    hf::Json json;
    json.object([&] {
      json.field("generation", copied.assume_value().number).field("to", args.operand());
    });
    std::printf("%s\n", json.text().c_str());
  } else {
    std::printf("generation %llu is in %s, a home of its own\n",
                static_cast<unsigned long long>(copied.assume_value().number),
                hf::printable(args.operand()).c_str());
  }
  return Exit::fine;
}

}  // namespace tool

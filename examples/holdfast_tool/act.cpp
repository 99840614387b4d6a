// SPDX-License-Identifier: BSL-1.0
// The commands that change a home, each by the library's own operation: collect, revert, hold,
// unhold.
#include <cstdint>
#include <cstdio>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "any_store.hpp"
#include "commands.hpp"
#include "findings.hpp"
#include "holdfast/backend/file_register.hpp"
#include "holdfast/policy/file_lock.hpp"
#include "holdfast/report/observer.hpp"
#include "holdfast/report/text.hpp"
#include "holdfast/staged.hpp"
#include "show.hpp"

namespace tool {
namespace {
using hf::Event, hf::Generation, hf::detail::join;

// What the library told while it worked: also opening a home drops and publishes.
struct Heard {
  Look const* look = nullptr;
  bool tells = true;  // on standard output, as it happens
  std::vector<Generation> dropped{};
  std::uint64_t freed = 0;
  std::vector<std::string> failed{};
  std::optional<std::string> unpublished{};

  [[nodiscard]] std::vector<std::string> failures() const {
    auto all = failed;
    if (unpublished) all.push_back(*unpublished);
    return all;
  }
  void hear(Event const& event) {
    auto const number = std::to_string(event.generation.number);
    switch (event.kind) {
      case Event::Kind::dropped:
      case Event::Kind::recovered: {
        auto const bytes = look->bytes_of(event.generation);
        dropped.push_back(event.generation);
        freed += bytes;
        if (tells) {
          std::printf("dropped generation %s, %s\n", number.c_str(),
                      hf::human_bytes(bytes).c_str());
        }
        return;
      }
      case Event::Kind::drop_failed:
        if (event.cause->code() == hf::errc::pinned) return;  // told by what waits
        failed.push_back("generation " + number + " was not dropped: " + event.cause->text());
        return;
      case Event::Kind::publish_failed:
        unpublished =
            "the outside names were not moved to generation " + number + ": " + event.cause->text();
        return;
      case Event::Kind::published:
        unpublished.reset();
        return;
      default:
        return;
    }
  }
};

struct Hear {
  std::shared_ptr<Heard> heard;
  void operator()(Event const& event) const { heard->hear(event); }
};

// Opening drops too, so that it gives readers by the outside names their grace.
auto open(Look const& look, std::int64_t grace_ms, std::shared_ptr<Heard> heard) {
  AnyStore store{look.part_names};
  store.place(look.home);
  return hf::open_staged(hf::StagedOptions{.publish_grace_ms = grace_ms}, std::move(store),
                         hf::FileRegister{join(look.home, "CURRENT")},
                         hf::FileLock{join(look.home, "LOCK")},
                         hf::observed(Hear{std::move(heard)}));
}

// Looks, opens for writing, lets `work(home, look, heard)` do its part.
template <class Work>
int with_home(Args const& args, Work const& work) {
  auto const look = look_at(args.home());
  if (!look) return refuse(args, look.error());
  auto const& seen = look.assume_value();
  if (seen.trouble || !seen.record) {
    auto const code = refuse(
        args, seen.trouble.value_or(hf::error{hf::errc::no_generation, "open", args.home()}));
    std::fprintf(stderr, "next: %s\n", tool_command("inspect", seen).c_str());
    return code;
  }
  auto const heard = std::make_shared<Heard>();
  heard->look = &seen;
  heard->tells = !args.has("--json");
  auto home = open(seen, args.grace_ms(), heard);
  if (!home) return refuse(args, home.error());
  return work(home.assume_value(), seen, *heard);
}

int done(Args const& args, Heard const& heard, std::string const& text, hf::Json const& json) {
  if (args.has("--json")) {
    std::printf("%s\n", json.text().c_str());
  } else {
    std::printf("%s\n", text.c_str());
  }
  auto const failures = heard.failures();
  for (auto const& failure : failures) {
    std::fprintf(stderr, "holdfast_tool: %s\n", hf::printable(failure).c_str());
  }
  return failures.empty() ? Exit::fine : Exit::attention;
}

void put_failed(hf::Json& json, Heard const& heard) {
  json.key("failed").array([&] {
    for (auto const& failure : heard.failures()) json.value(failure);
  });
}

int set_hold(Args const& args, bool on) {
  return with_home(args, [&](auto& home, Look const&, Heard& heard) {
    auto const changed = on ? home.hold(args.operand()) : home.unhold();
    if (!changed) return refuse(args, changed.error());
    hf::Json json;
    json.object([&] {
      json.field("held", on).field("reason", on ? args.operand() : "");
      put_failed(json, heard);
    });
    return done(
        args, heard,
        on ? "every commit is refused from now on, also one of a build under way" : "commits go on",
        json);
  });
}
}  // namespace

int collect(Args const& args) {
  return with_home(args, [&](auto& home, Look const&, Heard& heard) {
    auto const collected = home.collect();
    if (!collected) return refuse(args, collected.error());
    auto const after = look_at(args.home());
    hf::Json json;
    std::string text;
    json.object([&] {
      json.key("dropped").array([&] {
        for (auto const g : heard.dropped) json.value(g.number);
      });
      json.field("freed_bytes", heard.freed);
      json.key("waiting").array([&] {
        for (auto const g : collected.assume_value().waiting) {
          auto const* const pin = after ? after.assume_value().pin(g) : nullptr;
          auto const why = pin == nullptr ? "in its grace, or not to be dropped just now"
                                          : "read by " + describe(pin->holders,
                                                                  after.assume_value().pins.hidden);
          text += "generation " + std::to_string(g.number) + " waits: " + hf::printable(why) + "\n";
          json.object([&] { json.field("generation", g.number).field("why", why); });
        }
      });
      put_failed(json, heard);
    });
    return done(args, heard, text + "freed " + hf::human_bytes(heard.freed), json);
  });
}

int revert(Args const& args) {
  return with_home(args, [&](auto& home, Look const& look, Heard& heard) {
    Generation const to{*args.generation()};
    if (to == look.record->current) {
      return refuse(args, hf::error{hf::errc::invalid, "revert", "it is current already"});
    }
    auto const reverted = home.revert(to);
    if (!reverted) {
      auto const code = refuse(args, reverted.error());
      std::vector<std::string> retained;
      for (auto const& kept : look.record->retained) {
        retained.push_back(std::to_string(kept.generation.number));
      }
      std::fprintf(stderr, "retained: %s\n", joined(retained, ", ").c_str());
      return code;
    }
    auto const& committed = reverted.assume_value();
    if (committed.housekeeping && !heard.unpublished) {
      heard.unpublished = "the outside names were not moved: " + committed.housekeeping->text();
    }
    hf::Json json;
    json.object([&] {
      json.field("generation", committed.generation.number)
          .field("sequence", committed.sequence)
          .field("was", look.record->current.number);
      put_failed(json, heard);
    });
    return done(args, heard,
                "generation " + std::to_string(to.number) +
                    " is current again, with its marks; a build under way can't commit any more",
                json);
  });
}

int hold(Args const& args) {
  return set_hold(args, true);
}
int unhold(Args const& args) {
  return set_hold(args, false);
}

}  // namespace tool

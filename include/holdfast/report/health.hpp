// SPDX-License-Identifier: BSL-1.0
// Judges a home: up, down or unknown, with every reason.
#ifndef HOLDFAST_REPORT_HEALTH_HPP
#define HOLDFAST_REPORT_HEALTH_HPP

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "holdfast/config.hpp"
#include "holdfast/detail/manifest.hpp"
#include "holdfast/event.hpp"
#include "holdfast/report/json.hpp"
#include "holdfast/report/progress.hpp"
#include "holdfast/report/text.hpp"
#include "holdfast/result.hpp"
#include "holdfast/staged/housekeeping.hpp"

HOLDFAST_BEGIN

/// From which figures on a home is not well. 0: never.
struct HealthOptions {
  /// The mark that holds the time of the data, in seconds since 1970; empty: age is not judged.
  std::string age_mark{};
  std::int64_t max_age_ms = 86'400'000;
  /// No task of a running build made a step for so long.
  std::int64_t max_silent_ms = 600'000;
  /// A build holds the lock for so long.
  std::int64_t max_held_ms = 14'400'000;
  /// More generations than this wait to be deleted.
  std::size_t max_retiring = 8;
};

/// What is judged. What is not known is left out, and not judged.
struct HealthInput {
  result<Status> status = failure(errc::unknown, "status");  ///< as `status()` answered
  std::optional<RunProgress> run{};                          ///< of a build in this process
  std::optional<error> last_failure{};                       ///< of the last run, if it failed
  std::optional<error> housekeeping{};                       ///< of the last commit (`Committed`)
  std::int64_t wall_ns = 0;                                  ///< the wall clock
};

struct Health {
  enum class Verdict : std::uint8_t {
    up,       ///< readers get what they should; `reasons` may still tell what to look after
    down,     ///< readers get nothing, or nothing new for too long
    unknown,  ///< it can't be told
  };
  struct Reason {
    Verdict verdict;   ///< what it speaks for
    std::string what;  ///< a fixed word: "age", "silent", "held", "retiring", ...
    std::string text;  ///< for a person
  };
  Verdict verdict = Verdict::up;
  std::vector<Reason> reasons{};
  std::optional<double> ratio{};  ///< how far a build is, while one runs here
};

/// As it is written in reports.
[[nodiscard]] constexpr std::string_view name(Health::Verdict verdict) noexcept {
  switch (verdict) {
    case Health::Verdict::up:
      return "up";
    case Health::Verdict::down:
      return "down";
    case Health::Verdict::unknown:
      return "unknown";
  }
  return "?";
}

namespace detail {
class Judge {
 public:
  Judge(HealthInput const& input, HealthOptions const& options)
      : input_{input}, options_{options} {}

  [[nodiscard]] Health judge() && {
    if (!input_.status) {
      say(Verdict::unknown, "status", input_.status.error().text());
      return std::move(health_);
    }
    auto const& status = input_.status.assume_value();
    serving(status);
    age(status);
    building(status);
    housekeeping(status);
    if (input_.last_failure) {
      say(Verdict::up, "last_run", "the last run failed: " + input_.last_failure->text());
    }
    return std::move(health_);
  }

 private:
  using Verdict = Health::Verdict;

  // Down outweighs unknown, which outweighs up.
  void say(Verdict verdict, char const* what, std::string text) {
    bool const worse =
        verdict == Verdict::down || (verdict == Verdict::unknown && health_.verdict == Verdict::up);
    if (worse) health_.verdict = verdict;
    health_.reasons.push_back({verdict, what, std::move(text)});
  }
  [[nodiscard]] static bool over(std::int64_t ns, std::int64_t limit_ms) {
    return limit_ms != 0 && ns / 1'000'000 > limit_ms;
  }

  void serving(Status const& status) {
    if (status.trouble) say(Verdict::down, "trouble", status.trouble->text());
    if (!status.manifest || status.manifest->current.number == 0) {
      say(Verdict::unknown, "empty", "no generation has been committed yet");
    }
    if (status.state == State::failed) {
      say(Verdict::down, "failed", "a rollback failed; recover() puts it right");
    }
  }

  void age(Status const& status) {
    if (options_.age_mark.empty() || !status.manifest) return;
    auto const* const current = manifest::find(*status.manifest, status.manifest->current);
    if (current == nullptr) return;
    auto const mark = current->marks.find(options_.age_mark);
    if (mark == current->marks.end()) {
      return say(Verdict::unknown, "age", "there is no mark " + options_.age_mark);
    }
    constexpr std::uint64_t longest_s = INT64_MAX / 1'000'000'000;
    auto const of_data = static_cast<std::int64_t>(std::min(mark->second, longest_s));
    auto const ns = input_.wall_ns - of_data * 1'000'000'000;
    if (!over(ns, options_.max_age_ms)) return;
    say(Verdict::down, "age", "the current data is " + human_time(ns) + " old");
  }

  void building(Status const& status) {
    if (input_.run && input_.run->running) {
      health_.ratio = input_.run->ratio();
      auto const silent = input_.run->silent_ns();
      if (over(silent, options_.max_silent_ms)) {
        say(Verdict::down, "silent", "no task made a step for " + human_time(silent));
      }
    }
    if (status.holder && status.holder->acquired_at_ns != 0) {
      auto const held = input_.wall_ns - status.holder->acquired_at_ns;
      if (over(held, options_.max_held_ms)) {
        say(Verdict::down, "held",
            "process " + std::to_string(status.holder->owner.pid) + " on " +
                printable(status.holder->owner.host_name()) + " builds for " + human_time(held));
      }
    }
    if (!status.holder && status.manifest && status.manifest->attempt) {
      say(Verdict::up, "unattended",
          "generation " + std::to_string(status.manifest->attempt->generation.number) +
              " was begun and nobody builds it; the next build drops it");
    }
  }

  void housekeeping(Status const& status) {
    if (input_.housekeeping) {
      say(Verdict::up, "housekeeping", "left for later: " + input_.housekeeping->text());
    }
    auto const waiting = status.manifest ? status.manifest->retiring.size() : 0;
    if (options_.max_retiring != 0 && waiting > options_.max_retiring) {
      say(Verdict::up, "retiring",
          std::to_string(waiting) + " generations wait to be deleted; who holds them?");
    }
    if (!status.foreign.empty()) {
      say(Verdict::up, "foreign",
          std::to_string(status.foreign.size()) + " generations are not the record's; left alone");
    }
  }

  HealthInput const& input_;
  HealthOptions const& options_;
  Health health_{};
};
}  // namespace detail

/// Judges a home at one moment.
[[nodiscard]] inline Health health(HealthInput const& input, HealthOptions const& options = {}) {
  return detail::Judge{input, options}.judge();
}

/// One JSON object: {"status": "up", "ratio": ..., "reasons": [...]}.
[[nodiscard]] inline std::string to_json(Health const& health) {
  Json json;
  json.object([&] {
    json.field("status", name(health.verdict)).field("ratio", health.ratio);
    json.key("reasons").array([&] {
      for (auto const& reason : health.reasons) {
        json.object([&] {
          json.field("status", name(reason.verdict))
              .field("what", reason.what)
              .field("text", reason.text);
        });
      }
    });
  });
  return json.text();
}

/// "up", or "down: ...; ..." on one line.
[[nodiscard]] inline std::string to_text(Health const& health) {
  std::string text{name(health.verdict)};
  char const* between = ": ";
  for (auto const& reason : health.reasons) {
    text.append(std::exchange(between, "; ")).append(printable(reason.text));
  }
  return text;
}

HOLDFAST_END

#endif

// SPDX-License-Identifier: BSL-1.0
// Writes a home's status and a run's progress as JSON, for a page or a tool.
#ifndef HOLDFAST_REPORT_JSON_STATUS_HPP
#define HOLDFAST_REPORT_JSON_STATUS_HPP

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "holdfast/config.hpp"
#include "holdfast/detail/manifest.hpp"
#include "holdfast/event.hpp"
#include "holdfast/ids.hpp"
#include "holdfast/report/json.hpp"
#include "holdfast/report/progress.hpp"
#include "holdfast/result.hpp"
#include "holdfast/staged/housekeeping.hpp"

HOLDFAST_BEGIN

namespace detail {
[[nodiscard]] inline double seconds(std::int64_t ns) noexcept {
  return static_cast<double>(ns) / 1e9;
}
[[nodiscard]] inline std::optional<double> seconds(std::optional<std::int64_t> ns) noexcept {
  if (!ns) return {};
  return seconds(*ns);
}

inline void put_null(Json& json) {
  json.value(std::optional<bool>{});
}

inline void put(Json& json, error const& why) {
  json.object([&] {
    json.field("code", message(why.code()))
        .field("where", why.where())
        .field("detail", why.detail())
        .field("native", why.native())
        .field("text", why.text());
  });
}

inline void put(Json& json, std::string_view name, Marks const& marks) {
  json.key(name).object([&] {
    for (auto const& [mark, value] : marks) json.field(mark, value);
  });
}

inline void put(Json& json, std::string_view name, std::vector<Generation> const& all) {
  json.key(name).array([&] {
    for (auto const g : all) json.value(g.number);
  });
}

inline void put_fields(Json& json, TaskProgress const& task) {
  json.field("name", task.name)
      .field("state", name(task.state))
      .field("done", task.done)
      .field("total", task.total)
      .field("unit", task.unit)
      .field("ratio", task.ratio())
      .field("per_second", task.rate())
      .field("seconds", seconds(task.elapsed_ns))
      .field("seconds_left", seconds(task.eta_ns()))
      .field("seconds_silent", seconds(task.silent_ns));
}

inline void put_fields(Json& json, RunProgress const& run) {
  json.field("running", run.running)
      .field("attempt", run.attempt)
      .field("generation", run.generation.number)
      .field("phase", run.phase)
      .field("ratio", run.ratio())
      .field("seconds", seconds(run.elapsed_ns))
      .field("seconds_left", seconds(run.eta_ns()))
      .field("threads", run.threads)
      .field("memory_bytes", run.memory_bytes)
      .field("memory_budget_bytes", run.memory_budget_bytes)
      .field("disk_bytes", run.disk_bytes);
  json.key("tasks").array([&] {
    for (auto const& task : run.tasks) json.object([&] { put_fields(json, task); });
  });
}

// Who builds: by the lock, and since when by its wall clock; what the record says of the attempt.
inline void put_attempt(Json& json, Status const& status, std::int64_t wall_ns) {
  auto const& recorded = status.manifest ? status.manifest->attempt : std::nullopt;
  json.key("holder");
  if (status.holder) {
    auto const& holder = *status.holder;
    json.object([&] {
      json.field("host", holder.owner.host_name())
          .field("pid", holder.owner.pid)
          .field("token", holder.token.number);
      bool const known = holder.acquired_at_ns != 0;
      json.field("seconds_held",
                 known ? std::optional{seconds(wall_ns - holder.acquired_at_ns)} : std::nullopt);
    });
  } else {
    put_null(json);
  }
  json.key("attempt");
  if (!recorded) return put_null(json);
  json.object([&] {
    json.field("generation", recorded->generation.number)
        .field("token", recorded->token.number)
        .field("host", recorded->owner.host_name())
        .field("pid", recorded->owner.pid)
        .field("unattended", !status.holder);
  });
}

inline void put_manifest(Json& json, Status const& status) {
  auto const& m = *status.manifest;
  json.field("current", m.current.number)
      .field("sequence", m.sequence)
      .field("next", m.next)
      .field("fence", m.fence.number);
  json.key("parts").array([&] {
    for (auto const& part : m.part_names) json.value(std::string_view{part});
  });
  auto const* const current = manifest::find(m, m.current);
  put(json, "marks", current != nullptr ? current->marks : Marks{});
  put(json, "shown_marks", status.shown.value_or(Marks{}));
  json.key("retained").array([&] {
    for (auto const& kept : m.retained) {
      json.object([&] {
        json.field("generation", kept.generation.number).field("sequence", kept.sequence);
        put(json, "marks", kept.marks);
        put(json, "parts", kept.parts);
        json.field("updated", contains(status.updated, kept.generation));
      });
    }
  });
}

inline void put_retiring(Json& json, Manifest const& m, std::int64_t wall_ns) {
  json.key("retiring").array([&] {
    for (auto const& retiring : m.retiring) {
      json.object([&] {
        json.field("generation", retiring.generation.number)
            .field("seconds", seconds(wall_ns) - static_cast<double>(retiring.since_ms) / 1e3);
      });
    }
  });
}
inline void put_pins(Json& json, Status const& status) {
  json.key("pins").array([&] {
    for (auto const& pin : status.pins) {
      if (!pin.here && pin.elsewhere == false) continue;
      json.object([&] {
        json.field("generation", pin.generation.number)
            .field("here", pin.here)
            .field("elsewhere", pin.elsewhere);
      });
    }
  });
}
}  // namespace detail

/// A run's progress as one JSON object.
[[nodiscard]] inline std::string to_json(RunProgress const& run) {
  Json json;
  json.object([&] { detail::put_fields(json, run); });
  return json.text();
}

/// A home as one JSON object: what is current, its marks, who builds, what is kept, what waits to
/// be deleted and for how long, who has what open, what is not the home's, what troubles it.
/// `wall_ns` is the wall clock; `run` is what this process does to the home, if anything.
[[nodiscard]] inline std::string to_json(Status const& status,
                                         std::int64_t wall_ns,
                                         std::optional<RunProgress> const& run = {}) {
  Json json;
  json.object([&] {
    json.field("committed", status.manifest && status.manifest->current.number != 0)
        .field("state", name(status.state));
    if (status.manifest) {
      detail::put_manifest(json, status);
      detail::put_retiring(json, *status.manifest, wall_ns);
    }
    detail::put_attempt(json, status, wall_ns);
    detail::put(json, "foreign", status.foreign);
    detail::put_pins(json, status);
    json.key("trouble");
    status.trouble ? detail::put(json, *status.trouble) : detail::put_null(json);
    json.key("run");
    run ? static_cast<void>(json.object([&] { detail::put_fields(json, *run); }))
        : detail::put_null(json);
  });
  return json.text();
}

HOLDFAST_END

#endif

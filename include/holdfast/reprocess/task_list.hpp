// SPDX-License-Identifier: BSL-1.0
// Keeps the tasks of a reprocessing, and picks those that a run is to do.
#ifndef HOLDFAST_REPROCESS_TASK_LIST_HPP
#define HOLDFAST_REPROCESS_TASK_LIST_HPP

#include <algorithm>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "holdfast/config.hpp"
#include "holdfast/result.hpp"

HOLDFAST_BEGIN

namespace detail {
template <class Task>
struct TaskList {
  using Tasks = std::vector<std::shared_ptr<Task const>>;
  Tasks first{};
  Tasks parallel{};

  [[nodiscard]] static bool has(Tasks const& all, std::string_view name) {
    return std::any_of(all.begin(), all.end(),
                       [&](auto const& task) { return task->name == name; });
  }

  // The tasks of these names (none: all), behind those that come first and always run. Some tasks
  // alone need a stage that carries the rest over.
  [[nodiscard]] result<Tasks> select(std::vector<std::string> const& names, bool carries) const {
    auto all = first;
    for (auto const& task : parallel) {
      bool const wanted =
          names.empty() || std::find(names.begin(), names.end(), task->name) != names.end();
      if (wanted) all.push_back(task);
    }
    for (auto const& name : names) {
      if (!has(all, name)) return failure(errc::not_found, "reprocess", "task " + name);
    }
    if (all.empty()) return failure(errc::invalid, "reprocess", "there are no tasks");
    for (auto const& task : all) {
      HOLDFAST_TRYV(check(all, *task));
    }
    if (!carries && all.size() != first.size() + parallel.size()) {
      return failure(errc::invalid, "reprocess",
                     "a run of some tasks must say how its stage begins (ReprocessRequest::stage)");
    }
    return all;
  }

 private:
  [[nodiscard]] static result<void> check(Tasks const& all, Task const& task) {
    if (task.name.empty() || !task.run) {
      return failure(errc::invalid, "reprocess", "a task needs a name and a run: " + task.name);
    }
    auto const same = [&](auto const& other) { return other->name == task.name; };
    if (std::count_if(all.begin(), all.end(), same) == 1) return ok();
    return failure(errc::exists, "reprocess", "task " + task.name);
  }
};
}  // namespace detail

HOLDFAST_END

#endif

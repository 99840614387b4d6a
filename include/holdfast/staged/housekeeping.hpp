// SPDX-License-Identifier: BSL-1.0
// Names what staged operations take and answer besides generations: options, commit, collection,
// status.
#ifndef HOLDFAST_STAGED_HOUSEKEEPING_HPP
#define HOLDFAST_STAGED_HOUSEKEEPING_HPP

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "holdfast/adaptor/looks.hpp"
#include "holdfast/config.hpp"
#include "holdfast/detail/manifest.hpp"
#include "holdfast/event.hpp"
#include "holdfast/ids.hpp"
#include "holdfast/result.hpp"

HOLDFAST_BEGIN

/// How a home is kept.
struct StagedOptions {
  /// Generations that stay revertible, the current one among them; at least 1, at most 48.
  std::size_t retain = 2;
  /// More than `retain` stay, up to 48, while they are younger than this. Milliseconds, by the wall
  /// clock.
  std::int64_t retain_for_ms = 0;
  /// `stage` answers `no_space`, before anything is made, unless so many times the bytes of the
  /// current generation's parts that are to be built again are free, for each file system they lie
  /// on. 0: don't look.
  double headroom = 0;
  /// Of disk that a build may take, of all parts that it builds: so many must be free before it is
  /// begun, and what goes beyond is `no_space`, from the writers where they can tell, else from
  /// `note`, `catch_up` and `seal`. 0: no limit.
  std::uint64_t build_bytes = 0;
  /// And as many bytes beside.
  std::uint64_t min_free_bytes = 0;
  /// Leave what a dead builder has noted for `resume`: opening and `recover` drop it otherwise.
  bool keep_interrupted = false;
  /// Give the current generation its outside names, where the store can.
  bool publish = true;
  /// How long a generation outlives its outside name, for foreign readers that are just opening it.
  /// Milliseconds.
  std::int64_t publish_grace_ms = 1000;
};

/// What a commit makes visible beside the generation.
struct CommitOptions {
  /// Progress values that become visible with the generation, and only with it.
  Marks marks{};
};

/// A commit that stands, whatever `housekeeping` says.
struct Committed {
  Generation generation;
  std::uint64_t sequence = 0;
  /// What could not be done after the switch (publish, drops); the next commit, `collect` or open
  /// goes on with it.
  std::optional<error> housekeeping{};
};

/// What a collection did.
struct Collected {
  std::vector<Generation> dropped;
  std::vector<Generation> waiting;  ///< pinned, in their grace, or failed to drop
  std::optional<error> failure{};   ///< the first drop that failed for another reason than a pin
};

/// Who has a generation open, so that it can't be dropped.
struct PinState {
  Generation generation;
  bool here = false;                ///< this object
  std::optional<bool> elsewhere{};  ///< others, in whatever process; nothing: it can't be told
};

/// What can be told of a home at one moment.
struct Status {
  std::optional<Manifest> manifest;  ///< nothing on a home that was never written
  std::optional<Holder> holder;      ///< who builds, if anyone does
  State state = State::none;         ///< of this object's own run
  std::optional<error> trouble;      ///< why the current generation can't be shown
  std::vector<Generation> foreign;   ///< generations that the record does not list; left alone
  /// Retained ones that have taken updates since their commit, so that their marks have moved on.
  std::vector<Generation> updated{};
  std::optional<Marks> shown{};  ///< marks of what this object shows, moved on by updates
  std::vector<PinState> pins{};  ///< of every generation that is retained or retires
};

namespace detail {
inline bool contains(std::vector<Generation> const& all, Generation g) noexcept {
  return std::find(all.begin(), all.end(), g) != all.end();
}
// A register without pins, or one whose pins may not be looked at, leaves a status a status.
template <class Source>
void add_pins(Source& source, Status& status) {
  auto const add = [&](Generation g) {
    PinState pin{.generation = g, .here = source.readers().is_open(g)};
    if constexpr (requires { source.reg().pinned_elsewhere(g); }) {
      auto const others = source.reg().pinned_elsewhere(g);
      if (others) pin.elsewhere = others.assume_value();
    }
    status.pins.push_back(pin);
  };
  if (!status.manifest) return;
  for (auto const& kept : status.manifest->retained) add(kept.generation);
  for (auto const& retiring : status.manifest->retiring) add(retiring.generation);
}
// A generation that can't be looked at leaves a status a status, too.
template <class Source>
void add_updated(Source& source, Status& status) {
  if (!status.manifest) return;
  for (auto const& kept : status.manifest->retained) {
    auto const updated = any_updated(source.store(), kept.parts);
    if (updated && updated.assume_value()) status.updated.push_back(kept.generation);
  }
}
/// Does what may fail without changing the outcome, and says how it went.
template <class Work>
[[nodiscard]] std::optional<error> housekeep(Work work) noexcept {
  HOLDFAST_MAY_THROW {
    return work();
  }
  HOLDFAST_CAUGHT {
    return error{errc::backend, "housekeeping", "an exception"};
  }
}
}  // namespace detail

HOLDFAST_END

#endif

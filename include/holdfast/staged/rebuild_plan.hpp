// SPDX-License-Identifier: BSL-1.0
// Decides, without any I/O, which generation a home whose record is lost should be given back.
//
// Invariants:
// - What is proposed is whole in every part.
// - Only what an outside name gives (a name lags, it never leads) or an old record lists is said to
//   have been committed; anything else is said to be a guess.
// - A number that was ever seen is not given out again.
#ifndef HOLDFAST_STAGED_REBUILD_PLAN_HPP
#define HOLDFAST_STAGED_REBUILD_PLAN_HPP

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "holdfast/config.hpp"
#include "holdfast/detail/manifest.hpp"
#include "holdfast/ids.hpp"
#include "holdfast/result.hpp"
#include "holdfast/staged/operations.hpp"

HOLDFAST_BEGIN

/// A generation that a home could be given back, and what a look at every byte of it found.
struct RebuildCandidate {
  Generation generation;
  std::vector<PartVerdict> parts;  ///< in the order of the part names
  bool named = false;              ///< the outside names give it: it was committed
  bool recorded = false;           ///< an old record lists it: it was committed

  [[nodiscard]] bool whole() const noexcept {
    return std::all_of(parts.begin(), parts.end(),
                       [](PartVerdict const& part) { return part.found.has_value(); });
  }
  [[nodiscard]] std::vector<Generation> generations() const {
    std::vector<Generation> all;
    for (auto const& part : parts) all.push_back(part.generation);
    return all;
  }
};

/// What can be done about the record of a home. Made by `plan_rebuild`, which touches nothing.
struct RebuildPlan {
  std::vector<std::string> part_names;
  /// Why the home can't be opened with the record that it has. Nothing: it can.
  std::optional<error> trouble;
  std::optional<Manifest> record;            ///< the newest that is surely durable; perhaps old
  std::vector<RebuildCandidate> candidates;  ///< whole in every part, newest first
  std::vector<RebuildCandidate> broken;      ///< not whole in some part, newest first
  std::optional<std::size_t> proposed;       ///< among the candidates
  std::string why;                           ///< of the proposal, or of its absence
  std::uint64_t next = 1;                    ///< the number that the next build will have
  std::uint64_t sequence = 0;                ///< the highest that any record was seen to have
  FencingToken fence;                        ///< the greatest token that any was seen to have

  /// The first candidate of this number: of several mixes the one that is known better.
  [[nodiscard]] RebuildCandidate const* find(Generation g) const noexcept {
    auto const at =
        std::find_if(candidates.begin(), candidates.end(),
                     [g](RebuildCandidate const& each) { return each.generation == g; });
    return at == candidates.end() ? nullptr : &*at;
  }
  [[nodiscard]] RebuildCandidate const* proposal() const noexcept {
    return proposed ? &candidates[*proposed] : nullptr;
  }
};

namespace detail {
/// What was found in the stores: for each number, what each part has of it.
struct Remains {
  std::map<Generation, std::vector<PartVerdict>> verdicts;
  std::vector<std::optional<Generation>> named;  ///< by the outside name of each part

  [[nodiscard]] PartVerdict of(std::string const& name, std::size_t part, Generation g) const {
    auto const at = verdicts.find(g);
    if (at != verdicts.end()) return at->second[part];
    return {name, g, failure(errc::not_found, "find generation", name)};
  }
  // Was it built there to its end, whatever has become of it?
  [[nodiscard]] bool built(std::size_t part, Generation g) const {
    auto const at = verdicts.find(g);
    if (at == verdicts.end()) return false;
    auto const& found = at->second[part].found;
    return found ||
           (found.error().code() != errc::not_found && found.error().code() != errc::unsealed);
  }
};

// The parts that the outside names give together. A part that was built in g has it, so that its
// name lags; else it was carried over, from what its name gives.
struct NamedMix {
  Generation generation;
  std::vector<Generation> parts;
  bool certain = true;
};
[[nodiscard]] inline std::optional<NamedMix> named_mix(Remains const& remains) {
  NamedMix mix;
  for (auto const& named : remains.named) {
    if (named) mix.generation = std::max(mix.generation, *named);
  }
  if (mix.generation.number == 0) return {};
  for (std::size_t i = 0; i < remains.named.size(); ++i) {
    auto from = mix.generation;
    if (!remains.built(i, from) && remains.named[i]) from = *remains.named[i];
    // A name that lags gives an older part than was carried over: only the folders between tell.
    for (auto const& [between, verdicts] : remains.verdicts) {
      bool const passed = from < between && between < mix.generation && remains.built(i, between);
      if (passed) mix.certain = false;
    }
    mix.parts.push_back(from);
  }
  return mix;
}

class Planner {
 public:
  Planner(RebuildPlan& plan, Remains const& remains) : plan_{plan}, remains_{remains} {}

  void decide() {
    auto const mix = named_mix(remains_);
    if (mix && mix->certain) add(mix->generation, mix->parts, true, false);
    if (plan_.record) {
      for (auto const& kept : plan_.record->retained) {
        add(kept.generation, kept.parts, false, true);
      }
    }
    for (auto const& [g, verdicts] : remains_.verdicts) {
      add(g, std::vector<Generation>(plan_.part_names.size(), g), false, false);
    }
    sort_out();
    propose(mix);
  }

 private:
  void add(Generation g, std::vector<Generation> const& parts, bool named, bool recorded) {
    for (auto& known : all_) {
      if (known.generation != g || known.generations() != parts) continue;
      known.named |= named;
      known.recorded |= recorded;
      return;
    }
    RebuildCandidate next{g, {}, named, recorded};
    for (std::size_t i = 0; i < parts.size(); ++i) {
      next.parts.push_back(remains_.of(plan_.part_names[i], i, parts[i]));
    }
    all_.push_back(std::move(next));
  }

  // Of one number the mix that is known better comes first; one that is not whole is of no interest
  // where another is.
  void sort_out() {
    std::sort(all_.begin(), all_.end(), [](auto const& a, auto const& b) {
      if (a.generation != b.generation) return a.generation > b.generation;
      auto const known = [](auto const& of) { return int{of.named} + int{of.recorded}; };
      if (known(a) != known(b)) return known(a) > known(b);
      return a.generations() > b.generations();
    });
    for (auto& each : all_) {
      if (each.whole()) plan_.candidates.push_back(each);
    }
    for (auto& each : all_) {
      if (plan_.find(each.generation) == nullptr) plan_.broken.push_back(std::move(each));
    }
  }

  void propose(std::optional<NamedMix> const& mix) {
    auto const& all = plan_.candidates;
    if (all.empty()) {
      plan_.why = "no generation is whole in every part; restore a backup into an empty folder";
      return;
    }
    auto const named = std::find_if(all.begin(), all.end(), [](auto const& c) { return c.named; });
    auto const number = [](RebuildCandidate const& of) {
      return std::to_string(of.generation.number);
    };
    if (named != all.end()) {
      plan_.proposed = static_cast<std::size_t>(named - all.begin());
      plan_.why = "the outside names give it, and a name never leads: it was committed";
      if (named != all.begin()) {
        plan_.why += "; generation " + number(all.front()) +
                     " is whole too and newer: it may have been committed last, or never";
      }
      return;
    }
    plan_.proposed = 0;
    if (mix) {
      plan_.why = "the outside names give generation " + std::to_string(mix->generation.number) +
                  (mix->certain ? ", which is not whole; " : ", but not for sure of which parts; ");
    }
    plan_.why += "it is the newest whole one";
    if (all.front().recorded) {
      plan_.why += ", and an old record lists it: it was committed";
      return;
    }
    plan_.why += "; nothing says that it was ever committed";
    auto const sure =
        std::find_if(all.begin(), all.end(), [](auto const& c) { return c.recorded; });
    if (sure != all.end()) {
      plan_.why += ", as an old record does of generation " + number(*sure);
    }
  }

  RebuildPlan& plan_;
  Remains const& remains_;
  std::vector<RebuildCandidate> all_;
};
}  // namespace detail

HOLDFAST_END

#endif

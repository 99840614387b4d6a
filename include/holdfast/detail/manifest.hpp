// SPDX-License-Identifier: BSL-1.0
// Decides what the one record of a home says next, without any I/O.
//
// Invariants:
// - Generation numbers come from `next`, which only grows, also when an attempt ends in nothing.
// - `sequence` grows with every commit and revert; a revert lowers the generation, never the
// sequence.
// - A generation leaves `retained` once and for all, into `retiring`; nothing is dropped that is
// not listed there or as attempt.
#ifndef HOLDFAST_DETAIL_MANIFEST_HPP
#define HOLDFAST_DETAIL_MANIFEST_HPP

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "holdfast/config.hpp"
#include "holdfast/ids.hpp"
#include "holdfast/result.hpp"

HOLDFAST_BEGIN

/// A generation that can be shown or reverted to.
struct Kept {
  Generation generation;
  std::uint64_t sequence = 0;  ///< of the commit or revert that last made it current
  Marks marks;
  std::vector<Generation> parts;  ///< each part's own generation, in the order of the part names
  std::int64_t committed_ms = 0;  ///< wall clock; for display, and for retention by age
  friend bool operator==(Kept const&, Kept const&) = default;
};

/// A generation that is to be deleted once nobody reads it.
struct Retiring {
  Generation generation;
  std::int64_t since_ms =
      0;  ///< wall clock; only for the grace that foreign readers of a published name get
  friend bool operator==(Retiring const&, Retiring const&) = default;
};

/// A build that has begun and is not yet committed or discarded.
struct AttemptRecord {
  Generation generation;
  FencingToken token;
  std::uint64_t nonce = 0;
  Owner owner;
  friend bool operator==(AttemptRecord const&, AttemptRecord const&) = default;
};

/// Which attempt made a commit, so that its author can learn the outcome later.
struct CommitRecord {
  std::uint64_t sequence = 0;
  std::uint64_t nonce = 0;
  friend bool operator==(CommitRecord const&, CommitRecord const&) = default;
};

/// The one record of a home.
struct Manifest {
  std::array<std::uint8_t, 16> home{};  ///< drawn when the home is made
  std::vector<std::string> part_names;
  std::uint64_t sequence = 0;
  FencingToken fence;
  std::uint64_t next = 1;
  Generation current;  ///< 0 before the first commit
  std::optional<AttemptRecord> attempt;
  std::vector<Kept> retained;  ///< newest sequence first; the current one is among them
  std::vector<Retiring> retiring;
  std::vector<CommitRecord> commits;  ///< newest first
  std::optional<std::string> hold;    ///< why nothing may be committed just now
  friend bool operator==(Manifest const&, Manifest const&) = default;
};

/// What became of a commit whose answer was lost.
enum class Outcome : std::uint8_t { committed, not_committed, unknown };

namespace detail::manifest {
inline constexpr std::size_t max_listed = 64;  // retained and retiring together
inline constexpr std::size_t max_retained = 48;
inline constexpr std::size_t max_commits = 16;    // outcomes that can still be asked for
inline constexpr std::size_t max_marks = 2048;    // bytes of all marks as text
inline constexpr std::size_t max_reason = 120;    // bytes of the reason of a hold
inline constexpr std::size_t attempt_size = 384;  // bytes that an attempt adds, at most
inline constexpr std::size_t reserve = 512;  // bytes that a commit leaves for a hold and reverts

[[nodiscard]] inline Kept const* find(Manifest const& m, Generation g) noexcept {
  for (auto const& kept : m.retained) {
    if (kept.generation == g) return &kept;
  }
  return nullptr;
}

[[nodiscard]] inline bool has_parts_of(Kept const& kept, Generation g) noexcept {
  return kept.generation == g ||
         std::find(kept.parts.begin(), kept.parts.end(), g) != kept.parts.end();
}
/// Does a retained generation have parts of this one? Then it must stay, whatever else lists it.
[[nodiscard]] inline bool carried(Manifest const& m, Generation g) noexcept {
  return std::any_of(m.retained.begin(), m.retained.end(),
                     [g](Kept const& kept) { return has_parts_of(kept, g); });
}

/// Which generation each part of a build has: its own, or where `carries` says so that of `from`.
[[nodiscard]] inline std::vector<Generation> parts_of_build(Generation g,
                                                            Kept const* from,
                                                            std::vector<bool> const& carries) {
  std::vector<Generation> parts(carries.size(), g);
  for (std::size_t i = 0; i < parts.size(); ++i) {
    if (carries[i] && from != nullptr) parts[i] = from->parts[i];
  }
  return parts;
}

[[nodiscard]] inline bool lists(Manifest const& m, Generation g) noexcept {
  if (m.attempt && m.attempt->generation == g) return true;
  for (auto const& retiring : m.retiring) {
    if (retiring.generation == g) return true;
  }
  return find(m, g) != nullptr;
}

/// The attempt that starts now, under a token greater than every one before.
[[nodiscard]] inline result<Manifest> begin(Manifest m,
                                            FencingToken token,
                                            Owner const& owner,
                                            std::uint64_t nonce) {
  if (token < m.fence)
    return failure(errc::fenced, "stage");  // its own recovery may have raised it
  if (m.hold) return failure(errc::held, "stage", *m.hold);
  if (m.retained.size() + m.retiring.size() + 1 > max_listed) {
    return failure(errc::full, "stage",
                   "generations wait to be dropped; collect() or let readers go");
  }
  m.fence = token;
  m.attempt = AttemptRecord{{m.next}, token, nonce, owner};
  m.next += 1;
  return m;
}

/// Goes on with an attempt that its author, who is dead, can't commit any more.
[[nodiscard]] inline result<Manifest> take_over(Manifest m,
                                                FencingToken token,
                                                Owner const& owner,
                                                std::uint64_t nonce) {
  if (token < m.fence) return failure(errc::fenced, "resume");
  if (m.hold) return failure(errc::held, "resume", *m.hold);
  m.fence = token;
  m.attempt = AttemptRecord{m.attempt->generation, token, nonce, owner};
  return m;
}

/// Whoever made the attempt can't commit it any more: its generation may be dropped once this is
/// stored.
[[nodiscard]] inline Manifest fence_out(Manifest m, FencingToken token) {
  m.fence = std::max(m.fence, token);
  return m;
}

/// The attempt ends in nothing; its generation has been dropped.
[[nodiscard]] inline Manifest end(Manifest m) {
  m.attempt.reset();
  return m;
}

inline void record_commit(Manifest& m, std::uint64_t nonce) {
  m.sequence += 1;
  m.commits.insert(m.commits.begin(), CommitRecord{m.sequence, nonce});
  if (m.commits.size() > max_commits) m.commits.resize(max_commits);
}

inline void order(Manifest& m) {
  std::sort(m.retained.begin(), m.retained.end(),
            [](Kept const& a, Kept const& b) { return a.sequence > b.sequence; });
}

/// How many generations stay revertible: `least`, and more of them while they are young.
struct Retention {
  std::size_t least = 1;
  std::int64_t young_ms = 0;
  std::size_t most = max_retained;
};

// From here on its grace counts, also for what it carried.
inline void retire_last(Manifest& m, std::int64_t now_ms) {
  auto const gone = std::move(m.retained.back());
  m.retained.pop_back();
  m.retiring.push_back({gone.generation, now_ms});
  for (auto& retiring : m.retiring) {
    if (has_parts_of(gone, retiring.generation)) retiring.since_ms = now_ms;
  }
}

/// The attempt becomes current, with these parts; what is not retained any more starts to retire.
[[nodiscard]] inline Manifest commit(Manifest m,
                                     Marks marks,
                                     std::vector<Generation> parts,
                                     Retention const& keep,
                                     std::int64_t now_ms) {
  auto const attempt = *std::exchange(m.attempt, std::nullopt);
  record_commit(m, attempt.nonce);
  m.current = attempt.generation;
  m.retained.push_back(
      {attempt.generation, m.sequence, std::move(marks), std::move(parts), now_ms});
  order(m);
  auto const stays = [&](Kept const& kept) {
    auto const age_ms = now_ms - kept.committed_ms;  // negative where the clock went back
    return m.retained.size() <= keep.most && age_ms >= 0 && age_ms < keep.young_ms;
  };
  while (m.retained.size() > std::max<std::size_t>(keep.least, 1) && !stays(m.retained.back())) {
    retire_last(m, now_ms);
  }
  return m;
}

/// A retained generation becomes current again, with its own marks.
[[nodiscard]] inline result<Manifest> revert(Manifest m, Generation to, std::uint64_t nonce) {
  auto const at = std::find_if(m.retained.begin(), m.retained.end(),
                               [to](Kept const& kept) { return kept.generation == to; });
  if (at == m.retained.end()) {
    return failure(errc::not_retained, "revert", std::to_string(to.number));
  }
  record_commit(m, nonce);
  m.current = to;
  at->sequence = m.sequence;
  order(m);
  return m;
}

/// Without what has been dropped for good.
[[nodiscard]] inline Manifest without(Manifest m, std::vector<Generation> const& dropped) {
  std::erase_if(m.retiring, [&](Retiring const& retiring) {
    return std::find(dropped.begin(), dropped.end(), retiring.generation) != dropped.end();
  });
  return m;
}

/// What the record says of a commit whose answer was lost, once no write of it can be under way.
[[nodiscard]] inline Outcome outcome(Manifest const& m, Ticket const& ticket) noexcept {
  for (auto const& commit : m.commits) {
    if (commit.sequence != ticket.sequence) continue;
    return commit.nonce == ticket.nonce ? Outcome::committed : Outcome::not_committed;
  }
  return m.sequence < ticket.sequence ? Outcome::not_committed : Outcome::unknown;
}
}  // namespace detail::manifest

HOLDFAST_END

#endif

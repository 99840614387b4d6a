// SPDX-License-Identifier: BSL-1.0
// Replays a log and says, at every instant, what is durable, what is pending, and what each pending
// effect needs.
//
// - `any`: every subset of what is pending; a sync of a file makes its data and size durable, one
//   of a directory its entries.
// - `ext4`: names and cuts are journaled, in order and with atomic calls, so a crash keeps a prefix
//   of them. A sync commits the journal as far as what is synced needs it. Data of new blocks is on
//   the disk before the size that shows it, and is never seen without the cut that freed the blocks
//   before it.
// - `ext4_auto_da`: a rename over a name, and the close of a file that had been cut to nothing, let
//   no later journaled effect survive without the data and size of that file.
// - `process`: no power cut at all; every issued effect survives.
//
// A sync of a file that fails leaves its pages clean: what was pending may be on the disk or not,
// and no later sync makes it so. Names and sizes stay pending: they are written from a journal,
// which is written again or ends the file system.
#ifndef HOLDFAST_TESTING_DISK_CRASH_STATES_HPP
#define HOLDFAST_TESTING_DISK_CRASH_STATES_HPP

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

#include "holdfast/config.hpp"
#include "holdfast/testing/disk/image.hpp"
#include "holdfast/testing/disk/log.hpp"

HOLDFAST_BEGIN

namespace testing {
enum class CrashMode : std::uint8_t { process, ext4, ext4_auto_da, any };
inline constexpr CrashMode crash_modes[] = {CrashMode::process, CrashMode::ext4,
                                            CrashMode::ext4_auto_da, CrashMode::any};
[[nodiscard]] constexpr std::string_view name(CrashMode mode) noexcept {
  constexpr std::string_view names[] = {"process", "ext4", "ext4_auto_da", "any"};
  return names[static_cast<std::size_t>(mode)];
}
}  // namespace testing

namespace testing::disk {
/// An effect that a power cut may still lose.
struct Pending {
  Effect const* effect = nullptr;
  Step const* step = nullptr;
  Part part = Part::whole;
  std::uint64_t id = 0;                ///< grows with the order of issue
  bool forgotten = false;              ///< no sync makes it durable any more
  std::vector<std::uint64_t> needs{};  ///< what survives wherever this one does; older ids
};

/// A disk and its page cache at one instant of a replay. Refers to the logs that it replayed.
class CrashStates {
 public:
  /// A machine that has just booted: nothing is pending.
  CrashStates(Image const& image, CrashMode mode) : durable_{image}, cache_{image}, mode_{mode} {}

  [[nodiscard]] Image const& durable() const noexcept { return durable_; }
  [[nodiscard]] Image const& cache() const noexcept { return cache_; }
  [[nodiscard]] std::vector<Pending> const& pending() const noexcept { return pending_; }
  [[nodiscard]] CrashMode mode() const noexcept { return mode_; }
  /// Every effect from here on has at least this id.
  [[nodiscard]] std::uint64_t next_id() const noexcept { return next_id_; }

  void issue(Effect const& effect, Step const& step) {
    durable_.expect(effect);
    cache_.expect(effect);
    cache_.apply(effect);
    bool const apart = mode_ == CrashMode::any && effect.kind == Effect::Kind::move &&
                       effect.inode != effect.to_directory;
    if (apart) {
      add(effect, step, Part::addition);
      add(effect, step, Part::removal);
    } else {
      add(effect, step, Part::whole);
    }
  }

  void sync(InodeId inode) {
    std::vector<char> durable(pending_.size(), 0);
    for (std::size_t i = 0; i < pending_.size(); ++i)
      durable[i] = is_made_durable(pending_[i], inode);
    if (is_journaled() && has_pending_size(inode)) mark(last_journaled_, durable);
    for (std::size_t i = pending_.size(); i-- > 0;) {
      if (!durable[i]) continue;
      for (auto const need : pending_[i].needs) mark(need, durable);
    }
    drop_overwritten(durable);
    std::size_t kept = 0;
    for (std::size_t i = 0; i < pending_.size(); ++i) {
      if (durable[i]) {
        durable_.apply(*pending_[i].effect, pending_[i].part);
      } else {
        if (kept != i) pending_[kept] = std::move(pending_[i]);
        ++kept;
      }
    }
    pending_.resize(kept);
  }

  void sync_failed(InodeId inode) {
    for (auto& p : pending_) {
      if (p.effect->kind != Effect::Kind::data || p.effect->inode != inode) continue;
      p.forgotten = true;
      for (auto& other : pending_) std::erase(other.needs, p.id);
      std::erase(flushed_, p.id);
    }
  }

  /// A file that had been cut to nothing was closed.
  void closed(InodeId inode) {
    if (mode_ != CrashMode::ext4_auto_da) return;
    for (auto const& p : pending_) {
      if (is_content_of(p, inode) && !p.forgotten) flushed_.push_back(p.id);
    }
  }

  void replay(Step const& step, Log const& log) {
    if (step.kind == Step::Kind::sync) sync(step.inode);
    if (step.kind == Step::Kind::sync_failed) sync_failed(step.inode);
    if (step.kind == Step::Kind::close) closed(step.inode);
    for (std::size_t i = 0; i < step.count; ++i) issue(log.effects[step.first + i], step);
  }

 private:
  static bool is_content(Effect const& effect) noexcept {
    return effect.kind == Effect::Kind::data || effect.kind == Effect::Kind::size;
  }
  static bool is_content_of(Pending const& p, InodeId inode) noexcept {
    return p.effect->inode == inode && is_content(*p.effect);
  }
  [[nodiscard]] bool is_journaled() const noexcept {
    return mode_ == CrashMode::ext4 || mode_ == CrashMode::ext4_auto_da;
  }

  void add(Effect const& effect, Step const& step, Part part) {
    Pending pending{&effect, &step, part, next_id_++, false, {}};
    if (is_journaled()) pending.needs = needs_of(effect);
    if (!is_content(effect)) last_journaled_ = pending.id;
    pending_.push_back(std::move(pending));
  }

  std::vector<std::uint64_t> needs_of(Effect const& effect) {
    std::vector<std::uint64_t> needs;
    switch (effect.kind) {
      case Effect::Kind::data:
        for (auto const& p : pending_) {
          bool const freed = p.effect->kind == Effect::Kind::cut &&
                             p.effect->inode == effect.inode &&
                             p.effect->value < (effect.value + 1) * durable_.sector_size();
          if (freed) needs.push_back(p.id);
        }
        return needs;
      case Effect::Kind::size:
        needs.push_back(last_journaled_);
        for (auto const& p : pending_) {
          bool const own = p.effect->kind == Effect::Kind::data && p.effect->inode == effect.inode;
          if (!own || p.forgotten) continue;
          // In a new block: beyond the old end, or where a cut freed the old one.
          bool const fresh = !p.needs.empty() || p.effect->value * durable_.sector_size() >=
                                                     durable_.at(effect.inode).size;
          if (fresh) needs.push_back(p.id);
        }
        return needs;
      case Effect::Kind::cut:
      case Effect::Kind::entry:
      case Effect::Kind::move:
      case Effect::Kind::exchange:
        break;
    }
    needs.push_back(last_journaled_);
    needs.insert(needs.end(), flushed_.begin(), flushed_.end());
    flushed_.clear();
    if (mode_ == CrashMode::ext4_auto_da && effect.replaces) {
      for (auto const& p : pending_) {
        if (is_content_of(p, effect.target) && !p.forgotten) needs.push_back(p.id);
      }
    }
    return needs;
  }

  [[nodiscard]] bool is_made_durable(Pending const& p, InodeId inode) const noexcept {
    auto const& effect = *p.effect;
    if (p.forgotten) return false;
    // A file's own creation is in the journal with it; elsewhere its name is the directory's.
    if (is_journaled() && effect.created && effect.target == inode) return true;
    if (p.part == Part::addition) return effect.to_directory == inode;
    if (p.part == Part::whole && effect.kind == Effect::Kind::move &&
        effect.to_directory == inode) {
      return true;
    }
    return effect.inode == inode;
  }
  [[nodiscard]] bool has_pending_size(InodeId inode) const noexcept {
    return std::any_of(pending_.begin(), pending_.end(), [&](Pending const& p) {
      return p.effect->inode == inode && p.effect->kind == Effect::Kind::size;
    });
  }
  // What was forgotten and then written or cut again, durably, is gone. (All else that is older on
  // the same register is made durable with it.)
  void drop_overwritten(std::vector<char>& durable) {
    for (std::size_t i = 0; i < pending_.size(); ++i) {
      if (!pending_[i].forgotten) continue;
      auto const& old = *pending_[i].effect;
      for (std::size_t j = i + 1; j < pending_.size(); ++j) {
        auto const& next = *pending_[j].effect;
        if (!durable[j] || next.inode != old.inode) continue;
        bool const again = next.kind == Effect::Kind::data && next.value == old.value;
        bool const gone =
            next.kind == Effect::Kind::cut && next.value <= old.value * durable_.sector_size();
        if (again || gone) durable[i] = 1;  // applied first, so that the later one shows
      }
    }
  }
  // An id that is no longer pending is durable already.
  void mark(std::uint64_t id, std::vector<char>& marks) const noexcept {
    auto const at = std::lower_bound(pending_.begin(), pending_.end(), id,
                                     [](Pending const& p, std::uint64_t i) { return p.id < i; });
    if (at != pending_.end() && at->id == id)
      marks[static_cast<std::size_t>(at - pending_.begin())] = 1;
  }

  Image durable_;
  Image cache_;
  std::vector<Pending> pending_{};
  std::vector<std::uint64_t> flushed_{};
  std::uint64_t next_id_ = 1;
  std::uint64_t last_journaled_ = 0;
  CrashMode mode_;
};
}  // namespace testing::disk

HOLDFAST_END

#endif

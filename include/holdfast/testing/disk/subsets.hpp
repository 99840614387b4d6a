// SPDX-License-Identifier: BSL-1.0
// Enumerates what a power cut may do to pending effects: every legal choice within a budget, else
// prefixes, few kept, few lost, one torn, and seeded random ones.
#ifndef HOLDFAST_TESTING_DISK_SUBSETS_HPP
#define HOLDFAST_TESTING_DISK_SUBSETS_HPP

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

#include "holdfast/config.hpp"
#include "holdfast/testing/disk/crash_states.hpp"
#include "holdfast/testing/disk/fates.hpp"
#include "holdfast/testing/disk/hash.hpp"
#include "holdfast/testing/disk/image.hpp"

HOLDFAST_BEGIN

namespace testing::disk {
/// What a sector holds that became part of a file without being written: a journal puts data first.
[[nodiscard]] inline std::byte fresh_in(CrashMode mode, Damage const& damage) noexcept {
  return mode == CrashMode::any ? damage.fill : std::byte{};
}

/// The disk that a power cut leaves, before `settle`.
[[nodiscard]] inline Image image_of(CrashStates const& states,
                                    Kept const& kept,
                                    Damage const& damage = {}) {
  Image image = states.durable();
  auto const fresh = fresh_in(states.mode(), damage);
  for (std::size_t i = 0; i < kept.size(); ++i) {
    auto const& p = states.pending()[i];
    if (kept[i].fate == Fate::kept) {
      image.apply(*p.effect, p.part);
    } else if (kept[i].fate != Fate::lost) {
      image.damage(*p.effect, kept[i], damage.fill, fresh);
    } else if (fresh != std::byte{} && p.effect->kind == Effect::Kind::data) {
      image.leave_fresh(*p.effect, fresh);
    }
  }
  return image;
}

/// Does whatever survives have what it needs?
[[nodiscard]] inline bool is_legal(CrashStates const& states, Kept const& kept) noexcept {
  auto const& pending = states.pending();
  for (std::size_t i = 0; i < kept.size(); ++i) {
    if (kept[i].fate == Fate::lost) continue;
    for (auto const id : pending[i].needs) {
      for (std::size_t n = 0; n < i; ++n) {
        if (pending[n].id == id && kept[n].fate != Fate::kept) return false;
      }
    }
  }
  return true;
}

/// The choices at one instant. Refers to `states`.
class Subsets {
 public:
  /// Only choices that spare an effect with an id of at least `newer_than` are given: the others
  /// were legal at an earlier instant.
  Subsets(CrashStates const& states, std::uint64_t newer_than, Damage const& damage = {})
      : pending_{states.pending()},
        damage_{damage},
        size_{states.pending().size()},
        needs_(size_),
        registers_(size_),
        invisible_(size_, 0),
        kept_(size_),
        needed_(size_, 0) {
    while (first_new_ < size_ && pending_[first_new_].id < newer_than) ++first_new_;
    number_registers();
    find_needs();
    find_invisible(states);
  }

  /// Calls `visit(kept)` until it answers false.
  template <class Visit>
  void for_each(std::size_t budget, std::uint64_t seed, Visit visit) {
    if (first_new_ == size_ && size_ != 0 && first_new_ != 0) return;
    Dice dice{seed};
    bool more = true;
    if (fits(budget, damage_.trashes)) {
      more = walk_all(budget, damage_.trashes, visit);
    } else {
      bool const whole = fits(budget, false);
      more = whole ? walk_all(budget, false, visit) : sample(budget, dice, visit);
      if (more && damage_.trashes) more = damage_some(budget / 4, Fate::trashed, dice, visit);
    }
    if (more && damage_.tears_bytes) damage_some(budget / 4, Fate::torn, dice, visit);
  }

 private:
  static constexpr std::size_t none = ~std::size_t{0};
  using Registers = std::array<std::size_t, 2>;

  // Two effects on the same register: only the later one of those kept shows.
  void number_registers() {
    std::vector<std::uint64_t> keys;
    auto const number = [&](std::uint64_t inode, std::uint64_t kind, std::uint64_t what) {
      auto const key = mixed(mixed(inode, kind), what);
      auto const at =
          static_cast<std::size_t>(std::find(keys.begin(), keys.end(), key) - keys.begin());
      if (at == keys.size()) keys.push_back(key);
      return at;
    };
    for (std::size_t i = 0; i < size_; ++i) {
      auto const& effect = *pending_[i].effect;
      auto const part = pending_[i].part;
      registers_[i] = {none, none};
      if (effect.kind == Effect::Kind::data)
        registers_[i][0] = number(effect.inode, 0, effect.value);
      if (effect.kind == Effect::Kind::size) registers_[i][0] = number(effect.inode, 1, 0);
      if (!effect.name.empty() && part != Part::addition) {
        registers_[i][0] = number(effect.inode, 2, hash_of(std::string_view{effect.name}));
      }
      bool const moves = effect.kind == Effect::Kind::move && part != Part::removal;
      if (moves || effect.kind == Effect::Kind::exchange) {
        registers_[i][1] =
            number(effect.to_directory, 2, hash_of(std::string_view{effect.to_name}));
      }
    }
    hidden_.assign(keys.size(), 0);
  }

  void find_needs() {
    for (std::size_t i = 0; i < size_; ++i) {
      for (auto const id : pending_[i].needs) {
        auto const at =
            std::lower_bound(pending_.begin(), pending_.end(), id,
                             [](Pending const& p, std::uint64_t wanted) { return p.id < wanted; });
        if (at == pending_.end() || at->id != id) continue;  // durable by now
        needs_[i].push_back(static_cast<std::size_t>(at - pending_.begin()));
      }
    }
  }

  // Effects on what no name can reach in any crash state: a removed file that is still open.
  void find_invisible(CrashStates const& states) {
    auto const& durable = states.durable();
    std::vector<char> reached(durable.inodes(), 0);
    std::vector<InodeId> open{root};
    auto const reach = [&](InodeId id) {
      if (id == no_inode || reached[id]) return;
      reached[id] = 1;
      open.push_back(id);
    };
    // Whatever a pending entry names may be reached; that its directory might not be is ignored.
    for (auto const& p : pending_) {
      reach(p.effect->target);
      reach(p.effect->other);
    }
    while (!open.empty()) {
      auto const id = open.back();
      open.pop_back();
      for (auto const& entry : durable.at(id).entries) reach(entry.target);
    }
    reached[root] = 1;
    for (std::size_t i = 0; i < size_; ++i) {
      auto const& effect = *pending_[i].effect;
      bool const seen = reached[effect.inode] ||
                        (effect.kind == Effect::Kind::move && reached[effect.to_directory]);
      invisible_[i] = !seen;
    }
  }

  [[nodiscard]] bool fits(std::size_t budget, bool trashing) {
    return walk_all(budget, trashing, [](Kept const&) { return true; });
  }
  template <class Visit>
  bool walk_all(std::size_t budget, bool trashing, Visit&& visit) {
    left_ = budget;
    trashing_ = trashing;
    return walk(size_, false, visit);
  }

  // Goes from the last effect to the first, so that what is needed or hidden by a later one is
  // known. False if the budget ran out or `visit` wanted no more.
  template <class Visit>
  bool walk(std::size_t i, bool any_new, Visit&& visit) {
    if (i == 0) {
      if (!any_new && first_new_ != 0) return true;
      if (left_ == 0) return false;
      --left_;
      return visit(std::as_const(kept_));
    }
    --i;
    if (i < first_new_ && !any_new && first_new_ != 0) return true;
    bool const needed = needed_[i] != 0;
    if (!needed) {
      kept_[i].fate = Fate::lost;
      if (!walk(i, any_new, visit)) return false;
      if (invisible_[i] || is_hidden(i)) return true;
    }
    bool const trashable = trashing_ && !needed && is_data(i);
    for (auto const fate : {Fate::kept, Fate::trashed}) {
      if (fate == Fate::trashed && !trashable) break;
      keep(i, 1);
      kept_[i].fate = fate;
      bool const more = walk(i, any_new || i >= first_new_, visit);
      keep(i, -1);
      if (!more) return false;
    }
    return true;
  }
  [[nodiscard]] bool is_data(std::size_t i) const noexcept {
    return pending_[i].effect->kind == Effect::Kind::data;
  }
  [[nodiscard]] bool is_hidden(std::size_t i) const noexcept {
    auto const& r = registers_[i];
    if (r[0] == none && r[1] == none) return false;
    return (r[0] == none || hidden_[r[0]] > 0) && (r[1] == none || hidden_[r[1]] > 0);
  }
  void keep(std::size_t i, int by) noexcept {
    for (auto const r : registers_[i]) {
      if (r != none) hidden_[r] += by;
    }
    for (auto const n : needs_[i]) needed_[n] += by;
  }

  // ---- beyond the budget

  void add_needs(Kept& kept) const {
    for (std::size_t i = size_; i-- > 0;) {
      if (kept[i].fate == Fate::lost) continue;
      for (auto const n : needs_[i]) kept[n].fate = Fate::kept;
    }
  }
  void drop_unmet(Kept& kept) const {
    for (std::size_t i = 0; i < size_; ++i) {
      for (auto const n : needs_[i]) {
        if (kept[n].fate != Fate::kept) kept[i].fate = Fate::lost;
      }
    }
  }
  [[nodiscard]] Kept prefix(std::size_t end) const {
    Kept kept(size_);
    std::fill_n(kept.begin(), end, Choice{Fate::kept});
    return kept;
  }
  template <class Visit>
  bool offer(Kept const& kept, Visit&& visit) const {
    auto const first = kept.begin() + static_cast<std::ptrdiff_t>(first_new_);
    bool const spares_new =
        std::any_of(first, kept.end(), [](Choice c) { return c.fate != Fate::lost; });
    return first_new_ != 0 && !spares_new ? true : visit(kept);
  }

  template <class Visit>
  bool sample(std::size_t budget, Dice& dice, Visit&& visit) const {
    bool const few = size_ + 1 > budget / 4;
    for (std::size_t n = few ? budget / 4 : size_ + 1; n-- > 0;) {
      auto const end = few ? first_new_ + dice.below(size_ - first_new_ + 1) : n;
      if (!offer(prefix(static_cast<std::size_t>(end)), visit)) return false;
    }
    if (few && !offer(prefix(size_), visit)) return false;
    return sample_pairs(budget / 4, dice, visit) && sample_random(budget / 2, dice, visit);
  }
  // One or two effects kept, or lost.
  template <class Visit>
  bool sample_pairs(std::size_t budget, Dice& dice, Visit&& visit) const {
    auto const pairs = std::min(size_ * (size_ + 1) / 2, budget);
    bool const all = pairs < budget;
    std::size_t a = 0;
    std::size_t b = 0;  // a == b: one effect alone
    for (std::size_t n = 0; n < pairs; ++n) {
      if (!all) {
        a = static_cast<std::size_t>(dice.below(size_));
        b = static_cast<std::size_t>(dice.below(size_));
      }
      Kept few(size_);
      few[a].fate = few[b].fate = Fate::kept;
      add_needs(few);
      auto most = prefix(size_);
      most[a].fate = most[b].fate = Fate::lost;
      drop_unmet(most);
      if (!offer(few, visit) || !offer(most, visit)) return false;
      if (++b == size_) b = ++a;
    }
    return true;
  }
  template <class Visit>
  bool sample_random(std::size_t budget, Dice& dice, Visit&& visit) const {
    for (std::size_t n = 0; n < budget; ++n) {
      if (!offer(random(dice), visit)) return false;
    }
    return true;
  }
  [[nodiscard]] Kept random(Dice& dice) const {
    Kept kept(size_);
    auto const odds = 1 + dice.below(3);  // of four
    for (auto& k : kept) k.fate = dice.below(4) < odds ? Fate::kept : Fate::lost;
    drop_unmet(kept);
    return kept;
  }

  // One sector damaged, in what a crash at that write leaves, in all else that is there, or in
  // anything; now and then a second one.
  template <class Visit>
  bool damage_some(std::size_t budget, Fate fate, Dice& dice, Visit&& visit) const {
    std::vector<std::size_t> data;
    for (std::size_t i = 0; i < size_; ++i) {
      if (is_data(i) && !invisible_[i]) data.push_back(i);
    }
    for (std::size_t n = 0; n < budget && !data.empty(); ++n) {
      auto const at = data[n < data.size() ? n : static_cast<std::size_t>(dice.below(data.size()))];
      auto const way = dice.below(3);
      auto kept = way == 0 ? prefix(at) : way == 1 ? prefix(size_) : random(dice);
      if (dice.below(4) == 0) damage(kept, data[dice.below(data.size())], fate, dice);
      damage(kept, at, fate, dice);
      if (!offer(kept, visit)) return false;
    }
    return true;
  }
  void damage(Kept& kept, std::size_t at, Fate fate, Dice& dice) const {
    Kept alone(size_);
    alone[at] = {fate, static_cast<std::uint32_t>(dice())};
    add_needs(alone);
    for (std::size_t i = 0; i < size_; ++i) {
      if (alone[i].fate != Fate::lost) kept[i] = alone[i];
    }
    drop_unmet(kept);
  }

  std::vector<Pending> const& pending_;
  Damage damage_;
  bool trashing_ = false;
  std::size_t size_;
  std::size_t first_new_ = 0;
  std::size_t left_ = 0;
  std::vector<std::vector<std::size_t>> needs_;
  std::vector<Registers> registers_;
  std::vector<char> invisible_;
  Kept kept_;
  std::vector<int> needed_;  // by how many kept ones
  std::vector<int> hidden_;  // by how many kept ones, for each register
};
}  // namespace testing::disk

HOLDFAST_END

#endif

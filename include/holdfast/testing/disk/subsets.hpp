// SPDX-License-Identifier: BSL-1.0
// Enumerates the legal subsets of pending effects that a power cut may keep: all of them within a
// budget, else prefixes, few kept, few lost, and seeded random ones.
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
#include "holdfast/testing/disk/hash.hpp"
#include "holdfast/testing/disk/image.hpp"

HOLDFAST_BEGIN

namespace testing::disk {
/// Which of the pending effects survive, in their order.
using Kept = std::vector<char>;

/// The disk that a power cut leaves, before `settle`.
[[nodiscard]] inline Image image_of(CrashStates const& states, Kept const& kept) {
  Image image = states.durable();
  for (std::size_t i = 0; i < kept.size(); ++i) {
    if (kept[i]) image.apply(*states.pending()[i].effect, states.pending()[i].part);
  }
  return image;
}

/// The subsets at one instant. Refers to `states`.
class Subsets {
 public:
  /// Only subsets that keep an effect with an id of at least `newer_than` are given: the others
  /// were legal at an earlier instant.
  Subsets(CrashStates const& states, std::uint64_t newer_than)
      : pending_{states.pending()},
        size_{states.pending().size()},
        needs_(size_),
        registers_(size_),
        invisible_(size_, 0),
        kept_(size_, 0),
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
    left_ = budget;
    if (walk(size_, false, [](Kept const&) { return true; })) {
      left_ = budget;
      walk(size_, false, visit);
    } else {
      sample(budget, Dice{seed}, visit);
    }
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
      if (effect.kind == Effect::Kind::move && part != Part::removal) {
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
    for (auto const& p : pending_) reach(p.effect->target);
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
    if (needed_[i] == 0) {
      kept_[i] = 0;
      if (!walk(i, any_new, visit)) return false;
      if (invisible_[i] || is_hidden(i)) return true;
    }
    keep(i, 1);
    bool const more = walk(i, any_new || i >= first_new_, visit);
    keep(i, -1);
    return more;
  }
  [[nodiscard]] bool is_hidden(std::size_t i) const noexcept {
    auto const& r = registers_[i];
    if (r[0] == none && r[1] == none) return false;
    return (r[0] == none || hidden_[r[0]] > 0) && (r[1] == none || hidden_[r[1]] > 0);
  }
  void keep(std::size_t i, int by) noexcept {
    kept_[i] = by > 0;
    for (auto const r : registers_[i]) {
      if (r != none) hidden_[r] += by;
    }
    for (auto const n : needs_[i]) needed_[n] += by;
  }

  // ---- beyond the budget

  void add_needs(Kept& kept) const {
    for (std::size_t i = size_; i-- > 0;) {
      if (!kept[i]) continue;
      for (auto const n : needs_[i]) kept[n] = 1;
    }
  }
  void drop_unmet(Kept& kept) const {
    for (std::size_t i = 0; i < size_; ++i) {
      for (auto const n : needs_[i]) {
        if (!kept[n]) kept[i] = 0;
      }
    }
  }
  template <class Visit>
  bool offer(Kept const& kept, Visit&& visit) const {
    auto const first = kept.begin() + static_cast<std::ptrdiff_t>(first_new_);
    if (first_new_ != 0 && std::find(first, kept.end(), char{1}) == kept.end()) return true;
    return visit(kept);
  }
  template <class Visit>
  bool sample(std::size_t budget, Dice dice, Visit&& visit) const {
    for (std::size_t end = 0; end <= size_; ++end) {
      Kept kept(size_, 0);
      std::fill_n(kept.begin(), end, char{1});
      if (!offer(kept, visit)) return false;
    }
    auto const pairs = std::min(size_ * (size_ + 1) / 2, budget / 4);
    bool const all = pairs < budget / 4;
    std::size_t a = 0;
    std::size_t b = 0;  // a == b: one effect alone
    for (std::size_t n = 0; n < pairs; ++n) {
      if (!all) {
        a = static_cast<std::size_t>(dice.below(size_));
        b = static_cast<std::size_t>(dice.below(size_));
      }
      Kept few(size_, 0);
      few[a] = few[b] = 1;
      add_needs(few);
      Kept most(size_, 1);
      most[a] = most[b] = 0;
      drop_unmet(most);
      if (!offer(few, visit) || !offer(most, visit)) return false;
      if (++b == size_) b = ++a;
    }
    for (std::size_t n = 0; n < budget / 2; ++n) {
      Kept kept(size_, 0);
      auto const odds = 1 + dice.below(3);  // of four
      for (auto& k : kept) k = dice.below(4) < odds;
      drop_unmet(kept);
      if (!offer(kept, visit)) return false;
    }
    return true;
  }

  std::vector<Pending> const& pending_;
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

// SPDX-License-Identifier: BSL-1.0
// Models what a disk holds: inodes whose sectors, sizes and directory entries are registers in
// which the last write wins.
#ifndef HOLDFAST_TESTING_DISK_IMAGE_HPP
#define HOLDFAST_TESTING_DISK_IMAGE_HPP

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "holdfast/bytes.hpp"
#include "holdfast/config.hpp"
#include "holdfast/file_system.hpp"
#include "holdfast/testing/disk/fates.hpp"
#include "holdfast/testing/disk/hash.hpp"
#include "holdfast/testing/disk/shared.hpp"

HOLDFAST_BEGIN

namespace testing::disk {
/// Index of an inode in its image. The root is 0; as nothing links to the root, 0 also says "none".
using InodeId = std::uint32_t;
inline constexpr InodeId root = 0;
inline constexpr InodeId no_inode = 0;

/// What one sector holds, without its trailing zeros. One that was never written is null, and reads
/// as zeros too.
struct Sector {
  bytes content;
  std::uint64_t hash = 0;
};
[[nodiscard]] inline bytes_view without_trailing_zeros(bytes_view content) noexcept {
  constexpr std::byte zeros[64] = {};
  while (content.size() >= 64 && std::memcmp(&content.back() - 63, zeros, 64) == 0) {
    content = content.first(content.size() - 64);
  }
  while (!content.empty() && content.back() == std::byte{}) {
    content = content.first(content.size() - 1);
  }
  return content;
}
[[nodiscard]] inline Shared<Sector> make_sector(bytes_view content) {
  content = without_trailing_zeros(content);
  auto const hash = content.empty() ? 0 : hash_of(content);
  return Shared<Sector>{Sector{{content.begin(), content.end()}, hash}};
}

struct DirectoryEntry {
  std::string name;
  InodeId target = no_inode;
  std::uint64_t hash = 0;  ///< of the name
};

struct Inode {
  Entry::Kind kind = Entry::Kind::file;
  std::uint64_t size = 0;
  std::uint64_t sectors_hash = 0;  ///< of all sectors, kept as they change
  std::vector<Shared<Sector>> sectors{};
  std::vector<DirectoryEntry> entries{};  ///< sorted by name
  std::string link_target{};

  [[nodiscard]] InodeId find(std::string_view name) const noexcept {
    auto const at = position(name);
    return at != entries.end() && at->name == name ? at->target : no_inode;
  }
  void set_entry(std::string const& name, InodeId target) {
    auto const at = entries.begin() + (position(name) - entries.begin());
    bool const there = at != entries.end() && at->name == name;
    if (target == no_inode) {
      if (there) entries.erase(at);
    } else if (there) {
      at->target = target;
    } else {
      entries.insert(at, {name, target, hash_of(std::string_view{name})});
    }
  }
  void set_sector(std::size_t index, Shared<Sector> sector) {
    if (index >= sectors.size()) {
      if (!sector) return;
      sectors.resize(index + 1);
    }
    auto& old = sectors[index];
    // Zeros hash alike, whether they were written or not.
    if (old && old->hash != 0) sectors_hash ^= mixed(index, old->hash);
    if (sector && sector->hash != 0) sectors_hash ^= mixed(index, sector->hash);
    old = std::move(sector);
  }
  [[nodiscard]] bytes_view sector(std::size_t index) const noexcept {
    return index < sectors.size() && sectors[index] ? bytes_view{sectors[index]->content}
                                                    : bytes_view{};
  }
  [[nodiscard]] bool is_written(std::size_t index) const noexcept {
    return index < sectors.size() && sectors[index];
  }
  /// Drops every byte beyond `end`.
  void clear_beyond(std::uint64_t end, std::size_t sector_size) {
    auto const whole = static_cast<std::size_t>(end / sector_size);
    auto const rest = static_cast<std::size_t>(end % sector_size);
    for (std::size_t i = whole + (rest != 0 ? 1 : 0); i < sectors.size(); ++i) set_sector(i, {});
    if (sectors.size() > whole + 1) sectors.resize(whole + 1);
    if (rest != 0 && whole < sectors.size() && sectors[whole] &&
        sectors[whole]->content.size() > rest) {
      set_sector(whole, make_sector(bytes_view{sectors[whole]->content}.first(rest)));
    }
  }
  [[nodiscard]] bool has_beyond(std::uint64_t end, std::size_t sector_size) const noexcept {
    auto const whole = static_cast<std::size_t>(end / sector_size);
    auto const rest = static_cast<std::size_t>(end % sector_size);
    for (std::size_t i = whole; i < sectors.size(); ++i) {
      if (sectors[i] && (i > whole || sectors[i]->content.size() > rest)) return true;
    }
    return false;
  }

 private:
  [[nodiscard]] std::vector<DirectoryEntry>::const_iterator position(
      std::string_view name) const noexcept {
    return std::lower_bound(entries.begin(), entries.end(), name,
                            [](DirectoryEntry const& e, std::string_view n) { return e.name < n; });
  }
};

/// One atomic change of registers.
struct Effect {
  enum class Kind : std::uint8_t {
    data,      ///< a sector gets `content`
    size,      ///< a file gets a size that is not smaller
    cut,       ///< a file gets a smaller size and loses what lay beyond it
    entry,     ///< `name` in a directory gives `target` (none: it is gone)
    move,      ///< `name` in a directory is gone and `to_name` in `to_directory` gives `target`
    exchange,  ///< `name` in a directory gives `target` and `to_name` in it gives `other`
  };
  Kind kind = Kind::data;
  bool replaces = false;  ///< a move over a name that existed
  InodeId inode = root;   ///< the file or directory that changes
  InodeId to_directory = root;
  InodeId target = no_inode;
  InodeId other = no_inode;
  std::uint64_t value = 0;  ///< index of the sector, or the size
  Shared<Sector> content{};
  Shared<Inode> created{};  ///< what `target` is, where it gets its first name here
  std::string name{};
  std::string to_name{};
};

/// A move between two directories is atomic only where a journal makes it so; else it has two
/// parts.
enum class Part : std::uint8_t { whole, removal, addition };

/// All inodes of a disk. Copies are cheap and share what neither has changed.
class Image {
 public:
  explicit Image(std::size_t sector_size) : sector_size_{sector_size} {
    Inode top;
    top.kind = Entry::Kind::directory;
    inodes_.emplace_back(std::move(top));
  }

  [[nodiscard]] std::size_t sector_size() const noexcept { return sector_size_; }
  [[nodiscard]] std::size_t inodes() const noexcept { return inodes_.size(); }
  [[nodiscard]] Inode const& at(InodeId id) const noexcept { return *inodes_[id]; }

  /// Is `below` this directory, or anywhere in it?
  [[nodiscard]] bool holds(InodeId directory, InodeId below) const {
    if (directory == below) return true;
    auto const& entries = at(directory).entries;
    return std::any_of(entries.begin(), entries.end(),
                       [&](DirectoryEntry const& entry) { return holds(entry.target, below); });
  }
  /// Makes room for the inode that an effect creates; it stays without a name until the effect is
  /// applied.
  void expect(Effect const& effect) {
    if (effect.created && effect.target == inodes_.size()) inodes_.push_back(effect.created);
  }
  void apply(Effect const& effect, Part part = Part::whole) {
    if (part == Part::addition) {
      return inodes_[effect.to_directory].edit().set_entry(effect.to_name, effect.target);
    }
    auto& inode = inodes_[effect.inode].edit();
    switch (effect.kind) {
      case Effect::Kind::data:
        return inode.set_sector(static_cast<std::size_t>(effect.value), effect.content);
      case Effect::Kind::size:
        inode.size = effect.value;
        return;
      case Effect::Kind::cut:
        inode.size = effect.value;
        return inode.clear_beyond(effect.value, sector_size_);
      case Effect::Kind::entry:
        return inode.set_entry(effect.name, effect.target);
      case Effect::Kind::move:
        inode.set_entry(effect.name, no_inode);
        if (part == Part::removal) return;
        return inodes_[effect.to_directory].edit().set_entry(effect.to_name, effect.target);
      case Effect::Kind::exchange:
        inode.set_entry(effect.name, effect.target);
        return inode.set_entry(effect.to_name, effect.other);
    }
  }

  /// What a power cut makes of a sector that `effect` was writing. `fresh` is what a sector holds
  /// that was never written.
  void damage(Effect const& effect, Choice choice, std::byte fill, std::byte fresh) {
    auto& inode = inodes_[effect.inode].edit();
    auto const index = static_cast<std::size_t>(effect.value);
    bytes content(sector_size_, choice.fate == Fate::trashed ? fill : fresh);
    if (choice.fate == Fate::torn) {
      if (inode.is_written(index)) content = expanded(inode.sector(index));
      tear(content, expanded(effect.content->content), choice.dice, fill);
    }
    inode.set_sector(index, make_sector(content));
  }
  /// The write of a sector that the file never had before is lost; its block is not.
  void leave_fresh(Effect const& effect, std::byte fresh) {
    auto const index = static_cast<std::size_t>(effect.value);
    if (inodes_[effect.inode]->is_written(index)) return;
    inodes_[effect.inode].edit().set_sector(index, make_sector(bytes(sector_size_, fresh)));
  }

  /// Drops what nobody can see: inodes without a name and bytes beyond the end. What a crash leaves
  /// is looked at only so, and two images that look the same then are the same. Gives their hash.
  std::uint64_t settle() {
    std::vector<std::uint32_t> visit(inodes_.size(), 0);  // 1 + order of the first visit
    std::uint32_t visited = 0;
    auto const hash = settle(root, visit, visited);
    for (std::size_t i = 0; i < inodes_.size(); ++i) {
      if (visit[i] == 0) inodes_[i] = Shared<Inode>{};
    }
    return hash;
  }

 private:
  [[nodiscard]] bytes expanded(bytes_view content) const {
    bytes all(content.begin(), content.end());
    all.resize(sector_size_);
    return all;
  }
  // Where old and new differ: one up to a point and the other from there on, or garbage from there
  // on, or any mix.
  static void tear(bytes& old, bytes const& fresh, std::uint32_t seed, std::byte fill) {
    auto const differ = std::mismatch(old.begin(), old.end(), fresh.begin());
    if (differ.first == old.end()) return;
    auto const first = static_cast<std::size_t>(differ.first - old.begin());
    std::size_t end = old.size();
    while (old[end - 1] == fresh[end - 1]) --end;
    Dice dice{seed};
    auto const way = dice.below(4);
    auto const at = first + static_cast<std::size_t>(dice.below(end - first + 1));
    for (std::size_t i = first; i < end; ++i) {
      auto const one = dice.below(3);
      if (way == 0 ? i < at : way == 1 ? i >= at : way == 2 ? i < at : one == 0) {
        old[i] = fresh[i];
      } else if (way == 2 || (way == 3 && one == 1)) {
        old[i] = fill;
      }
    }
  }

  std::uint64_t settle(InodeId id, std::vector<std::uint32_t>& visit, std::uint32_t& visited) {
    if (visit[id] != 0) return mixed(visit[id]);  // a second name of a file
    visit[id] = ++visited;
    auto const kind = static_cast<std::uint64_t>(inodes_[id]->kind);
    if (inodes_[id]->kind == Entry::Kind::directory) {
      std::uint64_t hash = mixed(kind, inodes_[id]->entries.size());
      for (std::size_t i = 0; i < inodes_[id]->entries.size(); ++i) {
        auto const& entry = inodes_[id]->entries[i];
        hash = mixed(hash ^ entry.hash, settle(entry.target, visit, visited));
      }
      return hash;
    }
    if (inodes_[id]->has_beyond(inodes_[id]->size, sector_size_)) {
      inodes_[id].edit().clear_beyond(inodes_[id]->size, sector_size_);
    }
    auto const& file = *inodes_[id];
    auto const target = file.link_target.empty() ? 0 : hash_of(std::string_view{file.link_target});
    return mixed(file.size * 4 + kind, file.sectors_hash ^ target);
  }

  std::size_t sector_size_;
  std::vector<Shared<Inode>> inodes_;
};
}  // namespace testing::disk

HOLDFAST_END

#endif

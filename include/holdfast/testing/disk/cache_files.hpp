// SPDX-License-Identifier: BSL-1.0
// What one process' calls do to the page cache of a simulated machine, while none is made to fail.
#ifndef HOLDFAST_TESTING_DISK_CACHE_FILES_HPP
#define HOLDFAST_TESTING_DISK_CACHE_FILES_HPP

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "holdfast/bytes.hpp"
#include "holdfast/config.hpp"
#include "holdfast/file_system.hpp"
#include "holdfast/result.hpp"
#include "holdfast/testing/disk/machine.hpp"
#include "holdfast/testing/faults_memory.hpp"

HOLDFAST_BEGIN

namespace testing::disk {
[[nodiscard]] inline auto refuse(errc code, std::string_view path) noexcept {
  return failure(code, "simulated", path);
}

/// Models `file_system`: a handle onto a machine that other processes may share. Not thread-safe.
class CacheFiles {
 public:
  /// An open file; closing it lets go of its locks.
  class file {
   public:
    file() = default;
    file(std::shared_ptr<Machine> machine,
         std::uint32_t process,
         InodeId inode,
         std::string path,
         bool writable)
        : machine_{std::move(machine)},
          path_{std::move(path)},
          id_{++machine_->files_opened},
          process_{process},
          inode_{inode},
          writable_{writable} {
      ++machine_->open_files;
    }
    file(file&& other) noexcept { swap(other); }
    file& operator=(file&& other) noexcept {
      swap(other);
      return *this;
    }
    ~file() {
      if (!machine_) return;
      SparedAllocations const spared;
      --machine_->open_files;
      if (!machine_->process(process_).alive) return;
      machine_->unlock(id_, 0, ~std::uint64_t{0});
      if (was_emptied_) {
        machine_->record(Step::Kind::close, process_, "close", path_).inode = inode_;
      }
    }

    [[nodiscard]] std::string const& path() const noexcept { return path_; }

   private:
    friend CacheFiles;
    void swap(file& other) noexcept {
      std::swap(machine_, other.machine_);
      std::swap(path_, other.path_);
      std::swap(id_, other.id_);
      std::swap(process_, other.process_);
      std::swap(inode_, other.inode_);
      std::swap(writable_, other.writable_);
      std::swap(was_emptied_, other.was_emptied_);
    }
    std::shared_ptr<Machine> machine_;
    std::string path_;
    std::uint64_t id_ = 0;
    std::uint32_t process_ = 0;
    InodeId inode_ = root;
    bool writable_ = false;
    bool was_emptied_ = false;
  };

  CacheFiles(std::shared_ptr<Machine> machine, std::uint32_t process) noexcept
      : machine_{std::move(machine)}, process_{process} {}

  [[nodiscard]] result<file> open(std::string const& path, Open how) const {
    HOLDFAST_TRYV(enter(path));
    HOLDFAST_TRY(place, find(path));
    if (how == Open::create) {
      if (place.exists) return refuse(errc::exists, path);
      auto const made = make(place, {}, "create", path);
      return file{machine_, process_, made, path, true};
    }
    if (!place.exists) return refuse(errc::not_found, path);
    auto const kind = inode(place).kind;
    if (kind == Entry::Kind::symlink) return refuse(errc::foreign, path);
    if (kind == Entry::Kind::directory && how == Open::write) return refuse(errc::invalid, path);
    return file{machine_, process_, place.target, path, how == Open::write};
  }

  [[nodiscard]] result<std::size_t> read_at(file& f, std::uint64_t at, bytes_span into) const {
    HOLDFAST_TRYV(enter(f.path_));
    auto const& inode = machine_->cache.at(f.inode_);
    if (inode.kind != Entry::Kind::file) return refuse(errc::invalid, f.path_);
    if (at >= inode.size) return std::size_t{0};
    auto const size =
        static_cast<std::size_t>(std::min<std::uint64_t>(into.size(), inode.size - at));
    copy_out(inode, at, into.first(size));
    return size;
  }

  /// Grows the file page by page, so that it may be seen with any of those sizes.
  [[nodiscard]] result<void> write_at(file& f, std::uint64_t at, bytes_view from) const {
    HOLDFAST_TRYV(enter(f.path_));
    if (!f.writable_) return refuse(errc::io, f.path_);
    if (from.empty()) return ok();
    auto const sector_size = machine_->cache.sector_size();
    machine_->record(Step::Kind::call, process_, "write", f.path_);
    auto const end = at + from.size();
    for (auto begin = at; begin < end;) {
      auto const page_end = std::min(end, (begin / page_size + 1) * page_size);
      for (auto sector = begin / sector_size; sector * sector_size < page_end; ++sector) {
        write_sector(f.inode_, sector, at, from);
      }
      if (page_end > machine_->cache.at(f.inode_).size) set_size(f, Effect::Kind::size, page_end);
      begin = page_end;
    }
    return ok();
  }

  [[nodiscard]] result<std::uint64_t> size(file& f) const {
    HOLDFAST_TRYV(enter(f.path_));
    return machine_->cache.at(f.inode_).size;
  }

  [[nodiscard]] result<void> resize(file& f, std::uint64_t size) const {
    HOLDFAST_TRYV(enter(f.path_));
    if (!f.writable_) return refuse(errc::io, f.path_);
    auto const before = machine_->cache.at(f.inode_).size;
    if (size == before) return ok();
    machine_->record(Step::Kind::call, process_, "resize", f.path_);
    set_size(f, size < before ? Effect::Kind::cut : Effect::Kind::size, size);
    if (size == 0) f.was_emptied_ = true;
    return ok();
  }

  [[nodiscard]] result<void> sync(file& f) const {
    HOLDFAST_TRYV(enter(f.path_));
    machine_->record(Step::Kind::sync, process_, "sync", f.path_).inode = f.inode_;
    return ok();
  }

  /// What a sync does that answers an error.
  void fail_sync(file& f) const {
    if (!enter(f.path_)) return;
    machine_->record(Step::Kind::sync_failed, process_, "failed sync", f.path_).inode = f.inode_;
  }

  [[nodiscard]] result<bool> try_lock(file& f, Range range, Mode mode) const {
    HOLDFAST_TRYV(enter(f.path_));
    if (mode == Mode::exclusive && !f.writable_) return refuse(errc::io, f.path_);
    return machine_->lock({f.inode_, process_, f.id_, range.at, end_of(range), mode});
  }
  [[nodiscard]] result<void> unlock(file& f, Range range) const {
    HOLDFAST_TRYV(enter(f.path_));
    machine_->unlock(f.id_, range.at, end_of(range));
    return ok();
  }

  [[nodiscard]] result<FileId> identity(file& f) const {
    HOLDFAST_TRYV(enter(f.path_));
    return FileId{1, f.inode_ + std::uint64_t{1}};
  }
  [[nodiscard]] result<FileId> identity(std::string const& path) const {
    HOLDFAST_TRYV(enter(path));
    HOLDFAST_TRY(place, find(path));
    if (!place.exists) return refuse(errc::not_found, path);
    return FileId{1, place.target + std::uint64_t{1}};
  }

  [[nodiscard]] result<void> make_directory(std::string const& path) const {
    HOLDFAST_TRYV(enter(path));
    HOLDFAST_TRY(place, find(path));
    if (place.exists) return refuse(errc::exists, path);
    Inode made;
    made.kind = Entry::Kind::directory;
    make(place, std::move(made), "make directory", path);
    return ok();
  }

  [[nodiscard]] result<void> sync_directory(std::string const& path) const {
    HOLDFAST_TRYV(enter(path));
    HOLDFAST_TRY(place, find_directory(path));
    machine_->record(Step::Kind::sync, process_, "sync directory", path).inode = place.target;
    return ok();
  }

  [[nodiscard]] result<void> rename(std::string const& from, std::string const& to) const {
    HOLDFAST_TRYV(enter(from));
    HOLDFAST_TRY(old, find(from));
    HOLDFAST_TRY(place, find(to));
    if (!old.exists) return refuse(errc::not_found, from);
    if (old.name.empty() || place.name.empty()) return refuse(errc::invalid, from);
    if (old.target == place.target) return ok();  // two names of one file: rename(2) does nothing
    HOLDFAST_TRYV(may_replace(old, place, to));
    machine_->record(Step::Kind::call, process_, "rename", from, to);
    Effect effect;
    effect.kind = Effect::Kind::move;
    effect.replaces = place.exists;
    effect.inode = old.directory;
    effect.to_directory = place.directory;
    effect.target = old.target;
    effect.name = old.name;
    effect.to_name = place.name;
    machine_->issue(std::move(effect));
    return ok();
  }

  [[nodiscard]] result<void> exchange(std::string const& a, std::string const& b) const {
    HOLDFAST_TRYV(enter(a));
    HOLDFAST_TRY(one, find(a));
    HOLDFAST_TRY(other, find(b));
    if (!one.exists || !other.exists) return refuse(errc::not_found, one.exists ? b : a);
    if (one.directory != other.directory || one.name.empty()) return refuse(errc::invalid, b);
    machine_->record(Step::Kind::call, process_, "exchange", a, b);
    Effect effect;
    effect.kind = Effect::Kind::exchange;
    effect.inode = effect.to_directory = one.directory;
    effect.target = other.target;
    effect.other = one.target;
    effect.name = one.name;
    effect.to_name = other.name;
    machine_->issue(std::move(effect));
    return ok();
  }
  [[nodiscard]] result<void> link(std::string const& from, std::string const& to) const {
    HOLDFAST_TRYV(enter(from));
    HOLDFAST_TRY(old, find(from));
    if (!old.exists) return refuse(errc::not_found, from);
    HOLDFAST_TRY(place, find(to));
    if (place.exists) return refuse(errc::exists, to);
    if (inode(old).kind == Entry::Kind::directory) return refuse(errc::denied, from);
    machine_->record(Step::Kind::call, process_, "link", from, to);
    set_entry(place, old.target, {});
    return ok();
  }
  [[nodiscard]] result<void> symlink(std::string const& target, std::string const& at) const {
    HOLDFAST_TRYV(enter(at));
    HOLDFAST_TRY(place, find(at));
    if (place.exists) return refuse(errc::exists, at);
    Inode made;
    made.kind = Entry::Kind::symlink;
    made.link_target = target;
    make(place, std::move(made), "symlink", at);
    return ok();
  }
  [[nodiscard]] result<std::string> read_link(std::string const& path) const {
    HOLDFAST_TRYV(enter(path));
    HOLDFAST_TRY(place, find(path));
    if (!place.exists) return refuse(errc::not_found, path);
    if (inode(place).kind != Entry::Kind::symlink) return refuse(errc::io, path);
    return inode(place).link_target;
  }
  [[nodiscard]] result<void> remove(std::string const& path) const {
    HOLDFAST_TRYV(enter(path));
    HOLDFAST_TRY(place, find(path));
    if (!place.exists) return refuse(errc::not_found, path);
    if (place.name.empty()) return refuse(errc::denied, path);
    if (!inode(place).entries.empty()) return refuse(errc::exists, path);
    machine_->record(Step::Kind::call, process_, "remove", path);
    set_entry(place, no_inode, {});
    return ok();
  }

  [[nodiscard]] result<std::vector<Entry>> list(std::string const& path) const {
    HOLDFAST_TRYV(enter(path));
    HOLDFAST_TRY(place, find_directory(path));
    std::vector<Entry> entries;
    for (auto const& entry : inode(place).entries) {
      entries.push_back({entry.name, machine_->cache.at(entry.target).kind});
    }
    return entries;
  }

 private:
  [[nodiscard]] result<void> enter(std::string const& path) const {
    if (!machine_->enter(process_)) return refuse(errc::io, path);
    return ok();
  }
  [[nodiscard]] Inode const& inode(Place const& place) const {
    return machine_->cache.at(place.target);
  }
  [[nodiscard]] static std::uint64_t end_of(Range range) noexcept {
    return range.size == 0 ? ~std::uint64_t{0} : range.at + range.size;
  }
  [[nodiscard]] result<Place> find(std::string const& path) const {
    auto place = machine_->resolve(path);
    if (!place) return refuse(place.error().code(), path);
    return place;
  }
  [[nodiscard]] result<Place> find_directory(std::string const& path) const {
    HOLDFAST_TRY(place, find(path));
    if (!place.exists) return refuse(errc::not_found, path);
    if (inode(place).kind != Entry::Kind::directory) return refuse(errc::invalid, path);
    return place;
  }

  [[nodiscard]] result<void> may_replace(Place const& old,
                                         Place const& place,
                                         std::string const& to) const {
    if (machine_->cache.holds(old.target, place.directory)) return refuse(errc::io, to);
    if (!place.exists) return ok();
    if (machine_->cache.holds(place.target, old.directory)) return refuse(errc::exists, to);
    bool const from_directory = inode(old).kind == Entry::Kind::directory;
    bool const to_directory = inode(place).kind == Entry::Kind::directory;
    if (from_directory != to_directory) return refuse(errc::invalid, to);
    if (to_directory && !inode(place).entries.empty()) return refuse(errc::exists, to);
    return ok();
  }

  InodeId make(Place const& place,
               Inode made,
               char const* operation,
               std::string const& path) const {
    machine_->record(Step::Kind::call, process_, operation, path);
    auto const id = static_cast<InodeId>(machine_->cache.inodes());
    set_entry(place, id, Shared<Inode>{std::move(made)});
    return id;
  }
  void set_entry(Place const& place, InodeId target, Shared<Inode> created) const {
    Effect effect;
    effect.kind = Effect::Kind::entry;
    effect.created = std::move(created);
    effect.inode = place.directory;
    effect.target = target;
    effect.name = place.name;
    machine_->issue(std::move(effect));
  }
  void set_size(file const& f, Effect::Kind kind, std::uint64_t size) const {
    Effect effect;
    effect.kind = kind;
    effect.inode = f.inode_;
    effect.value = size;
    machine_->issue(std::move(effect));
  }

  // A sector that already holds the same bytes is the same register value: no effect.
  void write_sector(InodeId id, std::uint64_t sector, std::uint64_t at, bytes_view from) const {
    auto const sector_size = machine_->cache.sector_size();
    auto const start = sector * sector_size;
    auto const begin = std::max(at, start);
    auto const end = std::min(at + from.size(), start + sector_size);
    auto const part =
        from.subspan(static_cast<std::size_t>(begin - at), static_cast<std::size_t>(end - begin));
    auto const& inode = machine_->cache.at(id);
    auto const index = static_cast<std::size_t>(sector);
    bool const written = inode.is_written(index);
    if (!written && !machine_->fresh_sectors_show && without_trailing_zeros(part).empty()) return;
    auto const old = inode.sector(index);
    bytes content(sector_size);
    std::copy(old.begin(), old.end(), content.begin());
    std::memcpy(content.data() + (begin - start), part.data(), part.size());
    auto fresh = make_sector(content);
    bool const same =
        written && std::equal(old.begin(), old.end(), fresh->content.begin(), fresh->content.end());
    if (same && !machine_->rewrites_show) return;
    Effect effect;
    effect.inode = id;
    effect.value = sector;
    effect.content = std::move(fresh);
    machine_->issue(std::move(effect));
  }

  void copy_out(Inode const& inode, std::uint64_t at, bytes_span into) const {
    auto const sector_size = machine_->cache.sector_size();
    while (!into.empty()) {
      auto const index = static_cast<std::size_t>(at / sector_size);
      auto const skip = static_cast<std::size_t>(at % sector_size);
      auto const size = std::min(into.size(), sector_size - skip);
      auto const content = inode.sector(index);
      auto const copied = skip < content.size() ? std::min(size, content.size() - skip) : 0;
      if (copied != 0) std::memcpy(into.data(), content.data() + skip, copied);
      std::memset(into.data() + copied, 0, size - copied);
      into = into.subspan(size);
      at += size;
    }
  }

  std::shared_ptr<Machine> machine_;
  std::uint32_t process_;
};
}  // namespace testing::disk

HOLDFAST_END

#endif

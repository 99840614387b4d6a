// SPDX-License-Identifier: BSL-1.0
// Reads record, lock, folders, pins and disk of a home.
#include "look.hpp"

#include <sys/stat.h>
#include <sys/statvfs.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>

#include "holdfast/backend/file_register.hpp"
#include "holdfast/detail/manifest_text.hpp"
#include "holdfast/detail/ring.hpp"
#include "holdfast/file_ops.hpp"
#include "holdfast/policy/file_lock.hpp"

namespace tool {
namespace {
namespace fs = std::filesystem;
namespace manifest = hf::detail::manifest;
using hf::errc, hf::Generation, hf::detail::join;

struct Loaded {
  hf::Version version{};
  std::optional<hf::Manifest> record{};
};
hf::result<Loaded> load(std::string const& home) {
  hf::FileRegister record{join(home, "CURRENT")};
  HOLDFAST_TRY(found, record.load());
  if (!found) return Loaded{};
  HOLDFAST_TRY(m, manifest::decode(hf::as_text(found->value)));
  return Loaded{found->version, std::move(m)};
}

// The newest slot of a ring that is whole, whatever may be missing above it.
std::optional<hf::Manifest> read_old_record(std::string const& path) {
  namespace ring = hf::detail::ring;
  auto const content = hf::detail::read_file(hf::Posix{}, path, ring::slots * ring::slot_size);
  if (!content) return {};
  auto const found = ring::scan(content.assume_value(), {}, {}, hf::Version::none);
  if (!found.newest) return {};
  auto m = manifest::decode(hf::as_text(found.newest->value));
  if (!m) return {};
  return std::move(m).assume_value();
}

std::vector<std::string> moved_aside(std::string const& home) {
  std::vector<std::string> all;
  auto const entries = hf::Posix{}.list(home);
  if (!entries) return all;
  for (auto const& entry : entries.assume_value()) {
    if (entry.name.starts_with("CURRENT.replaced-")) all.push_back(entry.name);
    if (entry.name.starts_with("CURRENT.hint.replaced-")) all.push_back(entry.name);
  }
  return all;
}

void measure(std::string const& path, Remains& into) {
  struct stat seen {};
  if (::lstat(path.c_str(), &seen) != 0) return;  // gone meanwhile
  into.bytes += static_cast<std::uint64_t>(seen.st_blocks) * 512;
  auto const at = std::int64_t{seen.st_mtim.tv_sec} * 1'000'000'000 + seen.st_mtim.tv_nsec;
  into.touched_ns = std::max(into.touched_ns, at);
}

Remains look_at_remains(AnyStore const& store, std::string const& part, Generation g) {
  Remains remains;
  auto const folder = store.path_of(part, g);
  measure(folder, remains);
  std::error_code ignored;  // what may not be listed is told by the check below
  for (auto at = fs::recursive_directory_iterator{folder, ignored};
       at != fs::recursive_directory_iterator{}; at.increment(ignored)) {
    measure(at->path().string(), remains);
    if (ignored) break;
  }
  remains.sealed = fs::exists(folder + "/SEAL", ignored);
  remains.updated = fs::exists(folder + "/UPDATED", ignored);
  if (auto const format = store.seal_format(part, g)) remains.format = format.assume_value();
  auto const checked = store.check_part(part, g);
  if (!checked) remains.wrong = checked.error();
  return remains;
}

hf::result<PartLook> look_at_part(AnyStore const& store,
                                  std::string const& home,
                                  std::string const& name) {
  PartLook part{.name = name};
  std::error_code ignored;
  auto const folder = join(home, name);
  part.missing = !fs::exists(folder, ignored);
  HOLDFAST_TRY(numbers, store.generations_of(name));
  for (auto const g : numbers) part.generations[g] = look_at_remains(store, name, g);
  part.names = outside_names(folder);
  return part;
}

Disk look_at_disk(std::string const& home) {
  Disk disk;
  struct statvfs seen {};
  if (::statvfs(home.c_str(), &seen) != 0) return disk;
  disk.free = std::uint64_t{seen.f_bavail} * seen.f_frsize;
  disk.read_only = (seen.f_flag & ST_RDONLY) != 0;
  return disk;
}

void look_at_lock(std::string const& home, Look& look) {
  hf::FileLock lock{join(home, "LOCK")};
  auto const holder = lock.inspect();
  if (holder) {
    look.holder = holder.assume_value();
  } else {
    look.lock_trouble = holder.error();
  }
}

// Loading gives the record or tells why not; beside stores with data, none is lost.
void judge_record(hf::result<Loaded> const& loaded, Look& look) {
  auto const all = look.generations();
  if (!loaded) {
    look.trouble = loaded.error();
    return;
  }
  look.record = loaded.assume_value().record;
  if (!look.record) {
    if (!all.empty()) {
      look.trouble = hf::error{errc::register_lost, "load", join(look.home, "CURRENT")};
    }
    return;
  }
  if (!all.empty() && all.back().number >= look.record->next) {
    look.trouble = hf::error{errc::stale_register, "load",
                             "generation " + std::to_string(all.back().number) +
                                 " lies in the store, and the record knows of none above " +
                                 std::to_string(look.record->next - 1)};
  }
}

hf::result<Look> look_once(std::string const& home) {
  Look look{.home = home, .now_ns = hf::Native{}.wall_ns()};
  auto const loaded = load(home);
  HOLDFAST_TRY(names, part_names_of(home));
  look.part_names = names.names;
  look.parts_told = names.told;
  AnyStore store{look.part_names};
  store.place(home);
  for (auto const& name : look.part_names) {
    HOLDFAST_TRY(part, look_at_part(store, home, name));
    look.parts.push_back(std::move(part));
  }
  judge_record(loaded, look);
  look_at_lock(home, look);
  look.pins = find_pins(join(home, "PINS"), look.generations());
  look.disk = look_at_disk(home);
  std::error_code ignored;
  look.hint_missing = !fs::exists(join(home, "CURRENT.hint"), ignored);
  look.aside = moved_aside(home);
  bool const nothing = !look.record && !look.trouble && look.parts.empty();
  if (nothing && !fs::exists(join(home, "LOCK"), ignored)) {
    return hf::failure(errc::invalid, "this folder is no home", home);
  }
  return look;
}
}  // namespace

bool Look::updated(hf::Kept const& kept) const {
  for (std::size_t i = 0; i < parts.size() && i < kept.parts.size(); ++i) {
    auto const found = parts[i].generations.find(kept.parts[i]);
    if (found != parts[i].generations.end() && found->second.updated) return true;
  }
  return false;
}
std::uint64_t Look::bytes_of(Generation g) const {
  std::uint64_t all = 0;
  for (auto const& part : parts) {
    auto const at = part.generations.find(g);
    if (at != part.generations.end()) all += at->second.bytes;
  }
  return all;
}

std::vector<Generation> Look::generations() const {
  std::vector<Generation> all;
  for (auto const& part : parts) {
    for (auto const& [g, remains] : part.generations) all.push_back(g);
  }
  std::sort(all.begin(), all.end());
  all.erase(std::unique(all.begin(), all.end()), all.end());
  return all;
}

Pin const* Look::pin(Generation g) const {
  auto const at = std::find_if(pins.pins.begin(), pins.pins.end(),
                               [g](Pin const& pin) { return pin.generation == g; });
  return at == pins.pins.end() ? nullptr : &*at;
}

std::string Look::wrong_with(hf::Kept const& kept) const {
  for (std::size_t i = 0; i < parts.size() && i < kept.parts.size(); ++i) {
    auto const at = parts[i].generations.find(kept.parts[i]);
    if (at == parts[i].generations.end()) {
      return parts[i].name + ": generation " + std::to_string(kept.parts[i].number) +
             (parts[i].missing ? " is missing, and so is the folder of the part" : " is missing");
    }
    if (at->second.wrong) return parts[i].name + ": " + at->second.wrong->text();
  }
  return {};
}

bool Look::foreign(Generation g) const {
  return record && !manifest::lists(*record, g);
}

std::vector<hf::Retiring> Look::droppable() const {
  std::vector<hf::Retiring> all;
  if (!record) return all;
  for (auto const& retiring : record->retiring) {
    bool const there = bytes_of(retiring.generation) != 0;  // else the next store takes it out
    if (there && !manifest::carried(*record, retiring.generation)) all.push_back(retiring);
  }
  return all;
}

hf::result<PartNames> part_names_of(std::string const& home) {
  auto const loaded = load(home);
  if (loaded && loaded.assume_value().record) {
    return PartNames{loaded.assume_value().record->part_names, true};
  }
  auto candidates = moved_aside(home);
  candidates.insert(candidates.begin(), "CURRENT");
  for (auto const& name : candidates) {
    auto const old = read_old_record(join(home, name));
    if (old) return PartNames{old->part_names, true};
  }
  HOLDFAST_TRY(found, find_parts(home));
  return PartNames{std::move(found), false};
}

hf::result<Look> look_at(std::string const& home) {
  std::error_code failed;
  auto const status = fs::status(home, failed);
  if (!fs::exists(status)) return hf::failure(errc::not_found, "open the home", home);
  if (!fs::is_directory(status)) return hf::failure(errc::invalid, "the home is no folder", home);
  // What was taken down while the record changed may mix two moments.
  for (int round = 0;; ++round) {
    auto const before = load(home);
    HOLDFAST_TRY(look, look_once(home));
    auto const after = load(home);
    bool const still =
        !before || !after || before.assume_value().version == after.assume_value().version;
    if (still || round == 4) return std::move(look);
  }
}

}  // namespace tool

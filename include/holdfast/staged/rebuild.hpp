// SPDX-License-Identifier: BSL-1.0
// Gives a home whose record is lost a new one: looks and proposes first, then moves what is left of
// the old record aside and names one whole generation.
//
// The order of durable effects:
//   1. lock:      a token above every one that a record was seen to have; builders are kept out
//   2. CURRENT    gets the name CURRENT.replaced-N: nothing is deleted
//   3. its hint   the same; a crash from here on leaves stores without a record, which no open
//                 takes for an empty home, and which can be rebuilt again
//   4. register:  {fence = token, next, current = g}   whole, or not there at all
#ifndef HOLDFAST_STAGED_REBUILD_HPP
#define HOLDFAST_STAGED_REBUILD_HPP

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "holdfast/adaptor/parts.hpp"
#include "holdfast/backend/file_register.hpp"
#include "holdfast/backend/hint_file.hpp"
#include "holdfast/bytes.hpp"
#include "holdfast/concepts.hpp"
#include "holdfast/config.hpp"
#include "holdfast/detail/lock_wait.hpp"
#include "holdfast/detail/manifest.hpp"
#include "holdfast/detail/manifest_text.hpp"
#include "holdfast/detail/ring.hpp"
#include "holdfast/file_ops.hpp"
#include "holdfast/file_system.hpp"
#include "holdfast/ids.hpp"
#include "holdfast/policy/file_lock.hpp"
#include "holdfast/result.hpp"
#include "holdfast/staged/operations.hpp"
#include "holdfast/staged/rebuild_plan.hpp"
#include "holdfast/staged/source.hpp"
#include "holdfast/world.hpp"

HOLDFAST_BEGIN

struct RebuildOptions {
  /// Replace a record with which the home can be opened.
  bool replace_usable = false;
  /// Those that the chosen generation was committed with, as far as its builder knows them; a part
  /// that took updates has those of its last one itself. Without them an updater refuses it.
  Marks marks{};
};

/// A home that has a record again. The marks of its generation are lost unless they were given: set
/// them with the next commit. A process that had the home open for writing must open it again.
struct Rebuilt {
  Generation generation;
  FencingToken fence;                    ///< whoever built under a smaller token can't commit
  std::vector<std::string> moved_aside;  ///< what was left of the old record, by its new names
  Marks marks{};  ///< as given; empty: the generation takes no updates before the next commit
};

namespace detail {
// The outside names by part, as far as the store tells them.
template <class Store>
[[nodiscard]] result<void> add_published(Store& store,
                                         std::size_t names,
                                         std::vector<std::optional<Generation>>& all) {
  if constexpr (requires { store.published_parts(); }) {
    HOLDFAST_TRY(each, store.published_parts());
    all.insert(all.end(), each.begin(), each.end());
  } else if constexpr (requires { store.stores(); }) {
    result<void> done = ok();
    auto const add = [&](auto& part) {
      std::vector<std::string> own;
      add_names(part, own);
      if (done) done = add_published(part, own.size(), all);
    };
    std::apply([&](auto&... parts) { (add(parts), ...); }, store.stores());
    return done;
  } else if constexpr (requires { store.published(); }) {
    HOLDFAST_TRY(one, store.published());
    all.push_back(one);
  } else {
    all.insert(all.end(), names, std::nullopt);
  }
  return ok();
}

/// Looks at a home in a directory, whose register is HOME/CURRENT and whose lock HOME/LOCK.
template <generation_store Store, file_system Fs, world W>
class Rebuilder {
  using Register = BasicFileRegister<Fs, W>;
  using Lock = BasicFileLock<Fs, W>;

 public:
  Rebuilder(std::string home, Store store, Fs fs, W world)
      : home_{std::move(home)},
        fs_{std::move(fs)},
        world_{std::move(world)},
        source_{std::move(store), Register{join(home_, "CURRENT"), fs_, world_}} {}

  /// Writes nothing and takes no lock.
  [[nodiscard]] result<RebuildPlan> plan() {
    HOLDFAST_TRY(plan, look());
    Remains remains;
    for (auto const g : remains_) {
      std::vector<Generation> const parts(plan.part_names.size(), g);
      remains.verdicts.emplace(g, verify_each_part(source_.store(), plan.part_names, parts));
    }
    HOLDFAST_TRYV(add_published(source_.store(), plan.part_names.size(), remains.named));
    Planner{plan, remains}.decide();
    return std::move(plan);
  }

  [[nodiscard]] result<Rebuilt> rebuild(RebuildCandidate const& chosen,
                                        RebuildOptions const& options) {
    HOLDFAST_TRY(before, look());
    Lock lock{join(home_, "LOCK"), fs_, world_};
    HOLDFAST_TRY(grant, lock.try_acquire(world_.self(), before.fence));
    auto done = rebuild_locked(chosen, options, before, grant.token);
    // A lock that can't be let go ends with the object; the record stands or does not.
    static_cast<void>(lock.release(grant));
    return done;
  }

 private:
  [[nodiscard]] auto fail(errc code, std::string_view why) const noexcept {
    return failure(code, "rebuild the register", why);
  }

  // What the records and the names of the folders tell; no file of a generation is opened.
  [[nodiscard]] result<RebuildPlan> look() {
    RebuildPlan plan;
    plan.part_names = source_.part_names();
    HOLDFAST_TRY(remains, store_traits<Store>::generations(source_.store()));
    remains_ = remains;
    HOLDFAST_TRYV(read_old_records(plan));
    std::vector<std::optional<Generation>> named;
    HOLDFAST_TRYV(add_published(source_.store(), plan.part_names.size(), named));
    auto highest = plan.next - 1;
    if (!remains.empty()) highest = std::max(highest, remains.back().number);
    for (auto const& name : named) highest = std::max(highest, name.value_or(Generation{}).number);
    if (highest == UINT64_MAX) {
      return fail(errc::full, "no generation has a number left");
    }
    HOLDFAST_TRYV(judge(plan));
    plan.next = highest + 1;
    return plan;
  }

  // Can the home be opened with the record that it has? A record that may not be read is not lost.
  [[nodiscard]] result<void> judge(RebuildPlan& plan) {
    auto const loaded = source_.load();
    if (!loaded) {
      auto const& why = loaded.error();
      bool const told = why.code() != errc::denied && why.code() != errc::too_many_files &&
                        why.code() != errc::no_memory && why.code() != errc::newer_format &&
                        why.code() != errc::busy;
      if (!told) return failure(why);
      plan.trouble = why;
      return ok();
    }
    auto const& found = loaded.assume_value();
    if (!found) {
      // A record that its writer did not live to confirm: the next open does.
      if (unsettled_) return ok();
      if (remains_.empty()) return fail(errc::not_found, home_ + ": nothing lies there");
      plan.trouble = error{errc::register_lost, "load", join(home_, "CURRENT")};
      return ok();
    }
    auto const& m = found->manifest;
    if (m.part_names != plan.part_names) {
      return fail(errc::foreign, "the home has other parts than the stores that were named");
    }
    if (!remains_.empty() && remains_.back().number >= m.next) {
      plan.trouble =
          error{errc::stale_register, "load",
                "generation " + std::to_string(remains_.back().number) + " lies in the store"};
    }
    return ok();
  }

  // CURRENT and all that was moved aside before: numbers and tokens of each were given out.
  [[nodiscard]] result<void> read_old_records(RebuildPlan& plan) {
    unsettled_ = false;
    auto entries = fs_.list(home_);
    if (!entries && entries.error().code() == errc::not_found) return ok();
    HOLDFAST_TRY(names, std::move(entries));
    std::vector<ring::Hint> hints;
    for (auto const& entry : names) {
      if (entry.kind != Entry::Kind::file || !entry.name.starts_with("CURRENT.hint")) continue;
      auto const hint = HintFile<Fs>{join(home_, entry.name)}.read(fs_);
      if (hint && hint.assume_value()) hints.push_back(*hint.assume_value());
    }
    for (auto const& entry : names) {
      bool const current = entry.name == "CURRENT";
      if (entry.kind != Entry::Kind::file) continue;
      if (!current && !entry.name.starts_with("CURRENT.replaced-")) continue;
      auto old = read_old_record(join(home_, entry.name), hints);
      if (current && old.newest) unsettled_ = true;
      for (auto const& m : {old.newest, old.durable}) {
        if (!m) continue;
        plan.next = std::max(plan.next, m->next);
        plan.sequence = std::max(plan.sequence, m->sequence);
        plan.fence = std::max(plan.fence, m->fence);
      }
      auto& m = old.durable;
      bool const ours = m && m->part_names == plan.part_names;
      bool const newer =
          ours && (!plan.record || std::pair{m->sequence, m->next} >
                                       std::pair{plan.record->sequence, plan.record->next});
      if (newer) plan.record = std::move(m);
    }
    return ok();
  }

  struct OldRecord {
    std::optional<Manifest> newest;   // whole, whatever may be missing above it: what it gave out
    std::optional<Manifest> durable;  // no power cut can take it back: what it lists was committed
  };
  [[nodiscard]] OldRecord read_old_record(std::string const& path,
                                          std::vector<ring::Hint> const& hints) const {
    auto const content = read_file(fs_, path, ring::slots * ring::slot_size);
    if (!content) return {};
    auto const found = ring::scan(content.assume_value(), {}, world_.self().boot, Version::none);
    // A hint is written after its record was durable, and may have been moved without it.
    bool const told = std::any_of(hints.begin(), hints.end(), [&](ring::Hint const& hint) {
      return found.newest && hint.version == found.newest->version;
    });
    auto const read = [](std::optional<ring::Record> const& from) -> std::optional<Manifest> {
      if (!from) return {};
      auto m = manifest::decode(as_text(from->value));
      if (!m) return {};
      return std::move(m).assume_value();
    };
    return {read(found.newest), read(told ? found.newest : found.confirmed)};
  }

  [[nodiscard]] result<Rebuilt> rebuild_locked(RebuildCandidate const& chosen,
                                               RebuildOptions const& options,
                                               RebuildPlan const& before,
                                               FencingToken token) {
    // Whoever is about to write to the old record writes before, or finds it gone.
    std::optional<typename Fs::file> ring;
    HOLDFAST_TRYV(lock_old_record(ring));
    HOLDFAST_TRY(now, look());
    if (!now.trouble && !options.replace_usable) {
      return fail(errc::exists, home_ + " has a record that can be used");
    }
    // Whoever changed it built or reverted meanwhile, so that what was chosen may be old.
    bool const same =
        now.fence == before.fence && now.next == before.next && now.sequence == before.sequence;
    if (!same || now.fence >= token) return fail(errc::conflict, "the record changed meanwhile");
    auto const parts = chosen.generations();
    if (parts.size() != now.part_names.size() || chosen.generation.number == 0) {
      return fail(errc::invalid, "the choice is not of this home");
    }
    for (auto const& part : verify_each_part(source_.store(), now.part_names, parts)) {
      HOLDFAST_TRYV(part.found);
    }
    auto const record = record_of(now, chosen.generation, parts, token, options.marks);
    if (manifest::size_of_marks(record) > manifest::max_marks) {
      return fail(errc::too_large, "the marks");
    }
    auto const text = manifest::encode(record);
    HOLDFAST_TRY(aside, move_aside());
    // Another object than that which looked: it has seen nothing of the old record.
    Register fresh{join(home_, "CURRENT"), fs_, world_};
    HOLDFAST_TRYV(fresh.store_if(Version::none, as_bytes(text)));
    return Rebuilt{chosen.generation, token, std::move(aside), options.marks};
  }

  [[nodiscard]] Manifest record_of(RebuildPlan const& plan,
                                   Generation g,
                                   std::vector<Generation> const& parts,
                                   FencingToken token,
                                   Marks const& marks) const {
    // Readers that live on show only what has a higher sequence than they saw. Of commits there
    // were no more than numbers; this leaves room for the reverts.
    constexpr std::uint64_t reverts = std::uint64_t{1} << 20;
    Manifest m;
    for (auto& byte : m.home) byte = static_cast<std::uint8_t>(world_.random64());
    m.part_names = plan.part_names;
    m.sequence = std::max(plan.sequence, plan.next) + reverts;
    m.fence = token;
    m.next = plan.next;
    keep_only(m, {g, m.sequence, marks, parts, world_.wall_ns() / 1'000'000});
    return m;
  }

  [[nodiscard]] result<void> lock_old_record(std::optional<typename Fs::file>& ring) const {
    auto opened = fs_.open(join(home_, "CURRENT"), Open::write);
    auto const code = opened ? errc::unknown : opened.error().code();
    // What is no file of ours no register writes to either.
    if (code == errc::not_found || code == errc::foreign || code == errc::invalid) return ok();
    HOLDFAST_TRYV(std::move(opened));
    ring = std::move(opened).assume_value();
    HOLDFAST_TRY(locked, lock_patiently(fs_, world_, *ring, Range{}, Mode::exclusive));
    if (!locked) return fail(errc::busy, "another process writes the record");
    return ok();
  }

  // The ring before its hint: a hint alone says "lost", a ring alone may pass for a good one.
  [[nodiscard]] result<std::vector<std::string>> move_aside() const {
    HOLDFAST_TRY(number, free_number());
    std::vector<std::string> moved;
    for (std::string const name : {"CURRENT", "CURRENT.hint"}) {
      auto const from = join(home_, name);
      auto const there = fs_.identity(from);
      if (!there && there.error().code() == errc::not_found) continue;
      auto const to = name + ".replaced-" + std::to_string(number);
      HOLDFAST_TRYV(fs_.rename(from, join(home_, to)));
      HOLDFAST_TRYV(fs_.sync_directory(home_));
      moved.push_back(to);
    }
    return moved;
  }

  [[nodiscard]] result<std::uint64_t> free_number() const {
    HOLDFAST_TRY(entries, fs_.list(home_));
    std::uint64_t highest = 0;
    for (auto const& entry : entries) {
      for (std::string_view const prefix : {"CURRENT.replaced-", "CURRENT.hint.replaced-"}) {
        if (!entry.name.starts_with(prefix)) continue;
        std::uint64_t number = 0;
        auto const* const end = entry.name.data() + entry.name.size();
        auto const read = std::from_chars(entry.name.data() + prefix.size(), end, number);
        if (read.ec == std::errc{} && read.ptr == end) highest = std::max(highest, number);
      }
    }
    return highest + 1;
  }

  std::string home_;
  Fs fs_;
  W world_;
  Source<Store, Register> source_;
  std::vector<Generation> remains_;
  bool unsettled_ = false;  // CURRENT holds a record, confirmed or not
};
}  // namespace detail

HOLDFAST_END

#endif

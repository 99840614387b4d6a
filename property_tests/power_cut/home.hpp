// SPDX-License-Identifier: BSL-1.0
// A staged home of a RocksDB, a SQLite and an LMDB store on the real file system: what a process
// does in it until its power is cut, and what must be there afterwards.
#ifndef HOLDFAST_PROPERTY_TESTS_POWER_CUT_HOME_HPP
#define HOLDFAST_PROPERTY_TESTS_POWER_CUT_HOME_HPP

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <string>
#include <tuple>
#include <utility>

#include "../support/rocksdb_place.hpp"
#include "../support/sqlite_place.hpp"
#include "holdfast/adaptor/together.hpp"
#include "holdfast/backend/file_register.hpp"
#include "holdfast/backend/lmdb.hpp"
#include "holdfast/policy/file_lock.hpp"
#include "holdfast/staged.hpp"
#include "holdfast/testing/disk/hash.hpp"
#include "holdfast/testing/files.hpp"

namespace power_cut {
/// What a power cut does not touch: shared by the processes of a run. A commit is its sequence
/// number and the generation that it makes current.
struct Ledger {
  std::atomic<std::uint64_t> started_sequence{0};
  std::atomic<std::uint64_t> started_generation{0};
  std::atomic<std::uint64_t> acked_sequence{0};
  std::atomic<std::uint64_t> acked_generation{0};
};

/// The real file system without the syncs of its files: a mutant that must be found.
struct ForgetsSync : hf::Posix {
  [[nodiscard]] hf::result<void> sync(file&) const { return hf::ok(); }
};

/// Rows whose bytes follow from the generation, in the order of their names.
[[nodiscard]] inline hf::testing::Files rows_of(std::uint64_t generation, std::size_t part) {
  hf::testing::disk::Dice dice{hf::testing::disk::mixed(generation, part)};
  hf::testing::Files rows;
  auto const count = 1 + dice.below(200);
  for (std::uint64_t i = 0; i < count; ++i) {
    auto const size = static_cast<std::size_t>(dice.below(16) == 0 ? 9000 : 16 + dice.below(300));
    rows.push_back({std::to_string(100000 + i), hf::testing::value_of_number(generation, size)});
  }
  return rows;
}

template <class Fs>
class Home {
  using Rocks = hf::BasicRocksStore<Fs>;
  using Sqlite = hf::BasicSqliteStore<Fs>;
  using Lmdb = hf::BasicLmdbStore<Fs>;
  using All = hf::Together<Rocks, Sqlite, Lmdb>;
  using Register = hf::BasicFileRegister<Fs>;
  using Lock = hf::BasicFileLock<Fs>;
  using Staged = hf::Staged<All, Register, Lock, hf::Native>;

 public:
  Home(std::string path, Ledger& ledger) : path_{std::move(path)}, ledger_{ledger} {}

  /// Switches and reverts, each told to the ledger before and after.
  [[nodiscard]] hf::result<void> work(std::uint64_t seed, std::size_t steps) const {
    hf::testing::disk::Dice dice{seed};
    HOLDFAST_TRY(db, open());
    for (std::size_t i = 0; i < steps; ++i) {
      auto const choice = i == 0 ? 0 : dice.below(8);
      HOLDFAST_TRYV(choice < 5 ? commit(db) : choice < 6 ? discard(db) : revert(db));
    }
    return hf::ok();
  }

  /// Recovers, compares with the ledger, recovers again, and commits. The error says what is wrong.
  [[nodiscard]] hf::result<void> verify() const {
    HOLDFAST_TRY(first, look());
    HOLDFAST_TRYV(judge(first));
    HOLDFAST_TRY(second, look());
    if (second != first) return wrong("S4: the same when recovered again", second);
    HOLDFAST_TRY(db, open());
    return commit(db);
  }

 private:
  struct Seen {
    std::uint64_t sequence = 0;
    std::uint64_t generation = 0;
    friend bool operator==(Seen const&, Seen const&) = default;
  };
  [[nodiscard]] static hf::result<void> wrong(char const* law, Seen const& seen) {
    return hf::failure(hf::errc::rejected, law,
                       "here commit " + std::to_string(seen.sequence) + " of generation " +
                           std::to_string(seen.generation));
  }

  [[nodiscard]] hf::result<Staged> open() const {
    HOLDFAST_TRYV(hf::detail::make_directories(Fs{}, path_));
    All all{Rocks{"keys"},
            Sqlite{"stats", {.schema = "CREATE TABLE files(name PRIMARY KEY, content)"}},
            Lmdb{"index", {.room = std::size_t{1} << 20, .batch = std::size_t{8} << 10}}};
    all.place(path_);
    return hf::open_staged(hf::StagedOptions{.retain = 2, .publish = true}, std::move(all),
                           Register{path_ + "/CURRENT"}, Lock{path_ + "/LOCK"}, hf::Native{});
  }

  [[nodiscard]] hf::result<typename Staged::stage_type> build(Staged& db) const {
    HOLDFAST_TRY(stage, db.stage());
    auto const g = stage.generation().number;
    auto& [keys, stats, index] = stage.writer();
    HOLDFAST_TRYV(crash::put_pairs(keys, rows_of(g, 0), static_cast<crash::RocksWay>(g % 3)));
    if (g % 2 == 0) {
      HOLDFAST_TRYV(stats.exec("PRAGMA journal_mode=WAL"));
    }
    HOLDFAST_TRYV(stats.exec("BEGIN"));
    HOLDFAST_TRYV(crash::put_rows(stats.handle(), rows_of(g, 1)));
    HOLDFAST_TRYV(stats.exec("COMMIT"));
    HOLDFAST_TRYV(put_index(index, g));
    return std::move(stage);
  }
  // In their order, or against it.
  [[nodiscard]] static hf::result<void> put_index(hf::writer_of<Lmdb>& index, std::uint64_t g) {
    auto rows = rows_of(g, 2);
    if (g % 2 == 0) std::reverse(rows.begin(), rows.end());
    for (auto const& row : rows) {
      auto const value = hf::as_text(row.content);
      HOLDFAST_TRYV(g % 2 == 0 ? index.put(row.name, value) : index.append(row.name, value));
    }
    return hf::ok();
  }
  [[nodiscard]] static hf::result<hf::testing::Files> get_index(hf::LmdbReader const& index) {
    hf::testing::Files rows;
    HOLDFAST_TRY(at, index.cursor());
    HOLDFAST_TRY(there, at.first());
    while (there) {
      auto const value = hf::as_bytes(at.value());
      rows.push_back({std::string{at.key()}, {value.begin(), value.end()}});
      HOLDFAST_TRY(more, at.next());
      there = more;
    }
    return rows;
  }
  void start(std::uint64_t sequence, hf::Generation g) const {
    ledger_.started_generation = g.number;
    ledger_.started_sequence = sequence;
  }
  void ack(hf::Committed const& done) const {
    ledger_.acked_generation = done.generation.number;
    ledger_.acked_sequence = done.sequence;
  }

  [[nodiscard]] hf::result<void> commit(Staged& db) const {
    HOLDFAST_TRY(stage, build(db));
    HOLDFAST_TRY(ready, std::move(stage).seal());
    HOLDFAST_TRY(status, db.status());
    auto const g = ready.generation();
    start((status.manifest ? status.manifest->sequence : 0) + 1, g);
    HOLDFAST_TRY(done, std::move(ready).commit({.marks = {{"built", g.number}}}));
    ack(done);
    return hf::ok();
  }
  [[nodiscard]] hf::result<void> discard(Staged& db) const {
    HOLDFAST_TRY(stage, build(db));
    stage.discard();
    return hf::ok();
  }
  [[nodiscard]] hf::result<void> revert(Staged& db) const {
    HOLDFAST_TRY(status, db.status());
    if (!status.manifest || status.manifest->retained.empty()) return hf::ok();
    auto const to = status.manifest->retained.back().generation;
    start(status.manifest->sequence + 1, to);
    HOLDFAST_TRY(done, db.revert(to));
    ack(done);
    return hf::ok();
  }

  // What is visible after recovery, if every byte of it is as it was put.
  [[nodiscard]] hf::result<Seen> look() const {
    HOLDFAST_TRY(db, open());
    auto const view = db.view();
    if (!view && view.error().code() == hf::errc::no_generation) return Seen{};
    if (!view) return hf::failure(view.error());
    auto const& shown = view.assume_value();
    Seen const seen{shown.sequence(), shown.generation().number};
    auto const& [keys, stats, index] = *shown;
    HOLDFAST_TRY(pairs, crash::get_pairs(keys));
    HOLDFAST_TRY(lease, stats.connection());
    HOLDFAST_TRY(rows, crash::get_rows(lease.handle()));
    HOLDFAST_TRY(entries, get_index(index));
    auto const mark = shown.marks().find("built");
    bool const whole = pairs == rows_of(seen.generation, 0) &&
                       rows == rows_of(seen.generation, 1) &&
                       entries == rows_of(seen.generation, 2);
    bool const marked = mark != shown.marks().end() && mark->second == seen.generation;
    if (!whole) return hf::failure(wrong("S1: every byte of one generation", seen).error());
    if (!marked) return hf::failure(wrong("S16: the marks of that generation", seen).error());
    return seen;
  }
  [[nodiscard]] hf::result<void> judge(Seen const& seen) const {
    Seen const acked{ledger_.acked_sequence, ledger_.acked_generation};
    Seen const started{ledger_.started_sequence, ledger_.started_generation};
    if (seen == acked || (seen == started && started.sequence > acked.sequence)) return hf::ok();
    std::fprintf(stderr, "acknowledged: commit %llu of generation %llu; started: %llu of %llu\n",
                 static_cast<unsigned long long>(acked.sequence),
                 static_cast<unsigned long long>(acked.generation),
                 static_cast<unsigned long long>(started.sequence),
                 static_cast<unsigned long long>(started.generation));
    return wrong("S2: what was acknowledged, or what had been started", seen);
  }

  std::string path_;
  Ledger& ledger_;
};
}  // namespace power_cut

#endif

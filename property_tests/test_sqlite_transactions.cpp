// SPDX-License-Identifier: BSL-1.0
// Tests the VFS and the simulated disk by what is known of SQLite: its own transactions survive
// exactly the crashes that its documentation says they do.
#include <sqlite3.h>

#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "catch.hpp"
#include "explored.hpp"
#include "forgetful_files.hpp"
#include "holdfast/file_ops.hpp"
#include "holdfast/testing/register_laws.hpp"
#include "holdfast/testing/scenario.hpp"
#include "sqlite_place.hpp"

namespace {
using namespace hf::testing;  // NOLINT(google-build-using-namespace)

// A database of its own, that a program keeps and changes.
template <class Fs>
class Database {
 public:
  using Vfs = SqliteVfs<Fs, SimulatedWorld>;

  static hf::result<Database> open(SimulatedProcess const& p, std::string const& setup) {
    auto vfs = std::make_unique<Vfs>(Fs{p.files}, p.world);
    HOLDFAST_TRY(db, hf::detail::open_sqlite("file:/db/data", SQLITE_OPEN_READWRITE, vfs->name()));
    Database opened{std::move(vfs), std::move(db)};
    HOLDFAST_TRYV(opened.exec(setup));
    return opened;
  }
  [[nodiscard]] hf::result<void> exec(std::string const& sql) {
    return hf::detail::exec_sqlite(db_.get(), sql);
  }
  [[nodiscard]] hf::result<void> replace(std::uint64_t number) {
    HOLDFAST_TRYV(exec("BEGIN; DELETE FROM files"));
    HOLDFAST_TRYV(crash::put_rows(db_.get(), files_of(number, 0)));
    return exec("COMMIT");
  }
  // The number of what is there, which is whole; 0 before the first.
  [[nodiscard]] hf::result<std::uint64_t> number() {
    HOLDFAST_TRY(check, hf::detail::ask_sqlite(db_.get(), "PRAGMA integrity_check"));
    if (check != "ok") return hf::failure(hf::errc::damaged, "integrity_check", check);
    HOLDFAST_TRY(made, hf::detail::ask_sqlite(db_.get(), "SELECT name FROM sqlite_schema"));
    if (made.empty()) return std::uint64_t{0};
    HOLDFAST_TRY(files, crash::get_rows(db_.get()));
    if (files.empty()) return std::uint64_t{0};
    auto const number = hf::get_le<std::uint64_t>(files.front().content, 0);
    if (files == files_of(number, 0)) return number;
    return hf::failure(hf::errc::damaged, "a mix", std::to_string(number));
  }

 private:
  Database(std::unique_ptr<Vfs> vfs, hf::detail::SqliteHandle db)
      : vfs_{std::move(vfs)}, db_{std::move(db)} {}
  std::unique_ptr<Vfs> vfs_;
  hf::detail::SqliteHandle db_;
};

template <class Fs>
Verdict work(Run& run, std::string const& setup) {
  auto const process = run.start();
  Fs const fs{process.files};
  // An empty file is a database; SQLite itself would not make its name durable.
  bool const made = hf::detail::make_directories(fs, "/db") &&
                    hf::detail::write_new_file(fs, "/db/data", {}) && fs.sync_directory("/db");
  auto db = Database<Fs>::open(process, "PRAGMA page_size=1024;" + setup);
  if (!made || !db) return laws::register_recovers.broken("a database", "none");
  auto& data = db.assume_value();
  auto const table = data.exec("CREATE TABLE files(name PRIMARY KEY, content)");
  if (!table) return laws::register_recovers.refused("create", table.error());
  for (std::uint64_t number = 1; number <= 3; ++number) {
    run.note({Note::Kind::started, number, number - 1, 0});
    auto const replaced = data.replace(number);
    if (!replaced) return laws::register_recovers.refused("commit", replaced.error());
    run.note({Note::Kind::acked, number, number - 1, 0});
  }
  return {};
}

template <class Fs>
Recovered recover(Run& run, std::string const& setup) {
  Recovered out;
  auto const process = run.start();
  if (!process.files.identity("/db/data")) return out;
  auto db = Database<Fs>::open(process, setup);
  auto const number = db ? db.assume_value().number() : hf::result<std::uint64_t>{db.error()};
  if (!number) {
    out.broken = laws::register_recovers.refused("read", number.error());
    return out;
  }
  out.broken = laws::register_gives(run.history(), number.assume_value());
  run.note({Note::Kind::shown, number.assume_value(), 0, 0});
  out.seen = out.left = std::to_string(number.assume_value());
  return out;
}

template <class Fs = SimulatedFiles>
std::string breaks(std::string const& setup, CrashMode mode, std::size_t depth = 0) {
  std::string report;
  for (std::size_t const sector_size : {512u, 4096u}) {
    Scenario const scenario{setup, sector_size, [&](Run& run) { return work<Fs>(run, setup); },
                            [&](Run& run) { return recover<Fs>(run, setup); }};
    report +=
        crash::broken(scenario, {.mode = mode, .depth = depth, .subsets = 64, .max_states = 4000});
  }
  UNSCOPED_INFO(report);
  return report;
}
constexpr char const* by_journal = "PRAGMA journal_mode=DELETE; PRAGMA synchronous=EXTRA";
constexpr char const* by_log =
    "PRAGMA locking_mode=EXCLUSIVE; PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL";
}  // namespace

TEST_CASE("SQLite keeps what it committed in every crash state, by a journal or a log",
          "[sqlite][simulator]") {
  auto const* const setup = GENERATE(by_journal, by_log);
  for (auto const mode : crash_modes) {
    CAPTURE(setup, name(mode));
    CHECK(breaks(setup, mode).empty());
  }
}

TEST_CASE("SQLite without syncs is found where power is cut", "[sqlite][simulator]") {
  std::string const setup = "PRAGMA journal_mode=DELETE; PRAGMA synchronous=OFF";
  for (auto const mode : {CrashMode::ext4, CrashMode::any}) {
    CAPTURE(name(mode));
    CHECK_FALSE(breaks(setup, mode).empty());
  }
  CHECK(breaks(setup, CrashMode::process).empty());
}

TEST_CASE("SQLite takes a commit back where the name of its journal comes back",
          "[sqlite][simulator]") {
  // Documented: in this mode only EXTRA syncs the directory once the journal is gone.
  auto const report = breaks("PRAGMA journal_mode=DELETE; PRAGMA synchronous=FULL", CrashMode::any);
  CHECK_THAT(report, Catch::Matchers::ContainsSubstring("law HF-REGISTER-001 "));
}

TEST_CASE("SQLite over a directory that is never synced is found where power is cut",
          "[sqlite][simulator]") {
  CHECK_FALSE(breaks<crash::ForgetsDirectorySync>(by_journal, CrashMode::any).empty());
}

TEST_CASE("what SQLite shows after a SIGKILL, a power cut may still take back",
          "[sqlite][simulator]") {
  // It trusts what it reads; that the page cache is ahead of the disk is not among its cares.
  auto const report = breaks(by_journal, CrashMode::ext4, 1);
  CHECK_THAT(report, Catch::Matchers::ContainsSubstring("law HF-REGISTER-003 "));
}

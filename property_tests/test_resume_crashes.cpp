// SPDX-License-Identifier: BSL-1.0
// Crashes builds that are noted, interrupted and gone on with, at every call.
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <tuple>

#include "catch.hpp"
#include "explored.hpp"
#include "holdfast/testing/resume_scenario.hpp"
#include "homes.hpp"
#include "sqlite_place.hpp"

namespace {
using namespace hf::testing;  // NOLINT(google-build-using-namespace)

// A database and a folder. The folder's files are its caller's own: a note finds and syncs them.
struct RowsAndFiles {
  using Vfs = SqliteVfs<SimulatedFiles, SimulatedWorld>;
  using Rows = crash::GroundedStore<hf::BasicSqliteStore<SimulatedFiles>, Vfs>;
  using Folder = hf::BasicDirectoryStore<SimulatedFiles>;
  using Both = hf::Together<Rows, Folder>;
  static constexpr std::size_t parts = 2;

  [[nodiscard]] auto open(SimulatedProcess const& p) const {
    using Register = hf::BasicFileRegister<SimulatedFiles, SimulatedWorld>;
    using Lock = hf::BasicFileLock<SimulatedFiles, SimulatedWorld>;
    auto const made = hf::detail::make_directories(p.files, "/db");
    auto vfs = std::make_shared<Vfs>(p.files, p.world, "/db");
    hf::SqliteOptions const options{.schema = "CREATE TABLE files(name PRIMARY KEY, content)",
                                    .page_size = 1024,
                                    .vfs = vfs->name(),
                                    .resumable = true};
    Both both{Rows{std::move(vfs), hf::BasicSqliteStore<SimulatedFiles>{"rows", options, p.files}},
              Folder{"files", {}, p.files}};
    both.place("/db");
    auto opened = hf::open_staged(hf::StagedOptions{.keep_interrupted = true, .publish = false},
                                  std::move(both), Register{"/db/CURRENT", p.files, p.world},
                                  Lock{"/db/LOCK", p.files, p.world}, p.world);
    return made ? std::move(opened) : decltype(opened){hf::failure(made.error())};
  }
  [[nodiscard]] hf::result<void> put(SimulatedProcess const& p,
                                     Both::writer& writer,
                                     std::size_t part,
                                     Files const& files) const {
    if (part == 1) return crash::put_all(p.files, std::get<1>(writer), files, true);
    auto* const db = (*std::get<0>(writer)).handle();
    HOLDFAST_TRYV(hf::detail::exec_sqlite(db, "BEGIN"));
    return crash::put_rows(db, files);
  }
  [[nodiscard]] hf::result<Files> get(Both::reader const& reader, std::size_t part) const {
    if (part == 1) return crash::get_all(std::get<1>(reader));
    HOLDFAST_TRY(lease, (*std::get<0>(reader)).connection());
    return crash::get_rows(lease.handle());
  }
};
}  // namespace

TEST_CASE("a build of a database and a folder is gone on with in every crash state",
          "[sqlite][resume]") {
  for (auto const mode : crash_modes) {
    CAPTURE(name(mode));
    for (std::uint64_t number = 1; number <= 3; ++number) {
      auto const report =
          crash::broken(resume_scenario("resume", RowsAndFiles{}, resume_plan(number)),
                        {.mode = mode, .seed = number, .max_states = 80, .thin = 16});
      UNSCOPED_INFO(report);
      CHECK(report.empty());
    }
  }
}

// SPDX-License-Identifier: BSL-1.0
// The README's home in daily use: taken over from files, rebuilt in part, looked at, backed up,
// held.
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <string>
#include <utility>

#include "holdfast/backend/adopt.hpp"
#include "holdfast/backend/directory.hpp"
#include "holdfast/staged.hpp"
#include "readme_scratch.hpp"

namespace {
// [readme]
hf::result<void> operate(std::string const& home, std::string const& old_pages) {
  HOLDFAST_TRY(db, hf::open_staged(home, {.retain = 3, .headroom = 1.1},
                                   hf::DirectoryStore{"pages"}, hf::DirectoryStore{"index"}));
  {
    HOLDFAST_TRY(stage, db.stage());
    HOLDFAST_TRYV(adopt(std::get<0>(stage.writer()), old_pages));  // becomes the first
    HOLDFAST_TRY(ready, std::move(stage).seal());
    HOLDFAST_TRYV(std::move(ready).commit());
  }
  HOLDFAST_TRY(stage, db.stage(hf::only<1>));  // the index anew; the pages are carried over
  HOLDFAST_TRYV(std::get<0>(stage.writer()).put("all", hf::as_bytes("one")));
  HOLDFAST_TRY(ready, std::move(stage).seal());
  HOLDFAST_TRY(done, std::move(ready).commit());

  HOLDFAST_TRY(verdicts, db.verify(done.generation));  // every byte; readers and builds go on
  for (auto const& [part, generation, found] : verdicts) {
    std::printf("%s: generation %d, %s\n", part.c_str(), static_cast<int>(generation.number),
                found ? "sound" : found.error().text().c_str());
  }
  HOLDFAST_TRYV(
      db.backup(home + ".backup", hf::DirectoryStore{"pages"}, hf::DirectoryStore{"index"}));
  HOLDFAST_TRYV(db.hold("looking into last night"));  // no commit until db.unhold()
  HOLDFAST_TRYV(db.revert({1}));                      // needs only the record, also while held
  return hf::ok();
}
// [readme]
}  // namespace

int main() {
  readme::Scratch const scratch;
  return readme::run([&]() -> hf::result<void> {
    std::filesystem::create_directories(scratch.path() + "/old");
    std::ofstream{scratch.path() + "/old/one"} << "a page";
    return operate(scratch.path() + "/home", scratch.path() + "/old");
  });
}

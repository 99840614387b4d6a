// SPDX-License-Identifier: BSL-1.0
// The README's updates between rebuilds: a feed goes into what is current, and other processes
// follow it.
#include <cstdint>
#include <cstdio>
#include <string>
#include <utility>

#include "holdfast/backend/sqlite.hpp"
#include "holdfast/staged.hpp"
#include "readme_scratch.hpp"

namespace {
hf::SqliteStore orders() {
  return hf::SqliteStore{"orders", {.schema = "CREATE TABLE t(n INTEGER)", .updates = true}};
}
hf::SqliteStore sums() {
  return hf::SqliteStore{
      "sums", {.schema = "CREATE TABLE s(v INTEGER); INSERT INTO s VALUES(0)", .updates = true}};
}

// [readme]
// The feed has events 1, 2, 3 ...; after a crash it is asked for them again from `marks()`.
hf::result<void> follow_feed(std::string const& home, std::uint64_t last) {
  HOLDFAST_TRY(updater, hf::open_updater(home, orders(), sums()));  // one process at a time
  HOLDFAST_TRY(reached, updater.marks());                           // what every part has
  auto const at = reached.find("event");
  if (at == reached.end()) return hf::failure(hf::errc::invalid, "the feed", "no event is named");
  for (std::uint64_t i = at->second + 1; i <= last; ++i) {
    auto const n = std::to_string(i);
    // Each store: its batch and the mark in one transaction. What a part has already, it skips.
    HOLDFAST_TRYV(updater.apply({{"event", i}}, "INSERT INTO t VALUES(" + n + ")",
                                "UPDATE s SET v = v + " + n));
  }
  return hf::ok();
}

hf::result<void> read(std::string const& home) {  // in any process
  HOLDFAST_TRY(db, hf::open_view(home, orders(), sums()));
  HOLDFAST_TRY(view, db.view());  // every part at the same mark; `refresh` moves on
  auto const at = view.marks().find("event");
  std::printf("generation %d at event %d\n", static_cast<int>(view.generation().number),
              at == view.marks().end() ? -1 : static_cast<int>(at->second));
  return hf::ok();
}
// [readme]

hf::result<void> rebuild(std::string const& home, std::uint64_t upto) {
  HOLDFAST_TRY(db, hf::open_staged(home, orders(), sums()));
  HOLDFAST_TRY(stage, db.stage());
  auto& [all, sum] = stage.writer();
  for (std::uint64_t i = 1; i <= upto; ++i) {
    auto const n = std::to_string(i);
    HOLDFAST_TRYV(all.exec("INSERT INTO t VALUES(" + n + ")"));
    HOLDFAST_TRYV(sum.exec("UPDATE s SET v = v + " + n));
  }
  HOLDFAST_TRY(ready, std::move(stage).seal());
  HOLDFAST_TRYV(std::move(ready).commit({.marks = {{"event", upto}}}));
  return hf::ok();
}
}  // namespace

int main() {
  readme::Scratch const scratch;
  return readme::run([&]() -> hf::result<void> {
    auto const& home = scratch.path();
    HOLDFAST_TRYV(rebuild(home, 5));
    HOLDFAST_TRYV(follow_feed(home, 8));
    HOLDFAST_TRYV(read(home));
    HOLDFAST_TRYV(rebuild(home, 8));  // the next generation goes on where it was built to
    HOLDFAST_TRYV(follow_feed(home, 9));
    return read(home);
  });
}

// SPDX-License-Identifier: BSL-1.0
// Builds of a database and a folder that are killed and go on, each part from its own note.
#include <signal.h>
#include <unistd.h>

#include <cstdint>
#include <string>
#include <tuple>
#include <vector>

#include "catch.hpp"
#include "holdfast/backend/directory.hpp"
#include "holdfast/backend/sqlite.hpp"
#include "holdfast/staged.hpp"
#include "places.hpp"
#include "processes.hpp"

namespace {
using support::code_of;

hf::SqliteStore rows() {
  return hf::SqliteStore{"rows", {.schema = "CREATE TABLE t(n)", .resumable = true}};
}
auto open_home(std::string const& home) {
  return hf::open_staged(home, hf::StagedOptions{.keep_interrupted = true, .publish_grace_ms = 0},
                         rows(), hf::DirectoryStore{"files"});
}
std::uint64_t number_in(hf::bytes const& words) {
  return words.empty() ? 0 : std::stoull(std::string{hf::as_text(words)});
}

// Items 1 to `last`, a note each: in both parts, but where one has it already.
template <class Stage>
hf::result<void> build_items(Stage& stage, std::uint64_t last, std::uint64_t breaks_at) {
  auto const notes = stage.notes();
  auto& [sqlite, folder] = stage.writer();
  for (std::uint64_t i = 1; i <= last; ++i) {
    auto const text = std::to_string(i);
    if (i > number_in(notes[0])) {
      HOLDFAST_TRYV(sqlite.exec("BEGIN; INSERT INTO t VALUES(" + text + ")"));
    }
    if (i > number_in(notes[1])) {
      HOLDFAST_TRYV(folder.put(text, hf::as_bytes(text)));
    }
    if (i == breaks_at) return hf::failure(hf::errc::cancelled, "the test");
    if (i > number_in(notes[0])) {
      HOLDFAST_TRYV(stage.note(hf::as_bytes(text)));
    }
  }
  return hf::ok();
}
template <class View>
std::string shown_in(View const& view) {
  auto const& [sqlite, folder] = *view;
  auto const lease = sqlite.connection();
  if (!lease) return lease.error().text();
  auto const all = hf::detail::ask_sqlite(lease.value().handle(),
                                          "SELECT count(*) || ' of ' || count(DISTINCT n) FROM t");
  return all.value() + " rows, " + std::to_string(folder.names().size()) + " files";
}
}  // namespace

TEST_CASE("a build that is killed again and again ends with each item once",
          "[sqlite][resume][processes]") {
  support::Place const place{support::On::memory};
  auto const home = place / "home";
  for (std::uint64_t const dies_at : {4u, 4u, 9u, 15u}) {
    CHECK(support::in_child([&]() -> std::string {
            auto db = open_home(home);
            if (!db) return db.error().text();
            auto stage = db.value().resume();
            if (!stage) return stage.error().text();
            if (build_items(stage.value(), 20, dies_at)) return "built";
            ::kill(::getpid(), SIGKILL);
            return {};
          }) == "[ended by signal 9]");
  }
  auto db = open_home(home).value();
  auto stage = db.resume().value();
  CHECK(stage.generation() == hf::Generation{1});
  CHECK(number_in(stage.notes()[0]) == 14);
  CHECK(number_in(stage.notes()[1]) == 14);
  REQUIRE(build_items(stage, 20, 0));
  auto ready = std::move(stage).seal().value();
  REQUIRE(std::move(ready).commit());
  auto const view = db.view();
  CHECK(shown_in(view.value()) == "20 of 20 rows, 20 files");
  auto const& reader = std::get<0>(*view.value());
  CHECK(hf::detail::ask_sqlite(reader.connection().value().handle(),
                               "SELECT count(*) FROM sqlite_master")
            .value() == "1");
  CHECK(support::names_in(home + "/rows/0000000001") ==
        std::vector<std::string>{"SEAL", "data.sqlite3"});
}

TEST_CASE("a database without the option is not noted, and words may be any bytes",
          "[sqlite][resume]") {
  support::Place const place{support::On::memory};
  hf::SqliteStore plain{"plain"};
  plain.place(place / "");
  auto writer = plain.create({1}).value();
  CHECK(code_of(plain.note(writer, {})) == hf::errc::invalid);

  auto store = rows();
  store.place(place / "");
  hf::bytes const words(300, std::byte{0});
  {
    auto first = store.create({1}).value();
    CHECK(store.notes(first) == std::vector<hf::bytes>{{}});
    REQUIRE(store.note(first, words));
    REQUIRE(store.note(first, {}));
    CHECK(code_of(store.note(first, hf::bytes(65'537))) == hf::errc::too_large);
    REQUIRE(store.note(first, words));
    REQUIRE(first.exec("BEGIN; INSERT INTO t VALUES(1)"));
  }
  auto again = store.resume({1}).value();
  CHECK(store.notes(again) == std::vector<hf::bytes>{words});
  REQUIRE(store.seal(again));
  CHECK(code_of(store.note(again, {})) == hf::errc::spent);
  CHECK(code_of(store.resume({1})) == hf::errc::not_found);
  auto const lease = store.open({1}).value().connection().value();
  CHECK(hf::detail::ask_sqlite(lease.handle(), "SELECT count(*) FROM t").value() == "0");
  {
    auto silent = store.create({2}).value();
    REQUIRE(silent.exec("INSERT INTO t VALUES(1)"));
  }
  CHECK(code_of(store.resume({2})) == hf::errc::not_found);
  CHECK(code_of(store.resume({3})) == hf::errc::not_found);
}

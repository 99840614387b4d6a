// SPDX-License-Identifier: BSL-1.0
// A register in a row of a real SQLite database, beside other tables and other processes.
#include <sys/wait.h>
#include <unistd.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "../unit/backend/scratch.hpp"
#include "catch.hpp"
#include "holdfast/backend/sqlite_register.hpp"
#include "holdfast/lock.hpp"
#include "holdfast/policy/lease.hpp"

using hf::as_bytes;
using hf::as_text;
using hf::errc;
using hf::SqliteRegister;

namespace {
hf::detail::SqliteHandle connect(std::string const& path) {
  return hf::detail::open_sqlite(hf::detail::sqlite_uri(path, ""),
                                 SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, "")
      .value();
}
hf::result<void> run(std::string const& path, std::string const& sql) {
  return hf::detail::exec_sqlite(connect(path).get(), sql);
}
/// A file system that gives no file a second name.
struct NoLinks : hf::Posix {
  [[nodiscard]] static hf::result<void> link(std::string const&, std::string const& to) {
    return hf::failure(errc::denied, "link", to);
  }
};
}  // namespace

TEST_CASE("a row is stored over the version that was seen, and over no other",
          "[sqlite][register]") {
  scratch::Folder const home;
  auto const path = home.path() + "/own.sqlite3";
  SqliteRegister one{path};
  SqliteRegister two{path};
  SqliteRegister other{path, {.name = "another"}};
  CHECK_FALSE(one.load().value());
  auto const first = one.store_if({}, as_bytes("first")).value();
  CHECK(as_text(two.load().value()->value) == "first");
  CHECK(two.load().value()->version == first);
  CHECK(two.store_if({}, as_bytes("x")).error().code() == errc::conflict);
  auto const empty = two.store_if(first, {}).value();
  CHECK(one.load().value()->value.empty());
  CHECK(one.store_if(first, as_bytes("x")).error().code() == errc::conflict);
  REQUIRE(one.reopen());
  CHECK(one.load().value()->version == empty);
  CHECK_FALSE(other.load().value());
  CHECK(one.store_if(empty, hf::bytes(one.max_size() + 1)).error().code() == errc::too_large);
  CHECK(one.store_if(empty, hf::bytes(one.max_size())));
}

TEST_CASE("a register lives in the database of a program, and is refused where it can't",
          "[sqlite][register]") {
  scratch::Folder const home;
  auto const path = home.path() + "/theirs.sqlite3";
  REQUIRE(run(path, "CREATE TABLE theirs(x); INSERT INTO theirs VALUES(7)"));
  REQUIRE(SqliteRegister{path}.store_if({}, as_bytes("a value")));
  CHECK(hf::detail::ask_sqlite(connect(path).get(), "SELECT x FROM theirs").value() == "7");

  REQUIRE(run(path, "UPDATE holdfast_registers SET value = 'b value'"));
  CHECK(SqliteRegister{path}.load().error().code() == errc::damaged);

  REQUIRE(run(path, "PRAGMA journal_mode=WAL"));
  auto const log = SqliteRegister{path}.load();
  CHECK(log.error().code() == errc::invalid);
  CHECK(log.error().text().find("wal") != std::string::npos);

  auto const junk = home.path() + "/junk";
  std::ofstream{junk} << std::string(8192, 'j');
  CHECK(SqliteRegister{junk}.load().error().code() == errc::damaged);
  CHECK(SqliteRegister{home.path() + "/no/such"}.load().error().code() == errc::not_found);
}

TEST_CASE("a database that gets a log later is refused from then on", "[sqlite][register]") {
  scratch::Folder const home;
  auto const path = home.path() + "/later.sqlite3";
  SqliteRegister reg{path};
  auto const version = reg.store_if({}, as_bytes("a value")).value();
  REQUIRE(run(path, "PRAGMA journal_mode=WAL"));
  CHECK(reg.store_if(version, as_bytes("another")).error().code() == errc::invalid);
  CHECK(
      hf::detail::ask_sqlite(connect(path).get(), "SELECT value FROM holdfast_registers").value() ==
      "a value");
}

TEST_CASE("what was made aside goes where it can't get its name", "[sqlite][register]") {
  scratch::Folder const home;
  hf::BasicSqliteRegister<NoLinks, hf::Native> reg{home.path() + "/none"};
  CHECK(reg.load().error().code() == errc::denied);
  CHECK(std::filesystem::is_empty(home.path()));
}

TEST_CASE("while others write for too long a store is told that it is busy", "[sqlite][register]") {
  scratch::Folder const home;
  auto const path = home.path() + "/own.sqlite3";
  SqliteRegister one{path, {.busy_timeout_ms = 1}};
  auto const version = one.store_if({}, as_bytes("a")).value();
  auto const writer = connect(path);
  REQUIRE(hf::detail::exec_sqlite(writer.get(), "BEGIN IMMEDIATE"));
  CHECK(one.store_if(version, as_bytes("b")).error().code() == errc::busy);
  CHECK(as_text(one.load().value()->value) == "a");
  REQUIRE(hf::detail::exec_sqlite(writer.get(), "ROLLBACK"));
  CHECK(one.store_if(version, as_bytes("b")));
}

TEST_CASE("threads with an object each lose no update", "[sqlite][register][threads]") {
  scratch::Folder const home;
  auto const path = home.path() + "/own.sqlite3";
  auto const add = [&path] {
    SqliteRegister own{path};
    for (int done = 0; done < 10;) {
      auto const seen = own.load();
      if (!seen) return;
      auto const& now = seen.value();
      auto const count = now ? std::stoi(std::string{as_text(now->value)}) : 0;
      auto const stored =
          own.store_if(now ? now->version : hf::Version::none, as_bytes(std::to_string(count + 1)));
      if (!stored && stored.error().code() != errc::conflict) return;
      done += stored ? 1 : 0;
    }
  };
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) threads.emplace_back(add);
  for (auto& thread : threads) thread.join();
  CHECK(as_text(SqliteRegister{path}.load().value()->value) == "40");
}

TEST_CASE("a forked child is refused, and its end disturbs nothing", "[sqlite][register][fork]") {
  scratch::Folder const home;
  hf::Lock lock{hf::Lease{SqliteRegister{home.path() + "/own.sqlite3"}}};
  auto held = lock.acquire().value();
  auto const child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    SqliteRegister again{home.path() + "/own.sqlite3"};
    ::_exit(lock.inspect().error().code() == errc::forked && again.load() ? 0 : 1);
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  CHECK(status == 0);
  CHECK(held.renew());
}

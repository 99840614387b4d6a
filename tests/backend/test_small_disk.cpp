// SPDX-License-Identifier: BSL-1.0
// A home on a disk that is little larger than its data: what fits is built, what does not is
// refused before it starts or rolled back, and the home serves on.
#include <sys/mount.h>
#include <unistd.h>

#include <cstdint>
#include <random>
#include <string>
#include <tuple>
#include <utility>

#include "catch.hpp"
#include "holdfast/backend/rocksdb.hpp"
#include "holdfast/backend/sqlite.hpp"
#include "holdfast/staged.hpp"
#include "places.hpp"

namespace {
using support::code_of;
constexpr std::uint64_t mb = std::uint64_t{1} << 20;

// A file system of its own, of so many bytes; `mounted` is false where this user may not have one.
struct SmallDisk {
  support::Place place{support::On::memory};
  std::string path = place / "disk";
  bool mounted = false;
  explicit SmallDisk(std::uint64_t bytes) {
    support::fs::create_directory(path);
    auto const options = "size=" + std::to_string(bytes);
    mounted = ::mount("none", path.c_str(), "tmpfs", 0, options.c_str()) == 0;
  }
  SmallDisk(SmallDisk const&) = delete;
  ~SmallDisk() {
    if (mounted) ::umount2(path.c_str(), MNT_DETACH);
  }
};
#define NEEDS(disk)                                               \
  if (!(disk).mounted) {                                          \
    WARN("skipped: this user may not mount a small file system"); \
    return;                                                       \
  }

auto open_home(std::string const& path, hf::StagedOptions options) {
  options.publish_grace_ms = 0;
  hf::RocksOptions rocks;
  rocks.options.allow_fallocate = false;  // it would take far more than a small disk has
  return hf::open_staged(path, options, hf::RocksStore{"keys", rocks},
                         hf::SqliteStore{"stats", {.schema = "CREATE TABLE t(a)"}});
}
// Bytes that no table format makes smaller.
std::string noise(std::uint64_t size, unsigned seed) {
  std::mt19937_64 dice{seed};
  std::string text(size, '\0');
  for (auto& c : text) c = static_cast<char>(dice());
  return text;
}
template <class Writer>
hf::result<void> put_keys(Writer& rocks, std::uint64_t bytes) {
  for (std::uint64_t i = 0; i < bytes / 16384; ++i) {
    HOLDFAST_TRYV(rocks.put("key " + std::to_string(i), noise(16384, static_cast<unsigned>(i))));
  }
  return hf::ok();
}
template <class Writer>
hf::result<void> put_rows(Writer& sqlite, std::uint64_t bytes) {
  HOLDFAST_TRYV(sqlite.exec("BEGIN"));
  for (std::uint64_t i = 0; i < bytes / 16384; ++i) {
    HOLDFAST_TRYV(sqlite.exec("INSERT INTO t VALUES(randomblob(16384))"));
  }
  return sqlite.exec("COMMIT");
}
template <class Staged>
hf::result<hf::Committed> build_both(Staged& db, std::uint64_t keys, std::uint64_t rows) {
  HOLDFAST_TRY(stage, db.stage());
  HOLDFAST_TRYV(put_keys(std::get<0>(stage.writer()), keys));
  HOLDFAST_TRYV(put_rows(std::get<1>(stage.writer()), rows));
  HOLDFAST_TRY(ready, std::move(stage).seal());
  return std::move(ready).commit();
}
// Empty where it is well.
template <class R>
std::string why_not(R const& outcome) {
  return outcome ? std::string{} : outcome.error().text();
}
template <class Staged>
std::string serves(Staged const& db) {
  auto const view = db.view();
  if (!view) return view.error().text();
  auto const& [keys, stats] = *view.value();
  auto const value = keys.get("key 7");
  auto const rows =
      hf::detail::ask_sqlite(stats.connection().value().handle(), "SELECT count(*) FROM t");
  if (!value || value.value() != noise(16384, 7)) return "another value";
  return rows.value();
}
}  // namespace

TEST_CASE("on a disk of 1.3 times the data a part is rebuilt, and the whole is refused",
          "[rocksdb][sqlite][room]") {
  SmallDisk const disk{13 * mb};
  NEEDS(disk);
  auto const home = disk.path + "/home";
  {
    auto db = open_home(home, {}).value();
    REQUIRE(why_not(build_both(db, 8 * mb, 2 * mb)) == "");
  }
  auto db = open_home(home, {.retain = 1, .headroom = 1}).value();
  auto const whole = db.stage();
  REQUIRE(code_of(whole) == hf::errc::no_space);
  CHECK(support::names_in(home + "/keys") == std::vector<std::string>{"0000000001", "current"});
  auto stage = db.stage(hf::only<1>).value();
  REQUIRE(why_not(put_rows(std::get<0>(stage.writer()), mb)) == "");
  REQUIRE(std::move(stage).seal().value().commit());
  CHECK(serves(db) == "64");
}

TEST_CASE("a disk that is full amid a build rolls it back, and the home serves and builds on",
          "[rocksdb][sqlite][room]") {
  SmallDisk const disk{13 * mb};
  NEEDS(disk);
  auto const home = disk.path + "/home";
  auto db = open_home(home, {.retain = 1}).value();
  REQUIRE(why_not(build_both(db, 4 * mb, 2 * mb)) == "");
  auto const full = build_both(db, 2 * mb, 32 * mb);
  REQUIRE(code_of(full) == hf::errc::no_space);
  CHECK(serves(db) == "128");
  CHECK(db.state() == hf::State::none);
  CHECK(support::names_in(home + "/stats") ==
        std::vector<std::string>{"0000000001", "current.sqlite3"});
  // Not a byte is left for anyone: what is there serves, also after a restart, and is reverted.
  support::write_file(disk.path + "/ballast", std::string(13 * mb, 'x'));
  CHECK_FALSE(db.stage());
  CHECK(serves(open_home(home, {.retain = 1}).value()) == "128");
  support::fs::remove(disk.path + "/ballast");
  REQUIRE(why_not(build_both(db, 2 * mb, mb)) == "");
  CHECK(serves(db) == "64");
}

TEST_CASE("a build stays within the bytes that it may take", "[rocksdb][sqlite][room]") {
  support::Place const place{support::On::memory};
  auto const home = place / "home";
  auto db = open_home(home, {.build_bytes = 3 * mb}).value();
  CHECK(code_of(build_both(db, 6 * mb, mb)) == hf::errc::no_space);
  CHECK(code_of(build_both(db, mb, 6 * mb)) == hf::errc::no_space);
  auto stage = db.stage().value();
  // Each within the limit, both beyond it.
  REQUIRE(put_keys(std::get<0>(stage.writer()), 2 * mb));
  REQUIRE(put_rows(std::get<1>(stage.writer()), 2 * mb));
  auto const sealed = std::move(stage).seal();
  REQUIRE(code_of(sealed) == hf::errc::no_space);
  CHECK(sealed.error().text().find("StagedOptions::build_bytes") != std::string::npos);
  stage.discard();
  REQUIRE(why_not(build_both(db, mb / 2, mb)) == "");
  CHECK(serves(db) == "64");
  CHECK(code_of(open_home(home, {.build_bytes = std::uint64_t{1} << 60}).value().stage()) ==
        hf::errc::no_space);
}

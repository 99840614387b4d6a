// SPDX-License-Identifier: BSL-1.0
// A SQLite store on the simulated disk, filled in the ways in which programs fill one.
#ifndef HOLDFAST_PROPERTY_TESTS_SQLITE_PLACE_HPP
#define HOLDFAST_PROPERTY_TESTS_SQLITE_PLACE_HPP

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "database_places.hpp"
#include "holdfast/backend/sqlite.hpp"
#include "holdfast/testing/sqlite_vfs.hpp"

namespace crash {
struct FinalizeStatement {
  void operator()(sqlite3_stmt* statement) const noexcept { ::sqlite3_finalize(statement); }
};
using Statement = std::unique_ptr<sqlite3_stmt, FinalizeStatement>;
[[nodiscard]] inline hf::result<Statement> prepare(sqlite3* db, std::string const& sql) {
  sqlite3_stmt* raw = nullptr;
  if (::sqlite3_prepare_v2(db, sql.c_str(), -1, &raw, nullptr) != SQLITE_OK) {
    return hf::detail::sqlite_error(db, "prepare");
  }
  return Statement{raw};
}

/// Puts each file as a row of `files`.
[[nodiscard]] inline hf::result<void> put_rows(sqlite3* db, hf::testing::Files const& files) {
  HOLDFAST_TRY(insert, prepare(db, "INSERT INTO files VALUES(?, ?)"));
  for (auto const& file : files) {
    ::sqlite3_bind_text(insert.get(), 1, file.name.c_str(), -1, SQLITE_STATIC);
    ::sqlite3_bind_blob(insert.get(), 2, file.content.data(), static_cast<int>(file.content.size()),
                        SQLITE_STATIC);
    if (::sqlite3_step(insert.get()) != SQLITE_DONE) return hf::detail::sqlite_error(db, "insert");
    ::sqlite3_reset(insert.get());
  }
  return hf::ok();
}
[[nodiscard]] inline hf::result<hf::testing::Files> get_rows(sqlite3* db) {
  HOLDFAST_TRY(select, prepare(db, "SELECT name, content FROM files ORDER BY name"));
  hf::testing::Files files;
  int code = ::sqlite3_step(select.get());
  for (; code == SQLITE_ROW; code = ::sqlite3_step(select.get())) {
    auto const* const name = reinterpret_cast<char const*>(::sqlite3_column_text(select.get(), 0));
    auto const* const content =
        static_cast<std::byte const*>(::sqlite3_column_blob(select.get(), 1));
    auto const size = static_cast<std::size_t>(::sqlite3_column_bytes(select.get(), 1));
    files.push_back({name == nullptr ? "" : name, {content, content + size}});
  }
  if (code != SQLITE_DONE) return hf::detail::sqlite_error(db, "select");
  return files;
}

template <class Fs>
struct OneSqlite {
  using Vfs = hf::testing::SqliteVfs<Fs, hf::testing::SimulatedWorld>;
  using Store = GroundedStore<hf::BasicSqliteStore<Fs>, Vfs>;
  static constexpr char const* link = "/db/stats/current.sqlite3";
  /// How the caller fills it: statement by statement, in a transaction, with a journal of its own.
  enum class Way : std::uint8_t { plain, transaction, journal, log };

  bool raw = false;  ///< each generation in a way of its own, else all in the plainest

  [[nodiscard]] Store open(hf::testing::SimulatedProcess const& p) const {
    auto const fs = files_for<Fs>(p);
    auto vfs = std::make_shared<Vfs>(fs, p.world, "/db");
    hf::SqliteOptions const options{.schema = "CREATE TABLE files(name PRIMARY KEY, content)",
                                    .page_size = 1024,
                                    .vfs = vfs->name()};
    hf::BasicSqliteStore<Fs> store{"stats", options, fs};
    store.place("/db");
    return Store{std::move(vfs), std::move(store)};
  }
  [[nodiscard]] hf::result<void> put(hf::testing::SimulatedProcess const&,
                                     typename Store::writer& writer,
                                     hf::testing::Files const& files) const {
    auto& w = *writer;
    auto const way = raw ? static_cast<Way>(w.generation().number % 4) : Way::plain;
    if (way == Way::journal) {
      HOLDFAST_TRYV(w.exec("PRAGMA journal_mode=DELETE; PRAGMA synchronous=FULL"));
    }
    if (way == Way::log) {
      HOLDFAST_TRYV(w.exec("PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL"));
    }
    if (way == Way::transaction) {
      HOLDFAST_TRYV(w.exec("PRAGMA cache_size=2; BEGIN"));  // spills pages before it commits
    }
    HOLDFAST_TRYV(put_rows(w.handle(), files));
    if (way == Way::transaction) return w.exec("COMMIT");
    return hf::ok();
  }
  [[nodiscard]] hf::result<hf::testing::Files> get(typename Store::reader const& reader) const {
    HOLDFAST_TRY(lease, (*reader).connection());
    return get_rows(lease.handle());
  }
};
}  // namespace crash

#endif

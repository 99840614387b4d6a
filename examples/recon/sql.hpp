// SPDX-License-Identifier: BSL-1.0
// The little of SQLite's interface that the example needs: prepared statements and their columns.
#ifndef RECON_SQL_HPP
#define RECON_SQL_HPP

#include <sqlite3.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "holdfast/result.hpp"
#include "text.hpp"

namespace recon {

[[nodiscard]] inline auto sql_failure(sqlite3* db, char const* where) {
  return hf::failure(hf::errc::backend, where, ::sqlite3_errmsg(db),
                     ::sqlite3_extended_errcode(db));
}

[[nodiscard]] inline hf::result<void> execute(sqlite3* db, char const* sql) {
  if (::sqlite3_exec(db, sql, nullptr, nullptr, nullptr) == SQLITE_OK) return hf::ok();
  return sql_failure(db, "run SQL");
}

class Statement {
 public:
  explicit Statement(sqlite3_stmt* statement) noexcept : statement_{statement} {}

  /// Binds its arguments in order, runs to the end, and is ready for the next run.
  template <class... Values>
  [[nodiscard]] hf::result<void> run(Values const&... values) {
    int column = 0;
    (bind(++column, values), ...);
    int const code = ::sqlite3_step(get());
    if (code != SQLITE_DONE) return sql_failure(::sqlite3_db_handle(get()), "run SQL");
    ::sqlite3_reset(get());
    return hf::ok();
  }
  template <class... Values>
  void bind_all(Values const&... values) {
    int column = 0;
    (bind(++column, values), ...);
  }

  /// True while there is another row.
  [[nodiscard]] hf::result<bool> step() {
    int const code = ::sqlite3_step(get());
    if (code == SQLITE_ROW) return true;
    if (code == SQLITE_DONE) return false;
    return sql_failure(::sqlite3_db_handle(get()), "read SQL");
  }
  [[nodiscard]] std::uint64_t number(int column) const {
    return static_cast<std::uint64_t>(::sqlite3_column_int64(get(), column));
  }
  /// The bytes of a text or a blob.
  [[nodiscard]] std::string text(int column) const {
    auto const* const bytes = static_cast<char const*>(::sqlite3_column_blob(get(), column));
    auto const size = static_cast<std::size_t>(::sqlite3_column_bytes(get(), column));
    return bytes == nullptr ? std::string{} : std::string{bytes, size};
  }

 private:
  struct Finalize {
    void operator()(sqlite3_stmt* s) const noexcept { ::sqlite3_finalize(s); }
  };
  [[nodiscard]] sqlite3_stmt* get() const noexcept { return statement_.get(); }

  void bind(int column, std::uint64_t number) {
    ::sqlite3_bind_int64(get(), column, static_cast<sqlite3_int64>(number));
  }
  // A name of the file system may be any bytes; what is no text must not pretend to be one.
  void bind(int column, std::string_view text) {
    auto const size = static_cast<int>(text.size());
    if (is_utf8(text)) {
      ::sqlite3_bind_text(get(), column, text.data(), size, SQLITE_TRANSIENT);
    } else {
      ::sqlite3_bind_blob(get(), column, text.data(), size, SQLITE_TRANSIENT);
    }
  }
  std::unique_ptr<sqlite3_stmt, Finalize> statement_;
};

[[nodiscard]] inline hf::result<Statement> prepare(sqlite3* db, char const* sql) {
  sqlite3_stmt* statement = nullptr;
  if (::sqlite3_prepare_v2(db, sql, -1, &statement, nullptr) == SQLITE_OK) {
    return Statement{statement};
  }
  return sql_failure(db, "prepare SQL");
}

}  // namespace recon

#endif

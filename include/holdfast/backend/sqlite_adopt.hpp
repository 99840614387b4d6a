// SPDX-License-Identifier: BSL-1.0
// Fills a build with the content of an SQLite database that other programs own and go on writing.
#ifndef HOLDFAST_BACKEND_SQLITE_ADOPT_HPP
#define HOLDFAST_BACKEND_SQLITE_ADOPT_HPP

#include <sqlite3.h>

#include <string>

#include "holdfast/backend/sqlite.hpp"
#include "holdfast/backend/sqlite_connection.hpp"
#include "holdfast/config.hpp"
#include "holdfast/file_system.hpp"
#include "holdfast/result.hpp"

HOLDFAST_BEGIN

/// Takes over the database in the file `source` as it is at one instant; what the build holds is
/// replaced. The source's data is only read. `busy` if its writers leave no gap for so long.
template <file_system Fs>
[[nodiscard]] result<void> adopt(SqliteWriter<Fs>& writer,
                                 std::string const& source,
                                 int patience_ms = 5000) {
  if (writer.handle() == nullptr) return failure(errc::spent, "adopt", source);
  HOLDFAST_TRY(from, detail::open_sqlite(detail::sqlite_uri(source, {}), SQLITE_OPEN_READONLY, {}));
  // One transaction of the source from the first page to the last: all of one commit.
  auto* const copy = ::sqlite3_backup_init(writer.handle(), "main", from.get(), "main");
  if (copy == nullptr) return detail::sqlite_error(writer.handle(), "adopt");
  constexpr int pause_ms = 5;
  int code = ::sqlite3_backup_step(copy, -1);
  for (int waited_ms = 0; waited_ms < patience_ms; waited_ms += pause_ms) {
    if (code != SQLITE_BUSY && code != SQLITE_LOCKED) break;
    ::sqlite3_sleep(pause_ms);
    code = ::sqlite3_backup_step(copy, -1);  // begun again if the source was changed meanwhile
  }
  ::sqlite3_backup_finish(copy);  // its answer forgets a step that was busy
  if (code == SQLITE_DONE) return ok();
  return failure(detail::errc_of_sqlite(code), "adopt", source, code);
}

HOLDFAST_END

#endif

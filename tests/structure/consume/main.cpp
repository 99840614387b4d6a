// SPDX-License-Identifier: BSL-1.0
// A user's program: includes holdfast as users do, and fails if it does not answer.
#include <holdfast/holdfast.hpp>

#ifdef CONSUMER_HAS_SQLITE
#include <sqlite3.h>
#endif
#ifdef CONSUMER_HAS_ROCKSDB
#include <rocksdb/db.h>
#endif

int main() {
  bool works = HOLDFAST_VERSION >= 100;
#ifdef CONSUMER_HAS_SQLITE
  works = works && sqlite3_libversion_number() > 0;
#endif
#ifdef CONSUMER_HAS_ROCKSDB
  works = works && rocksdb::Status::OK().ok();
#endif
  return works ? 0 : 1;
}

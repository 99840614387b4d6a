// SPDX-License-Identifier: BSL-1.0
// Writes into an LMDB environment that nobody else sees, in transactions of a bounded size and a
// map that is always large enough.
#ifndef HOLDFAST_BACKEND_LMDB_BUILD_HPP
#define HOLDFAST_BACKEND_LMDB_BUILD_HPP

#include <lmdb.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "holdfast/backend/lmdb_environment.hpp"
#include "holdfast/config.hpp"
#include "holdfast/result.hpp"

HOLDFAST_BEGIN

namespace detail {
class LmdbBuild {
 public:
  /// Starts from an empty or missing data.mdb in `folder`.
  [[nodiscard]] static result<LmdbBuild> open(std::string const& folder,
                                              unsigned max_dbs,
                                              unsigned database_flags,
                                              std::size_t room,
                                              std::size_t batch) {
    LmdbBuild made{room, batch};
    // No lock file: nobody else opens it. No syncs: the seal has one, and a crash before it drops
    // the whole file. Not MDB_WRITEMAP, where a full disk is a SIGBUS rather than an error.
    HOLDFAST_TRY(env, open_lmdb(folder, MDB_NOLOCK | MDB_NOSYNC, max_dbs, room));
    made.env_ = std::move(env);
    HOLDFAST_TRY(transaction, begin_lmdb(made.environment(), 0));
    HOLDFAST_TRY(dbi, open_lmdb_main(transaction.get(), database_flags));
    made.dbi_ = dbi;
    HOLDFAST_TRYV(
        lmdb_result(::mdb_txn_commit(transaction.release()), "commit an LMDB transaction"));
    HOLDFAST_TRYV(made.make_room(0));
    return made;
  }

  /// Null after close.
  [[nodiscard]] MDB_env* environment() const noexcept { return env_.get(); }
  [[nodiscard]] MDB_dbi database() const noexcept { return dbi_; }
  /// Whether something that was written has been undone.
  [[nodiscard]] bool lost() const noexcept { return lost_; }

  /// True if it committed what came before.
  [[nodiscard]] result<bool> write(std::string_view key, std::string_view value, unsigned flags) {
    auto const size = key.size() + value.size();
    bool const ends = transaction_ && taken_ + size > batch_;
    if (ends) {
      HOLDFAST_TRYV(commit());
    }
    if (!transaction_) {
      HOLDFAST_TRYV(begin(size));
    }
    auto k = lmdb_value(key), v = lmdb_value(value);
    int const code = ::mdb_cursor_put(cursor_, &k, &v, flags);
    if (code == MDB_KEYEXIST) return failure(errc::invalid, "append: keys must ascend", key, code);
    if (code == MDB_BAD_VALSIZE) return failure(errc::invalid, "put: size of key", key, code);
    if (code != MDB_SUCCESS) {
      end();
      lost_ = true;
      return lmdb_error(code, "put");
    }
    taken_ += size;
    return ends;
  }

  /// Commits what was written, and leaves room for the caller's own transactions.
  [[nodiscard]] result<void> rest() {
    HOLDFAST_TRYV(commit());
    return make_room(0);
  }

  /// `busy` while a transaction of the caller's is open: nothing has changed then.
  [[nodiscard]] result<void> close() {
    HOLDFAST_TRYV(rest());
    env_.reset();
    return ok();
  }

 private:
  LmdbBuild(std::size_t room, std::size_t batch) : room_{room}, batch_{batch} {}

  [[nodiscard]] result<void> begin(std::size_t size) {
    HOLDFAST_TRYV(make_room(size));
    HOLDFAST_TRY(transaction, begin_lmdb(environment(), 0));
    HOLDFAST_TRYV(lmdb_result(::mdb_cursor_open(transaction.get(), dbi_, &cursor_), "put"));
    transaction_ = std::move(transaction);
    taken_ = 0;
    return ok();
  }
  [[nodiscard]] result<void> commit() {
    if (!transaction_) return ok();
    cursor_ = nullptr;  // LMDB closes it with its transaction
    int const code = ::mdb_txn_commit(transaction_.release());
    lost_ = lost_ || code != MDB_SUCCESS;
    return lmdb_result(code, "commit an LMDB transaction");
  }
  void end() noexcept {
    cursor_ = nullptr;
    transaction_.reset();
  }

  // The map can grow between transactions only, so it is made to hold whatever the next one may
  // need: each page there may be copied, and each byte that comes may take a few. It is address
  // space, not memory nor disk. LMDB refuses to change it during a transaction, which also tells of
  // one that the caller left open: without locks a second one would overwrite it.
  [[nodiscard]] result<void> make_room(std::size_t size) {
    MDB_envinfo info{};
    MDB_stat stat{};
    ::mdb_env_info(environment(), &info);
    ::mdb_env_stat(environment(), &stat);
    std::size_t const used = (info.me_last_pgno + 1) * stat.ms_psize;
    std::size_t const needed = 3 * used + 8 * std::max(batch_, size) + room_;
    std::size_t const wanted = info.me_mapsize >= needed ? info.me_mapsize : 2 * needed;
    int const code = ::mdb_env_set_mapsize(environment(), wanted);
    if (code == MDB_SUCCESS) return ok();
    if (code == EINVAL) {
      return failure(errc::busy, "LMDB: a transaction of yours is open", {}, code);
    }
    lost_ = true;  // there is no map any more
    return lmdb_error(code, "enlarge the LMDB map");
  }

  std::size_t room_;
  std::size_t batch_;
  LmdbHandle env_;
  LmdbTransactionHandle transaction_;  // ends before its environment
  MDB_cursor* cursor_ = nullptr;
  MDB_dbi dbi_ = 0;
  std::size_t taken_ = 0;  // bytes of keys and values in the transaction
  bool lost_ = false;
};
}  // namespace detail

HOLDFAST_END

#endif

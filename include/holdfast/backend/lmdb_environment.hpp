// SPDX-License-Identifier: BSL-1.0
// Opens and closes environments of LMDB, says what its codes mean, and measures a data file before
// it is mapped.
#ifndef HOLDFAST_BACKEND_LMDB_ENVIRONMENT_HPP
#define HOLDFAST_BACKEND_LMDB_ENVIRONMENT_HPP

#include <lmdb.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "holdfast/bytes.hpp"
#include "holdfast/config.hpp"
#include "holdfast/file_system.hpp"
#include "holdfast/posix.hpp"
#include "holdfast/result.hpp"

HOLDFAST_BEGIN

namespace detail {
[[nodiscard]] constexpr errc errc_of_lmdb(int code) noexcept {
  switch (code) {
    case MDB_NOTFOUND:
      return errc::not_found;
    case MDB_KEYEXIST:
      return errc::exists;
    case MDB_CORRUPTED:
    case MDB_PAGE_NOTFOUND:
    case MDB_INVALID:
      return errc::damaged;
    case MDB_VERSION_MISMATCH:
      return errc::newer_format;
    case MDB_MAP_FULL:
    case MDB_DBS_FULL:
    case MDB_TXN_FULL:
    case MDB_CURSOR_FULL:
    case MDB_PAGE_FULL:
      return errc::full;
    case MDB_BAD_VALSIZE:
    case MDB_BAD_TXN:
    case MDB_BAD_DBI:
    case MDB_INCOMPATIBLE:
      return errc::invalid;
    default:
      return code > 0 ? errc_of(code) : errc::backend;
  }
}

/// The native code is LMDB's, or an errno.
[[nodiscard]] inline auto lmdb_error(int code, char const* where) noexcept {
  return failure(errc_of_lmdb(code), where, ::mdb_strerror(code), code);
}
[[nodiscard]] inline result<void> lmdb_result(int code, char const* where) noexcept {
  if (code == MDB_SUCCESS) return ok();
  return lmdb_error(code, where);
}

// LMDB takes what it only reads through pointers that could write.
[[nodiscard]] inline MDB_val lmdb_value(std::string_view text) noexcept {
  return {text.size(), const_cast<char*>(text.data())};
}
[[nodiscard]] inline std::string_view lmdb_text(MDB_val const& value) noexcept {
  return {static_cast<char const*>(value.mv_data), value.mv_size};
}

struct CloseLmdb {
  void operator()(MDB_env* env) const noexcept { ::mdb_env_close(env); }
};
using LmdbHandle = std::unique_ptr<MDB_env, CloseLmdb>;

struct EndLmdb {
  void operator()(MDB_txn* transaction) const noexcept { ::mdb_txn_abort(transaction); }
};
using LmdbTransactionHandle = std::unique_ptr<MDB_txn, EndLmdb>;

/// `folder` holds data.mdb. `map_size` is a multiple of the page size; 0: what the file says.
[[nodiscard]] inline result<LmdbHandle> open_lmdb(std::string const& folder,
                                                  unsigned flags,
                                                  unsigned max_dbs,
                                                  std::size_t map_size) {
  MDB_env* raw = nullptr;
  HOLDFAST_TRYV(lmdb_result(::mdb_env_create(&raw), "open LMDB"));
  LmdbHandle env{raw};
  HOLDFAST_TRYV(lmdb_result(::mdb_env_set_maxdbs(raw, max_dbs), "open LMDB"));
  if (map_size != 0) {
    HOLDFAST_TRYV(lmdb_result(::mdb_env_set_mapsize(raw, map_size), "open LMDB"));
  }
  HOLDFAST_TRYV(lmdb_result(::mdb_env_open(raw, folder.c_str(), flags, 0666), "open LMDB"));
  return env;
}

[[nodiscard]] inline result<LmdbTransactionHandle> begin_lmdb(MDB_env* env, unsigned flags) {
  MDB_txn* raw = nullptr;
  HOLDFAST_TRYV(
      lmdb_result(::mdb_txn_begin(env, nullptr, flags, &raw), "begin an LMDB transaction"));
  return LmdbTransactionHandle{raw};
}

/// The database that has no name, made if need be.
[[nodiscard]] inline result<MDB_dbi> open_lmdb_main(MDB_txn* transaction, unsigned flags) {
  MDB_dbi dbi = 0;
  HOLDFAST_TRYV(
      lmdb_result(::mdb_dbi_open(transaction, nullptr, flags, &dbi), "open LMDB database"));
  return dbi;
}

// How a meta page lies in a data file, in the words of this machine: after the page's head the
// numbers that count here. LMDB's files belong to one word size and byte order.
struct LmdbMeta {
  struct Tree {
    std::uint32_t page_size;  // of the first tree; elsewhere it means other things
    std::uint16_t flags;
    std::uint16_t depth;
    std::size_t pages[3];
    std::size_t entries;
    std::size_t root;
  };
  std::size_t number;
  std::uint16_t pad;
  std::uint16_t flags;
  std::uint32_t bounds;
  std::uint32_t magic;
  std::uint32_t version;
  std::size_t address;
  std::size_t map_size;
  Tree trees[2];
  std::size_t last_page;
  std::size_t transaction;
};

/// What a data file says of its size.
struct LmdbExtent {
  std::size_t page_size = 0;
  std::uint64_t bytes = 0;  ///< that it must have, or a mapping ends in SIGBUS
};

/// Reads both meta pages. `damaged` if they are none, `newer_format` if LMDB calls them that.
template <file_system Fs>
[[nodiscard]] result<LmdbExtent> measure_lmdb(Fs const& fs,
                                              typename Fs::file& file,
                                              std::string const& path) {
  constexpr std::uint32_t magic = 0xbeefc0de, version = 1;
  constexpr std::uint16_t is_meta = 8;
  LmdbExtent extent;
  LmdbMeta newest{};
  for (std::uint64_t page = 0; page < 2; ++page) {
    std::byte raw[sizeof(LmdbMeta)];
    HOLDFAST_TRY(got, fs.read_at(file, page * extent.page_size, raw));
    LmdbMeta meta;
    std::memcpy(&meta, raw, sizeof meta);
    bool const ours = got == sizeof raw && meta.magic == magic && (meta.flags & is_meta) != 0;
    if (!ours) return failure(errc::damaged, "LMDB: no meta page", path);
    if (meta.version != version) {
      return failure(errc::newer_format, "LMDB data version", path, meta.version);
    }
    auto const page_size = meta.trees[0].page_size;
    bool const sane = page_size >= 256 && page_size <= 65536 && (page_size & (page_size - 1)) == 0;
    bool const same = page == 0 || page_size == extent.page_size;
    if (!sane || !same || meta.last_page >= SIZE_MAX / 65536) {
      return failure(errc::damaged, "LMDB: meta page", path);
    }
    extent.page_size = page_size;
    if (page == 0 || meta.transaction > newest.transaction) newest = meta;
  }
  extent.bytes = (std::uint64_t{newest.last_page} + 1) * extent.page_size;
  return extent;
}
}  // namespace detail

HOLDFAST_END

#endif

// SPDX-License-Identifier: BSL-1.0
// Reads rows of RocksDB and tables of SQLite back into the model.
#include "parts.hpp"

#include <rocksdb/iterator.h>
#include <rocksdb/options.h>

#include <memory>

#include "sql.hpp"

namespace recon {
namespace {
auto rocks_failure(rocksdb::Status const& status, char const* where) {
  return hf::failure(status.IsCorruption() ? hf::errc::damaged : hf::errc::backend, where,
                     status.ToString(), status.code());
}
std::string_view view(rocksdb::Slice const& slice) {
  return {slice.data(), slice.size()};
}
}  // namespace

hf::result<std::optional<std::string>> find(Parts const& parts, std::string_view key) {
  std::string value;
  auto const status = parts.keys->Get({}, rocksdb::Slice{key.data(), key.size()}, &value);
  if (status.IsNotFound()) return std::optional<std::string>{};
  if (!status.ok()) return rocks_failure(status, "read a row");
  return std::optional{std::move(value)};
}

hf::result<void> each(Parts const& parts, std::string_view prefix, Row const& row) {
  std::unique_ptr<rocksdb::Iterator> const at{parts.keys->NewIterator({})};
  for (at->Seek({prefix.data(), prefix.size()}); at->Valid(); at->Next()) {
    auto const key = view(at->key());
    if (!key.starts_with(prefix)) break;
    HOLDFAST_TRYV(row(key.substr(prefix.size()), view(at->value())));
  }
  if (!at->status().ok()) return rocks_failure(at->status(), "read rows");
  return hf::ok();
}

hf::result<Origin> origin_of_keys(Parts const& parts) {
  HOLDFAST_TRY(value, find(parts, rows::key(rows::origin)));
  if (!value)
    return hf::failure(hf::errc::not_found, "read the origin", "the RocksDB part is empty");
  rows::Cursor cursor{*value};
  Origin origin{.run = cursor.number(), .root = {}};
  HOLDFAST_TRYV(cursor.check("read the origin"));
  origin.root = cursor.rest();
  return origin;
}

hf::result<rows::DirectoryRow> directory(Parts const& parts, std::string const& path) {
  HOLDFAST_TRY(id, find(parts, rows::key(rows::path, path)));
  if (!id) {
    return hf::failure(hf::errc::not_found, "find the directory", path.empty() ? "the root" : path);
  }
  HOLDFAST_TRY(number, rows::decode_number(*id));
  HOLDFAST_TRY(row, find(parts, rows::key(rows::directory, number)));
  if (!row) return hf::failure(hf::errc::damaged, "read the directory", path);
  return rows::decode_directory(*row);
}

hf::result<Origin> origin_of_stats(Parts const& parts) {
  HOLDFAST_TRY(ask, prepare(parts.stats, "SELECT run, root FROM origin"));
  HOLDFAST_TRY(found, ask.step());
  if (!found)
    return hf::failure(hf::errc::not_found, "read the origin", "the SQLite part is empty");
  return Origin{ask.number(0), ask.text(1)};
}

hf::result<std::map<std::string, Histogram>> histograms(Parts const& parts) {
  HOLDFAST_TRY(ask, prepare(parts.stats,
                            "SELECT volume, upper_bound, files, bytes FROM file_size_histogram"));
  std::map<std::string, Histogram> volumes;
  for (;;) {
    HOLDFAST_TRY(more, ask.step());
    if (!more) return volumes;
    volumes[ask.text(0)][ask.number(1)] = {ask.number(2), ask.number(3)};
  }
}

hf::result<std::map<std::string, Counts>> table_counts(Parts const& parts) {
  HOLDFAST_TRY(ask, prepare(parts.stats, "SELECT volume, name, count FROM table_count"));
  std::map<std::string, Counts> volumes;
  for (;;) {
    HOLDFAST_TRY(more, ask.step());
    if (!more) return volumes;
    auto& counts = volumes[ask.text(0)];
    auto const name = ask.text(1);
    auto* const number = name == "files"         ? &counts.files
                         : name == "directories" ? &counts.directories
                         : name == "symlinks"    ? &counts.symlinks
                         : name == "other"       ? &counts.other
                         : name == "bytes"       ? &counts.bytes
                                                 : nullptr;
    if (number == nullptr) return hf::failure(hf::errc::damaged, "read table counts", name);
    *number = ask.number(2);
  }
}

}  // namespace recon

// SPDX-License-Identifier: BSL-1.0
// Writes rows to bytes and reads them back.
#include "rows.hpp"

namespace recon::rows {
namespace {

void put(std::string& to, Counts const& counts) {
  for (auto const number :
       {counts.files, counts.directories, counts.symlinks, counts.other, counts.bytes}) {
    put_number(to, number);
  }
}

Counts take_counts(Cursor& cursor) {
  Counts counts;
  for (auto* const number :
       {&counts.files, &counts.directories, &counts.symlinks, &counts.other, &counts.bytes}) {
    *number = cursor.number();
  }
  return counts;
}
}  // namespace

std::string encode(DirectoryRow const& row) {
  std::string value;
  put_number(value, row.parent);
  put(value, row.own);
  put(value, row.total);
  return value.append(row.path);
}

hf::result<DirectoryRow> decode_directory(std::string_view value) {
  Cursor cursor{value};
  DirectoryRow row;
  row.parent = cursor.number();
  row.own = take_counts(cursor);
  row.total = take_counts(cursor);
  HOLDFAST_TRYV(cursor.check("read a directory"));
  row.path = cursor.rest();
  return row;
}

std::string encode(Share const& share) {
  std::string value;
  put_number(value, share.files);
  put_number(value, share.bytes);
  return value;
}

hf::result<Share> decode_share(std::string_view value) {
  Cursor cursor{value};
  Share share;
  share.files = cursor.number();
  share.bytes = cursor.number();
  HOLDFAST_TRYV(cursor.check("read a container"));
  return share;
}

hf::result<std::uint64_t> decode_number(std::string_view value) {
  Cursor cursor{value};
  auto const number = cursor.number();
  HOLDFAST_TRYV(cursor.check("read a number"));
  return number;
}

}  // namespace recon::rows

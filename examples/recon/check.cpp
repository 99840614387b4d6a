// SPDX-License-Identifier: BSL-1.0
// Adds rows up and compares the sums, never a number that is only stored.
#include "check.hpp"

#include <cstddef>
#include <map>
#include <unordered_map>
#include <utility>

#include "text.hpp"

namespace recon {
namespace {
using rows::Table;

Share sum(Histogram const& histogram) {
  Share all;
  for (auto const& [bound, share] : histogram) {
    all.files += share.files;
    all.bytes += share.bytes;
  }
  return all;
}

// Collects the first differences, in words.
class Comparison {
 public:
  explicit Comparison(std::vector<std::string>& differences) : differences_{differences} {}
  void same(std::uint64_t a, std::uint64_t b, std::string const& what) {
    if (a != b) tell(what + ": " + std::to_string(a) + " against " + std::to_string(b));
  }
  void same(Counts const& a, Counts const& b, std::string const& what) {
    same(a.files, b.files, what + ", files");
    same(a.directories, b.directories, what + ", directories");
    same(a.symlinks, b.symlinks, what + ", symlinks");
    same(a.other, b.other, what + ", other");
    same(a.bytes, b.bytes, what + ", bytes");
  }
  void same(Share const& a, Share const& b, std::string const& what) {
    same(a.files, b.files, what + ", files");
    same(a.bytes, b.bytes, what + ", bytes");
  }
  void tell(std::string text) {
    if (differences_.size() < 20) differences_.push_back(printable(text));
  }

 private:
  std::vector<std::string>& differences_;
};

// Everything that RocksDB holds, read row by row.
struct Keys {
  std::vector<rows::DirectoryRow> directories;
  std::map<std::uint64_t, Share> containers;  // as counted by their own rows
  std::map<std::uint64_t, Share> keys;        // as added up from the keys of each container
  std::map<std::string, Histogram> histograms;
  std::uint64_t digest = 0;
  std::uint64_t rows = 0;
};

std::string volume_of(std::string_view path) {
  auto const slash = path.find('/');
  return std::string{slash == std::string_view::npos ? "." : path.substr(0, slash)};
}

hf::result<Keys> read_keys(Parts const& parts, Comparison& compare) {
  Keys keys;
  HOLDFAST_TRYV(
      each(parts, rows::key(Table::directory), [&](auto key, auto value) -> hf::result<void> {
        HOLDFAST_TRY(id, rows::decode_number(key));
        HOLDFAST_TRY(row, rows::decode_directory(value));
        compare.same(id, keys.directories.size(), "number of a directory");
        keys.directories.push_back(std::move(row));
        return hf::ok();
      }));
  HOLDFAST_TRYV(
      each(parts, rows::key(Table::container), [&](auto key, auto value) -> hf::result<void> {
        HOLDFAST_TRY(id, rows::decode_number(key));
        HOLDFAST_TRY(share, rows::decode_share(value));
        keys.containers[id] = share;
        return hf::ok();
      }));
  HOLDFAST_TRYV(
      each(parts, rows::key(Table::container_key), [&](auto key, auto value) -> hf::result<void> {
        rows::Cursor cursor{key};
        auto const id = cursor.number();
        HOLDFAST_TRYV(cursor.check("read a key of a container"));
        HOLDFAST_TRY(size, rows::decode_number(value));
        auto const add = [size = size](Share& to) {
          to.files += 1;
          to.bytes += size;
        };
        add(keys.keys[id]);
        add(keys.histograms[volume_of(cursor.rest())][upper_bound(size)]);
        keys.digest += digest_of(cursor.rest(), size);
        ++keys.rows;
        return hf::ok();
      }));
  keys.rows += keys.directories.size() + keys.containers.size();
  return keys;
}

// The totals of each directory follow from the own counts of those below it.
void check_totals(Keys const& keys, Comparison& compare) {
  std::vector<Counts> totals(keys.directories.size());
  std::vector<std::uint64_t> children(keys.directories.size());
  for (auto id = totals.size(); id-- > 0;) {
    auto const& row = keys.directories[id];
    totals[id] += row.own;
    compare.same(row.total, totals[id], "total of /" + row.path);
    compare.same(row.own.directories, children[id], "folders in /" + row.path);
    if (id == 0) continue;
    if (row.parent >= id) {
      compare.tell("parent of /" + row.path + " is no directory before it");
      continue;
    }
    totals[row.parent] += totals[id];
    children[row.parent] += 1;
  }
}

// Both directions of the container map, and both of the path lookup, hold the same.
hf::result<void> check_maps(Parts const& parts, Keys& keys, Comparison& compare) {
  if (keys.containers != keys.keys) compare.tell("containers differ from the sums of their keys");
  std::map<std::uint64_t, std::uint64_t> back;
  HOLDFAST_TRYV(
      each(parts, rows::key(Table::key_container), [&](auto, auto value) -> hf::result<void> {
        HOLDFAST_TRY(id, rows::decode_number(value));
        back[id] += 1;
        ++keys.rows;
        return hf::ok();
      }));
  for (auto const& [id, share] : keys.keys) {
    compare.same(back[id], share.files, "files that name container " + std::to_string(id));
  }
  compare.same(back.size(), keys.keys.size(), "containers that files name");
  std::uint64_t paths = 0;
  HOLDFAST_TRYV(each(parts, rows::key(Table::path), [&](auto key, auto value) -> hf::result<void> {
    HOLDFAST_TRY(id, rows::decode_number(value));
    ++paths;
    bool const right = id < keys.directories.size() && keys.directories[id].path == key;
    if (!right) compare.tell("path /" + std::string{key} + " leads to another directory");
    return hf::ok();
  }));
  compare.same(paths, keys.directories.size(), "paths of directories");
  keys.rows += paths;
  return hf::ok();
}

// What SQLite counts for each volume is what RocksDB's rows of it add up to.
void check_volumes(Keys const& keys,
                   std::map<std::string, Histogram> const& histograms,
                   std::map<std::string, Counts> const& counts,
                   Comparison& compare) {
  if (histograms != keys.histograms)
    compare.tell("the histogram differs from the sizes of the keys");
  std::map<std::string, Counts> volumes;
  for (auto const& row : keys.directories) {
    if (row.path.empty()) {
      volumes["."] = row.own;
      volumes["."].directories = 0;  // each counts in the volume that it is
    } else if (row.path.find('/') == std::string::npos) {
      volumes[row.path] = row.total;
      volumes[row.path].directories += 1;
    }
  }
  for (auto const& [name, in_keys] : volumes) {
    auto const found = counts.find(name);
    compare.same(found == counts.end() ? Counts{} : found->second, in_keys, "volume " + name);
  }
  compare.same(counts.size(), volumes.size(), "volumes");
}
}  // namespace

hf::result<Answer> ask(Parts const& parts) {
  Answer answer;
  HOLDFAST_TRY(stats_origin, origin_of_stats(parts));
  HOLDFAST_TRY(keys_origin, origin_of_keys(parts));
  HOLDFAST_TRY(root, directory(parts, ""));
  HOLDFAST_TRY(histogram, histograms(parts));
  HOLDFAST_TRY(counted, table_counts(parts));
  Share containers;
  HOLDFAST_TRYV(each(parts, rows::key(Table::container), [&](auto, auto value) -> hf::result<void> {
    HOLDFAST_TRY(share, rows::decode_share(value));
    containers.files += share.files;
    containers.bytes += share.bytes;
    return hf::ok();
  }));
  Share in_bins;
  for (auto const& [volume, bins] : histogram) {
    auto const all = sum(bins);
    in_bins.files += all.files;
    in_bins.bytes += all.bytes;
  }
  Counts tables;
  for (auto const& [volume, counts] : counted) tables += counts;

  answer.run = keys_origin.run;
  answer.counts = root.total;
  std::vector<std::string> differences;
  Comparison compare{differences};
  compare.same(keys_origin.run, stats_origin.run, "run of RocksDB and SQLite");
  compare.same(containers, in_bins, "containers and histogram");
  compare.same(root.total, tables, "namespace and table counts");
  compare.same(containers, {root.total.files, root.total.bytes}, "containers and namespace");
  if (!differences.empty()) answer.mix = differences.front();
  return answer;
}

hf::result<Verified> verify(Parts const& parts) {
  Verified verified;
  Comparison compare{verified.differences};
  HOLDFAST_TRY(origin, origin_of_keys(parts));
  HOLDFAST_TRY(stats_origin, origin_of_stats(parts));
  if (origin != stats_origin) compare.tell("RocksDB and SQLite were built by different runs");
  HOLDFAST_TRY(keys, read_keys(parts, compare));
  if (keys.directories.empty()) {
    return hf::failure(hf::errc::not_found, "verify", "the RocksDB part is empty");
  }
  check_totals(keys, compare);
  HOLDFAST_TRYV(check_maps(parts, keys, compare));
  HOLDFAST_TRY(histogram, histograms(parts));
  HOLDFAST_TRY(counts, table_counts(parts));
  check_volumes(keys, histogram, counts, compare);

  Share in_keys;
  for (auto const& [id, share] : keys.keys) {
    in_keys.files += share.files;
    in_keys.bytes += share.bytes;
  }
  for (auto const& row : keys.directories) verified.counts += row.own;
  compare.same(in_keys, {verified.counts.files, verified.counts.bytes}, "keys and namespace");
  for (auto const& [volume, of] : counts) verified.counts_of_stats += of;
  compare.same(verified.counts, verified.counts_of_stats, "RocksDB and SQLite");
  verified.run = origin.run;
  verified.root = origin.root;
  verified.digest = keys.digest;
  verified.rows = keys.rows + counts.size() * 5;
  for (auto const& [volume, bins] : histogram) verified.rows += bins.size();
  return verified;
}

hf::Marks marks_of(Counts const& counts, std::uint64_t digest) {
  return {{"bytes", counts.bytes},
          {"directories", counts.directories},
          {"entries", counts.entries()},
          {"files", counts.files},
          {"other", counts.other},
          {"symlinks", counts.symlinks},
          {"tree", digest}};
}

hf::Marks marks_of(Tree const& tree) {
  std::uint64_t digest = 0;
  for (auto const& file : tree.files) digest += digest_of(tree.path_of(file), file.size);
  return marks_of(tree.directories.front().total, digest);
}

}  // namespace recon

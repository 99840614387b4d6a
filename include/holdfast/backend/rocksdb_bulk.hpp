// SPDX-License-Identifier: BSL-1.0
// Writes keys that come in order straight into RocksDB's table files, past memtable and compaction.
#ifndef HOLDFAST_BACKEND_ROCKSDB_BULK_HPP
#define HOLDFAST_BACKEND_ROCKSDB_BULK_HPP

#include <rocksdb/comparator.h>
#include <rocksdb/db.h>
#include <rocksdb/options.h>
#include <rocksdb/sst_file_writer.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "holdfast/backend/rocksdb_database.hpp"
#include "holdfast/config.hpp"
#include "holdfast/result.hpp"

HOLDFAST_BEGIN

/// Takes keys in strictly ascending order (by the family's comparator); seal adds them to the
/// database. What a bulk holds counts as written after every `put`, and after earlier bulks.
class RocksBulk {
 public:
  /// Files are named `path_prefix` + number + ".sst" and split at about the family's target size.
  RocksBulk(rocksdb::DB& db, rocksdb::ColumnFamilyHandle& family, std::string path_prefix)
      : db_{&db},
        family_{&family},
        options_{db.GetOptions(&family)},
        path_prefix_{std::move(path_prefix)} {}
  RocksBulk(RocksBulk const&) = delete;

  /// `invalid`, naming the key, if it does not come after all before; it is then not written.
  [[nodiscard]] result<void> put(std::string_view key, std::string_view value) {
    if (lost_ || ended_) return usable();
    if (!file_) {
      if (last_ && options_.comparator->Compare(detail::slice(key), *last_) <= 0) {
        return out_of_order(key);
      }
      HOLDFAST_TRYV(start_file());
    }
    auto const status = file_->Put(detail::slice(key), detail::slice(value));
    if (status.IsInvalidArgument()) return out_of_order(key);
    if (!status.ok()) return detail::rocks_error(status, "bulk put");
    ++entries_;
    if (file_->FileSize() < options_.target_file_size_base) return ok();
    return finish_file();
  }

  /// Moves what was put into the database; nothing the second time.
  [[nodiscard]] result<void> ingest() {
    HOLDFAST_TRYV(usable());
    if (file_) {
      HOLDFAST_TRYV(finish_file());
    }
    if (paths_.empty()) return ok();
    rocksdb::IngestExternalFileOptions options;
    options.move_files = true;           // a link in the same file system, not a copy
    options.write_global_seqno = false;  // kept in the manifest: the synced file stays untouched
    auto const status = db_->IngestExternalFile(family_, paths_, options);
    if (!status.ok()) return detail::rocks_error(status, "ingest bulk");
    paths_.clear();
    finished_ = 0;
    return ok();
  }

  /// Bytes of disk that are not in the database yet.
  [[nodiscard]] std::uint64_t taken() const { return finished_ + (file_ ? file_->FileSize() : 0); }

  /// The database is about to be closed: `spent` from here on.
  void end() noexcept { ended_ = true; }

 private:
  [[nodiscard]] result<void> usable() const {
    if (lost_) return failure(*lost_);
    if (ended_) return failure(errc::spent, "bulk put", path_prefix_);
    return ok();
  }

  [[nodiscard]] static result<void> out_of_order(std::string_view key) {
    return failure(errc::invalid, "bulk put: keys must ascend strictly", key);
  }

  [[nodiscard]] result<void> start_file() {
    // The pages stay cached: who reads the generation first would else read it from the disk.
    file_ = std::make_unique<rocksdb::SstFileWriter>(rocksdb::EnvOptions{options_}, options_,
                                                     family_, false);
    path_ = path_prefix_ + std::to_string(files_++) + ".sst";
    auto const status = file_->Open(path_);
    if (status.ok()) return ok();
    file_.reset();
    return detail::rocks_error(status, "open bulk file");
  }

  [[nodiscard]] result<void> finish_file() {
    if (entries_ == 0) {
      file_.reset();
      return ok();
    }
    rocksdb::ExternalSstFileInfo info;
    auto const status = file_->Finish(&info);  // syncs it
    if (!status.ok()) {
      // RocksDB has removed the file: a seal without what was in it must not succeed.
      lost_ = error{detail::errc_of_rocks(status), "finish bulk file", path_, status.code()};
      return failure(*lost_);
    }
    paths_.push_back(path_);
    last_ = info.largest_key;
    finished_ += info.file_size;
    entries_ = 0;
    file_.reset();
    return ok();
  }

  rocksdb::DB* db_;
  rocksdb::ColumnFamilyHandle* family_;
  rocksdb::Options options_;
  std::string path_prefix_;
  std::unique_ptr<rocksdb::SstFileWriter> file_;  // null between files
  std::string path_;
  std::optional<std::string> last_;  // the greatest key of the files that are finished
  std::vector<std::string> paths_;
  std::uint64_t files_ = 0;
  std::uint64_t entries_ = 0;
  std::uint64_t finished_ = 0;  // bytes of `paths_`
  std::optional<error> lost_;
  bool ended_ = false;
};

HOLDFAST_END

#endif

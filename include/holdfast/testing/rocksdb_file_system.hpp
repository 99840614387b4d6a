// SPDX-License-Identifier: BSL-1.0
// Runs RocksDB on any file system model.
#ifndef HOLDFAST_TESTING_ROCKSDB_FILE_SYSTEM_HPP
#define HOLDFAST_TESTING_ROCKSDB_FILE_SYSTEM_HPP

#include <rocksdb/env.h>
#include <rocksdb/file_system.h>

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "holdfast/backend/rocksdb_database.hpp"
#include "holdfast/config.hpp"
#include "holdfast/file_system.hpp"
#include "holdfast/result.hpp"
#include "holdfast/testing/rocksdb_files.hpp"

HOLDFAST_BEGIN

namespace testing {
/// For `rocksdb::NewCompositeEnv`, which makes an Env of it for `Options::env`; the Env must
/// outlive every database. RocksDB calls from threads of its own, so `Fs` must be safe from several
/// (SerialFiles makes the simulated disk so).
template <file_system Fs>
class RocksFileSystem final : public rocksdb::FileSystem {
  using IOStatus = rocksdb::IOStatus;
  using IOOptions = rocksdb::IOOptions;
  using FileOptions = rocksdb::FileOptions;
  using IODebugContext = rocksdb::IODebugContext;
  template <class T>
  using Out = std::unique_ptr<T>*;

 public:
  explicit RocksFileSystem(Fs fs) : fs_{std::move(fs)} {}
  char const* Name() const override { return "holdfast::testing::RocksFileSystem"; }

  IOStatus NewSequentialFile(std::string const& path,
                             FileOptions const&,
                             Out<rocksdb::FSSequentialFile> out,
                             IODebugContext*) override {
    return open<rocks::SequentialFile<Fs>>(path, out);
  }
  IOStatus NewRandomAccessFile(std::string const& path,
                               FileOptions const&,
                               Out<rocksdb::FSRandomAccessFile> out,
                               IODebugContext*) override {
    return open<rocks::RandomAccessFile<Fs>>(path, out);
  }
  /// An empty file, whatever was there.
  IOStatus NewWritableFile(std::string const& path,
                           FileOptions const&,
                           Out<rocksdb::FSWritableFile> out,
                           IODebugContext*) override {
    return rocks::guarded([&] { return rocks::status_of(write(path, true, out)); });
  }
  /// To append to what is there.
  IOStatus ReopenWritableFile(std::string const& path,
                              FileOptions const&,
                              Out<rocksdb::FSWritableFile> out,
                              IODebugContext*) override {
    return rocks::guarded([&] { return rocks::status_of(write(path, false, out)); });
  }
  IOStatus NewDirectory(std::string const& path,
                        IOOptions const&,
                        Out<rocksdb::FSDirectory> out,
                        IODebugContext*) override {
    return rocks::guarded([&] {
      auto const entries = fs_.list(path);
      if (entries) *out = std::make_unique<rocks::Directory<Fs>>(fs_, path);
      return status_of(entries);
    });
  }

  IOStatus FileExists(std::string const& path, IOOptions const&, IODebugContext*) override {
    return rocks::guarded([&] {
      auto const there = fs_.identity(path);
      bool const missing = !there && there.error().code() == errc::not_found;
      return missing ? IOStatus::NotFound(path) : status_of(there);
    });
  }
  IOStatus GetChildren(std::string const& path,
                       IOOptions const&,
                       std::vector<std::string>* out,
                       IODebugContext*) override {
    return rocks::guarded([&] {
      out->clear();
      auto const entries = fs_.list(path);
      if (!entries && entries.error().code() == errc::not_found) return IOStatus::NotFound(path);
      if (!entries) return status_of(entries);
      for (auto const& entry : entries.assume_value()) out->push_back(entry.name);
      return IOStatus::OK();
    });
  }
  IOStatus IsDirectory(std::string const& path,
                       IOOptions const&,
                       bool* out,
                       IODebugContext*) override {
    return rocks::guarded([&] {
      auto const entries = fs_.list(path);
      *out = entries.has_value();
      bool const other = !entries && entries.error().code() == errc::invalid;
      return other ? IOStatus::OK() : status_of(entries);
    });
  }
  IOStatus GetFileSize(std::string const& path,
                       IOOptions const&,
                       std::uint64_t* out,
                       IODebugContext*) override {
    return rocks::guarded([&] {
      auto const size = size_of(path);
      if (size) *out = size.assume_value();
      return status_of(size);
    });
  }
  IOStatus GetFileModificationTime(std::string const&,
                                   IOOptions const&,
                                   std::uint64_t*,
                                   IODebugContext*) override {
    return IOStatus::NotSupported("the file system keeps no times");
  }

  IOStatus DeleteFile(std::string const& path, IOOptions const&, IODebugContext*) override {
    return rocks::guarded([&] { return rocks::status_of(fs_.remove(path)); });
  }
  IOStatus CreateDir(std::string const& path, IOOptions const&, IODebugContext*) override {
    return rocks::guarded([&] { return rocks::status_of(fs_.make_directory(path)); });
  }
  IOStatus CreateDirIfMissing(std::string const& path, IOOptions const&, IODebugContext*) override {
    return rocks::guarded([&] {
      auto const made = fs_.make_directory(path);
      bool const there = !made && made.error().code() == errc::exists;
      return there ? IOStatus::OK() : rocks::status_of(made);
    });
  }
  IOStatus DeleteDir(std::string const& path, IOOptions const&, IODebugContext*) override {
    return rocks::guarded([&] { return rocks::status_of(fs_.remove(path)); });
  }
  IOStatus RenameFile(std::string const& from,
                      std::string const& to,
                      IOOptions const&,
                      IODebugContext*) override {
    return rocks::guarded([&] { return rocks::status_of(fs_.rename(from, to)); });
  }
  IOStatus LinkFile(std::string const& from,
                    std::string const& to,
                    IOOptions const&,
                    IODebugContext*) override {
    return rocks::guarded([&] { return rocks::status_of(fs_.link(from, to)); });
  }

  IOStatus LockFile(std::string const& path,
                    IOOptions const&,
                    rocksdb::FileLock** out,
                    IODebugContext*) override {
    return rocks::guarded([&] {
      *out = nullptr;
      auto file = open_or_create(path);
      if (!file) return status_of(file);
      auto const locked = fs_.try_lock(file.assume_value(), Range{}, Mode::exclusive);
      if (!locked) return status_of(locked);
      if (!locked.assume_value()) return IOStatus::IOError("held by another", path);
      *out = new rocks::Lock<Fs>{std::move(file).assume_value()};
      return IOStatus::OK();
    });
  }
  IOStatus UnlockFile(rocksdb::FileLock* lock, IOOptions const&, IODebugContext*) override {
    delete static_cast<rocks::Lock<Fs>*>(lock);
    return IOStatus::OK();
  }

  IOStatus GetTestDirectory(IOOptions const&, std::string*, IODebugContext*) override {
    return IOStatus::NotSupported("no directory for tests");
  }
  /// What RocksDB logs is no data, and no matter of the file system under test.
  IOStatus NewLogger(std::string const&,
                     IOOptions const&,
                     std::shared_ptr<rocksdb::Logger>* out,
                     IODebugContext*) override {
    *out = std::make_shared<holdfast::detail::QuietLogger>();
    return IOStatus::OK();
  }
  IOStatus GetAbsolutePath(std::string const& path,
                           IOOptions const&,
                           std::string* out,
                           IODebugContext*) override {
    *out = path;
    return IOStatus::OK();
  }

 private:
  using File = typename Fs::file;

  template <class T>
  [[nodiscard]] static IOStatus status_of(result<T> const& outcome) {
    return outcome ? IOStatus::OK() : rocks::status_of(outcome.error());
  }

  template <class Made, class As>
  [[nodiscard]] IOStatus open(std::string const& path, Out<As> out) const {
    return rocks::guarded([&] {
      auto file = fs_.open(path, Open::read);
      if (!file) return rocks::status_of(file.error());
      *out = std::make_unique<Made>(fs_, std::move(file).assume_value());
      return IOStatus::OK();
    });
  }
  [[nodiscard]] result<File> open_or_create(std::string const& path) const {
    auto file = fs_.open(path, Open::write);
    if (!file && file.error().code() == errc::not_found) return fs_.open(path, Open::create);
    return file;
  }
  [[nodiscard]] result<void> write(std::string const& path,
                                   bool empty,
                                   Out<rocksdb::FSWritableFile> out) const {
    HOLDFAST_TRY(file, open_or_create(path));
    if (empty) {
      HOLDFAST_TRYV(fs_.resize(file, 0));
    }
    HOLDFAST_TRY(size, fs_.size(file));
    *out = std::make_unique<rocks::WritableFile<Fs>>(fs_, std::move(file), size);
    return ok();
  }
  [[nodiscard]] result<std::uint64_t> size_of(std::string const& path) const {
    HOLDFAST_TRY(file, fs_.open(path, Open::read));
    return fs_.size(file);
  }

  Fs fs_;
};
}  // namespace testing

HOLDFAST_END

#endif

// SPDX-License-Identifier: BSL-1.0
// The files that RocksDB has open on any file system model, and what it is told when a call fails.
#ifndef HOLDFAST_TESTING_ROCKSDB_FILES_HPP
#define HOLDFAST_TESTING_ROCKSDB_FILES_HPP

#include <rocksdb/file_system.h>
#include <rocksdb/io_status.h>
#include <rocksdb/slice.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "holdfast/bytes.hpp"
#include "holdfast/config.hpp"
#include "holdfast/file_system.hpp"
#include "holdfast/result.hpp"

HOLDFAST_BEGIN

namespace testing::rocks {
using rocksdb::IODebugContext;
using rocksdb::IOOptions;
using rocksdb::IOStatus;

[[nodiscard]] inline IOStatus status_of(error const& cause) {
  auto const text = cause.text();
  switch (cause.code()) {
    case errc::not_found:
      return IOStatus::PathNotFound(text);
    case errc::no_space:
      return IOStatus::NoSpace(text);
    default:
      return IOStatus::IOError(text);
  }
}
[[nodiscard]] inline IOStatus status_of(result<void> const& outcome) {
  return outcome ? IOStatus::OK() : status_of(outcome.error());
}

/// RocksDB is not made for exceptions: none may pass through it.
template <class Call>
[[nodiscard]] IOStatus guarded(Call&& call) noexcept {
  try {
    return call();
  } catch (std::bad_alloc const&) {
    return IOStatus::IOError("out of memory");
  } catch (...) {
    return IOStatus::IOError("an exception");
  }
}

/// Reads into RocksDB's own buffer.
template <file_system Fs>
[[nodiscard]] IOStatus read(Fs const& fs,
                            typename Fs::file& file,
                            std::uint64_t at,
                            std::size_t size,
                            rocksdb::Slice* out,
                            char* scratch) noexcept {
  return guarded([&] {
    *out = rocksdb::Slice{};
    auto const got = fs.read_at(file, at, {reinterpret_cast<std::byte*>(scratch), size});
    if (!got) return status_of(got.error());
    *out = rocksdb::Slice{scratch, got.assume_value()};
    return IOStatus::OK();
  });
}

template <file_system Fs>
class SequentialFile final : public rocksdb::FSSequentialFile {
 public:
  SequentialFile(Fs fs, typename Fs::file file) : fs_{std::move(fs)}, file_{std::move(file)} {}

  IOStatus Read(std::size_t size,
                IOOptions const&,
                rocksdb::Slice* out,
                char* scratch,
                IODebugContext*) override {
    auto status = read(fs_, file_, at_, size, out, scratch);
    at_ += out->size();
    return status;
  }
  IOStatus Skip(std::uint64_t size) override {
    at_ += size;
    return IOStatus::OK();
  }

 private:
  Fs fs_;
  typename Fs::file file_;
  std::uint64_t at_ = 0;
};

template <file_system Fs>
class RandomAccessFile final : public rocksdb::FSRandomAccessFile {
 public:
  RandomAccessFile(Fs fs, typename Fs::file file) : fs_{std::move(fs)}, file_{std::move(file)} {}

  IOStatus Read(std::uint64_t at,
                std::size_t size,
                IOOptions const&,
                rocksdb::Slice* out,
                char* scratch,
                IODebugContext*) const override {
    return read(fs_, file_, at, size, out, scratch);
  }

 private:
  Fs fs_;
  mutable typename Fs::file file_;  // reading changes nothing of it
};

/// What RocksDB writes it appends.
template <file_system Fs>
class WritableFile final : public rocksdb::FSWritableFile {
 public:
  WritableFile(Fs fs, typename Fs::file file, std::uint64_t size)
      : fs_{std::move(fs)}, file_{std::move(file)}, size_{size} {}

  using rocksdb::FSWritableFile::Append;
  IOStatus Append(rocksdb::Slice const& data, IOOptions const&, IODebugContext*) override {
    return guarded([&] {
      bytes_view const content{reinterpret_cast<std::byte const*>(data.data()), data.size()};
      auto const written = fs_.write_at(file_, size_, content);
      if (written) size_ += content.size();
      return status_of(written);
    });
  }
  IOStatus Truncate(std::uint64_t size, IOOptions const&, IODebugContext*) override {
    return guarded([&] {
      auto const resized = fs_.resize(file_, size);
      if (resized) size_ = size;
      return status_of(resized);
    });
  }
  // The file itself is closed with this object: RocksDB syncs before it closes, never after.
  IOStatus Close(IOOptions const&, IODebugContext*) override { return IOStatus::OK(); }
  // Nothing is kept back here.
  IOStatus Flush(IOOptions const&, IODebugContext*) override { return IOStatus::OK(); }
  IOStatus Sync(IOOptions const&, IODebugContext*) override {
    return guarded([&] { return status_of(fs_.sync(file_)); });
  }
  std::uint64_t GetFileSize(IOOptions const&, IODebugContext*) override { return size_; }

 private:
  Fs fs_;
  typename Fs::file file_;
  std::uint64_t size_;
};

template <file_system Fs>
class Directory final : public rocksdb::FSDirectory {
 public:
  Directory(Fs fs, std::string path) : fs_{std::move(fs)}, path_{std::move(path)} {}
  IOStatus Fsync(IOOptions const&, IODebugContext*) override {
    return guarded([&] { return status_of(fs_.sync_directory(path_)); });
  }
  IOStatus Close(IOOptions const&, IODebugContext*) override { return IOStatus::OK(); }

 private:
  Fs fs_;
  std::string path_;
};

/// Held until it is destroyed.
template <file_system Fs>
class Lock final : public rocksdb::FileLock {
 public:
  explicit Lock(typename Fs::file file) : file_{std::move(file)} {}

 private:
  typename Fs::file file_;
};
}  // namespace testing::rocks

HOLDFAST_END

#endif

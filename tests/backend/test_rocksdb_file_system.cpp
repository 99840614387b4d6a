// SPDX-License-Identifier: BSL-1.0
// RocksDB on any file system model: its files, its lock, its errors.
#include <rocksdb/db.h>
#include <rocksdb/env.h>

#include <memory>
#include <new>
#include <string>
#include <vector>

#include "../support/failing_files.hpp"
#include "../support/places.hpp"
#include "catch.hpp"
#include "holdfast/backend/rocksdb.hpp"
#include "holdfast/testing/rocksdb_file_system.hpp"
#include "holdfast/testing/serial_files.hpp"

namespace {
using hf::testing::RocksFileSystem;
using hf::testing::SerialFiles;
using hf::testing::SimulatedDisk;
using support::Call;

template <class Fs>
std::unique_ptr<rocksdb::Env> env_over(Fs const& fs) {
  return rocksdb::NewCompositeEnv(std::make_shared<RocksFileSystem<Fs>>(fs));
}
rocksdb::Status open(rocksdb::Env* env, std::string const& path, std::unique_ptr<rocksdb::DB>& db) {
  rocksdb::Options options;
  options.env = env;
  options.create_if_missing = true;
  options.info_log = std::make_shared<hf::detail::QuietLogger>();
  rocksdb::DB* raw = nullptr;
  auto status = rocksdb::DB::Open(options, path, &raw);
  db.reset(raw);
  return status;
}
std::string get(rocksdb::DB& db, std::string const& key) {
  std::string value;
  auto const status = db.Get({}, key, &value);
  return status.ok() ? value : status.ToString();
}
}  // namespace

TEST_CASE("RocksDB's own files and ours are the same, by log and by table", "[rocksdb][seam]") {
  support::Place const home;
  auto const ours = env_over(hf::Posix{});
  std::unique_ptr<rocksdb::DB> db;
  auto opened = open(ours.get(), home / "db", db);
  INFO(opened.ToString());
  REQUIRE(opened.ok());
  CHECK(db->Put({}, "table", "1").ok());
  CHECK(db->Flush({}).ok());
  CHECK(db->Put({}, "log", "2").ok());
  db.reset();
  REQUIRE(open(rocksdb::Env::Default(), home / "db", db).ok());
  CHECK(get(*db, "table") == "1");
  CHECK(get(*db, "log") == "2");
  CHECK(db->Put({}, "theirs", "3").ok());
  db.reset();
  REQUIRE(open(ours.get(), home / "db", db).ok());
  CHECK(get(*db, "theirs") == "3");
  CHECK(db->CompactRange({}, nullptr, nullptr).ok());
  CHECK(get(*db, "table") + get(*db, "log") + get(*db, "theirs") == "123");
}

TEST_CASE("a database is open once, also among simulated processes, until its process dies",
          "[rocksdb][seam]") {
  SimulatedDisk const disk;
  auto const first = disk.start();
  auto const second = disk.start();
  auto const first_env = env_over(SerialFiles<>{first});
  auto const second_env = env_over(SerialFiles<>{second});
  std::unique_ptr<rocksdb::DB> db;
  std::unique_ptr<rocksdb::DB> other;
  REQUIRE(open(first_env.get(), "/db", db).ok());
  CHECK(db->Put({}, "k", "v").ok());
  CHECK(open(second_env.get(), "/db", other).IsIOError());
  first.kill();
  CHECK_FALSE(db->Put({}, "k", "late").ok());
  auto const opened = open(second_env.get(), "/db", other);
  INFO(opened.ToString());
  REQUIRE(opened.ok());
  CHECK(get(*other, "k") == "v");
}

TEST_CASE("what the file system answers, RocksDB is told", "[rocksdb][seam]") {
  support::Place const home;
  support::FailingFiles const files;
  auto const env = env_over(files);
  auto const attempt = [&](support::Fault const& fault) {
    std::unique_ptr<rocksdb::DB> db;
    REQUIRE(open(env.get(), home / "db", db).ok());
    files.calls().fail(fault);
    rocksdb::WriteOptions synced;
    synced.sync = true;
    auto status = db->Put(synced, "k", "v");
    files.calls().heal();
    return status;
  };
  CHECK(attempt({.call = Call::write, .number = ENOSPC}).IsNoSpace());
  CHECK(attempt({.call = Call::write, .number = EIO}).IsIOError());
  CHECK(attempt({.call = Call::sync}).IsIOError());
  files.calls().spy = [](Call call, std::string const&) {
    if (call == Call::sync_directory) throw std::bad_alloc{};
  };
  std::unique_ptr<rocksdb::DB> db;
  CHECK(open(env.get(), home / "new", db).IsIOError());
  files.calls().spy = {};
  CHECK(open(env.get(), home / "new", db).ok());
}

TEST_CASE("files are made anew, appended to, cut, renamed, linked and found", "[rocksdb][seam]") {
  SimulatedDisk const disk;
  RocksFileSystem fs{disk.start().files};
  auto const write = [&](bool anew, std::string const& text) {
    std::unique_ptr<rocksdb::FSWritableFile> file;
    REQUIRE((anew ? fs.NewWritableFile("/a", {}, &file, nullptr)
                  : fs.ReopenWritableFile("/a", {}, &file, nullptr))
                .ok());
    REQUIRE(file->Append(text, {}, nullptr).ok());
    return file->GetFileSize({}, nullptr);
  };
  auto const read = [&](std::string const& path, std::uint64_t skip) {
    std::unique_ptr<rocksdb::FSSequentialFile> file;
    auto const status = fs.NewSequentialFile(path, {}, &file, nullptr);
    if (!status.ok()) return status.ToString();
    char scratch[16];
    rocksdb::Slice got;
    REQUIRE(file->Skip(skip).ok());
    REQUIRE(file->Read(3, {}, &got, scratch, nullptr).ok());
    auto text = got.ToString() + "|";
    REQUIRE(file->Read(sizeof scratch, {}, &got, scratch, nullptr).ok());
    return text + got.ToString();
  };
  CHECK(write(true, "long ago") == 8);
  CHECK(write(true, "abcd") == 4);
  CHECK(write(false, "efgh") == 8);
  CHECK(read("/a", 1) == "bcd|efgh");
  {
    std::unique_ptr<rocksdb::FSWritableFile> file;
    REQUIRE(fs.ReopenWritableFile("/a", {}, &file, nullptr).ok());
    REQUIRE(file->Truncate(2, {}, nullptr).ok());
    REQUIRE(file->Append("z", {}, nullptr).ok());
  }
  CHECK(read("/a", 0) == "abz|");
  CHECK(fs.LinkFile("/a", "/b", {}, nullptr).ok());
  CHECK(fs.RenameFile("/a", "/c", {}, nullptr).ok());
  CHECK(read("/b", 0) == "abz|");
  std::uint64_t size = 0;
  CHECK(fs.GetFileSize("/c", {}, &size, nullptr).ok());
  CHECK(size == 3);
  CHECK(fs.GetFileSize("/a", {}, &size, nullptr).IsPathNotFound());
  CHECK(fs.FileExists("/a", {}, nullptr).IsNotFound());
  CHECK(fs.FileExists("/c", {}, nullptr).ok());
  CHECK(fs.CreateDir("/d", {}, nullptr).ok());
  CHECK_FALSE(fs.CreateDir("/d", {}, nullptr).ok());
  CHECK(fs.CreateDirIfMissing("/d", {}, nullptr).ok());
  bool directory = false;
  CHECK((fs.IsDirectory("/d", {}, &directory, nullptr).ok() && directory));
  CHECK((fs.IsDirectory("/c", {}, &directory, nullptr).ok() && !directory));
  std::vector<std::string> names;
  CHECK(fs.GetChildren("/", {}, &names, nullptr).ok());
  CHECK(names == std::vector<std::string>{"b", "c", "d"});
  CHECK(fs.GetChildren("/no", {}, &names, nullptr).IsNotFound());
  CHECK(fs.DeleteDir("/d", {}, nullptr).ok());
  CHECK(fs.DeleteFile("/b", {}, nullptr).ok());
  CHECK(fs.GetChildren("/", {}, &names, nullptr).ok());
  CHECK(names == std::vector<std::string>{"c"});
}

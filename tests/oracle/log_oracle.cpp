// SPDX-License-Identifier: BSL-1.0
// What the real RocksDB and LevelDB make of a log: writes one, and recovers from it damaged in any
// way, many cases to a process.
//
//   log_oracle make LIBRARY HOME SIZE...   a database whose log has a record of each size, under
//   the
//                                          keys 00000000, 00000001 ...; prints the log's path
//   log_oracle recycle rocksdb HOME SIZE...  the same, over what an earlier use of the file has
//   left log_oracle judge LIBRARY HOME MODE     opens copies of HOME, with the log changed as each
//   line
//                                          of the input says, and prints a line for each
//
// A line of the input: `cut SIZE`, `flip BIT`, `whole`, `file PATH` (its bytes in place of the
// log's). A line of the output: `refused`, or `kept` and the numbers of the keys that are there.
// HOME itself is not changed by `judge`. Exit code: 0, or 2 for anything that is no answer.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <map>
#include <memory>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

#include <leveldb/db.h>
#include <rocksdb/db.h>

namespace {
namespace fs = std::filesystem;
using Sizes = std::vector<std::size_t>;

std::string key_of(std::size_t n) {
  auto digits = std::to_string(n);
  return std::string(8 - digits.size(), '0') + digits;
}
// Of what was in the log before it was used again.
constexpr char const* earlier_key = "99999999";
template <class Status>
void need(Status const& status, char const* what) {
  if (!status.ok()) throw std::runtime_error{std::string{what} + ": " + status.ToString()};
}
template <class Db, class Read>
std::string keys_in(Db& db, Read const& read) {
  std::string line = "kept";
  std::unique_ptr<std::remove_pointer_t<decltype(db.NewIterator(read))>> const at{
      db.NewIterator(read)};
  for (at->SeekToFirst(); at->Valid(); at->Next()) {
    if (at->key().ToString() == earlier_key) continue;
    line += " " + std::to_string(std::stoul(at->key().ToString()));
  }
  need(at->status(), "iterate");
  return line;
}

/// The newest log of a database.
fs::path log_of(fs::path const& home) {
  fs::path newest;
  for (auto const& entry : fs::directory_iterator{home}) {
    if (entry.path().extension() == ".log") newest = std::max(newest, entry.path());
  }
  if (newest.empty()) throw std::runtime_error{"there is no log in " + home.string()};
  return newest;
}

struct Quiet : rocksdb::Logger {
  void Logv(char const*, va_list) override {}
};
rocksdb::Options rocks_options() {
  rocksdb::Options options;
  options.info_log = std::make_shared<Quiet>();
  options.avoid_flush_during_shutdown = true;
  options.avoid_flush_during_recovery = true;
  return options;
}
struct Rocks {
  static void make(std::string const& home, Sizes const& sizes) {
    auto options = rocks_options();
    options.create_if_missing = true;
    rocksdb::DB* opened = nullptr;
    need(rocksdb::DB::Open(options, home, &opened), "open");
    std::unique_ptr<rocksdb::DB> const db{opened};
    for (std::size_t i = 0; i < sizes.size(); ++i) {
      need(db->Put({}, key_of(i), std::string(sizes[i], static_cast<char>('a' + i % 26))), "put");
    }
  }
  static void recycle(std::string const& home, Sizes const& sizes) {
    auto options = rocks_options();
    options.create_if_missing = true;
    options.recycle_log_file_num = 2;
    options.wal_recovery_mode = rocksdb::WALRecoveryMode::kSkipAnyCorruptedRecords;
    rocksdb::DB* opened = nullptr;
    need(rocksdb::DB::Open(options, home, &opened), "open");
    auto* const db = opened;  // never closed: that would cut off what the earlier use has left
    // Until the newest log is a file that was used before: whose size it has from the beginning.
    for (int i = 0; i < 3 || (i < 100 && fs::file_size(log_of(home)) < 4000); ++i) {
      for (int k = 0; k < 12; ++k) need(db->Put({}, earlier_key, std::string(700, 'z')), "put");
      need(db->Flush({}), "flush");
    }
    for (std::size_t i = 0; i < sizes.size(); ++i) {
      need(db->Put({}, key_of(i), std::string(sizes[i], static_cast<char>('a' + i % 26))), "put");
    }
  }
  static rocksdb::WALRecoveryMode mode_of(std::string const& name) {
    if (name == "absolute") return rocksdb::WALRecoveryMode::kAbsoluteConsistency;
    if (name == "tail") return rocksdb::WALRecoveryMode::kTolerateCorruptedTailRecords;
    if (name == "point") return rocksdb::WALRecoveryMode::kPointInTimeRecovery;
    if (name == "skip") return rocksdb::WALRecoveryMode::kSkipAnyCorruptedRecords;
    throw std::runtime_error{"no mode " + name};
  }
  // Read-only, so that nothing but the log has to be put back.
  static std::string judge(std::string const& home, std::string const& mode) {
    auto options = rocks_options();
    options.wal_recovery_mode = mode_of(mode);
    rocksdb::DB* opened = nullptr;
    auto const status = rocksdb::DB::OpenForReadOnly(options, home, &opened);
    if (status.IsCorruption()) return "refused";
    need(status, "open");
    std::unique_ptr<rocksdb::DB> const db{opened};
    return keys_in(*db, rocksdb::ReadOptions{});
  }
  static constexpr bool leaves_its_home = true;
};

struct Level {
  static void make(std::string const& home, Sizes const& sizes) {
    leveldb::Options options;
    options.create_if_missing = true;
    leveldb::DB* opened = nullptr;
    need(leveldb::DB::Open(options, home, &opened), "open");
    std::unique_ptr<leveldb::DB> const db{opened};
    for (std::size_t i = 0; i < sizes.size(); ++i) {
      need(db->Put({}, key_of(i), std::string(sizes[i], static_cast<char>('a' + i % 26))), "put");
    }
  }
  static std::string judge(std::string const& home, std::string const& mode) {
    leveldb::Options options;
    options.paranoid_checks = mode == "paranoid";
    if (mode != "paranoid" && mode != "default") throw std::runtime_error{"no mode " + mode};
    leveldb::DB* opened = nullptr;
    auto const status = leveldb::DB::Open(options, home, &opened);
    if (status.IsCorruption()) return "refused";
    need(status, "open");
    std::unique_ptr<leveldb::DB> const db{opened};
    return keys_in(*db, leveldb::ReadOptions{});
  }
  static constexpr bool leaves_its_home = false;
};

std::string content_of(fs::path const& path) {
  std::ifstream file{path, std::ios::binary};
  return {std::istreambuf_iterator<char>{file}, {}};
}
void write(fs::path const& path, std::string const& content) {
  std::ofstream file{path, std::ios::binary | std::ios::trunc};
  file.write(content.data(), static_cast<std::streamsize>(content.size()));
  if (!file) throw std::runtime_error{"can't write " + path.string()};
}
std::string changed(std::string content, std::string const& line) {
  if (line.rfind("file ", 0) == 0) return content_of(line.substr(5));
  std::istringstream words{line};
  std::string what;
  std::size_t number = 0;
  words >> what >> number;
  if (what == "cut") {
    content.resize(std::min(number, content.size()));
  } else if (what == "flip" && number / 8 < content.size()) {
    content[number / 8] = static_cast<char>(content[number / 8] ^ 1 << number % 8);
  } else if (what != "whole") {
    throw std::runtime_error{"no case: " + line};
  }
  return content;
}

template <class Library>
void judge_all(std::string const& home, std::string const& mode) {
  std::map<std::string, std::string> files;
  for (auto const& entry : fs::directory_iterator{home}) {
    auto const name = entry.path().filename().string();
    bool const counts = name == "CURRENT" || name == "IDENTITY" ||
                        name.rfind("MANIFEST-", 0) == 0 || name.rfind("OPTIONS-", 0) == 0 ||
                        entry.path().extension() == ".log" || entry.path().extension() == ".sst";
    if (counts) files.emplace(name, content_of(entry.path()));
  }
  auto const log = log_of(home).filename().string();
  auto const copy = fs::path{home + ".judged"};
  fs::remove_all(copy);
  for (std::string line; std::getline(std::cin, line);) {
    if (!Library::leaves_its_home || !fs::exists(copy)) {
      fs::remove_all(copy);
      fs::create_directory(copy);
      for (auto const& [name, content] : files) write(copy / name, content);
    }
    write(copy / log, changed(files.at(log), line));
    std::cout << Library::judge(copy.string(), mode) << "\n";
  }
  fs::remove_all(copy);
}

template <class Library>
int run(std::vector<std::string> const& words) {
  if (words[0] == "judge" && words.size() == 4) {
    judge_all<Library>(words[2], words[3]);
    return 0;
  }
  Sizes sizes;
  for (std::size_t i = 3; i < words.size(); ++i) sizes.push_back(std::stoul(words[i]));
  if (words[0] == "recycle") {
    Rocks::recycle(words[2], sizes);
    std::cout << log_of(words[2]).string() << std::endl;
    std::_Exit(0);
  }
  Library::make(words[2], sizes);
  std::cout << log_of(words[2]).string() << "\n";
  return 0;
}
}  // namespace

int main(int argc, char** argv) try {
  std::vector<std::string> const words(argv + 1, argv + argc);
  bool const rocks = words.size() > 3 && words[1] == "rocksdb";
  bool const known =
      (rocks || (words.size() > 3 && words[1] == "leveldb")) &&
      (words[0] == "make" || words[0] == "judge" || (rocks && words[0] == "recycle"));
  if (!known) {
    std::cerr << "usage: log_oracle make|recycle|judge rocksdb|leveldb HOME (SIZE...|MODE)\n";
    return 2;
  }
  return words[1] == "rocksdb" ? run<Rocks>(words) : run<Level>(words);
} catch (std::exception const& e) {
  std::cerr << "log_oracle: " << e.what() << "\n";
  return 2;
}

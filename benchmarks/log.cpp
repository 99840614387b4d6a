// SPDX-License-Identifier: BSL-1.0
// Times reading a log to its end, with every checksum, against LevelDB's and RocksDB's own readers
// and against a plain sum of the same bytes. `--mib N` sets the size of each log (128). A scan goes
// through a map, as that of a sealed segment may; the cold one reads.
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#if HOLDFAST_BENCH_HAS_LEVELDB_READER
#include <leveldb/env.h>
#include <leveldb/slice.h>
#include <leveldb/status.h>
#endif
#if HOLDFAST_BENCH_HAS_ROCKSDB
#include <rocksdb/db.h>
#include <rocksdb/transaction_log.h>
#include <rocksdb/write_batch.h>
#endif

#include "holdfast/backend/mapped_segment.hpp"
#include "holdfast/format/leveldb.hpp"
#include "holdfast/log.hpp"
#include "holdfast/log/examine.hpp"
#include "holdfast/reprocess/executor.hpp"
#include "support.hpp"

#if HOLDFAST_BENCH_HAS_LEVELDB_READER
// LevelDB installs its reader in the archive but not its header: the calls as it exports them, over
// room enough for its members.
namespace leveldb::log {
class Reader {
 public:
  class Reporter {
   public:
    virtual ~Reporter();
    virtual void Corruption(size_t bytes, Status const& status) = 0;
  };
  Reader(SequentialFile* file, Reporter* reporter, bool checksum, uint64_t initial_offset);
  ~Reader();
  bool ReadRecord(Slice* record, std::string* scratch);

 private:
  alignas(16) char members_[512];
};
}  // namespace leveldb::log
#endif

namespace {
void must_be(bool good, char const* what) {
  if (good) return;
  std::fprintf(stderr, "%s failed\n", what);
  std::exit(2);
}

// ---- the logs

struct Written {
  std::uint64_t bytes = 0;
  std::uint64_t records = 0;
};

// Records of `size` bytes until there are `bytes` of them, in one file.
template <class Format>
Written write_file(std::string const& path,
                   Format const& format,
                   std::size_t size,
                   std::uint64_t bytes) {
  hf::bytes const payload(size, std::byte{0x5a});
  hf::bytes out;
  auto cursor = format.start();
  hf::Stamp stamp{.time_ns = 1, .boot = 1, .nonce = 7};
  bench::check(format.header(cursor, stamp, out));
  std::uint64_t records = 0;
  std::uint64_t flushed = 0;
  int const fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  must_be(fd >= 0, path.c_str());
  auto const flush = [&] {
    must_be(::write(fd, out.data(), out.size()) == static_cast<ssize_t>(out.size()), "write");
    flushed += out.size();
    out.clear();
  };
  while (flushed + out.size() < bytes) {
    hf::bytes piece;
    auto const end = flushed + out.size();
    auto const place = bench::must(format.encode(cursor, end, payload, stamp, piece));
    out.resize(out.size() + static_cast<std::size_t>(place - end));
    out.insert(out.end(), piece.begin(), piece.end());
    ++records;
    if (out.size() >= (std::size_t{8} << 20)) flush();
  }
  flush();
  must_be(::fdatasync(fd) == 0 && ::close(fd) == 0, "sync");
  return {flushed, records};
}

// ---- what is timed

// The least that a pass over the file costs: a fresh map of it, and a sum.
void sum_of_map(std::string const& path) {
  using Words [[gnu::vector_size(16)]] = std::uint64_t;
  int const fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  auto const size = static_cast<std::size_t>(::lseek(fd, 0, SEEK_END));
  void* const map = ::mmap(nullptr, size, PROT_READ, MAP_SHARED, fd, 0);
  must_be(map != MAP_FAILED, "mmap");
  auto const* const from = static_cast<std::byte const*>(map);
  Words total[8] = {};
  for (std::size_t at = 0; at + sizeof total <= size; at += sizeof total) {
    for (std::size_t i = 0; i < 8; ++i) {
      Words words;
      std::memcpy(&words, from + at + i * sizeof words, sizeof words);
      total[i] += words;
    }
  }
  for (std::size_t i = 1; i < 8; ++i) total[0] += total[i];
  bench::keep(total[0][0]);
  ::munmap(map, size);
  ::close(fd);
}
void read_all(std::string const& path) {
  std::vector<char> buffer(std::size_t{256} << 10);
  int const fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  while (::read(fd, buffer.data(), buffer.size()) > 0) bench::keep(buffer[0]);
  ::close(fd);
}
void forget(std::string const& path) {
  int const fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  must_be(::posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED) == 0, "fadvise");
  ::close(fd);
}

template <class Segment, class Format>
void examine(std::string const& path, Format const& format, std::uint64_t records) {
  auto const file = bench::must(Segment::open_to_read(path));
  auto const plan = bench::must(hf::examine(file, format));
  must_be(plan.records == records && plan.verdict == hf::Verdict::clean, "examine");
}

#if HOLDFAST_BENCH_HAS_LEVELDB_READER
void read_leveldb(std::string const& path, std::uint64_t records) {
  leveldb::SequentialFile* raw = nullptr;
  must_be(leveldb::Env::Default()->NewSequentialFile(path, &raw).ok(), path.c_str());
  std::unique_ptr<leveldb::SequentialFile> const file{raw};
  leveldb::log::Reader reader{raw, nullptr, true, 0};
  leveldb::Slice record;
  std::string scratch;
  std::uint64_t count = 0;
  while (reader.ReadRecord(&record, &scratch)) ++count;
  must_be(count == records, "read LevelDB's log");
}
#endif

#if HOLDFAST_BENCH_HAS_ROCKSDB
// A database that keeps all its records in its log.
class RocksLog {
 public:
  RocksLog(std::string const& path, std::size_t size, std::uint64_t records) : records_{records} {
    rocksdb::Options options;
    options.create_if_missing = true;
    options.write_buffer_size = std::size_t{2} << 30;
    options.WAL_ttl_seconds = 3600;
    rocksdb::DB* db = nullptr;
    must_be(rocksdb::DB::Open(options, path, &db).ok(), path.c_str());
    db_.reset(db);
    std::string const value(size > 16 ? size - 16 : 0, 'v');
    for (std::uint64_t i = 0; i < records; ++i) {
      must_be(db_->Put({}, std::to_string(i % 1000), value).ok(), "put");
    }
    must_be(db_->FlushWAL(true).ok(), "flush");
  }
  void read() const {
    std::unique_ptr<rocksdb::TransactionLogIterator> all;
    must_be(db_->GetUpdatesSince(1, &all).ok(), "GetUpdatesSince");
    std::uint64_t count = 0;
    for (; all->Valid(); all->Next()) {
      auto const batch = all->GetBatch();
      bench::keep(batch.sequence);
      ++count;
    }
    must_be(count == records_, "read RocksDB's log");
  }

 private:
  std::unique_ptr<rocksdb::DB> db_;
  std::uint64_t records_;
};
#endif

// ---- the rows

constexpr double ns = 1e9;

void rows_of(bench::Report const& report,
             bench::Scratch const& scratch,
             std::size_t size,
             std::uint64_t bytes) {
  auto const name = std::to_string(size) + " B";
  auto const path = scratch.sub("framed" + name);
  hf::Framed const format{{.align = 0}};
  auto const log = write_file(path, format, size, bytes);
  std::vector<bench::Contender> all{
      {"mmap sum", [&](std::uint64_t) { sum_of_map(path); }},
      {"ours", [&](std::uint64_t) { examine<hf::MappedSegment>(path, format, log.records); }},
      {"index",
       [&](std::uint64_t) {
         auto const file = bench::must(hf::MappedSegment::open_to_read(path));
         bench::check(hf::build_indexes(hf::Posix{}, file, format, path));
       }},
      {"read(2)", [&](std::uint64_t) { read_all(path); }},
      {"ours, read", [&](std::uint64_t) { examine<hf::FileSegment>(path, format, log.records); }}};
#if HOLDFAST_BENCH_HAS_LEVELDB_READER
  auto const level_path = scratch.sub("leveldb" + name);
  auto const level = write_file(level_path, hf::LevelDbLog{}, size, bytes);
  all.push_back({"LevelDB", [&](std::uint64_t) { read_leveldb(level_path, level.records); }});
  all.push_back({"ours, its format", [&](std::uint64_t) {
                   examine<hf::MappedSegment>(level_path, hf::LevelDbLog{}, level.records);
                 }});
#endif
  auto taken = bench::compare(all, 1, 7);
  auto const each = ns / static_cast<double>(log.records);
  report.add({"scan, " + name,
              "ns",
              taken[1] * each,
              taken[0] * each,
              {{"ours by pread", taken[4] * each}, {"read(2) alone", taken[3] * each}},
              1 / 0.95,
              0,
              "mmap sum"});
  report.add({"scan + indexes, " + name,
              "ns",
              taken[2] * each,
              taken[0] * each,
              {},
              1 / 0.95,
              0,
              "mmap sum"});
#if HOLDFAST_BENCH_HAS_LEVELDB_READER
  auto const level_each = ns / static_cast<double>(level.records);
  auto const goal = size <= 64 ? 1 / 5.0 : 1 / 3.5;
  report.add({"scan, " + name + ", vs LevelDB",
              "ns",
              taken[1] * each,
              taken[0] * each,
              {},
              goal,
              taken[5] * level_each,
              "LevelDB's reader"});
  report.add({"LevelDB's log, " + name,
              "ns",
              taken[6] * level_each,
              taken[0] * each,
              {},
              goal,
              taken[5] * level_each,
              "LevelDB's reader"});
#endif
#if HOLDFAST_BENCH_HAS_ROCKSDB
  auto const records = std::min<std::uint64_t>(log.records, 200'000);
  RocksLog const rocks{scratch.sub("rocks" + name), size, records};
  auto const slow = bench::compare({{"RocksDB", [&](std::uint64_t) { rocks.read(); }}}, 1, 3);
  report.add({"scan, " + name + ", vs RocksDB",
              "ns",
              taken[1] * each,
              taken[0] * each,
              {},
              1 / 20.0,
              slow[0] * ns / static_cast<double>(records),
              "GetUpdatesSince"});
#endif
}

void row_of_cold(bench::Report const& report, bench::Scratch const& scratch, std::uint64_t bytes) {
  auto const path = scratch.sub("cold");
  hf::Framed const format{{.align = 0}};
  auto const log = write_file(path, format, 1024, bytes);
  auto const taken = bench::compare(
      {{"not timed", [&](std::uint64_t) { forget(path); }},
       {"ours", [&](std::uint64_t) { examine<hf::FileSegment>(path, format, log.records); }},
       {"not timed", [&](std::uint64_t) { forget(path); }},
       {"read(2)", [&](std::uint64_t) { read_all(path); }}},
      1, 7);
  report.add({"cold scan", "ms", taken[1] * 1e3, taken[3] * 1e3, {}, 1 / 0.95, 0, "cold read(2)"});
}

// Sixteen segments, examined two at a time.
void row_of_threads(bench::Report const& report,
                    bench::Scratch const& scratch,
                    std::uint64_t bytes) {
  auto const directory = scratch.sub("many");
  {
    auto log = bench::must(hf::Log<>::open(directory, {.segment_size = bytes / 16}));
    hf::bytes const payload(1024, std::byte{0x5a});
    for (std::uint64_t i = 0; i < bytes / 1064; ++i) bench::check(log.append(payload));
    bench::check(log.close());
  }
  std::vector<std::string> paths;
  for (auto const& entry : std::filesystem::directory_iterator{directory}) {
    if (entry.path().extension() == ".seg") paths.push_back(entry.path());
  }
  hf::Threads threads{2};
  hf::LogOptions two{.at_once = 2, .map_sealed = true};
  two.post = [&](auto work) { return threads.post(std::move(work)); };
  auto const sum_half = [&](std::size_t first) {
    for (auto i = first; i < paths.size(); i += 2) sum_of_map(paths[i]);
  };
  auto const taken = bench::compare(
      {{"sum",
        [&](std::uint64_t) {
          std::thread other{[&] { sum_half(0); }};
          sum_half(1);
          other.join();
        }},
       {"two", [&](std::uint64_t) { bench::check(hf::examine_log(directory, two)); }},
       {"one",
        [&](std::uint64_t) { bench::check(hf::examine_log(directory, {.map_sealed = true})); }}},
      1, 7);
  report.add({"examine a log, 2 threads",
              "ms",
              taken[1] * 1e3,
              taken[0] * 1e3,
              {{"1 thread", taken[2] * 1e3}},
              1 / 0.8,
              0,
              "mmap sum, 2 threads"});
}

// A tail of three bytes, cut from a segment of 1 MiB: what the cut itself costs, beside its copy.
void row_of_repair(bench::Report const& report, bench::Scratch const& scratch) {
  auto const path = scratch.sub("torn");
  hf::Framed const format{{.align = 0}};
  auto const log = write_file(path, format, 1024, std::uint64_t{1} << 20);
  auto const tear = [&] {
    int const fd = ::open(path.c_str(), O_RDWR | O_CLOEXEC);
    must_be(::pwrite(fd, "abc", 3, static_cast<off_t>(log.bytes)) == 3, "write");
    must_be(::fdatasync(fd) == 0 && ::close(fd) == 0, "sync");
  };
  auto const taken =
      bench::compare({{"not timed", [&](std::uint64_t) { tear(); }},
                      {"bare",
                       [&](std::uint64_t) {
                         int const fd = ::open(path.c_str(), O_RDWR | O_CLOEXEC);
                         must_be(::ftruncate(fd, static_cast<off_t>(log.bytes)) == 0, "cut");
                         must_be(::fdatasync(fd) == 0 && ::close(fd) == 0, "sync");
                       }},
                      {"not timed", [&](std::uint64_t) { tear(); }},
                      {"ours",
                       [&](std::uint64_t) {
                         auto file = bench::must(hf::FileSegment::open(path));
                         bench::check(hf::open_recoverable(std::move(file), format));
                       }}},
                     1, 15);
  auto const kept = bench::compare(
      {{"not timed", [&](std::uint64_t) { tear(); }},
       {"with a copy",
        [&](std::uint64_t) {
          auto const aside = scratch.sub("aside");
          int const copy = ::open((aside + ".new").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
          must_be(::pwrite(copy, "abc", 3, 0) == 3, "write");
          must_be(::fsync(copy) == 0 && ::close(copy) == 0, "sync");
          must_be(::rename((aside + ".new").c_str(), aside.c_str()) == 0, "rename");
          int const folder = ::open(scratch.sub("").c_str(), O_RDONLY | O_CLOEXEC);
          must_be(::fsync(folder) == 0 && ::close(folder) == 0, "sync");
          int const fd = ::open(path.c_str(), O_RDWR | O_CLOEXEC);
          must_be(::ftruncate(fd, static_cast<off_t>(log.bytes)) == 0, "cut");
          must_be(::fdatasync(fd) == 0 && ::close(fd) == 0, "sync");
        }}},
      1, 15);
  report.add({"torn tail repair",
              "us",
              taken[3] * 1e6,
              taken[1] * 1e6,
              {{"with a durable copy, bare", kept[1] * 1e6}},
              1.1,
              0,
              "ftruncate + fdatasync"});
}
}  // namespace

int main(int argc, char** argv) {
  std::uint64_t mib = 128;
  for (int i = 1; i + 1 < argc; ++i) {
    if (std::string_view{argv[i]} == "--mib") mib = std::strtoull(argv[i + 1], nullptr, 10);
  }
  bench::Report const report{argc, argv};
  bench::Scratch const scratch{"log"};
  for (std::size_t const size : {64u, 256u, 4096u}) rows_of(report, scratch, size, mib << 20);
  row_of_threads(report, scratch, mib << 20);
  row_of_cold(report, scratch, mib << 20);
  row_of_repair(report, scratch);
}

// SPDX-License-Identifier: BSL-1.0
// Times making one large file of a generation durable: a blob, against the bare calls with and
// without write-back that starts early. `--mib N` sets the size (256).
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <memory>

#include "holdfast/backend/file_blobs.hpp"
#include "support.hpp"

namespace {
void must_be(bool good, char const* what) {
  if (good) return;
  std::fprintf(stderr, "%s failed\n", what);
  std::exit(2);
}

void bare(std::string const& path, hf::bytes_view content, bool early) {
  int const fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  must_be(fd >= 0, path.c_str());
  for (std::size_t at = 0; at < content.size();) {
    auto const size = std::min(content.size() - at, std::size_t{8} << 20);
    auto const offset = static_cast<off_t>(at);
    must_be(::pwrite(fd, content.data() + at, size, offset) == static_cast<ssize_t>(size), "write");
    if (early) {
      ::sync_file_range(fd, offset, static_cast<off_t>(size), SYNC_FILE_RANGE_WRITE);
    }
    at += size;
  }
  must_be(::fdatasync(fd) == 0 && ::close(fd) == 0, "sync");
}
}  // namespace

int main(int argc, char** argv) {
  std::size_t mib = 256;
  for (int i = 1; i + 1 < argc; ++i) {
    if (std::string_view{argv[i]} == "--mib") mib = std::strtoull(argv[i + 1], nullptr, 10);
  }
  bench::Report const report{argc, argv};
  bench::Scratch const scratch{"bulk"};
  hf::bytes content(mib << 20);
  for (std::size_t i = 0; i + 8 <= content.size(); i += 8) hf::put_le(content, i, i * 0x9e3779b9);
  hf::FileBlobs blobs{"blobs"};
  blobs.place(scratch.sub("home"));
  std::uint64_t round = 0;
  auto const file = [&] { return scratch.sub("bare" + std::to_string(++round)); };
  auto const gone = [&] { std::filesystem::remove(scratch.sub("bare" + std::to_string(round))); };
  auto const taken = bench::compare(
      {{"early", [&](std::uint64_t) { bare(file(), content, true), gone(); }},
       {"plain", [&](std::uint64_t) { bare(file(), content, false), gone(); }},
       {"blob",
        [&](std::uint64_t) {
          ++round;
          bench::check(blobs.create({round}));
          bench::check(blobs.put({round}, content));
        }},
       {"not timed: room for the next", [&](std::uint64_t) { bench::check(blobs.drop({round})); }}},
      1, 9);
  auto const per_second = [&](double seconds) {
    return static_cast<double>(content.size()) / seconds / 1e9;
  };
  std::fprintf(stderr, "%zu MiB: early %.2f GB/s, plain %.2f GB/s, blob %.2f GB/s\n", mib,
               per_second(taken[0]), per_second(taken[1]), per_second(taken[2]));
  report.add({"bulk durable write",
              "ms",
              taken[2] * 1e3,
              taken[0] * 1e3,
              {{"write + fdatasync", taken[1] * 1e3}},
              1 / 0.95,
              0,
              "early write-back"});
  report.add({"bulk durable write vs plain",
              "ms",
              taken[2] * 1e3,
              taken[0] * 1e3,
              {},
              1 / 1.5,
              taken[1] * 1e3,
              "write + fdatasync"});
}

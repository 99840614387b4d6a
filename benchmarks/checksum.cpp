// SPDX-License-Identifier: BSL-1.0
// Times CRC32C of records of each size against other implementations, and of the RAM against
// reading it.
#include <cstdlib>
#include <memory>
#include <span>

#if HOLDFAST_BENCH_HAS_ISAL
#include <isa-l/crc.h>
#endif

#include "holdfast/checksum.hpp"
#include "support.hpp"

namespace {
// Every record is another one of a few that stay in the first-level cache; `crc` depends on the one
// before it.
template <class Crc>
auto over_records(std::byte const* from, std::size_t size, Crc crc) {
  return [=](std::uint64_t times) {
    std::uint32_t last = 0;
    for (std::uint64_t i = 0; i < times; ++i) last = crc(from + i % 16 * 64, size, last);
    bench::keep(last);
  };
}

#if HOLDFAST_BENCH_HAS_ISAL
std::uint32_t isal(std::byte const* from, std::size_t size, std::uint32_t crc) {
  auto* const bytes = reinterpret_cast<unsigned char*>(const_cast<std::byte*>(from));
  return ~crc32_iscsi(bytes, static_cast<int>(size), ~crc);
}
#endif
std::uint32_t ours(std::byte const* from, std::size_t size, std::uint32_t crc) {
  return hf::crc32c({from, size}, crc);
}
// The least that a pass over memory costs.
std::uint32_t sum(std::byte const* from, std::size_t size, std::uint32_t) {
  using Words [[gnu::vector_size(16)]] = std::uint64_t;
  Words total[8] = {};
  for (std::size_t at = 0; at + sizeof total <= size; at += sizeof total) {
    for (std::size_t i = 0; i < 8; ++i) {
      Words words;
      __builtin_memcpy(&words, from + at + i * sizeof words, sizeof words);
      total[i] += words;
    }
  }
  for (std::size_t i = 1; i < 8; ++i) total[0] += total[i];
  return static_cast<std::uint32_t>(total[0][0] + total[0][1]);
}

void row_of_records(bench::Report const& report, hf::bytes const& content, std::size_t size) {
  std::vector<bench::Contender> all{{"ours", over_records(content.data() + 5, size, ours)}};
#if HOLDFAST_BENCH_HAS_ISAL
  all.push_back({"ISA-L", over_records(content.data() + 5, size, isal)});
#endif
  auto const taken = bench::compare(all, std::uint64_t{1} << 24 >> (size > 4096 ? 7 : 3), 15);
  double const ns = 1e9;
  auto const peer = taken.back() * ns;
  report.add({"CRC32C of " + std::to_string(size) + " bytes",
              "ns",
              taken[0] * ns,
              peer,
              {},
              1.0,
              peer,
              all.back().name});
}

void row_of_memory(bench::Report const& report, hf::bytes const& content) {
  auto const whole = [&](auto crc) {
    return [&content, crc](std::uint64_t) { bench::keep(crc(content.data(), content.size(), 0)); };
  };
  std::vector<bench::Contender> all{{"read", whole(sum)}, {"ours", whole(ours)}};
#if HOLDFAST_BENCH_HAS_ISAL
  all.push_back({"ISA-L", whole(isal)});
#endif
  auto const taken = bench::compare(all, 1, 25);
  bench::Row row{
      "CRC32C of RAM, 256 MiB", "ms", taken[1] * 1e3, taken[0] * 1e3, {}, 1 / 0.9, 0, "reading it"};
  for (std::size_t i = 2; i < all.size(); ++i) row.peers.emplace_back(all[i].name, taken[i] * 1e3);
  report.add(row);
}
}  // namespace

int main(int argc, char** argv) {
  bench::Report const report{argc, argv};
  hf::bytes content(std::size_t{256} << 20);
  for (std::size_t i = 0; i + 8 <= content.size(); i += 8) hf::put_le(content, i, i * 0x9e3779b9);
  for (std::size_t size : {16u, 64u, 128u, 256u, 512u, 1024u, 4096u, 65536u}) {
    row_of_records(report, content, size);
  }
  row_of_memory(report, content);
}

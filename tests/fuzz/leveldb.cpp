// SPDX-License-Identifier: BSL-1.0
// Fuzzes the decoder of LevelDB's and RocksDB's logs, recycled ones included.
#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "holdfast/checksum.hpp"
#include "holdfast/format/leveldb.hpp"
#include "segment.hpp"

namespace {
// Of the fragments that follow one another.
void reseal(hf::bytes& content) {
  using namespace hf::detail::leveldb;  // NOLINT(google-build-using-namespace)
  hf::bytes_span const all{content};
  for (std::size_t place = 0; place + header_size <= content.size();) {
    auto const left = std::min(block_size - place % block_size, content.size() - place);
    auto const found = left < header_size ? std::nullopt : fragment_at(all.subspan(place));
    if (!found || found->header + found->size > left) {
      place += left;
      continue;
    }
    auto const covered = all.subspan(place + 6, found->header - 6 + found->size);
    hf::put_le(all, place, masked(hf::crc32c(covered)));
    place += found->header + found->size;
  }
}
}  // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  fuzz::Input in{data, size};
  hf::LevelDbLog::Options options;
  options.recycled = in.coin();
  options.log_number = options.recycled ? 9 : 0;
  fuzz::check_segment(in, hf::LevelDbLog{options}, fuzz::any_payload, reseal);
  return 0;
}

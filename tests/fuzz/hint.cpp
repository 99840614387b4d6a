// SPDX-License-Identifier: BSL-1.0
// Fuzzes the hint beside a register's ring.
#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "fuzz.hpp"
#include "holdfast/detail/ring.hpp"

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  namespace ring = hf::detail::ring;
  fuzz::Input in{data, size};
  bool const fits = in.coin();
  auto const rest = in.rest();
  hf::bytes content{rest.begin(), rest.end()};
  if (fits && content.size() >= ring::hint_size) {
    hf::put_le(hf::bytes_span{content}, ring::at::magic, ring::hint_magic);
    hf::put_le(hf::bytes_span{content}, ring::at::crc,
               hf::crc32c(hf::bytes_view{content}.first(ring::at::crc)));
  }
  auto const hint = ring::decode_hint(content);
  fuzz::check(!hint || content.size() >= ring::hint_size, "a shortened hint is none");
  if (!hint) return 0;
  auto const again = ring::encode(*hint);
  auto const twice = ring::decode_hint(again);
  fuzz::check(twice && twice->version == hint->version && twice->boot == hint->boot,
              "decode(encode(x)) = x");
  auto damaged = again;
  auto const at = (hint->version.sequence ^ size) % (ring::at::crc * 8);
  damaged[at / 8] ^= std::byte{1} << (at % 8);
  fuzz::check(!ring::decode_hint(damaged), "a flipped bit is seen");
  return 0;
}

// SPDX-License-Identifier: BSL-1.0
// Fuzzes what a lease keeps in its register.
#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "fuzz.hpp"
#include "holdfast/detail/lease_record.hpp"

namespace {
namespace record = hf::detail::lease_record;

void check_whole(record::Record const& one) {
  auto const again = record::decode(record::encode(one));
  fuzz::check(again && again.value() == one, "decode(encode(record)) = record");
}

void any_bytes(fuzz::Input& in) {
  bool const fits = in.coin();
  auto const got = in.bytes(record::at::end + 8);
  hf::bytes all{got.begin(), got.end()};
  if (fits) {
    all.resize(record::at::end);
    hf::put_le(all, record::at::magic, record::magic);
    hf::put_le(all, record::at::crc, hf::crc32c(hf::bytes_view{all}.subspan(record::at::token)));
  }
  auto const one = record::decode(all);
  if (one) check_whole(one.value());
  fuzz::check(!one || all.size() == record::at::end, "a record has one size");
}

void any_record(fuzz::Input& in) {
  record::Record one{{in.any()}, in.any(), in.any(), 0, {}};
  one.ttl_ns = static_cast<std::int64_t>(in.any() % record::max_ttl_ns);
  if (in.coin()) {
    one.holder = hf::Holder{fuzz::owner(in), one.token, static_cast<std::int64_t>(in.any())};
  }
  check_whole(one);
  auto bytes = record::encode(one);
  auto const bit = in.number<std::uint16_t>() % (bytes.size() * 8);
  bytes[bit / 8] ^= std::byte{1} << (bit % 8);
  bool const in_format = bit / 8 >= record::at::form && bit / 8 < record::at::form + 8;
  bool const between = bit / 8 >= record::at::crc + 4 && bit / 8 < record::at::token;
  fuzz::check(in_format || between || !record::decode(bytes), "a flipped bit is seen");
}
}  // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  fuzz::Input in{data, size};
  if (in.coin()) {
    any_bytes(in);
  } else {
    any_record(in);
  }
  return 0;
}

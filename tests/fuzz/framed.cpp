// SPDX-License-Identifier: BSL-1.0
// Fuzzes the decoder of the format framed.
#include <cstddef>
#include <cstdint>

#include "holdfast/checksum.hpp"
#include "holdfast/format/framed.hpp"
#include "segment.hpp"

namespace {
// The header's checksum, and those of the frames that follow one another behind it.
void reseal(hf::bytes& content) {
  using namespace hf::detail::framed;  // NOLINT(google-build-using-namespace)
  if (content.size() < header_size) return;
  hf::bytes_span const all{content};
  hf::put_le(all, at::crc, hf::crc32c(all.first(at::crc)));
  auto const salt = hf::get_le<std::uint64_t>(all, at::salt);
  for (std::size_t place = header_size; place + frame_size <= content.size();) {
    auto const frame = all.subspan(place);
    auto const size = static_cast<std::size_t>(up(hf::get_le<std::uint32_t>(frame, in::length), 8));
    if (size > frame.size() - frame_size) return;
    hf::put_le(frame, in::payload_crc, hf::crc32c(frame.subspan(frame_size, size)));
    hf::put_le(frame, in::crc, hf::crc32c(frame.first(in::crc), seed(salt, place)));
    place += frame_size + size;
  }
}
}  // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  fuzz::Input in{data, size};
  hf::Framed const format{{.align = in.coin() ? 0u : 512u}};
  fuzz::check_segment(in, format, fuzz::any_payload, reseal);
  return 0;
}

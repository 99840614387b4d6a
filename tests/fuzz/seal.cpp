// SPDX-License-Identifier: BSL-1.0
// Fuzzes SEAL files.
#include <cstddef>
#include <cstdint>
#include <string>

#include "fuzz.hpp"
#include "holdfast/backend/seal_format.hpp"

namespace {
// Whatever is read back is written the same way again.
void any_file(fuzz::Input& in) {
  bool const fits = in.coin();
  auto const rest = in.rest();
  hf::bytes content{rest.begin(), rest.end()};
  if (fits && content.size() >= 4) {
    auto const end = content.size() - 4;
    hf::put_le(hf::bytes_span{content}, end, hf::crc32c(hf::bytes_view{content}.first(end)));
  }
  auto const read = hf::detail::decode_seal(content, "SEAL");
  if (!read) return;
  auto const& seal = read.assume_value();
  fuzz::check(hf::detail::encode_seal(seal) == content, "encode(decode(x)) = x");
  for (auto const& file : seal.files) {
    fuzz::check(seal.find(file.name) == &file, "every name is found");
    std::string_view name{file.name};
    if (name.ends_with('/')) name.remove_suffix(1);
    fuzz::check(hf::detail::is_relative_name(name), "no name leads out of the folder");
  }
}

void any_seal(fuzz::Input& in) {
  hf::Seal seal{{in.any()}, {in.any()}, {}};
  bool proper = true;
  for (auto left = in.number<std::uint8_t>() % 6u; left > 0; --left) {
    hf::SealedFile file{in.text(12), in.any(), {}};
    if (in.coin()) file.digest = in.number<std::uint32_t>();
    std::string_view name{file.name};
    if (name.ends_with('/')) name.remove_suffix(1);
    bool const ascends = seal.files.empty() || seal.files.back().name < file.name;
    proper = proper && ascends && hf::detail::is_relative_name(name);
    seal.files.push_back(std::move(file));
  }
  auto encoded = hf::detail::encode_seal(seal);
  auto const read = hf::detail::decode_seal(encoded, "SEAL");
  fuzz::check(read.has_value() == proper, "what is proper is read back");
  fuzz::check(!read || read.assume_value() == seal, "decode(encode(x)) = x");
  auto const bit = in.number<std::uint32_t>() % (encoded.size() * 8);
  encoded[bit / 8] ^= std::byte{1} << (bit % 8);
  fuzz::check(!hf::detail::decode_seal(encoded, "SEAL"), "a flipped bit is seen");
  fuzz::check(!hf::detail::decode_seal(hf::bytes_view{encoded}.first(bit / 8), "SEAL"),
              "a shortened seal is refused");
}
}  // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  fuzz::Input in{data, size};
  if (in.coin()) {
    any_file(in);
  } else {
    any_seal(in);
  }
  return 0;
}

// SPDX-License-Identifier: BSL-1.0
// Fuzzes the text of a manifest.
#include <cstddef>
#include <cstdint>
#include <string>

#include "fuzz.hpp"
#include "holdfast/detail/manifest_text.hpp"

namespace {
namespace manifest = hf::detail::manifest;

// Whatever is read back is said the same way again, and is no more than a record may hold.
void any_text(fuzz::Input& in) {
  auto const text = hf::as_text(in.rest());
  auto const read = manifest::decode(text);
  if (!read) return;
  auto const& m = read.assume_value();
  fuzz::check(manifest::encode(m) == text, "encode(decode(x)) = x");
  fuzz::check(m.retained.size() <= manifest::max_listed &&
                  m.retiring.size() <= manifest::max_listed &&
                  m.commits.size() <= manifest::max_commits,
              "lists are bounded");
  fuzz::check(m.current.number == 0 || manifest::find(m, m.current) != nullptr,
              "the current generation is retained");
}

hf::Kept kept(fuzz::Input& in, std::size_t parts) {
  hf::Kept kept{{in.any()}, in.any(), {}, {}};
  for (auto left = in.number<std::uint8_t>() % 3u; left > 0; --left) {
    kept.marks.emplace(in.text(8), in.any());
  }
  for (; parts > 0; --parts) {
    kept.parts.push_back(in.coin() ? kept.generation : hf::Generation{in.any()});
  }
  return kept;
}

void any_manifest(fuzz::Input& in) {
  hf::Manifest m;
  in.fill(m.home);
  for (auto left = in.number<std::uint8_t>() % 4u; left > 0; --left) {
    m.part_names.push_back(in.text(8));
  }
  m.sequence = in.any();
  m.fence = {in.any()};
  m.next = in.any();
  m.current = {in.any()};
  if (in.coin()) m.attempt = hf::AttemptRecord{{in.any()}, {in.any()}, in.any(), fuzz::owner(in)};
  auto const some = [&] { return in.number<std::uint8_t>() % 4u; };
  for (auto left = some(); left > 0; --left) m.retained.push_back(kept(in, m.part_names.size()));
  for (auto left = some(); left > 0; --left) {
    m.retiring.push_back({{in.any()}, static_cast<std::int64_t>(in.any())});
  }
  for (auto left = some(); left > 0; --left) m.commits.push_back({in.any(), in.any()});
  // A host name ends at its first zero; what lies behind it is not part of the owner.
  if (m.attempt) {
    auto& host = m.attempt->owner.host;
    auto const size = m.attempt->owner.host_name().size();
    std::fill(host.begin() + static_cast<std::ptrdiff_t>(size), host.end(), '\0');
  }
  auto const read = manifest::decode(manifest::encode(m));
  fuzz::check(read.has_value() == manifest::makes_sense(m), "what makes sense is read back");
  fuzz::check(!read || read.assume_value() == m, "decode(encode(x)) = x");
}
}  // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  fuzz::Input in{data, size};
  // Readable corpora: a text opens with a letter.
  if (size > 0 && data[0] == 'h') {
    any_text(in);
  } else {
    any_manifest(in);
  }
  return 0;
}

// SPDX-License-Identifier: BSL-1.0
// Says of a home in which formats it is written, and which of them this version would write anew.
//
// There is one format of the record, of the lock and of a SEAL so far (a SEAL that takes updates
// has a number of its own, and neither is older): so nothing is ever written here yet. A home of a
// newer version is refused, as everywhere.
#include <cstdio>
#include <map>
#include <string>
#include <utility>

#include "any_store.hpp"
#include "commands.hpp"
#include "holdfast/backend/seal_format.hpp"
#include "holdfast/detail/lock_record.hpp"
#include "holdfast/detail/manifest_text.hpp"
#include "holdfast/report/json.hpp"
#include "look.hpp"
#include "show.hpp"

namespace tool {
namespace {
struct Formats {
  std::map<std::uint32_t, std::size_t> seals;  // how many of each
  std::size_t unreadable = 0;                  // no seal, or a damaged one: `inspect` tells
};

// What a newer version wrote is known to it alone.
hf::result<void> refuse_newer(std::optional<hf::error> const& trouble) {
  if (trouble && trouble->code() == hf::errc::newer_format) return hf::failure(*trouble);
  return hf::ok();
}

hf::result<Formats> formats_of(Look const& look) {
  HOLDFAST_TRYV(refuse_newer(look.trouble));
  HOLDFAST_TRYV(refuse_newer(look.lock_trouble));
  Formats found;
  for (auto const& part : look.parts) {
    for (auto const& [g, remains] : part.generations) {
      HOLDFAST_TRYV(refuse_newer(remains.wrong));
      if (remains.format == 0) {
        ++found.unreadable;
      } else {
        ++found.seals[remains.format];
      }
    }
  }
  if (look.trouble) return hf::failure(*look.trouble);
  return found;
}

void print(Formats const& found) {
  std::printf("record: format %llu, the newest\nlock: format %llu, the newest\n",
              static_cast<unsigned long long>(hf::detail::manifest::format),
              static_cast<unsigned long long>(hf::detail::lock_record::format));
  for (auto const& [format, count] : found.seals) {
    bool const updates = format == hf::detail::updatable_seal_format;
    std::printf("seals: %zu of format %u%s, the newest\n", count, format,
                updates ? " (they take updates)" : "");
  }
  if (found.unreadable != 0) {
    std::printf("%zu that can't be read, or were never sealed: see inspect\n", found.unreadable);
  }
  std::printf("all is current: nothing to upgrade, nothing was changed\n");
}
}  // namespace

int upgrade(Args const& args) {
  auto const look = look_at(args.home());
  if (!look) return refuse(args, look.error());
  auto const found = formats_of(look.assume_value());
  if (!found) return refuse(args, found.error());
  if (!args.has("--json")) {
    print(found.assume_value());
    return Exit::fine;
  }
  hf::Json json;
  json.object([&] {
    json.field("record", hf::detail::manifest::format)
        .field("lock", hf::detail::lock_record::format);
    json.key("seals").object([&] {
      for (auto const& [format, count] : found.assume_value().seals) {
        json.field(std::to_string(format), std::uint64_t{count});
      }
    });
    json.field("unreadable", std::uint64_t{found.assume_value().unreadable})
        .field("old", std::uint64_t{0})
        .field("applied", false);
  });
  std::printf("%s\n", json.text().c_str());
  return Exit::fine;
}

}  // namespace tool

// SPDX-License-Identifier: BSL-1.0
// The README's log: opened whatever a crash has left, appended to, read from any record on.
#include <cstdio>
#include <string>

#include "holdfast/log.hpp"
#include "readme_scratch.hpp"

namespace {
// [readme]
hf::result<void> keep_events(std::string const& directory) {
  HOLDFAST_TRY(log, hf::Log<>::open(directory));  // a torn tail is set aside, then cut
  auto const report = log.report();
  std::printf("%d records, %d bytes cut\n", static_cast<int>(report.records),
              static_cast<int>(report.cut_bytes));

  HOLDFAST_TRY(record, log.append(hf::as_bytes("an event")));
  HOLDFAST_TRYV(log.sync());  // from here on it survives a power cut

  for (auto const& read : log.records({.sequence = record.sequence})) {
    HOLDFAST_TRY(found, read);  // each one checked again; a break is an error, never skipped
    std::printf("record %d: %.*s\n", static_cast<int>(found.sequence),
                static_cast<int>(found.payload.size()), hf::as_text(found.payload).data());
  }
  return log.close();
}
// [readme]
}  // namespace

int main() {
  readme::Scratch const scratch;
  return readme::run([&]() -> hf::result<void> {
    HOLDFAST_TRYV(keep_events(scratch.path() + "/events"));
    return keep_events(scratch.path() + "/events");
  });
}

// SPDX-License-Identifier: BSL-1.0
// The README's example of reprocessing: two tasks fill one stage side by side, watched and counted.
#include <cstdint>
#include <cstdio>
#include <string>

#include "holdfast/backend/directory.hpp"
#include "holdfast/report/health.hpp"
#include "holdfast/report/metrics.hpp"
#include "holdfast/report/observer.hpp"
#include "holdfast/reprocess.hpp"
#include "holdfast/staged.hpp"
#include "readme_scratch.hpp"

namespace {
template <class Writer>
hf::result<void> write_pages(Writer& pages, hf::TaskRun& run) {
  run.expect(100);
  for (int page = 0; page < 100; ++page) {
    HOLDFAST_TRYV(run.step());  // counts, and says when to stop
    HOLDFAST_TRYV(pages.put("page " + std::to_string(page), hf::as_bytes("text")));
  }
  return hf::ok();
}

// [readme]
hf::result<void> reprocess(std::string const& home, std::uint64_t offset) {
  hf::Metrics metrics;
  auto const world = hf::observed(metrics.observer());
  HOLDFAST_TRY(db, hf::open_staged(home, hf::StagedOptions{}, world, hf::DirectoryStore{"pages"},
                                   hf::DirectoryStore{"index"}));
  hf::Reprocess job{db, hf::ReprocessOptions{.thread_pool_size = 2}, {}, world};
  job.add({.name = "pages",
           .run = [&](auto& writer, auto& run) { return write_pages(std::get<0>(writer), run); },
           .validate = [](auto const& reader) -> hf::result<bool> {
             return std::get<0>(reader).get("page 99").has_value();
           }});
  job.add({.name = "index", .run = [&](auto& writer, auto& run) {
             run.mark("offset", offset);
             return std::get<1>(writer).put("all", hf::as_bytes("0-99"));
           }});
  auto const done = job.run();  // all of them and the switch, or nothing; tried again by policy
  std::printf("%s", hf::to_text(*job.report()).c_str());

  hf::Prometheus page;
  metrics.put(page);
  put(page, job.status());
  auto const health = hf::health({.status = db.status(), .run = job.status()});
  std::printf("%zu bytes of metrics; %s\n", page.text().size(), hf::to_text(health).c_str());
  if (!done) return hf::failure(done.error());
  return hf::ok();
}
// [readme]
}  // namespace

int main() {
  readme::Scratch const scratch;
  return readme::run([&] { return reprocess(scratch.path(), 4711); });
}

// SPDX-License-Identifier: BSL-1.0
// The file-based stores with every call of the file system failing, one at a time.
#include "fault_sweep.hpp"
#include "holdfast/backend/directory.hpp"
#include "holdfast/backend/file_blobs.hpp"

using hf::as_bytes;

namespace {
// File blobs with the shape of a store.
struct Blobs {
  using Writer = hf::Generation;
  hf::BasicFileBlobs<support::FailingFiles> blobs;
  hf::result<Writer> create(hf::Generation g) {
    HOLDFAST_TRYV(blobs.create(g));
    return g;
  }
  hf::result<void> seal(Writer& g) { return blobs.put(g, as_bytes("content")); }
  hf::result<hf::bytes> open(hf::Generation g) { return blobs.get(g); }
  hf::result<void> drop(hf::Generation g) { return blobs.drop(g); }
  auto generations() { return blobs.generations(); }
};
}  // namespace

TEST_CASE("whichever call fails, a directory is sealed whole or not at all",
          "[backend][directory][faults]") {
  auto const way =
      GENERATE(sweep::Way::refused, sweep::Way::half_done, sweep::Way::done_but_failed);
  auto const number = GENERATE(ENOSPC, EIO);
  scratch::Folder home;
  support::FailingFiles files;
  hf::BasicDirectoryStore<support::FailingFiles> store{"files", {.verify_on_open = true}, files};
  store.place(home.path());
  auto const fill = [](auto& writer) -> hf::result<void> {
    HOLDFAST_TRYV(writer.put("a", as_bytes("alpha")));
    scratch::write(writer.path() + "/own", "mine");
    return writer.put("sub/b", as_bytes("beta"));
  };
  auto const whole = [](auto const& reader) {
    auto const get = [&](auto const* name) {
      auto const content = reader.get(name);
      return content ? scratch::text(content.value()) : std::string{"none"};
    };
    return get("a") == "alpha" && get("own") == "mine" && get("sub/b") == "beta";
  };
  sweep::Sweep all{store, files.calls(), fill, whole};
  CHECK(all.run(way, number) > 20);
}

TEST_CASE("whichever call fails, a blob is put whole or not at all", "[backend][blobs][faults]") {
  auto const way =
      GENERATE(sweep::Way::refused, sweep::Way::half_done, sweep::Way::done_but_failed);
  auto const number = GENERATE(ENOSPC, EIO);
  scratch::Folder home;
  support::FailingFiles files;
  Blobs store{hf::BasicFileBlobs<support::FailingFiles>{"blobs", files}};
  store.blobs.place(home.path());
  auto const fill = [](auto&) -> hf::result<void> { return hf::ok(); };
  auto const whole = [](auto const& content) { return scratch::text(content) == "content"; };
  sweep::Sweep all{store, files.calls(), fill, whole};
  CHECK(all.run(way, number) > 10);
}

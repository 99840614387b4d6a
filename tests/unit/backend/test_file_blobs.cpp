// SPDX-License-Identifier: BSL-1.0
// File blobs, and a backend of one's own made from them.
#include <algorithm>
#include <filesystem>

#include "catch.hpp"
#include "faulty_files.hpp"
#include "holdfast/adaptor/together.hpp"
#include "holdfast/backend/file_blobs.hpp"
#include "scratch.hpp"

using hf::as_bytes;
using hf::errc;
using scratch::code;

namespace {
// A whole backend: a text a generation.
struct Note {
  static constexpr hf::Guarantees guarantees = hf::FileBlobs::guarantees;
  struct Writer {
    hf::Generation generation;
    std::string text;
  };
  hf::FileBlobs blobs{"note"};

  std::string name() const { return blobs.name(); }
  void place(std::string const& home) { blobs.place(home); }
  hf::result<Writer> create(hf::Generation g) {
    HOLDFAST_TRYV(blobs.create(g));
    return Writer{g, {}};
  }
  hf::result<void> seal(Writer& w) { return blobs.put(w.generation, as_bytes(w.text)); }
  hf::result<std::string> open(hf::Generation g) {
    HOLDFAST_TRY(content, blobs.get(g));
    return std::string{hf::as_text(content)};
  }
  hf::result<void> drop(hf::Generation g) { return blobs.drop(g); }
  auto generations() { return blobs.generations(); }
};
static_assert(hf::generation_store<Note> && hf::placed_store<Note>);
static_assert(hf::guarantees_of<Note>().durable);

template <class Fs = hf::Posix>
hf::BasicFileBlobs<Fs> blobs_in(scratch::Folder const& home, Fs files = {}) {
  hf::BasicFileBlobs<Fs> blobs{"blobs", files};
  blobs.place(home.path());
  return blobs;
}
}  // namespace

TEST_CASE("a backend of one's own is twenty lines over file blobs", "[backend][blobs]") {
  scratch::Folder home;
  Note store;
  store.place(home.path());
  auto writer = store.create({1});
  REQUIRE(writer);
  writer.value().text = "remember";
  CHECK(code(store.open({1})) == errc::unsealed);
  REQUIRE(store.seal(writer.value()));
  REQUIRE(store.seal(writer.value()));
  CHECK(store.open({1}).value() == "remember");
  CHECK(scratch::numbers(store.generations().value()) == std::vector<std::uint64_t>{1});
  REQUIRE(store.drop({1}));
  CHECK(code(store.open({1})) == errc::not_found);

  hf::Together both{Note{}, Note{}};
  CHECK(code(both.check()) == errc::invalid);
}

TEST_CASE("a blob is put once", "[backend][blobs]") {
  scratch::Folder home;
  auto blobs = blobs_in(home);
  CHECK(code(blobs.put({1}, as_bytes("never created"))) == errc::not_found);
  REQUIRE(blobs.create({1}));
  CHECK(code(blobs.create({1})) == errc::exists);
  REQUIRE(blobs.put({1}, as_bytes("content")));
  REQUIRE(blobs.put({1}, as_bytes("content")));
  CHECK(code(blobs.put({1}, as_bytes("another"))) == errc::exists);
  CHECK(scratch::text(blobs.get({1}).value()) == "content");
  CHECK(blobs.verify({1}).value() == hf::Verified::digests);
  REQUIRE(blobs.publish({1}));
  CHECK(scratch::read(home / "blobs/current") == "content");
  REQUIRE(blobs.create({2}));
  REQUIRE(blobs.put({2}, {}));
  CHECK(blobs.get({2}).value().empty());
}

TEST_CASE("a damaged blob is never data", "[backend][blobs]") {
  scratch::Folder home;
  auto blobs = blobs_in(home);
  REQUIRE(blobs.create({1}));
  REQUIRE(blobs.put({1}, as_bytes("content")));
  auto const file = home / "blobs/0000000001/blob";
  SECTION("flipped") {
    scratch::flip_bit(file, 3);
  }
  SECTION("truncated") {
    std::filesystem::resize_file(file, 3);
  }
  SECTION("extended") {
    std::filesystem::resize_file(file, 30);
  }
  SECTION("missing") {
    std::filesystem::remove(file);
  }
  CHECK(code(blobs.get({1})) == errc::damaged);
}

TEST_CASE("a put that failed may be tried again", "[backend][blobs][faults]") {
  auto const* const failing = GENERATE("remove blob", "create blob", "write blob", "remove SEAL",
                                       "create SEAL", "write SEAL");
  scratch::Folder home;
  FaultyFiles files;
  auto blobs = blobs_in(home, files);
  REQUIRE(blobs.create({1}));
  files.faults->failing = {failing};
  files.faults->code = errc::no_space;
  CHECK(code(blobs.put({1}, as_bytes("content"))) == errc::no_space);
  CHECK_FALSE(blobs.get({1}));
  REQUIRE(blobs.put({1}, as_bytes("other content")));
  CHECK(scratch::text(blobs.get({1}).value()) == "other content");
}

TEST_CASE("a put whose sync failed can only be dropped", "[backend][blobs][faults]") {
  auto const* const failing =
      GENERATE("sync blob", "sync SEAL", "settle 0000000001", "settle blobs");
  scratch::Folder home;
  FaultyFiles files;
  auto blobs = blobs_in(home, files);
  REQUIRE(blobs.create({1}));
  files.faults->failing = {failing};
  files.faults->code = errc::sync_failed;
  CHECK(code(blobs.put({1}, as_bytes("content"))) == errc::sync_failed);
  auto const calls = files.faults->calls;
  CHECK(code(blobs.put({1}, as_bytes("content"))) == errc::sync_failed);
  CHECK(files.faults->calls == calls);  // nothing is written or synced a second time
  REQUIRE(blobs.drop({1}));
  CHECK(blobs.generations().value().empty());
}

// SPDX-License-Identifier: BSL-1.0
// The directory store: what is put comes back, or an error says why not; in which order it syncs.
#include <algorithm>
#include <atomic>
#include <filesystem>
#include <thread>

#include "catch.hpp"
#include "faulty_files.hpp"
#include "holdfast/backend/directory.hpp"
#include "scratch.hpp"

using Catch::Matchers::ContainsSubstring;
using hf::as_bytes;
using hf::errc;
using scratch::code;
using scratch::said;

namespace {
hf::DirectoryStore store_in(scratch::Folder const& home, hf::DirectoryOptions options = {}) {
  hf::DirectoryStore store{"files", options};
  store.place(home.path());
  return store;
}

// Generation g with the files a and sub/b, sealed.
template <class Store>
void build(Store& store, std::uint64_t g) {
  auto writer = store.create({g});
  REQUIRE(writer);
  REQUIRE(writer.value().put("a", as_bytes("alpha " + std::to_string(g))));
  REQUIRE(writer.value().put("sub/b", as_bytes("beta")));
  REQUIRE(store.seal(writer.value()));
}
}  // namespace

TEST_CASE("what was put into a sealed directory comes back", "[backend][directory]") {
  scratch::Folder home;
  auto store = store_in(home);
  build(store, 1);
  build(store, 2);

  auto const reader = store.open({1});
  REQUIRE(reader);
  CHECK(scratch::text(reader.value().get("a").value()) == "alpha 1");
  CHECK(scratch::text(reader.value().get("sub/b").value()) == "beta");
  CHECK(reader.value().names() == std::vector<std::string>{"a", "sub/b"});
  CHECK(reader.value().path() == home / "files/0000000001");
  CHECK(code(reader.value().get("c")) == errc::not_found);
  CHECK(code(reader.value().get("sub/")) == errc::not_found);
  CHECK(scratch::numbers(store.generations().value()) == std::vector<std::uint64_t>{1, 2});
  CHECK(store.verify({2}).value() == hf::Verified::digests);
}

TEST_CASE("seal finds, syncs and digests the caller's own files", "[backend][directory]") {
  scratch::Folder home;
  FaultyFiles files;
  hf::BasicDirectoryStore<FaultyFiles> store{"files", {}, files};
  store.place(home.path());
  auto writer = store.create({1});
  REQUIRE(writer);
  std::filesystem::create_directories(writer.value().path() + "/deep/empty");
  scratch::write(writer.value().path() + "/deep/own", "mine");
  REQUIRE(store.seal(writer.value()));

  CHECK(std::count(files.faults->calls.begin(), files.faults->calls.end(), "sync own") == 1);
  CHECK(scratch::text(store.open({1}).value().get("deep/own").value()) == "mine");
  CHECK(store.verify({1}).value() == hf::Verified::digests);
  std::filesystem::remove(home / "files/0000000001/deep/empty");
  CHECK_THAT(said(store.open({1})), ContainsSubstring("deep/empty/"));
}

TEST_CASE("a name that leads elsewhere is refused", "[backend][directory]") {
  scratch::Folder home;
  auto store = store_in(home);
  auto writer = store.create({1});
  REQUIRE(writer);
  for (auto const* name : {"", "/etc/passwd", "..", "../a", "a/../../b", "a//b", "SEAL"}) {
    CHECK(code(writer.value().put(name, as_bytes("x"))) == errc::invalid);
  }
  CHECK(code(writer.value().put({"a\0b", 3}, as_bytes("x"))) == errc::invalid);
  REQUIRE(writer.value().put("a", as_bytes("x")));
  CHECK(code(writer.value().put("a", as_bytes("y"))) == errc::exists);
  CHECK(code(writer.value().put("a/b", as_bytes("y"))) == errc::invalid);
  REQUIRE(writer.value().put("sub/SEAL", as_bytes("only the top one is ours")));
  REQUIRE(store.seal(writer.value()));
  CHECK(scratch::text(store.open({1}).value().get("a").value()) == "x");
}

TEST_CASE("sealing twice is as sealing once, and ends the writing", "[backend][directory]") {
  scratch::Folder home;
  auto store = store_in(home);
  auto writer = store.create({1});
  REQUIRE(writer);
  REQUIRE(store.seal(writer.value()));
  REQUIRE(store.seal(writer.value()));
  CHECK(code(writer.value().put("late", as_bytes("x"))) == errc::spent);
  CHECK(store.open({1}).value().names().empty());
}

TEST_CASE("remains of a generation are never reused", "[backend][directory]") {
  scratch::Folder home;
  auto store = store_in(home);
  build(store, 1);
  CHECK(code(store.create({1})) == errc::exists);
  { auto const abandoned = store.create({2}); }
  CHECK(code(store.create({2})) == errc::exists);
  CHECK(scratch::numbers(store.generations().value()) == std::vector<std::uint64_t>{1, 2});
  CHECK(code(store.open({2})) == errc::unsealed);
  CHECK(code(store.create({0})) == errc::invalid);
}

TEST_CASE("drop takes one generation, and nothing else", "[backend][directory]") {
  scratch::Folder home;
  auto store = store_in(home);
  REQUIRE(store.drop({9}));  // there is no place yet
  build(store, 1);
  build(store, 2);
  REQUIRE(store.drop({1}));
  REQUIRE(store.drop({1}));
  CHECK(code(store.open({1})) == errc::not_found);
  CHECK(scratch::text(store.open({2}).value().get("a").value()) == "alpha 2");
  CHECK_FALSE(std::filesystem::exists(home / "files/0000000001"));
}

TEST_CASE("what has no number of ours is neither listed nor dropped", "[backend][directory]") {
  scratch::Folder home;
  auto store = store_in(home);
  build(store, 12);
  for (auto const* name : {"12", "000000012", "00000000012", "0000000000", "00000000x2", "notes",
                           "99999999999999999999999"}) {
    std::filesystem::create_directory(home / "files/" + name);
  }
  std::filesystem::create_directory(home / "files/12345678901");
  scratch::write(home / "files/0000000013", "a file");
  std::filesystem::create_directory_symlink("0000000012", home / "files/0000000014");

  CHECK(scratch::numbers(store.generations().value()) ==
        std::vector<std::uint64_t>{12, 12345678901});
  for (std::uint64_t const g : {std::uint64_t{13}, std::uint64_t{14}}) {
    CHECK(code(store.drop({g})) == errc::foreign);
    CHECK(code(store.open({g})) == errc::foreign);
    CHECK(code(store.create({g})) == errc::exists);
  }
  CHECK(store.open({12}));
}

TEST_CASE("each kind of damage is named with its file", "[backend][directory]") {
  scratch::Folder home;
  auto store = store_in(home);
  build(store, 1);
  auto const at = home / "files/0000000001/";
  auto const refuses = [&](std::string const& name) {
    auto const opened = store.open({1});
    CHECK(code(opened) == errc::damaged);
    CHECK_THAT(said(opened), ContainsSubstring(name));
  };
  SECTION("truncated") {
    std::filesystem::resize_file(at + "a", 3);
    refuses("0000000001/a");
  }
  SECTION("extended") {
    std::filesystem::resize_file(at + "sub/b", 300);
    refuses("0000000001/sub/b");
  }
  SECTION("missing") {
    std::filesystem::remove(at + "sub/b");
    refuses("sub/b");
  }
  SECTION("a folder missing") {
    std::filesystem::remove_all(at + "sub");
    refuses("sub/");
  }
  SECTION("extra") {
    scratch::write(at + "sub/extra", "");
    refuses("sub/extra");
  }
  SECTION("a symlink in place of a file") {
    std::filesystem::rename(at + "a", home / "elsewhere");
    std::filesystem::create_symlink(home / "elsewhere", at + "a");
    refuses("0000000001/a");
  }
  SECTION("a flipped bit in SEAL") {
    scratch::flip_bit(at + "SEAL", 12);
    refuses("SEAL");
  }
  SECTION("an empty SEAL") {
    scratch::write(at + "SEAL", "");
    refuses("SEAL");
  }
  SECTION("the SEAL of another generation") {
    build(store, 2);
    std::filesystem::copy_file(home / "files/0000000002/SEAL", at + "SEAL",
                               std::filesystem::copy_options::overwrite_existing);
    refuses("SEAL");
    CHECK(store.open({2}));
  }
}

TEST_CASE("a flipped bit is found on get, by verify, and on open if asked",
          "[backend][directory]") {
  scratch::Folder home;
  auto store = store_in(home);
  build(store, 1);
  scratch::flip_bit(home / "files/0000000001/a", 2);

  auto const reader = store.open({1});
  REQUIRE(reader);
  CHECK(code(reader.value().get("a")) == errc::damaged);
  CHECK(scratch::text(reader.value().get("sub/b").value()) == "beta");
  CHECK(code(store.verify({1})) == errc::damaged);
  CHECK(code(store_in(home, {.verify_on_open = true}).open({1})) == errc::damaged);
}

TEST_CASE("a file changed under a reader is damaged, not data", "[backend][directory]") {
  scratch::Folder home;
  auto store = store_in(home);
  build(store, 1);
  auto const reader = store.open({1});
  REQUIRE(reader);
  scratch::write(home / "files/0000000001/a", "a longer content than before");
  CHECK(code(reader.value().get("a")) == errc::damaged);
  scratch::write(home / "files/0000000001/a", "short");
  CHECK(code(reader.value().get("a")) == errc::damaged);
  std::filesystem::remove(home / "files/0000000001/a");
  CHECK(code(reader.value().get("a")) == errc::damaged);
}

TEST_CASE("the SEAL is the last file made, and every name is durable after it",
          "[backend][directory][order]") {
  scratch::Folder home;
  FaultyFiles files;
  hf::BasicDirectoryStore<FaultyFiles> store{"files", {}, files};
  store.place(home.path());
  build(store, 1);
  auto const& calls = files.faults->calls;
  auto const at = [&](std::string const& call) {
    auto const found = std::find(calls.begin(), calls.end(), call);
    REQUIRE(found != calls.end());
    return found - calls.begin();
  };
  CHECK(at("sync a") < at("create SEAL"));
  CHECK(at("sync b") < at("create SEAL"));
  CHECK(at("settle ") < at("create SEAL"));  // the folder "sub/"
  CHECK(at("sync SEAL") < at("settle 0000000001"));
  CHECK(calls.back() == "settle files");
  CHECK(calls[calls.size() - 2] == "settle 0000000001");
}

TEST_CASE("drop takes the SEAL first, and ends with the root", "[backend][directory][order]") {
  scratch::Folder home;
  FaultyFiles files;
  hf::BasicDirectoryStore<FaultyFiles> store{"files", {}, files};
  store.place(home.path());
  build(store, 1);
  files.faults->calls.clear();
  REQUIRE(store.drop({1}));
  CHECK(files.faults->calls == std::vector<std::string>{"remove SEAL", "settle 0000000001",
                                                        "remove a", "remove b", "remove sub",
                                                        "remove 0000000001", "settle files"});
  files.faults->calls.clear();
  REQUIRE(store.drop({1}));
  CHECK(files.faults->calls == std::vector<std::string>{"settle files"});
}

TEST_CASE("a half dropped generation reads as unsealed, and is dropped again",
          "[backend][directory]") {
  scratch::Folder home;
  FaultyFiles files;
  hf::BasicDirectoryStore<FaultyFiles> store{"files", {}, files};
  store.place(home.path());
  build(store, 1);
  files.faults->failing = {"remove b"};
  CHECK(code(store.drop({1})) == errc::io);
  CHECK(code(store.open({1})) == errc::unsealed);
  CHECK(scratch::numbers(store.generations().value()) == std::vector<std::uint64_t>{1});
  REQUIRE(store.drop({1}));
  CHECK(store.generations().value().empty());
}

TEST_CASE("a seal that failed may be tried again", "[backend][directory][faults]") {
  auto const* const failing = GENERATE("create SEAL", "write SEAL", "remove SEAL");
  scratch::Folder home;
  FaultyFiles files;
  hf::BasicDirectoryStore<FaultyFiles> store{"files", {}, files};
  store.place(home.path());
  auto writer = store.create({1});
  REQUIRE(writer);
  REQUIRE(writer.value().put("a", as_bytes("alpha")));
  files.faults->failing = {failing};
  files.faults->code = errc::no_space;
  CHECK(code(store.seal(writer.value())) == errc::no_space);
  REQUIRE(writer.value().put("b", as_bytes("beta")));
  REQUIRE(store.seal(writer.value()));
  CHECK(store.open({1}).value().names() == std::vector<std::string>{"a", "b"});
}

TEST_CASE("after a failed sync a generation can only be dropped", "[backend][directory][faults]") {
  auto const* const failing =
      GENERATE("sync a", "sync own", "sync SEAL", "settle 0000000001", "settle files");
  scratch::Folder home;
  FaultyFiles files;
  hf::BasicDirectoryStore<FaultyFiles> store{"files", {}, files};
  store.place(home.path());
  auto writer = store.create({1});
  REQUIRE(writer);
  files.faults->failing = {failing};
  files.faults->code = errc::sync_failed;
  auto const put = writer.value().put("a", as_bytes("alpha"));
  CHECK(put.has_value() == (std::string{failing} != "sync a"));
  scratch::write(writer.value().path() + "/own", "mine");
  CHECK(code(store.seal(writer.value())) == errc::sync_failed);
  CHECK(code(store.seal(writer.value())) == errc::sync_failed);
  CHECK(code(writer.value().put("b", as_bytes("beta"))) == errc::sync_failed);
  REQUIRE(store.drop({1}));
  CHECK(store.generations().value().empty());
}

TEST_CASE("a put that failed leaves nothing to seal", "[backend][directory][faults]") {
  scratch::Folder home;
  FaultyFiles files;
  hf::BasicDirectoryStore<FaultyFiles> store{"files", {}, files};
  store.place(home.path());
  auto writer = store.create({1});
  REQUIRE(writer);
  files.faults->failing = {"write a"};
  files.faults->code = errc::no_space;
  CHECK(code(writer.value().put("a", as_bytes("alpha"))) == errc::no_space);
  SECTION("and may be tried again") {
    REQUIRE(writer.value().put("a", as_bytes("alpha")));
    REQUIRE(store.seal(writer.value()));
    CHECK(scratch::text(store.open({1}).value().get("a").value()) == "alpha");
  }
  SECTION("and if what it left can't be removed, the seal fails") {
    files.faults->failing = {"write b", "remove b"};
    CHECK(code(writer.value().put("b", as_bytes("beta"))) == errc::no_space);
    CHECK(code(store.seal(writer.value())) == errc::no_space);
    CHECK(code(store.seal(writer.value())) == errc::no_space);
  }
}

TEST_CASE("a place that can't be had is an error that names it", "[backend][directory]") {
  scratch::Folder home;
  SECTION("not placed") {
    hf::DirectoryStore store{"files"};
    CHECK(code(store.create({1})) == errc::invalid);
    CHECK(code(store.open({1})) == errc::invalid);
    CHECK(code(store.drop({1})) == errc::invalid);
    CHECK(code(store.generations()) == errc::invalid);
    CHECK_THAT(said(store.publish({1})), ContainsSubstring("files"));
  }
  SECTION("a name with a slash") {
    hf::DirectoryStore store{"../files"};
    store.place(home.path());
    CHECK(code(store.create({1})) == errc::invalid);
  }
  SECTION("a file in the way") {
    scratch::write(home / "files", "I was here first");
    auto store = store_in(home);
    CHECK(code(store.create({1})) == errc::invalid);
    CHECK_THAT(said(store.create({1})), ContainsSubstring(home / "files"));
    CHECK(code(store.generations()) == errc::invalid);
    CHECK(code(store.drop({1})) == errc::invalid);
    CHECK(scratch::read(home / "files") == "I was here first");
  }
  SECTION("nothing there yet") {
    auto store = store_in(home);
    CHECK(store.generations().value().empty());
    CHECK(code(store.open({1})) == errc::not_found);
    CHECK(code(store.publish({1})) == errc::not_found);
  }
}

TEST_CASE("publish points a symlink at a sealed generation", "[backend][directory]") {
  scratch::Folder home;
  auto store = store_in(home);
  build(store, 1);
  build(store, 2);
  auto const link = home / "files/current";
  REQUIRE(store.publish({1}));
  CHECK(std::filesystem::read_symlink(link) == "0000000001");
  std::filesystem::create_symlink("left by a crash", link + ".next");
  REQUIRE(store.publish({2}));
  CHECK(scratch::read(link + "/a") == "alpha 2");
  CHECK_FALSE(std::filesystem::is_symlink(link + ".next"));
  CHECK(scratch::numbers(store.generations().value()) == std::vector<std::uint64_t>{1, 2});

  { auto const unfinished = store.create({3}); }
  CHECK(code(store.publish({3})) == errc::unsealed);
  CHECK(code(store.publish({4})) == errc::not_found);
  CHECK(std::filesystem::read_symlink(link) == "0000000002");
}

TEST_CASE("what an outside name gives is not dropped", "[backend][directory]") {
  scratch::Folder home;
  auto store = store_in(home);
  build(store, 1);
  build(store, 2);
  REQUIRE(store.publish({1}));
  std::filesystem::create_symlink("0000000002/a", home / "files/for the others");
  for (std::uint64_t const g : {std::uint64_t{1}, std::uint64_t{2}}) {
    CHECK(code(store.drop({g})) == errc::pinned);
    CHECK(store.open({g}));
  }
  CHECK_THAT(said(store.drop({1})), ContainsSubstring("files/current"));
  REQUIRE(store.publish({2}));
  REQUIRE(store.drop({1}));
}

TEST_CASE("publish replaces nothing but a symlink", "[backend][directory]") {
  scratch::Folder home;
  auto store = store_in(home);
  build(store, 1);
  auto const* const taken = GENERATE("files/current", "files/current.next");
  scratch::write(home / taken, "somebody's");
  CHECK(code(store.publish({1})) == errc::exists);
  CHECK(scratch::read(home / taken) == "somebody's");
}

TEST_CASE("many threads read one reader", "[backend][directory][threads]") {
  scratch::Folder home;
  auto store = store_in(home);
  build(store, 1);
  auto const reader = store.open({1});
  REQUIRE(reader);
  std::vector<std::thread> threads;
  std::atomic<int> good = 0;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&good, &r = reader.value()] {
      for (int n = 0; n < 50; ++n) good += r.get("sub/b").has_value() && r.names().size() == 2;
    });
  }
  for (auto& thread : threads) thread.join();
  CHECK(good == 200);
}

// SPDX-License-Identifier: BSL-1.0
// Tests which disks a power cut may leave, mode by mode: exactly these, none more and none less.
#include <set>
#include <string>

#include "catch.hpp"
#include "crash_disks.hpp"

using namespace crash_disks;  // NOLINT(google-build-using-namespace)
using Disks = std::set<std::string>;

namespace {
void nothing(SimulatedFiles const&) {}
constexpr CrashMode journaled[] = {CrashMode::ext4, CrashMode::ext4_auto_da};
constexpr CrashMode cuts[] = {CrashMode::any, CrashMode::ext4, CrashMode::ext4_auto_da};
}  // namespace

TEST_CASE("sectors that are overwritten survive each on its own", "[simulator]") {
  auto const before = [](auto const& fs) { put(fs, "/a", "11112222"); };
  auto const work = [](auto const& fs) { put(fs, "/a", "33334444"); };
  for (auto const mode : cuts) {
    CHECK(disks(mode, before, work) ==
          Disks{"a=11112222", "a=33332222", "a=11114444", "a=33334444"});
  }
}

TEST_CASE("a synced file keeps its data and size, whatever happens to its name", "[simulator]") {
  auto const work = [](auto const& fs) {
    put(fs, "/a", "1111");
    sync(fs, "/a");
  };
  CHECK(disks(CrashMode::any, nothing, work) == Disks{"", "a=1111"});
  for (auto const mode : journaled) CHECK(disks(mode, nothing, work) == Disks{"a=1111"});
}

TEST_CASE("a synced directory keeps its names, whatever happens to the files", "[simulator]") {
  auto const work = [](auto const& fs) {
    put(fs, "/a", "11");
    fs.sync_directory("/").value();
  };
  CHECK(disks(CrashMode::any, nothing, work) == Disks{"a=", "a=00", "a=11"});
  for (auto const mode : journaled) CHECK(disks(mode, nothing, work) == Disks{"a=", "a=11"});
}

TEST_CASE("a journal keeps names in order, other disks in any", "[simulator]") {
  auto const work = [](auto const& fs) {
    fs.make_directory("/a").value();
    fs.make_directory("/b").value();
  };
  CHECK(disks(CrashMode::any, nothing, work) == Disks{"", "a/", "b/", "a/ b/"});
  for (auto const mode : journaled) CHECK(disks(mode, nothing, work) == Disks{"", "a/", "a/ b/"});
}

TEST_CASE("a sync of one file commits the journal before it", "[simulator]") {
  auto const work = [](auto const& fs) {
    fs.make_directory("/d").value();
    put(fs, "/a", "11");
    sync(fs, "/a");
    fs.make_directory("/e").value();
  };
  for (auto const mode : journaled) {
    CHECK(disks(mode, nothing, work) == Disks{"a=11 d/", "a=11 d/ e/"});
  }
  CHECK(disks(CrashMode::any, nothing, work).size() == 8);
}

TEST_CASE("a sync of overwritten data commits no names", "[simulator]") {
  auto const before = [](auto const& fs) { put(fs, "/a", "11"); };
  auto const work = [](auto const& fs) {
    fs.make_directory("/d").value();
    put(fs, "/a", "22");
    sync(fs, "/a");
  };
  for (auto const mode : cuts) CHECK(disks(mode, before, work) == Disks{"a=22", "a=22 d/"});
}

TEST_CASE("a rename within a directory is atomic", "[simulator]") {
  auto const before = [](auto const& fs) {
    put(fs, "/a", "11");
    put(fs, "/b", "22");
  };
  auto const work = [](auto const& fs) { fs.rename("/a", "/b").value(); };
  for (auto const mode : cuts) CHECK(disks(mode, before, work) == Disks{"a=11 b=22", "b=11"});
}

TEST_CASE("a rename between directories is atomic only in a journal", "[simulator]") {
  auto const before = [](auto const& fs) {
    fs.make_directory("/d").value();
    put(fs, "/a", "11");
  };
  auto const work = [](auto const& fs) { fs.rename("/a", "/d/a").value(); };
  for (auto const mode : journaled) {
    CHECK(disks(mode, before, work) == Disks{"a=11 d/", "d/ d/a=11"});
  }
  CHECK(disks(CrashMode::any, before, work) ==
        Disks{"a=11 d/", "d/ d/a=11", "d/", "a=11 d/ d/a=11"});
}

TEST_CASE("a rename over a file rescues unsynced data only with auto_da", "[simulator]") {
  auto const before = [](auto const& fs) { put(fs, "/a", "11"); };
  auto const work = [](auto const& fs) {
    put(fs, "/b", "22");
    fs.rename("/b", "/a").value();
    fs.sync_directory("/").value();
  };
  CHECK(disks(CrashMode::any, before, work) == Disks{"a=", "a=00", "a=22"});
  CHECK(disks(CrashMode::ext4, before, work) == Disks{"a=", "a=22"});
  CHECK(disks(CrashMode::ext4_auto_da, before, work) == Disks{"a=22"});
}

TEST_CASE("an emptied and rewritten file is rescued by its close only with auto_da",
          "[simulator]") {
  auto const before = [](auto const& fs) { put(fs, "/a", "11"); };
  auto const work = [](auto const& fs) {
    {
      auto file = fs.open("/a", hf::Open::write);
      fs.resize(file.value(), 0).value();
      fs.write_at(file.value(), 0, hf::as_bytes("22")).value();
    }
    fs.make_directory("/d").value();
    fs.sync_directory("/").value();
  };
  CHECK(disks(CrashMode::ext4, before, work) == Disks{"a= d/", "a=22 d/"});
  CHECK(disks(CrashMode::ext4_auto_da, before, work) == Disks{"a=22 d/"});
}

TEST_CASE("freed blocks are not used again before the cut is committed", "[simulator]") {
  auto const before = [](auto const& fs) { put(fs, "/a", "1111"); };
  auto const work = [](auto const& fs) {
    resize(fs, "/a", 0);
    put(fs, "/a", "22");
  };
  CHECK(disks(CrashMode::ext4, before, work) == Disks{"a=1111", "a=", "a=22"});
  auto const any = disks(CrashMode::any, before, work);
  CHECK(any.count("a=22") == 1);  // also with the cut lost: the size is a register of its own
  CHECK(any.count("a=11") == 1);
}

TEST_CASE("a journal never shows a size before its data", "[simulator]") {
  auto const before = [](auto const& fs) { put(fs, "/a", "1111"); };
  auto const work = [](auto const& fs) { put(fs, "/a", "111122223333"); };
  for (auto const mode : journaled) {
    CHECK(disks(mode, before, work) == Disks{"a=1111", "a=111122223333"});
  }
  CHECK(disks(CrashMode::any, before, work) ==
        Disks{"a=1111", "a=111100000000", "a=111122220000", "a=111100003333", "a=111122223333"});
}

TEST_CASE("a hard link is a second name of the same data", "[simulator]") {
  auto const before = [](auto const& fs) { put(fs, "/a", "11"); };
  auto const work = [](auto const& fs) {
    fs.link("/a", "/b").value();
    fs.sync_directory("/").value();
    put(fs, "/b", "22");
  };
  for (auto const mode : cuts) CHECK(disks(mode, before, work) == Disks{"a=11 b=11", "a=22 b=22"});
}

TEST_CASE("a symlink comes whole or not at all", "[simulator]") {
  auto const work = [](auto const& fs) { fs.symlink("there", "/s").value(); };
  for (auto const mode : cuts) CHECK(disks(mode, nothing, work) == Disks{"", "s->there"});
}

TEST_CASE("an exchange of two names comes whole or not at all", "[simulator]") {
  auto const before = [](auto const& fs) {
    put(fs, "/a", "1111");
    fs.make_directory("/d").value();
    put(fs, "/d/b", "22");
  };
  auto const work = [](auto const& fs) {
    fs.symlink("t", "/s").value();
    CHECK(fs.exchange("/a", "/none").error().code() == hf::errc::not_found);
    CHECK(fs.exchange("/a", "/d/b").error().code() == hf::errc::invalid);
    fs.exchange("/a", "/s").value();
  };
  for (auto const mode : cuts) {
    CHECK(disks(mode, before, work) ==
          Disks{"a=1111 d/ d/b=22", "a=1111 d/ d/b=22 s->t", "a->t d/ d/b=22 s=1111"});
  }
}

TEST_CASE("what has no name any more leaves no trace", "[simulator]") {
  auto const work = [](auto const& fs) {
    auto file = fs.open("/a", hf::Open::create);
    fs.remove("/a").value();
    fs.sync_directory("/").value();
    fs.write_at(file.value(), 0, hf::as_bytes("1111")).value();
  };
  for (auto const mode : cuts) CHECK(disks(mode, nothing, work) == Disks{""});
}

TEST_CASE("a sector under write may become garbage, one that was synced does not", "[simulator]") {
  hf::testing::disk::Damage const damage{.fill = std::byte{'#'}, .trashes = true};
  auto const before = [](auto const& fs) { put(fs, "/a", "11112222"); };
  auto const work = [](auto const& fs) {
    put(fs, "/a", "33332222");
    sync(fs, "/a");
    put(fs, "/a", "33334444");
  };
  for (auto const mode : cuts) {
    CHECK(disks(mode, before, work, damage) == Disks{"a=33332222", "a=33334444", "a=3333####"});
  }
}

TEST_CASE("garbage takes the neighbours of what was written in the same sector", "[simulator]") {
  hf::testing::disk::Damage const damage{.fill = std::byte{'#'}, .trashes = true};
  auto const before = [](auto const& fs) { put(fs, "/a", "1111"); };
  auto const work = [](auto const& fs) {
    auto file = fs.open("/a", hf::Open::write);
    fs.write_at(file.value(), 3, hf::as_bytes("2")).value();
  };
  for (auto const mode : cuts) {
    CHECK(disks(mode, before, work, damage) == Disks{"a=1111", "a=1112", "a=####"});
  }
}

TEST_CASE("a journal shows no size whose data became garbage", "[simulator]") {
  hf::testing::disk::Damage const damage{.fill = std::byte{'#'}, .trashes = true};
  auto const work = [](auto const& fs) { put(fs, "/a", "11"); };
  for (auto const mode : journaled) {
    CHECK(disks(mode, nothing, work, damage) == Disks{"", "a=", "a=11"});
  }
  CHECK(disks(CrashMode::any, nothing, work, damage) == Disks{"", "a=", "a=11", "a=##"});
}

TEST_CASE("where a file grew and its data was lost, what the block held before shows, zeros or not",
          "[simulator]") {
  hf::testing::disk::Damage const damage{.fill = std::byte{'#'}};
  auto const before = [](auto const& fs) { put(fs, "/a", "11"); };
  auto const zeros = [](auto const& fs) {
    auto file = fs.open("/a", hf::Open::write);
    fs.write_at(file.value(), 4, hf::bytes(2)).value();
    fs.resize(file.value(), 9).value();
  };
  CHECK(disks(CrashMode::any, before, zeros, damage) ==
        Disks{"a=11", "a=1100##", "a=110000", "a=1100####0", "a=110000000"});
  for (auto const mode : journaled) {
    CHECK(disks(mode, before, zeros, damage) == Disks{"a=11", "a=110000", "a=110000000"});
  }
}

TEST_CASE("a unit of one byte tears a sector anywhere between what changes", "[simulator]") {
  hf::testing::disk::Damage const damage{.fill = std::byte{'#'}, .tears_bytes = true};
  auto const before = [](auto const& fs) { put(fs, "/a", "1111"); };
  auto const work = [](auto const& fs) { put(fs, "/a", "1231"); };
  for (auto const mode : cuts) {
    auto const found = disks(mode, before, work, damage);
    CHECK(found == Disks{"a=1111", "a=1211", "a=1131", "a=1231", "a=1##1", "a=12#1", "a=1#11",
                         "a=11#1", "a=1#31"});
  }
}

TEST_CASE("a sync that fails leaves clean pages, which no later sync makes durable",
          "[simulator]") {
  auto const before = [](auto const& fs) { put(fs, "/a", "11112222"); };
  auto const work = [](auto const& fs) {
    put(fs, "/a", "33332222");
    fs.calls().fail({.call = hf::testing::Call::sync});
    auto file = fs.open("/a", hf::Open::write);
    CHECK(fs.sync(file.value()).error().code() == hf::errc::sync_failed);
    CHECK(text_of(fs) == "a=33332222");
    CHECK(fs.sync(file.value()));  // it is told once
    fs.write_at(file.value(), 4, hf::as_bytes("4444")).value();
    CHECK(fs.sync(file.value()));
  };
  for (auto const mode : cuts)
    CHECK(disks(mode, before, work) == Disks{"a=11114444", "a=33334444"});
}

TEST_CASE("what a failed sync forgot is durable once it is written again and synced",
          "[simulator]") {
  auto const before = [](auto const& fs) { put(fs, "/a", "1111"); };
  auto const work = [](auto const& fs) {
    put(fs, "/a", "2222");
    fs.calls().fail({.call = hf::testing::Call::sync});
    auto file = fs.open("/a", hf::Open::write);
    CHECK_FALSE(fs.sync(file.value()));
    fs.write_at(file.value(), 3, hf::as_bytes("3")).value();
    CHECK(fs.sync(file.value()));
  };
  for (auto const mode : cuts) CHECK(disks(mode, before, work) == Disks{"a=2223"});
}

TEST_CASE("a size that is synced after a failed sync may show what was never written",
          "[simulator]") {
  auto const work = [](auto const& fs) {
    put(fs, "/a", "11");
    fs.calls().fail({.call = hf::testing::Call::sync});
    auto file = fs.open("/a", hf::Open::write);
    CHECK_FALSE(fs.sync(file.value()));
    CHECK(fs.sync(file.value()));
    CHECK(fs.sync_directory("/"));
  };
  for (auto const mode : cuts) CHECK(disks(mode, nothing, work) == Disks{"a=00", "a=11"});
}

// SPDX-License-Identifier: BSL-1.0
// Damages every file of a home on the simulated disk, in every way: opening it is an error, or
// shows the current generation or an earlier one that is good; never wrong data, and nothing good
// is lost.
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "catch.hpp"
#include "damages.hpp"
#include "holdfast/adaptor/together.hpp"
#include "holdfast/backend/directory.hpp"
#include "holdfast/backend/file_register.hpp"
#include "holdfast/policy/file_lock.hpp"
#include "holdfast/staged.hpp"
#include "holdfast/testing/simulated_disk.hpp"

namespace {
using namespace hf::testing;  // NOLINT(google-build-using-namespace)
using Contents = std::map<std::string, std::string>;
using Folders = hf::BasicDirectoryStore<SimulatedFiles>;
using Both = hf::Together<Folders, Folders>;
using Register = hf::BasicFileRegister<SimulatedFiles, SimulatedWorld>;
using Lock = hf::BasicFileLock<SimulatedFiles, SimulatedWorld>;

constexpr std::size_t largest = std::size_t{64} << 10;  // bytes of a file whose every bit is tried

Both store(SimulatedProcess const& p) {
  Both both{Folders{"keys", {.verify_on_open = true}, p.files},
            Folders{"stats", {.verify_on_open = true}, p.files}};
  both.place("/db");
  return both;
}
Register reg(SimulatedProcess const& p) {
  return Register{"/db/CURRENT", p.files, p.world};
}
auto open_home(SimulatedProcess const& p) {
  return hf::open_staged(hf::StagedOptions{.retain = 2, .publish_grace_ms = 0}, store(p), reg(p),
                         Lock{"/db/LOCK", p.files, p.world}, p.world);
}

std::string text_of(std::uint64_t generation) {
  return "generation " + std::to_string(generation) + std::string(generation * 7, '.');
}
template <class Db>
hf::result<void> commit(Db& db, std::uint64_t generation) {
  HOLDFAST_TRY(stage, db.stage());
  auto const text = text_of(generation);
  HOLDFAST_TRYV(std::get<0>(stage.writer()).put("value", hf::as_bytes(text)));
  HOLDFAST_TRYV(std::get<1>(stage.writer()).put("deep/value", hf::as_bytes(text)));
  HOLDFAST_TRY(ready, std::move(stage).seal());
  HOLDFAST_TRY(done, std::move(ready).commit({.marks = {{"built", generation}}}));
  return done.generation.number == generation ? hf::result<void>{hf::ok()}
                                              : hf::failure(hf::errc::invalid, "commit");
}

// The generation that is shown, 0 if there is an error, or what is wrong with it in words.
struct Shown {
  std::uint64_t generation = 0;
  std::string wrong{};
};
template <class Reads>
Shown shown(Reads const& reads) {
  auto const view = reads.view();
  if (!view) return {};
  auto const& v = view.assume_value();
  Shown out{v.generation().number, {}};
  auto const text = text_of(out.generation);
  auto const one = std::get<0>(*v).get("value");
  auto const other = std::get<1>(*v).get("deep/value");
  auto const mark = v.marks().find("built");
  if (!one || !other) return {};  // an error too, when it is read
  if (hf::as_text(one.assume_value()) != text || hf::as_text(other.assume_value()) != text) {
    out.wrong = "other bytes";
  } else if (mark == v.marks().end() || mark->second != out.generation) {
    out.wrong = "the marks of another generation";
  }
  return out;
}

// Every file below /db with its content.
void read_tree(SimulatedFiles const& files, std::string const& path, Contents& into) {
  auto const entries = files.list(path).value();
  for (auto const& entry : entries) {
    auto const name = path + "/" + entry.name;
    if (entry.kind == hf::Entry::Kind::directory) read_tree(files, name, into);
    if (entry.kind != hf::Entry::Kind::file) continue;
    auto const content = hf::detail::read_file(files, name, 1 << 20).value();
    into[name] = std::string{hf::as_text(content)};
  }
}

// A home of which generations 2 and 3 are kept, and how it was after each commit.
struct Home {
  std::vector<disk::Image> after;  // after[g] is after the commit of g; after[0] before the first
  std::vector<Contents> contents;

  Home() {
    SimulatedDisk const machine{4096, 1};
    auto const p = machine.start();
    REQUIRE(hf::detail::make_directories(p.files, "/db"));
    auto opened = open_home(p);
    REQUIRE(opened);
    auto& db = opened.assume_value();
    keep(machine);
    for (std::uint64_t g = 1; g <= 3; ++g) {
      REQUIRE(commit(db, g));
      keep(machine);
    }
  }
  void keep(SimulatedDisk const& machine) {
    after.push_back(machine.machine().cache);
    contents.emplace_back();
    read_tree(machine.start().files, "/db", contents.back());
  }
};

// What opening the home answers after `path` got another content; `boot` 1 is that of its writer.
std::string judged(Home const& home,
                   std::string const& path,
                   std::string const* content,
                   std::uint64_t boot) {
  SimulatedDisk const machine{home.after[3], boot, 7, 50};
  auto const vandal = machine.start();
  if (content == nullptr) {
    if (!vandal.files.remove(path)) return "not removed";
  } else {
    auto file = vandal.files.open(path, hf::Open::write);
    if (!file || !vandal.files.resize(file.assume_value(), content->size()) ||
        !vandal.files.write_at(file.assume_value(), 0, hf::as_bytes(*content))) {
      return "not damaged";
    }
  }
  auto const right = [](Shown const& seen, char const* who) {
    bool const known = seen.generation == 0 || seen.generation == 2 || seen.generation == 3;
    if (!seen.wrong.empty()) return std::string{who} + ": " + seen.wrong;
    if (!known) return std::string{who} + " shows generation " + std::to_string(seen.generation);
    return std::string{};
  };
  auto const p = machine.start();
  auto const followed = hf::open_view(store(p), reg(p));
  if (followed) {
    if (auto wrong = right(shown(followed.assume_value()), "a reader"); !wrong.empty())
      return wrong;
  }
  auto const opened = open_home(machine.start());
  if (opened) {
    if (auto wrong = right(shown(opened.assume_value()), "the owner"); !wrong.empty()) return wrong;
  }
  // Both kept generations are still there, whatever opening has made of what it found.
  Contents now;
  read_tree(machine.start().files, "/db", now);
  for (auto const& [name, bytes] : home.contents[3]) {
    bool const data = name.find("/00000000") != std::string::npos && name != path;
    if (data && now[name] != bytes) return "lost or changed: " + name;
  }
  return {};
}
}  // namespace

TEST_CASE("a home whose files are damaged in any bit or length never shows wrong data",
          "[damage][staged]") {
  Home const home;
  std::size_t tried = 0;
  for (auto const& [path, content] : home.contents[3]) {
    if (content.size() > largest) continue;
    CAPTURE(path);
    tried += damage::each_flip_and_cut(
        content, [&](std::string const& what, std::string const& damaged) {
          // By turns in the boot that wrote it, where the hint counts, and in the next.
          auto const wrong = judged(home, path, &damaged, 1 + damaged.size() % 2);
          if (wrong.empty()) return true;
          FAIL_CHECK(what << ": " << wrong);
          return false;
        });
  }
  WARN("damages of a home that were judged: " << tried);
  CHECK(tried > 60'000);
}

TEST_CASE("a home of which a file is missing, stale or another never shows wrong data",
          "[damage][staged]") {
  Home const home;
  std::size_t tried = 0;
  auto const check = [&](std::string const& path, std::string const* content,
                         std::string const& what) {
    for (std::uint64_t const boot : {1u, 2u}) {
      INFO(path << " " << what << ", boot " << boot);
      CHECK(judged(home, path, content, boot) == "");
      ++tried;
    }
  };
  for (auto const& [path, content] : home.contents[3]) {
    check(path, nullptr, "missing");
    for (auto const& earlier : home.contents) {
      auto const stale = earlier.find(path);
      if (stale == earlier.end() || stale->second == content) continue;
      check(path, &stale->second, "stale");
    }
    for (auto const& [other, bytes] : home.contents[3]) {
      if (bytes != content) check(path, &bytes, "with the content of " + other);
    }
  }
  CHECK(tried > 100);
}

TEST_CASE("the home that is damaged is right before it is", "[damage][staged]") {
  Home const home;
  CHECK(home.contents[3].size() >= 10);
  SimulatedDisk const machine{home.after[3], 2, 7, 50};
  auto const opened = open_home(machine.start());
  REQUIRE(opened);
  CHECK(shown(opened.value()).generation == 3);
  CHECK(shown(opened.value()).wrong.empty());
}

// SPDX-License-Identifier: BSL-1.0
// The files of a simulated process that has threads.
#include <cstdint>
#include <string>
#include <thread>
#include <vector>

#include "catch.hpp"
#include "holdfast/file_ops.hpp"
#include "holdfast/testing/scenario.hpp"
#include "holdfast/testing/serial_files.hpp"

using hf::Open;
using hf::testing::Note;
using hf::testing::Run;
using hf::testing::SerialFiles;
using hf::testing::SimulatedDisk;

TEST_CASE("threads and processes of one machine call one at a time", "[simulator][threads]") {
  SimulatedDisk const disk;
  SerialFiles<> const first{disk.start()};
  SerialFiles<> const second{disk.start()};
  auto const work = [](SerialFiles<> const& fs, std::string const& name) {
    for (int i = 0; i < 50; ++i) {
      auto const path = "/" + name + std::to_string(i);
      auto file = fs.open(path, Open::create);
      if (!file) continue;
      static_cast<void>(fs.try_lock(file.value(), hf::Range{}, hf::Mode::exclusive));
      static_cast<void>(fs.write_at(file.value(), 0, hf::as_bytes(path)));
      static_cast<void>(fs.sync(file.value()));
    }
  };
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back(work, t % 2 == 0 ? first : second, std::string(1, "abcd"[t]));
  }
  for (auto& thread : threads) thread.join();
  auto const names = first.list("/").value();
  REQUIRE(names.size() == 200);
  for (auto const& entry : names) {
    auto const content = hf::detail::read_file(second, "/" + entry.name, 100);
    CHECK(hf::as_text(content.value()) == "/" + entry.name);
  }
  CHECK(disk.machine().locks.empty());
}

TEST_CASE(
    "what runs before each call runs before those of the first thread alone, and may wait "
    "for others",
    "[simulator][threads]") {
  SimulatedDisk const disk;
  SerialFiles<> const files{disk.start()};
  int runs = 0;
  disk.before_each_call([&] {
    ++runs;
    std::thread{[&] {
      static_cast<void>(files.make_directory("/" + std::to_string(runs)));
    }}.join();
    static_cast<void>(files.list("/"));  // not within itself
  });
  CHECK(files.list("/").value().size() == 1);
  CHECK(runs == 1);
  CHECK(files.list("/").value().size() == 2);
  CHECK(runs == 2);
  disk.before_each_call({});
  CHECK(files.list("/").value().size() == 2);
}

TEST_CASE("notes, starts and kills may run beside the threads of a process",
          "[simulator][threads]") {
  Run run{SimulatedDisk{}};
  SerialFiles<> const files{run.start()};
  std::thread other{[files] {
    for (int i = 0; i < 200; ++i) static_cast<void>(files.make_directory("/" + std::to_string(i)));
  }};
  for (std::uint64_t i = 0; i < 200; ++i) {
    run.note({Note::Kind::acked, i, 0, 0});
    auto const next = run.start();
    next.kill_after(i);
    CHECK(next.alive());
    next.kill();
    run.crash_from_here();
  }
  other.join();
  CHECK(files.list("/").value().size() == 200);
  CHECK(run.disk.machine().log.steps.size() == 600);
}

TEST_CASE("a file that was moved closes once, and lets go of its lock", "[simulator][threads]") {
  SimulatedDisk const disk;
  SerialFiles<> const files{disk.start()};
  {
    auto file = files.open("/a", Open::create).value();
    CHECK(files.try_lock(file, hf::Range{}, hf::Mode::exclusive).value());
    auto moved = std::move(file);
    auto other = files.open("/a", Open::write).value();
    CHECK_FALSE(files.try_lock(other, hf::Range{}, hf::Mode::exclusive).value());
    other = std::move(moved);
    CHECK(disk.machine().locks.size() == 1);
  }
  CHECK(disk.machine().locks.empty());
}

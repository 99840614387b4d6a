// SPDX-License-Identifier: BSL-1.0
// Tests what a process knows of itself and of time.
#include <unistd.h>

#include <algorithm>
#include <set>
#include <sstream>
#include <string>

#include "catch.hpp"
#include "holdfast/report/observer.hpp"
#include "holdfast/world.hpp"
#include "places.hpp"
#include "processes.hpp"

TEST_CASE("a process knows itself, the same each time it asks", "[world]") {
  hf::Native const world;
  auto const self = world.self();
  CHECK(self == world.self());
  CHECK(self.pid == static_cast<std::uint64_t>(::getpid()));
  CHECK(!self.host_name().empty());
  CHECK(self.boot != hf::BootId{});
  CHECK(self.nonce != 0);
}

TEST_CASE("a start time is the kernel's, also when the name of the program has brackets",
          "[world]") {
  std::istringstream stat{support::read_file("/proc/self/stat")};
  std::string all{std::istreambuf_iterator<char>{stat}, {}};
  std::istringstream after{all.substr(all.rfind(')') + 1)};
  std::string field;
  for (int i = 3; i <= 22; ++i) after >> field;
  CHECK(std::to_string(hf::Native{}.self().start_time) == field);
  CHECK(support::in_child([&]() -> std::string {
          support::write_file("/proc/self/comm", "a) 1 2 (b");
          return hf::detail::read_start_time() != 0 ? "" : "no start time";
        }) == "");
}

TEST_CASE("a forked child is another process, of the same boot and host", "[world][process]") {
  auto const parent = hf::Native{}.self();
  CHECK(support::in_child([&]() -> std::string {
          auto const child = hf::Native{}.self();
          if (child.pid != static_cast<std::uint64_t>(::getpid())) return "pid of another";
          if (child.nonce == parent.nonce) return "nonce of its parent";
          if (child.boot != parent.boot) return "another boot";
          return child.host_name() == parent.host_name() ? "" : "another host";
        }) == "");
}

TEST_CASE("clocks run, and waiting ends when it should", "[world]") {
  hf::Native const world;
  auto const before = world.steady_ns();
  world.wait_until(before + 2'000'000);
  CHECK(world.steady_ns() >= before + 2'000'000);
  world.wait_until(before);  // the past: at once
  CHECK(world.wall_ns() > 1'500'000'000'000'000'000);
}

TEST_CASE("random numbers do not repeat", "[world]") {
  std::set<std::uint64_t> drawn;
  for (int i = 0; i < 1000; ++i) drawn.insert(hf::Native{}.random64());
  CHECK(drawn.size() == 1000);
}

TEST_CASE("an observed world tells every event and is the real one in all else", "[world]") {
  int heard = 0;
  auto const world = hf::observed([&heard](hf::Event const& event) noexcept {
    heard += event.kind == hf::Event::Kind::switched ? 1 : 0;
  });
  world.on({.kind = hf::Event::Kind::switched});
  auto const copy = world;
  copy.on({.kind = hf::Event::Kind::switched});
  CHECK(heard == 2);
  CHECK(world.self() == hf::Native{}.self());
  auto const before = hf::Native{}.steady_ns();
  CHECK(world.steady_ns() >= before);
  CHECK(world.wall_ns() > 0);
  CHECK(world.random64() != world.random64());
}

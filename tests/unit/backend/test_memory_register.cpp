// SPDX-License-Identifier: BSL-1.0
// Tests the register in memory: compare-and-swap, copies, threads.
#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "catch.hpp"
#include "holdfast/backend/memory_register.hpp"
#include "places.hpp"

namespace {
using hf::errc, hf::MemoryRegister, hf::Version;

std::string value_of(MemoryRegister const& reg) {
  auto const loaded = reg.load();
  if (!loaded || !loaded.value()) return "(absent)";
  return std::string{hf::as_text(loaded.value()->value)};
}
}  // namespace

TEST_CASE("a memory register is absent until the first store", "[register][memory]") {
  MemoryRegister reg;
  CHECK(value_of(reg) == "(absent)");
  CHECK(support::code_of(reg.store_if({1, 0}, hf::as_bytes("x"))) == errc::conflict);
  auto const first = reg.store_if(Version::none, hf::as_bytes("one"));
  REQUIRE(first);
  CHECK(first.value() > Version::none);
  CHECK(value_of(reg) == "one");
  CHECK(support::code_of(reg.store_if(Version::none, hf::as_bytes("two"))) == errc::conflict);
  CHECK(value_of(reg) == "one");
}

TEST_CASE("a memory register stores only over the version that was seen", "[register][memory]") {
  MemoryRegister reg;
  auto const first = reg.store_if(Version::none, hf::as_bytes("one")).value();
  auto const second = reg.store_if(first, hf::as_bytes("two")).value();
  CHECK(second > first);
  CHECK(support::code_of(reg.store_if(first, hf::as_bytes("late"))) == errc::conflict);
  CHECK(value_of(reg) == "two");
  CHECK(reg.load().value()->version == second);
  CHECK(reg.reopen());
  CHECK(value_of(reg) == "two");
}

TEST_CASE("a copy of a memory register is another handle on it", "[register][memory]") {
  MemoryRegister reg;
  MemoryRegister other = reg;
  CHECK(other.store_if(Version::none, hf::as_bytes("one")));
  CHECK(value_of(reg) == "one");
  CHECK(value_of(MemoryRegister{}) == "(absent)");
}

TEST_CASE("of many threads that store over one version, one wins", "[register][memory][threads]") {
  MemoryRegister reg;
  std::atomic<int> won{0};
  for (int round = 0; round < 50; ++round) {
    auto const loaded = reg.load().value();
    auto const seen = loaded ? loaded->version : Version::none;
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([&, reg]() mutable {
        if (reg.store_if(seen, hf::as_bytes("x"))) ++won;
      });
    }
    for (auto& thread : threads) thread.join();
    CHECK(won == round + 1);
  }
}

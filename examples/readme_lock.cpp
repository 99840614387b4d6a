// SPDX-License-Identifier: BSL-1.0
// The README's lock: held for a while, kept alive, and of no use to whoever comes too late.
#include <cstdio>
#include <string>
#include <utility>

#include "holdfast/backend/sqlite_register.hpp"
#include "holdfast/keep_alive.hpp"
#include "holdfast/policy/lease.hpp"
#include "readme_scratch.hpp"

namespace {
// [readme]
hf::result<void> migrate(std::string const& database) {
  // Less patience with other writers than the margin (a second): a loss can be told in time.
  hf::SqliteRegister reg{database, {.busy_timeout_ms = 500}};
  hf::Lock lock{hf::Lease{std::move(reg), {.ttl_ms = 10'000}}};
  HOLDFAST_TRY(held, lock.acquire({.timeout_ms = 30'000}));  // waits; names the holder if in vain

  hf::Threads threads{1};
  HOLDFAST_TRY(alive, hf::keep_alive(held, threads, {.lost = [](hf::error const& why) {
                                       std::printf("stop writing: %s\n", why.text().c_str());
                                     }}));

  // Hand the token to whatever you write to: it must refuse a smaller one than it has seen. No
  // clock is right about a process that was stopped for a minute; that comparison is.
  std::printf("writing with token %d\n", static_cast<int>(held.token().number));

  alive.stop();
  return alive.lost() ? hf::failure(hf::errc::fenced, "migrate") : held.release();
}
// [readme]
}  // namespace

int main() {
  readme::Scratch const scratch;
  return readme::run([&]() -> hf::result<void> {
    HOLDFAST_TRYV(migrate(scratch.path() + "/locks.sqlite3"));
    return migrate(scratch.path() + "/locks.sqlite3");
  });
}

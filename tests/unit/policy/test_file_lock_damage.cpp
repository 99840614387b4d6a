// SPDX-License-Identifier: BSL-1.0
// Tests the lock of a file that is damaged, replaced, unreadable or on a disk that fails.
#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <optional>
#include <string>

#include "catch.hpp"
#include "failing_files.hpp"
#include "holdfast/policy/file_lock.hpp"
#include "places.hpp"
#include "processes.hpp"
#include "test_world.hpp"

namespace {
using hf::errc, hf::FencingToken, hf::FileLock;
using support::Call, support::code_of, support::FailingFiles, support::Place, support::TestWorld;
using FailingLock = hf::BasicFileLock<FailingFiles>;
namespace record = hf::detail::lock_record;

hf::Owner myself() {
  return hf::Native{}.self();
}
FencingToken taken_and_released(std::string const& path) {
  FileLock lock{path};
  auto grant = lock.try_acquire(myself(), {});
  REQUIRE(grant);
  REQUIRE(lock.release(grant.value()));
  return grant.value().token;
}
}  // namespace

TEST_CASE("a torn record of the holder names nobody, and the next token is greater",
          "[lock][file][damage]") {
  Place place;
  auto const path = place / "LOCK";
  for (std::size_t const at : {record::holder_at, record::holder_at + 17, record::holder_at + 30,
                               record::holder_at + 100}) {
    auto const before = taken_and_released(path);
    support::flip(path, at);
    FileLock lock{path};
    CHECK(lock.inspect().value() == std::nullopt);
    CHECK(taken_and_released(path) > before);
  }
}

TEST_CASE("a torn record does not open a lock that is held", "[lock][file][damage]") {
  Place place;
  auto const path = place / "LOCK";
  FileLock holder{path}, other{path};
  auto grant = holder.try_acquire(myself(), {});
  support::flip(path, record::holder_at + 17);
  CHECK(code_of(other.try_acquire(myself(), {})) == errc::busy);
  CHECK(other.inspect().value() == std::nullopt);
  REQUIRE(holder.release(grant.value()));
  CHECK(taken_and_released(path) > grant.value().token);
}

TEST_CASE("a torn raise of the epoch leaves the epoch before it", "[lock][file][damage]") {
  Place place;
  auto const path = place / "LOCK";
  auto const world = TestWorld::after_boot(9);
  auto const before = taken_and_released(path);
  FencingToken raised;
  {
    hf::BasicFileLock<hf::Posix, TestWorld> lock{path, {}, world};
    raised = lock.try_acquire(world.self(), {}).value().token;
  }
  auto const epoch = raised.number >> 32;
  support::flip(path, epoch % 2 * record::stride + 26);
  CHECK(taken_and_released(path) > before);
}

TEST_CASE("a lock file of a newer format is refused and left as it is", "[lock][file][damage]") {
  Place place;
  auto const path = place / "LOCK";
  static_cast<void>(taken_and_released(path));
  auto content = support::read_file(path);
  auto const slot = hf::bytes_span{reinterpret_cast<std::byte*>(content.data()), 512};
  auto const epoch = record::encode(record::Epoch{8, myself().boot});
  std::copy(epoch.begin(), epoch.end(), slot.begin());
  hf::put_le(slot, record::at::form, record::format + 1);
  support::write_file(path, content);
  FileLock lock{path};
  CHECK(code_of(lock.try_acquire(myself(), {})) == errc::newer_format);
  CHECK(code_of(lock.inspect()) == errc::newer_format);
  CHECK(support::read_file(path) == content);
}

TEST_CASE("a lock file that lost its name is foreign to who holds it", "[lock][file][damage]") {
  Place place;
  auto const path = place / "LOCK";
  FileLock holder{path}, other{path};
  auto grant = holder.try_acquire(myself(), {});
  support::fs::rename(path, path + ".moved");
  CHECK(!holder.try_acquire(myself(), {}));
  auto next = other.try_acquire(myself(), {});  // makes a new file: the old one has no name
  REQUIRE(next);
  CHECK(code_of(holder.try_acquire(myself(), {})) == errc::foreign);
  CHECK(code_of(holder.release(grant.value())) == errc::foreign);
  CHECK(other.inspect().value()->token == next.value().token);
  CHECK(code_of(holder.try_acquire(myself(), {})) == errc::busy);
}

TEST_CASE("a lock file replaced while its lock is taken is noticed", "[lock][file][damage]") {
  Place place;
  auto const path = place / "LOCK";
  static_cast<void>(taken_and_released(path));
  FailingFiles files;
  FailingLock lock{path, files};
  bool replaced = false;
  files.calls().spy = [&](Call call, std::string const&) {
    if (call != Call::lock || replaced) return;
    replaced = true;
    support::fs::remove(path);
    support::write_file(path, "");
  };
  CHECK(code_of(lock.try_acquire(myself(), {})) == errc::foreign);
  CHECK(lock.try_acquire(myself(), {}));
}

TEST_CASE("a lock file that is a symlink or a directory is refused", "[lock][file][damage]") {
  Place place;
  auto const path = place / "LOCK";
  support::write_file(place / "victim", "precious");
  support::fs::create_symlink(place / "victim", path);
  FileLock lock{path};
  CHECK(code_of(lock.try_acquire(myself(), {})) == errc::foreign);
  CHECK(code_of(lock.inspect()) == errc::foreign);
  CHECK(support::read_file(place / "victim") == "precious");
  support::fs::remove(path);
  support::fs::create_directory(path);
  CHECK(!lock.try_acquire(myself(), {}));
  CHECK(!lock.inspect());
}

TEST_CASE("inspecting needs only permission to read, and disturbs nothing",
          "[lock][file][process]") {
  Place place;
  auto const path = place / "LOCK";
  FileLock lock{path};
  CHECK(lock.inspect().value() == std::nullopt);
  CHECK(!support::fs::exists(path));
  auto grant = lock.try_acquire(myself(), {});
  support::fs::permissions(path, support::fs::perms{0444});
  auto const before = support::traces(place.path());
  auto const look = [&, parent = myself()]() -> std::string {
    FileLock theirs{path};
    for (int i = 0; i < 20; ++i) {
      auto const seen = theirs.inspect();
      if (!seen) return seen.error().text();
      if (!seen.value() || seen.value()->owner != parent) return "names somebody else";
    }
    auto const refused = theirs.try_acquire(myself(), {});
    return code_of(refused) == errc::denied ? "" : "acquire: " + support::text_of(refused);
  };
  CHECK(support::in_unprivileged_child(look) == "");
  CHECK(support::traces(place.path()) == before);
  REQUIRE(lock.release(grant.value()));
}

TEST_CASE("inspecting while others take and release never fails and never blocks them",
          "[lock][file][process]") {
  Place place;
  auto const path = place / "LOCK";
  static_cast<void>(taken_and_released(path));
  support::Child looker{[&]() -> std::string {
    FileLock theirs{path};
    for (int i = 0; i < 300; ++i) {
      auto const seen = theirs.inspect();
      if (!seen) return seen.error().text();
    }
    return "";
  }};
  FileLock lock{path};
  for (int i = 0; i < 300; ++i) {
    auto grant = lock.try_acquire(myself(), {});
    INFO(i << ": " << support::text_of(grant));
    REQUIRE(grant);
    REQUIRE(lock.release(grant.value()));
  }
  CHECK(looker.answer() == "");
}

TEST_CASE("a lock in a folder that may not be written, or is missing, says so",
          "[lock][file][process]") {
  Place place;
  support::fs::create_directory(place / "shut");
  support::fs::permissions(place / "shut", support::fs::perms{0555});
  CHECK(support::in_unprivileged_child([&]() -> std::string {
          FileLock lock{place / "shut/LOCK"};
          auto const refused = lock.try_acquire(myself(), {});
          if (code_of(refused) != errc::denied) return "acquire: " + support::text_of(refused);
          return lock.inspect() ? "" : "inspect";
        }) == "");
  FileLock nowhere{place / "no/such/LOCK"};
  CHECK(code_of(nowhere.try_acquire(myself(), {})) == errc::not_found);
  FailingFiles files;
  files.calls().fail({.times = 100, .number = EROFS});
  FailingLock read_only{place / "LOCK", files};
  CHECK(code_of(read_only.try_acquire(myself(), {})) == errc::read_only);
}

TEST_CASE("a file system without working locks is refused by that name", "[lock][file][fault]") {
  Place place;
  FailingFiles files;
  FailingLock lock{place / "LOCK", files};
  files.calls().fail({.call = Call::lock, .number = ENOLCK});
  CHECK(code_of(lock.try_acquire(myself(), {})) == errc::no_locks);
  CHECK(lock.try_acquire(myself(), {}));
}

TEST_CASE("each call of taking a lock fails once: nobody is left locked out, tokens grow",
          "[lock][file][fault]") {
  for (bool const new_boot : {false, true}) {
    for (bool const takes_effect : {false, true}) {
      for (std::uint64_t n = 1;; ++n) {
        Place place{support::On::memory};
        auto const path = place / "LOCK";
        auto const world = new_boot ? TestWorld::after_boot(3) : TestWorld{};
        auto const before = taken_and_released(path);
        FailingFiles files;
        hf::BasicFileLock<FailingFiles, TestWorld> lock{path, files, world};
        files.calls().fail({.first = n, .takes_effect = takes_effect});
        auto grant = lock.try_acquire(myself(), {});
        files.calls().heal();
        if (files.calls().failed == 0) {
          REQUIRE(grant);
          REQUIRE(n > 5);
          break;
        }
        INFO("call " << n << ": " << support::text_of(grant));
        FileLock other{path};
        if (grant) {
          CHECK(code_of(other.try_acquire(myself(), {})) == errc::busy);
          REQUIRE(lock.release(grant.value()));
        }
        auto next = other.try_acquire(myself(), {});
        CHECK(support::text_of(next) == "");
        if (!next) continue;
        CHECK(next.value().token > before);
        if (grant) CHECK(next.value().token > grant.value().token);
        REQUIRE(other.release(next.value()));
        CHECK(lock.try_acquire(myself(), {}));
      }
    }
  }
}

TEST_CASE("each call of a release fails once: the lock is free all the same",
          "[lock][file][fault]") {
  for (bool const takes_effect : {false, true}) {
    for (std::uint64_t n = 1;; ++n) {
      Place place{support::On::memory};
      auto const path = place / "LOCK";
      FailingFiles files;
      FailingLock lock{path, files};
      auto grant = lock.try_acquire(myself(), {});
      REQUIRE(grant);
      files.calls().fail({.first = n, .takes_effect = takes_effect});
      static_cast<void>(lock.release(grant.value()));
      files.calls().heal();
      if (files.calls().failed == 0) break;
      INFO("call " << n);
      FileLock other{path};
      auto const holder = other.inspect();
      REQUIRE(holder);
      CHECK(holder.value() == std::nullopt);
      auto const next = other.try_acquire(myself(), {});
      REQUIRE(next);
      CHECK(next.value().token > grant.value().token);
    }
  }
}

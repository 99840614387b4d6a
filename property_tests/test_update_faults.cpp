// SPDX-License-Identifier: BSL-1.0
// Fails every call of an update in turn: it is applied with its marks or not at all, and the next
// process goes on.
#include <cerrno>
#include <cstdint>
#include <optional>
#include <string>

#include "catch.hpp"
#include "holdfast/testing/faults.hpp"
#include "holdfast/testing/serial_files.hpp"
#include "holdfast/testing/update_laws.hpp"
#include "update_places.hpp"

namespace {
using namespace hf::testing;  // NOLINT(google-build-using-namespace)

// A store with generation 1, on a machine of its own.
template <class Place>
struct Trial {
  using Store = typename Place::Store;
  SimulatedDisk disk{4096, 1};
  SimulatedProcess process = disk.start();
  std::optional<Store> store;

  Trial() {
    REQUIRE(hf::detail::make_directories(process.files, "/db"));
    store.emplace(Place{}.open(process));
    auto writer = store->create({1}).value();
    REQUIRE(Place{}.put(process, writer, files_of(1, 0)));
    REQUIRE(store->seal(writer));
  }
  void fail(Fault const& fault) { disk.machine().faults.fail(fault); }
  void heal() { disk.machine().faults.heal(); }
  [[nodiscard]] bool failed() const { return disk.machine().faults.failed != 0; }
  void restart() {
    store.reset();
    process = disk.start();
    store.emplace(Place{}.open(process));
  }
  [[nodiscard]] auto feed(std::uint64_t n) {
    return store->apply({1}, Place{}.batch(laws::files_of_update(n)), laws::marks_of_update(n));
  }
  /// Which state it shows; nothing if it is none.
  [[nodiscard]] std::optional<std::uint64_t> shown() {
    auto const reader = store->open({1});
    if (!reader) return std::nullopt;
    auto const n = laws::updates_in(store->marks_of(reader.value()).value_or(hf::Marks{}));
    auto const files = Place{}.get(reader.value());
    if (!files || files.value() != laws::files_after(n)) return std::nullopt;
    return n;
  }
};

template <class Place>
void sweep(int number) {
  std::uint64_t failures = 0;
  for (std::uint64_t k = 1;; ++k) {
    CAPTURE(k);
    Trial<Place> trial;
    REQUIRE(trial.feed(1));
    trial.fail({.first = k, .number = number});
    auto const fed = trial.feed(2);
    bool const failed = trial.failed();
    trial.heal();
    if (!failed) break;
    ++failures;
    trial.restart();
    auto const shown = trial.shown();
    REQUIRE(shown);
    CHECK((fed ? *shown == 2 : *shown == 1 || *shown == 2));
    CHECK(laws::updates_in(trial.store->marks({1}).value()) == *shown);
    for (std::uint64_t n = 1; n <= 3; ++n) REQUIRE(trial.feed(n));
    CHECK(trial.shown() == 3);
  }
  CHECK(failures > 1);
}
}  // namespace

TEST_CASE("an update of a database during which a call fails is whole or not there", "[updates]") {
  for (int const number : {EIO, ENOSPC}) {
    CAPTURE(number);
    sweep<crash::UpdatedSqlite<SimulatedFiles>>(number);
    sweep<crash::UpdatedRocks<SerialFiles<>>>(number);
  }
}

TEST_CASE("the first update of a database during which a call fails is whole or not there",
          "[updates]") {
  for (std::uint64_t k = 1;; ++k) {
    CAPTURE(k);
    Trial<crash::UpdatedSqlite<SimulatedFiles>> trial;
    trial.fail({.first = k});
    auto const fed = trial.feed(1);
    bool const failed = trial.failed();
    trial.heal();
    if (!failed) break;
    trial.restart();
    auto const shown = trial.shown();
    REQUIRE(shown);
    CHECK((fed ? *shown == 1 : *shown <= 1));
    REQUIRE(trial.feed(1));
    REQUIRE(trial.feed(2));
    CHECK(trial.shown() == 2);
  }
}

TEST_CASE("after a failed sync of its log a SQLite store updates no more until it is opened again",
          "[sqlite][updates]") {
  Trial<crash::UpdatedSqlite<SimulatedFiles>> trial;
  REQUIRE(trial.feed(1));
  trial.fail({.call = Call::sync, .path_has = "-wal"});
  auto const fed = trial.feed(2);
  trial.heal();
  REQUIRE_FALSE(fed);
  CHECK(fed.error().code() == hf::errc::sync_failed);
  auto const next = trial.feed(3);
  REQUIRE_FALSE(next);
  CHECK(next.error().code() == hf::errc::poisoned);
  trial.restart();
  for (std::uint64_t n = 1; n <= 3; ++n) REQUIRE(trial.feed(n));
  CHECK(trial.shown() == 3);
}

// SPDX-License-Identifier: BSL-1.0
// Whatever call of a store or register fails under an updater: it is told, nothing is mixed, and
// the next try goes on.
#include <sys/wait.h>
#include <unistd.h>

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "catch.hpp"
#include "holdfast/backend/memory_register.hpp"
#include "holdfast/backend/memory_store.hpp"
#include "holdfast/policy/exclusive.hpp"
#include "holdfast/staged.hpp"
#include "holdfast/staged/updater.hpp"

namespace {
using Rows = std::map<std::string, std::uint64_t>;

/// The call that fails, counted from 1 over all parts and the register; 0 = none.
struct Countdown {
  std::uint64_t left = 0;
  hf::errc code = hf::errc::io;
  [[nodiscard]] hf::result<void> pass() {
    if (left == 0 || --left != 0) return hf::ok();
    return hf::failure(code, "countdown");
  }
};
using Shared = std::shared_ptr<Countdown>;

struct CountedStore {
  using Inner = hf::MemoryStore<Rows>;
  using writer = Inner::writer;
  using reader = Inner::reader;
  using batch_type = Inner::batch_type;
  static constexpr hf::Guarantees guarantees{};
  Inner inner;
  Shared count;

  [[nodiscard]] std::string const& name() const { return inner.name(); }
  void place(std::string const&) {}
  [[nodiscard]] auto create(hf::Generation g) { return inner.create(g); }
  [[nodiscard]] auto seal(writer& w) { return inner.seal(w); }
  [[nodiscard]] hf::result<reader> open(hf::Generation g) const {
    HOLDFAST_TRYV(count->pass());
    return inner.open(g);
  }
  [[nodiscard]] auto drop(hf::Generation g) { return inner.drop(g); }
  [[nodiscard]] auto generations() const { return inner.generations(); }
  [[nodiscard]] hf::result<bool> updates(hf::Generation g) const {
    HOLDFAST_TRYV(count->pass());
    return inner.updates(g);
  }
  [[nodiscard]] hf::result<hf::Marks> marks(hf::Generation g) const {
    HOLDFAST_TRYV(count->pass());
    return inner.marks(g);
  }
  [[nodiscard]] auto marks_of(reader const& from) const { return inner.marks_of(from); }
  [[nodiscard]] hf::result<void> apply(hf::Generation g,
                                       batch_type const& batch,
                                       hf::Marks const& marks) {
    HOLDFAST_TRYV(count->pass());
    return inner.apply(g, batch, marks);
  }
};
static_assert(hf::updatable_store<CountedStore>);

struct CountedRegister {
  hf::MemoryRegister inner{};
  Shared count;
  [[nodiscard]] hf::result<std::optional<hf::Versioned>> load() const {
    HOLDFAST_TRYV(count->pass());
    return inner.load();
  }
  [[nodiscard]] auto store_if(hf::Version v, hf::bytes_view value) {
    return inner.store_if(v, value);
  }
  [[nodiscard]] auto reopen() { return inner.reopen(); }
  [[nodiscard]] std::size_t max_size() const noexcept { return inner.max_size(); }
};

struct CountedHome {
  using Store = hf::Together<CountedStore, CountedStore>;
  Shared count = std::make_shared<Countdown>();
  CountedStore left{CountedStore::Inner{"left"}, count};
  CountedStore right{CountedStore::Inner{"right"}, count};
  CountedRegister record{{}, count};
  hf::Exclusive lock{};
  hf::Exclusive updates{};

  [[nodiscard]] Store store() const { return Store{left, right}; }
  [[nodiscard]] auto update() const { return hf::open_updater(store(), record, updates); }
  void build() const {
    auto db = hf::open_staged(hf::StagedOptions{.publish = false}, store(), record, lock).value();
    auto ready = std::move(db.stage().value()).seal().value();
    REQUIRE(std::move(ready).commit({.marks = {{"offset", 0}}}));
  }
  template <class Opened>
  [[nodiscard]] static auto feed(Opened& updater, std::uint64_t n) {
    auto const put = [n](Rows& rows) -> hf::result<void> {
      rows[std::to_string(n)] = n;
      return hf::ok();
    };
    return updater.apply({{"offset", n}}, put, put);
  }
  // What both parts show, or why nothing.
  template <class Opened>
  [[nodiscard]] static std::string shown(Opened const& updater) {
    auto const view = updater.view();
    if (!view) return std::string{hf::message(view.error().code())};
    auto const& [one, two] = *view.value();
    bool const same = *one == *two && view.value().marks() == hf::Marks{{"offset", one->size()}};
    return same ? std::to_string(one->size()) : "mixed";
  }
};
}  // namespace

TEST_CASE("whichever call of an updater fails is told, and the next try goes on",
          "[updates][faults]") {
  bool reached = true;
  for (std::uint64_t n = 1; reached; ++n) {
    CAPTURE(n);
    bool const refreshes = n % 2 == 0;
    CountedHome const home;
    home.build();
    home.count->left = n;
    auto opened = home.update();
    if (!opened) {
      CHECK(opened.error().code() == hf::errc::io);
      opened = home.update();
    }
    auto& updater = opened.value();
    for (std::uint64_t i = 1; i <= 2; ++i) {
      auto applied = CountedHome::feed(updater, i);
      if (!applied) {
        CHECK(applied.error().code() == hf::errc::io);
        CHECK(CountedHome::shown(updater) == std::to_string(i - 1));
        if (refreshes) static_cast<void>(updater.refresh());
        applied = CountedHome::feed(updater, i);
      }
      REQUIRE(applied);
      auto const marks = updater.marks();
      REQUIRE(marks);
      CHECK(marks.value() == hf::Marks{{"offset", i}});
      if (applied.value().housekeeping) {  // it stands, and is shown by the next call
        CHECK(CountedHome::shown(updater) == std::to_string(i - 1));
        static_cast<void>(updater.refresh());
      }
      CHECK(CountedHome::shown(updater) == std::to_string(i));
      auto again = CountedHome::feed(updater, i);
      if (!again) again = CountedHome::feed(updater, i);
      CHECK(again.value().skipped);
    }
    auto const moved = updater.refresh();
    CHECK((!moved || !moved.value()));
    reached = home.count->left == 0;
  }
}

TEST_CASE("after a sync that failed an updater is of no use until it moves on",
          "[updates][faults]") {
  CountedHome const home;
  home.build();
  auto updater = home.update().value();
  *home.count = {.left = 2, .code = hf::errc::sync_failed};  // behind the look at the record
  CHECK(CountedHome::feed(updater, 1).error().code() == hf::errc::sync_failed);
  CHECK(CountedHome::feed(updater, 1).error().code() == hf::errc::poisoned);
  CHECK(updater.marks().error().code() == hf::errc::poisoned);
  CHECK(CountedHome::shown(updater) == "0");
  REQUIRE(updater.refresh());
  REQUIRE(CountedHome::feed(updater, 1));
  CHECK(CountedHome::shown(updater) == "1");
}

TEST_CASE("an updater in a forked child is refused", "[updates][fork]") {
  CountedHome const home;
  home.build();
  auto updater = home.update().value();
  auto const child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    bool const refused = updater.marks().error().code() == hf::errc::forked &&
                         updater.refresh().error().code() == hf::errc::forked &&
                         CountedHome::feed(updater, 1).error().code() == hf::errc::forked;
    ::_exit(refused ? 0 : 1);
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  CHECK(status == 0);
  CHECK(CountedHome::feed(updater, 1));
}
